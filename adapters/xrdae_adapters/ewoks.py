"""ewoks: the tasks Fit, Encode, Relevance, Synthesize and Report for workflows.

Each task takes the `nxdata_url` of an integration, which the tasks of ewoksxrpd return. A workflow
in one process may pass a `dataset` instead. Each task passes both on. It writes its results into
the entry of the data, as one NXprocess that replaces an earlier one, or into the Dataset. If a task
fails, the file is unchanged.

ewoks imports this module to list the tasks. xarray and torch are imported when a task runs.
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
    """Source of the patterns: exactly one of `nxdata_url` and `dataset`."""

    nxdata_url: str | list[str] | None = Field(
        None,
        description="Url of the NXdata of an integrated scan, or a list of urls of several scans",
        examples=["/data/scan.h5::/1.1/integrate/integrated"],
    )
    dataset: Any = Field(
        None,
        description="Patterns in memory: a Dataset, or an object that a plugin converts to one",
    )
    retry_timeout: float = Field(
        60.0, ge=0, description="Seconds to wait for a file that another program has locked"
    )

    @model_validator(mode="after")
    def _check_source(self) -> Patterns:
        if self.nxdata_url == []:
            raise ValueError("nxdata_url is an empty list; name at least one scan")
        if (self.nxdata_url is None) == (self.dataset is None):
            number = "neither" if self.dataset is None else "both"
            raise ValueError(f"give one of nxdata_url and dataset; got {number}")
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
        description="'peaks', the width of windows in units of the axis, or pairs of bounds",
    )
    fill: str = Field(
        "conditional",
        description="What replaces a region: conditional (what the rest of other patterns implies "
        "for it), or a mask: background, zero or mean",
    )
    label: str | list[str] | None = Field(
        None, description="Labels of the training data with which regions are compared too"
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
    endpoints: bool = Field(False, description="With between: include the two patterns")
    at: dict[str, list[float]] | None = Field(
        None, description="Labels and their values", examples=[{"temperature": [200, 210]}]
    )
    latent: Any = Field(None, description="Latent points, one row each", examples=[[[0.0, 0.5]]])
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

    Several scans are fitted together, on one grid. The model is saved to `model_path`.

    Examples
    --------
    >>> url = "scan.h5::/1.1/integrate/integrated"
    >>> task = Fit(inputs={"nxdata_url": url, "model_path": "model.nc"})
    >>> task.execute()
    """

    def run(self) -> None:
        """Fit and save the model."""
        import xrdae.accessor  # noqa: F401  (registers ds.xrdae)

        model = _read_patterns(self).xrdae.fit(progress=False, **self.inputs.config)
        model.save(self.inputs.model_path)
        self.outputs.nxdata_url = self.inputs.nxdata_url
        self.outputs.dataset = self.inputs.dataset
        self.outputs.model_path = self.inputs.model_path


class Encode(Task, input_model=EncodeInputs, output_names=APPLIED):
    """Encode diffraction patterns: latents, their uncertainty, and novelty.

    The results of each scan are written beside its patterns, in the NXprocess `xrdae_encode`.
    `result_url` is the url of the latents, or a list of urls for several scans.

    Examples
    --------
    >>> task = Encode(inputs={"nxdata_url": url, "model_path": "model.nc"})
    >>> task.execute()
    >>> task.outputs.result_url
    'scan.h5::/1.1/xrdae_encode/latent'
    """

    def run(self) -> None:
        """Encode the patterns and write the results."""
        from xrdae.plugins import manager

        _apply(self, manager().hook.xrdae_encode)


class Relevance(Task, input_model=RelevanceInputs, output_names=APPLIED):
    """Measure how far the latents move when peaks are replaced, and which peaks are relevant.

    The relevance maps of each scan are written beside its patterns, in the NXprocess
    `xrdae_relevance`. `result_url` is the url of the relevance, or a list of urls for several
    scans.

    Examples
    --------
    >>> Relevance(inputs={"nxdata_url": url, "model_path": "model.nc", "regions": 1.0}).execute()
    """

    def run(self) -> None:
        """Compute the relevance and write it."""
        from xrdae.plugins import manager

        names = ("regions", "fill", "label")
        given = {name: getattr(self.inputs, name) for name in names}
        _apply(self, manager().hook.xrdae_relevance, reference=None, **given)


class Synthesize(Task, input_model=SynthesizeInputs, output_names=APPLIED):
    """Synthesize patterns between two measured patterns, at labels, or at latent points.

    The synthesized patterns are written beside the patterns of the scan, in the NXprocess
    `xrdae_synthesize`. `result_url` is their url.

    Examples
    --------
    >>> inputs = {"nxdata_url": url, "model_path": "model.nc", "between": [0, 10]}
    >>> Synthesize(inputs=inputs).execute()
    """

    def run(self) -> None:
        """Synthesize the patterns and write them."""
        from xrdae.analysis.request import Request
        from xrdae.plugins import manager

        inputs = self.inputs
        request = Request(
            between=inputs.between and tuple(inputs.between),
            n=inputs.n,
            endpoints=inputs.endpoints,
            at=inputs.at,
            latent=inputs.latent,
        )
        _apply(self, manager().hook.xrdae_synthesize, request=request)


class Report(Task, input_model=ReportInputs, output_names=["html_path"]):
    """Write the explorer, an HTML page to browse the latents of one or several scans.

    Several scans are shown together.

    Examples
    --------
    >>> inputs = {"nxdata_url": url, "model_path": "model.nc", "html_path": "report.html"}
    >>> Report(inputs=inputs).execute()
    """

    def run(self) -> None:
        """Write the page."""
        from xrdae import load_model

        model, title = load_model(self.inputs.model_path), self.inputs.title
        _read_patterns(self).xrdae.report(model, self.inputs.html_path, title=title, progress=False)
        self.outputs.html_path = self.inputs.html_path


def _list_urls(task: Task) -> list[str]:
    """Return the urls of the scans of a task."""
    urls = task.inputs.nxdata_url
    return [urls] if isinstance(urls, str) else list(urls)


def _read_patterns(task: Task) -> xr.Dataset:
    """Return all patterns of a task as one Dataset."""
    from xrdae.plugins import to_dataset
    from xrdae_adapters.nexus_url import read_patterns

    if task.inputs.dataset is not None:
        return to_dataset(task.inputs.dataset)  # type: ignore[no-any-return]
    return read_patterns(_list_urls(task), retry_timeout=task.inputs.retry_timeout)


def _apply(task: Task, step: Callable[..., xr.Dataset], **arguments: Any) -> None:
    """Apply a hook to each scan of a task, and write the results once all are computed."""
    from xrdae import load_model
    from xrdae.plugins import manager
    from xrdae_adapters.nexus_url import read_patterns, write_result

    inputs, outputs = task.inputs, task.outputs
    model, wait = load_model(inputs.model_path), inputs.retry_timeout
    outputs.model_path, outputs.nxdata_url = inputs.model_path, inputs.nxdata_url
    if inputs.dataset is not None:
        result = step(dataset=_read_patterns(task), model=model, **arguments)
        outputs.dataset = manager().hook.xrdae_attach(obj=inputs.dataset, result=result)
        outputs.result_url = None
        return
    results = [
        step(dataset=read_patterns([url], retry_timeout=wait), model=model, **arguments).load()
        for url in _list_urls(task)
    ]
    result_urls = [
        write_result(url, result, name=inputs.nxprocess_name, retry_timeout=wait)
        for url, result in zip(_list_urls(task), results, strict=True)
    ]
    outputs.dataset = None
    outputs.result_url = result_urls[0] if isinstance(inputs.nxdata_url, str) else result_urls
