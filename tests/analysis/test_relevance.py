import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import DataError
from xrdae.analysis.relevance import find_cover

FILLS = st.sampled_from(["background", "zero", "mean"])
few = settings(max_examples=25, deadline=None)


def masked_and_encoded(model, series, start, stop, fill):
    """Mask the model input by hand, as a user would, and encode it anew."""
    preparation = model.autoencoder.preparation
    inputs = model.model_input(series)
    scaled = inputs.values * preparation.gain + preparation.mean
    axis = preparation.axis.values
    inside = np.flatnonzero((axis >= start) & (axis <= stop))
    if fill == "zero":
        scaled[:, inside] = 0
    elif fill == "mean":
        scaled[:, inside] = preparation.mean[inside]
    else:
        first, last = scaled[:, inside[:1]], scaled[:, inside[-1:]]
        along = np.arange(inside.size) / max(inside.size - 1, 1)
        scaled[:, inside] = first + (last - first) * along
    changed = inputs.copy(data=((scaled - preparation.mean) / preparation.gain).astype("float32"))
    return model.encode(series, inputs=changed)["latent"]


@few
@given(start=st.floats(20, 75), width=st.floats(0.5, 20), fill=FILLS)
def test_the_fast_path_equals_masking_and_encoding_again(series, model, start, width, fill):
    stop = min(start + width, 80)
    fast = model.relevance(series, regions=[[start, stop]], fill=fill)["latent_shift"]
    slow = masked_and_encoded(model, series, start, stop, fill) - model.encode(series)["latent"]
    spread = float(model.encode(series)["latent"].std())
    np.testing.assert_allclose(fast.isel(region=0), slow, atol=1e-5 * spread)


@few
@given(fill=FILLS, count=st.integers(1, 6))
def test_a_region_shifts_by_the_same_whatever_other_regions_are_asked_for(
    series, model, fill, count
):
    bounds = np.linspace(22, 70, 6)[:, None] + [0, 4]
    together = model.relevance(series, regions=bounds, fill=fill)["latent_shift"]
    alone = model.relevance(series, regions=bounds[count - 1 : count], fill=fill)["latent_shift"]
    np.testing.assert_allclose(together.isel(region=count - 1), alone.isel(region=0), atol=1e-6)


def test_relevance_of_a_mask_is_the_norm_of_the_shift(series, model):
    out = model.relevance(series, fill="background")
    np.testing.assert_allclose(
        out["relevance"], np.linalg.norm(out["latent_shift"], axis=-1), rtol=1e-5
    )


def test_the_profile_holds_a_region_s_relevance_inside_it_and_zero_outside(series, model):
    out = model.relevance(series, regions=[[24, 27], [40, 50]])
    profile, axis = out["relevance_profile"], series["two_theta"]
    for i, (start, stop) in enumerate([(24, 27), (40, 50)]):
        inside = profile.sel(two_theta=slice(start, stop))
        np.testing.assert_allclose(
            inside, out["relevance"].isel(region=i).expand_dims(two_theta=inside.two_theta).T
        )
    outside = ((axis < 24) | (axis > 27)) & ((axis < 40) | (axis > 50))
    assert float(np.abs(profile.where(outside, 0)).max()) == 0


def test_channels_in_several_regions_get_their_mean():
    weights = find_cover(np.array([[0, 3], [2, 5]]), 6)
    np.testing.assert_allclose(weights.sum(axis=0), [1, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(weights[:, 2], [0.5, 0.5])


def test_a_moving_peak_is_more_relevant_than_the_background(series, model):
    out = model.relevance(series, regions=[[30, 37], [49, 55]], fill="background")
    mean = out["relevance"].mean("pattern")
    assert float(mean[0]) > 10 * float(mean[1])


def test_regions_come_back_in_the_units_of_the_dataset_s_axis(series, model):
    wavelength = 0.15406  # nm
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values) / 2) / wavelength
    in_q = series.rename(two_theta="q").assign_coords(q=("q", q, {"units": "1/nm"}))
    one = model.relevance(series, regions=[[30.0, 37.0]])
    bounds = 4 * np.pi * np.sin(np.radians([[30.0, 37.0]]) / 2) / wavelength
    other = model.relevance(in_q, regions=bounds)
    assert other["region_start"].attrs["units"] == "1/nm"
    np.testing.assert_allclose(other["region_start"], bounds[:, 0])
    np.testing.assert_allclose(other["region_stop"], bounds[:, 1])
    np.testing.assert_allclose(other["relevance"], one["relevance"], atol=0.02)
    assert other["relevance_profile"].dims == ("pattern", "q")


def test_unmeasured_channels_are_not_masked(series, model):
    gap = series.where((series["two_theta"] < 30) | (series["two_theta"] > 37))
    gap = gap.assign_coords(series.coords)
    out = model.relevance(gap, regions=[[30.5, 36.5], [40, 50]], fill="background")
    assert float(np.abs(out["latent_shift"].isel(region=0)).max()) == 0
    assert float(out["relevance"].isel(region=1).mean()) > 0


@few
@given(start=st.floats(24, 60), fill=FILLS)
def test_with_a_gap_in_a_region_only_what_is_measured_is_masked(series, model, start, fill):
    stop, gap = start + 8, (start + 2, start + 4)
    axis = series["two_theta"]
    data = series.where((axis < gap[0]) | (axis > gap[1])).assign_coords(series.coords)
    filled = model.model_input(data)
    missing = np.isnan(filled.values)
    filled = filled.copy(data=model.autoencoder.basis.fill(filled.values))
    preparation = model.autoencoder.preparation
    scaled = filled.values * preparation.gain + preparation.mean
    inside = np.flatnonzero((axis.values >= start) & (axis.values <= stop))
    ends = scaled[:, inside[:1]], scaled[:, inside[-1:]]
    along = np.arange(inside.size) / (inside.size - 1)
    line = ends[0] + (ends[1] - ends[0]) * along
    new = {"zero": 0.0, "mean": preparation.mean[inside], "background": line}[fill]
    scaled[:, inside] = np.where(missing[:, inside], scaled[:, inside], new)
    masked = ((scaled - preparation.mean) / preparation.gain).astype("float32")
    expected = model.encode(data, inputs=filled.copy(data=masked))["latent"]
    expected = expected - model.encode(data)["latent"]
    fast = model.relevance(data, regions=[[start, stop]], fill=fill)["latent_shift"]
    np.testing.assert_allclose(fast.isel(region=0), expected, atol=2e-5)


@pytest.mark.parametrize("method", ["numpy", "dask"])
def test_sliding_windows_cover_the_axis(series, model, method):
    data = series.chunk(pattern=5) if method == "dask" else series
    out = model.relevance(data, regions=4.0, fill="background")
    assert float(out["region_start"].min()) == 20
    assert float(out["region_stop"].max()) == 80
    np.testing.assert_allclose(np.diff(out["region_start"]), 2)
    assert bool((out["relevance_profile"] > 0).all())
    whole = model.relevance(series, regions=4.0, fill="background")
    xr.testing.assert_allclose(out.compute(), whole, rtol=1e-3, atol=1e-4)


def test_a_label_s_estimate_moves_as_far_as_the_estimate_of_the_masked_pattern(series, model):
    bounds = [[31.0, 36.0]]
    out = series.xrdae.relevance(model, regions=bounds, fill="background", label="x")
    shifted = masked_and_encoded(model, series, 31.0, 36.0, "background")
    reference = series.xrdae.encode(model)["latent"]
    from xrdae.analysis.estimate import find_estimator

    predict = find_estimator(
        model.labels["latent"].values, model.labels["x"].values, name="x"
    ).predict
    expected = predict(shifted.values)[:, 0] - predict(reference.values)[:, 0]
    np.testing.assert_allclose(out["x_shift"].isel(region=0), expected, atol=1e-3)
    with pytest.raises(DataError, match="no numeric label 'y'"):
        series.xrdae.relevance(model, label="y")
