"""Whether labels order the patterns, and where requested labels lie among the known ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.interpolate
import scipy.optimize

from xrdae.errors import DataError

Float = npt.NDArray[Any]

UNORDERED = 0.75  # of the latents' variance, left when they are predicted from other labels
FOLDS = 5
MOST = 500  # patterns on which that is tried
ONE_POINT = 1e-8  # mean square of latents that are all one point but for rounding
FEWEST = 5  # patterns, below which nothing can be said
FARTHEST = 1e6  # ranges: farther is as far
OUTSIDE = 0.02  # of the labels' ranges, beyond what is between the known combinations


def interpolate_latents(labels: Float, latents: Float, wanted: Float) -> Float:
    """Return the latents `(synthetic, latent_axis)` where the labels have given values.

    Interpolation of the latents over the labels by linear radial basis functions, exact at the
    known points (piecewise linear for one label); patterns of equal labels are averaged first.

    Parameters
    ----------
    labels
        `(pattern, label)`.
    latents
        `(pattern, latent_axis)`.
    wanted
        `(synthetic, label)`.

    Raises
    ------
    DataError
        If all patterns have the same labels.
    """
    known, which = np.unique(labels, axis=0, return_inverse=True)
    if len(known) < 2:
        values = known[0].tolist() if len(known) else []
        raise DataError(f"all patterns have the same labels {values}: nothing between")
    count = np.bincount(which.ravel())
    mean = np.stack([np.bincount(which.ravel(), weights=z) / count for z in latents.T], axis=1)
    spread = known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    interpolator = scipy.interpolate.RBFInterpolator(
        known / spread, mean, kernel="linear", neighbors=min(len(known), 64)
    )
    return np.asarray(interpolator(wanted / spread))


def find_disorder(labels: Float, latents: Float) -> float:
    """Return how badly labels predict latents: 0 where they order the patterns, about 1 by chance.

    The mean squared error of latents that are predicted from patterns of other labels, over their
    variance. Every fifth label in turn is left out; where there are fewer than five different ones,
    the patterns of equal labels predict each other.

    Parameters
    ----------
    labels
        `(pattern, label)`, all known.
    latents
        `(pattern, latent_axis)`.
    """
    if len(labels) > MOST:
        some = np.linspace(0, len(labels) - 1, MOST).astype(int)
        labels, latents = labels[some], latents[some]
    variance = float(np.square(latents - latents.mean(axis=0)).sum())
    if len(labels) < FEWEST or variance < ONE_POINT * latents.size:
        return 0.0
    distinct, which = np.unique(labels, axis=0, return_inverse=True)
    which = which.ravel()
    if len(distinct) < FOLDS:
        means = np.stack([latents[which == i].mean(axis=0) for i in range(len(distinct))])
        return float(np.square(latents - means[which]).sum()) / variance
    error = 0.0
    for fold in range(FOLDS):
        here = which % FOLDS == fold
        predicted = interpolate_latents(labels[~here], latents[~here], labels[here])
        error += float(np.square(predicted - latents[here]).sum())
    return error / variance


def find_outside(labels: Float, wanted: Float) -> Float:
    """Return how far `(synthetic,)` requested labels lie outside the known ones, in their ranges.

    Of several labels it is the distance to the nearest mean of known combinations.

    Parameters
    ----------
    labels
        `(pattern, label)`, all known.
    wanted
        `(synthetic, label)`.
    """
    low, high = labels.min(axis=0), labels.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    beyond = np.clip(np.maximum(low - wanted, wanted - high) / span, 0, FARTHEST)
    outside = np.where(beyond.max(axis=1) > 1e-9, np.linalg.norm(beyond, axis=1), 0.0)
    if labels.shape[1] == 1:
        return np.asarray(outside)
    known = np.unique((labels - low) / span, axis=0)
    left = np.vstack([known.T, np.full(len(known), 1e3)])
    for i in np.flatnonzero(outside == 0):
        target = (wanted[i] - low) / span
        found, _ = scipy.optimize.nnls(left, np.append(target, 1e3))
        distance = float(np.linalg.norm(known.T @ found - target))
        outside[i] = distance if distance > OUTSIDE else 0.0
    return np.asarray(outside)
