"""Parse header values of files, and drop impossible ones."""

from __future__ import annotations

import datetime
import re

# Headers are full of zeros, -1 and 1e30 where nothing was entered; units as in METADATA_UNITS.
_ANGLE = (-360.0, 360.0)
_LENGTH = (-9997.9, 9997.9)  # 9998 and 9999 mean that there is no such axis
_BOUNDS = {
    "wavelength": (0.1, 3.0),  # lines of X-ray tubes: W K-alpha 0.21, Cr K-alpha 2.29
    "k_alpha_2": (0.1, 3.0),
    "k_alpha_ratio": (0.01, 1.0),
    "temperature": (0.01, 5000.0),
    "counting_time": (1e-6, 1e7),
    "omega": _ANGLE,
    "chi": _ANGLE,
    "phi": _ANGLE,
    "x": _LENGTH,
    "y": _LENGTH,
    "z": _LENGTH,
    "voltage": (1.0, 1000.0),
    "current": (1e-3, 1e4),
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Dates by their first part.
_DATES = {
    "year": r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)",
    "month": r"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4}|\d\d)",
    "day": r"(?P<day>\d\d?)-(?P<month>\d\d?|[A-Za-z]{3})-(?P<year>\d{4}|\d\d)",
}
_CLOCK = r"(?P<clock>\d\d?:\d\d(?::\d\d)?)(?P<rest>(?:\.\d+)?\s?(?:Z|[+-]\d\d:?\d\d)?)"
_FIRST_YEAR = 1950  # converters write 1-1-1900 if the date is unknown


def select_possible(**values: float | str | None) -> dict[str, float | str]:
    """Return metadata of a scan: the values that are neither empty nor impossible."""
    kept: dict[str, float | str] = {}
    for name, value in values.items():
        if isinstance(value, str):
            if value.strip():
                kept[name] = value.strip()
        elif value is not None:
            low, high = _BOUNDS[name]
            if low <= value <= high:  # false for NaN
                kept[name] = float(value)
    return kept


def parse_number(text: str | None) -> float | None:
    """Return a text as a number; None if it is not a number."""
    try:
        return float(text or "")
    except ValueError:
        return None


def find_counting_time(speed: float | None, units: str, step: float | None) -> float | None:
    """Return the time a step took [s]; of a continuous scan it follows from its speed."""
    units = units.lower().replace(".", "")
    if units == "s" or units.startswith("sec"):
        return speed
    return 60 * step / speed if units.startswith("deg/min") and speed and step else None


def format_iso_time(text: str, begins_with: str = "year") -> str | None:
    """Return a date, with a time of day if there is one, in the form of ISO 8601.

    Parameters
    ----------
    text
        Such as `2024-05-01T12:30:00Z`, `05/01/2024 12:30` or `1-May-24, 12:30:00`.
    begins_with
        First part of the date: "year", "month" (slashes) or "day" (dashes).

    Returns
    -------
    str or None
        To the minute or the second, as in the text; None if it is not such a date.
    """
    match = re.fullmatch(rf"\s*{_DATES[begins_with]}(?:[T\s,]*{_CLOCK})?\s*", text)
    if match is None:
        return None
    year, month = int(match["year"]), match["month"].lower()
    if len(match["year"]) == 2:
        year += 1900 if year >= 69 else 2000
    number_of_month = _MONTHS.index(month) + 1 if month in _MONTHS else month
    written = match["clock"] or "0:0"
    hour, minute, second, *_ = map(int, f"{written}:0".split(":"))
    try:
        day = datetime.date(year, int(number_of_month), int(match["day"]))
        clock = datetime.time(hour, minute, second)
    except ValueError:
        return None
    if year < _FIRST_YEAR:
        return None
    if match["clock"] is None:
        return day.isoformat()
    time = clock.isoformat("seconds" if written.count(":") == 2 else "minutes")
    return f"{day}T{time}{match['rest'].strip()}"
