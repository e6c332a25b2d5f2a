"""Which patterns stand for all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.intp]


def evenly(n: int, count: int) -> Index:
    """Return at most `count` of `n` positions, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(count, n)).astype(np.intp))


def one_of_each(n: int, count: int, *, seed: int) -> Index:
    """Return at most `count` of `n` positions: a random one of each of as many equal parts.

    Even steps would always meet the same columns of a map.
    """
    if n <= count:
        return np.arange(n)
    edges = np.linspace(0, n, count + 1)
    within = np.random.default_rng(seed).random(count)
    return np.asarray(edges[:-1] + within * np.diff(edges)).astype(np.intp)
