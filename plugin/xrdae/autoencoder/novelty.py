"""Limits of novelty from the training data, and the training patterns that a model keeps."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.basis import Basis, find_basis, find_held_out_residual
from xrdae.compute.threads import Scratch
from xrdae.preprocessing.alignment import measure_peak_width
from xrdae.preprocessing.subsets import Index, choose_evenly

Float = npt.NDArray[Any]

FALSE_POSITIVES = 0.05  # fraction of the training patterns whose novelty is above 1
# Least limits: a distance in units of the latents' spread, a relative error, and a residual in
# units of its scale. With smaller limits, duplicates would make all other patterns novel.
LEAST = (0.01, 3e-7, 1.0)
REFERENCES = 5000  # training patterns that are kept
CROSS_FITTED = 400  # most training patterns whose held-out residual is computed
FEWEST_BINS = 16

Array = TypeVar("Array", npt.NDArray[Any], torch.Tensor)


@dataclasses.dataclass(frozen=True, eq=False)
class Novelty:
    """Limits of novelty, from the training patterns.

    Attributes
    ----------
    latents
        `(reference, latent_axis)`, latents of (at most 5000) training patterns.
    residual_scale
        `(bin,)`, root mean square of the binned held-out residual.
    halvings
        How often neighbouring channels are summed in pairs to get these bins.
    limits
        `(3,)`, of the distance to the nearest training latent, of the reconstruction error and
        of the residual's size.
    """

    latents: Float
    residual_scale: Float
    halvings: int
    limits: Float

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.latents)

    def __call__(
        self, latents: Float, error: Float | None = None, size: Float | None = None
    ) -> Float:
        """Return the novelty `(pattern,)` of latents `(pattern, latent_axis)`.

        The novelty is the largest of three ratios to their limits: the distance to the nearest
        training latent and, if known, the reconstruction error `(pattern,)` and the `size` of
        the residual of the basis `(pattern,)`. It is above 1 for one in twenty patterns of the
        kind of the training set. NaN where the latents are NaN.
        """
        out = np.full(len(latents), np.nan)
        known = np.isfinite(latents).all(axis=1)
        out[known] = self._tree.query(latents[known])[0] / self.limits[0]
        if error is not None:
            out = np.maximum(out, error / self.limits[1])
        if size is not None:
            out = np.maximum(out, size / self.limits[2])
        return out


@dataclasses.dataclass(frozen=True, eq=False)
class Support:
    """Training patterns that a model keeps, and limits of novelty.

    Attributes
    ----------
    novelty
        The limits, and the latents of (at most 5000) training patterns.
    coefficients
        `(reference, component)`, their basis coefficients.
    scale
        `(reference,)`, scales by which their intensities were divided.
    unseen
        `(reference, member)`, True where the pattern was held out from the member.
    width
        Typical full width at half maximum of a peak in channels.
    """

    novelty: Novelty
    coefficients: Float
    scale: Float
    unseen: npt.NDArray[np.bool_]
    width: float

    @property
    def latents(self) -> Float:
        """Latents `(reference, latent_axis)` of these training patterns."""
        return self.novelty.latents

    def reconstruct_patterns(self, autoencoder: Autoencoder, which: npt.NDArray[np.intp]) -> Float:
        """Return training patterns `(pattern, channel)` in scaled intensity, from coefficients."""
        whole = autoencoder.basis.expand(self.coefficients[which])
        return autoencoder.preparation.restore_scale(whole)


def find_support(
    autoencoder: Autoencoder,
    inputs: Float,
    *,
    rank: int,
    latents: Float,
    error: Float,
    coefficients: Float,
    scale: Float,
    unseen: npt.NDArray[np.bool_],
) -> Support:
    """Find the limits of novelty from held-out errors of the training patterns.

    A foreign phase of a few percent is small compared with the residual of the autoencoder. But
    since it is not a mixture of training patterns, it remains in the residual of the basis, at
    few channels. This residual is computed for held-out patterns (eight folds), in bins of about
    two peak widths, and divided by its root mean square in each bin. Its size is the fourth root
    of the mean fourth power. All three limits are then scaled so that 5 % of the training
    patterns exceed one of them.

    Parameters
    ----------
    autoencoder
        The fitted autoencoder.
    inputs
        `(pattern, channel)`, model input without gaps.
    rank
        Largest number of basis components.
    latents
        `(pattern, latent_axis)`.
    error
        `(pattern,)`, held-out reconstruction error, or NaN.
    coefficients
        `(pattern, component)`.
    scale
        `(pattern,)`.
    unseen
        `(pattern, member)`.
    """
    some = choose_evenly(len(latents), CROSS_FITTED)
    width = measure_peak_width(autoencoder.preparation.restore_scale(inputs[some]))
    halvings = find_halvings(inputs.shape[1], width)
    rounding = autoencoder.preparation.rounding
    fit = functools.partial(find_basis, rank=rank, rounding=rounding)
    residual = bin_channels(find_held_out_residual(inputs[some], fit), halvings)
    residual_scale = find_residual_scale(residual, least=2 * rounding * 2**halvings)
    kept = choose_evenly(len(latents), REFERENCES)
    reference = np.ascontiguousarray(latents[kept], dtype=np.float64)
    size = measure_residual(residual, residual_scale)
    limits = find_limits(_find_nearest_distance(reference, latents[some]), error[some], size)
    novelty = Novelty(reference, residual_scale.astype(np.float32), halvings, limits)
    return Support(novelty, coefficients[kept], scale[kept], unseen[kept], width)


def extend_support(
    support: Support,
    inputs: Float,
    *,
    extend: Callable[[Float], Basis],
    known: Index,
    kept: Index,
    latents: Float,
    error: Float,
    worse: float,
    coefficients: Float,
    scale: Float,
    unseen: npt.NDArray[np.bool_],
) -> Support:
    """Find the limits of novelty after an update, for known and further patterns separately.

    5 % of the known patterns and 5 % of the further patterns may exceed 1. The larger of the two
    is used for each limit and for the residual scale of each bin. The limits of the known patterns
    are scaled by the growth of their distances and errors.

    Parameters
    ----------
    support
        Support of the model before the update.
    inputs
        `(further, channel)`, model input without gaps.
    extend
        Function from model input `(pattern, channel)` to the extended basis.
    known
        `(known,)`, positions of the model's references that took part.
    kept
        `(reference,)`, positions of the patterns that the model keeps.
    latents
        `(pattern, latent_axis)`, known patterns first.
    error
        `(further,)`, held-out reconstruction error.
    worse
        Factor by which the error of the known patterns has grown.
    coefficients
        `(pattern, component)`.
    scale
        `(pattern,)`.
    unseen
        `(pattern, member)`.
    """
    novelty, was = support.novelty, support.latents[known]
    reference = np.ascontiguousarray(latents[kept], dtype=np.float64)
    some = choose_evenly(len(inputs), CROSS_FITTED)
    residual = bin_channels(find_held_out_residual(inputs[some], extend), novelty.halvings)
    residual_scale = np.maximum(find_residual_scale(residual), novelty.residual_scale)
    nearest = _find_nearest_distance(reference, latents[len(known) :][some])
    further = find_limits(nearest, error[some], measure_residual(residual, residual_scale))
    apart = (
        _find_nearest_distance(was, was),
        _find_nearest_distance(reference, latents[: len(known)]),
    )
    before, after = (np.quantile(distance, 1 - FALSE_POSITIVES) for distance in apart)
    grown = np.array([after / max(before, LEAST[0]), worse, 1.0])
    limits = np.maximum(novelty.limits * np.maximum(grown, 1.0), further)
    found = Novelty(reference, residual_scale.astype(np.float32), novelty.halvings, limits)
    return Support(found, coefficients[kept], scale[kept], unseen[kept], support.width)


def _find_nearest_distance(reference: Float, latents: Float) -> Float:
    """Return the distance `(pattern,)` to the nearest other reference."""
    return np.asarray(cKDTree(reference).query(latents, k=2)[0][:, 1])


def find_residual_scale(residual: Float, *, least: float = 0.0) -> Float:
    """Return the root mean square `(bin,)` of binned residuals `(pattern, bin)`, with a floor."""
    scale = np.sqrt(np.square(residual).mean(axis=0))
    return np.asarray(np.maximum(scale, 0.3 * np.median(scale) + max(least, 1e-9)))


def measure_residual(residual: Float, residual_scale: Float) -> Float:
    """Return the size `(pattern,)` of binned residuals `(pattern, bin)`, large for a few peaks."""
    return np.asarray(np.power(residual / residual_scale, 4).mean(axis=1) ** 0.25)


def find_limits(nearest: Float, error: Float, size: Float) -> Float:
    """Return limits `(3,)` of three measures `(pattern,)`, such that 5 % of patterns exceed one."""
    sizes = np.stack([nearest, error, size])  # (3, pattern)
    usual = np.maximum(np.nanquantile(sizes, 1 - FALSE_POSITIVES, axis=1), 1e-9)
    whole = np.nanmax(sizes / usual[:, None], axis=0)
    limits = usual * float(np.quantile(whole, 1 - FALSE_POSITIVES))
    return np.asarray(np.maximum(limits, LEAST))


def find_halvings(channels: int, width: float) -> int:
    """Return how often channels are summed in pairs for bins of about two peak widths."""
    most = max(0, int(np.log2(channels / FEWEST_BINS)))
    return min(most, max(0, round(float(np.log2(2 * width)))))


def bin_channels(patterns: Array, halvings: int) -> Array:
    """Return `(..., channel)` summed to `(..., bin)`, in bins of two to the power of `halvings`.

    An incomplete last bin is left out.
    """
    for _ in range(halvings):
        first, second = _pair_channels(patterns)
        patterns = first + second
    return patterns


def bin_in_scratch(rows: torch.Tensor, halvings: int, scratch: Scratch) -> torch.Tensor:
    """Return `bin_channels` of `(pattern, channel)`, in reused memory."""
    for i in range(halvings):
        half = scratch(f"bins {i}", len(rows), rows.shape[1] // 2, like=rows)
        rows = torch.add(*_pair_channels(rows), out=half)
    return rows


def _pair_channels(patterns: Array) -> tuple[Array, Array]:
    """Return the even and the odd channels. A last channel without a partner is left out."""
    even = patterns.shape[-1] // 2 * 2
    return patterns[..., 0:even:2], patterns[..., 1:even:2]
