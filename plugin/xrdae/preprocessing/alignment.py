"""Align patterns: find by how many channels the peaks of two patterns are displaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.ndimage
import scipy.signal

Float = npt.NDArray[Any]

BAND = 15  # largest displacement, in coarse channels
COARSE_WIDTH = 5.0  # a peak's width in coarse channels
STEP_PENALTY = 0.3  # a channel of stretch costs this part of the patterns' variance
SMOOTHING = 8.0  # of the path, in coarse channels
STIFFNESS = 30.0  # of the refined displacement, against the patterns' mean squared slope
REFINEMENTS = 3


def find_displacements(
    reference: Float, patterns: Float, width: float, *, signed: bool = False
) -> Float:
    """Return displacements u `(pair, channel)` [channels]: `pattern(x + u)` is like `reference(x)`.

    The first step is dynamic time warping (Sakoe and Chiba, 1978,
    doi:10.1109/TASSP.1978.1163055) of the square roots of the intensity. It works on coarse
    channels, of which a peak is five wide, in a band of 15 channels, and its path is smoothed.
    It finds peaks that moved by more than their width. The second step refines the displacement
    on all channels by a linear expansion with a smoothness term (Horn and Schunck, 1981,
    doi:10.1016/0004-3702(81)90024-2). It finds fractions of a channel.

    Parameters
    ----------
    reference, patterns
        `(pair, channel)`, intensities of about the same scale.
    width
        Typical width of a peak in channels; see `measure_peak_width`.
    signed
        Whether negative intensities count. If not, they are set to zero.
    """
    factor = max(1, round(width / COARSE_WIDTH))
    a, b = (_take_roots(p, signed).astype(np.float32) for p in (reference, patterns))
    coarse = _find_warping_path(_bin_channels(a, factor), _bin_channels(b, factor))
    coarse = scipy.ndimage.gaussian_filter1d(coarse, SMOOTHING, axis=1, mode="nearest")
    n_channel = reference.shape[1]
    centres = (np.arange(coarse.shape[1]) + 0.5) * factor - 0.5
    found = factor * np.stack([np.interp(np.arange(n_channel), centres, c) for c in coarse])
    smooth = (scipy.ndimage.gaussian_filter1d(p, float(factor), axis=1) for p in (a, b))
    return _refine_displacements(found, *smooth)


def measure_peak_width(patterns: Float) -> float:
    """Return the median full width at half maximum [channels] of peaks of `(pattern, channel)`.

    At most about twenty evenly chosen patterns are measured.
    """
    widths = []
    for pattern in patterns[:: max(1, len(patterns) // 20)]:
        if -pattern.min() > pattern.max():  # of dips
            pattern = -pattern
        tops, _ = scipy.signal.find_peaks(pattern, prominence=0.1 * np.ptp(pattern))
        widths.append(scipy.signal.peak_widths(pattern, tops)[0])
    found = np.concatenate(widths) if widths else np.empty(0)
    return float(np.median(found)) if found.size else COARSE_WIDTH


def resample_patterns(patterns: Float, positions: Float) -> Float:
    """Return patterns `(pair, channel)` read at `positions` [channels], by cubic splines.

    Linear interpolation would lower a peak that is four channels wide by some percent.
    """
    return np.stack(
        [
            scipy.ndimage.map_coordinates(p, [x], order=3, mode="nearest")
            for p, x in zip(patterns, positions, strict=True)
        ]
    )


def average_aligned(
    patterns: Float, weights: Float, reference: Float, width: float, *, signed: bool = False
) -> Float:
    """Return the mean `(group, channel)` of patterns in position as well as in intensity.

    Each pattern is aligned to its group's reference; the weighted mean of the aligned intensities
    is placed at the weighted mean of the positions. If several peaks are within the band, the
    reference decides which of them correspond (results differed by up to 10 % of the maximum).

    Parameters
    ----------
    patterns
        `(group, pattern, channel)`.
    weights
        `(group, pattern)`, of sum one.
    reference
        `(group, channel)`.
    width, signed
        See `find_displacements`.
    """
    shape = patterns.shape
    flat = patterns.reshape(-1, shape[2])
    moved = find_displacements(np.repeat(reference, shape[1], axis=0), flat, width, signed=signed)
    moved = moved.reshape(shape)
    mean = np.einsum("gp,gpc->gc", weights, moved)
    here = np.arange(shape[2])
    # Position of each channel of the result on the reference's axis.
    frame = np.stack([np.interp(here, np.maximum.accumulate(here + u), here) for u in mean])
    positions = np.repeat(frame, shape[1], axis=0)
    there = [
        np.interp(x, here, u) for x, u in zip(positions, moved.reshape(flat.shape), strict=True)
    ]
    read = resample_patterns(flat, positions + np.stack(there)).reshape(shape)
    return np.asarray(np.einsum("gp,gpc->gc", weights, read))


def _take_roots(patterns: Float, signed: bool) -> Float:
    """Return square roots of intensities, with their sign where it counts."""
    if signed:
        return np.asarray(np.sign(patterns) * np.sqrt(np.abs(patterns)))
    return np.asarray(np.sqrt(np.maximum(patterns, 0)))


def _bin_channels(patterns: Float, factor: int) -> Float:
    """Return means over `factor` channels, smoothed by one: `(pair, coarse channel)`."""
    short = -patterns.shape[1] % factor
    whole = np.pad(patterns, ((0, 0), (0, short)), mode="edge")
    means = whole.reshape(len(whole), -1, factor).mean(axis=2)
    return np.asarray(scipy.ndimage.gaussian_filter1d(means, 1.0, axis=1))


def _find_warping_path(a: Float, b: Float) -> Float:
    """Return the displacement `(pair, channel)` of least cost, in integer channels in the band."""
    n_pair, n_channel = a.shape
    penalty = (STEP_PENALTY * a.var(axis=1)).astype(np.float32)  # (pair,)
    a = np.ascontiguousarray(a.T)  # (channel, pair): all pairs are processed together
    b = np.ascontiguousarray(np.pad(b, ((0, 0), (BAND, BAND)), mode="edge").T)
    shifts = 2 * BAND + 1
    came_from = np.zeros((n_channel, shifts, n_pair), dtype=np.int8)
    cost = np.square(a[0] - b[:shifts])
    for x in range(1, n_channel):
        best = cost.copy()
        step = came_from[x]
        for move, here, before in ((-1, slice(1, None), slice(None, -1)),
                                   (1, slice(None, -1), slice(1, None))):  # fmt: skip
            other = cost[before] + penalty
            better = other < best[here]
            np.copyto(best[here], other, where=better)
            step[here][better] = move
        cost = best + np.square(a[x] - b[x : x + shifts])
    at, pairs = cost.argmin(axis=0), np.arange(n_pair)
    path = np.empty((n_channel, n_pair))
    for x in range(n_channel - 1, -1, -1):
        path[x] = at - BAND
        at = at + came_from[x, at, pairs]
    return path.T


def _refine_displacements(found: Float, a: Float, b: Float) -> Float:
    """Return displacements corrected so that `b(x + u)` comes closer to `a(x)`."""
    n_pair, n_channel = a.shape
    slope_a, slope_b = np.gradient(a, axis=1), np.gradient(b, axis=1)
    stiff = STIFFNESS * np.square(slope_b).mean(axis=1, keepdims=True)  # (pair, 1)
    here = np.arange(n_channel)
    first = np.arange(n_pair)[:, None] * n_channel
    band = np.zeros((2, n_pair, n_channel))  # of one matrix: the pairs' blocks do not touch
    band[0, :, 1:] = -stiff
    ties = np.full(n_channel, 2.0)
    ties[[0, -1]] = 1.0
    for _ in range(REFINEMENTS):
        position = np.clip(here + found, 0, n_channel - 1.001)
        low = position.astype(np.intp)
        part, index = position - low, first + low
        read, slope = (
            np.take(p, index) * (1 - part) + np.take(p, index + 1) * part for p in (b, slope_b)
        )
        slope = (slope + slope_a) / 2
        bend = ties * found
        bend[:, 1:] -= found[:, :-1]
        bend[:, :-1] -= found[:, 1:]
        band[1] = slope**2 + stiff * ties + 1e-12 + 1e-9 * stiff
        right = slope * (a - read) - stiff * bend
        change = scipy.linalg.solveh_banded(band.reshape(2, -1), right.ravel())
        found = found + np.clip(change.reshape(found.shape), -3.0, 3.0)
    return found
