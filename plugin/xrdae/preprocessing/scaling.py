"""Divide each pattern by its scale, and refuse patterns that have no usable scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError
from xrdae.preprocessing.steady_scale import SteadyPeaks

Float = npt.NDArray[Any]

SMALLEST, LARGEST = 1e-34, 1e36  # of scales; results are float32, whose range is a bit larger
STEEPEST = 1e12  # largest intensity over scale; its square fits into float32
UNSIGNED = ("max", "area", "steady")  # scales that need positive intensities
_WHAT = {
    "max": "largest intensity",
    "area": "mean intensity",
    "std": "standard deviation",
    "none": "common scale",
}


def scale_patterns(
    patterns: Float, scale: str, *, common: float = 1.0, steady: SteadyPeaks | None = None
) -> tuple[Float, Float]:
    """Divide each pattern by its maximum, mean, standard deviation, peaks, or a common number.

    Parameters
    ----------
    patterns
        `(pattern, channel)` without background, NaN where not measured.
    scale
        "max", "area", "std", "steady" or "none".
    common
        The number that all patterns are divided by if the scale is "none".
    steady
        The peaks that decide if the scale is "steady".

    Returns
    -------
    tuple
        Scaled patterns `(pattern, channel)`, float32 if the patterns are float32, else float64,
        and scales `(pattern,)`. A scale is NaN if it is not positive, if float32 results cannot
        hold it, or if an intensity is above 1e12 times the scale, which is a fill value.
    """
    x = np.asarray(patterns)
    kept = np.float32 if x.dtype.kind == "f" and x.dtype.itemsize == 4 else np.float64
    x = x.astype(kept, copy=False)
    measured = np.isfinite(x)
    high = x.max(axis=1, where=measured, initial=-np.inf).astype(np.float64)
    low = x.min(axis=1, where=measured, initial=np.inf).astype(np.float64)
    largest = np.maximum(high, -low)
    if scale == "max":
        size = high
    elif steady is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            size = steady.measure_scales(x)
    elif scale == "none":
        size = np.where(measured.any(axis=1), common, np.nan)
    else:
        count = np.maximum(measured.sum(axis=1), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            size = x.sum(axis=1, where=measured, dtype=np.float64) / count
            if scale == "std":
                unit = np.where(largest > 0, largest, 1.0)  # or the squares could overflow
                from_mean = (x - size[:, None]) / unit[:, None]
                square = np.square(from_mean, dtype=np.float64).sum(axis=1, where=measured)
                size = np.sqrt(square / count) * unit
    usable = (size >= SMALLEST) & (np.maximum(size, largest) <= LARGEST)
    size = np.where(usable, size, np.nan)
    size = np.where(largest > STEEPEST * size, np.nan, size)
    scaled = x / size[:, None].astype(x.dtype)
    scaled[~measured] = np.nan
    return scaled, size


def find_common_scale(patterns: Float) -> float:
    """Return the median of the largest magnitudes of patterns `(pattern, channel)`.

    Returns 1 if no pattern has a usable magnitude.
    """
    largest = np.abs(patterns).max(axis=1, where=np.isfinite(patterns), initial=0.0)
    usual = largest[(largest >= SMALLEST) & (largest <= LARGEST)]
    return float(np.median(usual)) if usual.size else 1.0


def check_scales(
    size: Float, patterns: Float, *, scale: str, named: Callable[[int], object]
) -> None:
    """Refuse patterns without a scale.

    Parameters
    ----------
    size
        `(pattern,)`, see `scale_patterns`.
    patterns
        `(pattern, point)`, not prepared.
    scale
        See `scale_patterns`.
    named
        Function from a row to the name of the pattern in the message.

    Raises
    ------
    DataError
        If a pattern has no scale. The message names the first.
    """
    found = np.flatnonzero(np.isnan(size))
    if not found.size:
        return
    row = patterns[found[0]]
    row = row[np.isfinite(row)]
    extent = f"from {row.min():g} to {row.max():g}" if row.size else "on none of the channels"
    more = f" (and {found.size - 1} more)" if found.size > 1 else ""
    if scale == "steady":
        raise DataError(
            f"pattern {named(found[0])}{more}, with intensities {extent}, lacks the peaks that set "
            "the scale (scale='steady'): after background subtraction, too few of them are "
            "measured and positive; choose scale='max', name reference peaks that all patterns "
            "have with scale_regions=[[start, stop]], leave the pattern out (ds.drop_isel), or "
            "hide it from the fit with a variable 'mask' that is True there"
        )
    raise DataError(
        f"pattern {named(found[0])}{more}, with intensities {extent}, "
        f"cannot be divided by its {_WHAT[scale]} (scale={scale!r}): after background "
        f"subtraction, it must be between {SMALLEST:g} and {LARGEST:g}, and no intensity above "
        f"{STEEPEST:g} times it; rescale the intensity, choose scale='std' or 'none' for signed "
        "spectra, leave the pattern out (ds.drop_isel), hide it from the fit with a variable "
        "'mask' that is True there, or mask the channel that is wrong"
    )
