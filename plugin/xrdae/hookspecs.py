"""The hooks, for hosts and facilities: pluggy project name and entry-point group `xrdae`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import xarray as xr

    from xrdae.analysis.request import Request
    from xrdae.config import Config
    from xrdae.model import Model
    from xrdae.preprocessing.peaks import Regions

    File = str | os.PathLike[str]

hookspec = pluggy.HookspecMarker("xrdae")
hookimpl = pluggy.HookimplMarker("xrdae")


@hookspec(firstresult=True)
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert a host's object to a Dataset by the convention, lazily; None if it is not yours."""


@hookspec(firstresult=True)
def xrdae_model_input(dataset: xr.Dataset, model: Model) -> xr.DataArray | None:
    """Turn labelled patterns into model input (..., channel) on the model's axis and scale."""


@hookspec(firstresult=True)
def xrdae_fit(
    dataset: xr.Dataset, config: Config, progress: bool | None, checkpoint: File | None
) -> Model | None:
    """Fit a model to labelled patterns, going on from a checkpoint where there is one."""


@hookspec(firstresult=True)
def xrdae_update(
    dataset: xr.Dataset,
    model: Model,
    config: Config,
    progress: bool | None,
    checkpoint: File | None,
) -> Model | None:
    """Return the model that knows further labelled patterns too; known latents stay."""


@hookspec(firstresult=True)
def xrdae_encode(dataset: xr.Dataset, model: Model) -> xr.Dataset | None:
    """Encode labelled patterns: a Dataset of `latent` and its companions."""


@hookspec(firstresult=True)
def xrdae_relevance(
    dataset: xr.Dataset,
    model: Model,
    regions: Regions,
    fill: str,
    label: str | Sequence[str] | None,
    reference: xr.Dataset | None,
) -> xr.Dataset | None:
    """Replace each region of each pattern: a Dataset of relevance maps and verdicts."""


@hookspec(firstresult=True)
def xrdae_synthesize(dataset: xr.Dataset, model: Model, request: Request) -> xr.Dataset | None:
    """Decode the points that a request asks for: a Dataset of synthesized patterns."""


@hookspec(firstresult=True)
def xrdae_cluster(
    dataset: xr.Dataset,
    model: Model,
    n: int | str,
    label: str | None,
    reference: xr.Dataset | None,
) -> xr.Dataset | None:
    """Find clusters of labelled patterns: a Dataset of `cluster` and its companions."""


@hookspec(firstresult=True)
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Attach a result to the host's object, and return the object (or its replacement)."""


@hookspec
def xrdae_on_result(result: xr.Dataset) -> None:
    """Receive newly encoded patterns after they are stored; `novel` is True for novel ones."""
