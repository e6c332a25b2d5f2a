"""Reader of UXD."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text

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
    pairs = read_one_scan(
        UXD.format(drive="COUPLED", marker="_2THETACOUNTS", data="3.0\t7\n3.5\t8")
    )
    counts = read_one_scan(UXD.format(drive="2THETA", marker="_COUNTS", data="7 8"))
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
    scans = read_text(UXD.format(drive="COUPLED", marker="_2THETACPS", data="3 7\n4 8") + second)
    assert [scan.metadata["counting_time"] for scan in scans] == [0.5, 20]
    np.testing.assert_array_equal(scans[1].positions, [50, 50.5])
    assert scans[0].units == scans[1].units == "counts/s"


def test_uxd_ranges_over_other_axes_are_left_out():
    assert "PHI" in find_refusal(UXD.format(drive="PHI", marker="_2THETACOUNTS", data="0 7\n5 8"))


@pytest.mark.parametrize(
    ("marker", "data"),
    [
        ("_2THETACOUNTS", "3.0 7\n3.5"),
        ("_2THETACOUNTSTIME", "3.0 7 1\n3.5 8"),
        ("_2THETACOUNTSTIME", "3.0 7 0\n3.5 8 1"),
        ("_COUNTS", "7 x"),
        ("_PEAKS", "7 8"),
    ],
)
def test_broken_uxd_is_refused(marker, data):
    find_refusal(UXD.format(drive="COUPLED", marker=marker, data=data))


@pytest.mark.parametrize(
    ("marker", "data"),
    [("_2THETACOUNTSTIME", "3.0 8 {0}\n3.5 8 {1}"), ("_COUNTSTIME", "8 {0}\n8 {1}")],
)
def test_uxd_counts_are_divided_by_times_that_vary(marker, data):
    same = read_one_scan(UXD.format(drive="COUPLED", marker=marker, data=data.format(2, 2)))
    np.testing.assert_array_equal(same.positions, [3, 3.5])
    np.testing.assert_array_equal(same.intensity, [8, 8])
    assert (same.units, same.metadata["counting_time"]) == ("counts", 2)
    varied = read_one_scan(UXD.format(drive="COUPLED", marker=marker, data=data.format(2, 4)))
    np.testing.assert_array_equal(varied.intensity, [4, 2])
    assert varied.units == "counts/s"
    assert "counting_time" not in varied.metadata


def test_uxd_rates_are_not_divided_by_times():
    scan = read_one_scan(
        UXD.format(drive="COUPLED", marker="_2THETACPSTIME", data="3.0 8 1\n3.5 8 4")
    )
    np.testing.assert_array_equal(scan.intensity, [8, 8])
    assert (scan.units, "counting_time" in scan.metadata) == ("counts/s", False)


def test_uxd_lists_of_peaks_are_refused():
    for marker in ("_D-I", "_2THETA-I"):
        text = UXD.format(drive="COUPLED", marker=marker, data="3.3 100\n2.5 40")
        assert "list of peaks" in find_refusal(text)


def test_uxd_values_keep_their_blanks_and_lose_their_quotes():
    scan = read_one_scan(
        UXD.format(drive="COUPLED", marker="_COUNTS", data="7 8").replace("'BT86'", " ' a   b '  ")
    )
    assert scan.metadata["sample"] == "a   b"
