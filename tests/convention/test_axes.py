import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import DataError
from xrdae.convention.axes import Axis

WAVELENGTHS = st.floats(0.1, 2.5)


@settings(deadline=None)
@given(wavelength=WAVELENGTHS, theta=st.floats(0.5, 85))
def test_conversions_follow_bragg_and_undo_each_other(wavelength, theta):
    axis = Axis("two_theta", np.array([2 * theta]), wavelength)
    d = axis.convert(axis.values, "d")
    assert 2 * d[0] * np.sin(np.radians(theta)) == pytest.approx(wavelength)
    q = axis.convert(axis.values, "q")
    assert q[0] * d[0] == pytest.approx(2 * np.pi)
    for kind, values in (("q", q), ("d", d)):
        back = Axis(kind, values, wavelength).convert(values, "two_theta")
        np.testing.assert_allclose(back, axis.values)


def test_q_and_d_need_no_wavelength_but_two_theta_does():
    axis = Axis("q", np.array([1.0, 2.0]))
    np.testing.assert_allclose(axis.convert(axis.values, "d"), [2 * np.pi, np.pi])
    with pytest.raises(DataError, match=r"q to two_theta needs the wavelength; set"):
        axis.convert(axis.values, "two_theta")
    assert axis.convert(axis.values, "two_theta", 1.0)[0] > 0


def test_each_side_of_a_conversion_has_its_own_wavelength():
    axis = Axis("two_theta", np.linspace(10, 60, 6), 1.5406)
    other = axis.convert(axis.values, "two_theta", 1.0)
    assert (other < axis.values).all()
    q = axis.convert(axis.values, "q", 1.0)
    np.testing.assert_allclose(Axis("two_theta", other, 1.0).convert(other, "q"), q)
    np.testing.assert_allclose(Axis("q", q, 7.0).convert(q, "two_theta", 1.5406), axis.values)
    assert axis.convert(axis.values, "two_theta", 1.5406) is axis.values
    assert not axis.is_same_as(Axis("two_theta", axis.values, 1.0))


def test_an_axis_of_another_kind_is_never_converted():
    axis = Axis("other", np.linspace(280, 300, 6), name="energy", units="eV")
    assert axis.convert(axis.values, "other") is axis.values
    for one, kind in ((axis, "q"), (Axis("q", axis.values), "other")):
        with pytest.raises(DataError, match=r"cannot be converted|only two_theta, q and d"):
            one.convert(one.values, kind)
    np.testing.assert_allclose(axis.make_grid("even", 11).values, np.linspace(280, 300, 11))
    assert axis.make_grid("even", 11).units == "eV"
    with pytest.raises(DataError, match=r"grid='q' .*energy \[eV\].*'even'"):
        axis.make_grid("q")


def test_a_log_q_grid_turns_strain_into_a_shift():
    axis = Axis("q", np.linspace(1, 5, 400)).make_grid("log_q", 300)
    assert axis.values.size == 300
    np.testing.assert_allclose(axis.values[[0, -1]], [1, 5])
    steps = np.diff(np.log(axis.values))
    np.testing.assert_allclose(steps, steps[0])


@pytest.mark.parametrize("grid", ["two_theta", "q", "d", "log_q"])
def test_a_grid_spans_the_data_and_increases(grid):
    axis = Axis("two_theta", np.linspace(10, 90, 500), 1.5406).make_grid(grid)
    ends = np.sort(Axis("two_theta", np.array([10.0, 90.0]), 1.5406).convert([10, 90], axis.kind))
    np.testing.assert_allclose(axis.values[[0, -1]], ends)
    assert (np.diff(axis.values) > 0).all()
    assert axis.values.size == 500


def test_a_grid_in_d_of_data_from_zero_starts_at_the_first_positive_q():
    axis = Axis("q", np.linspace(0, 5, 51)).make_grid("d", 10)
    np.testing.assert_allclose(axis.values[[0, -1]], [2 * np.pi / 5, 2 * np.pi / 0.1])


def test_axes_that_differ_by_rounding_are_the_same():
    values = np.linspace(20, 80, 100)
    axis = Axis("two_theta", values)
    assert axis.is_same_as(Axis("two_theta", values + 1e-9))
    assert not axis.is_same_as(Axis("two_theta", values + 0.1))
    assert not axis.is_same_as(Axis("q", values))
    assert not axis.is_same_as(Axis("two_theta", values[1:]))
