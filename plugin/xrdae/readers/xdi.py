"""XAS Data Interchange, XDI 1.0: X-ray absorption over the energy.

Source: B. Ravel and M. Newville, XAFS Data Interchange: a single spectrum XAFS data file format,
J. Phys. Conf. Ser. 712, 012148 (2016); https://github.com/XraySpectroscopy/XAS-Data-Interchange.
Fields `# Namespace.tag: value` come first, then comments behind `# ///`, a line of dashes, the
names of the columns, and columns of numbers. `Column.1: energy eV` names a column and its units.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import OTHER
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, parse_number, select_possible
from xrdae.readers.scan import Scan, ScanAxis
from xrdae.readers.text_header import convert_header_value
from xrdae.readers.text_table import split_lines

Float: TypeAlias = npt.NDArray[np.float64]

_MINE = re.compile(r"#\s*XDI/\d")
_FIELD = re.compile(r"#\s*(\w+\.[\w-]+)\s*:")
_END = re.compile(r"#\s*-{3,}")
_COMMENTS = re.compile(r"#\s*/{3,}")
# Absorption, as the dictionary of XDI names it; the last ones are normalized.
_MEASURED = ("mutrans", "mufluor", "mu")
_NORMALIZED = ("normtrans", "normfluor", "norm")


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins with the version of XDI."""
    return file.text is not None and _MINE.match(file.text) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the absorption over the energy, an axis of kind "other" in the units of the file.

    It is the column of absorption (`mutrans`, `mufluor`), or else follows from the intensities:
    ln(i0 / itrans) in transmission, ifluor / i0 in fluorescence. A file with both has two patterns,
    told apart by `column`. Points where the logarithm is not defined are NaN.

    Raises
    ------
    FormatError
        If it is not over the energy, has no absorption, or is cut off.
    """
    fields, labels, rows = _split_parts(split_lines(file.text or ""))
    names, units = _find_columns(fields, labels)
    try:
        values = np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError as error:
        raise FormatError(f"its columns are broken: {error}") from error
    if values.shape[1] != len(names):
        raise FormatError(
            f"it names {len(names)} columns ({', '.join(names)}) but has {values.shape[1]}"
        )
    columns = dict(zip(names, values.T, strict=True))
    if len(columns) < len(names):
        raise FormatError(f"two of its columns have the same name: {', '.join(names)}")
    axis = _find_axis(columns, units)
    absorption = _find_absorption(columns)
    metadata = _read_metadata(fields)
    return [
        Scan(
            OTHER,
            columns["energy"].copy(),
            values,
            metadata=metadata | {"column": name} if len(absorption) > 1 else metadata,
            axis=axis,
        )
        for name, values in absorption.items()
    ]


def _split_parts(lines: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the fields in lower case, the names behind the dashes, and the rows of numbers."""
    fields: dict[str, str] = {}
    labels: list[str] = []
    rows: list[str] = []
    in_fields, is_ended = True, False
    for line in map(str.strip, lines):
        if not line.startswith("#"):
            rows += [line] if line else []
        elif rows:
            raise FormatError(
                f"a comment parts its rows: {line[:40]!r}; write a file for each part"
            )
        elif _END.match(line):
            in_fields, is_ended = False, True
        elif _COMMENTS.match(line):
            in_fields = False
        elif is_ended:
            labels = line[1:].split()
        elif in_fields and (match := _FIELD.match(line)):
            fields[match[1].lower()] = line[match.end() :].strip()
    if not rows:
        raise FormatError("it has no rows of numbers")
    return fields, labels, rows


def _find_columns(fields: dict[str, str], labels: list[str]) -> tuple[list[str], str]:
    """Return the names of the columns in lower case, and the units of the energy."""
    named: dict[int, list[str]] = {}
    for key, value in fields.items():
        number = key.removeprefix("column.")
        if number != key and number.isdecimal() and len(number) < 5 and value:
            named[int(number)] = value.split()
    units = next((words[1] for words in named.values() if _is_energy(words) and words[1:]), "")
    if named and sorted(named) == list(range(1, len(named) + 1)) and len(named) >= len(labels):
        return [named[i][0].lower() for i in sorted(named)], units
    if labels:
        return [label.lower() for label in labels], units
    raise FormatError("it does not name its columns (Column.1, Column.2 ...)")


def _is_energy(words: list[str]) -> bool:
    return words[0].lower() == "energy"


def _find_axis(columns: dict[str, Float], units: str) -> ScanAxis:
    if "energy" not in columns:
        raise FormatError(
            f"it has no column energy, only: {', '.join(columns)}; export it over the energy"
        )
    spelling = {"ev": "eV", "kev": "keV", "electronvolts": "eV"}.get(units.lower())
    if spelling is None and (units or columns["energy"].min() < 50):  # no edge lies below 50 eV
        raise FormatError(f"the units of its energy are {units!r}; state eV or keV in Column.1")
    return ScanAxis(OTHER, 1.0, "energy", spelling or "eV", "energy")


def _find_absorption(columns: dict[str, Float]) -> dict[str, Float]:
    """Return the absorption by its name."""
    stated = {name: columns[name].copy() for name in _MEASURED if name in columns}
    if stated:
        return stated
    computed = {}
    i0 = columns.get("i0")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if i0 is not None and "itrans" in columns:
            computed["mutrans"] = np.log(i0 / columns["itrans"])
        if i0 is not None and "ifluor" in columns:
            computed["mufluor"] = columns["ifluor"] / i0
    computed |= {} if computed else {n: columns[n].copy() for n in _NORMALIZED if n in columns}
    if not computed:
        raise FormatError(
            f"its columns ({', '.join(columns)}) have no absorption that is known: mutrans, "
            "mufluor, or i0 with itrans or ifluor"
        )
    return {name: np.where(np.isfinite(v), v, np.nan) for name, v in computed.items()}


def _read_metadata(fields: dict[str, str]) -> dict[str, float | str]:
    words = fields.get("sample.temperature", "").split()
    kelvin = parse_number(words[0]) if len(words) == 2 else None
    texts = {name: fields.get(f"element.{field}", "") for name, field in _ELEMENT.items()}
    return {
        **select_possible(
            sample=fields.get("sample.name"),
            instrument=fields.get("beamline.name"),
            time=format_iso_time(fields.get("scan.start_time", "")),
            temperature=None if kelvin is None else convert_header_value(kelvin, words[1], "K"),
        ),
        **{name: text for name, text in texts.items() if text},
    }


_ELEMENT = {"element": "symbol", "edge": "edge"}
