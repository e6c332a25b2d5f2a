"""Background of patterns by a morphological opening, which follows it whatever its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

Float = npt.NDArray[Any]


def fill_gaps(patterns: Float) -> Float:
    """Return patterns `(pattern, channel)` in float64, interpolated where not measured.

    A pattern without any measured channel is 0.
    """
    values = np.array(patterns, dtype=np.float64)
    for row, known in zip(values, np.isfinite(values), strict=True):
        if not known.all():
            gaps = np.flatnonzero(~known)
            row[gaps] = np.interp(gaps, np.flatnonzero(known), row[known]) if known.any() else 0.0
    return values


def open_patterns(patterns: Float, part: int) -> tuple[Float, Float]:
    """Return smoothed patterns, and their background, both `(pattern, channel)`.

    Parameters
    ----------
    patterns
        `(pattern, channel)`; gaps are interpolated.
    part
        The opening is as wide as this part of the axis: 8 is an eighth.
    """
    smooth = scipy.ndimage.gaussian_filter1d(fill_gaps(patterns), 1.0, axis=1)
    width = max(3, smooth.shape[1] // part)
    return smooth, scipy.ndimage.grey_opening(smooth, size=(1, width))


def subtract_opening(patterns: Float, part: int) -> Float:
    """Return patterns `(pattern, channel)` less their background, which is smoothed."""
    _, background = open_patterns(patterns, part)
    width = max(3, background.shape[1] // part) // 2
    smooth = scipy.ndimage.uniform_filter1d(background, width, axis=1)
    return np.asarray(fill_gaps(patterns) - smooth)
