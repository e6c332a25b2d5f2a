import numpy as np
import pytest
import xarray as xr

from xrdae import DataError
from xrdae.analysis.estimate import find_estimator


@pytest.fixture(scope="module")
def half(series):
    even = series.isel(pattern=slice(None, None, 2))
    return even.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)


def test_a_label_is_read_off_patterns_that_training_did_not_see(series, half):
    odd = series.isel(pattern=slice(1, None, 2))
    out = odd.drop_vars("x").xrdae.estimate(half, "x")
    error = (out["x_estimate"] - odd["x"].values) ** 2
    assert float(error.mean()) < 0.02 * float(odd["x"].var())
    assert (out["x_std"] > 0).all()
    assert out["x_estimate"].attrs["units"] == "1"
    assert out["x_estimate"].attrs["long_name"] == "content (estimate)"


def test_a_reference_lends_its_labels_where_it_has_them(series, half):
    reference = series.assign_coords(t=("pattern", 300 + 100 * series["x"].values, {"units": "K"}))
    reference["t"][::3] = np.nan
    out = series.xrdae.estimate(half, "t", reference=reference)
    np.testing.assert_allclose(out["t_estimate"], 300 + 100 * series["x"], atol=10)
    assert out["t_std"].attrs["units"] == "K"


def test_a_pattern_far_from_the_reference_is_less_certain(series, half):
    reference = series.isel(pattern=slice(0, 12))
    out = series.xrdae.estimate(half, "x", reference=reference)
    assert float(out["x_std"][23]) > 2 * float(out["x_std"][6])


def test_lazy_data_give_lazy_estimates(series, half):
    lazy = series.chunk(pattern=5).xrdae.estimate(half, "x")
    assert lazy["x_estimate"].chunks is not None
    expected = series.xrdae.estimate(half, "x")
    xr.testing.assert_allclose(lazy["x_estimate"].compute(), expected["x_estimate"], atol=1e-4)


def test_labels_that_are_not_there_or_not_numbers_are_named(series, half):
    with pytest.raises(DataError, match=r"no numeric label 'ti'; they have \['x'\]"):
        series.xrdae.estimate(half, "ti")
    named = series.assign_coords(phase=("pattern", ["a"] * 24))
    with pytest.raises(DataError, match=r"no numeric label 'phase'.*it has \['x'\]"):
        series.xrdae.estimate(half, "phase", reference=named)
    few = series.assign_coords(t=("pattern", [1.0, 2.0, *[np.nan] * 22]))
    with pytest.raises(DataError, match="only 2 reference patterns have 't'"):
        series.xrdae.estimate(half, "t", reference=few)


def test_a_gaussian_process_is_near_known_labels_and_uncertain_elsewhere():
    latents = np.linspace(0, 1, 30)[:, None]
    predict = find_estimator(latents, np.sin(4 * latents[:, 0]), name="x").predict
    near, far = predict(np.array([[0.505], [5.0]]))
    assert near[0] == pytest.approx(np.sin(4 * 0.505), abs=0.01)
    assert far[1] > 10 * near[1]
    assert np.isnan(predict(np.array([[np.nan]]))).all()


def test_of_many_patterns_some_are_enough():
    latents = np.linspace(0, 1, 3000)[:, None]
    predict = find_estimator(latents, latents[:, 0] ** 2, name="x").predict
    assert predict(np.array([[0.5]]))[0, 0] == pytest.approx(0.25, abs=0.01)


def test_the_figures_of_block_cross_validation_come_with_the_estimate(series, half):
    attrs = series.xrdae.estimate(half, "x")["x_estimate"].attrs
    assert 0.9 < attrs["cross_validation_r2"] <= 1
    assert 0 < attrs["cross_validation_mae"] < 0.1
    assert attrs["cross_validation_std_factor"] > 0
    assert "blocks" in attrs["cross_validation"]


def test_two_thirds_of_the_labels_in_held_out_blocks_lie_within_one_standard_deviation():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(6):
        latents = rng.uniform(-2, 2, (150, 2))
        clean = np.sin(2 * latents[:, 0]) + latents[:, 1]
        labels = clean + rng.standard_t(3, 150) * 0.1
        predict = find_estimator(latents[:120], labels[:120], name="x").predict
        mean, std = predict(latents[120:]).T
        inside.append(np.abs(mean - labels[120:]) < std)
    assert 0.61 < np.mean(inside) < 0.75
