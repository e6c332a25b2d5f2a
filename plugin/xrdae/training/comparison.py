"""Maps with which the map of a model is compared: principal components, other numbers of latents.

They are made from the training patterns that the model keeps, not from a dataset.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.ensemble import as_tensor
from xrdae.autoencoder.fitted import Fitted
from xrdae.training.fit import make_augmented_copies
from xrdae.training.loss import reconstruct_held_out
from xrdae.training.predictability import find_predictability, predict_by_neighbours
from xrdae.training.weighted_training import train_weighted

Float = npt.NDArray[Any]

MEMBERS = 4  # of an ensemble that is fitted only to compare


def find_held_out_errors(fitted: Fitted, rows: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Return the held-out reconstruction errors of a model and of PCA.

    Both reconstruct each pattern from as many numbers as the model has latents. Each member of the
    ensemble, and the PCA in its place, has seen the same patterns and reconstructs the others. The
    errors are root mean squares over the spread of the coefficients. They are NaN if no pattern is
    held out.

    Parameters
    ----------
    fitted
        Result of a fit.
    rows
        Positions among the training patterns that the model keeps.
    """
    support = fitted.support
    target, unseen = support.coefficients[rows], support.unseen[rows]
    seen = as_tensor(~unseen.T)
    decoded = reconstruct_held_out(fitted.autoencoder.ensemble, as_tensor(target), seen)
    by_pca = reconstruct_by_pca(target, unseen, fitted.n_latent)
    known = np.isfinite(decoded).all(axis=1) & np.isfinite(by_pca).all(axis=1)
    if not known.any():
        return np.nan, np.nan
    spread = np.square(target - target.mean(axis=0))[known].sum() or 1.0
    first, second = (
        float(np.sqrt(np.square(target - found, dtype=np.float64)[known].sum() / spread))
        for found in (decoded, by_pca)
    )
    return first, second


def reconstruct_by_pca(
    coefficients: Float, unseen: npt.NDArray[np.bool_], n_component: int
) -> Float:
    """Return held-out reconstructions `(pattern, component)` by principal components.

    The mean over the members that did not see a pattern; NaN where all saw it.

    Parameters
    ----------
    coefficients
        `(pattern, component)`.
    unseen
        `(pattern, member)`, True where a pattern is held out from the member.
    n_component
        Number of principal components.
    """
    x = np.asarray(coefficients, dtype=np.float64)
    total, count = np.zeros_like(x), np.zeros((len(x), 1))
    for held in unseen.T:
        if held.any() and not held.all():
            mean = x[~held].mean(axis=0)
            axes = np.linalg.svd(x[~held] - mean, full_matrices=False)[2][:n_component]
            total[held] += (x[held] - mean) @ axes.T @ axes + mean
            count[held] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def fit_latents(fitted: Fitted, rows: npt.NDArray[np.intp], n_latent: int) -> Float:
    """Return latents `(pattern, latent_axis)` of a fit with another number of latent axes.

    The settings are those of the model, with at most 4 members. The patterns are some of those
    that the model keeps, as coefficients: the basis is the same.

    Raises
    ------
    KeyboardInterrupt
        If training is interrupted.
    """
    coefficients = np.ascontiguousarray(fitted.support.coefficients[rows])
    members = min(MEMBERS, fitted.config.members)
    config = attrs.evolve(fitted.config, n_latent=n_latent, members=members)
    parts = fitted.autoencoder
    inputs = parts.basis.expand(coefficients)
    trained = train_weighted(
        coefficients,
        fitted.weights,
        config,
        copies=make_augmented_copies(inputs, parts.preparation, parts.basis, config),
        progress=False,
    )
    if trained.stopped == "interrupted":
        raise KeyboardInterrupt
    autoencoder = Autoencoder(parts.preparation, parts.basis, trained.ensemble)
    return np.asarray(autoencoder.encode_coefficients(coefficients).mean(axis=0))


def find_predicted_part(fitted: Fitted, rows: npt.NDArray[np.intp], latents: Float) -> float:
    """Return the part of the weighted variance that neighbours on a map predict, from 0 to 1.

    A map that tells patterns apart has like patterns beside each other. Their mean then predicts
    the coefficients of the pattern in between.

    Parameters
    ----------
    fitted
        Result of a fit.
    rows
        Positions among the training patterns that the model keeps.
    latents
        `(pattern, latent_axis)`, their positions on the map.
    """
    weighted = fitted.weights.weigh(fitted.support.coefficients[rows]).astype(np.float64)
    weighted, which = np.unique(weighted, axis=0, return_index=True)
    part, variance = predict_by_neighbours(latents[which], weighted), weighted.var(axis=0)
    return float(np.clip(part @ variance / max(variance.sum(), 1e-300), 0, 1))


def complete_predictability(fitted: Fitted, rows: npt.NDArray[np.intp]) -> Float:
    """Return the predictability `(component,)`, which models of earlier formats do not hold."""
    known = fitted.weights.predictability
    if np.isfinite(known).all():
        return known
    different = np.unique(fitted.support.coefficients[rows].astype(np.float64), axis=0)
    return np.where(
        np.isfinite(known), known, find_predictability(different, fitted.weights.values)
    )
