"""Find latents at requested labels, and check whether labels order the patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.interpolate
import scipy.optimize

from xrdae.errors import DataError

Float = npt.NDArray[Any]

UNORDERED = 0.75  # fraction of the latents' variance that prediction from labels leaves
FOLDS = 5
MOST = 500  # patterns used to measure it
ONE_POINT = 1e-8  # mean square of latents that differ only by rounding
FEWEST = 5  # patterns needed to measure it
FARTHEST = 1e6  # largest distance, in ranges of the labels
OUTSIDE = 0.02  # distance from the known combinations, in ranges, that counts as outside


def interpolate_latents(labels: Float, latents: Float, wanted: Float) -> Float:
    """Return the latents `(synthetic, latent_axis)` at requested labels.

    The latents are interpolated over the labels by linear radial basis functions, which are exact
    at the known points (piecewise linear for one label). Patterns of equal labels are averaged.

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
        raise DataError(
            f"all patterns have the same labels {values}, so there is nothing to interpolate; "
            "use another label"
        )
    count = np.bincount(which.ravel())
    mean = np.stack([np.bincount(which.ravel(), weights=z) / count for z in latents.T], axis=1)
    spread = known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    interpolator = scipy.interpolate.RBFInterpolator(
        known / spread, mean, kernel="linear", neighbors=min(len(known), 64)
    )
    return np.asarray(interpolator(wanted / spread))


def find_disorder(labels: Float, latents: Float) -> float:
    """Return the error of predicting latents from labels: 0 for ordered patterns, 1 by chance.

    It is the mean squared error of latents that are predicted from patterns with other labels,
    over their variance. Each fifth of the labels is left out in turn. If there are fewer than five
    different labels, patterns of equal labels predict each other.

    Parameters
    ----------
    labels
        `(pattern, label)`, without NaN.
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
    """Return the distance `(synthetic,)` of requested labels from the known ones, in their ranges.

    For several labels, it is the distance to the convex hull of the known combinations.

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
