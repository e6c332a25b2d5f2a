"""Find the regions in which the mean pattern of a cluster differs most from the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.convention.axes import Axis
from xrdae.convention.patterns import Patterns
from xrdae.preprocessing.peaks import find_channels, find_peak_bounds

Float = npt.NDArray[Any]

SHOWN = 3  # regions of a cluster
SPREADS = 1.0  # least difference, over the standard deviation within clusters


def find_distinguishing_regions(
    means: Float,
    spread: Float,
    sizes: npt.NDArray[np.intp],
    axis: Axis,
    patterns: Patterns,
) -> list[list[dict[str, float]]]:
    """Return for each cluster the regions that distinguish it, the most different first.

    Parameters
    ----------
    means
        `(cluster, channel)`, mean scaled intensity of the clusters; NaN where not known.
    spread
        `(channel,)`, standard deviation within the clusters.
    sizes
        `(cluster,)`, numbers of patterns.
    axis
        The model's axis.
    patterns
        Patterns in whose axis and units the regions are given.

    Returns
    -------
    list
        For each cluster at most three regions: `start` and `stop` [units of the axis], and
        `difference`, the largest difference from the mean of the other clusters' patterns, over the
        largest intensity of a mean pattern. It is negative where the cluster has less.
    """
    known = np.nan_to_num(means)
    top = max(float(np.abs(known).max()), 1e-12)
    weights = np.maximum(sizes, 1).astype(float)
    listed = []
    for j, mean in enumerate(known):
        others = np.arange(len(known)) != j
        difference = mean - np.average(known[others], axis=0, weights=weights[others])
        bounds = find_peak_bounds(np.abs(difference), axis.values)
        regions = []
        for (start, stop), (low, high) in zip(find_channels(axis, bounds), bounds, strict=True):
            if stop <= start:
                continue
            peak = start + int(np.abs(difference[start:stop]).argmax())
            if abs(difference[peak]) >= SPREADS * spread[peak]:
                regions.append((float(difference[peak]), low, high))
        regions.sort(key=lambda region: -abs(region[0]))
        listed.append([_convert(region, top, axis, patterns) for region in regions[:SHOWN]])
    return listed


def _convert(
    region: tuple[float, float, float], top: float, axis: Axis, patterns: Patterns
) -> dict[str, float]:
    difference, low, high = region
    ends = axis.convert([low, high], patterns.axis.kind, patterns.axis.wavelength)
    start, stop = np.sort(ends) / patterns.factor
    return {
        "start": round(float(start), 6),
        "stop": round(float(stop), 6),
        "difference": round(difference / top, 4),
    }
