import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import DataError
from xrdae.convention.axes import Axis
from xrdae.convention.regridding import check_axis, make_regridder
from xrdae.preprocessing.preparation import find_preparation, subtract_background
from xrdae.preprocessing.scaling import scale_patterns

POSITIONS = np.linspace(20, 80, 50)


@pytest.fixture
def intensity():
    return np.random.default_rng(0).random((6, 50)) + 0.5


def test_patterns_are_divided_by_their_maximum_or_mean(intensity):
    scaled, size = scale_patterns(intensity, "max")
    np.testing.assert_allclose(scaled.max(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(size, intensity.max(axis=1))
    scaled, size = scale_patterns(intensity, "area")
    np.testing.assert_allclose(scaled.mean(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_channels_that_are_not_finite_take_no_part(intensity, value):
    intensity[2, 7] = value
    scaled, size = scale_patterns(intensity, "area")
    assert np.isnan(scaled[2, 7])
    assert np.isfinite(np.delete(scaled.ravel(), 2 * 50 + 7)).all()
    assert size[2] == pytest.approx(np.delete(intensity[2], 7).mean())


def test_model_input_is_centred_of_unit_size_and_goes_back(intensity):
    axis = Axis("two_theta", POSITIONS)
    preparation, inputs, size = find_preparation(intensity, axis, scale="max")
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    assert (inputs**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        preparation.restore_scale(inputs) * size[:, None], intensity, rtol=1e-5
    )
    again, _ = preparation.apply(intensity)
    np.testing.assert_allclose(again, inputs, atol=1e-6)


def test_a_smooth_background_is_subtracted(intensity):
    background = 5 + 0.05 * (80 - POSITIONS)
    peak = np.exp(-(((POSITIONS - 50) / 2) ** 2))
    options = {"max_half_window": 8}
    bare = subtract_background((background + peak)[None], POSITIONS, "snip", options)
    scaled, size = scale_patterns(bare, "max")
    assert size[0] == pytest.approx(1, rel=0.1)
    np.testing.assert_allclose(scaled[0], peak, atol=0.1)


def test_a_background_survives_gaps():
    pattern = np.linspace(10, 5, 50)
    pattern[20] += 10
    pattern[30] = np.nan
    bare = subtract_background(pattern[None], POSITIONS, "snip", {"max_half_window": 5})
    scaled, _ = scale_patterns(bare, "max")
    assert np.isnan(scaled[0, 30])
    assert np.nanargmax(scaled[0]) == 20


def test_an_unknown_background_method_is_named(intensity):
    with pytest.raises(DataError, match="'magic' is no method of pybaselines"):
        subtract_background(intensity, POSITIONS, "magic", {})


@settings(deadline=None, max_examples=30)
@given(slope=st.floats(-3, 3), offset=st.floats(-5, 5), points=st.integers(20, 300))
def test_a_straight_line_stays_one_on_a_finer_grid(slope, offset, points):
    source = Axis("q", np.linspace(1, 5, 20))
    target = Axis("q", np.linspace(1, 5, points))
    found = make_regridder(source, target)(slope * source.values[None] + offset)
    np.testing.assert_allclose(found[0], slope * target.values + offset, atol=1e-9)


def test_a_coarser_grid_averages_and_loses_nothing_to_noise():
    source = Axis("q", np.linspace(1, 5, 4000))
    target = Axis("q", np.linspace(1, 5, 41))
    noise = np.random.default_rng(0).normal(size=(1, 4000))
    found = make_regridder(source, target)(noise)
    assert found.std() < 0.2  # picking single channels would keep a standard deviation of one
    assert make_regridder(source, target)(np.ones((1, 4000))).ravel() == pytest.approx(1)


def test_regridding_to_the_same_axis_returns_the_array_itself(intensity):
    axis = Axis("two_theta", POSITIONS)
    assert make_regridder(axis, Axis("two_theta", POSITIONS + 1e-9))(intensity) is intensity


def test_a_gap_reaches_only_what_touches_it():
    source, target = Axis("q", np.arange(10.0)), Axis("q", np.arange(0.5, 9))
    values = np.arange(10.0)[None].copy()
    values[0, 4] = np.nan
    found = make_regridder(source, target)(values)
    np.testing.assert_array_equal(np.isnan(found[0]), [0, 0, 0, 1, 1, 0, 0, 0, 0])


def test_outside_the_source_nothing_is_known():
    found = make_regridder(Axis("q", np.arange(5.0)), Axis("q", np.arange(-2.0, 8)))(
        np.ones((1, 5))
    )
    np.testing.assert_array_equal(np.isnan(found[0]), [1, 1, 0, 0, 0, 0, 0, 1, 1, 1])


def test_q_and_d_run_against_each_other():
    q, d = Axis("q", np.linspace(1, 5, 500)), Axis("d", np.linspace(1.3, 6, 400))
    found = make_regridder(q, d)(np.exp(-(((q.values - 3) / 0.1) ** 2))[None])
    assert d.values[np.nanargmax(found[0])] == pytest.approx(2 * np.pi / 3, abs=0.02)


def test_data_that_cover_too_little_of_the_model_are_refused():
    model = Axis("q", np.linspace(1, 5, 10))
    check_axis(Axis("q", np.linspace(1.5, 6, 10)), model)
    check_axis(Axis("d", np.linspace(0.5, 10, 200)), model)
    with pytest.raises(DataError, match=r"cover 3 to 9 1/angstrom \(q\), 50% of"):
        check_axis(Axis("q", np.linspace(3, 9, 10)), model)
    with pytest.raises(DataError, match=" 0% of"):
        check_axis(Axis("q", np.linspace(6, 9, 10)), model)
