"""Extreme numbers: what comes out is finite and means the same, or the fit refuses a pattern."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xrdae
from extreme_datasets import (
    change_counts,
    compute_counts,
    draw_counts,
    make_dataset,
    make_intensities,
    make_spectra,
)
from try_numerics import apply_methods, compare_basis
from xrdae.autoencoder.basis import find_basis

FAST = {"steps": 60, "members": 2, "hidden": (16,), "progress": False}
law = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check_finite(dataset, model):
    for method, result in apply_methods(dataset, model):
        for name in set(result.data_vars) - set(dataset.data_vars):
            assert np.isfinite(result[name]).all(), (method, name)


# ---------------------------------------------------------------- datasets


@pytest.mark.parametrize(
    "name",
    [
        "of type f2",
        "times 1e-30, float32",
        "times 1e+30, float32",
        "a hot channel in one pattern",
        "one strong pattern",
        "each pattern twice",
        "16 channels",
        "three patterns",
        "all but one equal",
    ],
)
@pytest.mark.filterwarnings("ignore:.*lie outside the training data")
@pytest.mark.filterwarnings("ignore:the patterns are not ordered")
def test_extreme_patterns_give_finite_results(name):
    dataset = make_dataset(make_intensities()[name])
    check_finite(dataset, dataset.xrdae.fit(**FAST))


@pytest.mark.parametrize(
    ("intensity", "scale"),
    [
        (draw_counts() * 1e-40, "max"),
        (draw_counts() * 1e300, "max"),
        (draw_counts() * 1e300, "area"),
        (change_counts(np.s_[7, 50], -9.96921e36), "max"),
        (make_intensities()["no mean"], "area"),
        (make_intensities()["the largest float64"], "area"),
        (make_intensities()["a negative channel"], "area"),
    ],
    ids=["tiny", "huge", "huge area", "fill value", "no area", "largest", "negative area"],
)
def test_a_pattern_that_cannot_be_scaled_is_named(intensity, scale):
    dataset = make_dataset(intensity)
    with pytest.raises(xrdae.DataError, match=r"pattern \{'pattern': \d+\}.*mask") as error:
        dataset.xrdae.fit(scale=scale, **FAST)
    assert f"scale={scale!r}" in str(error.value)


@pytest.mark.parametrize("value", [1e37, -9.96921e36], ids=["too strong", "fill value"])
def test_a_pattern_that_cannot_be_scaled_is_nan_alone_and_refused_in_an_update(value):
    dataset = make_dataset(draw_counts())
    model = dataset.xrdae.fit(**FAST)
    wrong = dataset.copy(deep=True)
    wrong["intensity"][5, 60] = value
    for method in ("encode", "reconstruct", "relevance"):
        before = getattr(dataset.xrdae, method)(model)
        with pytest.warns(UserWarning, match=r"1 of 24 patterns.*'pattern': 5"):
            after = getattr(wrong.xrdae, method)(model)
        for name in set(after.data_vars) - set(wrong.data_vars):
            if "pattern" not in after[name].dims:  # of the reference patterns
                assert after[name].identical(before[name])
                continue
            assert after[name][5].isnull().all()
            others = np.arange(24) != 5
            np.testing.assert_allclose(after[name][others], before[name][others], atol=1e-5)
    with pytest.raises(xrdae.DataError, match=r"pattern \{'pattern': 5\}"):
        wrong.xrdae.fit(update=model, steps=5)


def test_a_pattern_of_pure_background_is_named():
    slope = np.linspace(2, 1, 200)
    options = {"background": "snip", "background_options": {"max_half_window": 5}}
    dataset = make_dataset(change_counts(3, slope))
    with pytest.raises(xrdae.DataError, match=r"\{'pattern': 3\}.*after background subtraction"):
        dataset.xrdae.fit(**options, **FAST)


@pytest.mark.filterwarnings("ignore:.*lie outside the training data")
def test_patterns_of_any_scales_are_synthesized_between(series, model):
    factor = np.where(np.arange(24) < 12, 1e-30, 1e30)[:, None]
    dataset = series.assign(intensity=series["intensity"] * factor)
    fitted = dataset.xrdae.fit(**FAST)
    for request in ({"between": (2, 20), "n": 9, "endpoints": True}, {"at": {"x": [0.2, 0.9]}}):
        found = dataset.xrdae.synthesize(fitted, **request)
        assert np.isfinite(found["synthesized"]).all()
        assert np.isfinite(found["synthesized_std"]).all()


def test_changes_of_patterns_of_few_channels_are_finite():
    changes = {"strain": 0.002, "zero_shift": 0.05, "texture": 0.5, "background_change": 0.1}
    model = make_dataset(draw_counts(24, 3)).xrdae.fit(**FAST, **changes)
    assert np.isfinite(model.labels["latent"]).all()


# ---------------------------------------------------------------- the same data


@pytest.mark.parametrize(
    "values",
    [
        draw_counts() / 3,
        compute_counts() / 3,
        compute_counts() + 1e5,
        make_intensities()["a hot channel"],
    ],
    ids=["noise", "no noise", "an offset", "a hot channel"],
)
def test_float32_and_float64_of_the_same_data_give_the_same(values):
    single = values.astype(np.float32)
    found = [make_dataset(a).xrdae.fit(**FAST) for a in (single, single.astype(np.float64))]
    one, other = (model.autoencoder for model in found)
    assert len(one.basis.components) == len(other.basis.components)
    np.testing.assert_array_equal(one.basis.components, other.basis.components)
    np.testing.assert_array_equal(found[0].labels["latent"], found[1].labels["latent"])
    rounded = make_dataset(values).xrdae.fit(**FAST)
    assert len(rounded.autoencoder.basis.components) == len(one.basis.components)
    np.testing.assert_allclose(rounded.labels["latent"], found[0].labels["latent"], atol=0.02)


@pytest.mark.parametrize("offset", [0, 1e4, 3e5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_patterns_are_encoded_where_training_left_them(offset, dtype):
    dataset = make_dataset((compute_counts() / 500 + offset).astype(dtype))
    model = dataset.xrdae.fit(**FAST)
    np.testing.assert_allclose(
        dataset.xrdae.encode(model)["latent"], model.labels["latent"], atol=1e-4
    )


@law
@given(
    exponents=st.lists(st.integers(-30, 30), min_size=24, max_size=24),
    dtype=st.sampled_from(["f4", "f8", ">f8"]),
)
def test_a_factor_of_each_pattern_moves_nothing(series, model, exponents, dtype):
    factor = 10.0 ** np.array(exponents)[:, None]
    other = series.assign(intensity=(series["intensity"] * factor).astype(dtype))
    for name, size in (("encode", 1.0), ("relevance", 1.0), ("reconstruct", factor)):
        one, two = (getattr(ds.xrdae, name)(model) for ds in (series, other))
        for variable in set(one.data_vars) - set(series.data_vars):
            np.testing.assert_allclose(
                two[variable] / size, one[variable], rtol=2e-3, atol=2e-5, err_msg=variable
            )


# ---------------------------------------------------------------- equal, and of two kinds


@pytest.mark.parametrize("scale", ["max", "area"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_patterns_equal_but_for_a_factor_are_one_point(scale, dtype):
    factors = np.random.default_rng(0).uniform(0.5, 2, 24)
    dataset = make_dataset(np.outer(factors, draw_counts()[0]).astype(dtype))
    with pytest.warns(UserWarning, match="count as equal"):
        model = dataset.xrdae.fit(scale=scale, **FAST)
    found = dataset.xrdae.encode(model)
    assert np.abs(found["latent"] - found["latent"][0]).max() < 1e-5
    assert len(model.autoencoder.basis.components) == 1
    assert (found["novelty"] <= 1).all()
    other = make_dataset(draw_counts()).isel(pattern=[20]).xrdae.encode(model)
    assert (other["novelty"] > 1).all()
    check_finite(dataset, model)


def test_patterns_of_two_kinds_are_two_clusters():
    kinds = np.repeat([0, 1], 12)
    pair = compute_counts()[[0, -1]]
    dataset = make_dataset(np.random.default_rng(0).poisson(pair[kinds]).astype(float))
    latent = dataset.xrdae.encode(dataset.xrdae.fit(**FAST))["latent"].values
    first, second = latent[kinds == 0], latent[kinds == 1]
    apart = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
    assert apart > 10 * max(first.std(), second.std(), 1e-6) or apart > 2
    inside = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert apart > 5 * inside


# ---------------------------------------------------------------- the basis


@pytest.mark.parametrize("name", make_spectra())
def test_a_basis_is_that_of_the_decomposition_in_float64(name):
    x = make_spectra()[name]
    differences = compare_basis(find_basis(x, 64), x.astype(np.float64))
    assert max(differences.values()) < 1e-4, differences


@pytest.mark.parametrize(
    "chunks", [{"pattern": 1}, {"two_theta": 7}, {"pattern": 5, "two_theta": 64}]
)
def test_a_basis_does_not_depend_on_chunks(chunks):
    dataset = make_dataset(compute_counts() + 1e4)
    whole, lazy = (
        ds.xrdae.fit(**FAST | {"steps": 1}).autoencoder.basis
        for ds in (dataset, dataset.chunk(chunks))
    )
    np.testing.assert_array_equal(whole.components, lazy.components)
