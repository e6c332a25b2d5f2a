"""The scale of a pattern: what it is divided by, and which patterns have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError

Float = npt.NDArray[Any]

SMALLEST, LARGEST = 1e-34, 1e36  # of scales: results are float32, which holds some more
STEEPEST = 1e12  # times its scale: no intensity lies beyond, and float32 still holds the square


def scale_patterns(patterns: Float, scale: str) -> tuple[Float, Float]:
    """Divide each pattern by its maximum or its mean.

    Parameters
    ----------
    patterns
        `(pattern, channel)` without background, NaN where not measured.
    scale
        "max" or "area".

    Returns
    -------
    tuple
        Scaled patterns `(pattern, channel)`, float32 where the patterns are, else float64, and
        scales `(pattern,)`. A scale is NaN where it is not positive, or beyond what float32
        results can hold, or an intensity is beyond 1e12 times it: a fill value, no measured one.
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
    else:
        with np.errstate(over="ignore"):
            total = x.sum(axis=1, where=measured, dtype=np.float64)
        size = total / np.maximum(measured.sum(axis=1), 1)
    usable = (size >= SMALLEST) & (np.maximum(size, largest) <= LARGEST)
    size = np.where(usable, size, np.nan)
    size = np.where(largest > STEEPEST * size, np.nan, size)
    scaled = x / size[:, None].astype(x.dtype)
    scaled[~measured] = np.nan
    return scaled, size


def check_scales(
    size: Float, patterns: Float, *, scale: str, named: Callable[[int], object]
) -> None:
    """Refuse patterns without a scale.

    Parameters
    ----------
    size
        `(pattern,)`, see `scale_patterns`.
    patterns
        `(pattern, point)` as they came.
    scale
        "max" or "area".
    named
        From a row to what the message calls that pattern.

    Raises
    ------
    DataError
        If there are any; the message names the first.
    """
    found = np.flatnonzero(np.isnan(size))
    if not found.size:
        return
    row = patterns[found[0]]
    row = row[np.isfinite(row)]
    extent = f"from {row.min():g} to {row.max():g}" if row.size else "on none of the channels"
    more = f" (and {found.size - 1} more)" if found.size > 1 else ""
    what = {"max": "largest intensity", "area": "mean intensity"}[scale]
    raise DataError(
        f"pattern {named(found[0])}{more}, with intensities {extent}, "
        f"cannot be divided by its {what} (scale={scale!r}): less its background that must lie "
        f"between {SMALLEST:g} and {LARGEST:g}, and no intensity beyond {STEEPEST:g} times it; "
        "rescale the intensity, leave the pattern out (ds.drop_isel), hide it from the fit with a "
        "variable 'mask' that is True there, or mask the channel that is wrong"
    )
