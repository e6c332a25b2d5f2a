"""Where the training data lie, to tell what is new, and the patterns that synthesis starts from."""

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
from xrdae.preprocessing.sampling import Index, choose_evenly

Float = npt.NDArray[Any]

FALSE_POSITIVES = 0.05  # part of the training patterns whose novelty is above 1
# Limits are no smaller, or duplicates would make all else novel, and rounding even themselves: a
# distance in units of the latents' spread, a relative error, a residual in units of its usual size.
LEAST = (0.01, 3e-7, 1.0)
REFERENCES = 5000  # training patterns that are kept
CROSS_FITTED = 400  # training patterns, at most, that are projected on a basis without them
FEWEST_BINS = 16

Array = TypeVar("Array", npt.NDArray[Any], torch.Tensor)


@dataclasses.dataclass(frozen=True, eq=False)
class Novelty:
    """Limits of what is usual among the training patterns.

    Attributes
    ----------
    latents
        `(reference, latent_axis)`, latents of (at most 5000) training patterns.
    residual_scale
        `(bin,)`, root mean square of the binned residual of patterns that the basis had not seen.
    halvings
        How often neighbouring channels are added in pairs to get these bins.
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

        The largest of three, each over its limit: the distance to the nearest training latent
        and, where they are known, the reconstruction error `(pattern,)` and the `size` of what
        the basis leaves over, `(pattern,)`. One in twenty patterns of the training set's kind
        exceeds 1. NaN where the latents are.
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
    """Training patterns, and limits of what is usual among them.

    Attributes
    ----------
    novelty
        The limits, and the latents of (at most 5000) training patterns.
    coefficients
        `(reference, component)`, their basis coefficients.
    scale
        `(reference,)`, what their intensities were divided by.
    unseen
        `(reference, member)`, True where the member did not see the pattern in training.
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
        """Return training patterns `(pattern, channel)`: scaled intensity, as the basis has it."""
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
    """Find the limits from training patterns, each as one that was not seen.

    A foreign phase of a few percent is small against what the autoencoder leaves over, but it is
    no mixture of training patterns: it stays in what the basis leaves over, at few channels. That
    is measured on patterns left out of the basis (in eight folds), in bins of about two widths
    of a peak, in units of its root mean square in each bin, as the fourth root of the mean fourth
    power. Then all three limits are stretched until 5 % of the training patterns exceed any.

    Parameters
    ----------
    autoencoder
        The fitted one.
    inputs
        `(pattern, channel)`, model input without gaps.
    rank
        Largest number of basis components.
    latents
        `(pattern, latent_axis)`.
    error
        `(pattern,)`, reconstruction error by members that had not seen the pattern, or NaN.
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
    """Find the limits for the patterns that a model knew and further ones, for each kind apart.

    5 % of either may exceed 1, however many there are of the other: of each limit the larger one
    holds, and of a bin's usual residual. The limits of the known patterns are those that they had,
    stretched by as much as their distances and errors have grown.

    Parameters
    ----------
    support
        Of the model as it was.
    inputs
        `(further, channel)`, model input without gaps.
    extend
        From model input `(pattern, channel)` to the known basis, extended.
    known
        `(known,)`, which references of the model took part.
    kept
        `(reference,)`, which patterns are references from now on.
    latents
        `(pattern, latent_axis)`, known patterns first.
    error
        `(further,)`, reconstruction error by members that had not seen the pattern.
    worse
        How many times the known patterns' error has grown.
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
    """Return the distance `(pattern,)` to the nearest reference but itself."""
    return np.asarray(cKDTree(reference).query(latents, k=2)[0][:, 1])


def find_residual_scale(residual: Float, *, least: float = 0.0) -> Float:
    """Return the root mean square `(bin,)` of binned residuals `(pattern, bin)`, nowhere tiny."""
    scale = np.sqrt(np.square(residual).mean(axis=0))
    return np.asarray(np.maximum(scale, 0.3 * np.median(scale) + max(least, 1e-9)))


def measure_residual(residual: Float, residual_scale: Float) -> Float:
    """Return the size `(pattern,)` of binned residuals `(pattern, bin)`, large for a few peaks."""
    return np.asarray(np.power(residual / residual_scale, 4).mean(axis=1) ** 0.25)


def find_limits(nearest: Float, error: Float, size: Float) -> Float:
    """Return limits `(3,)` of three measures `(pattern,)`, of which 5 % of patterns exceed any."""
    sizes = np.stack([nearest, error, size])  # (3, pattern)
    usual = np.maximum(np.nanquantile(sizes, 1 - FALSE_POSITIVES, axis=1), 1e-9)
    whole = np.nanmax(sizes / usual[:, None], axis=0)
    limits = usual * float(np.quantile(whole, 1 - FALSE_POSITIVES))
    return np.asarray(np.maximum(limits, LEAST))


def find_halvings(channels: int, width: float) -> int:
    """Return how often channels are to be added in pairs for bins of about two widths of a peak."""
    most = max(0, int(np.log2(channels / FEWEST_BINS)))
    return min(most, max(0, round(float(np.log2(2 * width)))))


def bin_channels(patterns: Array, halvings: int) -> Array:
    """Return patterns `(..., bin)` of `(..., channel)`, in bins of two to the power of `halvings`.

    A last bin that is not full is left out.
    """
    for _ in range(halvings):
        first, second = _pair_channels(patterns)
        patterns = first + second
    return patterns


def bin_in_scratch(rows: torch.Tensor, halvings: int, scratch: Scratch) -> torch.Tensor:
    """Return `bin_channels` of `(pattern, channel)` in memory that is used again."""
    for i in range(halvings):
        half = scratch(f"bins {i}", len(rows), rows.shape[1] // 2, like=rows)
        rows = torch.add(*_pair_channels(rows), out=half)
    return rows


def _pair_channels(patterns: Array) -> tuple[Array, Array]:
    """Return every other channel, and its neighbour; a last one that has none is left out."""
    even = patterns.shape[-1] // 2 * 2
    return patterns[..., 0:even:2], patterns[..., 1:even:2]
