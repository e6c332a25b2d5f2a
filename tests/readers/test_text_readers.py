import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import open_patterns
from xrdae.errors import FormatError
from xrdae.readers import gsas, ras, text_columns, uxd
from xrdae.readers.data_file import DataFile

READERS = (ras, uxd, gsas, text_columns)
ROWS = "10.0 100 10\n10.5 144 12\n11.0 121 11\n"


def scans_of(content, name="a.xy"):
    """Read a text by the reader that knows it."""
    content = content.encode() if isinstance(content, str) else content
    file = DataFile(Path(name), content)
    reader = next((reader for reader in READERS if reader.is_mine(file)), None)
    if reader is None:
        raise FormatError("no reader")
    return reader.read_scans(file)


def scan_of(content, name="a.xy"):
    [scan] = scans_of(content, name)
    return scan


def refused(content, name="a.xy"):
    with pytest.raises(FormatError) as found:
        scans_of(content, name)
    return str(found.value)


# Real files, as other readers see them


@pytest.mark.parametrize(
    "name",
    [
        "dara_BiFeO3.xy",
        "dara_CaNi(PO3)4_800_240_Ca(OH)2_(NH4)2HPO4_NiO.xy",
        "datalab_example_bmb.xye",
        "datalab_example_evadiffract.xy",
        "datalab_example_mac.xye",
        "datalab_example_mythen.dat",
        "datalab_example_mythen.xye",
        "geddes_gsas.raw",
        "geddes_sample.csv",
        "geddes_sample.xy",
        "ajm_07_heat-00100_tif_A45.fxye",
        "NaCl_CrCl3_pdf_ramp2_000_T030.00C_q.chi",
    ],
)
def test_a_real_file_reads_as_independent_readers_read_it(real_data, name):
    known = json.loads(real_data("formats/expected.json").read_text())
    found = next(entry for entry in known if entry["file"] == name)["readers"]
    trusted = [r for r in found if r["reader"] != "xylib" or len(found) == 1]
    scan = scan_of(real_data(f"formats/{name}").read_bytes(), name)
    top = scan.positions[scan.intensity.argmax()]
    for reader in trusted:
        assert len(scan.positions) == reader["points"]
        # The readers' values are rounded to five or six decimals.
        np.testing.assert_allclose(scan.positions[0], reader["x_first"], atol=6e-6)
        np.testing.assert_allclose(scan.positions[-1], reader["x_last"], atol=6e-6)
        np.testing.assert_allclose(top, reader["x_at_max"], atol=6e-6)
        np.testing.assert_allclose(scan.intensity.max(), reader["y_max"], rtol=1e-9)
        np.testing.assert_allclose(scan.intensity.sum(), reader["y_sum"], rtol=1e-9)


def test_headers_of_real_files_are_kept(real_data):
    beamline = scan_of(real_data("formats/datalab_example_bmb.xye").read_bytes(), "a.xye")
    assert beamline.errors[0] == 37.744249
    assert beamline.metadata == {
        "sample": "eel69B",
        "temperature": 300.03,
        "counting_time": 0.1,
        "wavelength": 0.414581,
    }
    eva = scan_of(real_data("formats/datalab_example_evadiffract.xy").read_bytes())
    assert eva.metadata == {"anode": "Cu", "counting_time": 96.0}
    name = "NaCl_CrCl3_pdf_ramp2_000_T030.00C_q.chi"
    assert scan_of(real_data(f"formats/{name}").read_bytes(), name).kind == "q"


# Columns: delimiters, line ends, encodings


@pytest.mark.parametrize(
    "text",
    [
        "1.5,10\n2.5,20\n3.5,30\n",
        "1.5, 10\n2.5, 20\n3.5, 30\n",
        "1.5,10,\n2.5,20,\n3.5,30,\n",
        "1.5\t10\n2.5\t20\n3.5\t30\n",
        "1.5;10;\n2.5;20;\n3.5;30;\n",
        "1,5;10,0\n2,5;20,0\n3,5;30,0\n",
        "1,5 10\n2,5 20\n3,5 30\n",
        "1,5\t10,0\n2,5\t20,0\n3,5\t30,0\n",
        "  1.5   10.\r\n  2.5   2e1\r\n  3.5   +30\r\n\r\n",
        "1.5 10\r2.5 20\r3.5 30\r",
        "1.5 10\r\r\n2.5 20\r\r\n3.5 30\r\r\n",
        "1.5 10\n2.5 20\n3.5 30",
        "1.5 10\n2.5 20\n3.5 30\n\x1a",
        "1.5 10\n\n# remark\n2.5 20 ! remark\n3.5 30\n# end\n",
        "\ufeff1.5 10\n2.5 20\n3.5 30\n",
        '"2theta","intensity"\n"1.5","10"\n"2.5","20"\n"3.5","30"\n',
        "1 2\nnote: 3; 4, 5.\n1.5 10\n2.5 20\n3.5 30\n",
        "0 1 100\n3000\n1.5 10\n2.5 20\n3.5 30\n",
        "Point 2theta I\n0 1.5 10\n1 2.5 20\n2 3.5 30\n",
        "! 3 of 3\n12 2024 5 1\n700\n1.5 10\n2.5 20\n3.5 30\n",
        "0 1.5 10\n1 2.5 20\n2 3.5 30\n".replace("0 1.5", "No. 2theta I\n0 1.5"),
        ",two_theta,intensity\n0,1.5,10\n1,2.5,20\n2,3.5,30\n",
    ],
)
def test_columns_are_found_however_they_are_written(text):
    scan = scan_of(text)
    np.testing.assert_array_equal(scan.positions, [1.5, 2.5, 3.5])
    np.testing.assert_array_equal(scan.intensity, [10, 20, 30])
    assert scan.errors is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_encoding_does_not_matter(encoding):
    scan = scan_of(("# titre = poudre séchée\n" + ROWS).encode(encoding))
    assert len(scan.positions) == 3


@pytest.mark.parametrize("suffix", [".xye", ".xy", ".dat", ".txt", ".chi"])
def test_a_third_column_without_a_name_is_sigma_in_text(suffix):
    np.testing.assert_array_equal(scan_of(ROWS, f"a{suffix}").errors, [10, 12, 11])


def test_a_column_that_is_not_sigma_gives_no_errors():
    assert scan_of(ROWS.replace(" ", ","), "a.csv").errors is None
    assert scan_of(ROWS.replace("12\n", "-12\n")).errors is None
    assert scan_of("10 1 0\n11 2 0\n12 3 0\n").errors is None
    assert scan_of("# 2theta intensity background\n" + ROWS).errors is None
    assert scan_of("2Theta,Intensity,Error\n" + ROWS.replace(" ", ","), "a.csv").errors[1] == 12


def test_names_choose_among_many_columns():
    text = "Angle,TimePerStep,Intensity,ESD\n10,1,100,3\n11,1,200,4\n12,1,300,5\n"
    scan = scan_of(text, "a.csv")
    np.testing.assert_array_equal(scan.intensity, [100, 200, 300])
    np.testing.assert_array_equal(scan.errors, [3, 4, 5])
    text = "q(A^-1)  2theta  I(q)  sigma\n1 10 5 1\n2 20 6 1\n3 30 7 1\n"
    assert (scan_of(text).kind, scan_of(text).intensity[0]) == ("q", 5)


@pytest.mark.parametrize(
    "name", ["su", "s.u.", "esd", "e.s.d.", "std", "uncertainty", "err", "sigma(I)", "I_err", "dI"]
)
def test_a_column_named_as_uncertainties_are_is_sigma(name):
    scan = scan_of(f"#  2theta intensity   {name}\n{ROWS}")
    np.testing.assert_array_equal(scan.intensity, [100, 144, 121])
    np.testing.assert_array_equal(scan.errors, [10, 12, 11])


@pytest.mark.parametrize("other", ["Ycalc", "I_calc", "Ydiff", "Ibkg", "Background", "Residual"])
def test_calculated_intensity_is_used_only_without_measured_intensity(other):
    assert scan_of(f"2theta {other} Yobs\n{ROWS}").intensity[0] == 10
    assert scan_of(f"2theta Yobs {other}\n{ROWS}").intensity[0] == 100
    assert scan_of(f"2theta {other} sigma\n{ROWS}").intensity[0] == 100


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("two_theta,300K,310K,320K", ["300K", "310K", "320K"]),
        ("two_theta,I_1,I_2,I_3", ["I_1", "I_2", "I_3"]),
        ("two_theta,T300,T310,T320", ["T300", "T310", "T320"]),
        ("Point,2theta,Det1 (counts),Det2 (counts)", ["Det1 (counts)", "Det2 (counts)"]),
        ("two_theta,I_1,I_2,monitor", ["I_1", "I_2"]),
    ],
)
def test_several_columns_of_intensities_with_names_are_several_scans(names, wanted):
    rows = np.array([[1, 10.0, 7, 8], [2, 10.5, 9, 6], [3, 11.0, 5, 4]])
    text = names + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    scans = scans_of("# sample: quartz\n" + text, "a.csv")
    assert [scan.metadata for scan in scans] == [
        {"sample": "quartz", "column": name} for name in wanted
    ]
    fields = names.split(",")
    for scan in scans:
        np.testing.assert_array_equal(scan.positions, rows[:, int("heta" in fields[1])])
        column = fields.index(scan.metadata["column"])
        np.testing.assert_array_equal(scan.intensity, rows[:, column])
        assert scan.units == ("counts" if "counts" in fields[column] else "1")


@pytest.mark.parametrize(
    "names",
    [
        "two_theta,I_1,I_2,background",
        "two_theta,I_1,I_2,sigma",
        "two_theta,I_1,I_2,q",
        "two_theta,I_1,time,temperature",
        "two_theta,intensity,monitor,mask",
        "Point,two_theta,I_1,",
    ],
)
def test_one_column_is_the_intensity_where_others_are_something_else(names):
    [scan] = scans_of(f"{names}\n1,10,7,8\n2,11,9,6\n3,12,5,4\n", "a.csv")
    assert "column" not in scan.metadata
    assert scan.intensity[0] == (7 if names.startswith("Point") else 10)


def test_many_columns_without_names_must_begin_with_an_axis():
    assert scan_of("1 5 6 7\n2 4 6 8\n3 5 7 9\n").intensity[1] == 4
    assert scan_of("0.1 0.2 50.0 7.0\n0.2 0.3 52.0 8.0\n0.3 0.3 5.0 8.0\n").intensity[2] == 0.3
    assert "names" in refused("312 305 311 300\n306 298 301 299\n310 300 305 307\n", "a.dat")


def test_nan_intensity_is_kept_and_a_nan_position_is_refused():
    np.testing.assert_array_equal(scan_of("1 2\n2 nan\n3 4\n").intensity, [2, np.nan, 4])
    np.testing.assert_array_equal(scan_of("1.0,2\n2.0,\n3.0,4\n").intensity, [2, np.nan, 4])
    assert "line 2" in refused("1 2\nnan 3\n3 4\n")
    assert "line 3" in refused("1.0,2\n2.0,1\n,3\n4.0,4\n")


# Columns: what the axis is


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
    ],
)
def test_the_header_says_what_the_positions_are(header, kind, factor):
    scan = scan_of(header + "1.0 10\n2.0 20\n3.0 30\n")
    assert scan.kind == kind
    np.testing.assert_allclose(scan.positions, np.array([1, 2, 3]) * factor)


def test_a_file_name_gives_the_kind_if_the_header_does_not():
    assert scan_of(ROWS, "sample_q.chi").kind == "q"
    assert scan_of(ROWS, "sample_dspacing.xy").kind == "d"
    assert scan_of("# 2theta I s\n" + ROWS, "sample_q.chi").kind == "two_theta"


@pytest.mark.parametrize(
    "header",
    [
        "1/d (nm)  I  e\n",
        "2theta (1/nm)  I  e\n",
        '\'Id: "" Comment: "" Scantype: "Rocking"\n',
    ],
)
def test_axes_that_contradict_themselves_or_are_not_known_are_refused(header):
    refused(header + ROWS)


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
        ("# omega_deg I e\n", "omega_deg", "1"),
        ("Raman shift (cm-1)\tI\te\n", "Raman shift", "cm-1"),
        ("wavenumber [cm^-1]\tI\te\n", "wavenumber", "cm^-1"),
        ("chemical shift (ppm)\tI\te\n", "chemical shift", "ppm"),
        ("frequency (THz)\tI\te\n", "frequency", "THz"),
        ("potential (V)\tI\te\n", "potential", "V"),
        ("position (mm)\tI\te\n", "position", "mm"),
        ("m/z\tI\te\n", "m_z", "1"),
        ("shift\tI\te\n", "shift", "1"),
    ],
)
def test_other_axes_are_not_converted(header, name, units):
    scan = scans_of(header + ROWS)[0]
    assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", name, units)
    np.testing.assert_array_equal(scan.positions, scan_of(ROWS).positions)


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


def test_positions_that_cannot_be_angles_are_refused_with_what_to_do():
    assert "q_nm^-1" in refused("100 1\n200 2\n300 3\n")
    assert "1/nm" in refused("# q intensity\n100 1\n200 2\n300 3\n")


# Columns: what is broken


def test_a_file_that_was_cut_off_is_refused():
    assert "line 4 has 2 of 3 values; the file is cut off" in refused("1 2 3\n2 3 4\n3 4 5\n4 5")
    assert "announces 4" in refused("t\n2-Theta\nIntensity\n4\n" + ROWS)
    assert "lines 1 and 3" in refused("1 2\n3\n4 5\n6 7\n8 9\n")
    assert "line 4" in refused(ROWS + "11.5 12x 11\n12 2 3\n")


def test_text_below_or_a_second_table_is_refused():
    assert "line 4" in refused(ROWS + "and so on\n")
    assert "cut off" not in refused(ROWS + "and so on\n")
    assert "several tables" in refused(ROWS + "# second scan\n" + ROWS)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("low", [10, 5, 13])
def test_several_patterns_in_one_table_are_refused(turn, low):
    first, second = np.linspace(10, 20, 30), np.linspace(low, 16, 12)
    rows = [f"{turn * x:.3f} 1" for x in np.r_[first, second]]
    message = refused("\n".join(["# 2theta I", *rows]))
    assert f"jump back from {turn * 20} to {turn * low} in line 32" in message


def test_positions_may_turn_and_overlap():
    up = np.linspace(10, 20, 30)
    for x in (np.r_[up, up[::-1]], np.r_[up, np.linspace(16, 40, 30)]):
        text = "\n".join(f"{value:.3f} 1" for value in x)
        np.testing.assert_allclose(scan_of(text).positions, x, atol=1e-3)


@pytest.mark.parametrize("mark", ["END", "*EOF", "end.", "EOF\r\n\r\n", "# scan 1\nEND"])
def test_a_word_at_the_end_of_the_file_is_not_a_row(mark):
    assert len(scan_of(ROWS + mark).positions) == 3


@pytest.mark.parametrize("row", ["nan", "11.5 1 END", "11.5"])
def test_a_broken_last_row_does_not_end_the_table(row):
    assert "line 4" in refused(ROWS + row)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1 2\n",
        b"<html><body>1 2\n1 2\n1 2\n</body></html>",
        b'<?xml version="1.0"?>\n1 2\n1 2\n',
        b'{"a": [\n1,\n2,\n3]}',
        b"RAW1.01\0\0\0" * 100,
        b"A letter of 2 pages\nwith 3 words\n",
        b"5\n6\n7\n8\n",
        b"1.000,5;3\n2.000,5;4\n3.000,5;4\n",
    ],
)
def test_a_text_without_a_table_is_refused(content):
    refused(content)


# Columns: metadata and FullProf


def test_metadata_is_converted_to_the_units_of_the_convention():
    header = (
        "# Wavelength: 1.0332e-10 m\n# Temperature: 25 C\n# title = heating, run 2\n"
        "# Time per step (min) = 2\n# date = 2024/05/01 12:30:00\n# phi: 0.5 rad\n# y = 300 um\n"
    )
    found = scan_of(header + ROWS).metadata
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
    assert scan_of(f"{line}\n{ROWS}").metadata == {"temperature": pytest.approx(kelvin)}


def test_the_wavelength_of_dash_is_above_three_columns():
    assert scan_of("1.54056\n" + ROWS, "a.xye").metadata == {"wavelength": 1.54056}
    assert scan_of("1.54056\n" + ROWS, "a.xye").errors[0] == 10
    assert scan_of("3000\n" + ROWS, "a.xye").metadata == {}
    assert scan_of("1.54056\n10 1\n11 2\n12 3\n").metadata == {}


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
    assert scan_of(f"{line}\n{ROWS}").metadata == {}


def fullprof(n=40, *, per_row=10, title=0, sigma=False):
    values = np.arange(100, 100 + n)
    rows = [values, np.sqrt(values)] if sigma else [values]
    body = [
        " ".join(f"{v:.4f}" for v in block[i : i + per_row])
        for block in rows
        for i in range(0, n, per_row)
    ]
    head = ["a title"] * title + [f"  2.0000   0.0500  {2 + 0.05 * (n - 1):.4f}  comment"]
    return "\n".join(head + body) + "\n"


@pytest.mark.parametrize("per_row", [1, 8, 10])
@pytest.mark.parametrize("title", [0, 1, 3])
def test_intensities_behind_start_step_end_are_placed(per_row, title):
    scan = scan_of(fullprof(per_row=per_row, title=title), "a.dat")
    np.testing.assert_allclose(scan.positions, 2 + 0.05 * np.arange(40))
    np.testing.assert_array_equal(scan.intensity, np.arange(100, 140))
    assert scan.errors is None


def test_uncertainties_follow_the_intensities_under_two_titles():
    scan = scan_of(fullprof(title=2, sigma=True) + "trailing text\n", "a.dat")
    np.testing.assert_allclose(scan.errors, np.sqrt(scan.intensity), atol=1e-4)


def test_intensities_that_do_not_fill_start_step_end_are_refused():
    text = fullprof()
    assert "announces 40 points" in refused(text[: text.rindex("138")], "a.dat")


# GSAS


def test_gsas_std_is_counts_with_detectors():
    text = "title\n# Temp (K) = 90.0\nBANK 1 3 1 CONST 1000 5.0 0 0\n 4   100     225 1     9\n"
    scan = scan_of(text, "a.gsas")
    np.testing.assert_allclose(scan.positions, [10, 10.05, 10.1])
    np.testing.assert_array_equal(scan.intensity, [100, 225, 9])
    np.testing.assert_array_equal(scan.errors, [5, 15, 3])
    assert (scan.units, dict(scan.metadata)) == ("counts", {"temperature": 90.0, "title": "title"})


def test_gsas_fields_need_no_blanks_between():
    text = "t\nBANK 1 3 1 CONST 1000 5.0 0 0 STD\n10123456 9  4000 1     9\n"
    np.testing.assert_array_equal(scan_of(text).intensity, [123456, 4000, 9])
    text = "t\nBANK 1 2 1 CONS 1000 5.0 0 0 ESD\n12345.67123.4567    344.     38.\n"
    np.testing.assert_array_equal(scan_of(text).intensity, [12345.67, 344])
    np.testing.assert_array_equal(scan_of(text).errors, [123.4567, 38])


def test_gsas_free_columns_are_in_centidegrees_and_banks_are_scans():
    bank = "BANK {} 2 2 CONS 1000 5 0 0 FXYE\n1000.0 5.5 0.5\n1005.0 6.5 0.6\n"
    scans = scans_of("t\n" + bank.format(1) + "# c\n" + bank.format(2), "a.fxye")
    assert len(scans) == 2
    np.testing.assert_allclose(scans[1].positions, [10, 10.05])
    np.testing.assert_array_equal(scans[1].errors, [0.5, 0.6])
    fxy = scan_of("t\nBANK 1 2 2 CONS 1000 5 0 0 FXY\n1000.0 5.5\n1005.0 6.5\n")
    assert fxy.errors is None


def test_gsas_records_need_no_line_ends_and_titles_may_be_garbage():
    records = ["t\0\x01", "BANK 1 3 1 CONST 1000 5 0 0 STD", "     100     225       9"]
    text = "".join(record.ljust(80) for record in records)
    np.testing.assert_array_equal(scan_of(text, "a.raw").intensity, [100, 225, 9])


def test_padding_zeros_of_a_gsas_record_are_left_out():
    row = "".join(f"{v:8d}" for v in [*range(1, 12), *[0] * 9])
    text = f"t\nBANK 1 11 2 CONST 1000 5 0 0 STD\n{row[:80]}\n{row[80:]}\n"
    np.testing.assert_array_equal(scan_of(text).intensity, range(1, 12))


@pytest.mark.parametrize("bins", ["RALF", "SLOG", "EDS", "TIME_MAP"])
def test_gsas_times_of_flight_and_energies_are_refused(bins):
    assert bins in refused(f"t\nBANK 1 2 2 {bins} 1000 5 0 0 FXYE\n1000.0 5.5 1\n1005.0 6.5 1\n")


@pytest.mark.parametrize(
    "data",
    [
        "ALT\n1 2 3\n",
        "STD\n",
        "STD\n     1 x\n",
        "FXYE\n1 2\n2 3\n",
        "ESD\n     1.\n",
        "STD\n     1\n",
    ],
)
def test_broken_gsas_banks_are_refused(data):
    assert refused(f"t\nBANK 1 3 1 CONST 1000 5 0 0 {data}").startswith("bank 1: ")


# UXD

UXD = """; converted by XCH
_FILEVERSION=2
_SAMPLE='BT86'
_DATEMEASURED='04-Mar-2010 20:59:14'
_WL_UNIT='A'
_WL1=1.540600
_WL2=1.544390
_WLRATIO=0.500000
_ANODE='Cu'
; (Data for Range number 1)
_DRIVE='{drive}'
_STEPTIME=0.5
_STEPSIZE=0.5
_START=3.0
_KHI=1.0
_KV=45
_MA=40
{marker}
{data}
"""


def test_uxd_pairs_and_lists_of_counts_agree():
    pairs = scan_of(UXD.format(drive="COUPLED", marker="_2THETACOUNTS", data="3.0\t7\n3.5\t8"))
    counts = scan_of(UXD.format(drive="2THETA", marker="_COUNTS", data="7 8"))
    for scan in (pairs, counts):
        np.testing.assert_array_equal(scan.positions, [3, 3.5])
        np.testing.assert_array_equal(scan.intensity, [7, 8])
        assert scan.units == "counts"
        assert scan.metadata == {
            "wavelength": 1.5406,
            "k_alpha_2": 1.54439,
            "k_alpha_ratio": 0.5,
            "anode": "Cu",
            "sample": "BT86",
            "time": "2010-03-04T20:59:14",
            "counting_time": 0.5,
            "chi": 1.0,
            "voltage": 45.0,
            "current": 40.0,
        }


def test_uxd_ranges_are_scans_with_their_own_keys():
    second = "_STEPTIME=20\n_START=50\n_CPS\n1.5 2.5\n"
    scans = scans_of(UXD.format(drive="COUPLED", marker="_2THETACPS", data="3 7\n4 8") + second)
    assert [scan.metadata["counting_time"] for scan in scans] == [0.5, 20]
    np.testing.assert_array_equal(scans[1].positions, [50, 50.5])
    assert scans[0].units == scans[1].units == "counts/s"


def test_uxd_ranges_over_other_axes_are_left_out():
    assert "PHI" in refused(UXD.format(drive="PHI", marker="_2THETACOUNTS", data="0 7\n5 8"))


@pytest.mark.parametrize(
    ("marker", "data"), [("_2THETACOUNTS", "3.0 7\n3.5"), ("_COUNTS", "7 x"), ("_PEAKS", "7 8")]
)
def test_broken_uxd_is_refused(marker, data):
    refused(UXD.format(drive="COUPLED", marker=marker, data=data))


# RAS

RAS = """*RAS_HEADER_START
*FILE_SAMPLE "powder"
*HW_XG_TARGET_NAME "Cu"
*HW_XG_WAVE_LENGTH_ALPHA1 "1.540593"
*HW_XG_WAVE_LENGTH_ALPHA2 "1.544414"
*MEAS_COND_AXIS_NAME_INTERNAL-3 "Omega"
*MEAS_COND_AXIS_NAME_INTERNAL-10 "Chi"
*MEAS_COND_AXIS_POSITION-3 "5.0"
*MEAS_COND_AXIS_POSITION-10 "2.0"
*MEAS_COND_XG_VOLTAGE "40"
*MEAS_SCAN_AXIS_X "{axis}"
*MEAS_SCAN_START_TIME "11/21/2017 08:32:31"
*MEAS_SCAN_SPEED "8.0000"
*MEAS_SCAN_SPEED_UNIT "deg/min"
*MEAS_SCAN_STEP "0.0100"
*MEAS_SCAN_UNIT_Y "counts"
*RAS_HEADER_END
*RAS_INT_START
{data}
*RAS_INT_END
"""


def ras_text(data="25.00 13.0 1.0\n25.01 14.0 10.0", axis="TwoThetaTheta"):
    return "*RAS_DATA_START\n" + RAS.format(data=data, axis=axis) + "*RAS_DATA_END\n"


def test_ras_counts_are_multiplied_by_the_attenuator():
    scan = scan_of(ras_text(), "a.ras")
    np.testing.assert_array_equal(scan.intensity, [13, 140])
    assert (scan.units, scan.errors) == ("counts", None)
    assert scan.metadata == pytest.approx(
        {
            "wavelength": 1.540593,
            "k_alpha_2": 1.544414,
            "anode": "Cu",
            "voltage": 40.0,
            "sample": "powder",
            "time": "2017-11-21T08:32:31",
            "counting_time": 0.075,
            "chi": 2.0,  # omega moves with 2theta
        }
    )
    assert scan_of(ras_text(axis="2-Theta")).metadata["omega"] == 5.0
    assert "omega" not in scan_of(ras_text(axis="2-Theta/Omega")).metadata
    np.testing.assert_array_equal(scan_of(ras_text("1 5 0.0\n2 6 0.0")).intensity, [5, 6])


def test_ras_scans_over_two_theta_are_kept_in_order():
    rocking = RAS.format(data="1 2 1\n2 3 1", axis="Omega")
    scans = scans_of(
        ras_text("10 1\n11 2") + rocking + RAS.format(data="20 3\n21 4", axis="2-Theta")
    )
    assert [scan.positions[0] for scan in scans] == [10, 20]
    assert "Omega" in refused("*RAS_DATA_START\n" + rocking)


def test_ras_without_markers_is_the_short_form():
    text = '*FILE_SAMPLE "a"\n*MEAS_SCAN_UNIT_Y "cps"\n#Attenuator_coefficient=1.0000\n1 2\n2 3\n'
    assert scan_of(text, "a.txt").units == "counts/s"
    refused(text.replace("=1.0", "=9.0"), "a.txt")


@pytest.mark.parametrize(
    "text",
    [
        ras_text().split("*RAS_INT_END")[0],
        ras_text().split("14.0")[0] + "\n*RAS_INT_END\n",
        ras_text(data=""),
        ras_text("1 2 1\n2 3 0"),
        ras_text().replace("*MEAS_SCAN_STEP", '*MEAS_DATA_COUNT "9"\n*MEAS_SCAN_STEP'),
    ],
)
def test_broken_ras_is_refused(text):
    refused(text, "a.ras")


# Laws

numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 4))
tables = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1799), min_size=n, max_size=n, unique=True).map(
            lambda xs: [round(x / 10 + 0.05, 2) for x in sorted(xs)]
        ),
        st.lists(numbers, min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(
    tables,
    st.sampled_from([" ", "\t", ",", ";", ", ", " ; ", "   "]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.sampled_from(
        ["", "# 2theta intensity", "a title", "2Theta, Intensity", "17\n", "! 5.0 6.0"]
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_columns_come_back_through_every_way_of_writing(table, between, end, decimal, header, code):
    decimal = decimal and "," not in between
    rows = [between.join(f"{value:.4f}" for value in row) for row in zip(*table, strict=True)]
    body = end.join(rows)
    body = body.replace(".", ",") if decimal else body
    scan = scan_of((header + end + body + end).encode(code), "a.csv")
    np.testing.assert_array_equal(scan.positions, table[0])
    np.testing.assert_array_equal(scan.intensity, table[1])


snippets = st.sampled_from(
    b"BANK 1 3 1 CONST 10 5 0 0 |STD\n|ESD\n|FXYE\n|_2THETACOUNTS\n|_COUNTS\n|_FILEVERSION=2\n"
    b"|_START=1\n_STEPSIZE=2\n|*RAS_DATA_START\n|*RAS_INT_START\n|*RAS_INT_END\n|1 2 3\n|1;2\n"
    b'|*MEAS_SCAN_AXIS_X "2Theta"\n|1,5 2\n|nan |2.0 0.5 90 |1e999 |# |q (|unit = |t\nx\ny\n3\n'
    b"|wavelength: 1|2theta, I\n|1,2,\n|\n".split(b"|")
)


@settings(deadline=None)  # the first example imports pint
@given(
    st.one_of(
        st.binary(max_size=300), st.lists(st.one_of(snippets, st.binary(max_size=9))).map(b"".join)
    ),
    st.sampled_from(["a.xy", "a.csv", "a_q.chi", "a.raw"]),
)
def test_arbitrary_content_raises_nothing_but_a_format_error(content, name):
    for reader in READERS:
        file = DataFile(Path(name), content)
        try:
            if reader.is_mine(file):
                reader.read_scans(file)
        except FormatError as error:
            assert str(error)  # noqa: PT017  (an error is one of two good outcomes)
