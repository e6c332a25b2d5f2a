"""Scale patterns by the peaks that keep their ratios, so that one changing peak moves no other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from xrdae.convention.axes import Axis
from xrdae.errors import DataError, warn
from xrdae.preprocessing.peaks import find_channels, find_peak_bounds, find_regions

Float = npt.NDArray[Any]

WEAKEST = 0.02  # content of a peak, as a part of the largest content
ROUNDS = 200
CONVERGED = 1e-9
LEAST_VARIANCE = 1e-5  # of the logarithm of a content: 0.3 %
FEWEST_PEAKS = 3.0  # effective number of peaks below which none is steady
LARGEST_ERROR = 0.05  # of the scale, above which none is steady
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
    patterns: Float, axis: Axis, data_axis: Axis, regions: Any = None
) -> SteadyPeaks:
    """Find peaks that keep their ratios in training patterns, and their weights.

    A peak weighs by the inverse variance of the logarithm of its content, relative to the weighted
    mean of the other peaks. This is iterated from equal weights. The scale is the weighted mean
    over the peaks. Its median is the median of the largest intensities.

    Parameters
    ----------
    patterns
        `(pattern, channel)` without background, NaN where not measured.
    axis
        The model's axis, `(channel,)`.
    data_axis
        Axis in whose units the regions are given.
    regions
        Bounds `(region, 2)` of reference peaks; None: all peaks of the mean pattern with at least
        2 % of the content of the strongest. Only those count that most patterns have.

    Raises
    ------
    DataError
        If a region has no channel of the axis.
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
    weights, levels, error = _iterate(contents)
    effective = 1 / np.square(weights).sum()
    if regions is None and (effective < FEWEST_PEAKS or error > LARGEST_ERROR):
        warn(
            f"no peaks keep their ratios: the scale rests on {effective:.1f} of {len(weights)} "
            f"peaks (effective number) and is uncertain to {error:.1%}, so relevance may be wrong; "
            "name reference peaks with scale_regions=[[start, stop]], or divide by a monitor and "
            "set scale='none'"
        )
    size = np.exp(_average(contents - levels, weights))
    if np.isfinite(size).any():
        levels = levels - np.log(np.median(largest[usable]) / np.nanmedian(size))
    return SteadyPeaks(channels.astype(np.int64), weights, levels)


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
    values = np.array(patterns, dtype=np.float64)
    measured = np.isfinite(values)
    for row, known in zip(values, measured, strict=True):
        if not known.all():
            gaps = np.flatnonzero(~known)
            row[gaps] = np.interp(gaps, np.flatnonzero(known), row[known]) if known.any() else 0.0
    smooth = scipy.ndimage.gaussian_filter1d(values, 1.0, axis=1)
    width = max(3, values.shape[1] // 8)
    above = smooth - scipy.ndimage.grey_opening(smooth, size=(1, width))
    inside = [slice(start, stop) for start, stop in channels]
    contents = np.stack([above[:, part].sum(axis=1) for part in inside], axis=1)
    whole = np.stack([measured[:, part].all(axis=1) for part in inside], axis=1)
    usable = whole & (contents > 0)
    return np.where(usable, np.log(np.where(usable, contents, 1.0)), np.nan)


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


def _iterate(contents: Float) -> tuple[Float, Float, float]:
    """Return weights and levels `(peak,)`, and the relative error of the scale.

    The error is that of a weighted mean of independent peaks.
    """
    known = np.isfinite(contents)
    weights = np.full(contents.shape[1], 1 / contents.shape[1])
    levels = np.nanmean(contents, axis=0)
    for _ in range(ROUNDS):
        scale = np.nan_to_num(_average(contents - levels, weights, least=0.0))
        scale -= scale.mean()
        before = np.concatenate([weights, levels])
        levels = np.nanmean(contents - scale[:, None], axis=0)
        apart = contents - levels - _average_others(contents - levels, weights)
        precision = 1 / (np.square(apart).mean(axis=0, where=known) + LEAST_VARIANCE)
        weights = precision / precision.sum()
        if np.abs(np.concatenate([weights, levels]) - before).max() < CONVERGED:
            break
    return weights, levels, float(1 / np.sqrt(precision.sum()))


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
