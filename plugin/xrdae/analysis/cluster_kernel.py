"""Find clusters of reference patterns, and assign any patterns to them, on arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.analysis.cluster_number import Curve, find_least, find_most, measure_curve
from xrdae.analysis.cluster_views import Views, find_views, restore_intensity
from xrdae.analysis.consensus import (
    GROUPS,
    Labels,
    Partition,
    Tree,
    find_membership,
    find_partitions,
    find_tree,
    number_labels,
)
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.fitted import Fitted
from xrdae.compute.threads import compute_by_blocks
from xrdae.errors import DataError
from xrdae.preprocessing.preparation import Source

Float = npt.NDArray[Any]

BETWEEN, UNKNOWN = -1, -2  # flags of patterns between clusters, and of patterns without latents
CLEAR = 0.7  # least margin of a pattern in a cluster; patterns below are between clusters
REPEATS = 4  # starts of each k-means
FEWEST = 10  # reference patterns
BLOCK = 256  # patterns; a block of several views fits the memory


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of reference patterns.

    Attributes
    ----------
    views
        Coordinates of patterns.
    partitions
        Partitions of the reference patterns.
    members
        `(group, cluster)`, part of each cluster's reference patterns in each group.
    typical
        `(cluster,)`, median difference of a reference pattern's association with this cluster and
        with the next one.
    curve
        Figures of clusters by their number.
    intensity
        `(cluster, channel)`, mean scaled intensity of each cluster's clear reference patterns; NaN
        where not known.
    spread
        `(channel,)`, standard deviation within the clusters.
    sizes
        `(cluster,)`, number of reference patterns in each cluster.
    reference
        Number of reference patterns.
    """

    views: Views
    partitions: list[Partition]
    members: Float
    typical: Float
    curve: Curve
    intensity: Float
    spread: Float
    sizes: npt.NDArray[np.intp]
    reference: int

    def assign(self, inputs: Float) -> tuple[Labels, Float, Float]:
        """Return clusters, probabilities and margins of complete model input; see `Assigner`."""
        membership = find_membership(self.partitions, self.views(inputs))
        return _assign(membership @ self.members / len(self.partitions), self.typical)


@dataclasses.dataclass(frozen=True, eq=False)
class Assigner:
    """Kernel that assigns patterns to clusters.

    Attributes
    ----------
    clusters
        The clusters.
    source
        Conversion of the patterns to model input.
    """

    clusters: Clusters
    source: Source

    def __call__(self, rows: Float) -> tuple[Float, ...]:
        """Assign patterns `(pattern, point)`, NaN where not measured.

        Returns
        -------
        tuple
            `cluster (pattern,)`, -1 between clusters and -2 without model input;
            `probability (pattern, cluster)` and `margin (pattern,)`, NaN without model input.
        """
        return compute_by_blocks(self._assign, rows, BLOCK)

    def _assign(self, rows: Float) -> tuple[Float, ...]:
        inputs = self.clusters.views.autoencoder.basis.fill(self.source(rows)[0])
        known = np.isfinite(inputs).all(axis=1)
        cluster = np.full(len(rows), UNKNOWN, np.int32)
        probability = np.full((len(rows), len(self.clusters.typical)), np.nan, np.float32)
        margin = np.full(len(rows), np.nan, np.float32)
        if known.any():
            cluster[known], probability[known], margin[known] = self.clusters.assign(inputs[known])
        return cluster, probability, margin


def find_clusters(
    fitted: Fitted, inputs: Float, n: int | None, *, labels: Float | None = None
) -> Clusters:
    """Find clusters of patterns, and number them by size or along a label.

    Parameters
    ----------
    fitted
        Result of a fit.
    inputs
        Model input `(pattern, channel)`; patterns that are all NaN are left out.
    n
        Number of clusters; None: the most stable and separate number.
    labels
        `(pattern,)`, a label along which clusters are numbered; None: by their size.

    Raises
    ------
    DataError
        If there are fewer than 10 patterns, if all are equal, or if there are fewer different
        patterns than clusters.
    """
    autoencoder, rng = fitted.autoencoder, np.random.default_rng(fitted.config.seed)
    inputs, labels = _sort_patterns(autoencoder, inputs, labels)
    _check_patterns(autoencoder, inputs, n)
    views = find_views(autoencoder, fitted.weights, inputs, rng)
    points = views(inputs)
    largest = max(2, min(max(GROUPS, n or 0), len(inputs) // 2))
    partitions = find_partitions(points, largest, REPEATS, rng)
    tree = find_tree(find_membership(partitions, points), len(partitions))
    most = find_most(len(inputs))
    cuts = tree.cut(find_least(len(inputs)), max(most, n or 0))
    if n is not None:  # as wanted, small clusters too
        cuts[n] = tree.cut_into(n)
        if cuts[n].max() + 1 < n:
            raise DataError(
                f"the patterns form only {cuts[n].max() + 1} groups that differ; n={n} is too "
                "large: choose fewer clusters"
            )
    if not cuts:
        cuts[2] = tree.cut_into(2)
    curve = measure_curve(points, tree, cuts, largest, rng, wanted=n)
    return _describe(views, partitions, tree, cuts[n or curve.choose()], curve, inputs, labels)


def _sort_patterns(
    autoencoder: Autoencoder, inputs: Float, labels: Float | None
) -> tuple[Float, Float | None]:
    """Return complete model input and labels in an order that depends on the patterns alone."""
    filled = autoencoder.basis.fill(np.asarray(inputs, np.float32))
    filled = filled[known] if not (known := np.isfinite(filled).all(axis=1)).all() else filled
    order = np.lexsort(autoencoder.basis.project(filled)[:, :3].T[::-1])
    return filled[order], None if labels is None else labels[known][order]


def _check_patterns(autoencoder: Autoencoder, inputs: Float, n: int | None) -> None:
    if len(inputs) < FEWEST:
        raise DataError(
            f"only {len(inputs)} patterns have latents, and clusters need {FEWEST}: add patterns, "
            "or find the clusters of other patterns (reference=)"
        )
    if n is not None and n > len(inputs):
        raise DataError(f"n={n} is more than the {len(inputs)} patterns; choose fewer clusters")
    spread = np.linalg.norm(inputs - inputs.mean(axis=0), axis=1).max()
    if spread <= 10 * autoencoder.preparation.rounding * np.sqrt(inputs.shape[1]):
        raise DataError(
            f"all {len(inputs)} patterns are equal, so there are no clusters; give patterns that "
            "differ"
        )


def _describe(
    views: Views,
    partitions: list[Partition],
    tree: Tree,
    found: Labels,
    curve: Curve,
    inputs: Float,
    labels: Float | None,
) -> Clusters:
    """Return clusters in their final order, with their mean patterns."""
    found = _order(found, tree.associate(found).argmax(axis=1), labels)
    association = tree.associate(found)
    nearest, count = association.argmax(axis=1), association.shape[1]
    margin = _measure_margin(association)
    typical = np.array(
        [
            np.median(margin[chosen] if (chosen := nearest == j).any() else margin)
            for j in range(count)
        ]
    )
    typical = np.maximum(typical, 1e-6)
    clear = _assign(association, typical)[0]
    preparation = views.autoencoder.preparation
    intensity = preparation.transform.undo(restore_intensity(views.autoencoder, inputs))
    means, squares = np.empty((count, inputs.shape[1])), np.zeros(inputs.shape[1])
    for j in range(count):
        chosen = next(c for c in (clear == j, nearest == j, found == j) if c.any())
        means[j] = intensity[chosen].mean(axis=0)
        squares += np.square(intensity[nearest == j] - means[j]).sum(axis=0)
    return Clusters(
        views,
        partitions,
        tree.find_members(found),
        typical,
        curve,
        preparation.hide_unmeasured(means),
        np.sqrt(squares / len(inputs)),
        np.bincount(nearest, minlength=count),
        len(inputs),
    )


def _order(found: Labels, nearest: Labels, labels: Float | None) -> Labels:
    """Return clusters numbered by their size, the largest first, or along a label."""
    count = found.max() + 1
    if labels is None:
        keys = -np.bincount(nearest, minlength=count).astype(float)
    else:
        known = np.isfinite(labels)
        sums = np.bincount(nearest[known], labels[known], minlength=count)
        sizes = np.bincount(nearest[known], minlength=count)
        keys = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    places = [np.flatnonzero(found == j).mean() for j in range(count)]  # of equal size or label
    return number_labels(found, np.lexsort((places, keys)))


def _assign(association: Float, typical: Float) -> tuple[Labels, Float, Float]:
    """Return clusters (-1 between), probabilities and margins of an association."""
    nearest = association.argmax(axis=1)
    margin = _measure_margin(association) / typical[nearest]
    total = np.maximum(association.sum(axis=1, keepdims=True), 1e-12)
    return np.where(margin < CLEAR, BETWEEN, nearest), association / total, margin


def _measure_margin(association: Float) -> Float:
    """Return the association with the nearest cluster less that with the next one."""
    second, first = np.sort(association, axis=1)[:, -2:].T
    return np.asarray(first - second)
