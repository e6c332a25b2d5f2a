"""Choose the number of clusters: how stable and how separate clusters are, by their number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.analysis.consensus import (
    Labels,
    Tree,
    find_membership,
    find_partitions,
    find_tree,
    measure_agreement,
)

Float = npt.NDArray[Any]

MOST = 12  # clusters that are tried
EACH = 12  # patterns for each cluster that is tried
SMALLEST = 0.03  # part of the patterns; smaller clusters do not count
HALVES = 16  # random splits into two halves


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Figures of clusters by their number.

    Attributes
    ----------
    numbers
        `(number,)`, numbers of clusters.
    stability
        `(number,)`, agreement (adjusted Rand index) of clusters that two random halves of the
        patterns give, mean of 16 splits.
    stability_error
        `(number,)`, standard error of this mean.
    separation
        `(number,)`, mean silhouette: 1 if clusters are separate, 0 if they touch.
    """

    numbers: npt.NDArray[np.intp]
    stability: Float
    stability_error: Float
    separation: Float

    def choose(self) -> int:
        """Return the number whose stability plus separation is largest."""
        return int(self.numbers[np.argmax(self.stability + self.separation)])


def find_most(count: int) -> int:
    """Return the largest number of clusters that is tried for `count` patterns."""
    return int(np.clip(count // EACH, 3, MOST))


def find_least(count: int) -> int:
    """Return the least size of a cluster that counts among `count` patterns."""
    return max(3, round(SMALLEST * count))


def measure_curve(
    views: Sequence[Float],
    tree: Tree,
    cuts: dict[int, Labels],
    largest: int,
    rng: np.random.Generator,
    *,
    wanted: int | None = None,
) -> Curve:
    """Return the figures of clusters by their number.

    Parameters
    ----------
    views
        Points `(pattern, axis)` of each view.
    tree
        Hierarchy of all patterns.
    cuts
        Clusters `(pattern,)` by their number.
    largest
        Largest number of groups in a partition.
    rng
        Random numbers for the splits and the partitions.
    wanted
        Number of clusters that may be of any size; None: none.
    """
    count, most = len(views[0]), max(cuts)
    agreement: dict[int, list[float]] = {number: [] for number in sorted(cuts)}
    for _ in range(HALVES):
        order = rng.permutation(count)
        halves = [
            _cluster_half(views, half, largest, most, rng, wanted)
            for half in (order[: count // 2], order[count // 2 :])
        ]
        for number, values in agreement.items():
            both = [half[number] for half in halves if number in half]
            values.append(measure_agreement(*both) if len(both) == 2 else 0.0)
    figures = np.array(list(agreement.values()))
    return Curve(
        np.array(list(agreement)),
        figures.mean(axis=1),
        figures.std(axis=1, ddof=1) / np.sqrt(HALVES),
        np.array([_measure_separation(tree, cuts[number]) for number in agreement]),
    )


def _cluster_half(
    views: Sequence[Float],
    half: npt.NDArray[np.intp],
    largest: int,
    most: int,
    rng: np.random.Generator,
    wanted: int | None,
) -> dict[int, Labels]:
    """Return clusters of all patterns by their number, found from half of the patterns."""
    partitions = find_partitions([points[half] for points in views], largest, 1, rng)
    membership = find_membership(partitions, views)
    tree = find_tree(membership[half], len(partitions))
    least = max(2, round(SMALLEST * len(half)))
    cuts = tree.cut(least, most)
    if wanted is not None:
        cuts[wanted] = tree.cut_into(wanted)
    return {
        number: np.argmax(membership @ tree.find_members(labels), axis=1)
        for number, labels in cuts.items()
    }


def _measure_separation(tree: Tree, labels: Labels) -> float:
    """Return the mean silhouette of patterns in the clusters that they are associated with.

    Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987), doi:10.1016/0377-0427(87)90125-7. The distance
    of two patterns is the part of the partitions that separate them.
    """
    nearest = tree.associate(labels).argmax(axis=1)
    members = np.eye(labels.max() + 1)[nearest]
    size = members.sum(axis=0)
    if (size > 0).sum() < 2:
        return 0.0
    together = tree.membership @ (tree.membership.T @ members) / tree.partitions
    own = np.arange(len(nearest)), nearest
    others = np.where(size > 0, together / np.maximum(size, 1), -np.inf)
    others[own] = -np.inf
    single = size[nearest] == 1
    inside = 1 - (together[own] - 1) / np.maximum(size[nearest] - 1, 1)
    outside = 1 - others.max(axis=1)
    largest = np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(single, 0.0, (outside - inside) / largest).mean())
