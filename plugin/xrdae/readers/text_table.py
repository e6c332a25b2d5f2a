"""The numbers in a text: lines, delimiters, decimal commas, comments, and what breaks a table.

A table may have columns of texts (names of samples), which become numbers of their values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.number_spellings import (
    BEHIND,
    is_row,
    normalize_numbers,
    remove_thousands,
    split_fields,
)

Float = npt.NDArray[np.float64]

COMMENT = re.compile(r"\s*(?:[#!%;'\"]|//|/\*|\*/)")
_END_MARK = re.compile(r"\W*[A-Za-z]{2,}\W*$")  # END, *EOF
_AT_THE_END = "\x1a \t\0"
_MIXED = re.compile(r"\s*[+-]?(?:\d+,\d*[;\t ][\s\d.,;+-]*|\d*\.\d+[;\t ][\s\d.,;+-]*)$")
_EVEN = 0.05  # largest part of a step that positions of a grid differ by
_MOST_BROKEN = 3  # rows above the table; more are a header


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
        row = BEHIND.split(self.use_decimal_point(row), maxsplit=1)[0].strip()
        if self.delimiter is None:
            return row
        fields = row.split(self.delimiter)
        if self.ends_rows and not fields[-1]:
            fields.pop()
        return self.delimiter.join(field.strip() or "nan" for field in fields)

    def read_first(self, row: str) -> float:
        """Return the first number in a row; NaN if there is none."""
        fields = self.clean_row(row).split(self.delimiter)
        try:
            return float(fields[0]) if fields else np.nan
        except ValueError:
            return np.nan

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
    delimiter
        Between columns; None: blanks and tabs.
    texts
        The texts of columns that hold texts; their values are positions in these lists.
    """

    header: list[str]
    values: Float
    line_numbers: Sequence[int]
    is_interrupted: bool
    delimiter: str | None = None
    texts: Mapping[int, list[str]] = dataclasses.field(default_factory=dict)


def decode_origin(line: str) -> str:
    """Return a line without Origin's escapes of Greek letters, superscripts and characters."""
    if "\\" not in line:
        return line
    line = re.sub(r"\\g\(([qQ])\)", "θ", line)
    line = re.sub(r"\\\+\(([^)]*)\)", r"^\1", line)
    return re.sub(r"\\\((\d{2,3})\)", lambda found: chr(int(found[1])), line)


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
        if not is_row(line):
            continue
        rows = list(islice(_iterate_rows(lines, i), 3))
        if len(rows) > 1 and all(map(is_row, rows)):
            dialect = _find_dialect(rows)
            widths = {dialect.count_columns(row) for row in rows}
            if len(widths) == 1 and widths.pop() >= 2:
                return i
    return None


def remove_quotes(lines: Sequence[str]) -> list[str]:
    """Return lines of quoted numbers as a table."""
    return [line.replace('"', "") for line in lines]


def read_table(lines: list[str], *, has_commas: bool = True) -> Table:
    """Return the table in a text.

    Parameters
    ----------
    lines
        Lines of the text.
    has_commas
        Whether there is a comma or a semicolon in it. Without any, reading takes less time.

    Raises
    ------
    FormatError
        If there is none, or one of its rows (the last of a file that was cut off) has other
        columns than the first, or text stands below it.
    """
    if has_commas:
        lines = remove_thousands(lines)
    start = find_first_row(lines)
    if start is None:
        start = find_first_row(plain := remove_quotes(lines))
        if start is None and (table := read_table_with_texts(lines)) is not None:
            return table
        lines = plain
    if start is None:
        _check_points(lines)
        raise FormatError("it has no rows of two or more numbers")
    header, rows = lines[:start], lines[start:]
    first = list(islice(_iterate_rows(rows, 0), 200)) if has_commas else []
    dialect = _find_dialect(first)
    _check_header(header, rows, dialect)
    if dialect.delimiter == "," and not any("." in row for row in first):
        _check_decimal_commas(header, first)
    if dialect.comma == ".":
        _check_points(rows)
    if _END_MARK.match(rows[-1]) and not dialect.count_columns(rows[-1]):
        rows.pop()
    numbers: Sequence[int] = range(start + 1, start + 1 + len(rows))
    try:
        # Comments and gaps are looked for only where there are any: that is much faster.
        values = _parse_rows(
            rows if dialect.comma == "," else map(dialect.use_decimal_point, rows), dialect
        )
        if len(values) == len(rows):
            return Table(header, values, numbers, False, dialect.delimiter)
    except ValueError:
        pass
    rows = normalize_numbers("\n".join(rows)).split("\n")
    kept = [i for i, row in enumerate(rows) if row.strip() and not COMMENT.match(row)]
    numbers = [numbers[i] for i in kept]
    try:
        values = _parse_rows((dialect.clean_row(rows[i]) for i in kept), dialect)
    except ValueError as error:
        raise _make_error([rows[i] for i in kept], numbers, dialect) from error
    is_interrupted = any(COMMENT.match(row) for row in rows[: kept[-1]])
    return Table(header, values, numbers, is_interrupted, dialect.delimiter)


def read_table_with_texts(lines: Sequence[str]) -> Table | None:
    """Return a table some of whose columns are texts, such as names of samples; None: it is none.

    It has at least two columns of numbers, and ends with the last line.
    """
    whole = [
        i for i, line in enumerate(lines) if line.strip() and not COMMENT.match(line.lstrip('"'))
    ]
    if len(whole) < 3:
        return None
    for delimiter in (";", ",", "\t", None):
        fields = {i: split_fields(lines[i], delimiter) for i in whole}
        width = len(fields[whole[-1]])
        is_number = [_is_number(field) for field in fields[whole[-1]]]
        if not 2 <= sum(is_number) < width:
            continue
        start = len(whole)
        while start and [_is_number(f) for f in fields[whole[start - 1]]] == is_number:
            start -= 1
        if len(whole) - start < 3:
            continue
        for i in whole[:start]:
            if len(fields[i]) == width and sum(map(_is_number, filter(None, fields[i]))) > 1:
                raise FormatError(f"line {i + 1} is unlike the rows below: {lines[i][:40]!r}")
        rows = [fields[i] for i in whole[start:]]
        texts: dict[int, list[str]] = {}
        columns = []
        for column, of_numbers in enumerate(is_number):
            values = [row[column] for row in rows]
            if of_numbers:
                columns.append([float(value.replace(",", ".") or "nan") for value in values])
                continue
            texts[column] = list(dict.fromkeys(values))
            code = {text: k for k, text in enumerate(texts[column])}
            columns.append([float(code[value]) for value in values])
        numbers = [i + 1 for i in whole[start:]]
        header = list(lines[: whole[start]])
        return Table(header, np.array(columns).T, numbers, False, delimiter, texts)
    return None


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ".") or "nan")
    except ValueError:
        return False
    return True


def find_mixed_row(lines: Iterable[str]) -> str | None:
    """Return a row with decimal commas and points; None: there is none."""
    mixed = (line for line in lines if "." in line and "," in line and _MIXED.match(line))
    return next(mixed, None)


def _check_points(lines: Iterable[str]) -> None:
    if (row := find_mixed_row(lines)) is not None:
        raise FormatError(
            f"a row has a comma and a point in its numbers, {row[:40]!r}; write all of them with "
            "decimal points and without thousands separators"
        )


def _check_decimal_commas(header: Sequence[str], rows: Sequence[str]) -> None:
    """Refuse rows whose commas may be decimal ones and parts of a number taken for columns.

    The names above are then fewer than the values, or the first two values make a number that
    increases where the first alone repeats.
    """
    width = rows[0].count(",") + 1
    heads = [line for line in header if line.strip()][-1:]
    n_name = heads[0].count(",") + 1 if heads else 0
    has_few_names = 1 < n_name < width <= 2 * n_name
    fields = [row.split(",") for row in rows]
    whole = [f[0] for f in fields]
    repeats = len(set(whole)) < len(whole)
    if width > 2 and not has_few_names and repeats:
        try:
            joined = np.diff([float(f"{f[0]}.{f[1].strip()}") for f in fields])
        except (ValueError, IndexError):
            return
        has_few_names = bool((joined > 0).all() or (joined < 0).all())
    if has_few_names:
        raise FormatError(
            f"its rows, such as {rows[0][:40]!r}, seem to have decimal commas between columns that "
            "commas part too; write it with semicolons or tabs between columns, or decimal points"
        )


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


def _check_header(header: list[str], rows: Sequence[str], dialect: Dialect) -> None:
    """Refuse rows of the table that a broken one parts from it: they would be lost."""
    width = dialect.count_columns(rows[0])
    others = 0  # lines that are no rows of numbers
    for i in reversed([i for i in range(len(header)) if header[i].strip()]):
        if not is_row(header[i]):
            others += 1
            if others > _MOST_BROKEN:
                return
        elif dialect.count_columns(header[i]) == width and (
            not others or _continues(header[i], rows, dialect)
        ):
            raise FormatError(
                f"a row between lines {i + 1} and {len(header) + 1} has not {width} values as "
                "its neighbours have; mend or delete it"
            )


def _continues(row: str, rows: Sequence[str], dialect: Dialect) -> bool:
    """Tell whether the position of a row is a whole number of steps before the first two."""
    firsts = list(islice(_iterate_rows(rows, 0), 2))
    before, first, *others = (dialect.read_first(line) for line in (row, *firsts))
    if not others or others[0] == first:
        return False
    steps = (first - before) / (others[0] - first)
    return 0.5 < steps < _MOST_BROKEN + 1.5 and abs(steps - round(steps)) < _EVEN


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
        end = "; the file is cut off" if i == len(rows) - 1 and is_row(row) else ""
        return FormatError(f"{what}{end}")
    return FormatError("its numbers cannot be read")
