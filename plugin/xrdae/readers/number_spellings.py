"""How numbers are written in tables: thousands, quotes and marks of missing values.

`normalize_numbers` treats a text, `remove_thousands` lines whose commas or points may be either.
"""

from __future__ import annotations

import csv
import re

BEHIND = re.compile(r"[#!%]")  # begins a comment behind numbers
_ROW = re.compile(r"[\s\d.,;+\-eEnaNifINFty]++$")
_DIGIT = re.compile(r"\d")
_START = 5000  # characters
_LONGEST_ROW = 10_000  # a line of a binary or minified file is no row
_THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?"
_QUOTED_THOUSANDS = re.compile(rf'"({_THOUSANDS})"')
_QUOTED_NUMBER = re.compile(r'"([-+\d.eE]+)"')
_IS_THOUSANDS = re.compile(_THOUSANDS).fullmatch
_BLANKS = "\u00a0\u202f\u2009\u2019'"  # some of them part thousands
_SWAPPED = str.maketrans(",.", ".,")
_PARTED = re.compile(rf"(?<=\d)[{_BLANKS}](?=\d{{3}}(?!\d))")
_PARTED_BY_BLANKS = re.compile(
    r"(?m)(?<=;)([ \t]*[+-]?\d{1,3}(?: \d{3})+(?:[.,]\d*)?)(?=[ \t]*(?:;|$))"
)
_MISSING = ("NA", "N/A", "n/a", "null", "NULL", "None", "--", "**")
_LINE = re.compile(r"(?m)^[ \t]*[-+]?[.\d][^\r\n]*")
_IS_MISSING = re.compile(
    r"(?:(?<=[;,\t])|(?<=\s))#?(?:NA|N/A|n/a|null|NULL|None|--+|\*\*+)(?=\s*(?:[;,\t]|$)|\s)"
)


def normalize_numbers(text: str) -> str:
    """Return a text with nan where values are missing, and no blanks between thousands.

    Blanks part thousands only between semicolons. Elsewhere they part columns.
    """
    if any(mark in text for mark in _MISSING):
        text = _LINE.sub(lambda row: _IS_MISSING.sub("nan", row[0]), text)
    if any(mark in text for mark in _BLANKS):
        text = _PARTED.sub("", text)
    if ";" in text and " " in text:
        text = _PARTED_BY_BLANKS.sub(lambda found: found[1].replace(" ", ""), text)
    return text


def normalize_start(text: str) -> str:
    """Return a text with `normalize_numbers` applied to its first lines: that is much faster.

    A table whose later rows need it cannot be read as it is, which `read_table` notices.
    """
    end = text.rfind("\n", 0, _START) + 1 if len(text) > _START else len(text)
    start = text[:end]
    normal = normalize_numbers(start)
    return text if normal == start else normal + text[end:]


def remove_thousands(lines: list[str]) -> list[str]:
    """Return lines whose numbers have no commas, or no points, between thousands.

    A comma parts thousands if quotes, or something else between the columns, tell that it does not
    part columns, if three digits follow every comma, and if the numbers have decimal points
    elsewhere, or whole numbers of at most three digits stand in its column. A point parts thousands
    if semicolons or tabs part the columns, other numbers have decimal commas, and such whole
    numbers stand in its column.
    """
    lines = _remove_commas(lines)
    if not any("." in line and "," in line and (";" in line or "\t" in line) for line in lines):
        return lines
    swapped = [line.translate(_SWAPPED) for line in lines]
    changed = _remove_commas(swapped, needs_short=True)
    return lines if changed is swapped else [line.translate(_SWAPPED) for line in changed]


def _remove_commas(lines: list[str], *, needs_short: bool = False) -> list[str]:
    rows = [line for line in lines if "," in line]
    if any('"' in row for row in rows) and _has_point_beside_quotes(lines):
        lines = [_QUOTED_THOUSANDS.sub(lambda found: found[1].replace(",", ""), r) for r in lines]
        lines = [_QUOTED_NUMBER.sub(r"\1", line) for line in lines]
        rows = [line for line in lines if "," in line]
    rows = [row for row in rows if is_row(row)]
    if not rows or any(len(_split_at_blanks(row)) < 2 for row in rows[:200]):
        return lines
    fields = [field for row in rows for field in _split_at_blanks(row) if "," in field]
    if not all(map(_IS_THOUSANDS, fields)) or not _has_other_point(lines, rows[0], needs_short):
        return lines
    return [line.replace(",", "") if is_row(line) else line for line in lines]


def _split_at_blanks(row: str) -> list[str]:
    return re.split(r"[\t;]" if "\t" in row or ";" in row else r"\s+", row.strip())


def _has_point_beside_quotes(lines: list[str]) -> bool:
    """Tell the same of numbers in quotes."""
    row = next((line for line in lines if _QUOTED_THOUSANDS.search(line)), None)
    if row is None:
        return True
    delimiter = next((mark for mark in ";\t" if mark in row), ",")
    fields = split_fields(row, delimiter)
    column = next((i for i, field in enumerate(fields) if _IS_THOUSANDS(field)), None)
    if column is None:
        return False
    for line in lines:
        if re.match(r'[\s"]*[+-]?\d', line) is None:
            continue
        fields = split_fields(line, delimiter)
        is_short = column < len(fields) and re.fullmatch(r"\d{1,3}", fields[column])
        if is_short or any(re.fullmatch(r"[+-]?\d+\.\d*", field) for field in fields):
            return True
    return False


def _has_other_point(lines: list[str], row: str, needs_short: bool) -> bool:
    """Tell whether numbers have decimal points, or no decimals in the column of the commas."""
    column = next(i for i, field in enumerate(_split_at_blanks(row)) if "," in field)
    for line in filter(is_row, lines):
        fields = _split_at_blanks(line)
        is_short = column < len(fields) and re.fullmatch(r"\d{1,3}", fields[column])
        if is_short or ("." in line and not needs_short):
            return True
    return False


def split_fields(line: str, delimiter: str | None) -> list[str]:
    """Return the fields of a line; fields in quotes may contain the delimiter."""
    if delimiter is None:
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a longer field than the limit
        return [line]


def is_row(line: str) -> bool:
    """Tell whether a line, without its comment, holds only numbers and separators."""
    if len(line) >= _LONGEST_ROW:
        return False
    row = BEHIND.split(line, maxsplit=1)[0]
    return _ROW.match(row) is not None and _DIGIT.search(row) is not None
