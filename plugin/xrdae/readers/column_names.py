"""Find the names above the columns of a table of numbers.

Programs write one to three lines above the numbers: the names; the units (Origin, Indra); and
comments or samples (Origin, spreadsheets). Names are words, numbers ("25, 50, 75") or both
("x=0.1").
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import re
from collections.abc import Sequence

from xrdae.convention.axis_kinds import OTHER, is_other_name
from xrdae.convention.units import is_units
from xrdae.readers.axis_labels import find_label_axis
from xrdae.readers.header_values import parse_number
from xrdae.readers.text_table import Table

ERRORS = re.compile(
    r"(?i)sigma|(?<![a-z])sig(?![a-z])|σ|err(?:ors?)?(?![a-z])|e\.?s\.?d|std|standard dev|uncert"
    r"|(?<![a-z])s\.?u(?![a-z])|(?<![a-z])[iyr]?_?dev(?![a-z])|^[es]_?\d*$|^(?:d|delta)_?(?:[iy]|gr?)(?![a-z])"
)
INTENSITY = re.compile(
    r"(?i)count|cps|強度|(?<![a-z])(?:int|obs|[iy]_?obs|[iy](?![a-z]))|^[sfgi]\s?\([qr]\)"
)
_MOST_LINES = 4  # of a header that may name columns
_DECORATION = re.compile(
    r"(?i)^ *(?:[#!%;'\"/*][\s#!%;'\"/*]*)?(?:L\s+|(?<=[#!%;'\"/*\s])column\s?(?:label|name)s?:)?"
)
_NUMBERED = re.compile(r"(?i)[#!%;\s]*(?:col(?:umn)?\.?\s*)?(\d{1,3})\s*[:=]\s*(\D.*)$")
# What Origin calls columns.
_DESIGNATIONS = {"A(X)": "x", "B(Y)": "y", "C(Y)": "y", "C(yEr±)": "error", "C(yEr)": "error"}
_UNITS = re.compile(r"(?i)counts?|cts|cps|a\.?\s?u\.?|arb\.? ?u\w*\.?|[-%°]|degrees?|deg\.?")


@dataclasses.dataclass(frozen=True)
class ColumnNames:
    """What stands above the columns.

    Attributes
    ----------
    names
        One for each column, with the units in brackets if these have a line of their own.
    labels
        One for each column, from a line of comments or samples, or empty.
    line
        The line of the names.
    """

    names: list[str]
    labels: list[str]
    line: str = ""


NO_NAMES = ColumnNames([], [])


def find_column_names(table: Table) -> ColumnNames:
    """Return the names above the columns of a table; `NO_NAMES` if there are none.

    A line names the columns if it has as many fields as the rows, and one of them is the name of
    an axis, of an intensity or of errors.
    """
    n = table.values.shape[1]
    is_parted = False  # whether something other than blanks parts the fields
    lines = [line for line in table.header if line.strip(" \t#!%;'\"/*")]
    numbered = _find_numbered_names(lines, n)
    if numbered:
        return ColumnNames(numbered, [""] * n)
    above: list[list[str]] = []  # the fields of the lines above the rows, the lowest first
    whole: list[str] = []
    for line in reversed(lines[-_MOST_LINES:]):
        fields = split_names(line, n, table.delimiter)
        if fields:
            is_parted = is_parted or _find_delimiter(line, table.delimiter) is not None
            above.append(fields)
            whole.append(line)
        elif above:
            break
    known = [i for i, fields in enumerate(above) if _has_known_name(fields)] or [
        i for i, fields in enumerate(above) if not fields[0] and n > 2 and all(fields[1:])
    ]
    if not known:
        return NO_NAMES
    at = next((i for i in known if not all(map(_is_units, above[i]))), known[0])
    names, labels = above[at], [""] * n
    for fields in reversed(above[:at]):
        if _is_units(fields[0]) and all(not text or _is_units(text) for text in fields):
            names = [f"{a} ({b})" if b else a for a, b in zip(names, fields, strict=True)]
        elif is_parted:
            labels = fields
    if at + 1 < len(above) and is_parted and not any(labels):
        labels = _fill_forward(above[at + 1])  # samples above their columns
    return ColumnNames(names, labels, whole[at])


def find_unknown_names(table: Table) -> list[str]:
    """Return the words right above the columns, which seem to name them, but no axis."""
    lines = [line for line in table.header if line.strip()]
    delimiter = _find_delimiter(lines[-1], table.delimiter) if lines else None
    if delimiter is None:
        return []
    fields = _split(lines[-1], re.escape(delimiter), table.values.shape[1])
    is_one = len(fields) == table.values.shape[1] and all(re.search(r"[^\W\d]", f) for f in fields)
    return fields if is_one and not re.search(r":\s|:$|=", lines[-1]) else []


def split_names(line: str, n: int, delimiter: str | None = None) -> list[str]:
    """Return the n names in a line; an empty list if there are not n.

    Where the delimiter of the rows (None: blanks) does not part the names, another one may. Numbers
    and `key: value` are then no names, unless the first field names an axis.
    """
    line = _DECORATION.sub("", line[:100_000])
    if (certain := _find_delimiter(line, delimiter)) is not None:
        fields = _split(line, re.escape(certain), n)
        if len(fields) == n and parse_number(fields[0]) is None and not _is_pair(fields):
            return fields
    line = re.sub(r"(?<=\S) +(?=[(\[])", "\0", line[:2000])  # units belong to the name before them
    is_pair = re.search(r":\s|:$", line) is not None
    for separator in (";", r"\t+", r"\s{2,}", ",", r"\s+"):
        fields = [field.replace("\0", " ") for field in _split(line, separator, n)]
        if len(fields) != n or is_pair:
            continue
        has_numbers = any(parse_number(field) is not None for field in fields)
        has_labels = is_axis_name(fields[0]) and all(map(is_numbered, fields[1:]))
        if has_labels or not (has_numbers or "=" in line):
            return fields
    return []


def _find_delimiter(line: str, delimiter: str | None) -> str | None:
    """Return what parts the fields of a line for certain; None: blanks part the columns."""
    return "\t" if delimiter is None and "\t" in line.strip() else delimiter


def _find_numbered_names(lines: Sequence[str], n: int) -> list[str]:
    """Return the names in lines such as `column 1: energy (keV)`; empty if they are not there."""
    found = {int(m[1]): m[2].strip() for line in lines if (m := _NUMBERED.match(line[:1000]))}
    names = [found.get(i, "") for i in range(1, n + 1)]
    is_known = n > 1 and all(names) and (is_axis_name(names[0]) or is_other_axis_name(names[0]))
    return names if is_known else []


def _split(line: str, separator: str, n: int) -> list[str]:
    if '"' in line and separator in (",", ";"):
        parts = next(csv.reader([line.strip(" \r")], delimiter=separator, skipinitialspace=True))
    else:
        parts = re.split(separator, line.strip(" \r"))
    fields = [_DESIGNATIONS.get(f, f) for f in (part.strip("\"' \t#,;") for part in parts)]
    return fields[:-1] if len(fields) == n + 1 and not fields[-1] else fields


def _is_pair(fields: Sequence[str]) -> bool:
    """Tell whether fields are a key and its value."""
    return len(fields) == 2 and not (is_axis_name(fields[0]) or INTENSITY.search(fields[1]))


def _is_units(text: str) -> bool:
    plain = text.strip("()[] ")
    return _UNITS.fullmatch(plain) is not None or is_units(plain)


def _fill_forward(texts: Sequence[str]) -> list[str]:
    """Return texts with each empty one replaced by the one before it, as of merged cells."""
    filled: list[str] = []
    for text in texts:
        filled.append(text or (filled[-1] if filled else ""))
    return filled


@functools.lru_cache(maxsize=1024)
def is_axis_name(name: str) -> bool:
    """Tell whether a column's name is that of a diffraction axis; I(q) is not."""
    if INTENSITY.search(name) or is_numbered(name):
        return False
    axis = find_label_axis(name)
    return axis is not None and axis.kind != OTHER


@functools.lru_cache(maxsize=1024)
def is_other_axis_name(name: str) -> bool:
    """Tell whether a column's name is that of another axis, such as an energy."""
    if INTENSITY.search(name) or is_numbered(name):
        return False
    axis = find_label_axis(name)
    return is_other_name(name) if axis is None else axis.kind == OTHER


@functools.lru_cache(maxsize=1024)
def is_numbered(name: str) -> bool:
    """Tell whether a name is a number or a label with its value: "25", "x=0.1", "T = 300 K"."""
    return parse_number(name) is not None or re.search(r"=\s*[-+]?\d", name) is not None


def _has_known_name(names: Sequence[str]) -> bool:
    """Tell whether any name is that of an axis, an intensity or errors."""
    if parse_number(names[0]) is None and len(names) > 2 and all(map(is_numbered, names[1:])):
        return True
    may_be_axes = names[:1] if len(names) == 2 else names
    return any(is_axis_name(name) or is_other_axis_name(name) for name in may_be_axes) or any(
        INTENSITY.search(name) or ERRORS.search(name) for name in names[1:]
    )
