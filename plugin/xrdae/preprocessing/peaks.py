"""Regions of the diffraction axis: peaks found in the data, sliding windows, or given bounds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal

from xrdae.convention.axes import Axis
from xrdae.errors import DataError
from xrdae.preprocessing.opening import open_patterns

Float = npt.NDArray[Any]
Regions = str | npt.ArrayLike

CONTRARY = ("strong but irrelevant", "weak but relevant")  # see `find_contrary_regions`
IRRELEVANT, RELEVANT = -1, 1  # values of `relevance_verdict`
OPENING = 8  # the background is wider than an eighth of the axis
PROMINENCE = 0.01  # least prominence of a peak, relative to the strongest peak


def find_regions(mean: Float, axis: Axis, data_axis: Axis, regions: Regions) -> Float:
    """Return bounds `(region, 2)` on the model's axis, start before stop, in its units.

    Parameters
    ----------
    mean
        `(channel,)`, mean of the scaled training patterns.
    axis
        The model's axis.
    data_axis
        The axis in whose units the regions are given.
    regions
        "peaks", a window's width (windows slide by half of it), or bounds `(region, 2)`.

    Raises
    ------
    DataError
        If the regions are not valid, or a region has no channel of the model's axis.
    """
    if isinstance(regions, str):
        if regions != "peaks":
            raise DataError(
                f"regions={regions!r} is not known; give 'peaks', a window's width in "
                f"{data_axis.units}, or bounds of shape (region, 2)"
            )
        return find_peak_bounds(mean, axis.values)
    given = np.asarray(regions, dtype=np.float64)
    sliding = given.ndim == 0
    if sliding:
        given = _make_windows(data_axis, float(given))
    if given.ndim != 2 or given.shape[1] != 2 or not len(given):
        raise DataError(f"regions have shape {given.shape}; bounds are of shape (region, 2)")
    bounds = np.sort(data_axis.convert(given, axis.kind, axis.wavelength), axis=1)
    start, stop = find_channels(axis, bounds).T
    holds = stop > start
    if sliding and holds.any():  # an irregular axis has gaps, and the model's axis may be shorter
        bounds, holds = bounds[holds], holds[holds]
    if not holds.all():
        low, high = given[np.argmin(holds)]
        ends = axis.convert(axis.values[[0, -1]], data_axis.kind, data_axis.wavelength)
        raise DataError(
            f"region {np.argmin(holds)} ({low:g} to {high:g} {data_axis.units}) has no channel "
            f"of the model's axis, {ends.min():.4g} to {ends.max():.4g} {data_axis.units}; choose "
            "other bounds"
        )
    return np.asarray(bounds)


def find_channels(axis: Axis, bounds: Float) -> npt.NDArray[np.intp]:
    """Return `(region, 2)`: first channel of each region and the one after its last."""
    start = np.searchsorted(axis.values, bounds[:, 0], side="left")
    stop = np.searchsorted(axis.values, bounds[:, 1], side="right")
    return np.stack([start, stop], axis=1)


def measure_strengths(positions: Float, pattern: Float, bounds: Float) -> Float:
    """Return the norm `(region,)` of a pattern above its lowest point in each region.

    `positions` and `pattern` are `(point,)`, NaN where not measured; `bounds` `(region, 2)`.
    """
    inside = [pattern[(positions >= low) & (positions <= high)] for low, high in bounds]
    known = [part[np.isfinite(part)].astype(np.float64) for part in inside]
    return np.array([np.linalg.norm(part - part.min()) if part.size else 0.0 for part in known])


def find_contrary_regions(
    strength: Float, excess: Float, verdict: npt.ArrayLike
) -> tuple[int | None, int | None]:
    """Return the strong region called irrelevant, and the weak region called relevant.

    Strong regions are the upper quarter by strength. Weak regions are those below the median, but
    for the lowest tenth, which hold no peak. Of several strong regions, the one of least excess is
    returned. Of several weak regions, the one of largest excess is returned; it is above 0.

    Parameters
    ----------
    strength
        `(region,)`, such as the norm of the intensity above its lowest point.
    excess
        `(region,)`, `relevance_excess`; NaN where not known.
    verdict
        `(region,)`, `relevance_verdict`.

    Returns
    -------
    tuple
        Two positions; None where no region has the verdict, or fewer than four are known.
    """
    known = np.flatnonzero(np.isfinite(excess))
    if known.size < 4:
        return None, None
    called = np.asarray(verdict)
    rank = strength[known].argsort().argsort() / (known.size - 1)
    strong, weak = known[rank >= 0.75], known[(rank > 0.1) & (rank <= 0.5)]
    strong = strong[called[strong] == IRRELEVANT]
    weak = weak[(called[weak] == RELEVANT) & (excess[weak] > 0)]
    return (
        int(strong[excess[strong].argmin()]) if strong.size else None,
        int(weak[excess[weak].argmax()]) if weak.size else None,
    )


def estimate_noise(patterns: Float) -> float:
    """Return the standard deviation of the noise of `(..., channel)`, 0 below three channels.

    The robust spread of second differences: noise, not peaks (white noise would give sqrt(6)).
    """
    if patterns.shape[-1] < 3:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(patterns, 2, axis=-1))) / np.sqrt(6))


def _make_windows(axis: Axis, width: float) -> Float:
    low, high = axis.values[[0, -1]]
    if not 0 < width <= high - low:
        raise DataError(
            f"regions={width} {axis.units} is not a possible window width; give a width above 0 "
            f"and up to that of the axis, {high - low:.4g} {axis.units}"
        )
    start = np.arange(low, high - width / 2, width / 2)
    return np.stack([start, np.minimum(start + width, high)], axis=1)


def find_peak_bounds(mean: Float, positions: Float) -> Float:
    """Return the bounds `(region, 2)` of the peaks of a mean pattern, strongest or not.

    The background is a morphological opening with a width of an eighth of the axis. The
    prominence of a peak is more than 1 % of the strongest one and five times the noise. Its bounds
    are at a tenth of its height, or at the valley to its neighbour. If peaks move from pattern to
    pattern, the mean pattern has a broad peak that spans the positions.
    """
    (smooth,), (background,) = open_patterns(mean[None], OPENING)
    noise = estimate_noise(mean)
    above = smooth - background
    tops, properties = scipy.signal.find_peaks(above, prominence=0)
    if not tops.size:
        return positions[[0, -1]][None, :]
    highest = properties["prominences"].max()
    tops = tops[properties["prominences"] >= min(max(PROMINENCE * highest, 5 * noise), highest)]
    whole = np.zeros_like(tops), np.full_like(tops, mean.size - 1)
    _, _, left, right = scipy.signal.peak_widths(
        above, tops, rel_height=0.9, prominence_data=(above[tops], *whole)
    )
    valleys = [a + int(np.argmin(above[a : b + 1])) for a, b in itertools.pairwise(tops)]
    left = np.maximum(left, np.array([0, *valleys]))
    right = np.minimum(right, np.array([*valleys, mean.size - 1]))
    index = np.arange(positions.size)
    return np.stack([np.interp(side, index, positions) for side in (left, right)], axis=1)
