"""sciline: providers and their types, to be inserted in a user's `sciline.Pipeline`.

As in the workflows of ESS: `providers`, and `default_parameters` for what need not be chosen. Runs
are mapped and reduced to one `PatternSet` by `gather`; what belongs to a run (its temperature) is a
scalar coordinate of its pattern.

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

The model is fitted to the patterns themselves; to others, or once and for all, by

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
"""Patterns on one axis, dims (pattern, axis), to be analyzed."""

TrainingSet = NewType("TrainingSet", sc.DataArray)
"""Patterns on one axis, dims (pattern, axis), that the model is fitted to."""

FitConfig = NewType("FitConfig", Config)
"""Settings of the fit."""

LatentModel = NewType("LatentModel", Model)
"""A fitted model."""

SynthesisRequest = NewType("SynthesisRequest", Request)
"""Which patterns to synthesize: between two, at labels or at latent points."""

EstimatedLabel = NewType("EstimatedLabel", str)
"""Name of the label (a coordinate of the training set) to estimate."""

LatentResult = NewType("LatentResult", sc.DataGroup)  # type: ignore[type-arg]
"""The patterns ("data"), their latents and the relevance of peaks, each a DataArray."""

SynthesisResult = NewType("SynthesisResult", sc.DataGroup)  # type: ignore[type-arg]
"""The patterns ("data") and those that are synthesized ("synthesized", "synthesized_latent")."""

EstimateResult = NewType("EstimateResult", sc.DataGroup)  # type: ignore[type-arg]
"""The patterns ("data") and the estimate ("<label>_estimate") for each of them."""


def gather(*patterns: sc.DataArray) -> PatternSet:
    """Put patterns with the same axis together along a new dimension `pattern`.

    Events are summed in the bins they are in.
    """
    counted = [p if p.bins is None else p.hist() for p in patterns]
    return PatternSet(sc.concat(counted, "pattern"))


def train_on_patterns(patterns: PatternSet) -> TrainingSet:
    """Take the patterns to be analyzed for training too; set `TrainingSet` to take others."""
    return TrainingSet(patterns)


def fit(patterns: TrainingSet, config: FitConfig) -> LatentModel:
    """Fit a model; in silence, as sciline has reporters of its own."""
    dataset, hook = to_dataset(patterns), manager().hook
    model = hook.xrdae_fit(dataset=dataset, config=config, progress=False, checkpoint=None)
    return LatentModel(model)


def latents(patterns: PatternSet, model: LatentModel) -> LatentResult:
    """Return the patterns with latents and relevance, as `xrdae.analyze` does."""
    return LatentResult(analyze(patterns, model))


def synthesize(
    patterns: PatternSet, model: LatentModel, request: SynthesisRequest
) -> SynthesisResult:
    """Return patterns that would lie in between, as `ds.xrdae.synthesize` does."""
    dataset = to_dataset(patterns)
    result = manager().hook.xrdae_synthesize(dataset=dataset, model=model, request=request)
    return SynthesisResult(_attach(patterns, result))


def estimate(patterns: PatternSet, model: LatentModel, label: EstimatedLabel) -> EstimateResult:
    """Return how much of a label each pattern has, as `ds.xrdae.estimate` does."""
    dataset = to_dataset(patterns)
    result = model.estimate(dataset, label, inputs=model_input(dataset, model))
    return EstimateResult(_attach(patterns, result))


def default_parameters() -> dict[type, Any]:
    """Return the parameters that need not be chosen."""
    return {FitConfig: FitConfig(Config())}


providers = (train_on_patterns, fit, latents, synthesize, estimate)


def _attach(patterns: sc.DataArray, result: xr.Dataset) -> Any:
    return manager().hook.xrdae_attach(obj=patterns, result=result)
