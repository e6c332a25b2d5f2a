"""The providers in pipelines: a small one of four steps, and the workflow of DREAM at ESS."""

import contextlib
from typing import NewType

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sciline")
pytest.importorskip("ess.powder")

import dask.distributed
import sciline
import scipp as sc
from ess.dream import DreamPowderWorkflow
from ess.powder import RunNormalization, types

import xrdae
from xrdae.analysis.request import Request
from xrdae_adapters import sciline as steps

WAVELENGTH = 1.5406  # angstrom, as in `series`
CONFIG = xrdae.Config(steps=300, members=4)
N = 24  # patterns of `series`

RunNumber = NewType("RunNumber", int)
Reduced = types.IntensityDspacing[types.SampleRun]
RUNS = pd.DataFrame({RunNumber: range(N)}).rename_axis(index="run")


def position(series):
    """Return the d of the series' channels, ascending."""
    theta = np.radians(series.two_theta.values[::-1] / 2)
    return sc.array(dims=["dspacing"], values=WAVELENGTH / 2 / np.sin(theta), unit="angstrom")


@pytest.fixture
def reduced(series):
    """A provider that stands for the reduction of a run; `x` is known of each."""

    def reduced(number: RunNumber) -> Reduced:
        counts = series.intensity.values[number, ::-1]
        return Reduced(
            sc.DataArray(
                sc.array(dims=["dspacing"], values=counts, variances=counts, unit="counts"),
                coords={
                    "dspacing": position(series),
                    "wavelength": sc.scalar(WAVELENGTH, unit="angstrom"),
                    "x": sc.scalar(series.x.values[number]),
                },
            )
        )

    return reduced


def map_runs(workflow):
    """Insert the providers, their default parameters, and all runs as the patterns."""
    for provider in steps.providers:
        workflow.insert(provider)
    for key, value in steps.default_parameters().items():
        workflow[key] = value
    workflow[steps.PatternSet] = (
        workflow[Reduced].map(RUNS).reduce(func=steps.gather, name=steps.PatternSet)
    )
    return workflow


@pytest.fixture
def workflow(reduced):
    workflow = map_runs(sciline.Pipeline([reduced]))
    workflow[steps.FitConfig] = CONFIG
    return workflow


def test_a_saved_model_gives_the_latents_of_the_mapped_runs(
    workflow, series, model, latents, tmp_path
):
    model.save(tmp_path / "model.nc")
    workflow[steps.LatentModel] = xrdae.load_model(tmp_path / "model.nc")
    result = workflow.compute(steps.LatentResult)
    assert isinstance(result, sc.DataGroup)
    assert dict(result["latent"].sizes) == {"pattern": N, "latent_axis": 2}
    np.testing.assert_allclose(result["latent"].values, latents, atol=1e-6 * np.ptp(latents))
    np.testing.assert_array_equal(result["latent"].coords["x"].values, series.x)
    assert steps.TrainingSet not in workflow[steps.LatentResult].underlying_graph


def test_a_model_is_fitted_to_the_patterns_or_to_a_training_set(workflow, series):
    found = workflow.compute((steps.LatentModel, steps.PatternSet))
    model, patterns = found[steps.LatentModel], found[steps.PatternSet]
    expected = xrdae.plugins.to_dataset(patterns).xrdae.fit(**vars(CONFIG), progress=False)
    dataset = xrdae.plugins.to_dataset(patterns)
    np.testing.assert_array_equal(
        dataset.xrdae.encode(model).latent, dataset.xrdae.encode(expected).latent
    )
    assert model.label_names() == ["x"]
    workflow[steps.TrainingSet] = patterns["pattern", :12]
    assert workflow.compute(steps.LatentModel).labels["x"].size == 12


def test_synthesis_and_estimates_are_those_of_the_accessor(workflow):
    workflow[steps.SynthesisRequest] = Request(between=(2, 6), n=3)
    workflow[steps.EstimatedLabel] = "x"
    found = workflow.compute(
        (steps.SynthesisResult, steps.EstimateResult, steps.LatentModel, steps.PatternSet)
    )
    dataset, model = xrdae.plugins.to_dataset(found[steps.PatternSet]), found[steps.LatentModel]
    synthesized = dataset.xrdae.synthesize(model, between=(2, 6), n=3).synthesized
    np.testing.assert_array_equal(found[steps.SynthesisResult]["synthesized"].values, synthesized)
    estimate = found[steps.EstimateResult]["x_estimate"]
    expected = dataset.xrdae.estimate(model, "x")
    np.testing.assert_array_equal(estimate.values, expected.x_estimate)
    np.testing.assert_allclose(np.sqrt(estimate.variances), expected.x_std)
    assert estimate.coords["x"].dims == ("pattern",)


@contextlib.contextmanager
def scheduler_of(name):
    if name == "cluster":
        options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
        with dask.distributed.Client(**options, processes=False) as client:
            yield sciline.scheduler.DaskScheduler(client.get)
    elif name == "threads":
        yield sciline.scheduler.DaskScheduler()
    else:
        yield sciline.scheduler.NaiveScheduler()


@pytest.mark.parametrize("name", ["naive", "threads", "cluster"])
def test_every_scheduler_gives_the_same(workflow, model, latents, name):
    workflow[steps.LatentModel] = model
    with scheduler_of(name) as scheduler:
        result = workflow.compute(steps.LatentResult, scheduler=scheduler)
    np.testing.assert_allclose(result["latent"].values, latents, atol=1e-6 * np.ptp(latents))


def test_a_picture_of_the_workflow_names_the_steps(workflow):
    source = workflow.visualize(steps.LatentResult, mode="both", compact=True).source
    for name in ("PatternSet", "TrainingSet", "FitConfig", "LatentModel", "LatentResult"):
        assert name in source
    for provider in ("gather", "train_on_patterns", "fit", "analyze_patterns"):
        assert provider in source


@pytest.fixture(params=[True, False], ids=["events", "histograms"])
def dream(request, series):
    """The workflow of DREAM from corrected events on, which no file holds here.

    Of a detector with eight pixels; the vanadium scatters evenly, but not at all at one end.
    """
    two_theta = sc.linspace("pixel", 80.0, 100.0, 8, unit="deg").to(unit="rad")
    d = position(series)

    def events(run_type, counts, charge):
        """Spread a pattern, as events with weights, over the pixels."""
        weights = np.tile(counts / two_theta.size, two_theta.size)
        table = sc.DataArray(
            sc.array(dims=["event"], values=weights, variances=weights, unit="counts"),
            coords={
                "dspacing": sc.concat([d] * two_theta.size, "dspacing").rename(dspacing="event"),
                "pixel": sc.array(dims=["event"], values=np.repeat(np.arange(8), d.size)),
            },
        )
        data = table.group("pixel").assign_coords(two_theta=two_theta).drop_coords("pixel")
        return types.CorrectedDetector[run_type](data * sc.scalar(charge))

    def sample(number: RunNumber) -> types.CorrectedDetector[types.SampleRun]:
        found = events(types.SampleRun, series.intensity.values[number, ::-1], 1.0 + number)
        return found.assign_coords(x=sc.scalar(series.x.values[number]))

    def charge(number: RunNumber) -> types.AccumulatedProtonCharge[types.SampleRun]:
        return types.AccumulatedProtonCharge[types.SampleRun](sc.scalar(1.0 + number, unit="µAh"))

    workflow = DreamPowderWorkflow(run_norm=RunNormalization.proton_charge)
    workflow.insert(sample)
    workflow.insert(charge)
    vanadium = np.where(np.arange(d.size) < 5, 0, 100.0)
    workflow[types.CorrectedDetector[types.VanadiumRun]] = events(types.VanadiumRun, vanadium, 1.0)
    workflow[types.AccumulatedProtonCharge[types.VanadiumRun]] = sc.scalar(1.0, unit="µAh")
    for run in (types.SampleRun, types.VanadiumRun):
        workflow[types.KeepEvents[run]] = types.KeepEvents[run](request.param)
    workflow[types.UncertaintyBroadcastMode] = types.UncertaintyBroadcastMode.drop
    middle = sc.midpoints(d)
    ends = [d[:1] - 1e-3 * d.unit, middle, d[-1:] + 1e-3 * d.unit]
    workflow[types.DspacingBins] = sc.concat(ends, "dspacing")
    return workflow


def test_the_workflow_of_dream_ends_in_latents(dream, series):
    workflow = map_runs(dream)
    workflow[steps.FitConfig] = CONFIG
    found = workflow.compute((steps.LatentResult, steps.PatternSet))
    patterns, result = found[steps.PatternSet], found[steps.LatentResult]
    # The charges are divided out, the vanadium leaves channels that are not measured.
    np.testing.assert_allclose(
        patterns.values[:, 5:], series.intensity.values[:, ::-1][:, 5:] / 100, rtol=1e-6
    )
    assert patterns.masks["zero_vanadium"].values.sum() == 5
    r = np.corrcoef(result["latent"].values.T, series.x)[-1, :-1]
    assert np.abs(r).max() > 0.9
    np.testing.assert_array_equal(result["latent"].coords["x"].values, series.x)
