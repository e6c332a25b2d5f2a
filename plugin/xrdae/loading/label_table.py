"""Labels of files from a CSV table."""

from __future__ import annotations

import csv
import datetime
import io
import os
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import PurePath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError, FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time

Column = tuple[npt.NDArray[Any], dict[str, str]]

_MISSING = frozenset(
    {
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "#NA",
        "<NA>",
        "nan",
        "NaN",
        "-nan",
        "-NaN",
        "NULL",
        "null",
        "None",
    }
)
_INTEGER = re.compile(r"[+-]?\d{1,18}")  # of 64 bits
_NUMBER = re.compile(r"(?i)[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)")
# A number with thousands in groups: 1,000 or 12,345.6.
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d*|[1-9]\d{0,2}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?")
_POINT_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_LAST_YEAR = 2200  # datetime64[ns] ends in 2262
_DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(.*)")


def read_labels(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a table in the order of the files: values `(file,)` and attributes.

    Parameters
    ----------
    path
        A CSV file with a header line and commas, semicolons or tabs. The column `file`, or else
        the first column, holds file names, with or without folder and ending. Columns of numbers,
        with decimal points, decimal commas or thousands in groups, are numbers. Columns of dates
        are times (datetime64), in UTC if they have a time zone. Other columns are texts.
    names
        Names of the files.

    Raises
    ------
    DataError
        If the table cannot be read, has two rows for a file, or no row for a file.
    """
    try:
        text = DataFile.open(path).text or ""
    except FormatError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error
    if text[:4].lower() == "sep=":  # Excel
        text = text.partition("\n")[2]
    delimiter = max(";\t,", key=text.partition("\n")[0].count)
    try:
        headers, columns, n = _read_columns(text, delimiter)
    except (ValueError, csv.Error) as error:
        raise DataError(f"{os.fspath(path)} is not a CSV table with a header: {error}") from error
    key = next((i for i, h in enumerate(headers) if h.lower() in ("file", "filename")), 0)
    rows = _find_rows(names, [columns[key].get(row, "") for row in range(n)], path)
    found: dict[str, Column] = {}
    for i, header in enumerate(headers):
        if i == key or not (header or columns[i]):
            continue
        label, units = _split_units(header)
        if reason := _find_fault(label, i, found):
            raise DataError(f"{os.fspath(path)}: the column {label!r} {reason}; rename it")
        values = _parse_column(columns[i], rows, n, delimiter)
        attrs = {"units": units} if units and values.dtype.kind != "M" else {}
        found[label] = values, attrs
    return found


def _find_fault(label: str, i: int, found: Container[str]) -> str:
    """Return why a column cannot be a label; empty if it can."""
    if not label:
        return f"is column {i + 1}, which has no name"
    if label in found:
        return "occurs twice"
    return "has a slash, which files cannot hold" if "/" in label else ""


def _read_columns(text: str, delimiter: str) -> tuple[list[str], list[dict[int, str]], int]:
    """Return headers, the entries of each column by their row, and the number of rows.

    Rows may be shorter than the header. Columns keep what is there: a table of many columns and
    many short rows stays as small as its file.

    Raises
    ------
    ValueError
        If there is no row, or a row is longer than the header.
    csv.Error
        If a field is longer than the module csv reads.
    """
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
    rows = [[field.strip() for field in row] for row in reader]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ValueError("it is empty")
    headers = rows.pop(0)
    columns: list[dict[int, str]] = [{} for _ in headers]
    for i, row in enumerate(rows):
        if any(row[len(headers) :]):
            raise ValueError(f"row {i + 1} has {len(row)} fields, the header has {len(headers)}")
        for column, entry in zip(columns, row, strict=False):
            if entry and entry not in _MISSING:
                column[i] = entry
    return headers, columns, len(rows)


def _split_units(header: str) -> tuple[str, str]:
    """Return the label and the units of a header such as `T [K]` or `T (K)`; units may be empty."""
    start = max(header.rfind("["), header.rfind("("))
    units = header[start + 1 : -1]
    if start < 0 or header[-1] not in "])" or not units or "]" in units or ")" in units:
        return header, ""
    return header[:start].rstrip(), units


def _parse_column(
    column: Mapping[int, str], rows: Sequence[int], n: int, delimiter: str
) -> npt.NDArray[Any]:
    """Return the entries in some of n rows: numbers or times if all entries are, else texts."""
    given = list(column.values())
    plain = _remove_commas(given, delimiter)
    if plain is not None and all(map(_NUMBER.fullmatch, plain)):
        is_whole = len(plain) == n and all(map(_INTEGER.fullmatch, plain))
        numbers = dict(zip(column, map(int if is_whole else float, plain), strict=True))
        return np.array([numbers.get(row, np.nan) for row in rows], int if is_whole else float)
    times = [_parse_time(entry) for entry in given]
    if None not in times:
        known = dict(zip(column, times, strict=True))
        return np.array([known.get(row) or "NaT" for row in rows], "datetime64[ns]")
    return np.array([column.get(row, "") for row in rows])


def _remove_commas(entries: Sequence[str], delimiter: str) -> list[str] | None:
    """Return numbers with decimal points, without groups; None if commas can mean two things.

    `1,000` is a thousand, but between semicolons, where programs write decimal commas, it is one.
    """
    commas = [entry for entry in entries if "," in entry]
    if not commas:
        return list(entries)
    is_grouped = all(map(_GROUPED.fullmatch, commas))
    is_decimal = all(map(_DECIMAL_COMMA.fullmatch, commas))
    if is_grouped and not (is_decimal and delimiter == ";"):
        return [entry.replace(",", "") for entry in entries]
    if not is_decimal or delimiter == ",":
        return None
    points = [entry for entry in entries if "," not in entry and "." in entry]
    if any("." in entry for entry in commas):  # 1.000,5
        entries = [entry.replace(".", "") for entry in entries]
        return _use_points(entries) if all(map(_POINT_GROUPED.fullmatch, points)) else None
    return None if any(map(_POINT_GROUPED.fullmatch, points)) else _use_points(entries)


def _use_points(entries: Sequence[str]) -> list[str]:
    return [entry.replace(",", ".") for entry in entries]


def _parse_time(entry: str) -> str | None:
    """Return a date, with a time of day if there is one, as numpy reads it; None for other texts.

    `2024-05-01`, `2024/05/01`, `1.5.2024` and `1-May-2024` are dates. `05/01/2024` is not: it may
    be in May or in January.
    """
    if match := _DAY_FIRST.fullmatch(entry):
        entry = f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}{match[4]}"
    iso = format_iso_time(entry) or format_iso_time(entry, "day")
    if iso is None:
        return None
    try:
        time = datetime.datetime.fromisoformat(iso)
    except ValueError:
        return None
    if time.year > _LAST_YEAR:
        return None
    if time.tzinfo is not None:
        time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    return time.isoformat()


def _find_rows(
    names: Sequence[str], given: Sequence[str], path: str | os.PathLike[str]
) -> list[int]:
    """Return the row of each file, matched by full name, without folder, or without ending."""
    whole: dict[str, list[int]] = {}
    bare: dict[str, list[int]] = {}
    stems: dict[str, list[int]] = {}
    for i, row in enumerate(given):
        plain = PureWindowsPath(row)  # splits names at both kinds of slash
        for known, name in ((whole, row), (bare, plain.name), (stems, plain.stem)):
            known.setdefault(name, []).append(i)
    found = []
    for name in names:
        file = PurePath(name)
        rows = whole.get(name) or bare.get(file.name) or bare.get(file.stem) or stems.get(file.stem)
        if not rows:
            raise DataError(
                f"{os.fspath(path)} has no row for the file {name!r}; its first names are "
                f"{given[:3]}"
            )
        if len(rows) > 1:
            raise DataError(f"{os.fspath(path)} has {len(rows)} rows for the file {name!r}")
        found.append(rows[0])
    return found
