"""Where the training data lie, to tell what is new, and the patterns that synthesis starts from."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.spatial import cKDTree

from xrdae.alignment import peak_width
from xrdae.autoencoder import Autoencoder
from xrdae.basis import find_basis

Float = npt.NDArray[Any]

FALSE_POSITIVES = 0.05  # part of the training patterns whose novelty is above 1
SMALLEST_DISTANCE = 0.01  # of the latents' spread: duplicates must not make all else novel
REFERENCES = 5000  # training patterns that are kept
CROSS_FITTED = 400  # training patterns, at most, that are projected on a basis without them
FOLDS = 8
FWHM = 2.355  # full width at half maximum of a Gaussian over its standard deviation


@dataclasses.dataclass(frozen=True, eq=False)
class Support:
    """Training patterns, and limits of what is usual among them.

    Attributes
    ----------
    latents
        `(reference, latent_axis)`, latents of (at most 5000) training patterns.
    coefficients
        `(reference, component)`, their basis coefficients.
    scale
        `(reference,)`, what their intensities were divided by.
    unseen
        `(reference, member)`, True where the member did not see the pattern in training.
    residual_scale
        `(channel,)`, root mean square of the smoothed residual of patterns that the basis had
        not seen.
    width
        Typical full width at half maximum of a peak in channels.
    limits
        `(3,)`, of the distance to the nearest training latent, of the reconstruction error and
        of the residual's size.
    """

    latents: Float
    coefficients: Float
    scale: Float
    unseen: npt.NDArray[np.bool_]
    residual_scale: Float
    width: float
    limits: Float

    def patterns(self, autoencoder: Autoencoder, which: npt.NDArray[np.intp]) -> Float:
        """Return training patterns `(pattern, channel)`: scaled intensity, as the basis has it."""
        whole = autoencoder.basis.expand(self.coefficients[which])
        return autoencoder.preparation.scaled(whole)

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.latents)

    def novelty(
        self, latents: Float, error: Float | None = None, residual: Float | None = None
    ) -> Float:
        """Return the novelty `(pattern,)` of latents `(pattern, latent_axis)`.

        The largest of three, each over its limit: the distance to the nearest training latent
        and, where they are known, the reconstruction error `(pattern,)` and the size of what the
        basis leaves over, `(pattern, channel)`. One in twenty patterns of the training set's
        kind exceeds 1. NaN where the latents are.
        """
        out = np.full(len(latents), np.nan)
        known = np.isfinite(latents).all(axis=1)
        out[known] = self._tree.query(latents[known])[0] / self.limits[0]
        if error is not None:
            out = np.maximum(out, error / self.limits[1])
        if residual is not None:
            size = _size(_smooth(residual, self.width), self.residual_scale)
            out = np.maximum(out, size / self.limits[2])
        return out


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
    is measured on patterns left out of the basis (in eight folds), smoothed by the width of a
    peak, in units of its root mean square at each channel, as the fourth root of the mean fourth
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
    n = len(latents)
    some = np.unique(np.linspace(0, n - 1, min(CROSS_FITTED, n)).astype(int))
    width = peak_width(autoencoder.preparation.scaled(inputs[some]))
    residual = _smooth(_cross_fitted(inputs[some], rank), width)
    residual_scale = np.sqrt(np.square(residual).mean(axis=0))
    residual_scale = np.maximum(residual_scale, 0.3 * np.median(residual_scale) + 1e-9)
    kept = np.unique(np.linspace(0, n - 1, min(REFERENCES, n)).astype(int))
    reference = np.ascontiguousarray(latents[kept], dtype=np.float64)
    nearest = cKDTree(reference).query(latents[some], k=2)[0][:, 1]
    sizes = np.stack([nearest, error[some], _size(residual, residual_scale)])  # (3, pattern)
    usual = np.maximum(np.nanquantile(sizes, 1 - FALSE_POSITIVES, axis=1), [1e-9, 1e-6, 1e-6])
    whole = np.nanmax(sizes / usual[:, None], axis=0)
    limits = usual * max(float(np.quantile(whole, 1 - FALSE_POSITIVES)), 1e-9)
    limits[0] = max(limits[0], SMALLEST_DISTANCE)
    return Support(
        reference,
        coefficients[kept],
        scale[kept],
        unseen[kept],
        residual_scale.astype(np.float32),
        width,
        limits,
    )


def _cross_fitted(inputs: Float, rank: int) -> Float:
    """Return what a basis of the other folds leaves over of each pattern, `(pattern, channel)`."""
    fold = np.arange(len(inputs)) % min(FOLDS, len(inputs))
    residual = np.empty_like(inputs)
    for k in np.unique(fold):
        here = inputs[fold == k]
        basis = find_basis(inputs[fold != k], rank)
        residual[fold == k] = here - basis.expand(basis.project(here))
    return residual


def _smooth(residual: Float, width: float) -> Float:
    return np.asarray(scipy.ndimage.gaussian_filter1d(residual, width / FWHM, axis=-1))


def _size(residual: Float, scale: Float) -> Float:
    """Return the fourth root of the mean fourth power, `(pattern,)`: a few channels tell."""
    return np.asarray(
        np.square(np.square(residual / scale)).mean(axis=-1, dtype=np.float64) ** 0.25
    )
