"""Compute an initial map of the patterns from geodesic distances, for the start of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial.distance import cdist

from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

LANDMARKS = 1000
NEIGHBOURS = 8


def find_geodesic_embedding(coefficients: Float, n_latent: int) -> Float:
    """Return a map `(pattern, latent_axis)`, centred, with a root mean square of one.

    Isomap (Tenenbaum et al., 2000, doi:10.1126/science.290.5500.2319): classical scaling of the
    shortest paths over a graph of nearest neighbours. The graph is joined by its minimum spanning
    tree, so that separate groups of patterns are placed too. Above 1000 patterns, evenly chosen
    landmarks are embedded, and the others are placed between their nearest landmarks. The result
    is deterministic.
    """
    x = np.asarray(coefficients, dtype=np.float64)
    rows = choose_evenly(len(x), LANDMARKS)
    distances = cdist(x[rows], x[rows])
    paths = shortest_path(_build_neighbour_graph(distances), directed=False)
    n = len(rows)
    centring = np.eye(n) - 1 / n
    top = min(n_latent, n)
    power, vectors = scipy.linalg.eigh(
        -0.5 * centring @ paths**2 @ centring, subset_by_index=(n - top, n - 1)
    )
    placed = np.zeros((n, n_latent))
    placed[:, :top] = (vectors * np.sqrt(np.maximum(power, 0)))[:, ::-1]
    if n < len(x):
        near = cdist(x, x[rows])
        first = np.argpartition(near, 3, axis=1)[:, :4]
        weight = 1 / (np.take_along_axis(near, first, axis=1) + 1e-9)
        placed = np.einsum("nk,nkl->nl", weight / weight.sum(1, keepdims=True), placed[first])
    placed -= placed.mean(axis=0)
    size = np.sqrt((placed**2).mean())
    return placed / size if size > 0 else placed


def _build_neighbour_graph(distances: Float) -> csr_array:
    """Return the symmetric graph of nearest neighbours, joined by the minimum spanning tree."""
    n = len(distances)
    k = min(NEIGHBOURS, n - 1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, 1 : k + 1]
    keep = np.zeros((n, n), dtype=bool)
    np.put_along_axis(keep, nearest, True, axis=1)
    # A distance of zero means "no edge" in a sparse graph, so duplicates get a tiny distance.
    length = np.maximum(distances, 1e-12 * max(float(distances.max()), 1e-300))
    np.fill_diagonal(length, 0)
    keep |= minimum_spanning_tree(length).toarray() > 0
    return csr_array(np.where(keep | keep.T, length, 0))
