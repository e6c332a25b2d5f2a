"""Intensities at positions from a start, by a step, to an end, as many formats state them.

Sources: MAUD's files, which begin with the number of points, step, start and wavelength; FullProf's
manual, patterns with INSTRM = 0 (start, step, end, then
intensities alone) and 8 (the same under two title lines, then as many uncertainties; DMC and HRPT
at PSI).
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.scan import Scan
from xrdae.readers.text_header import find_metadata
from xrdae.readers.text_table import COMMENT, parse_row_numbers

Float: TypeAlias = npt.NDArray[np.float64]

_MOST_STEPS = 1e6
_POINTS = re.compile(r"\s*(\d{1,7})\s+([\d.+\-eE]+)\s+([\d.+\-eE]+)\s+([\d.+\-eE]+)\s*$")
_STEPS = re.compile(r"\s*([\d.+\-eE]+)\s+([\d.+\-eE]+)\s+([\d.+\-eE]+)(?![\w.,])")


def parse_intensities(text: str) -> Float:
    """Return the numbers in a text, which blanks part.

    Raises
    ------
    FormatError
        If the text contains anything else.
    """
    try:
        return np.array(text.split(), np.float64)
    except ValueError as error:
        raise FormatError(f"its intensities are no numbers: {error}") from error


def make_positions(n: int, start: float | None, step: float | None, end: float | None) -> Float:
    """Return `(n,)` positions from start on, in their units.

    Raises
    ------
    FormatError
        If the three state no range, or one of another number of points.
    """
    if start is None or step is None or end is None or not 0 < step <= end - start < np.inf:
        raise FormatError(f"it states start {start}, step {step}, end {end}, which is no range")
    announced = (end - start) / step + 1
    if abs(n - announced) > 0.99:  # the range may not be a whole number of steps
        raise FormatError(
            f"it announces {announced:.0f} points from {start:g} to {end:g}, but {n} follow; "
            "the file is cut off or damaged"
        )
    return start + step * np.arange(n, dtype=np.float64)


def find_announced_steps(lines: list[str]) -> tuple[int, float, float, float] | None:
    """Return the line of `start step end` and its values, where intensities alone follow."""
    plain = [i for i, line in enumerate(lines[:100]) if line.strip() and not COMMENT.match(line)]
    for i, *following in zip(plain[:7], plain[1:], plain[2:], strict=False):
        if not (match := _STEPS.match(lines[i])):
            continue
        try:
            start, step, end = map(float, match.groups())
        except ValueError:
            continue
        widths = {len(parse_row_numbers([lines[k]])) for k in following}
        is_row = len(parse_row_numbers([lines[i]])) in widths
        if 0 < step < (end - start) / 10 < step * _MOST_STEPS and not (
            is_row or widths & {0, 2, 3}
        ):
            return i, start, step, end
    return None


def find_announced_points(lines: list[str]) -> tuple[int, float, float, float] | None:
    """Return the line of `number step start wavelength` and the last three; None: there is none."""
    plain = [i for i, line in enumerate(lines[:20]) if line.strip() and not COMMENT.match(line)]
    for i in plain[:2]:
        match = _POINTS.match(lines[i])
        if match is None:
            continue
        try:
            step, start, wavelength = map(float, match.groups()[1:])
        except ValueError:
            continue
        end = start + step * int(match[1])
        if 0 < step < 5 and -180 <= start < end <= 180 and 0.1 <= wavelength <= 10:
            return i, step, start, wavelength
    return None


def _read_points(lines: list[str]) -> Scan | None:
    """Return the pattern of a file of MAUD; None for other files."""
    announced = find_announced_points(lines)
    if announced is None:
        return None
    i, step, start, wavelength = announced
    n = int(lines[i].split()[0])
    values = np.array(parse_row_numbers(lines[i + 1 :]))
    if values.size != n:
        return None  # a row of four numbers
    found = find_metadata(lines[:i]) | {"wavelength": wavelength}
    return Scan("two_theta", start + step * np.arange(n), values, metadata=found)


def read_steps(lines: list[str]) -> Scan | None:
    """Return the pattern of a FullProf file with INSTRM = 0 or 8, or of MAUD; None: of neither.

    Raises
    ------
    FormatError
        If the number of intensities differs from the announced one.
    """
    announced = find_announced_steps(lines)
    if announced is None:
        return _read_points(lines)
    i, start, step, end = announced
    n = round((end - start) / step) + 1
    values = np.array(parse_row_numbers(lines[i + 1 :]))
    if values.size == n:
        intensity, errors = values, None
    elif values.size == 2 * n and i == 2:  # under two title lines
        intensity, errors = values[:n], values[n:]
    else:
        raise FormatError(
            f"its line {i + 1} announces {n} points (start, step, end), but {values.size} numbers "
            "follow; the file is cut off or of another format"
        )
    found = find_metadata(lines[:i])
    return Scan("two_theta", start + step * np.arange(n), intensity, errors, metadata=found)
