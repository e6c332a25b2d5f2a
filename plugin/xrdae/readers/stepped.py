"""What the small formats share: a start, a step and intensities, and dates of the day first."""

from __future__ import annotations

import datetime
import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError

Float: TypeAlias = npt.NDArray[np.float64]

_DATE = re.compile(
    r"\s*(\d{1,2})-(\d{1,2}|[A-Za-z]{3})-(\d{4}|\d{2})(?:[\s,]+(\d\d?):(\d\d)(?::\d\d)?)?\s*$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIRST_YEAR = 1950  # converters write 1-1-1900 where they know none


def number(text: str | None) -> float | None:
    """Return the number that a text is, None where it is none."""
    try:
        return float(text or "")
    except ValueError:
        return None


def intensities(text: str) -> Float:
    """Return the numbers in a text, which blanks part.

    Raises
    ------
    FormatError
        If something else is among them.
    """
    try:
        return np.array(text.split(), np.float64)
    except ValueError as error:
        raise FormatError(f"its intensities are no numbers: {error}") from error


def positions(n: int, start: float | None, step: float | None, end: float | None) -> Float:
    """Return `(n,)` positions from start on, in their units.

    Raises
    ------
    FormatError
        If the three state no range, or one of another number of points.
    """
    if start is None or step is None or end is None or not 0 < step <= end - start < np.inf:
        raise FormatError(f"it states start {start}, step {step}, end {end}, which is no range")
    announced = (end - start) / step + 1
    if abs(n - announced) > 0.99:  # the end need not be a whole number of steps away
        raise FormatError(
            f"it announces {announced:.0f} points from {start:g} to {end:g}, but {n} follow; "
            "the file is cut off or damaged"
        )
    return start + step * np.arange(n, dtype=np.float64)


def iso_date(text: str) -> str | None:
    """Return `12-Jul-17 17:31` or `29-4-2002` in the form of ISO 8601; None for other forms."""
    match = _DATE.match(text)
    if match is None:
        return None
    day, month, year = match[1], match[2].lower(), int(match[3])
    if len(match[3]) == 2:
        year += 1900 if year >= 69 else 2000
    months = _MONTHS.index(month) + 1 if month in _MONTHS else month
    try:
        found = datetime.datetime(
            year, int(months), int(day), int(match[4] or 0), int(match[5] or 0)
        )
    except ValueError:
        return None
    if year < _FIRST_YEAR:
        return None
    return found.isoformat(timespec="minutes") if match[4] else found.date().isoformat()
