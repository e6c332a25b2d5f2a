"""Times of flight of the channels of GSAS powder data.

Sources: the manual of GSAS (LAUR 86-748, "GSAS Standard Powder Data File"), as Mantid's SaveGSS
(https://github.com/mantidproject/mantid) quotes it; GSAS-II's `G2pwd_fxye.py`
(https://github.com/AdvancedPhotonSource/GSAS-II) for the maps of times. The coefficients of a BANK
record are

    SLOG      start [us], end [us], step/time, 0: the steps grow with the time
    RALF      32 start [us], 32 first step, 32 start of growing steps, step/time
    TIME_MAP  the number of a map

A map is a record `TIME_MAP number values records TIME_MAP clock [ns]`. Its values are triples of
the number of a channel, counted from 1, the clock pulse where this channel begins, and the pulses
from channel to channel. The last value is the pulse where the last channel ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import OTHER
from xrdae.errors import FormatError
from xrdae.readers.scan import ScanAxis

Float: TypeAlias = npt.NDArray[np.float64]

AXIS = ScanAxis(OTHER, 1.0, "tof", "us", "time of flight")
MAP = re.compile(r"TIME_MAP\s*(\d{1,9})\s+(\d{1,9})\s+\d{1,9}\s+TIME_MAP\s+([\d.]{1,20})")
KINDS = ("SLOG", "RALF", "TIME_MAP")
_NEAR = 0.05  # relative; ends of the range are rounded or a channel apart


def read_time_map(record: str, rows: list[str]) -> tuple[int, Float]:
    """Return the number of a map of times and its values.

    Returns
    -------
    tuple
        Number, and `(part, 4)`: first channel, counted from 0, start [us], step [us], end [us].

    Raises
    ------
    FormatError
        If the values are not those of a map.
    """
    match = MAP.match(record)
    assert match is not None  # the record was found by this expression
    number, n = int(match[1]), int(match[2])
    words = " ".join(rows).split()[:n]
    try:
        clock, values = float(match[3]), np.array(words, np.float64)
    except ValueError as error:
        raise FormatError(f"time map {number}: {error}") from error
    if len(words) != n or n < 4 or n % 3 != 1 or not np.isfinite(values).all():
        raise FormatError(f"time map {number} has {len(words)} of {n} values: triples and an end")
    parts, end = values[:-1].reshape(-1, 3), values[-1]
    channels, starts, steps = parts.T
    ends = np.append(starts[1:], end)
    expected = starts[:-1] + steps[:-1] * np.diff(channels)
    if (
        channels[0] != 1
        or not (steps > 0).all()
        or not (np.diff(channels) > 0).all()
        or not np.array_equal(expected, starts[1:])
        or ends[-1] <= starts[-1]
    ):
        raise FormatError(f"the parts of time map {number} do not follow each other")
    scaled = np.stack([starts, steps, ends], axis=1) * clock / 1000
    return number, np.column_stack([channels - 1, scaled])


def find_times(kind: str, words: list[str], n: int, maps: Mapping[int, Float]) -> Float:
    """Return the times at which n channels begin [us], `(channel,)`.

    Parameters
    ----------
    kind
        Of the bank: SLOG, RALF or TIME_MAP.
    words
        Of the BANK record behind the kind.
    n
        Number of channels.
    maps
        Maps of times by their number; see `read_time_map`.

    Raises
    ------
    FormatError
        If the record does not give these times.
    """
    if kind == "RALF":
        raise FormatError(
            "the steps of its RALF channels are only known about; export it with the times of the "
            "points (FXYE)"
        )
    if kind == "SLOG":
        start, end, growth = _read_coefficients(words, 3)
        if not (0 < start < end and 0 < growth < 1):
            raise FormatError(f"its SLOG channels from {start:g} to {end:g} us cannot be")
        times = start * (1 + growth) ** np.arange(n)
        if abs(times[-1] / end - 1) > _NEAR:
            raise FormatError(
                f"its {n} SLOG channels end at {times[-1]:.6g} us, but its BANK record states "
                f"{end:.6g}"
            )
        return np.asarray(times)
    number = int(_read_coefficients(words, 1)[0])
    if number not in maps:
        raise FormatError(f"it has no time map {number}, to which its BANK record refers")
    parts = maps[number]
    channel = np.arange(n, dtype=np.float64)
    part = parts[np.searchsorted(parts[:, 0], channel, side="right") - 1]
    times = part[:, 1] + part[:, 2] * (channel - part[:, 0])
    if times[-1] >= parts[-1, 3]:
        raise FormatError(f"it has {n} channels, which are more than time map {number} has")
    return np.asarray(times)


def check_times(kind: str, words: list[str], times: Float) -> None:
    """Refuse times of points that are outside of the range that the BANK record states.

    Raises
    ------
    FormatError
        If they are, or if the kind is TIME_MAP, whose points state no times.
    """
    if kind == "TIME_MAP":
        raise FormatError("it states times of its points and a time map; export STD or ESD")
    first, second = _read_coefficients(words, 2)
    start = first if kind == "SLOG" else first / 32
    is_far = abs(times[0] - start) > _NEAR * start + (second / 32 if kind == "RALF" else 0)
    if is_far or (kind == "SLOG" and times[-1] > second * (1 + _NEAR)):
        raise FormatError(
            f"its times from {times[0]:.6g} to {times[-1]:.6g} are not in us the range that its "
            f"BANK record states: {kind} {' '.join(words[:4])}"
        )


def _read_coefficients(words: list[str], n: int) -> list[float]:
    try:
        found = [float(word) for word in words[:n]]
    except ValueError as error:
        raise FormatError(f"the coefficients of its BANK record are broken: {error}") from error
    if len(found) < n or not np.isfinite(found).all():
        raise FormatError(f"its BANK record has {len(found)} coefficients; it needs {n}")
    return found
