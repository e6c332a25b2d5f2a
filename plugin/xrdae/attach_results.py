"""Attach a result to a dataset, which may have earlier results."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.names import (
    AXIS,
    REGION_BOUNDS,
    RESULTS,
    check_result_names,
    check_stale_names,
    find_class_dims,
    is_result_remnant,
)
from xrdae.convention.quantities import strip_quantities
from xrdae.errors import DataError
from xrdae.provenance import merge_attrs, prune_provenance, read_provenance


def attach_result(dataset: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the variables of a result, in place of those of an earlier one.

    Attributes and coordinates of the dataset stay.

    Raises
    ------
    DataError
        If a name of the result is taken, or sizes, labels or positions differ.
    """
    earlier = {name for step in read_provenance(dataset.attrs)["steps"] for name in step["results"]}
    check_result_names(dataset, result, earlier)
    # Earlier results on a dimension that the new result replaces must not clash.
    replaced = ({"region"} & set(result.dims)) | find_class_dims(result)
    if "synthesized" in result:  # otherwise it is a dimension of the patterns
        replaced |= {"synthetic"}
    for dim in ("latent_axis", "cluster_axis"):
        if dataset.sizes.get(dim) != result.sizes.get(dim, -1):
            replaced |= {dim} & set(result.dims)
    stale = [n for n, v in dataset.variables.items() if not replaced.isdisjoint(v.dims)]
    check_stale_names(dataset, stale, earlier)
    of_replaced = replaced | (set(REGION_BOUNDS) if "region" in replaced else set())
    stale += [
        name
        for name in of_replaced & set(dataset.variables)
        if name not in stale and is_result_remnant(name, dataset.variables[name])
    ]
    dataset = dataset.drop_vars(stale)
    attrs = prune_provenance(dataset.attrs, set(dataset.variables) - set(result.data_vars))
    result = _match_positions(dataset, result)
    # The host's own coordinates stay its own: only what is new comes from the result. Numbers of
    # channels stay away: the host's axis has no coordinate.
    new = [n for n in result.coords if n not in dataset.coords and n not in dataset.dims]
    attached = dataset.assign({n: result.variables[n] for n in (*result.data_vars, *new)})
    own = {k: v for k, v in result.attrs.items() if str(k).startswith("xrdae_")}
    attached.attrs = merge_attrs([attrs, own])
    return attached.set_coords(new)


def _match_positions(dataset: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return a result whose positions along each dimension are those of the dataset.

    Results are matched by position and not by label: the first result is that of the first pattern.
    Along the axis a result may run the other way.

    Raises
    ------
    DataError
        If sizes, labels or positions differ.
    """
    shared = set(result.dims) & set(dataset.dims)
    for d in shared:
        if result.sizes[d] != dataset.sizes[d]:
            raise DataError(
                f"the result has {result.sizes[d]} positions along {d!r}, the dataset "
                f"{dataset.sizes[d]}; attach it to the dataset that it was made from"
            )
    plain = strip_quantities(dataset)
    for name in set(result.coords) & set(dataset.coords):
        own_labels, labels = result.variables[name], plain.variables[name]
        is_label = own_labels.ndim > 0 and set(own_labels.dims) <= set(dataset.dims)
        if is_label and name not in dataset.dims and _is_different(own_labels, labels):
            raise DataError(
                f"the result has other values of {name!r} than the dataset: its patterns are in "
                "another order, or others; attach it to the dataset that it was made from"
            )
    axes = {
        array.dims[-1]
        for name, array in result.data_vars.items()
        if str(name) in RESULTS and RESULTS[str(name)].dims[-1:] == (AXIS,)
    }
    for d in shared:
        own, host = _find_index(result, d), _find_index(plain, d)
        if own is None or host is None or own.equals(host):
            continue
        if d in axes and own[::-1].equals(host):
            result = result.isel({d: slice(None, None, -1)})
            continue
        where = "positions" if d in axes else "labels"
        raise DataError(
            f"the result has other {where} along {d!r} than the dataset; attach it to the dataset "
            "that it was made from"
        )
    return result


def _is_different(one: xr.Variable, other: xr.Variable) -> bool:
    """Tell whether labels that are in memory differ; of lazy ones nothing is computed."""
    if one is other or one.chunks or other.chunks or one.dims != other.dims:
        return False
    # Not `Variable.equals`, which changes filters of warnings: they are one for all threads.
    mine, theirs = one.values, other.values
    try:
        same = (mine == theirs) | ((mine != mine) & (theirs != theirs))
        return not bool(np.all(same))
    except (TypeError, ValueError):  # NA of pandas, and unknown array types
        return False


def _find_index(dataset: xr.Dataset, dim: Hashable) -> Any:
    """Return the pandas index along a dimension; None if it has none."""
    try:
        return dataset.xindexes[dim].to_pandas_index()
    except (KeyError, TypeError):  # an unknown index type has none
        return None
