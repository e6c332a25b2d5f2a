"""Choose a subset of patterns that represents all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.intp]


def choose_evenly(n: int, count: int) -> Index:
    """Return at most `count` of `n` positions, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(count, n)).astype(np.intp))


def choose_stratified(n: int, count: int, *, seed: int) -> Index:
    """Return at most `count` of `n` positions: a random one from each of `count` equal parts.

    Even steps would always choose the same columns of a map.
    """
    if n <= count:
        return np.arange(n)
    edges = np.linspace(0, n, count + 1)
    within = np.random.default_rng(seed).random(count)
    return np.asarray(edges[:-1] + within * np.diff(edges)).astype(np.intp)


def choose_spread(points: npt.NDArray[Any], count: int) -> Index:
    """Return at most `count` positions of points `(point, axis)`, spread over the space.

    Each next point is the one farthest from the chosen points (Gonzalez, 1985,
    doi:10.1016/0304-3975(85)90224-5). Sparse regions are kept, even if this is repeated with more
    points in other regions.
    """
    if len(points) <= count:
        return np.arange(len(points))
    chosen = np.zeros(count, dtype=np.intp)
    distance = np.full(len(points), np.inf)
    for i in range(1, count):
        distance = np.minimum(distance, np.square(points - points[chosen[i - 1]]).sum(axis=1))
        chosen[i] = distance.argmax()
    return np.unique(chosen)
