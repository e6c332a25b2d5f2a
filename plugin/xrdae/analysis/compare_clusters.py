"""Compare clusters with the classes of a label."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xrdae.analysis.consensus import measure_agreement
from xrdae.convention.categories import find_category_names, is_category, order_categories
from xrdae.errors import DataError

MOST_CLASSES = 50


def compare_clusters(dataset: xr.Dataset, label: str) -> xr.DataArray:
    """Return how many patterns of each class of a label are in each cluster.

    Parameters
    ----------
    dataset
        Dataset with `cluster`.
    label
        Name of a label of classes along the sample dimensions: texts, truth values, CF flags, or
        at most 50 different numbers.

    Returns
    -------
    DataArray
        `(cluster, <label>)`, numbers of patterns, with the names of clusters and classes as
        coordinates. Patterns without a class or without latents are left out. Attributes are
        `adjusted_rand`, the agreement of all patterns, each in its most probable cluster,
        `adjusted_rand_without_between`, that of the patterns in a cluster, and `between`, the part
        of the patterns between clusters. The index is 1 if clusters and classes are equal, 0 if
        they agree by chance.

    Raises
    ------
    DataError
        If the dataset has no clusters or no such label, or if the label has too many values.

    Examples
    --------
    >>> from xrdae.analysis.compare_clusters import compare_clusters
    >>> table = compare_clusters(phases.xrdae.cluster(model), "phase")
    >>> table.shape, table.attrs["adjusted_rand"]
    ((2, 2), 1.0)
    """
    for name in ("cluster", "cluster_probability"):
        if name not in dataset.data_vars:
            raise DataError(f"the dataset has no {name!r}; add it: ds.xrdae.cluster(model)")
    cluster, probability = dataset["cluster"], dataset["cluster_probability"]
    if label not in dataset.variables or not set(dataset[label].dims) <= set(cluster.dims):
        classes = [
            str(name)
            for name, variable in dataset.variables.items()
            if variable.dims and set(variable.dims) <= set(cluster.dims)
        ]
        raise DataError(
            f"the dataset has no label {label!r} along the sample dimensions; it has {classes}"
        )
    given = dataset[label].broadcast_like(cluster).transpose(*cluster.dims)
    names = _name_classes(given, label)
    clusters = find_category_names(cluster).ravel()
    known = (names != "") & (clusters != "unknown")
    if not known.any():
        raise DataError(f"no pattern has both a cluster and {label!r}; compare another label")
    names, clusters = names[known], clusters[known]
    nearest = probability.transpose(..., "cluster_axis").values.reshape(known.size, -1)[known]
    rows = order_categories(cluster, find_category_names(cluster))
    rows = [name for name in rows if name in set(clusters.tolist())]
    columns = sorted(set(names.tolist()), key=_sort_key)
    counts = np.array([[((clusters == r) & (names == c)).sum() for c in columns] for r in rows])
    inside = clusters != "between"
    return xr.DataArray(
        counts,
        dims=("cluster", label),
        coords={"cluster": rows, label: columns},
        name="patterns",
        attrs={
            "long_name": "number of patterns",
            "units": "1",
            "adjusted_rand": measure_agreement(names, nearest.argmax(axis=1)),
            "adjusted_rand_without_between": measure_agreement(names[inside], clusters[inside]),
            "between": float(1 - inside.mean()),
        },
    )


def _name_classes(label: xr.DataArray, name: str) -> np.ndarray:
    """Return the class `(pattern,)` of each pattern as text; "" where it is not known."""
    if is_category(label):
        return find_category_names(label).ravel()
    if label.dtype.kind not in "iuf":
        raise DataError(f"{name!r} is of type {label.dtype}; compare texts, flags or numbers")
    values = label.values.ravel()
    texts = np.array(["" if value != value else f"{value:g}" for value in values.tolist()])
    if len(set(texts.tolist())) > MOST_CLASSES:
        raise DataError(
            f"{name!r} has more than {MOST_CLASSES} different numbers, which are no classes; make "
            f"classes of them, for example ds.assign_coords(part=ds[{name!r}] > limit)"
        )
    return texts


def _sort_key(name: str) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by value, and texts by the alphabet."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
