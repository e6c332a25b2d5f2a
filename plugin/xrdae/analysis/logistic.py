"""Logistic regression of a category over some coordinates of patterns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.special

Float = npt.NDArray[Any]

STEPS = 300


@dataclasses.dataclass(frozen=True, eq=False)
class LogisticProcess:
    """Multinomial logistic regression with a ridge, fitted to reference patterns.

    scikit-learn's own fit warns if it stops early. Such a warning cannot be filtered, since filters
    are shared by all threads.

    Attributes
    ----------
    coordinates
        `(reference, coordinate)`, centred and divided by their size, and a column of ones.
    target
        `(reference, class)`, 1 in the class and 0 outside.
    slopes
        `(coordinate + 1, class)`.
    center, size
        What is subtracted from coordinates, and by what they are divided.
    ridge
        Weight of the squared slopes in the mean log loss.
    """

    coordinates: Float
    target: Float
    slopes: Float
    center: Float
    size: float
    ridge: float

    def predict_mean(self, coordinates: Float) -> Float:
        """Return probabilities `(pattern, class)`."""
        scaled = (coordinates - self.center) / self.size
        return _predict(_add_ones(scaled), self.slopes)

    def predict_held_out(self, fold: npt.NDArray[np.intp]) -> tuple[Float, None]:
        """Return probabilities `(reference, class)`, each without its fold `(reference,)`."""
        out = np.empty(self.target.shape)
        for k in np.unique(fold):
            inside = fold == k
            x, target = self.coordinates[~inside], self.target[~inside]
            out[inside] = _predict(
                self.coordinates[inside], _minimize(x, target, self.ridge, self.slopes)
            )
        return out, None


def fit_logistic(coordinates: Float, target: Float, ridge: float) -> LogisticProcess:
    """Fit a logistic regression to coordinates `(pattern, coordinate)`.

    Parameters
    ----------
    coordinates
        `(pattern, coordinate)`.
    target
        `(pattern, class)`, 1 in the class and 0 outside.
    ridge
        Weight of the squared slopes in the mean log loss.
    """
    center = coordinates.mean(axis=0)
    size = float((coordinates - center).std()) or 1.0
    x = _add_ones((coordinates - center) / size)
    slopes = _minimize(x, target, ridge, np.zeros((x.shape[1], target.shape[1])))
    return LogisticProcess(x, target, slopes, center, size, ridge)


def _add_ones(scaled: Float) -> Float:
    return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)


def _predict(coordinates: Float, slopes: Float) -> Float:
    return np.asarray(scipy.special.softmax(coordinates @ slopes, axis=1))


def _minimize(x: Float, target: Float, ridge: float, start: Float) -> Float:
    """Return the slopes of least log loss."""
    penalty = np.full((x.shape[1], 1), ridge)
    penalty[-1] = 1e-6  # of the level, which else is free where a class is missing

    def loss(flat: Float) -> tuple[float, Float]:
        slopes = flat.reshape(start.shape)
        logits = x @ slopes
        norm = scipy.special.logsumexp(logits, axis=1, keepdims=True)
        value = (norm[:, 0] - (logits * target).sum(axis=1)).mean()
        slope = x.T @ (np.exp(logits - norm) - target) / len(x)
        return (
            float(value + (penalty * np.square(slopes)).sum() / 2),
            (slope + penalty * slopes).ravel(),
        )

    options = {"maxiter": STEPS}
    found = scipy.optimize.minimize(
        loss, start.ravel(), method="L-BFGS-B", jac=True, options=options
    )
    return np.asarray(found.x.reshape(start.shape))
