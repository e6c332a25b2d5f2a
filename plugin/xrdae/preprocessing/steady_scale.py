"""Scale patterns by the peaks that keep their ratios, so that one changing peak moves no other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.convention.axes import Axis
from xrdae.errors import DataError, warn
from xrdae.preprocessing.opening import open_patterns
from xrdae.preprocessing.peaks import OPENING, find_channels, find_peak_bounds, find_regions

Float = npt.NDArray[Any]

WEAKEST = 0.02  # content of a peak, as a part of the largest content
ROUNDS = 100
CONVERGED = 1e-6
LEAST_VARIANCE = 1e-5  # of the logarithm of a content: 0.3 %
LEAST_PEAKS = 1.9  # effective number of peaks of a group
FEWEST_PEAKS = 3.0  # effective number of peaks below which none is steady
LARGEST_ERROR = 0.05  # of the scale, above which none is steady
FOLLOWED = 0.05  # spread of the logarithm of scales, above which the background should follow
LEAST_SLOPE = 0.5  # of the logarithm of the background over that of the scale
LEAST_WEIGHT = 0.5  # of the peaks that a pattern must have


@dataclasses.dataclass(frozen=True, eq=False)
class SteadyPeaks:
    """Peaks whose contents say how strong a pattern is.

    Attributes
    ----------
    channels
        `(peak, 2)`, first channel of each peak and the one after its last.
    weights
        `(peak,)`, of sum 1.
    levels
        `(peak,)`, mean logarithm of the content of the training patterns, each divided by its
        scale.
    """

    channels: npt.NDArray[np.int64]
    weights: Float
    levels: Float

    def measure_scales(self, patterns: Float) -> Float:
        """Return scales `(pattern,)` of patterns `(pattern, channel)` without background.

        NaN where peaks of half the weight or more are not measured or have no positive content.
        """
        contents = measure_contents(patterns, self.channels)
        return np.exp(_average(contents - self.levels, self.weights))


def find_steady_peaks(
    patterns: Float, axis: Axis, data_axis: Axis, *, measured: Float, regions: Any = None
) -> SteadyPeaks:
    """Return the peaks of `search_steady_peaks`, and warn if none is steady for certain."""
    peaks, problem = search_steady_peaks(
        patterns, axis, data_axis, measured=measured, regions=regions
    )
    if problem:
        warn(problem)
    return peaks


def search_steady_peaks(
    patterns: Float, axis: Axis, data_axis: Axis, *, measured: Float, regions: Any = None
) -> tuple[SteadyPeaks, str]:
    """Find peaks that keep their ratios in training patterns, and their weights.

    A peak weighs by the inverse variance of the logarithm of its content, relative to the weighted
    mean of the other peaks. This is iterated, once from each peak. Of the groups of peaks that are
    found so, the one counts whose scale varies least. The scale is the weighted mean over the
    peaks. Its median is the median of the largest intensities.

    Parameters
    ----------
    patterns
        `(pattern, channel)` without background, NaN where not measured.
    axis
        The model's axis, `(channel,)`.
    data_axis
        Axis in whose units the regions are given.
    measured
        `(pattern, channel)`, the patterns with their background.
    regions
        Bounds `(region, 2)` of reference peaks; None: all peaks of the mean pattern with at least
        2 % of the content of the strongest. Only those count that most patterns have.

    Returns
    -------
    tuple
        The peaks, and why none is steady for certain; an empty text if they are, or if the regions
        are given.

    Raises
    ------
    DataError
        If a region has no channel of the axis, or if there is no peak.
    """
    known = patterns[np.isfinite(patterns).any(axis=1)]
    largest = np.nanmax(known, axis=1, keepdims=True)
    usable = largest[:, 0] > 0
    if not usable.any():
        raise DataError(
            "no pattern has a positive intensity, so there is no peak to scale by; for signed "
            "spectra, set scale='std' or 'none'"
        )
    shape = _average_patterns(known[usable] / largest[usable])
    if regions is None:
        channels = find_channels(axis, _widen_bounds(find_peak_bounds(shape, axis.values)))
        content = np.exp(measure_contents(shape[None], channels))[0]
        channels = channels[content >= WEAKEST * np.nanmax(content, initial=0.0)]
    else:
        channels = find_channels(axis, find_regions(shape, axis, data_axis, regions))
    contents = measure_contents(patterns, channels)
    share = np.isfinite(contents).mean(axis=0)
    common = (share > 0) & (share == share.max(initial=0.0))  # a missing peak is not steady
    channels, contents = channels[common], contents[:, common]
    if not len(channels):
        raise DataError(
            "no peak to scale by was found: choose another scale, or name reference peaks with "
            "scale_regions=[[start, stop]] in units of the axis"
        )
    group = _choose_group(contents)
    weights, levels = group.weights, group.levels
    size = np.exp(_average(contents - levels, weights))
    problem = "" if regions is not None else _find_problem(group, size, measured)
    if np.isfinite(size).any():
        levels = levels - np.log(np.median(largest[usable]) / np.nanmedian(size))
    return SteadyPeaks(channels.astype(np.int64), weights, levels), problem


def measure_contents(patterns: Float, channels: npt.NDArray[np.integer[Any]]) -> Float:
    """Return the logarithm of the content `(pattern, peak)` above the background of each pattern.

    The background is a morphological opening with a width of an eighth of the axis, as in
    `find_peak_bounds`. NaN where a channel of the peak is not measured, or the content is not
    positive.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    channels
        `(peak, 2)`, first channel of each peak and the one after its last.
    """
    smooth, background = open_patterns(patterns, OPENING)
    above, measured = smooth - background, np.isfinite(patterns)
    inside = [slice(start, stop) for start, stop in channels]
    contents = np.stack([above[:, part].sum(axis=1) for part in inside], axis=1)
    whole = np.stack([measured[:, part].all(axis=1) for part in inside], axis=1)
    usable = whole & (contents > 0)
    return np.where(usable, np.log(np.where(usable, contents, 1.0)), np.nan)


def _find_problem(group: _Group, size: Float, measured: Float) -> str:
    """Return why no peak is steady for certain: no ratios are kept, or all may change alike.

    A longer exposure makes the background stronger too. If the background of `measured` patterns
    `(pattern, channel)` does not follow the scales `(pattern,)`, no exposure explains these.
    """
    wrong = ""
    if not group.is_coherent:
        wrong = (
            f"the scale rests on {group.effective:.1f} of {len(group.weights)} peaks (effective "
            f"number) and is uncertain to {group.error:.1%}"
        )
    elif group.spread > FOLLOWED:
        levels = np.median(open_patterns(measured, OPENING)[1], axis=1)
        known = np.isfinite(size) & (levels > 0)
        x, y = np.log(size[known]), np.log(levels[known])
        x, y = x - x.mean(), y - y.mean()
        power = float(x @ x)
        slope = float(x @ y) / power if power > 0 else 1.0
        error = float((y - slope * x).std()) / np.sqrt(power) if power > 0 else 1.0
        if known.all() and slope + 2 * error < LEAST_SLOPE:
            wrong = (
                f"the scale varies by {group.spread:.0%}, but the background does not follow it "
                f"(slope {slope:.2f}), so the peaks may all change alike"
            )
    if not wrong:
        return ""
    return (
        f"no peak is steady for certain: {wrong}, and relevance may be wrong; name reference peaks "
        "with scale_regions=[[start, stop]], or divide by a monitor and set scale='none'"
    )


def _widen_bounds(bounds: Float) -> Float:
    """Return bounds `(peak, 2)` wider by half a width at each end, but not into the next peak.

    A peak that moves stays within its bounds.
    """
    margin = np.diff(bounds, axis=1) / 2
    wide = bounds + margin * [-1, 1]
    middle = (bounds[1:, 0] + bounds[:-1, 1]) / 2
    wide[1:, 0] = np.maximum(wide[1:, 0], middle)
    wide[:-1, 1] = np.minimum(wide[:-1, 1], middle)
    return wide


@dataclasses.dataclass(frozen=True, eq=False)
class _Group:
    """Peaks that keep their ratios.

    Attributes
    ----------
    weights, levels
        `(peak,)`, see `SteadyPeaks`.
    error
        Relative error of the scale, that of a weighted mean of independent peaks.
    spread
        Standard deviation of the logarithm of the scale.
    """

    weights: Float
    levels: Float
    error: float
    spread: float

    @property
    def effective(self) -> float:
        """Effective number of peaks."""
        return float(1 / np.square(self.weights).sum())

    @property
    def is_coherent(self) -> bool:
        """Whether enough peaks keep their ratios well enough."""
        return self.effective >= FEWEST_PEAKS and self.error <= LARGEST_ERROR


def _choose_group(contents: Float) -> _Group:
    """Return the peaks that keep their ratios and whose scale varies least.

    The peaks of each phase of a mixture keep their ratios. Exposures vary the scale of all phases,
    so the phase with the steadiest amount has the scale that varies least.
    """
    groups = [_find_group(contents, peak) for peak in range(contents.shape[1])]
    precise = [g for g in groups if g.error <= LARGEST_ERROR and g.effective >= LEAST_PEAKS]
    return min(precise or groups, key=lambda group: group.spread + group.error)


def _find_group(contents: Float, peak: int) -> _Group:
    """Return the peaks that keep their ratios to a peak, from contents `(pattern, peak)`."""
    known = np.isfinite(contents)
    levels = np.nanmean(contents, axis=0)
    relative = contents - levels
    precision = 1 / (np.nanvar(relative - relative[:, [peak]], axis=0) + LEAST_VARIANCE)
    precision[peak] = np.delete(precision, peak).max(initial=0.0) or 1.0
    for _ in range(ROUNDS):
        weights = precision / precision.sum()
        scale = np.nan_to_num(_average(contents - levels, weights, least=0.0))
        scale -= scale.mean()
        before = precision
        levels = np.nanmean(contents - scale[:, None], axis=0)
        apart = contents - levels - _average_others(contents - levels, weights)
        precision = 1 / (np.square(apart).mean(axis=0, where=known) + LEAST_VARIANCE)
        if np.abs(precision - before).max() < CONVERGED * precision.max():
            break
    weights = precision / precision.sum()
    return _Group(weights, levels, float(1 / np.sqrt(precision.sum())), float(scale.std()))


def _average(values: Float, weights: Float, *, least: float = LEAST_WEIGHT) -> Float:
    """Return the weighted mean `(pattern,)` of the known values `(pattern, peak)`."""
    known = np.isfinite(values)
    weight = known @ weights
    total = np.where(known, values, 0.0) @ weights
    enough = (weight > 0) & (weight >= least * weights.sum())
    return np.where(enough, total / np.where(enough, weight, 1.0), np.nan)


def _average_others(values: Float, weights: Float) -> Float:
    """Return the weighted mean `(pattern, peak)` of the other peaks of each, or the peak alone.

    Relative to a mean that contains it, a peak of large weight would seem steady.
    """
    known = np.isfinite(values)
    parts = np.where(known, values, 0.0) * weights
    rest = (known @ weights)[:, None] - known * weights
    others = parts.sum(axis=1, keepdims=True) - parts
    enough = rest > 1e-12
    return np.where(enough, others / np.where(enough, rest, 1.0), values)


def _average_patterns(patterns: Float) -> Float:
    """Return the mean `(channel,)` over the patterns that are measured, or zero."""
    measured = np.isfinite(patterns)
    total = patterns.sum(axis=0, where=measured)
    return np.asarray(total / np.maximum(measured.sum(axis=0), 1))
