"""For any dataset by the convention every step has finite results, or says what to mend."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings

import xrdae
from xrdae.convention.patterns import find_patterns
from xrdae.testing import datasets

FAST = {"steps": 3, "members": 2, "hidden": (4,), "rank": 6, "progress": False}
ON_PURPOSE = (
    ".*(patterns have no positive finite intensity|lie outside the training data"
    "|intensities are infinite|clusters are not stable"
    "|the patterns are not ordered along|is taken for two_theta"
    "|no peak is steady for certain)"
)
law = settings(
    max_examples=int(os.environ.get("XRDAE_EXAMPLES", "15")),  # more by hand: 1000
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@contextlib.contextmanager
def lawful(dataset):
    """Nothing that is done in here changes the dataset or warns but on purpose."""
    before, chunks = dataset.copy(deep=True), dataset.chunks
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ON_PURPOSE, UserWarning)
        yield
    xr.testing.assert_identical(dataset, before)
    assert dataset.chunks == chunks
    assert {n: v.dtype for n, v in dataset.variables.items()} == {
        n: v.dtype for n, v in before.variables.items()
    }


@contextlib.contextmanager
def refused(words):
    """A refusal is allowed in here if its message says one of the words."""
    try:
        yield
    except xrdae.DataError as error:
        if not re.search(words, str(error)):
            raise


def fitted(dataset):
    """A model of the dataset, or None where it is refused with a message that says what to do."""
    model = None
    with refused("at least|leave it out"):
        model = dataset.xrdae.fit(**FAST)
    if model is None:
        return None
    assert np.isfinite(model.labels["latent"]).all()
    assert np.isfinite(model.history["loss"]).all()
    return model


def usable(dataset):
    """Which patterns have a positive intensity, along the sample dimensions."""
    intensity = find_patterns(dataset).intensity.astype(float)
    dim = intensity.dims[-1]
    return ((intensity > 0) & np.isfinite(intensity)).any(dim).compute()


def measured(dataset):
    """Which channels were measured in any pattern that can be used, in the dataset's order."""
    intensity = find_patterns(dataset).intensity.astype(float)  # with an increasing axis
    known = (np.isfinite(intensity) & usable(dataset)).any(intensity.dims[:-1])
    axis = dataset[intensity.dims[-1]]
    return axis.copy(data=known.values[np.argsort(np.argsort(axis.values))])


def assert_finite(result, dataset):
    """All that a step added is finite, but for patterns without intensity."""
    added = [n for n in result.data_vars if n not in dataset.data_vars]
    assert added
    fine = usable(dataset)
    for name in added:
        values = result[name].where(fine, 0.0)
        assert np.isfinite(values).all(), name


@law
@given(datasets())
def test_every_step_is_finite_or_the_error_tells_what_to_do(dataset):
    with lawful(dataset):
        model = fitted(dataset)
        if model is None:
            return
        encoded = dataset.xrdae.encode(model)
        assert_finite(encoded, dataset)
        assert (encoded["latent_std"].where(usable(dataset), 0) >= 0).all()
        reconstructed = dataset.xrdae.reconstruct(model)
        assert_finite(reconstructed.where(measured(dataset), 0.0), dataset)
        assert_finite(dataset.xrdae.relevance(model), dataset)


@law
@given(datasets())
def test_synthesis_is_finite_and_negative_only_if_the_data_are(dataset):
    with lawful(dataset):
        model = fitted(dataset)
        if model is None:
            return
        first, last = ({str(d): i for d in usable(dataset).dims} for i in (0, -1))
        with refused("pattern"):
            out = dataset.xrdae.synthesize(model, between=(first, last), n=2, endpoints=True)
            for name in ("synthesized", "synthesized_std"):
                found = out[name].values  # (synthetic, channel)
                known = np.broadcast_to(measured(dataset), found.shape)
                np.testing.assert_array_equal(np.isfinite(found), known, name)
                signed = bool((find_patterns(dataset).intensity < 0).any())
                if name == "synthesized_std" or not signed:
                    assert (found[known] >= 0).all(), name


@law
@given(datasets())
def test_estimates_are_finite_or_the_error_tells_what_to_do(dataset):
    with lawful(dataset):
        model = fitted(dataset)
        if model is None:
            return
        with refused("temperature"):
            assert_finite(dataset.xrdae.estimate(model, "temperature"), dataset)


@law
@given(datasets())
def test_clusters_are_finite_or_the_error_tells_what_to_do(dataset):
    with lawful(dataset), pytest.MonkeyPatch.context() as patch:
        patch.setattr("xrdae.analysis.cluster_kernel.FEWEST", 4)
        patch.setattr("xrdae.analysis.cluster_number.HALVES", 2)
        model = fitted(dataset)
        if model is None:
            return
        with refused("patterns have latents|are equal"):
            out = dataset.xrdae.cluster(model)
            fine = usable(dataset)
            assert (out["cluster"].where(fine, 0) >= -1).all()
            assert np.isfinite(out["cluster_margin"].where(fine, 0)).all()
            probability = out["cluster_probability"].sum("cluster_axis")
            np.testing.assert_allclose(probability.where(fine, 1), 1, atol=1e-5)


@law
@given(datasets())
def test_lazy_data_give_what_data_in_memory_give(dataset):
    with lawful(dataset):
        model = fitted(dataset)
        if model is None:
            return
        eager, lazy = dataset.compute(), dataset.chunk()
        for method in ("encode", "reconstruct"):
            one, other = (getattr(d.xrdae, method)(model) for d in (eager, lazy))
            # Where the basis holds these few patterns whole, novelty is rounding over rounding.
            for name in set(one.data_vars) - set(dataset.data_vars) - {"novelty"}:
                np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-5)


@law
@given(datasets(lazy=False))
def test_a_saved_model_comes_back_and_encodes_to_the_bit(dataset):
    with lawful(dataset), tempfile.TemporaryDirectory() as folder:
        model = fitted(dataset)
        if model is None:
            return
        model.save(Path(folder, "model.nc"))
        loaded = xrdae.load_model(Path(folder, "model.nc"))
        xr.testing.assert_identical(dataset.xrdae.encode(loaded), dataset.xrdae.encode(model))


@law
@given(datasets())
def test_results_can_be_written_wherever_their_data_can_be(dataset):
    with lawful(dataset), tempfile.TemporaryDirectory() as folder:
        model = fitted(dataset)
        if model is None:
            return
        out = dataset.xrdae.encode(model).xrdae.relevance(model)
        for write, read, name in (
            (xr.Dataset.to_netcdf, xr.open_dataset, "a.nc"),
            (xr.Dataset.to_zarr, xr.open_zarr, "a.zarr"),
        ):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    write(dataset, Path(folder, f"data_{name}"))
            except Exception:
                continue  # xarray's own limits: a MultiIndex, an attribute
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                write(out, Path(folder, name))
                with read(Path(folder, name)) as back:
                    for variable in ("latent", "novelty", "relevance"):
                        np.testing.assert_array_equal(back[variable], out[variable])


@settings(law, max_examples=max(1, law.max_examples // 5))
@given(datasets(max_patterns=8, max_points=30, lazy=False))
def test_a_report_succeeds_or_the_error_tells_what_to_do(dataset):
    pytest.importorskip("bokeh")
    with lawful(dataset):
        model = fitted(dataset)
        if model is not None:
            with contextlib.suppress(xrdae.DataError):
                assert dataset.xrdae.report(model, progress=False)
