"""Counting times that differ between the points of a scan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrdae.errors import FormatError
from xrdae.readers.counting_times import divide_by_times

POINTS = st.lists(st.tuples(st.integers(0, 10**6), st.floats(1e-3, 1e5)), min_size=2, max_size=30)


@given(POINTS)
def test_rates_times_the_times_are_the_counts(points):
    counts, times = np.array(points, np.float64).T
    found, units, time = divide_by_times(counts, times, "counts")
    if units == "counts":
        np.testing.assert_array_equal(found, counts)
        assert np.abs(times / time - 1).max() <= 0.01
    else:
        np.testing.assert_allclose(found * times, counts)
        assert (units, time) == ("counts/s", None)


@given(POINTS)
def test_the_input_of_a_division_by_times_stays_as_it_is(points):
    counts, times = np.array(points, np.float64).T
    before = counts.copy(), times.copy()
    divide_by_times(counts, times, "counts")
    np.testing.assert_array_equal((counts, times), before)


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [0.0]])
def test_times_that_were_not_recorded_change_nothing(times):
    counts = np.array([1.0, 2.0])
    found, units, _ = divide_by_times(counts, np.array(times), "counts")
    np.testing.assert_array_equal(found, counts)
    assert units == "counts"


@pytest.mark.parametrize("units", ["1", "counts", "counts/s"])
def test_times_of_fewer_points_are_refused(units):
    with pytest.raises(FormatError, match="2 counting times for 3 intensities"):
        divide_by_times(np.ones(3), np.array([1.0, 2.0]), units)
