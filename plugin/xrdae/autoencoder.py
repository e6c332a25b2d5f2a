"""Preparation, basis and ensemble as one autoencoder on arrays; no labels here."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

from xrdae.basis import Basis
from xrdae.network import Ensemble
from xrdae.prepare import Preparation

Float = npt.NDArray[Any]

SMALLEST_DISTANCE = 0.01  # of the latents' spread: duplicates must not make all else novel
QUANTILE = 0.95  # of the training patterns, at which novelty is 1


@dataclasses.dataclass(frozen=True, eq=False)
class Support:
    """Where the training data lie, to tell what is new.

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
    error_limit
        95 % quantile of the reconstruction error of patterns that members had not seen.
    distance_limit
        95 % quantile of the distance from a training latent to its nearest neighbour.
    """

    latents: Float
    coefficients: Float
    scale: Float
    unseen: npt.NDArray[np.bool_]
    error_limit: float
    distance_limit: float

    def patterns(self, autoencoder: Autoencoder, which: npt.NDArray[np.intp]) -> Float:
        """Return training patterns `(pattern, channel)`: scaled intensity, as the basis has it."""
        whole = autoencoder.basis.expand(self.coefficients[which])
        return autoencoder.preparation.scaled(whole)

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.latents)

    def novelty(self, latents: Float, error: Float | None = None) -> Float:
        """Return the novelty `(pattern,)` of latents `(pattern, latent_axis)`.

        The larger of the distance to the nearest training latent and, where it is known, the
        reconstruction error, each over its limit: 1 is what one training pattern in twenty
        exceeds. NaN where the latents are.
        """
        out = np.full(len(latents), np.nan)
        known = np.isfinite(latents).all(axis=1)
        out[known] = self._tree.query(latents[known])[0] / self.distance_limit
        return out if error is None else np.maximum(out, error / self.error_limit)


def find_support(
    latents: Float,
    error: Float,
    *,
    coefficients: Float,
    scale: Float,
    unseen: npt.NDArray[np.bool_],
) -> Support:
    """Find the limits from training latents `(pattern, latent_axis)` and errors `(pattern,)`."""
    some = np.unique(np.linspace(0, len(latents) - 1, min(5000, len(latents))).astype(int))
    reference = np.ascontiguousarray(latents[some], dtype=np.float64)
    nearest = cKDTree(reference).query(reference, k=2)[0][:, 1]
    distance = max(float(np.quantile(nearest, QUANTILE)), SMALLEST_DISTANCE)
    return Support(
        reference,
        coefficients[some],
        scale[some],
        unseen[some],
        max(float(np.nanquantile(error, QUANTILE)), 1e-6),
        distance,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Autoencoder:
    """From model input to latents, and from latents to scaled intensity.

    Attributes
    ----------
    preparation, basis, ensemble
        The three stages.
    """

    preparation: Preparation
    basis: Basis
    ensemble: Ensemble

    def latents(self, coefficients: Float) -> Float:
        """Return latents `(member, pattern, latent_axis)` of `(pattern, component)`."""
        return encode_with(self.ensemble, coefficients)

    @torch.no_grad()
    def decoded(self, latents: Float) -> Float:
        """Return coefficients `(member, pattern, component)` of `(pattern, latent_axis)`."""
        return np.asarray(self.ensemble.decode(_tensor(latents)).numpy())

    def decode(self, latents: Float) -> Float:
        """Return scaled intensity `(member, pattern, channel)`, negative values included."""
        return self.preparation.scaled(self.basis.expand(self.decoded(latents)))

    def encode(self, inputs: Float) -> tuple[Float, Float, Float]:
        """Encode model input `(pattern, channel)`, NaN where not measured.

        Returns
        -------
        tuple
            Mean latents and their standard deviation between members, both
            `(pattern, latent_axis)`, and the reconstruction error `(pattern,)`: the norm of the
            residual over the norm of the scaled pattern.
        """
        filled = self.basis.fill(np.asarray(inputs, dtype=np.float32))
        coefficients = self.basis.project(filled)
        members = self.latents(coefficients)
        mean = members.mean(axis=0)
        error = self.error(filled, coefficients, self.decoded(mean).mean(axis=0))
        return mean, members.std(axis=0), error

    def error(self, inputs: Float, coefficients: Float, decoded: Float) -> Float:
        """Return the relative reconstruction error `(pattern,)` of complete model input.

        The basis is orthonormal: what it leaves over and what the network leaves over add up.
        """
        left = _power(inputs) - _power(coefficients) + _power(coefficients - decoded)
        whole = _power(self.preparation.scaled(inputs))
        gain = self.preparation.gain
        return np.asarray(gain * np.sqrt(np.maximum(left, 0) / np.maximum(whole, 1e-30)))

    def reconstruct(self, inputs: Float) -> Float:
        """Return the reconstruction in scaled intensity `(pattern, channel)`, not negative."""
        filled = self.basis.fill(np.asarray(inputs, dtype=np.float32))
        latents = self.latents(self.basis.project(filled)).mean(axis=0)
        decoded = self.decoded(latents).mean(axis=0)
        return np.maximum(self.preparation.scaled(self.basis.expand(decoded)), 0)


@torch.no_grad()
def encode_with(ensemble: Ensemble, coefficients: Float) -> Float:
    """Return latents `(member, pattern, latent_axis)` of arrays `(pattern, component)`."""
    return np.asarray(ensemble.encode(_tensor(coefficients)).numpy())


def _tensor(array: Float) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _power(array: Float) -> Float:
    return np.asarray(np.square(array).sum(axis=-1, dtype=np.float64))
