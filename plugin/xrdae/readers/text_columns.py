"""Read columns of numbers: .xy, .xye, .dat, .csv, .txt, .chi and similar files.

What the columns are, the user states, or the names above them tell (`column_names`), or their
numbers (`column_roles`). Where neither is certain, the file is refused.

Sources: FIT2D's CHIPLOT format (four header lines: title, x label, y label, number of points),
A. P. Hammersley, https://www.esrf.fr/computing/scientific/FIT2D/; pyFAI's and diffpy's headers
behind `#`; files written for DASH (the wavelength alone above three columns). FullProf's columns of
intensities under start, step and end are in `step_scans`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import OTHER, find_named_kind
from xrdae.errors import FormatError
from xrdae.readers.axis_labels import (
    find_label_axis,
    find_units_axis,
    make_axis,
    mentions_two_theta,
    state_axis,
)
from xrdae.readers.column_names import ColumnNames, find_column_names, find_unknown_names
from xrdae.readers.column_roles import Columns, find_numbers, parse_columns, split_rows
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number
from xrdae.readers.named_columns import choose_by_names
from xrdae.readers.nameless_columns import check_counting, choose_without_names
from xrdae.readers.number_spellings import (
    normalize_numbers,
    normalize_start,
    remove_thousands,
)
from xrdae.readers.positions import check_even_steps, check_positions
from xrdae.readers.scan import Scan, ScanAxis
from xrdae.readers.step_scans import find_announced_points, find_announced_steps, read_steps
from xrdae.readers.text_header import find_header_axis, find_mentioned_axis, find_metadata
from xrdae.readers.text_table import (
    COMMENT,
    Table,
    decode_origin,
    find_first_row,
    find_mixed_row,
    read_table,
    read_table_with_texts,
    remove_quotes,
    split_lines,
)

Float: TypeAlias = npt.NDArray[np.float64]

_SNIFFED = (2_000, 200_000)  # characters; most headers are shorter than the first
_GENERAL = re.compile(r"(?i)deg(?:rees?)?\.?|°|[+\d.eE-]+")  # names of no quantity
_SEVERAL_Y = re.compile(r"(?i)\(X\+\+\(Y\.\.Y\)\)")
_FACTOR = re.compile(r"(?i)\s*##[XY]FACTOR=\s*([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)")
_SUFFIXES = {".gr": make_axis("r", "angstrom"), ".sq": ScanAxis("q"), ".fq": ScanAxis("q")}
ASSUMED = (
    "positions are assumed to be two_theta in degree, since nothing says what they are; state "
    "axis=... and units=..."
)


def is_mine(file: DataFile) -> bool:
    """Tell whether a text has rows of numbers, or `start step end` and intensities."""
    if file.text is None or file.text[:100].lstrip()[:1] in {"<", "{"}:
        return False
    for size in _SNIFFED:
        start = normalize_numbers(file.text[:size])
        lines = split_lines(start)
        if find_first_row(lines) is not None or find_announced_steps(lines) is not None:
            return True
        if find_announced_points(lines) is not None:
            return True
        lines = remove_thousands(lines) if "," in start else lines
        if find_first_row(lines) is not None or find_first_row(remove_quotes(lines)) is not None:
            return True
        whole = lines if len(file.text) <= size else lines[:-1]
        if read_table_with_texts(whole) is not None or find_mixed_row(whole) is not None:
            return True
    return False


def read_scans(file: DataFile) -> list[Scan]:
    """Return the patterns of the text.

    Raises
    ------
    FormatError
        If the text is cut off, if it is open what its columns or positions are, or if the positions
        cannot be what they are called.
    """
    options = file.options
    text = normalize_start(file.text or "")
    has_commas = "," in text or ";" in text
    lines = split_lines(text)
    del text
    vars(file).pop("text", None)  # saves memory: the lines hold the text
    if not options.describes_table and (scan := read_steps(lines)) is not None:
        return [scan]
    table = read_table(lines, has_commas=has_commas)
    table = dataclasses.replace(table, header=[decode_origin(line) for line in table.header])
    del lines
    _check_announced(table)
    heads = _find_names(table)
    if options.columns is not None:
        patterns = parse_columns(options.columns, table.values.shape[1], heads)
    elif heads.names:
        patterns = choose_by_names(table, heads)
    else:
        patterns = choose_without_names(table, file.suffix)
    metadata = _find_metadata(table, heads)
    numbers = find_numbers([one.name for one in patterns]) if heads.names else None
    units = {"column_number": numbers[1]} if numbers and numbers[1] else {}
    scans: list[Scan] = []
    for i, one in enumerate(patterns):
        labels: dict[str, float | str] = {"column": one.name} if one.name else {}
        if numbers:
            labels["column_number"] = numbers[0][i]
        scans += _make_scans(table, one, heads, metadata | labels, units, file)
    return scans


def _make_scans(
    table: Table,
    columns: Columns,
    heads: ColumnNames,
    metadata: dict[str, float | str],
    units: dict[str, str],
    file: DataFile,
) -> list[Scan]:
    """Return the pattern of some columns, or one for each sample in a long table."""
    name = heads.names[columns.x] if heads.names else ""
    axis, notes = _find_axis(table, heads, columns.x, file)
    if columns.sample is None:
        parts = [np.arange(_count_rows(table.values, columns))]
    else:
        parts = split_rows(table.values[:, columns.sample])
    scans = []
    for rows in parts:
        values = table.values if len(rows) == len(table.values) else table.values[rows]
        positions = values[:, columns.x] * axis.factor
        check_positions(table, rows, positions, axis.kind, bool(name))
        if file.options.columns is None:
            if notes:
                check_counting(values[:, columns.x])
            check_even_steps(positions, is_assumed=bool(notes))
        y = values[:, columns.y].copy()
        e = None if columns.e is None else values[:, columns.e].copy()
        y_units = _find_units(heads.names[columns.y]) if heads.names else "1"
        times: dict[str, float | str] = {}
        if columns.t is not None:
            y, e, y_units, times = _divide_by_times(y, e, values[:, columns.t], y_units)
        scans.append(
            Scan(
                axis.kind,
                positions,
                y,
                e,
                y_units,
                times | metadata | _find_sample(table, columns.sample, rows),
                units,
                axis=axis if axis.kind == OTHER else None,
                notes=notes,
            )
        )
    return scans


def _divide_by_times(
    y: Float, e: Float | None, times: Float, units: str
) -> tuple[Float, Float | None, str, dict[str, float | str]]:
    """Return intensities and errors of points that were counted for different times."""
    divided, new_units, time = divide_by_times(y, times, units)
    if new_units != units and e is not None:
        e = e / times
    return divided, e, new_units, {} if time is None else {"counting_time": time}


def _count_rows(values: Float, columns: Columns) -> int:
    """Return the number of rows without the last ones of empty fields.

    Beside longer patterns the columns of a shorter one end with empty fields.
    """
    wanted = [columns.x, columns.y]
    if not np.isnan(values[-1, wanted]).all():
        return len(values)
    known = np.flatnonzero(~np.isnan(values[:, wanted]).all(axis=1))
    return int(known[-1]) + 1 if known.size else len(values)


def _find_sample(
    table: Table, column: int | None, rows: npt.NDArray[np.intp]
) -> dict[str, float | str]:
    """Return the name of the sample that rows of a long table belong to."""
    if column is None:
        return {}
    value = float(table.values[rows[0], column])
    texts = table.texts.get(column)
    text = texts[int(value)] if texts else f"{value:g}"
    number = parse_number(text)
    return {"sample": text} | ({} if number is None else {"sample_number": number})


def _find_names(table: Table) -> ColumnNames:
    if _is_fit2d(table):
        return ColumnNames([label.strip() for label in table.header[-3:-1]], [])
    return find_column_names(table)


def _find_metadata(table: Table, heads: ColumnNames) -> dict[str, float | str]:
    found = find_metadata(line for line in table.header if line != heads.line)
    if _is_fit2d(table) and (title := table.header[-4].strip()):
        found.setdefault("title", title)
    alone = [line for line in table.header if line.strip()]
    if len(alone) == 1 and table.values.shape[1] == 3:  # DASH's .xye
        wavelength = parse_number(alone[0])
        if wavelength is not None and 0.1 < wavelength < 3:
            found.setdefault("wavelength", wavelength)
    return found


def _is_fit2d(table: Table) -> bool:
    """Tell whether the header ends in title, x label, y label and a number of points."""
    end = [line.strip() for line in table.header[-4:]]
    return (
        len(end) == 4
        and re.fullmatch(r"[0-9]{1,9}", end[3]) is not None
        and bool(end[1] and end[2])
        and not any(COMMENT.match(line) for line in end[1:3])
    )


def _check_announced(table: Table) -> None:
    """Refuse rows that are not as the header says: their number, or how JCAMP-DX writes them."""
    for line in table.header:
        if _SEVERAL_Y.search(line) or ((found := _FACTOR.match(line)) and float(found[1]) != 1):
            raise FormatError(
                f"its header says {line.strip()[:40]!r}; of JCAMP-DX only pairs (XY..XY) without "
                "factors are read, so export it as such, or as columns of text"
            )
    if _is_fit2d(table):
        announced = int(table.header[-1].strip())
        if announced != len(table.values):
            raise FormatError(
                f"its header announces {announced} points, but {len(table.values)} follow; "
                "the file is cut off or was edited"
            )


def _find_axis(
    table: Table, heads: ColumnNames, x: int, file: DataFile
) -> tuple[ScanAxis, tuple[str, ...]]:
    """Return the axis of the positions, and notes of what was assumed.

    Raises
    ------
    FormatError
        If the name above the positions is that of no known axis.
    """
    options = file.options
    name = heads.names[x] if heads.names else ""
    found = _find_named_axis(table, name, file)
    if options.axis is not None or options.units is not None:
        return state_axis(options.axis, options.units, found), ()
    if found is not None:
        is_stated = (
            found.kind != "two_theta"
            or any(map(mentions_two_theta, [name, *table.header]))
            or find_header_axis(table.header) is not None
        )
        return found, () if is_stated else (ASSUMED,)
    if name:
        is_general = find_named_kind(re.sub(r"\d+$", "", name)) is None
        is_general = is_general or _GENERAL.fullmatch(name) is not None
        unknown = [] if is_general else [name]
    else:
        unknown = [] if heads.names else find_unknown_names(table)
    if unknown:
        raise FormatError(
            f"its first column seems to be called {unknown[0]!r}, which is no axis that xrdae "
            "knows; state axis='two_theta' or another name, and units=..."
        )
    return ScanAxis("two_theta"), (ASSUMED,)


def _find_named_axis(table: Table, name: str, file: DataFile) -> ScanAxis | None:
    """Return the axis that a name, the header or the file's name tells; None: none does."""
    if name and (axis := find_label_axis(name) or find_units_axis(name)):
        return axis
    if axis := find_header_axis(table.header):
        return axis
    if match := re.search(r"(?i)[_.\s-](q|d-?spacing)$", file.path.stem):
        return ScanAxis("q" if match[1].lower() == "q" else "d")
    return find_mentioned_axis(table.header) or _SUFFIXES.get(file.suffix)


def _find_units(name: str) -> str:
    if re.search(r"(?i)(?<![a-z])(?:cps|count\w*\s*(?:/|per)\s*s)", name):
        return "counts/s"
    return "counts" if re.search(r"(?i)(?<![a-z])count(?!.*(?:per|/))", name) else "1"
