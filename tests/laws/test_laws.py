"""The laws of the design: what holds for every dataset and every model."""

from __future__ import annotations

import warnings

import dask
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xrdae

CHUNKS = [{"pattern": 5}, {"two_theta": 37}, {"pattern": 7, "two_theta": 64}]
law = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _must_not_compute(*args, **kwargs):
    raise AssertionError("something was computed")


def _assert_same(one, other, atol=1e-5):
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        xr.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=atol)


@pytest.fixture(scope="module")
def half(series):
    """A model that has seen every other pattern, and the patterns that it has not seen."""
    return series[{"pattern": slice(0, None, 2)}].xrdae.fit(), series[
        {"pattern": slice(1, None, 2)}
    ]


# ---------------------------------------------------------------- numpy and dask


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("method", ["encode", "relevance", "reconstruct"])
def test_chunked_data_give_what_data_in_memory_give(series, model, chunks, method):
    lazy = getattr(series.chunk(chunks).xrdae, method)(model)
    eager = getattr(series.xrdae, method)(model)
    _assert_same(lazy.compute(), eager, atol=1e-4)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_nothing_is_computed_before_it_is_asked_for(series, model, chunks):
    chunked = series.chunk(chunks)
    with dask.config.set(scheduler=_must_not_compute):
        results = [
            chunked.xrdae.encode(model),
            chunked.xrdae.reconstruct(model),
            chunked.xrdae.relevance(model),
            chunked.xrdae.estimate(model, "x"),
            model.model_input(chunked).to_dataset(name="inputs"),
        ]
    for result in results:
        added = set(result.data_vars) - set(series.data_vars)
        assert added
        for name in added:
            of_model = result[name].dims == ("region",)  # of the patterns that the model keeps
            assert (result[name].chunks is None) == of_model, name
        for name in set(series.data_vars) & set(result.data_vars):
            assert result[name].chunks is not None, name


def test_synthesis_computes_only_the_two_patterns_it_starts_from(series, model):
    computed = []

    def block(array, block_info=None):
        if array.size:
            computed.append(block_info[None]["chunk-location"][0])
        return array

    values = series["intensity"].chunk(pattern=1)
    counted = values.copy(
        data=values.data.map_blocks(block, dtype=values.dtype, meta=np.empty((0, 0)))
    )
    with dask.config.set(scheduler="synchronous"):
        series.assign(intensity=counted).xrdae.synthesize(model, between=(3, 8), n=1)
    assert set(computed) == {3, 8}


def test_a_fit_on_chunked_data_gives_the_same_model(series):
    few = {"steps": 20, "members": 2}
    eager = series.xrdae.fit(**few)
    lazy = series.chunk(pattern=5, two_theta=50).xrdae.fit(**few)
    np.testing.assert_array_equal(eager.labels["latent"], lazy.labels["latent"])


# ---------------------------------------------------------------- order and company


def test_the_order_of_dimensions_does_not_matter(series, model):
    turned = series.transpose("two_theta", "pattern").xrdae.encode(model)
    _assert_same(turned.transpose("pattern", ...), series.xrdae.encode(model))


@law
@given(order=st.permutations(range(24)), count=st.integers(1, 24))
def test_the_order_and_the_number_of_patterns_do_not_matter(series, model, order, count):
    some = order[:count]
    encoded = series.isel(pattern=some).xrdae.encode(model)
    _assert_same(encoded, series.xrdae.encode(model).isel(pattern=some))


def test_the_order_of_training_patterns_does_not_change_basis_and_preparation(series, model):
    backwards = series.isel(pattern=slice(None, None, -1)).xrdae.fit(steps=1)
    one, other = backwards.autoencoder, model.autoencoder
    np.testing.assert_allclose(one.preparation.mean, other.preparation.mean, rtol=1e-5)
    np.testing.assert_allclose(one.preparation.gain, other.preparation.gain, rtol=1e-6)
    np.testing.assert_allclose(one.basis.variance, other.basis.variance, rtol=1e-4)


def test_extra_coordinates_and_variables_do_not_matter(series, model):
    n, p = series.sizes["pattern"], series.sizes["two_theta"]
    crowded = series.assign_coords(
        name=("pattern", [f"sample {i}" for i in range(n)]),
        time=("pattern", np.datetime64("2024-01-01", "ns") + np.arange(n)),
        weight=(("pattern", "two_theta"), np.ones((n, p))),
        run=7,
    ).assign(
        monitor=("pattern", np.arange(n)),
        intensity_errors=series["intensity"] ** 0.5,
        spectrum=("energy", np.ones(3)),
    )
    encoded = crowded.xrdae.encode(model)
    expected = series.xrdae.encode(model)
    for name in ("latent", "latent_std", "reconstruction_error", "novelty"):
        np.testing.assert_array_equal(encoded[name], expected[name])


# ---------------------------------------------------------------- seeds and files


def test_the_same_seed_gives_the_same_model_to_the_bit(series):
    one, other = (series.xrdae.fit(seed=3, steps=60, members=3) for _ in range(2))
    pairs = zip(
        one.autoencoder.ensemble.parameters(), other.autoencoder.ensemble.parameters(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)
    xr.testing.assert_identical(one.labels, other.labels)
    xr.testing.assert_identical(one.history, other.history)


def test_another_seed_gives_another_model_with_nearly_the_same_map(series, model):
    other = series.xrdae.fit(seed=model.config.seed + 1)
    difference = np.abs(other.labels["latent"] - model.labels["latent"]).values
    assert difference.max() > 1e-4
    assert np.sqrt((difference**2).mean()) < 0.3  # of the latents' spread, which is one


def test_a_saved_and_loaded_model_encodes_to_the_bit(series, model, tmp_path):
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    xr.testing.assert_identical(series.xrdae.encode(loaded), series.xrdae.encode(model))


# ---------------------------------------------------------------- synthesis


@law
@given(
    ends=st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda e: e[0] != e[1]),
    n=st.integers(1, 4),
    offset=st.sampled_from([0.0, 30.0]),
)
def test_synthesis_at_a_measured_end_returns_the_measured_pattern(series, model, ends, n, offset):
    # A background subtracted too far leaves negative intensities; those come back as zero.
    lowered = series.assign(intensity=series["intensity"] - offset)
    out = lowered.xrdae.synthesize(model, between=ends, n=n, endpoints=True)
    for position, end in zip((0, -1), ends, strict=True):
        measured = np.maximum(lowered["intensity"].values[end], 0)
        found = out.isel(synthetic=position)
        np.testing.assert_allclose(found["synthesized"], measured, atol=1e-4 * measured.max())
        assert float(found["synthesized_x"]) == pytest.approx(float(series["x"][end]))


@law
@given(
    latent=st.lists(
        st.tuples(*[st.floats(-5, 5, allow_nan=False, width=32)] * 2), min_size=1, max_size=4
    )
)
def test_synthesized_intensities_are_never_negative(series, model, latent):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # such points lie far outside
        out = series.xrdae.synthesize(model, latent=latent)
    assert (out["synthesized"] >= 0).all()
    assert (out["synthesized_std"] >= 0).all()
    assert (model.decode(latent) >= 0).all()


@law
@given(ends=st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda e: e[0] != e[1]))
def test_patterns_between_measured_ones_are_never_negative(series, model, ends):
    lowered = series.assign(intensity=series["intensity"] - 30)
    out = lowered.xrdae.synthesize(model, between=ends, n=5)
    assert np.isfinite(out["synthesized"]).all()
    assert (out["synthesized"] >= 0).all()


def test_encoding_a_decoded_latent_gives_that_latent_on_the_support_of_the_data(model):
    measured = model.labels["latent"].values.astype(float)
    between = (measured[:-1] + measured[1:]) / 2  # the series is ordered: neighbours in x
    for points in (measured, between):
        decoded = model.decode(points).to_dataset(name="intensity")
        back = model.encode(decoded)["latent"].values
        distance = np.linalg.norm(back - points, axis=1)
        assert np.sqrt((distance**2).mean()) < 0.1  # of the latents' spread, which is one
        assert distance.max() < 0.25


# ---------------------------------------------------------------- scale


@law
@given(exponent=st.floats(-6, 6), pattern=st.integers(0, 23))
def test_multiplying_a_pattern_by_a_constant_does_not_move_it(series, model, exponent, pattern):
    factor = xr.ones_like(series["x"])
    factor[pattern] = 10.0**exponent
    scaled = series.assign(intensity=series["intensity"] * factor).xrdae.encode(model)
    expected = series.xrdae.encode(model)
    for name in ("latent", "latent_std", "reconstruction_error", "novelty"):
        np.testing.assert_allclose(scaled[name], expected[name], rtol=1e-4, atol=1e-5)


@law
@given(exponent=st.floats(-6, 6))
def test_a_reconstruction_has_the_scale_of_its_pattern(series, model, exponent):
    factor = 10.0**exponent
    scaled = series.assign(intensity=series["intensity"] * factor).xrdae.reconstruct(model)
    expected = series.xrdae.reconstruct(model)["reconstruction"] * factor
    np.testing.assert_allclose(
        scaled["reconstruction"], expected, rtol=1e-3, atol=1e-5 * float(expected.max())
    )


def test_the_area_scale_is_free_of_constants_too(series):
    by_area = series.xrdae.fit(scale="area", steps=30, members=2)
    louder = series.assign(intensity=series["intensity"] * 1e5)
    np.testing.assert_allclose(
        louder.xrdae.encode(by_area)["latent"], series.xrdae.encode(by_area)["latent"], atol=1e-5
    )


def test_a_scale_of_the_whole_training_set_does_not_change_the_map(series):
    few = {"steps": 40, "members": 2}
    one = series.xrdae.fit(**few)
    other = series.assign(intensity=series["intensity"] * 1024).xrdae.fit(**few)
    np.testing.assert_allclose(one.labels["latent"], other.labels["latent"], atol=1e-4)


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    "method",
    [
        lambda ds, model: ds.xrdae.encode(model),
        lambda ds, model: ds.xrdae.reconstruct(model),
        lambda ds, model: ds.xrdae.relevance(model),
        lambda ds, model: ds.xrdae.synthesize(model, between=(0, 5)),
        lambda ds, model: ds.xrdae.estimate(model, "x"),
        lambda ds, model: xrdae.analyze(ds, model),
    ],
    ids=["encode", "reconstruct", "relevance", "synthesize", "estimate", "analyze"],
)
def test_the_data_of_the_host_come_back_with_every_attribute(series, model, method):
    hosted = series.copy(deep=True).assign_attrs(operator="somebody", scan=12)
    hosted["intensity"].attrs["detector"] = "flat panel"
    for name in hosted.coords:
        hosted[name].attrs["note"] = f"about {name}"
    hosted = hosted.assign_coords(
        sample=("pattern", [f"s{i}" for i in range(hosted.sizes["pattern"])], {"note": "names"})
    ).assign(monitor=("pattern", np.arange(hosted.sizes["pattern"]), {"note": "counts"}))
    out = method(hosted, model)
    kept = out.drop_vars(set(out.variables) - set(hosted.variables))
    kept.attrs = hosted.attrs
    xr.testing.assert_identical(kept, hosted)
    assert hosted.attrs.items() <= out.attrs.items()
    assert all(isinstance(v, str | int | float) for v in out.attrs.values())


# ---------------------------------------------------------------- what was not measured


@law
@given(
    pattern=st.integers(0, 11),
    gaps=st.lists(st.integers(0, 199), min_size=1, max_size=6, unique=True),
)
def test_channels_that_are_not_measured_neither_poison_nor_raise(half, pattern, gaps):
    model, unseen = half
    broken = unseen.copy(deep=True)
    broken["intensity"][pattern, gaps] = np.nan
    expected, found = unseen.xrdae.encode(model), broken.xrdae.encode(model)
    for name in ("latent", "latent_std", "reconstruction_error", "novelty"):
        assert np.isfinite(found[name]).all(), name
    moved = np.linalg.norm((found["latent"] - expected["latent"]).values, axis=1)
    assert moved[pattern] < 0.5  # of the latents' spread: up to 6 of 200 channels are gone
    np.testing.assert_allclose(np.delete(moved, pattern), 0, atol=1e-5)
    for result in (broken.xrdae.reconstruct(model), broken.xrdae.relevance(model)):
        added = set(result.data_vars) - set(unseen.data_vars)
        assert all(np.isfinite(result[name]).all() for name in added)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_marks_of_points_that_were_not_measured_are_announced(series, model, dtype):
    marked = series.copy(deep=True)
    marked["intensity"] = marked["intensity"].astype(dtype)
    marked["intensity"][4, 60] = -9999
    with pytest.warns(UserWarning, match="lowest intensity is -9999"):
        marked.xrdae.encode(model)
    with pytest.warns(UserWarning, match="lowest intensity is -9999"):
        marked.xrdae.fit(steps=5, members=1, progress=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:4 intensities are infinite")
def test_whatever_is_not_finite_counts_as_not_measured(series, model, value):
    broken, missing = (series.copy(deep=True) for _ in range(2))
    broken["intensity"][4, 60:64] = value
    missing["intensity"][4, 60:64] = np.nan
    np.testing.assert_array_equal(
        broken.xrdae.encode(model)["latent"], missing.xrdae.encode(model)["latent"]
    )


@pytest.mark.parametrize("method", ["encode", "reconstruct", "relevance"])
def test_infinite_intensities_are_announced(series, model, method):
    broken = series.copy(deep=True)
    broken["intensity"][4, 60:64] = np.inf
    with pytest.warns(UserWarning, match="4 intensities are infinite"):
        getattr(broken.xrdae, method)(model)
    with pytest.warns(UserWarning, match="4 intensities are infinite"):
        broken.xrdae.fit(steps=5, members=1, progress=False)


def test_a_mask_counts_as_not_measured(series, model):
    mask = xr.zeros_like(series["intensity"], dtype=bool)
    mask[4, 60:64] = True
    missing = series.assign(intensity=series["intensity"].where(~mask))
    np.testing.assert_array_equal(
        series.assign(mask=mask).xrdae.encode(model)["latent"],
        missing.xrdae.encode(model)["latent"],
    )


def test_a_pattern_without_any_measured_channel_is_nan_and_leaves_the_others_alone(series, model):
    broken = series.copy(deep=True)
    broken["intensity"][7] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 24 patterns.*'pattern': 7.*NaN"):
        found = broken.xrdae.encode(model)
    assert np.isnan(found["latent"][7]).all()
    assert np.isnan(found["novelty"][7])
    others = [i for i in range(24) if i != 7]
    _assert_same(found.isel(pattern=others), series.xrdae.encode(model).isel(pattern=others))


def test_a_fit_to_patterns_with_gaps_is_finite_and_agrees_with_one_without(series):
    broken = series.copy(deep=True)
    broken["intensity"][3, 20:26] = np.nan
    few = {"steps": 200, "members": 3}
    whole, gappy = series.xrdae.fit(**few), broken.xrdae.fit(**few)
    found = series.xrdae.encode(gappy)["latent"]
    assert np.isfinite(found).all()
    difference = (found - series.xrdae.encode(whole)["latent"]).values
    assert np.sqrt((difference**2).mean()) < 0.2


@pytest.fixture(scope="module")
def blind(series):
    """A model whose training patterns were measured neither at five channels nor at the end."""
    gaps = xr.zeros_like(series["two_theta"], dtype=bool)
    gaps[60:65], gaps[-3:] = True, True
    return gaps, series.assign(mask=gaps).xrdae.fit(steps=200, members=3)


def test_where_no_training_pattern_was_measured_nothing_is_made_up(series, blind, tmp_path):
    gaps, model = blind
    model.save(tmp_path / "model.nc")
    for known in (model, xrdae.load_model(tmp_path / "model.nc")):
        between = series.xrdae.synthesize(known, between=(2, 9), n=2, endpoints=True)
        for found in (
            *(between[name] for name in ("synthesized", "synthesized_std")),
            series.xrdae.synthesize(known, at={"x": [0.3]})["synthesized"],
            series.xrdae.reconstruct(known)["reconstruction"],
            known.decode(np.zeros((1, 2))),
        ):
            np.testing.assert_array_equal(*np.broadcast_arrays(found.isnull(), gaps))


def test_channels_without_training_data_are_ignored(series, blind):
    gaps, model = blind
    strong = series.assign(intensity=series["intensity"].where(~gaps, 1e4))
    masked = series.assign(intensity=series["intensity"].where(~gaps))
    for step in ("encode", "relevance"):
        found, expected = (getattr(d.xrdae, step)(model) for d in (strong, masked))
        _assert_same(found.drop_vars("intensity"), expected.drop_vars("intensity"))


# ---------------------------------------------------------------- relevance


@law
@given(start=st.integers(0, 197))
def test_masking_nothing_shifts_nothing(series, model, start):
    # The straight line between the ends of two channels is what was there before.
    axis = series["two_theta"].values
    out = series.xrdae.relevance(model, regions=[[axis[start], axis[start + 1]]], fill="background")
    np.testing.assert_allclose(out["latent_shift"], 0, atol=1e-5)
    np.testing.assert_allclose(out["relevance"], 0, atol=1e-5)


def test_masking_a_straight_line_with_a_straight_line_shifts_nothing(series, model):
    straight = series.copy(deep=True)
    straight["intensity"][:, 50:80] = np.linspace(40, 10, 30)
    axis = series["two_theta"].values
    out = straight.xrdae.relevance(model, regions=[[axis[50], axis[79]]], fill="background")
    np.testing.assert_allclose(out["relevance"], 0, atol=1e-5)


def test_filling_zeros_with_zeros_shifts_nothing(series, model):
    dark = series.copy(deep=True)
    dark["intensity"][:, 50:80] = 0
    axis = series["two_theta"].values
    out = dark.xrdae.relevance(model, regions=[[axis[50], axis[79]]], fill="zero")
    np.testing.assert_allclose(out["relevance"], 0, atol=1e-5)


@pytest.mark.parametrize("fill", ["background", "zero", "mean"])
def test_masking_peaks_shifts_something(series, model, fill):
    out = series.xrdae.relevance(model, fill=fill)
    assert float(out["relevance"].max()) > 0.1
