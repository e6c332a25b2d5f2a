"""Find clusters on which many partitions of the patterns agree.

Fred and Jain, IEEE Trans. Pattern Anal. Mach. Intell. 27, 835 (2005), doi:10.1109/TPAMI.2005.113:
two patterns belong together if many partitions put them into one group.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.spatial.distance import squareform

Float = npt.NDArray[Any]
Labels = npt.NDArray[np.intp]

GROUPS = 8  # largest number of groups in a partition, unless more clusters are wanted
STEPS = 20  # of k-means
TRIES = 3  # starts of k-means before it gets one group less
SPLITS = 5  # cuts of the tree that are tried, for each wanted cluster


@dataclasses.dataclass(frozen=True, eq=False)
class Partition:
    """Groups of one k-means.

    Attributes
    ----------
    view
        Number of the view.
    centers
        `(group, axis)`, centres of the groups in this view.
    """

    view: int
    centers: Float

    def assign(self, points: Float) -> Labels:
        """Return the nearest group `(pattern,)` of points `(pattern, axis)`."""
        distance = np.square(self.centers).sum(axis=1) - 2 * points @ self.centers.T
        return np.asarray(distance.argmin(axis=1))


def find_partitions(
    views: Sequence[Float], largest: int, repeats: int, rng: np.random.Generator
) -> list[Partition]:
    """Return partitions by k-means: of each view, into 2 to `largest` groups, `repeats` times.

    Parameters
    ----------
    views
        Points `(pattern, axis)` of each view.
    largest
        Largest number of groups.
    repeats
        Starts of each k-means; all results are kept.
    rng
        Random numbers for the starts.
    """
    partitions = []
    for view, points in enumerate(views):
        distinct = len(np.unique(points, axis=0))
        for count in range(2, largest + 1):
            for _ in range(repeats):
                centers = _find_centers(points, min(count, distinct), rng)
                partitions.append(Partition(view, centers))
    return partitions


def find_membership(partitions: Sequence[Partition], views: Sequence[Float]) -> Float:
    """Return `(pattern, group)`: 1 for the group of each partition that a pattern is in, else 0."""
    columns = [
        np.eye(len(partition.centers), dtype=np.float32)[partition.assign(views[partition.view])]
        for partition in partitions
    ]
    return np.concatenate(columns, axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """Hierarchy of patterns by the part of the partitions that put them into one group.

    Attributes
    ----------
    membership
        `(pattern, group)`; see `find_membership`.
    partitions
        Number of partitions.
    linkage
        Average linkage; see `scipy.cluster.hierarchy`.
    """

    membership: Float
    partitions: int
    linkage: Float

    def cut(self, least: int, most: int) -> dict[int, Labels]:
        """Return clusters `(pattern,)` by their number, up to `most`.

        Only clusters of at least `least` patterns count. Patterns in smaller ones have -1.
        """
        cuts: dict[int, Labels] = {}
        for count in range(2, min(len(self.membership), SPLITS * most) + 1):
            labels = fcluster(self.linkage, count, "maxclust")
            large = np.flatnonzero(np.bincount(labels) >= least)
            if 1 < len(large) <= most and len(large) not in cuts:
                cuts[len(large)] = number_labels(labels, large)
        return cuts

    def cut_into(self, count: int) -> Labels:
        """Return `count` clusters `(pattern,)` of any size, or fewer if the patterns are equal."""
        labels = fcluster(self.linkage, count, "maxclust")
        return number_labels(labels, np.unique(labels))

    def find_members(self, labels: Labels) -> Float:
        """Return `(group, cluster)`: the part of each cluster's patterns in each group."""
        return np.stack(
            [self.membership[labels == j].mean(axis=0) for j in range(labels.max() + 1)], axis=1
        )

    def associate(self, labels: Labels) -> Float:
        """Return `(pattern, cluster)`: how often a pattern is in one group with a cluster's."""
        return self.membership @ self.find_members(labels) / self.partitions


def find_tree(membership: Float, partitions: int) -> Tree:
    """Return the hierarchy of patterns of a membership `(pattern, group)` in partitions."""
    apart = 1 - (membership @ membership.T).astype(np.float64) / partitions
    np.fill_diagonal(apart, 0)
    return Tree(
        membership, partitions, linkage(squareform(np.maximum(apart, 0), checks=False), "average")
    )


def number_labels(labels: Labels, order: Iterable[Any]) -> Labels:
    """Return labels as positions in `order`; -1 for those that are not in it."""
    numbers = np.full(len(labels), -1, np.intp)
    for number, label in enumerate(order):
        numbers[labels == label] = number
    return numbers


def measure_agreement(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return the adjusted Rand index of two classifications `(pattern,)`: 1 equal, 0 by chance.

    Hubert and Arabie, J. Classif. 2, 193 (1985), doi:10.1007/BF01908075.

    Examples
    --------
    >>> from xrdae.analysis.consensus import measure_agreement
    >>> measure_agreement([0, 0, 1, 1], ["b", "b", "a", "a"])
    1.0
    """
    rows, columns = (np.unique(labels, return_inverse=True)[1] for labels in (one, other))
    table = np.zeros((rows.max(initial=0) + 1, columns.max(initial=0) + 1))
    np.add.at(table, (rows, columns), 1)
    together, first, second = (
        float((counts * (counts - 1) / 2).sum())
        for counts in (table, table.sum(axis=1), table.sum(axis=0))
    )
    pairs = len(rows) * (len(rows) - 1) / 2
    expected = first * second / pairs if pairs else 0.0
    largest = (first + second) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


def _find_centers(points: Float, count: int, rng: np.random.Generator) -> Float:
    """Return centres of k-means. If a group stays empty, it starts again, then with one less."""
    while count > 1:
        for _ in range(TRIES):
            try:
                centers, _ = kmeans2(
                    points,
                    count,
                    iter=STEPS,
                    minit="++",
                    missing="raise",
                    check_finite=False,
                    rng=rng,
                )
            except ClusterError:
                continue
            return np.asarray(centers)
        count -= 1
    return np.asarray(points.mean(axis=0, keepdims=True))
