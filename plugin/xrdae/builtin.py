"""The built-in implementation of every hook; it comes in by the entry point `builtin`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xrdae import plugins
from xrdae.convention.names import (
    AXIS,
    REGION_BOUNDS,
    RESULTS,
    check_result_names,
    check_stale_names,
    is_result_remnant,
)
from xrdae.convention.quantities import strip_quantities
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl
from xrdae.provenance import merge_attrs, prune_provenance, read_provenance

if TYPE_CHECKING:
    from xrdae.analysis.request import Request
    from xrdae.config import Config
    from xrdae.hookspecs import File
    from xrdae.model import Model
    from xrdae.preprocessing.peaks import Regions


@hookimpl(trylast=True)
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Take a Dataset as it is and a DataArray as the intensity of one."""
    if isinstance(obj, xr.Dataset):
        return obj
    if isinstance(obj, xr.DataArray):
        dataset = obj.to_dataset(name="intensity")
        return dataset.assign_attrs(
            {k: v for k, v in obj.attrs.items() if str(k).startswith("wavelength")}
        )
    return None


@hookimpl(trylast=True)
def xrdae_model_input(dataset: xr.Dataset, model: Model) -> xr.DataArray:
    """Regrid, subtract the background, scale and centre."""
    return model.model_input(dataset)


@hookimpl(trylast=True)
def xrdae_fit(
    dataset: xr.Dataset, config: Config, progress: bool | None, checkpoint: File | None
) -> Model:
    """Fit basis and ensemble."""
    from xrdae.model import Model

    return Model.fit(dataset, config, progress=progress, checkpoint=checkpoint)


@hookimpl(trylast=True)
def xrdae_update(
    dataset: xr.Dataset,
    model: Model,
    config: Config,
    progress: bool | None,
    checkpoint: File | None,
) -> Model:
    """Extend the basis and train the ensemble on."""
    inputs = plugins.model_input(dataset, model)
    return model.update(dataset, config, inputs=inputs, progress=progress, checkpoint=checkpoint)


@hookimpl(trylast=True)
def xrdae_encode(dataset: xr.Dataset, model: Model) -> xr.Dataset:
    """Encode with the ensemble."""
    return model.encode(dataset, inputs=plugins.model_input(dataset, model))


@hookimpl(trylast=True)
def xrdae_relevance(dataset: xr.Dataset, model: Model, regions: Regions, fill: str) -> xr.Dataset:
    """Mask every region by the fast exact path."""
    inputs = plugins.model_input(dataset, model)
    return model.relevance(dataset, regions=regions, fill=fill, inputs=inputs)


@hookimpl(trylast=True)
def xrdae_synthesize(dataset: xr.Dataset, model: Model, request: Request) -> xr.Dataset:
    """Mix blending, decoding and alignment."""
    options = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return model.synthesize(dataset, inputs=plugins.model_input(dataset, model), **options)


@hookimpl(trylast=True)
def xrdae_attach(obj: Any, result: xr.Dataset) -> xr.Dataset | None:
    """Add the result's variables to a new Dataset; the host's attributes stay."""
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    if isinstance(obj, xr.DataArray) and obj.name is not None:
        dataset = obj.to_dataset(name=obj.name).assign_attrs(dataset.attrs)
    earlier = {name for step in read_provenance(dataset.attrs)["steps"] for name in step["results"]}
    check_result_names(dataset, result, earlier)
    # Earlier results on a dimension that the new result replaces must not clash.
    anew = {"region"} & set(result.dims)
    if "synthesized" in result:  # otherwise it is a dimension of the patterns
        anew |= {"synthetic"}
    if dataset.sizes.get("latent_axis") != result.sizes.get("latent_axis", -1):
        anew |= {"latent_axis"} & set(result.dims)
    stale = [n for n, v in dataset.variables.items() if not anew.isdisjoint(v.dims)] if anew else []
    check_stale_names(dataset, stale, earlier)
    of_anew = anew | (set(REGION_BOUNDS) if "region" in anew else set())
    stale += [
        name
        for name in of_anew & set(dataset.variables)
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
