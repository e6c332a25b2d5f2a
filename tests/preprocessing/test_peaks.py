import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae.convention.axes import Axis
from xrdae.preprocessing.peaks import (
    find_channels,
    find_contrary_regions,
    find_peak_bounds,
    find_regions,
    measure_strengths,
)

POSITIONS = np.linspace(20, 80, 1200)


def pattern(centres, heights, *, width=0.4, noise=0.0, slope=0.0):
    peaks = np.exp(-(((POSITIONS - np.array(centres)[:, None]) / width) ** 2))
    smooth = slope * (80 - POSITIONS) / 60
    return np.array(heights) @ peaks + smooth + noise * np.random.default_rng(0).normal(size=1200)


@settings(deadline=None, max_examples=30)
@given(
    shift=st.floats(-2, 2),
    noise=st.sampled_from([0.0, 0.002]),
    slope=st.sampled_from([0.0, 0.2, 0.5]),
)
def test_every_peak_gets_a_region_that_holds_it(shift, noise, slope):
    centres = np.array([25.0, 40.0, 44.0, 70.0]) + shift
    bounds = find_peak_bounds(
        pattern(centres, [1, 0.1, 0.5, 0.3], noise=noise, slope=slope), POSITIONS
    )
    assert len(bounds) == 4
    for (start, stop), centre in zip(bounds, centres, strict=True):
        assert centre - 2 < start < centre - 0.4
        assert centre + 0.4 < stop < centre + 2


def test_neighbours_meet_in_the_valley_between_them():
    bounds = find_peak_bounds(pattern([40, 41.2], [1, 1]), POSITIONS)
    assert bounds[0, 1] == pytest.approx(40.6, abs=0.06)
    assert bounds[1, 0] == pytest.approx(40.6, abs=0.06)


def test_noise_and_tiny_bumps_are_not_peaks():
    assert len(find_peak_bounds(pattern([40, 60], [1, 0.005]), POSITIONS)) == 1
    assert len(find_peak_bounds(pattern([40, 60], [1, 0.03], noise=0.02), POSITIONS)) == 1


def test_a_pattern_without_a_peak_is_one_region():
    np.testing.assert_array_equal(find_peak_bounds(POSITIONS, POSITIONS), [[20, 80]])


def test_regions_in_q_are_found_on_a_two_theta_axis():
    axis = Axis("two_theta", POSITIONS, 1.5406)
    q = axis.convert(axis.values, "q")
    given_bounds = np.array([[2.0, 2.5], [3.0, 4.0]])
    found = find_regions(np.ones(1200), axis, Axis("q", q), given_bounds)
    np.testing.assert_allclose(axis.convert(found, "q"), given_bounds)


def test_bounds_may_be_given_in_either_order():
    axis = Axis("two_theta", POSITIONS)
    found = find_regions(np.ones(1200), axis, axis, [[30.0, 25.0]])
    np.testing.assert_array_equal(found, [[25, 30]])


def test_channels_of_a_region_include_both_ends():
    axis = Axis("q", np.arange(10.0))
    np.testing.assert_array_equal(
        find_channels(axis, np.array([[2.0, 5.0], [2.1, 4.9]])), [[2, 6], [3, 5]]
    )


def test_contrary_regions_are_the_strong_of_least_and_the_weak_of_most_excess():
    strength = np.arange(9.0)
    excess = np.array([5, 0.1, 0.4, 0.2, -0.1, 0.3, -0.2, -0.5, -0.4])
    verdict = np.where(excess > 0, 1, -1)
    # Strong are 6 to 8; weak 1 to 4: the weakest of all, 0, holds no peak.
    assert find_contrary_regions(strength, excess, verdict) == (7, 2)
    order = np.random.default_rng(0).permutation(9)
    found = find_contrary_regions(strength[order], excess[order], verdict[order])
    assert tuple(order[list(found)]) == (7, 2)


@pytest.mark.parametrize("value", [0, 2])
def test_regions_without_a_verdict_are_not_contrary(value):
    excess = np.array([5, 0.1, 0.4, 0.2, -0.1, 0.3, -0.2, -0.5, -0.4])
    assert find_contrary_regions(np.arange(9.0), excess, np.full(9, value)) == (None, None)


def test_contrary_regions_are_those_that_have_the_verdict():
    strength, excess = np.arange(9.0), np.linspace(0.8, -0.8, 9)
    verdict = np.array([1, 0, 1, 1, 1, 0, 0, -1, 0])
    assert find_contrary_regions(strength, excess, verdict) == (7, 2)
    assert find_contrary_regions(strength, excess, -verdict) == (None, None)


def test_a_weak_region_that_changes_less_than_its_strength_predicts_is_not_named():
    strength, excess = np.arange(9.0), np.linspace(-1, -0.2, 9)
    assert find_contrary_regions(strength, excess, np.ones(9)) == (None, None)


def test_contrary_regions_need_four_that_are_known():
    excess = np.array([-1, 1.0, -1.0, np.nan])
    verdict = np.array([-1, 1, -1, 1])
    assert find_contrary_regions(np.arange(4.0), excess, verdict) == (None, None)
    excess, verdict = np.array([np.nan, 0, 1.0, 0, -1.0]), np.array([1, 0, 1, 0, -1])
    assert find_contrary_regions(np.arange(5.0), excess, verdict) == (4, 2)


@pytest.mark.parametrize(("dtype", "most"), [("f2", 3e3), ("f4", 1e30), ("i2", 3e4)])
def test_the_strength_of_a_region_is_right_in_any_type(dtype, most):
    pattern = np.array([0, most, most, 0], dtype=dtype)
    found = measure_strengths(np.arange(4), pattern, np.array([[0, 3]]))
    np.testing.assert_allclose(found, [np.hypot(most, most)], rtol=1e-3)
