"""Find how well the nearest patterns predict each coefficient, and weights from that.

A component of large variance may say little about the material: a background, an absorption, the
grains of single samples. Where several components are needed to tell patterns apart, those weigh
more that neighbouring patterns predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from xrdae.autoencoder.weights import Weights
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

MOST_PATTERNS = 2000  # compared with each other
MOST_NEIGHBOURS = 6
ROUNDS = 3  # of neighbours by weighted distance
LEAST, MOST = 1e-3, 0.995  # predictabilities
SHARPNESS = 3  # power of the predictability
LEAST_DIRECTIONS = 5  # that the map rests on, whatever the number of latents
PATTERNS_PER_DIRECTION = 30
EXPONENTS = np.linspace(1, 0.3, 71)
NEGLIGIBLE = 3e-4  # part of the largest weighted variance that the network ignores


def find_weights(coefficients: Float) -> Weights:
    """Find weights of coefficients `(pattern, component)` of training patterns.

    A weighted variance t is `variance**a * predictability**(3 * (1 - a))`. The exponent `a` is the
    largest of 0.3 to 1 with which the map rests on enough directions: the participation ratio
    `sum(t)**2 / sum(t**2)` is at least 5, but not more than a thirtieth of the number of patterns.
    With an exponent of 1 the weights are equal. They do not depend on the number of latents, so
    that maps of different numbers of latents can be compared.
    """
    known = np.unique(np.asarray(coefficients, dtype=np.float64), axis=0)
    known = known[choose_evenly(len(known), MOST_PATTERNS)]
    variance = np.maximum(np.square(known).mean(axis=0), 1e-300)
    part = variance / variance.sum()
    wanted = min(LEAST_DIRECTIONS, len(known) / PATTERNS_PER_DIRECTION)
    share = np.sqrt(part)
    for _ in range(ROUNDS):
        predictability = find_predictability(known, np.sqrt(share / part))
        exponent, share = _find_shares(part, predictability, wanted)
    if exponent == 1:
        return Weights(np.ones(len(part)), predictability, 1.0)
    values = np.sqrt(share / part)
    values[share < NEGLIGIBLE * share.max()] = 0
    return Weights(values, predictability, exponent)


def find_predictability(coefficients: Float, weights: Float) -> Float:
    """Return which part of each variance the nearest patterns predict `(component,)`.

    The prediction is the mean over the nearest patterns (at most 6) without the pattern itself. It
    is unbiased: 0 for coefficients that are independent of the neighbours.

    Parameters
    ----------
    coefficients
        `(pattern, component)`, all patterns different.
    weights
        `(component,)`, factors of the coefficients in the distance.
    """
    found = predict_by_neighbours(coefficients * weights, coefficients)
    return np.asarray(np.clip(found, LEAST, MOST))


def predict_by_neighbours(points: Float, coefficients: Float) -> Float:
    """Return which part of each variance the nearest points predict `(component,)`, at most 1.

    Parameters
    ----------
    points
        `(pattern, coordinate)`, in which the nearest patterns are sought.
    coefficients
        `(pattern, component)`, all patterns different.
    """
    n = len(coefficients)
    count = min(MOST_NEIGHBOURS, max(2, n // 10), n - 1)
    if count < 1:
        return np.zeros(coefficients.shape[1])
    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    error = np.square(coefficients[nearest].mean(axis=1) - coefficients).mean(axis=0)
    by_chance = coefficients.var(axis=0) * (1 + 1 / count)
    return np.asarray(1 - error / np.maximum(by_chance, 1e-300))


def _find_shares(part: Float, predictability: Float, wanted: float) -> tuple[float, Float]:
    """Return the exponent and the weighted variances `(component,)`, which sum to one."""
    for exponent in EXPONENTS:
        share = part**exponent * predictability ** (SHARPNESS * (1 - exponent))
        share /= share.sum()
        if 1 / np.square(share).sum() >= wanted:
            break
    return float(exponent), share


def extend_weights(weights: Weights, coefficients: Float) -> Weights:
    """Return weights of more components, those of the known ones unchanged.

    Parameters
    ----------
    weights
        Weights of the first components.
    coefficients
        `(pattern, component)` of known and further patterns.
    """
    known = weights.values.size
    added = coefficients.shape[1] - known
    if not added or weights.are_equal:
        more = Weights.equal(added)
        return Weights(
            np.append(weights.values, more.values),
            np.append(weights.predictability, more.predictability),
            weights.exponent,
        )
    some = np.unique(np.asarray(coefficients, dtype=np.float64), axis=0)
    some = some[choose_evenly(len(some), MOST_PATTERNS)]
    factors = np.append(weights.values, np.full(added, np.median(weights.values[weights.places])))
    new = find_predictability(some, factors)[known:]
    predictability = np.append(weights.predictability, new)
    variance = np.maximum(np.square(some).mean(axis=0), 1e-300)
    expected = np.sqrt(
        variance ** (weights.exponent - 1) * predictability ** (SHARPNESS * (1 - weights.exponent))
    )
    used = weights.places
    level = np.exp(np.mean(np.log(weights.values[used] / expected[used])))
    values = np.append(weights.values, level * expected[known:])
    share = np.square(values) * variance
    values[known:][share[known:] < NEGLIGIBLE * share.max()] = 0
    return Weights(values, predictability, weights.exponent)
