"""Check that the positions of a table are those of one pattern, and can be what they are called."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.text_table import Table

Float: TypeAlias = npt.NDArray[np.float64]

_HIGHEST_Q = 100.0  # 1/angstrom; above, positions without units are in 1/nm
_MOST_REPEATED = 0.2  # part of the positions that may be measured again
_EVEN = 0.1  # largest relative difference of steps that are even
_LEAST_EVEN = 0.3  # part of the steps
_LEAST_OF_LOGARITHM = 20  # positions
_MOST_NAMED_LINES = 100  # more positions of a known axis are those of a pattern
_LEAST_LINES, _MOST_LINES = 5, 1000  # of a list of reflections


def check_positions(
    table: Table, rows: npt.NDArray[np.intp], positions: Float, kind: str, has_names: bool
) -> None:
    """Refuse positions that cannot be those of one pattern.

    Parameters
    ----------
    table
        The table, for numbers of lines.
    rows
        `(point,)`, the rows of the table that the positions are in.
    positions
        `(point,)`, in the units of the kind.
    kind
        "two_theta", "q", "d" or "other".
    has_names
        Whether the columns have names.

    Raises
    ------
    FormatError
        If one is not finite, if there are fewer than 2, if they are those of several patterns or
        of a list of reflections, or if they are too large.
    """
    finite = np.isfinite(positions)
    if not finite.all():
        line = table.line_numbers[int(rows[np.flatnonzero(~finite)[0]])]
        raise FormatError(f"line {line} has no finite position")
    if len(positions) < 2 or positions.min() == positions.max():
        raise FormatError("it has fewer than 2 positions")
    steps = np.diff(positions)
    if not ((steps > 0).all() or (steps < 0).all()):
        _check_one_pattern(table, rows, positions, steps)
    if kind == "two_theta" and np.abs(positions).max() > 180:
        raise FormatError(
            f"its positions reach {np.abs(positions).max():.6g}, which is no 2theta in degree; "
            + ("check the name" if has_names else "put the name")
            + " of the first column in the line above, such as '# q_nm^-1 intensity', or state "
            "axis=... and units=..."
        )
    if kind == "q" and positions.max() > _HIGHEST_Q:
        raise FormatError(
            f"its q reaches {positions.max():.6g} 1/angstrom; if it is in 1/nm, say so in the "
            "line above the columns: '# q_nm^-1 intensity', or by units='1/nm'"
        )


def _check_one_pattern(
    table: Table, rows: npt.NDArray[np.intp], positions: Float, steps: Float
) -> None:
    """Refuse several patterns one below the other, which look like repeated points."""
    advice = "write each pattern to a separate file"
    if table.is_interrupted:
        raise FormatError(f"comments part it into several tables; {advice}")
    forward = 1 if 2 * np.count_nonzero(steps > 0) > steps.size else -1
    back = np.flatnonzero(forward * steps < -np.ptp(positions) / 2)
    if back.size:
        i = int(back[0])
        raise FormatError(
            f"its positions jump back from {positions[i]:g} to {positions[i + 1]:g} in line "
            f"{table.line_numbers[int(rows[i + 1])]}, where another pattern seems to begin; "
            f"{advice}, or state the column of samples by an s: columns='sxy'"
        )
    repeated = np.count_nonzero(steps == 0)
    if repeated > _MOST_REPEATED * len(steps):
        raise FormatError(
            f"{repeated} of its {len(positions)} positions repeat the one before; if these are "
            f"several patterns, {advice}, or state the column of samples by an s: columns='sxy'"
        )


def _has_even_steps(positions: Float) -> bool:
    steps = np.abs(np.diff(positions))
    written = next((10.0**-n for n in range(7) if np.allclose(positions, positions.round(n))), 0.0)
    rounding = 1.01 * written  # two positions are rounded to their last digit
    even = np.abs(steps - np.median(steps)) <= np.maximum(_EVEN * np.median(steps), rounding)
    changes = np.abs(np.diff(steps)) <= np.maximum(_EVEN * steps[1:], rounding)
    return bool(even.mean() >= _LEAST_EVEN or changes.mean() >= _LEAST_EVEN)


def _has_even_logarithms(positions: Float) -> bool:
    if positions.min() <= 0:
        return False
    steps = np.abs(np.diff(np.log(positions)))
    return bool((np.abs(steps - np.median(steps)) <= _EVEN * np.median(steps)).mean() > 0.5)


def check_even_steps(positions: Float, *, is_assumed: bool) -> None:
    """Refuse positions without names that are spaced as reflections or as a logarithmic axis.

    A pattern over angles has even steps, or several ranges of them.
    """
    n = len(positions)
    if not _LEAST_LINES <= n <= (_MOST_LINES if is_assumed else _MOST_NAMED_LINES):
        return
    if _has_even_steps(positions):
        return
    if is_assumed and n >= _LEAST_OF_LOGARITHM and _has_even_logarithms(positions):
        raise FormatError(
            "its positions are evenly spaced in their logarithm, unlike angles; state what they "
            "are: axis='q' or another name, and units=..."
        )
    raise FormatError(
        f"its {n} positions have uneven steps, as a list of lines has; if it is a measured "
        "pattern, state what its columns are: columns='xy'"
    )
