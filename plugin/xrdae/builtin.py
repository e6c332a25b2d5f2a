"""The built-in implementation of every hook; it comes in by the entry point `builtin`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae import plugins
from xrdae.attach_results import attach_result
from xrdae.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

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
def xrdae_relevance(
    dataset: xr.Dataset,
    model: Model,
    regions: Regions,
    fill: str,
    label: str | Sequence[str] | None,
    reference: xr.Dataset | None,
) -> xr.Dataset:
    """Replace regions by what other patterns imply, or mask them."""
    return model.relevance(
        dataset,
        regions=regions,
        fill=fill,
        label=label,
        reference=reference,
        inputs=plugins.model_input(dataset, model),
    )


@hookimpl(trylast=True)
def xrdae_synthesize(dataset: xr.Dataset, model: Model, request: Request) -> xr.Dataset:
    """Mix blending, decoding and alignment."""
    options = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return model.synthesize(dataset, inputs=plugins.model_input(dataset, model), **options)


@hookimpl(trylast=True)
def xrdae_cluster(
    dataset: xr.Dataset,
    model: Model,
    n: int | str,
    label: str | None,
    reference: xr.Dataset | None,
) -> xr.Dataset:
    """Find clusters on which partitions of several views agree."""
    given = None if reference is None else plugins.model_input(reference, model)
    return model.cluster(
        dataset,
        n,
        label=label,
        reference=reference,
        inputs=plugins.model_input(dataset, model),
        reference_inputs=given,
    )


@hookimpl(trylast=True)
def xrdae_attach(obj: Any, result: xr.Dataset) -> xr.Dataset | None:
    """Add the result's variables to a new Dataset; the host's attributes stay."""
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    if isinstance(obj, xr.DataArray) and obj.name is not None:
        dataset = obj.to_dataset(name=obj.name).assign_attrs(dataset.attrs)
    return attach_result(dataset, result)
