import numpy as np
import pytest

from xrdae import DataError
from xrdae.convention.axis_kinds import (
    find_axis_kind,
    find_named_kind,
    is_sample_name,
    is_spectral_name,
)
from xrdae.convention.units import convert_to_angstrom, convert_value, is_same_units, parse_units


@pytest.mark.parametrize(
    ("units", "dimension", "factor"),
    [
        *[(u, "angle", 1) for u in ("degree", "degrees", "deg", "2th_deg", "°")],
        *[(u, "angle", 180 / np.pi) for u in ("rad", "radian", "2th_rad")],
        ("mrad", "angle", 0.18 / np.pi),
        *[
            (u, "1/length", 1)
            for u in ("1/angstrom", "angstrom^-1", "q_A^-1", "Å^-1", "Å⁻¹", "1/Å", "1/Angstrom")
        ],
        *[(u, "1/length", 1) for u in ("A^-1", "A-1", "1/A", "angstrom**-1", " 1/angstrom ")],
        *[(u, "1/length", 0.1) for u in ("1/nm", "nm^-1", "nm-1", "q_nm^-1")],
        ("k_A^-1", "1/length", 2 * np.pi),
        *[(u, "length", 1) for u in ("angstrom", "Å", "A", "Angstrom", "d_A")],
        ("nm", "length", 10),
        *[(u, "angle", 1) for u in ("DEGREE", "Degrees", "Deg", "deg.", "°2θ", "deg 2theta")],
        *[
            (u, "1/length", 1)
            for u in ("inv Å", "inverse angstrom", "AA^-1", r"\AA^{-1}", "ang.^-1")
        ],
        *[(u, "1/length", 0.1) for u in ("1/NM", "NM^-1", r"$nm^{-1}$")],
        *[(u, "length", 1) for u in ("AA", "ANGSTROM", "Ångström")],
    ],
)
def test_common_spellings_of_units_are_understood(units, dimension, factor):
    found = parse_units(units)
    assert (found.dimension, found.factor) == (dimension, pytest.approx(factor))


@pytest.mark.parametrize(
    "units",
    ["", "1", "K", "counts", "arb. unit", "s", "keV", "rad/s", "no unit", "%", "ppm", "r_A"],
)
def test_units_of_anything_else_have_no_such_dimension(units):
    assert parse_units(units) is None


@pytest.mark.parametrize(
    "units",
    [
        "9**9**9**9",
        "(9)^99^99",
        "9²²²²²²²²²",
        "m²²²²²²²²²²",
        "9 squared squared squared squared",
        "m*" * 5000,
    ],
)
def test_units_that_are_slow_to_evaluate_are_not_units(units):
    assert parse_units(units) is None
    assert convert_value(1.0, units, "angstrom") is None
    assert not is_same_units(units, "degree")


def test_a_wavelength_may_be_a_length_or_an_energy():
    assert convert_to_angstrom(0.15406, "nm") == pytest.approx(1.5406)
    assert convert_to_angstrom(154.06, "pm") == pytest.approx(1.5406)
    assert convert_to_angstrom(8.0478, "keV") == pytest.approx(1.5406, rel=1e-4)
    for units in ("KEV", "kev", "KeV"):
        assert convert_to_angstrom(8.0478, units) == pytest.approx(1.5406, rel=1e-4)
    for units in ("AA", "Ang", "ANGSTROM", "angstroms", "Å"):
        assert convert_to_angstrom(1.5, units) == pytest.approx(1.5)
    assert convert_to_angstrom(8047.8, "eV") == pytest.approx(1.5406, rel=1e-4)
    assert convert_to_angstrom(1.0, "K") is None


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("two_theta", ["two_theta", "2th_deg", "TwoTheta", "Two Theta", "2\\theta", "2-Theta",
                       "tth", "2θ", "polar_angle", "scattering_angle", "ttheta", "Gonio",
                       "Theta_2Theta", "Pos. [°2Th.]", "2theta (deg)"]),
        ("q", ["q", "Q", "q_A^-1", "q_nm^-1", "s.q", "momentum_transfer", "Q (1/A)", "qz", "k",
               "mod_q"]),
        ("d", ["d", "D", "dspacing", "d_spacing", "d-spacing", "d_A", "d_hkl"]),
        ("other", ["omega", "theta", "th", "chi", "phi", "wind_direction", "r", "r_mm", "d*2",
                   "wavenumber", "raman_shift", "energy", "incident_angle", "azimuth", "time"]),
        (None, ["x", "radial", "axis", "angle", "dim_0"]),
    ],
)  # fmt: skip
def test_names_say_which_axis_it_is(kind, names):
    assert {name: find_named_kind(name) for name in names} == dict.fromkeys(names, kind)


@pytest.mark.parametrize(
    ("name", "units", "kind"),
    [
        ("x", "degree", "two_theta"),
        ("radial", "1/nm", "q"),
        ("radial", "2th_deg", "two_theta"),
        ("q", "2th_deg", "two_theta"),
        ("theta", "degree", "other"),
        ("omega", "degree", "other"),
        ("wind_direction", "degree", "other"),
        ("wavenumber", "1/cm", "other"),
        ("wavenumber", "1/angstrom", "other"),
        ("x", "1/cm", "other"),
        ("x", "nm", "other"),
        ("r", "angstrom", "other"),
        ("wavelength", "angstrom", "other"),
        ("energy", "eV", "other"),
        ("q", "1/nm", "q"),
        ("q", "1/m", "q"),
        ("d_spacing", "nm", "d"),
    ],
)
def test_units_and_name_decide_together(name, units, kind):
    assert find_axis_kind(name, units).kind == kind


def test_a_description_decides_if_the_name_is_general():
    assert find_axis_kind("x", "degree", long_name="rocking angle omega").kind == "other"
    assert find_axis_kind("x", "1/angstrom", long_name="wavenumber").kind == "other"
    assert find_axis_kind("k", "1/angstrom", long_name="photoelectron wavenumber").kind == "other"
    assert find_axis_kind("x", "degree", long_name="2theta").is_named


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("two_theta", "1/angstrom"), ("q", "degree"), ("q", "1/cm"), ("d", "mm"),
        ("d", "K"), ("two_theta", "eV"), ("energy", "degree"), ("omega", "1/angstrom"),
    ],
)  # fmt: skip
def test_name_and_units_that_contradict_each_other_are_refused(name, units):
    values = np.array([1.0, 2.0])
    with pytest.raises(DataError, match=r"contradict|more than a d"):
        find_axis_kind(name, units, values=values)


def test_positions_that_no_axis_of_the_kind_has_are_refused_or_another_axis():
    for name, units, high in (("two_theta", "degree", 360.0), ("q", "1/angstrom", 500.0)):
        values = np.linspace(0, high, 5)
        with pytest.raises(DataError, match=rf"axis '{name}'.*reaches {high:g}.*rename"):
            find_axis_kind(name, units, values=values)
        assert find_axis_kind("x", units, values=values).kind == "other"
    assert find_axis_kind("q", "1/nm", values=np.array([1.0, 500.0])).kind == "q"


def test_names_of_spectral_axes_and_of_sample_dimensions_are_known():
    for name in ("energy", "raman_shift", "wavenumber", "tof", "ppm", "m/z", "r", "binding_energy"):
        assert is_spectral_name(name), name
    for name in ("x", "y", "pattern", "x_stage", "sample"):
        assert is_sample_name(name), name
    assert not any(map(is_spectral_name, ("time", "temperature", "x", "two_theta")))


@pytest.mark.parametrize("name", ["s", "1/d", "d*", "inverse_d", "d_inv", "reciprocal d-spacing"])
@pytest.mark.parametrize(("units", "factor"), [("1/angstrom", 2 * np.pi), ("1/nm", 0.2 * np.pi)])
def test_the_reciprocal_of_d_times_2_pi_is_q(name, units, factor):
    found = find_axis_kind(name, units)
    assert (found.kind, found.factor) == ("q", pytest.approx(factor))
    assert find_axis_kind("x", units, long_name=name).factor == pytest.approx(factor)


@pytest.mark.parametrize(("name", "units"), [("s", "second"), ("s", "mm"), ("s", "1/cm")])
def test_an_s_in_other_units_is_no_reciprocal_of_d(name, units):
    assert find_axis_kind(name, units).kind == "other"


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("log10_q", "1/angstrom"),
        ("log10(q)", "1"),
        ("ln q", "1"),
        ("sqrt_q", "1/angstrom"),
        ("sin_theta_over_lambda", "1/angstrom"),
        ("sin2theta", "1"),
        ("cos(two_theta)", "1"),
        ("exit_angle", "degree"),
        ("incidence_angle", "degree"),
        ("beta", "degree"),
    ],
)
def test_a_function_of_an_axis_and_other_angles_are_other_axes(name, units):
    assert find_axis_kind(name, units).kind == "other"
