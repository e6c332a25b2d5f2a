"""Axis and metadata in the headers of texts."""

import numpy as np
import pytest

from text_content import ROWS, find_refusal, read_one_scan, read_text
from xrdae import open_patterns


@pytest.mark.parametrize(
    ("header", "kind", "factor"),
    [
        ("", "two_theta", 1),
        ("# 2theta intensity\n", "two_theta", 1),
        ("#       2th_deg             I \n", "two_theta", 1),
        ("#       2th_rad             I \n", "two_theta", 180 / np.pi),
        ("Pos. [°2Th.]; Iobs [cts]\n", "two_theta", 1),
        ("#  q_nm^-1  I\n", "q", 0.1),
        ("#  q_A^-1  I\n", "q", 1),
        ("Q (nm-1)\tI\n", "q", 0.1),
        ("#L Q($\\AA^{-1}$)  I\n", "q", 1),
        ("Q [Å⁻¹]  I\n", "q", 1),
        ("# chi_Q chi_I\n", "q", 1),
        ("d-spacing (Å)  I\n", "d", 1),
        ("d (nm)  I\n", "d", 10),
        ("1/d (1/A)  I\n", "q", 2 * np.pi),
        ("1/d [nm^-1]\tI\n", "q", 0.2 * np.pi),
        ("d* [Å⁻¹]  I\n", "q", 2 * np.pi),
        ("$d^{-1}$ (1/nm)  I\n", "q", 0.2 * np.pi),
        ("s (1/nm)  I\n", "q", 0.2 * np.pi),
        ("k (1/A)  I\n", "q", 2 * np.pi),
        ("# unit: k_A^-1\n", "q", 2 * np.pi),
        ("# unit: q_nm^-1\n", "q", 0.1),
        ("dataformat = Qnm\n", "q", 0.1),
        ("# Q (1/nm) was integrated\n# sector: 1\n", "q", 0.1),
        ("title\n2-Theta Angle (Degrees)\nIntensity\n       3\n", "two_theta", 1),
        ("title\nQ (Inverse Nanometres)\nIntensity\n       3\n", "q", 0.1),
        ("Angle,  Det1Disc1\ndeg,  cts\n", "two_theta", 1),
        ("q, inv nm\tI\n", "q", 0.1),
        ("d [m]\tI\n", "d", 1e10),
        ("d_A I\n", "d", 1),
        ("d_hkl (nm)\tI\n", "d", 10),
        ("Gonio\tcounts\n", "two_theta", 1),
        ("title: S(Q) of silica\n", "q", 1),
    ],
)
def test_the_header_says_what_the_positions_are(header, kind, factor):
    scan = read_one_scan(header + "1.0 10\n2.0 20\n3.0 30\n")
    assert scan.kind == kind
    np.testing.assert_allclose(scan.positions, np.array([1, 2, 3]) * factor)


def test_a_file_name_gives_the_kind_if_the_header_does_not():
    assert read_one_scan(ROWS, "sample_q.chi").kind == "q"
    assert read_one_scan(ROWS, "sample_dspacing.xy").kind == "d"
    assert read_one_scan("# 2theta I s\n" + ROWS, "sample_q.chi").kind == "two_theta"


@pytest.mark.parametrize(
    "header",
    [
        "1/d (nm)  I  e\n",
        "2theta (1/nm)  I  e\n",
        '\'Id: "" Comment: "" Scantype: "Rocking"\n',
    ],
)
def test_axes_that_contradict_themselves_or_are_not_known_are_refused(header):
    find_refusal(header + ROWS)


@pytest.mark.parametrize(
    ("header", "name", "units"),
    [
        ("' Time-of-flight  Y  E\n", "Time-of-flight", "1"),
        ("' The X-axis unit is: Time-of-flight\n", "Time-of-flight", "1"),
        ("Wavelength,S1,S2\nnm,cps,cps\n", "Wavelength", "nm"),
        ("# r(A) G dG\n", "r", "A"),
        ("# d*2_A^-2 I e\n", "d*2", "A^-2"),
        ("1/d^2 (1/A^2)  I  e\n", "1_d^2", "1/A^2"),
        ("# Energy/keV I e\n", "Energy", "keV"),
        ("t\nRadial Distance (mm)\nIntensity\n3\n", "Radial Distance", "mm"),
        ("# omega_deg I e\n", "omega", "deg"),
        ("Raman shift (cm-1)\tI\te\n", "Raman shift", "cm-1"),
        ("wavenumber [cm^-1]\tI\te\n", "wavenumber", "cm^-1"),
        ("chemical shift (ppm)\tI\te\n", "chemical shift", "ppm"),
        ("frequency (THz)\tI\te\n", "frequency", "THz"),
        ("potential (V)\tI\te\n", "potential", "V"),
        ("position (mm)\tI\te\n", "position", "mm"),
        ("m/z\tI\te\n", "m_z", "1"),
        ("shift\tI\te\n", "shift", "1"),
        ("# r_mm I e\n", "r", "mm"),
        ("# chi_deg I e\n", "chi", "deg"),
        ("# Theta [deg] I e\n", "Theta", "deg"),
        ("# exit angle (deg)  I  e\n", "exit angle", "deg"),
        ("beta\tI\te\n", "beta", "1"),
        ("log10(q)\tI\te\n", "log10(q)", "1"),
        ("ln(Q [1/A])\tI\te\n", "ln(Q [1_A])", "1"),
        ("Q^2 (1/A^2)\tI\te\n", "Q^2", "1/A^2"),
        ("sin(theta)/lambda\tI\te\n", "sin(theta)_lambda", "1"),
        ("##### start data\n#S 1    G(r)\n#L r    G(r)    d_Gr\n", "r", "1"),
        ("#L r($\\AA$)  G($\\AA^{-2}$)  dG\n", "r", "angstrom"),
    ],
)
def test_other_axes_are_not_converted(header, name, units):
    scan = read_text(header + ROWS)[0]
    assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", name, units)
    np.testing.assert_array_equal(scan.positions, read_one_scan(ROWS).positions)


@pytest.mark.parametrize("chunks", [None, 1])
def test_another_axis_keeps_its_direction(tmp_path, chunks):
    for i in range(3):
        rows = "".join(f"{900 - 10 * k},{k + i}\n" for k in range(12))
        (tmp_path / f"{i}.csv").write_text("Binding Energy (eV),counts\n" + rows)
    one = open_patterns(tmp_path / "0.csv")
    many = open_patterns(tmp_path, chunks=chunks)
    for found in (one, many):
        np.testing.assert_array_equal(found["Binding Energy"], 900 - 10 * np.arange(12))
        assert found["Binding Energy"].attrs["units"] == "eV"
    np.testing.assert_array_equal(many["intensity"][2], np.arange(12) + 2)


def test_metadata_is_converted_to_the_units_of_the_convention():
    header = (
        "# Wavelength: 1.0332e-10 m\n# Temperature: 25 C\n# title = heating, run 2\n"
        "# Time per step (min) = 2\n# date = 2024/05/01 12:30:00\n# phi: 0.5 rad\n# y = 300 um\n"
    )
    found = read_one_scan(header + ROWS).metadata
    assert found == pytest.approx(
        {
            "wavelength": 1.0332,
            "temperature": 298.15,
            "title": "heating, run 2",
            "counting_time": 120.0,
            "time": "2024-05-01T12:30:00",
            "phi": np.degrees(0.5),
            "y": 0.3,
        }
    )


@pytest.mark.parametrize(
    ("line", "kelvin"),
    [
        ("# temperature: 300 K", 300),
        ("# temperature = 25 degC", 298.15),
        ("# Temperature (C): 25", 298.15),
        ("# Temperature: 25 °C", 298.15),
        ("# temperature [K]: 300", 300),
    ],
)
def test_a_temperature_is_stated_with_units(line, kelvin):
    assert read_one_scan(f"{line}\n{ROWS}").metadata == {"temperature": pytest.approx(kelvin)}


def test_the_wavelength_of_dash_is_above_three_columns():
    assert read_one_scan("1.54056\n" + ROWS, "a.xye").metadata == {"wavelength": 1.54056}
    assert read_one_scan("1.54056\n" + ROWS, "a.xye").errors[0] == 10
    assert read_one_scan("3000\n" + ROWS, "a.xye").metadata == {}
    assert read_one_scan("1.54056\n10 1\n11 2\n12 3\n").metadata == {}


@pytest.mark.parametrize(
    "line",
    [
        "# T: 25",
        "# temp = 25",
        "# temperature: 25",
        "# wavelength: ",
        "# wavelength = 1e9",
        "# time: 12 h",
        "# phi: none",
    ],
)
def test_ambiguous_header_values_are_left_out(line):
    assert read_one_scan(f"{line}\n{ROWS}").metadata == {}
