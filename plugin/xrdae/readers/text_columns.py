"""Read columns of numbers: .xy, .xye, .dat, .csv, .txt, .chi and similar files.

Sources: FIT2D's CHIPLOT format (four header lines: title, x label, y label, number of points),
A. P. Hammersley, https://www.esrf.fr/computing/scientific/FIT2D/; pyFAI's and diffpy's headers
behind `#`; files written for DASH (the wavelength alone above three columns). FullProf's columns of
intensities under start, step and end are in `step_scans`.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import OTHER
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number
from xrdae.readers.scan import Scan, ScanAxis
from xrdae.readers.step_scans import find_announced_steps, read_steps
from xrdae.readers.text_header import (
    find_header_axis,
    find_label_axis,
    find_metadata,
    find_units_axis,
)
from xrdae.readers.text_table import (
    COMMENT,
    Table,
    find_first_row,
    read_table,
    remove_quotes,
    split_lines,
)

Float: TypeAlias = npt.NDArray[np.float64]

_SNIFFED = (2_000, 200_000)  # characters; most headers are shorter than the first
_WITH_ERRORS = {".xye", ".xy", ".dat", ".txt", ".chi"}  # a nameless third column is sigma there
_ERRORS = re.compile(
    r"(?i)sigma|(?<![a-z])sig(?![a-z])|σ|err(?:ors?)?(?![a-z])|e\.?s\.?d|std|standard dev|uncert"
    r"|(?<![a-z])s\.?u(?![a-z])|^[es]$|^d[iy](?![a-z])"
)
_NOT_MEASURED = re.compile(r"(?i)calc|diff(?!ract)|bkg|backgr|resid|weight")
_INTENSITY = re.compile(r"(?i)count|cps|(?<![a-z])(?:int|obs|[iy]_?obs|[iy](?![a-z]))")
_HIGHEST_Q = 100.0  # 1/angstrom; above, positions without units are in 1/nm


def is_mine(file: DataFile) -> bool:
    """Tell whether a text has rows of numbers, or `start step end` and intensities."""
    if file.text is None or file.text[:100].lstrip()[:1] in {"<", "{"}:
        return False
    for size in _SNIFFED:
        lines = split_lines(file.text[:size])
        if find_first_row(lines) is not None or find_announced_steps(lines) is not None:
            return True
        if find_first_row(remove_quotes(lines)) is not None:
            return True
    return False


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one pattern of the text, or one for each column of intensities that has a name.

    The header decides what the columns are: the names above them, the x label of FIT2D, or keys
    such as `unit`. Without any, a file name that ends in `_q` or `_dspacing` does (diffpy's
    habit), then the first column is two_theta in degree and the second the intensity; a third is
    its standard deviation in .xye, .xy, .dat, .txt and .chi if it is nowhere negative and not
    all zero. Four and more columns without names must begin with one that increases or decreases.
    With names, several columns of intensities are several patterns, told apart by `column`, if
    there is nothing else beside the positions; else the first of them is the pattern.

    Raises
    ------
    FormatError
        If the text is cut off or has several patterns, or if the positions cannot be what they are
        called.
    """
    lines = split_lines(file.text or "")
    vars(file).pop("text", None)  # saves memory: the lines hold the text
    if (scan := read_steps(lines)) is not None:
        return [scan]
    table = read_table(lines)
    del lines
    _check_announced(table)
    names = _find_column_names(table)
    x, ys, sigma = _choose_columns(table, names, file.suffix)
    axis = _find_axis(table, names[x] if names else "", file)
    positions = table.values[:, x] * axis.factor
    _check_positions(table, positions, axis.kind, bool(names))
    errors = table.values[:, sigma].copy() if sigma is not None else None
    found = _find_metadata(table)
    return [
        Scan(
            axis.kind,
            positions,
            table.values[:, y].copy(),
            errors,
            _find_units(names[y]) if names else "1",
            found | {"column": names[y]} if len(ys) > 1 else found,
            axis=axis if axis.kind == OTHER else None,
        )
        for y in ys
    ]


def _find_metadata(table: Table) -> dict[str, float | str]:
    found = find_metadata(table.header)
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
    if _is_fit2d(table):
        announced = int(table.header[-1])
        if announced != len(table.values):
            raise FormatError(
                f"its header announces {announced} points, but {len(table.values)} follow; "
                "the file is cut off or was edited"
            )


def _find_column_names(table: Table) -> list[str]:
    """Return the names above the columns, one for each column, or an empty list."""
    if _is_fit2d(table):
        return [label.strip() for label in table.header[-3:-1]]
    lines = [line for line in table.header if line.strip(" \t#!%;'\"/*")]
    n = table.values.shape[1]
    last = _split_names(lines[-1], n) if lines else []
    above = _split_names(lines[-2], n) if len(lines) > 1 else []
    if (
        above and not _have_known_name(last) and _have_known_name(above)
    ):  # units are below the names
        return [f"{a} ({b})" for a, b in zip(above, last, strict=True)] if last else above
    return last if any(map(_INTENSITY.search, last)) or _have_known_name(last) else []


def _have_known_name(names: list[str]) -> bool:
    """Tell whether any name is that of an axis, a label or errors."""
    return any(_is_axis(name) or _is_other(name) or _ERRORS.search(name) for name in names)


def _is_axis(name: str) -> bool:
    """Tell whether a column's name is that of a diffraction axis; I(q) is not."""
    axis = None if _INTENSITY.search(name) else find_label_axis(name)
    return axis is not None and axis.kind != OTHER


def _is_other(name: str) -> bool:
    """Tell whether a column's name is neither that of a diffraction axis nor of an intensity."""
    axis = find_label_axis(name)
    return axis is not None and axis.kind == OTHER


def _split_names(line: str, n: int) -> list[str]:
    """Return the n names in a line, with any separator; an empty list if there are not n."""
    line = re.sub(r"(?i)^[\s#!%;'\"/*]*(?:L\s+|column\s?(?:label|name)s?:)?", "", line[:2000])
    if re.search(r":\s|:$|=", line):
        return []  # a key and its value
    for delimiter in (";", ",", r"\t+", r"\s{2,}", r"\s+"):
        fields = [field.strip("\"' \t") for field in re.split(delimiter, line.strip())]
        fields = fields[:-1] if len(fields) == n + 1 and not fields[-1] else fields
        if len(fields) == n and not any(
            re.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", field) for field in fields
        ):
            return fields
    return []


def _choose_columns(
    table: Table, names: list[str], suffix: str
) -> tuple[int, list[int], int | None]:
    """Return which columns are positions, intensities and (None: none) errors."""
    n = table.values.shape[1]
    if len(names) != n:  # no names, or FIT2D's two labels over three columns
        if n > 3 and not _is_monotonic(table.values[:, 0]):
            raise FormatError(
                f"its {n} columns have no names and the first does not run in one direction; put "
                "a line with their names above, such as '# 2theta intensity sigma'"
            )
        is_sigma = n == 3 and suffix in _WITH_ERRORS and _may_be_errors(table.values)
        return 0, [1], 2 if is_sigma else None
    x = next((i for i, name in enumerate(names) if _is_axis(name)), 0)
    others = [i for i in range(n) if i != x]
    errors = [i for i in others if _ERRORS.search(names[i]) and not _INTENSITY.fullmatch(names[i])]
    unknown = [i for i in others if not (i in errors or _is_axis(names[i]) or _is_other(names[i]))]
    measured = [i for i in unknown if not _NOT_MEASURED.search(names[i])]
    plain = measured or unknown or others
    named = [i for i in plain if _INTENSITY.search(names[i])]
    # A column before the positions numbers the points.
    behind = [i for i in named or plain if i > x and names[i]]
    if measured == others and len(behind) > 1:
        return x, behind, None
    y = (named or plain)[0]
    return x, [y], next((i for i in errors if i != y), None)


def _may_be_errors(values: Float) -> bool:
    sigma = values[:, 2]
    known = sigma[~np.isnan(values[:, 1])]
    return bool(np.isfinite(known).all() and (known >= 0).all() and known.any())


def _find_axis(table: Table, name: str, file: DataFile) -> ScanAxis:
    """Return the axis of the positions."""
    if name and (axis := find_label_axis(name) or find_units_axis(name)):
        return axis
    if axis := find_header_axis(table.header):
        return axis
    for line in reversed(table.header):
        if match := re.search(r"(?i)(?<![a-z])q\s*[(\[][^)\]]+[)\]]", line[:1000]):
            return find_label_axis(match[0]) or ScanAxis("q")
    if match := re.search(r"(?i)[_.\s-](q|d-?spacing)$", file.path.stem):
        return ScanAxis("q" if match[1].lower() == "q" else "d")
    return ScanAxis("two_theta")


def _check_positions(table: Table, positions: Float, kind: str, has_names: bool) -> None:
    finite = np.isfinite(positions)
    if not finite.all():
        line = table.line_numbers[int(np.flatnonzero(~finite)[0])]
        raise FormatError(f"line {line} has no finite position")
    if len(positions) < 2 or positions.min() == positions.max():
        raise FormatError("it has fewer than 2 positions")
    if not _is_monotonic(positions):
        _check_one_pattern(table, positions)
    if kind == "two_theta" and np.abs(positions).max() > 180:
        raise FormatError(
            f"its positions reach {np.abs(positions).max():.6g}, which is no 2theta in degree; "
            + ("check the name" if has_names else "put the name")
            + " of the first column in the line above, such as '# q_nm^-1 intensity'"
        )
    if kind == "q" and positions.max() > _HIGHEST_Q:
        raise FormatError(
            f"its q reaches {positions.max():.6g} 1/angstrom; if it is in 1/nm, say so in the "
            "line above the columns: '# q_nm^-1 intensity'"
        )


def _check_one_pattern(table: Table, positions: Float) -> None:
    """Refuse several patterns one below the other, which look like repeated points."""
    advice = "write each pattern to a separate file"
    if table.is_interrupted:
        raise FormatError(f"comments part it into several tables; {advice}")
    steps = np.diff(positions)
    forward = 1 if 2 * np.count_nonzero(steps > 0) > steps.size else -1
    back = np.flatnonzero(forward * steps < -np.ptp(positions) / 2)
    if back.size:
        i = int(back[0])
        raise FormatError(
            f"its positions jump back from {positions[i]:g} to {positions[i + 1]:g} in line "
            f"{table.line_numbers[i + 1]}, where another pattern seems to begin; {advice}"
        )


def _is_monotonic(positions: Float) -> bool:
    steps = np.diff(positions)
    return bool((steps > 0).all() or (steps < 0).all())


def _find_units(name: str) -> str:
    if re.search(r"(?i)cps|count\w*\s*(?:/|per)\s*s", name):
        return "counts/s"
    return "counts" if re.search(r"(?i)count(?!.*per)", name) else "1"
