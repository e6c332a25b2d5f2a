import numpy as np
import pytest
import xarray as xr

from xrdae.analysis.synthesis_methods import find_surrounding
from xrdae.autoencoder.fitted import METHODS

SMALL = {"steps": 300, "members": 4, "hidden": (32, 32), "progress": False}


def heating_run(step: float, *, n: int = 41, seed: int = 0) -> xr.Dataset:
    """Sharp peaks that move by `step` times their width from pattern to pattern, with noise."""
    two_theta = np.linspace(10, 30, 1000)
    t = np.arange(n)[:, None]
    width = 0.12  # full width at half maximum, six channels
    lines = np.array([11.0, 13.0, 16.5, 19.0, 22.0]) + step * width * t * np.linspace(0.6, 1, 5)
    height = np.array([1.0, 0.3, 0.7, 0.5, 0.9]) * (1 - 0.005 * t)
    shape = np.exp(-4 * np.log(2) * ((two_theta - lines[..., None]) / width) ** 2)
    expected = 5000 * (height[..., None] * shape).sum(axis=1) + 100
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), counts, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "temperature": ("pattern", 300.0 + 10 * t[:, 0], {"units": "K"}),
        },
    )


def against_blending(series: xr.Dataset) -> tuple[float, dict[str, float]]:
    """Return the error of every second pattern, synthesized, over that of blending."""
    known = series.isel(pattern=slice(None, None, 2))
    model = known.xrdae.fit(**SMALL)
    truth = series["intensity"].values[1::2]
    ends = known["intensity"].values
    found = [
        known.xrdae.synthesize(model, between=(i, i + 1), n=1)["synthesized"].values[0]
        for i in range(len(truth))
    ]
    blended = (ends[:-1] + ends[1:]) / 2
    error = np.linalg.norm(found - truth, axis=1).mean()
    weights = dict(zip(METHODS, model.mixture.weights, strict=True))
    return error / np.linalg.norm(blended - truth, axis=1).mean(), weights


def test_where_peaks_move_by_their_width_synthesis_is_far_better_than_blending():
    ratio, weights = against_blending(heating_run(0.6))
    assert ratio < 0.3
    assert weights["aligned"] + weights["denoised"] > 0.7


def test_synthesis_of_fixed_peaks_is_no_worse_than_blending():
    ratio, _ = against_blending(heating_run(0.0))
    assert ratio < 1.01


def test_two_phases_that_replace_each_other_are_blended_or_better():
    first, second = (heating_run(0.0, seed=s)["intensity"].values for s in (0, 1))
    second = np.roll(second, 37, axis=1)
    part = np.linspace(0, 1, len(first))[:, None]
    series = heating_run(0.0)
    series["intensity"] = series["intensity"].copy(data=(1 - part) * first + part * second)
    ratio, _ = against_blending(series)
    assert ratio < 1.02


def test_a_sudden_change_between_neighbours_is_blended():
    series = heating_run(0.05, n=24)
    late = series["intensity"].values[12:]
    series["intensity"][12:] = np.roll(late, 300, axis=1)  # another phase, at once
    model = series.xrdae.fit(**SMALL)
    out = series.xrdae.synthesize(model, between=(11, 12), n=1)
    ends = series["intensity"].values[[11, 12]]
    np.testing.assert_allclose(out["synthesized"][0], ends.mean(axis=0), rtol=1e-4, atol=1e-2)


def test_the_uncertainty_is_that_of_patterns_which_training_has_not_seen():
    series = heating_run(0.3, n=61)
    known = series.isel(pattern=slice(None, None, 2))
    model = known.xrdae.fit(**SMALL)
    inside = []
    for i in range(10, 20):
        out = known.xrdae.synthesize(model, between=(i, i + 1), n=1)
        left = out["synthesized"].values[0] - series["intensity"].values[2 * i + 1]
        inside.append(np.abs(left) < 2 * out["synthesized_std"].values[0])
    assert np.mean(inside) > 0.9


def test_the_mixture_is_the_same_for_a_model_from_a_file(series, model, tmp_path):
    import xrdae

    model.save(tmp_path / "model.nc")
    again = xrdae.load_model(tmp_path / "model.nc").mixture
    np.testing.assert_array_equal(again.weights, model.mixture.weights)
    np.testing.assert_array_equal(again.error, model.mixture.error)
    assert again.weights.sum() == pytest.approx(1)
    assert (again.weights >= 0).all()
    assert (again.error >= 0).all()
    assert (again.error > 0).any()


def test_surrounding_patterns_have_the_point_as_their_mean_without_extrapolation():
    rng = np.random.default_rng(0)
    latents = rng.uniform(-1, 1, (300, 2))
    inside = rng.uniform(-0.6, 0.6, (50, 2))
    which, weights = find_surrounding(latents, inside)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    mean = np.einsum("pe,pel->pl", weights, latents[which])
    assert np.linalg.norm(mean - inside, axis=1).max() < 0.1
    which, weights = find_surrounding(latents, np.array([[5.0, 5.0]]))
    assert (np.abs(np.einsum("pe,pel->pl", weights, latents[which])) <= 1).all()


def test_few_patterns_can_still_be_synthesized_between(series):
    few = series.isel(pattern=slice(0, 3))
    model = few.xrdae.fit(steps=20, members=2, progress=False)
    out = few.xrdae.synthesize(model, between=(0, 2), n=3)
    assert np.isfinite(out["synthesized"]).all()
    assert np.isfinite(out["synthesized_std"]).all()
