"""Reader of pdCIF."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vendor_content import read_content
from xrdae.errors import FormatError
from xrdae.readers import pdcif
from xrdae.readers.data_file import DataFile

pytest.importorskip("gemmi")


def loop(*tags, rows):
    return "loop_\n" + "\n".join(tags) + "\n" + "\n".join(rows) + "\n"


def test_pdcif_prefers_processed_items_and_reads_uncertainties():
    tags = ("_pd_meas_2theta_scan", "_pd_proc_2theta_corrected")
    tags += ("_pd_meas_counts_total", "_pd_proc_intensity_total")
    rows = ["10 10.1 5 5540(160)", "11 11.1 6 55.4(16)", "12 12.1 7 1.00(2)e1", "13 13.1 8 ."]
    (scan,) = read_content("data_a\n" + loop(*tags, rows=rows))
    np.testing.assert_array_equal(scan.positions, [10.1, 11.1, 12.1, 13.1])
    np.testing.assert_allclose(scan.intensity, [5540, 55.4, 10, np.nan])
    np.testing.assert_allclose(scan.errors, [160, 1.6, 0.2, np.nan])
    assert (scan.kind, scan.units, scan.metadata) == ("two_theta", "1", {"title": "a"})


@pytest.mark.parametrize("dot", ["_", "."])
def test_pdcif_is_read_in_both_spellings(dot):
    tags = (f"_pd_proc{dot}d_spacing", f"_pd_proc{dot}intensity_norm")
    rows = ["3.5 1.0 0.1", "2.5 2.0 ?"]
    text = loop(*tags, f"_pd_proc{dot}intensity_norm_su", rows=rows)
    (scan,) = read_content("# from a program\n\ndata_a\n" + text)
    assert scan.kind == "d"
    np.testing.assert_array_equal(scan.positions, [3.5, 2.5])
    np.testing.assert_array_equal(scan.errors, [0.1, np.nan])
    (scan,) = read_content(
        "DATA_a\n" + loop(f"_pd_proc{dot}recip_len_Q", tags[1], rows=["1 2", "2 3"])
    )
    assert scan.kind == "q"


def test_pdcif_positions_may_be_a_range_with_a_rounded_step():
    text = "data_a\n_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 10.5(0)\n"
    counts = loop("_pd_meas_counts_total", rows=["1", "2", "3", "4"])
    (scan,) = read_content(text + "_pd_meas_2theta_range_inc 0.167\n" + counts)
    np.testing.assert_allclose(scan.positions, np.linspace(10, 10.5, 4))
    assert scan.units == "counts"
    assert scan.errors is None
    with pytest.raises(FormatError, match=r"4 intensities for 2theta from 10 to 10.5 in steps of"):
        read_content(text + "_pd_meas_2theta_range_inc 0.1\n" + counts)


def test_pdcif_points_without_position_are_left_out():
    tags = ("_pd_meas_2theta_scan", "_pd_meas_intensity_total")
    (scan,) = read_content("data_a\n" + loop(*tags, rows=["10 1", ". 2", "12 3"]))
    np.testing.assert_array_equal(scan.intensity, [1, 3])


def test_pdcif_wavelengths_are_those_of_the_strongest_line():
    pattern = loop("_pd_meas_2theta_scan", "_pd_meas_counts_total", rows=["10 1", "11 2"])
    stem = "_diffrn_radiation_wavelength"
    doublet = loop(stem, f"{stem}_id", f"{stem}_wt", rows=["1.5444 2 0.5", "1.5406 1 1.0"])
    said = read_content(f"data_a\n{pattern}{doublet}")[0].metadata
    assert said == {
        "title": "a",
        "wavelength": 1.5406,
        "k_alpha_2": 1.5444,
        "k_alpha_ratio": 0.5,
    }
    neutrons = f"{stem}.value 4.5\n_diffrn_ambient_temperature 10(1)\n"
    said = read_content(f"data_a\n{neutrons}{pattern}")[0].metadata
    assert said == {"title": "a", "wavelength": 4.5, "temperature": 10}
    elsewhere = read_content(f"data_source\n{neutrons}\ndata_a\n{pattern}")[0].metadata
    assert elsewhere == {"title": "a", "wavelength": 4.5}


def test_each_pdcif_block_is_a_pattern():
    tags = ("_pd_meas_2theta_scan", "_pd_meas_counts_total")
    text = "".join(f"data_{i}\n" + loop(*tags, rows=[f"10 {i}", f"11 {i}"]) for i in range(3))
    scans = read_content(text + "data_structure\n_cell_length_a 5\n")
    assert [scan.metadata["title"] for scan in scans] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (loop("_atom_site_label", "_atom_site_fract_x", rows=["O 0"]), "crystal structure"),
        ("_cell_length_a 5\n", "no measured powder pattern"),
        (loop("_pd_meas_counts_total", rows=["1", "2"]), "no positions"),
        (
            loop("_pd_meas_time_of_flight", "_pd_meas_counts_total", rows=["9 1", "10 2"]),
            "time of flight",
        ),
        ("loop_\n_a\n_b\n1\n", "it is no CIF"),
    ],
)
def test_cif_without_a_pattern_is_refused(text, reason):
    with pytest.raises(FormatError, match=reason):
        read_content("data_a\n" + text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="data_loop_pd_meas.2theta ().?'\";#\n\t0123456789eE+-\\", max_size=300))
def test_any_text_after_a_block_name_is_read_or_refused(text):
    file = DataFile(Path("a.cif"), ("data_a\n_b 1\n" + text).encode())
    with contextlib.suppress(FormatError):
        pdcif.read_scans(file)


TIMES = ("_pd_meas_2theta_scan", "_pd_meas_step_count_time")


def test_pdcif_counts_are_divided_by_times_that_vary():
    rows = ["10 1 8", "11 4 8"]
    (scan,) = read_content("data_a\n" + loop(*TIMES, "_pd_meas_counts_total", rows=rows))
    np.testing.assert_array_equal(scan.intensity, [8, 2])
    assert (scan.units, scan.metadata) == ("counts/s", {"title": "a"})
    (scan,) = read_content("data_a\n" + loop(*TIMES, "_pd_proc_intensity_net", rows=rows))
    np.testing.assert_array_equal(scan.intensity, [8, 8])
    rows = ["10 4 8", "11 4 8"]
    (scan,) = read_content("data_a\n" + loop(*TIMES, "_pd_meas_counts_total", rows=rows))
    assert (scan.units, scan.metadata["counting_time"]) == ("counts", 4)


def test_pdcif_intensities_of_varying_times_need_units():
    rows = ["10 1 8(4)", "11 4 8(4)"]
    text = "data_a\n" + loop(*TIMES, "_pd_meas_intensity_total", rows=rows)
    with pytest.raises(FormatError, match="whether its intensities are counts"):
        read_content(text)
    (scan,) = read_content(text + "_pd_meas_units_of_intensity counts\n")
    np.testing.assert_array_equal(scan.intensity, [8, 2])
    np.testing.assert_array_equal(scan.errors, [4, 1])
    (scan,) = read_content(text + "_pd_meas_units_of_intensity 'counts per second'\n")
    np.testing.assert_array_equal(scan.intensity, [8, 8])


def test_pdcif_calibrated_wavelength_is_the_wavelength():
    pattern = loop("_pd_meas_2theta_scan", "_pd_meas_counts_total", rows=["10 1", "11 2"])
    text = f"data_a\n_diffrn_radiation_wavelength 0.7\n{pattern}"
    said = read_content(text + "_pd_proc_wavelength 0.41(2)\n")[0].metadata
    assert said == {"title": "a", "wavelength": 0.41}
    varied = loop(
        "_pd_meas_2theta_scan",
        "_pd_meas_counts_total",
        "_pd_proc_wavelength",
        rows=["10 1 0.5", "10 2 0.6"],
    )
    with pytest.raises(FormatError, match=r"wavelength varies from 0.5 to 0.6"):
        read_content("data_a\n" + varied)


@pytest.mark.parametrize("tag", ["_refln_index_h", "_pd_peak_id", "_pd_refln.peak_id"])
def test_pdcif_intensities_of_lines_are_no_pattern(tag):
    lines = loop(tag, "_pd_proc_d_spacing", "_pd_proc_intensity_net", rows=["1 3.5 9", "2 2.5 8"])
    with pytest.raises(FormatError, match="list of reflections or peaks"):
        read_content("data_a\n" + lines)
    pattern = loop("_pd_meas_2theta_scan", "_pd_meas_counts_total", rows=["10 1", "11 2"])
    (scan,) = read_content("data_a\n" + lines + pattern)
    np.testing.assert_array_equal(scan.intensity, [1, 2])


def test_pdcif_offset_of_the_calibration_is_added_to_what_was_measured():
    rows = ["10 5", "11 6", "12 7"]
    offset = "data_a\n_pd_calib_2theta_offset -0.1\n"
    tags = ("_pd_meas_2theta_scan", "_pd_meas_counts_total")
    (scan,) = read_content(offset + loop(*tags, rows=rows))
    np.testing.assert_allclose(scan.positions, [9.9, 10.9, 11.9])
    (scan,) = read_content(offset + loop("_pd_proc_2theta_corrected", tags[1], rows=rows))
    np.testing.assert_allclose(scan.positions, [10, 11, 12])
    several = loop("_pd_calib_2theta_offset", rows=["0.1", "0.2", "0.3"])
    with pytest.raises(FormatError, match="2theta_offset differs from point to point"):
        read_content("data_a\n" + several + loop(*tags, rows=rows))
