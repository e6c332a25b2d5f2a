import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import DataError
from xrdae.axes import Axis, converted, kind_of_name, kind_of_units

WAVELENGTHS = st.floats(0.1, 2.5)


@pytest.mark.parametrize(
    ("units", "kind", "factor"),
    [
        *[(u, "two_theta", 1) for u in ("degree", "degrees", "deg", "2th_deg", "°")],
        *[(u, "two_theta", 180 / np.pi) for u in ("rad", "radian", "2th_rad")],
        ("mrad", "two_theta", 0.18 / np.pi),
        *[
            (u, "q", 1)
            for u in ("1/angstrom", "angstrom^-1", "q_A^-1", "Å^-1", "Å⁻¹", "1/Å", "1/Angstrom")
        ],
        *[(u, "q", 1) for u in ("A^-1", "A-1", "1/A", "angstrom**-1", " 1/angstrom ")],
        *[(u, "q", 0.1) for u in ("1/nm", "nm^-1", "nm-1", "q_nm^-1")],
        ("k_A^-1", "q", 2 * np.pi),
        *[(u, "d", 1) for u in ("angstrom", "Å", "A", "Angstrom", "d_A")],
        ("nm", "d", 10),
    ],
)
def test_common_spellings_of_units_are_understood(units, kind, factor):
    assert kind_of_units(units) == (kind, pytest.approx(factor))


@pytest.mark.parametrize(
    "units",
    ["", "1", "K", "counts", "arb. unit", "s", "mm", "m", "um", "keV", "rad/s", "no unit", "%"],
)
def test_units_of_anything_else_are_no_diffraction_axis(units):
    assert kind_of_units(units) is None


@pytest.mark.parametrize(
    "units",
    ["9**9**9**9", "(9)^99^99", "9²²²²²²²²²", "9 squared squared squared squared", "m*" * 5000],
)
def test_units_that_would_take_for_ever_to_evaluate_are_none(units):
    assert kind_of_units(units) is None
    assert converted(1.0, units, "angstrom") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("two_theta", "two_theta"),
        ("2th_deg", "two_theta"),
        ("TwoTheta", "two_theta"),
        ("2\\theta", "two_theta"),
        ("q_A^-1", "q"),
        ("Q", "q"),
        ("dspacing", "d"),
        ("radial", "any"),
        ("temperature", None),
        ("y", None),
    ],
)
def test_names_suggest_a_kind(name, kind):
    assert kind_of_name(name) == kind


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


def test_a_log_q_grid_turns_strain_into_a_shift():
    axis = Axis("q", np.linspace(1, 5, 400)).grid("log_q", 300)
    assert axis.values.size == 300
    np.testing.assert_allclose(axis.values[[0, -1]], [1, 5])
    steps = np.diff(np.log(axis.values))
    np.testing.assert_allclose(steps, steps[0])


@pytest.mark.parametrize("grid", ["two_theta", "q", "d", "log_q"])
def test_a_grid_spans_the_data_and_increases(grid):
    axis = Axis("two_theta", np.linspace(10, 90, 500), 1.5406).grid(grid)
    ends = np.sort(Axis("two_theta", np.array([10.0, 90.0]), 1.5406).convert([10, 90], axis.kind))
    np.testing.assert_allclose(axis.values[[0, -1]], ends)
    assert (np.diff(axis.values) > 0).all()
    assert axis.values.size == 500


def test_a_grid_in_d_of_data_from_zero_starts_at_the_first_positive_q():
    axis = Axis("q", np.linspace(0, 5, 51)).grid("d", 10)
    np.testing.assert_allclose(axis.values[[0, -1]], [2 * np.pi / 5, 2 * np.pi / 0.1])


def test_axes_that_differ_by_rounding_are_the_same():
    values = np.linspace(20, 80, 100)
    axis = Axis("two_theta", values)
    assert axis.same_as(Axis("two_theta", values + 1e-9))
    assert not axis.same_as(Axis("two_theta", values + 0.1))
    assert not axis.same_as(Axis("q", values))
    assert not axis.same_as(Axis("two_theta", values[1:]))
