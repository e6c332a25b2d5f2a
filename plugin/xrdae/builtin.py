"""The built-in implementation of every hook; it comes in by the entry point `builtin`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae import plugins
from xrdae.hookspecs import hookimpl

if TYPE_CHECKING:
    from xrdae.config import Config
    from xrdae.model import Model
    from xrdae.peaks import Regions
    from xrdae.synthesis import Request


@hookimpl(trylast=True)
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Take a Dataset as it is and a DataArray as the intensity of one."""
    if isinstance(obj, xr.Dataset):
        return obj
    if isinstance(obj, xr.DataArray):
        dataset = obj.rename("intensity").to_dataset()
        return dataset.assign_attrs(
            {k: v for k, v in obj.attrs.items() if str(k).startswith("wavelength")}
        )
    return None


@hookimpl(trylast=True)
def xrdae_model_input(dataset: xr.Dataset, model: Model) -> xr.DataArray:
    """Regrid, subtract the background, scale and centre."""
    return model.model_input(dataset)


@hookimpl(trylast=True)
def xrdae_fit(dataset: xr.Dataset, config: Config, progress: bool | None) -> Model:
    """Fit basis and ensemble."""
    from xrdae.model import Model

    return Model.fit(dataset, config, progress=progress)


@hookimpl(trylast=True)
def xrdae_encode(dataset: xr.Dataset, model: Model) -> xr.Dataset:
    """Encode with the ensemble."""
    return model.encode(dataset, inputs=_inputs(dataset, model))


@hookimpl(trylast=True)
def xrdae_relevance(dataset: xr.Dataset, model: Model, regions: Regions, fill: str) -> xr.Dataset:
    """Mask every region by the fast exact path."""
    inputs = _inputs(dataset, model)
    return model.relevance(dataset, regions=regions, fill=fill, inputs=inputs)


@hookimpl(trylast=True)
def xrdae_synthesize(dataset: xr.Dataset, model: Model, request: Request) -> xr.Dataset:
    """Mix blending, decoding and alignment."""
    options = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return model.synthesize(dataset, inputs=_inputs(dataset, model), **options)


@hookimpl(trylast=True)
def xrdae_attach(obj: Any, result: xr.Dataset) -> xr.Dataset | None:
    """Add the result's variables to a new Dataset; the host's attributes stay."""
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    if isinstance(obj, xr.DataArray) and obj.name is not None:
        dataset = dataset.rename_vars(intensity=obj.name)
    # What an earlier result left on a dimension that the new one brings anew must not clash.
    anew = {"region", "synthetic"} & set(result.dims)
    if dataset.sizes.get("latent_axis") != result.sizes.get("latent_axis", -1):
        anew |= {"latent_axis"} & set(result.dims)
    stale = [name for name, variable in dataset.variables.items() if anew & set(variable.dims)]
    dataset = dataset.drop_vars(stale)
    # The host's own coordinates stay its own: only what is new comes from the result.
    shared = [n for n in result.coords if n in dataset.coords and n not in result.dims]
    result = result.drop_vars(shared)
    new = {n: coord for n, coord in result.coords.items() if n not in dataset.coords}
    attrs = {k: v for k, v in result.attrs.items() if str(k).startswith("xrdae_")}
    return dataset.assign(result.data_vars).assign_coords(new).assign_attrs(attrs)


def _inputs(dataset: xr.Dataset, model: Model) -> xr.DataArray:
    """Ask every plugin for the model input, so that replacing that one step is enough."""
    inputs: xr.DataArray = plugins.manager().hook.xrdae_model_input(dataset=dataset, model=model)
    return inputs
