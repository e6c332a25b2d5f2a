"""Estimate in how many directions patterns vary, and choose the number of latent axes from that."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
from scipy.spatial import cKDTree

Float = npt.NDArray[Any]

FEWEST = 100  # different patterns; fewer do not tell the dimension
NEAR, FAR = 6, 12  # neighbours whose distances are compared; nearer ones differ mostly by noise
SUBSET = 150  # patterns; in more, also the distances to these neighbours are mostly noise
MOST_SUBSETS = 10
SAME = 1e-4  # distance, relative to the spread, below which two patterns are copies
BOUNDS = (0.1, 100.0)  # of a dimension
SMALLEST, LARGEST = 2, 6  # numbers of latent axes to choose from


@dataclasses.dataclass(frozen=True)
class Dimension:
    """Number of directions in which patterns vary.

    Attributes
    ----------
    value
        The dimension, not a whole number; NaN if there are too few patterns to estimate it.
    n_pattern
        Number of different patterns.
    """

    value: float
    n_pattern: int

    @property
    def is_known(self) -> bool:
        """Whether there are at least 100 different patterns, which tell the dimension."""
        return self.n_pattern >= FEWEST and math.isfinite(self.value)

    def choose_n_latent(self, most: int) -> int:
        """Return the dimension, rounded up, from 2 to 6, and at most `most`; 2 if not known."""
        wanted = math.ceil(self.value) if self.is_known else SMALLEST
        return min(max(SMALLEST, min(wanted, LARGEST)), most)


def find_dimension(points: Float) -> Dimension:
    """Estimate the intrinsic dimension of points by the distances to two of their neighbours.

    The ratio of the distances to the twelfth and to the sixth neighbour has a distribution that
    depends on the dimension, but not on the density. The estimate maximizes the likelihood of the
    ratios of all points (Gride: Denti et al., Scientific Reports 12, 2022,
    doi:10.1038/s41598-022-20991-1; it generalizes TwoNN: Facco et al., Scientific Reports 7, 2017,
    doi:10.1038/s41598-017-11873-y). TwoNN compares the first two neighbours, which differ mostly by
    noise: it finds 9.8 dimensions in a simulated alloy of two components, this finds 1.8. From 300
    points on, parts of at least 150 random points are estimated separately.

    Points with NaN, and copies of other points, are left out. The order of the points does not
    matter.

    Parameters
    ----------
    points
        `(pattern, coordinate)`, such as weighted coefficients.

    Examples
    --------
    >>> from xrdae.training.dimension import find_dimension
    >>> plane = np.random.default_rng(0).uniform(size=(1000, 2))
    >>> round(find_dimension(plane).value)
    2
    """
    known = np.asarray(points, dtype=np.float64)
    known = _drop_copies(known[np.isfinite(known).all(axis=1)])
    n = len(known)
    part = np.random.default_rng(0).permutation(n) % max(1, n // SUBSET)
    found = [
        _maximize_likelihood(known[part == i])
        for i in range(min(part.max(initial=0) + 1, MOST_SUBSETS))
    ]
    return Dimension(float(np.mean(found)), n)


def _maximize_likelihood(points: Float) -> float:
    """Return the most likely dimension of different points; NaN if there are too few."""
    if len(points) <= FAR:
        return math.nan
    distance = cKDTree(points).query(points, k=[NEAR + 1, FAR + 1])[0]  # the first is the point
    ratio = np.log(distance[:, 1] / distance[:, 0])
    ratio = ratio[ratio > 0]  # equal distances, as in a lattice, tell nothing
    if not ratio.size:
        return math.nan

    def loss(d: float) -> float:
        beyond = np.log(d) + (FAR - NEAR - 1) * np.log(np.expm1(d * ratio))
        return float(((FAR - 1) * d * ratio - beyond).sum())

    return float(scipy.optimize.minimize_scalar(loss, bounds=BOUNDS, method="bounded").x)


def _drop_copies(points: Float) -> Float:
    """Return points `(pattern, coordinate)` in a fixed order, without copies up to rounding."""
    unique = np.unique(points, axis=0)
    if len(unique) < 2:
        return unique
    spread = math.sqrt(float(unique.var(axis=0).sum()))
    pairs = cKDTree(unique).query_pairs(SAME * spread, output_type="ndarray")
    return np.delete(unique, np.unique(pairs[:, 1]), axis=0)
