"""ewoks: the tasks Fit, Encode, Relevance, Synthesize and Report of workflows.

They take the `nxdata_url` of an integration, as the tasks of ewoksxrpd give it, or a `dataset`
where a workflow runs in one process, and hand both on. Results go into the entry of the data, each
task's as an NXprocess of its own that replaces an earlier one, or into the Dataset. A task that
fails leaves the file as it was.

ewoks imports this module to list the tasks: xarray and torch wait until one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ewokscore import Task
from ewokscore.model import BaseInputModel
from pydantic import Field, model_validator

if TYPE_CHECKING:
    import xarray as xr

APPLIED = ("nxdata_url", "dataset", "model_path", "result_url")


class Patterns(BaseInputModel):
    """Where the patterns are: exactly one of `nxdata_url` and `dataset`."""

    nxdata_url: str | list[str] | None = Field(
        None,
        description="Url of the NXdata of an integrated scan; of several scans a list",
        examples=["/data/scan.h5::/1.1/integrate/integrated"],
    )
    dataset: Any = Field(
        None, description="Patterns in memory instead: a Dataset, or what a plugin makes one of"
    )
    retry_timeout: float = Field(
        60.0, ge=0, description="Seconds to wait for a file that another program has locked"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Patterns:
        if self.nxdata_url == []:
            raise ValueError("nxdata_url is an empty list; name at least one scan")
        if (self.nxdata_url is None) == (self.dataset is None):
            given = "neither" if self.dataset is None else "both"
            raise ValueError(f"give one of nxdata_url and dataset; got {given}")
        return self


class FitInputs(Patterns):
    """Inputs of `Fit`."""

    model_path: str = Field(description="Model file to write (netCDF); replaced if it exists")
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of the fit: the fields of xrdae.Config",
        examples=[{"n_latent": 2, "background": "snip"}],
    )


class EncodeInputs(Patterns):
    """Inputs of `Encode`."""

    model_path: str = Field(description="Model file that Fit wrote")
    nxprocess_name: str = Field(
        "xrdae_encode", description="Name of the result in the entry; an earlier one is replaced"
    )


class RelevanceInputs(Patterns):
    """Inputs of `Relevance`."""

    model_path: str = Field(description="Model file that Fit wrote")
    regions: Any = Field(
        "peaks",
        description="'peaks', a window's width in units of the axis, or pairs of bounds",
    )
    fill: str = Field(
        "background", description="What a masked region is filled with: background, zero or mean"
    )
    nxprocess_name: str = Field(
        "xrdae_relevance", description="Name of the result in the entry; an earlier one is replaced"
    )


class SynthesizeInputs(Patterns):
    """Inputs of `Synthesize`: exactly one of `between`, `at` and `latent`."""

    nxdata_url: str | None = Field(None, description="Url of the NXdata of an integrated scan")
    model_path: str = Field(description="Model file that Fit wrote")
    between: list[int | dict[str, int]] | None = Field(
        None, description="Positions of two patterns of the scan", examples=[[0, 10]]
    )
    n: int = Field(5, description="With between: number of points between the two patterns")
    endpoints: bool = Field(False, description="With between: add the two patterns themselves")
    at: dict[str, list[float]] | None = Field(
        None, description="Labels and their values", examples=[{"temperature": [200, 210]}]
    )
    latent: Any = Field(None, description="Latent points, a row each", examples=[[[0.0, 0.5]]])
    nxprocess_name: str = Field(
        "xrdae_synthesize",
        description="Name of the result in the entry; an earlier one is replaced",
    )


class ReportInputs(Patterns):
    """Inputs of `Report`."""

    model_path: str = Field(description="Model file that Fit wrote")
    html_path: str = Field(description="HTML file to write; replaced if it exists")
    title: str | None = Field(None, description="Title of the page")


class Fit(Task, input_model=FitInputs, output_names=["nxdata_url", "dataset", "model_path"]):
    """Fit an autoencoder to the diffraction patterns of one or several scans.

    Several scans are fitted together, on one grid. The model goes to `model_path`.
    """

    def run(self) -> None:
        """Fit and save the model."""
        import xrdae.accessor  # noqa: F401  (registers ds.xrdae)

        model = _patterns(self).xrdae.fit(progress=False, **self.inputs.config)
        model.save(self.inputs.model_path)
        self.outputs.nxdata_url = self.inputs.nxdata_url
        self.outputs.dataset = self.inputs.dataset
        self.outputs.model_path = self.inputs.model_path


class Encode(Task, input_model=EncodeInputs, output_names=APPLIED):
    """Encode diffraction patterns: latent coordinates, their uncertainty, and novelty.

    The results of each scan are written beside its patterns, in the NXprocess `xrdae_encode`;
    `result_url` is that of the latents (with several scans a list).
    """

    def run(self) -> None:
        """Encode and attach."""
        from xrdae.plugins import manager

        _apply(self, manager().hook.xrdae_encode)


class Relevance(Task, input_model=RelevanceInputs, output_names=APPLIED):
    """Measure how far the latents move when peaks are masked.

    The relevance maps of each scan are written beside its patterns, in the NXprocess
    `xrdae_relevance`; `result_url` is that of the relevance (with several scans a list).
    """

    def run(self) -> None:
        """Mask, encode and attach."""
        from xrdae.plugins import manager

        regions, fill = self.inputs.regions, self.inputs.fill
        _apply(self, manager().hook.xrdae_relevance, regions=regions, fill=fill)


class Synthesize(Task, input_model=SynthesizeInputs, output_names=APPLIED):
    """Synthesize patterns between two measured ones, at labels, or at latent points.

    They are written beside the patterns of the scan, in the NXprocess `xrdae_synthesize`;
    `result_url` is that of the synthesized patterns.
    """

    def run(self) -> None:
        """Synthesize and attach."""
        from xrdae.analysis.request import Request
        from xrdae.plugins import manager

        given = self.inputs
        request = Request(
            between=given.between and tuple(given.between),
            n=given.n,
            endpoints=given.endpoints,
            at=given.at,
            latent=given.latent,
        )
        _apply(self, manager().hook.xrdae_synthesize, request=request)


class Report(Task, input_model=ReportInputs, output_names=["html_path"]):
    """Write the explorer, one HTML page on which to walk through the latents of the scans.

    Several scans are shown together.
    """

    def run(self) -> None:
        """Make the page."""
        from xrdae import load_model

        model, title = load_model(self.inputs.model_path), self.inputs.title
        _patterns(self).xrdae.report(model, self.inputs.html_path, title=title, progress=False)
        self.outputs.html_path = self.inputs.html_path


def _urls(task: Task) -> list[str]:
    """Return the urls of a task's scans."""
    given = task.inputs.nxdata_url
    return [given] if isinstance(given, str) else list(given)


def _patterns(task: Task) -> xr.Dataset:
    """Return all patterns of a task as one Dataset."""
    from xrdae.plugins import to_dataset
    from xrdae_adapters.nexus_url import read_patterns

    if task.inputs.dataset is not None:
        return to_dataset(task.inputs.dataset)  # type: ignore[no-any-return]
    return read_patterns(_urls(task), retry_timeout=task.inputs.retry_timeout)


def _apply(task: Task, step: Callable[..., xr.Dataset], **arguments: Any) -> None:
    """Apply a hook to each scan of a task, and attach the results when all are there."""
    from xrdae import load_model
    from xrdae.plugins import manager
    from xrdae_adapters.nexus_url import read_patterns, write_result

    given, task_outputs = task.inputs, task.outputs
    model, wait = load_model(given.model_path), given.retry_timeout
    task_outputs.model_path, task_outputs.nxdata_url = given.model_path, given.nxdata_url
    if given.dataset is not None:
        result = step(dataset=_patterns(task), model=model, **arguments)
        task_outputs.dataset = manager().hook.xrdae_attach(obj=given.dataset, result=result)
        task_outputs.result_url = None
        return
    results = [
        step(dataset=read_patterns([url], retry_timeout=wait), model=model, **arguments).load()
        for url in _urls(task)
    ]
    written = [
        write_result(url, result, name=given.nxprocess_name, retry_timeout=wait)
        for url, result in zip(_urls(task), results, strict=True)
    ]
    task_outputs.dataset = None
    task_outputs.result_url = written[0] if isinstance(given.nxdata_url, str) else written
