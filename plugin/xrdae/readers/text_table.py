"""The numbers in a text: lines, delimiters, decimal commas, comments, and what breaks a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError

Float = npt.NDArray[np.float64]

COMMENT = re.compile(r"\s*(?:[#!%;'\"]|//|/\*|\*/)")
_ROW = re.compile(r"[\s\d.,;+\-eEnaNifINFty]++$")
_BEHIND = re.compile(r"[#!%]")  # begins a comment behind numbers
_DIGIT = re.compile(r"\d")
_END_MARK = re.compile(r"\W*[A-Za-z]{2,}\W*$")  # END, *EOF
_AT_THE_END = "\x1a \t\0"
_LONGEST_ROW = 10_000  # a line of a binary or minified file is no row


class Dialect(NamedTuple):
    """How rows are written.

    Attributes
    ----------
    delimiter
        Between columns; None: blanks and tabs.
    comma
        What commas are to be read as.
    ends_rows
        Whether the delimiter also follows the last column.
    """

    delimiter: str | None
    comma: str
    ends_rows: bool = False

    def use_decimal_point(self, row: str) -> str:
        """Return a row with decimal points."""
        return row.replace(",", self.comma)

    def clean_row(self, row: str) -> str:
        """Return a row with decimal points, nan in its empty fields and no comment behind it."""
        row = _BEHIND.split(self.use_decimal_point(row), maxsplit=1)[0].strip()
        if self.delimiter is None:
            return row
        fields = row.split(self.delimiter)
        if self.ends_rows and not fields[-1]:
            fields.pop()
        return self.delimiter.join(field.strip() or "nan" for field in fields)

    def count_columns(self, row: str) -> int:
        """Return the number of numbers in a row; 0 if it has anything else."""
        try:
            return len([float(field) for field in self.clean_row(row).split(self.delimiter)])
        except ValueError:
            return 0


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Columns of numbers under a header.

    Attributes
    ----------
    header
        The lines above, as they are.
    values
        `(row, column)`.
    line_numbers
        Of the rows in the file, from 1.
    is_interrupted
        Whether comments interrupt the rows, as between the scans of a multi-scan file.
    """

    header: list[str]
    values: Float
    line_numbers: Sequence[int]
    is_interrupted: bool


def split_lines(text: str) -> list[str]:
    """Return lines with any ending (Unix, Windows, old Mac), without a DOS end-of-file mark."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while len(lines) > 1 and not lines[-1].strip(_AT_THE_END):
        lines.pop()
    lines[-1] = lines[-1].rstrip(_AT_THE_END)
    return lines


def find_first_row(lines: Sequence[str]) -> int | None:
    """Return where a table begins: the first of (up to) three rows of equally many numbers."""
    for i, line in enumerate(lines):
        if not _is_row(line):
            continue
        rows = list(islice(_iterate_rows(lines, i), 3))
        if len(rows) > 1 and all(map(_is_row, rows)):
            dialect = _find_dialect(rows)
            widths = {dialect.count_columns(row) for row in rows}
            if len(widths) == 1 and widths.pop() >= 2:
                return i
    return None


def remove_quotes(lines: Sequence[str]) -> list[str]:
    """Return lines of quoted numbers as a table."""
    return [line.replace('"', "") for line in lines]


def read_table(lines: list[str]) -> Table:
    """Return the table in a text.

    Raises
    ------
    FormatError
        If there is none, or one of its rows (the last of a file that was cut off) has other
        columns than the first, or text stands below it.
    """
    start = find_first_row(lines)
    if start is None:
        lines = remove_quotes(lines)
        start = find_first_row(lines)
    if start is None:
        raise FormatError("it has no rows of two or more numbers")
    header, rows = lines[:start], lines[start:]
    dialect = _find_dialect(list(islice(_iterate_rows(rows, 0), 200)))
    _check_header(header, dialect.count_columns(rows[0]), dialect)
    if _END_MARK.match(rows[-1]) and not dialect.count_columns(rows[-1]):
        rows.pop()
    numbers: Sequence[int] = range(start + 1, start + 1 + len(rows))
    try:
        # Comments and gaps are looked for only where there are any: that is much faster.
        values = _parse_rows(
            rows if dialect.comma == "," else map(dialect.use_decimal_point, rows), dialect
        )
        if len(values) == len(rows):
            return Table(header, values, numbers, False)
    except ValueError:
        pass
    kept = [i for i, row in enumerate(rows) if row.strip() and not COMMENT.match(row)]
    numbers = [numbers[i] for i in kept]
    try:
        values = _parse_rows((dialect.clean_row(rows[i]) for i in kept), dialect)
    except ValueError as error:
        raise _make_error([rows[i] for i in kept], numbers, dialect) from error
    is_interrupted = any(COMMENT.match(row) for row in rows[: kept[-1]])
    return Table(header, values, numbers, is_interrupted)


def _parse_rows(rows: Iterable[str], dialect: Dialect) -> Float:
    return np.loadtxt(rows, comments=None, delimiter=dialect.delimiter, ndmin=2)


def parse_row_numbers(lines: Sequence[str]) -> list[float]:
    """Return the numbers, separated by blanks, up to the first line that is not numbers."""
    found: list[float] = []
    for line in lines:
        if not line.strip() or COMMENT.match(line):
            continue
        try:
            found += map(float, line.split())
        except ValueError:
            break
    return found


def _is_row(line: str) -> bool:
    """Tell whether a line, without its comment, holds only numbers and separators."""
    if len(line) >= _LONGEST_ROW:
        return False
    row = _BEHIND.split(line, maxsplit=1)[0]
    return _ROW.match(row) is not None and _DIGIT.search(row) is not None


def _iterate_rows(lines: Sequence[str], start: int) -> Iterator[str]:
    """Yield lines from one on that are neither blank nor comments."""
    for i in range(start, len(lines)):
        if lines[i].strip() and not COMMENT.match(lines[i]):
            yield lines[i]


def _find_dialect(rows: list[str]) -> Dialect:
    """Return how rows are written.

    A comma is decimal where points are absent and semicolons or blanks part the columns.
    """
    sample = "\n".join(rows)
    has_comma, has_point = "," in sample, "." in sample
    if ";" in sample:
        return Dialect(
            ";", "," if has_point else ".", all(row.rstrip().endswith(";") for row in rows)
        )
    if not has_comma:
        return Dialect(None, ",")
    ends_rows = all(row.rstrip().endswith(",") for row in rows)
    if not re.search(r",\S", sample) and all(re.search(r"\S\s+\S", row) for row in rows):
        return Dialect(None, " ")  # commas are followed by blanks, and missing in places
    is_decimal = not has_point and all(re.search(r"\d\s+[+-]?\d", row) for row in rows)
    return Dialect(None, ".") if is_decimal else Dialect(",", ",", ends_rows)


def _check_header(header: list[str], width: int, dialect: Dialect) -> None:
    """Refuse rows of the table that a broken one parts from it: they would be lost."""
    for i in range(len(header) - 1, -1, -1):
        if not header[i].strip():
            continue
        if not _is_row(header[i]):
            return
        if dialect.count_columns(header[i]) == width:
            raise FormatError(
                f"a row between lines {i + 1} and {len(header) + 1} has not {width} values as "
                "its neighbours have; mend or delete it"
            )


def _make_error(rows: list[str], numbers: Sequence[int], dialect: Dialect) -> FormatError:
    """Return the error that names the first row unlike the first one."""
    width = dialect.count_columns(rows[0])
    for i, row in enumerate(rows):
        found = dialect.count_columns(row)
        if found == width:
            continue
        if not found:
            what = f"line {numbers[i]} is no row of numbers: {row[:40]!r}"
        else:
            what = f"line {numbers[i]} has {found} of {width} values"
        end = "; the file is cut off" if i == len(rows) - 1 and _is_row(row) else ""
        return FormatError(f"{what}{end}")
    return FormatError("its numbers cannot be read")
