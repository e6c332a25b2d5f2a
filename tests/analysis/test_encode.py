import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def encoder(series, model):
    return model._kernels.find_encoder(model.patterns(series), None)


def plainly(model, intensity):
    """Latents and relative error as they are defined, in float64, step after step."""
    auto = model.autoencoder
    scaled = intensity / intensity.max(axis=1, keepdims=True)
    inputs = (scaled - auto.preparation.mean) / auto.preparation.gain
    components = auto.basis.components.astype(np.float64)
    members = auto.encode_coefficients(inputs @ components.T)
    decoded = auto.decode_coefficients(members.mean(axis=0)).mean(axis=0) @ components
    left = auto.preparation.gain * (inputs - decoded)
    error = np.linalg.norm(left, axis=1) / np.linalg.norm(scaled, axis=1)
    return members.mean(axis=0), members.std(axis=0), error


def test_combined_stages_give_the_results_of_separate_stages(series, model, encoder):
    latent, std, error, _ = encoder(series["intensity"].values)
    expected = plainly(model, series["intensity"].values)
    np.testing.assert_allclose(latent, expected[0], atol=2e-6)
    np.testing.assert_allclose(std, expected[1], atol=2e-6)
    np.testing.assert_allclose(error, expected[2], atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 8, 21])
def test_a_pattern_s_result_does_not_depend_on_how_many_come_along(series, encoder, count):
    whole = encoder(series["intensity"].values)
    some = encoder(series["intensity"].values[:count])
    for one, other in zip(some, whole, strict=True):
        np.testing.assert_allclose(one, other[:count], rtol=0, atol=3e-7)


def test_the_patterns_are_not_written_to(series, encoder):
    rows = np.array(series["intensity"].values, dtype=np.float32)
    rows[3, 10:20] = np.nan
    before = rows.copy()
    rows.flags.writeable = False
    found = encoder(rows)
    np.testing.assert_array_equal(rows, before)
    assert np.isfinite(found[0]).all()


def test_gaps_and_extreme_scales_in_one_pattern_leave_the_others_alone(series, encoder):
    whole = encoder(series["intensity"].values)
    odd = series["intensity"].values.copy()
    odd[2, 50:60], odd[5], odd[7] = np.nan, np.nan, -1.0
    odd[9] *= 1e30
    odd[11] *= 1e-30
    found = encoder(odd)
    plain = np.setdiff1d(np.arange(len(odd)), [2, 5, 7, 9, 11])
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one[plain], other[plain], rtol=1e-5, atol=1e-6)
        assert np.isfinite(one[2]).all()
        assert np.isnan(one[[5, 7]]).all()
        np.testing.assert_allclose(one[[9, 11]], other[[9, 11]], rtol=1e-3, atol=1e-4)


def test_encoding_needs_little_memory_beside_the_data():
    code = """
import resource, numpy as np, xarray as xr, xrdae
rng = np.random.default_rng(0)
axis = {"two_theta": ("two_theta", np.linspace(20, 80, 2000), {"units": "degree"})}
def patterns(n):
    data = rng.random((n, 2000), dtype=np.float32)
    return xr.Dataset({"intensity": (("pattern", "two_theta"), data)}, coords=axis)
model = patterns(100).xrdae.fit(steps=5, progress=False)
some = patterns(60_000)
patterns(5000).xrdae.encode(model)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
some.xrdae.encode(model)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(grown / some["intensity"].nbytes)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "2"},  # each thread has its own scratch memory
    )
    assert float(done.stdout) < 0.2


@pytest.mark.parametrize("method", ["encode", "relevance", "reconstruct"])
def test_the_dimensions_of_model_input_may_come_in_any_order(series, model, method):
    inputs = model.model_input(series)
    one, other = (
        getattr(model, method)(series, inputs=i)
        for i in (inputs, inputs.transpose("channel", "pattern"))
    )
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name], other[name])
