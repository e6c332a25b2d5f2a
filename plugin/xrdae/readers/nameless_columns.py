"""Decide by their numbers which columns without names are the patterns of a table."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.column_roles import (
    SETTLE,
    Columns,
    counts_points,
    is_monotonic,
    number_patterns,
)
from xrdae.readers.error_columns import are_errors, check_calculated
from xrdae.readers.text_table import Table

Float: TypeAlias = npt.NDArray[np.float64]

_MOST_STEP = 20  # times the median; a longer first step begins with a label
_LEAST_ROWS_OF_COUNTING = 20  # fewer rows that count 1, 2, 3 may be positions


def choose_without_names(table: Table, suffix: str) -> list[Columns]:
    """Return the patterns in columns without names.

    Raises
    ------
    FormatError
        If the numbers leave it open which columns are the patterns.
    """
    values = table.values
    numbers = [i for i in range(values.shape[1]) if i not in table.texts]
    sample = min(table.texts, default=None)
    if (
        len(numbers) > 2
        and counts_points(values[:, numbers[0]])
        and is_monotonic(values[:, numbers[1]])
    ):
        numbers.pop(0)
    n = len(numbers)
    if n == 1:
        raise FormatError(f"it has one column of numbers; {SETTLE}")
    x, *ys = numbers
    if sample is not None:
        if n > 3:
            raise FormatError(f"its {n} columns of numbers have no names; {SETTLE}")
    elif n > 3 and not is_monotonic(values[:, x]):
        raise FormatError(
            f"its {n} columns have no names and the first does not run in one direction; put "
            f"a line with their names above, such as '# 2theta intensity sigma', or {SETTLE}"
        )
    if n > 2 or (
        values[0, x] == 0 and counts_points(values[0, numbers])
    ):  # 0, 1, 2 ... are the heads of pandas
        _check_first_row(values[:, numbers])
    if n % 2 == 0 and n > 2 and all(is_monotonic(values[:, i]) for i in numbers[::2]):
        return number_patterns(
            [Columns(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        )
    if n == 2:
        return [Columns(x, ys[0], sample=sample)]
    y, second = values[:, ys[0]], values[:, ys[1]]
    if n == 3:
        if not second[np.isfinite(second)].any():  # all zero: not known
            return [Columns(x, ys[0], sample=sample)]
        if are_errors(y, second, stated=suffix in {".xye", ".fxye"}):
            return [Columns(x, ys[0], ys[1], sample=sample)]
        raise FormatError(
            "its third column has no name, and its values do not look like standard deviations of "
            f"the second; {SETTLE}"
        )
    if are_errors(y, second):
        raise FormatError(
            f"its {n} columns have no names, and the third looks like standard deviations of the "
            f"second; {SETTLE}"
        )
    check_calculated(values[:, ys], SETTLE)
    return number_patterns([Columns(x, i) for i in ys])


def _check_first_row(values: Float) -> None:
    """Refuse a first row that may be labels of the columns, far from the next position."""
    steps = np.diff(values[:, 0])
    if len(steps) < 3:
        return
    usual = float(np.median(steps[1:]))
    if usual and not 0 < steps[0] / usual < _MOST_STEP:
        raise FormatError(
            "its first row may name the columns, since its position is far from the next; put a "
            f"name into its first field, such as '2theta', or {SETTLE}"
        )


def check_counting(positions: Float) -> None:
    """Refuse positions of no name that only number the points."""
    if len(positions) >= _LEAST_ROWS_OF_COUNTING and counts_points(positions):
        raise FormatError(
            f"its first column counts from {positions[0]:g} to {positions[-1]:g}, which are "
            "numbers of points rather than angles; state what it is: axis='two_theta' or another "
            "name, and units=..."
        )
