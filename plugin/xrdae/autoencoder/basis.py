"""Truncated singular value decomposition, the outer linear layer of the autoencoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.linalg

Float32 = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]


FOLDS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal components of the variation between training patterns.

    Attributes
    ----------
    components
        `(component, channel)`, orthonormal rows, each with its largest entry positive.
    variance
        `(component,)`, variance of the training coefficients.
    noise
        Variance of the residual in each channel.
    """

    components: Float32
    variance: Float
    noise: float

    def project(self, inputs: Float32) -> Float32:
        """Return coefficients `(pattern, component)` of model input `(pattern, channel)`."""
        return inputs @ self.components.T

    def expand(self, coefficients: npt.NDArray[np.floating]) -> Float32:
        """Return model input `(..., channel)` of coefficients `(..., component)`."""
        return np.asarray(coefficients @ self.components, dtype=np.float32)

    def fill(self, inputs: Float32) -> Float32:
        """Replace NaN in model input `(pattern, channel)` by estimates from the measured channels.

        The coefficients are those of largest posterior probability given the measured channels,
        with the training variance as prior (probabilistic PCA: Tipping and Bishop, 1999,
        doi:10.1111/1467-9868.00196). A pattern without any measured channel stays NaN.
        """
        missing = np.isnan(inputs)
        incomplete = missing.any(axis=1) & ~missing.all(axis=1)
        if not incomplete.any():
            return inputs
        out = inputs.copy()
        gaps, which = np.unique(missing[incomplete], axis=0, return_inverse=True)
        rows = np.flatnonzero(incomplete)
        ridge = np.diag(max(self.noise, 1e-9) / np.maximum(self.variance, 1e-12))
        for i, gap in enumerate(gaps):
            at = rows[which == i]
            seen = self.components[:, ~gap].astype(np.float64)
            right = seen @ inputs[np.ix_(at, ~gap)].T.astype(np.float64)
            coefficients = scipy.linalg.solve(seen @ seen.T + ridge, right, assume_a="pos")
            out[np.ix_(at, gap)] = coefficients.T @ self.components[:, gap]
        return out


def find_basis(inputs: Float32, rank: int, *, rounding: float = 0.0) -> Basis:
    """Find the basis of training patterns `(pattern, channel)`. NaN counts as the mean.

    The components are the eigenvectors of the smaller of the two Gram matrices, in float64.
    Directions whose variance is that of noise of the size `rounding` are left out. There are at
    most `min(rank, pattern, channel)` components.
    """
    x = np.nan_to_num(inputs, nan=0.0).astype(np.float64)
    n, p = x.shape
    gram = x @ x.T if n <= p else x.T @ x
    size = gram.shape[0]
    top = (max(0, size - rank), size - 1)
    power, vectors = scipy.linalg.eigh(gram, subset_by_index=top)
    power, vectors = power[::-1], vectors[:, ::-1]
    by_chance = (rounding * (n**0.5 + p**0.5)) ** 2
    keep = power > max(1e-10 * max(power[0], 1e-30), by_chance)
    keep[0] = True  # equal patterns get one direction, too
    power, vectors = np.maximum(power[keep], 0.0), vectors[:, keep]
    components = vectors.T @ x if n <= p else vectors.T
    norms = np.linalg.norm(components, axis=1, keepdims=True)
    components = np.where(norms > 0, components / np.where(norms > 0, norms, 1), p**-0.5)
    largest = np.abs(components).argmax(axis=1)[:, None]
    components *= np.where(np.take_along_axis(components, largest, axis=1) < 0, -1.0, 1.0)
    left = max(float(np.trace(gram) - power.sum()), 0.0)
    noise = left / (n * max(p - power.size, 1))
    return Basis(components.astype(np.float32), power / n, noise)


def extend_basis(basis: Basis, inputs: Float32, *, most: int, known: int) -> Basis:
    """Return the basis with further components, for the residual of further patterns.

    The known components stay, and come first. Directions of the residual are added if their
    variance is larger than noise of the known size has by chance (the edge of Marchenko and
    Pastur, 1967, doi:10.1070/SM1967v001n04ABEH001994).

    Parameters
    ----------
    basis
        Basis of the `known` patterns.
    inputs
        `(pattern, channel)`, further patterns, without gaps.
    most
        Largest number of components.
    known
        Number of patterns from which variance and noise of the basis were computed.
    """
    (n, p), r = inputs.shape, len(basis.components)
    new = np.empty((0, p))
    if r < min(most, p):
        found = find_basis(inputs - basis.expand(basis.project(inputs)), min(most, p) - r)
        by_chance = basis.noise * (1 + np.sqrt(p / n)) ** 2
        kept = found.variance > max(by_chance, 1e-10 * basis.variance.sum())
        new = found.components[kept].astype(np.float64)
        new -= (new @ basis.components.T) @ basis.components  # removes rounding errors
        new /= np.linalg.norm(new, axis=1, keepdims=True)
    components = np.concatenate([basis.components, new.astype(np.float32)])
    power = np.square(inputs @ components.T, dtype=np.float64).mean(axis=0)
    left = max(float(np.square(inputs, dtype=np.float64).sum() / n - power.sum()), 0.0)
    variance = np.append(basis.variance, np.full(len(new), basis.noise))
    noise = left / max(p - len(components), 1)
    return Basis(
        components,
        (known * variance + n * power) / (known + n),
        (known * basis.noise + n * noise) / (known + n),
    )


def find_held_out_residual(inputs: Float, fit: Callable[[Float], Basis]) -> Float:
    """Return the residual `(pattern, channel)` of a basis fitted to the other folds."""
    fold = np.arange(len(inputs)) % min(FOLDS, len(inputs))
    residual = np.empty_like(inputs)
    for k in np.unique(fold):
        here = inputs[fold == k]
        basis = fit(inputs[fold != k])
        residual[fold == k] = here - basis.expand(basis.project(here))
    return residual
