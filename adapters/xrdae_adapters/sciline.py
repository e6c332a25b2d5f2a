"""sciline: providers and their types, to insert into a `sciline.Pipeline`.

The module follows the workflows of ESS: insert all `providers` and set the `default_parameters`.
Map the workflow over runs and reduce it with `gather` to one `PatternSet`. A quantity of a run,
such as its temperature, is a scalar coordinate of its pattern.

Examples
--------
>>> wf = DreamPowderWorkflow(run_norm=RunNormalization.proton_charge)
>>> for provider in providers:
...     wf.insert(provider)
>>> for key, value in default_parameters().items():
...     wf[key] = value
>>> reduced = wf[IntensityDspacing[SampleRun]].map({Filename[SampleRun]: files})
>>> wf[PatternSet] = reduced.reduce(func=gather, name=PatternSet)
>>> wf.compute(LatentResult)["latent"]

By default the model is fitted to the analyzed patterns. Set `TrainingSet` to fit it to other
patterns, or `LatentModel` to use a fitted model:

>>> wf[TrainingSet] = library
>>> wf[LatentModel] = xrdae.load_model("library.nc")
"""

from __future__ import annotations

from typing import Any, NewType

import scipp as sc
import xarray as xr

from xrdae.accessor import analyze
from xrdae.analysis.request import Request
from xrdae.config import Config
from xrdae.model import Model
from xrdae.plugins import manager, model_input, to_dataset

PatternSet = NewType("PatternSet", sc.DataArray)
"""Patterns to analyze, `(pattern, axis)`, on one axis."""

TrainingSet = NewType("TrainingSet", sc.DataArray)
"""Patterns to fit the model to, `(pattern, axis)`, on one axis."""

FitConfig = NewType("FitConfig", Config)
"""Settings of the fit."""

LatentModel = NewType("LatentModel", Model)
"""A fitted model."""

SynthesisRequest = NewType("SynthesisRequest", Request)
"""Patterns to synthesize: between two patterns, at labels or at latent points."""

EstimatedLabel = NewType("EstimatedLabel", str)
"""Name of the label (a coordinate of the training set) to estimate."""

LatentResult = NewType("LatentResult", sc.DataGroup)  # type: ignore[type-arg]
"""Patterns ("data"), latents and relevance, each a DataArray."""

SynthesisResult = NewType("SynthesisResult", sc.DataGroup)  # type: ignore[type-arg]
"""Patterns ("data") and synthesized patterns ("synthesized", "synthesized_latent")."""

EstimateResult = NewType("EstimateResult", sc.DataGroup)  # type: ignore[type-arg]
"""Patterns ("data") and the estimate of a label for each pattern ("<label>_estimate")."""


def gather(*patterns: sc.DataArray) -> PatternSet:
    """Concatenate patterns with one axis along a new dimension `pattern`.

    Parameters
    ----------
    *patterns
        `(axis)`. Events are summed in their bins.

    Returns
    -------
    PatternSet
        `(pattern, axis)`.

    Examples
    --------
    >>> import scipp as sc
    >>> edges = sc.linspace("dspacing", 0.5, 2.0, 4, unit="angstrom")
    >>> counts = sc.ones(dims=["dspacing"], shape=[3], unit="counts")
    >>> pattern = sc.DataArray(counts, coords={"dspacing": edges})
    >>> dict(gather(pattern, pattern).sizes)
    {'pattern': 2, 'dspacing': 3}
    """
    histograms = [p if p.bins is None else p.hist() for p in patterns]
    return PatternSet(sc.concat(histograms, "pattern"))


def train_on_patterns(patterns: PatternSet) -> TrainingSet:
    """Return the analyzed patterns as training set. Set `TrainingSet` to train on others."""
    return TrainingSet(patterns)


def fit(patterns: TrainingSet, config: FitConfig) -> LatentModel:
    """Fit a model, without a progress bar: sciline has its own reporters."""
    dataset, hook = to_dataset(patterns), manager().hook
    model = hook.xrdae_fit(dataset=dataset, config=config, progress=False, checkpoint=None)
    return LatentModel(model)


def analyze_patterns(patterns: PatternSet, model: LatentModel) -> LatentResult:
    """Return the patterns with latents and relevance, like `xrdae.analyze`."""
    return LatentResult(analyze(patterns, model))


def synthesize(
    patterns: PatternSet, model: LatentModel, request: SynthesisRequest
) -> SynthesisResult:
    """Return the patterns with synthesized patterns, like `ds.xrdae.synthesize`."""
    dataset = to_dataset(patterns)
    result = manager().hook.xrdae_synthesize(dataset=dataset, model=model, request=request)
    return SynthesisResult(_attach(patterns, result))


def estimate(patterns: PatternSet, model: LatentModel, label: EstimatedLabel) -> EstimateResult:
    """Return the patterns with the estimate of a label, like `ds.xrdae.estimate`."""
    dataset = to_dataset(patterns)
    result = model.estimate(dataset, label, inputs=model_input(dataset, model))
    return EstimateResult(_attach(patterns, result))


def default_parameters() -> dict[type, Any]:
    """Return the parameters that have a default.

    Examples
    --------
    >>> default_parameters()[FitConfig].n_latent
    2
    """
    return {FitConfig: FitConfig(Config())}


providers = (train_on_patterns, fit, analyze_patterns, synthesize, estimate)


def _attach(patterns: sc.DataArray, result: xr.Dataset) -> Any:
    return manager().hook.xrdae_attach(obj=patterns, result=result)
