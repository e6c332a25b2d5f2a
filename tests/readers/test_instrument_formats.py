import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae import readers
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time

COUNTS = np.array([100, 121, 144, 400, 900, 361, 169, 121, 100, 81, 64])
ANGLES = 10 + 0.5 * np.arange(COUNTS.size)


def udf(counts=COUNTS, end="15.0000", last="/"):
    rows = [counts[i : i + 8] for i in range(0, len(counts), 8)]
    data = "\n".join(",".join(f"{count:8d}" for count in row) for row in rows)
    return (
        "SampleIdent,NaCl ,/\nTitle1,Table salt, ground,/\nTitle2,,/\nDiffrType,PW1710,/\n"
        "DiffrNumber,1,/\nAnode,Cu,/\nLabdaAlpha1, 1.54060,/\nLabdaAlpha2, 1.54439,/\n"
        "RatioAlpha21, 0.50000,/\nDivergenceSlit,Fixed, 1/2,/\nGeneratorVoltage,  40,/\n"
        "TubeCurrent,  55,/\nFileDateTime,19-feb-1995 11:48,/\n"
        f"DataAngleRange,  10.0000,  {end},/\nScanStepSize,   0.500,/\nScanType,STEP,/\n"
        f"ScanStepTime,    5.00,/\nRawScan\n{data},{last}\n"
    ).encode()


def rd(roots=None, continuous=False, version=b"V3RD"):
    """Write a scan; 100 counts are stored as ten times their root, 100."""
    header = bytearray(b"\xff" * 250)
    header[:44] = version + b"Table salt".ljust(40, b"\0")
    header[84:88] = bytes((5, 0, 3, 4))
    struct.pack_into("<2h3d", header, 90, 40, 55, 1.5406, 1.54439, 0.5)
    header[126] = continuous
    header[146:166] = b"NaCl".ljust(20, b"\0")
    struct.pack_into("<3d", header, 214, 0.5, 10.0, 15.0)
    roots = 10 * np.sqrt(COUNTS) if roots is None else roots
    return bytes(header) + np.asarray(roots).round().astype("<u2").tobytes()


def cpi(counts=COUNTS):
    rows = "\r\n".join(map(str, counts))
    return (
        "SIETRONICS XRD SCAN\r\n10.000\r\n15.000\r\n0.500\r\nCu\r\n1.54060\r\n29-4-2002\r\n"
        f"0.080\r\nTable salt\r\nSCANDATA\r\n{rows}\r\n"
    ).encode()


def mdi(counts=COUNTS, n=11, last="      -1"):
    rows = [counts[i : i + 8] for i in range(0, len(counts), 8)]
    data = "\n".join("".join(f"{count:8d}" for count in row) for row in rows)
    return (
        f"       09/11/91 DIF Table salt\n 10.000 0.5000  4.0 CU  1.540598  15.000   {n}\n"
        f"{data}{last}\n"
    ).encode()


def group(number=0, axis="2theta/theta", counts=COUNTS):
    rows = "\r\n".join(", ".join(map(str, counts[i : i + 4])) for i in range(0, len(counts), 4))
    return (
        f"*BEGIN\r\n*GROUP\t\t=  {number}\r\n*SCAN_AXIS\t=  {axis}\r\n*START\t\t=  10\r\n"
        "*STOP\t\t=  15\r\n*STEP\t\t=  0.5\r\n*SPEED\t\t=  2\r\n*KV\t\t=  40\r\n*MA\t\t=  44\r\n"
        f"*COUNT\t\t=  11\r\n{rows}\r\n*END\r\n"
    )


def asc(groups=None, mode="Step Scanning", dimension="sec./step"):
    groups = [group()] if groups is None else groups
    return (
        "*TYPE\t\t=  Raw\r\n*CLASS\t\t=  ASCII CLASS\r\n*SAMPLE\t\t=  NaCl\r\n"
        "*COMMENT\t=  Table salt\r\n*DATE\t\t=  25-Dec-97 19:12\r\n\r\n"
        f"*GROUP_COUNT\t=  {len(groups)}\r\n*GONIO\t\t=  SmartLab, 0.000000\r\n"
        f"*MEAS_MODE\t=  {mode}\r\n*TARGET\t\t=  29\r\n*XRAY_CHAR\t=  K-ALPHA1\r\n"
        "*WAVE_LENGTH1\t=  1.54059\r\n*WAVE_LENGTH2\t=  1.54441\r\n"
        f"*SPEED_DIM\t=  {dimension}\r\n*YUNIT\t\t=  counts\r\n\r\n{''.join(groups)}*EOF\r\n"
    ).encode()


def stoe(ranges=1, kind=3, short=False, factor=0.0):
    header = bytearray(512)
    header[:16] = b"RAW_1.06Powdat\0\0"
    header[32:42] = b"Table salt"
    struct.pack_into("<h", header, 310, 3)
    struct.pack_into("<2h2f", header, 318, 40, 30, 1.54059, 1.54441)
    struct.pack_into("<h", header, 360, kind)
    struct.pack_into("<2h", header, 376, ranges, ranges)
    struct.pack_into(f"<{ranges}h", header, 480, *range(4, 4 + 2 * ranges, 2))
    about = bytearray(512)
    about[:32] = b"22-Sep-20 17:18\0" + b"22-Sep-20 18:21\0"
    struct.pack_into("<4h", about, 32, 0, COUNTS.size, 0, int(short))
    struct.pack_into("<7f", about, 40, factor, 10.0, 5.0, 15.0, 7.5, 0.5, 0.25)
    data = COUNTS.astype("<i2" if short else "<i4").tobytes().ljust(512, b"\0")
    return bytes(header) + bytes(2 * 512) + ranges * (bytes(about) + data)


WHOLE = {
    "udf": udf(),
    "philips_rd": rd(),
    "cpi": cpi(),
    "mdi": mdi(),
    "rigaku_asc": asc([group(0), group(1)]),
    "stoe_raw": stoe(ranges=2),
}


def scans_of(content, name="a.dat"):
    file = DataFile(Path(name), content)
    return readers.find_reader(file).read_scans(file)


def scan_of(content):
    [scan] = scans_of(content)
    return scan


def refused(content):
    with pytest.raises(FormatError) as found:
        scans_of(content)
    return str(found.value)


@pytest.mark.parametrize("module", WHOLE)
def test_each_format_is_known_by_its_content_and_read_point_by_point(module):
    file = DataFile(Path("a.dat"), WHOLE[module])
    assert readers.find_reader(file).__name__ == f"xrdae.readers.{module}"
    for scan in scans_of(WHOLE[module]):
        assert scan.kind == "two_theta"
        np.testing.assert_allclose(scan.positions, ANGLES, rtol=1e-12)
        np.testing.assert_array_equal(scan.intensity, COUNTS)
        assert scan.errors is None
        assert scan.units == ("1" if module in {"cpi", "mdi"} else "counts")


def test_udf_states_its_scan():
    assert scan_of(udf()).metadata == {
        "sample": "NaCl",
        "title": "Table salt, ground",
        "instrument": "PW1710",
        "anode": "Cu",
        "wavelength": 1.5406,
        "k_alpha_2": 1.54439,
        "k_alpha_ratio": 0.5,
        "voltage": 40.0,
        "current": 55.0,
        "time": "1995-02-19T11:48",
        "counting_time": 5.0,
    }


def test_udf_may_end_without_a_slash():
    np.testing.assert_array_equal(scan_of(udf(last="")).intensity, COUNTS)


def test_udf_with_a_range_of_fractional_steps_is_read():
    assert len(scan_of(udf(end="15.3")).positions) == COUNTS.size


def test_a_list_of_peaks_in_udf_is_refused():
    assert "no RawScan" in refused(udf().partition(b"RawScan")[0] + b"Peaks\n")


def test_philips_rd_states_its_scan():
    assert scan_of(rd()).metadata == {
        "sample": "NaCl",
        "title": "Table salt",
        "anode": "Cu",
        "wavelength": 1.5406,
        "k_alpha_2": 1.54439,
        "k_alpha_ratio": 0.5,
        "voltage": 40.0,
        "current": 55.0,
    }


def test_philips_rd_of_a_continuous_scan_has_points_in_the_middle_of_steps():
    scan = scan_of(rd(10 * np.sqrt(COUNTS[:-1]), continuous=True))
    np.testing.assert_allclose(scan.positions, ANGLES[:-1] + 0.25)


def test_philips_rd_keeps_counts_beyond_the_range_of_signed_roots():
    roots = np.full(COUNTS.size, 60_000)
    assert scan_of(rd(roots)).intensity.max() == 36_000_000


def test_philips_rd_of_the_version_that_the_sources_disagree_on_is_refused():
    assert "export it as .udf" in refused(rd(version=b"V5RD"))


def test_cpi_states_its_scan():
    assert scan_of(cpi()).metadata == {
        "title": "Table salt",
        "anode": "Cu",
        "wavelength": 1.5406,
        "time": "2002-04-29",
    }


def test_cpi_may_have_decimal_commas():
    scan = scan_of(cpi().replace(b"0.500", b"0,500").replace(b"900", b"900,5"))
    assert scan.intensity.max() == 900.5
    np.testing.assert_allclose(scan.positions, ANGLES)


def test_mdi_states_its_scan():
    assert scan_of(mdi()).metadata == {
        "title": "09/11/91 DIF Table salt",
        "anode": "Cu",
        "wavelength": 1.540598,
    }


def test_mdi_may_have_tabs_and_no_end_mark():
    content = mdi(last="").replace(b"     ", b"\t")
    np.testing.assert_array_equal(scan_of(content).intensity, COUNTS)


def test_mdi_with_other_points_than_it_announces_is_refused():
    assert "announces 12 points, but 11 follow" in refused(mdi(n=12))
    assert "announces 11 points from 10 to 15, but 10 follow" in refused(mdi(COUNTS[:-1], n=10))


def test_rigaku_asc_states_its_scan():
    assert scan_of(asc()).metadata == {
        "sample": "NaCl",
        "title": "Table salt",
        "instrument": "SmartLab",
        "anode": "Cu",
        "wavelength": 1.54059,
        "k_alpha_2": 1.54441,
        "voltage": 40.0,
        "current": 44.0,
        "time": "1997-12-25T19:12",
        "counting_time": 2.0,
    }


def test_rigaku_asc_counting_time_follows_from_the_speed():
    continuous = scan_of(asc(mode="Continuous Scanning", dimension="deg./min."))
    assert continuous.metadata["counting_time"] == 15.0
    unclear = scan_of(asc(mode="Continuous Scanning"))
    assert "counting_time" not in unclear.metadata


def test_rigaku_asc_leaves_out_groups_over_other_axes():
    assert len(scans_of(asc([group(0), group(1, axis="omega")]))) == 1
    assert "groups over omega only" in refused(asc([group(axis="omega")]))


def test_rigaku_asc_names_the_group_that_is_short():
    message = refused(asc([group(0), group(1, counts=COUNTS[:-2])]))
    assert "group 2: it announces 11 points, but 9 follow" in message


def test_stoe_raw_states_its_scan():
    metadata = scan_of(stoe()).metadata
    assert metadata.pop("wavelength") == pytest.approx(1.54059, rel=1e-7)
    assert metadata.pop("k_alpha_2") == pytest.approx(1.54441, rel=1e-7)
    assert metadata == {
        "title": "Table salt",
        "anode": "Cu",
        "time": "2020-09-22T17:18",
        "voltage": 40.0,
        "current": 30.0,
    }


def test_stoe_raw_holds_several_ranges_of_either_width():
    assert len(scans_of(stoe(ranges=3))) == 3
    np.testing.assert_array_equal(scan_of(stoe(short=True)).intensity, COUNTS)


def test_stoe_raw_counts_are_divided_by_their_scale():
    np.testing.assert_allclose(scan_of(stoe(factor=4.0)).intensity, COUNTS / 4)


def test_stoe_raw_over_omega_is_refused():
    assert "over omega" in refused(stoe(kind=2))


@pytest.mark.parametrize("module", WHOLE)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_cut_off_anywhere_has_all_its_points_or_is_refused(module, data):
    whole = WHOLE[module]
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        scans = scans_of(cut)
    except FormatError:
        return
    assert [len(scan.positions) for scan in scans] == [11] * len(scans_of(whole))


@pytest.mark.parametrize("module", WHOLE)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(module, data):
    damaged = bytearray(WHOLE[module])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damage = data.draw(st.binary(min_size=1, max_size=8))
        damaged[at : at + len(damage)] = damage
    try:
        scans = scans_of(bytes(damaged))
    except FormatError:
        return
    assert all(scan.positions.shape == scan.intensity.shape for scan in scans)


@pytest.mark.parametrize(
    ("text", "begins_with", "iso"),
    [
        ("2024-05-01", "year", "2024-05-01"),
        ("2024/05/01 12:30", "year", "2024-05-01T12:30"),
        ("2024-05-01T12:30:00.5+02:00", "year", "2024-05-01T12:30:00.5+02:00"),
        ("2024-05-01 12:30:00 Z", "year", "2024-05-01T12:30:00Z"),
        ("11/21/2017 08:32:31", "month", "2017-11-21T08:32:31"),
        ("06/12/08 10:27:58", "month", "2008-06-12T10:27:58"),
        ("04-Mar-2010 20:59:14", "day", "2010-03-04T20:59:14"),
        ("29-4-2002", "day", "2002-04-29"),
        ("19-dec-97, 9:05", "day", "1997-12-19T09:05"),
    ],
)
def test_dates_are_in_the_form_of_iso_8601(text, begins_with, iso):
    assert format_iso_time(text, begins_with) == iso
    assert format_iso_time(f" {text} ", begins_with) == iso


@pytest.mark.parametrize(
    "text", ["", "1-nov-:0,  21:06", "1-1-1900", "31-2-2020", "09/11/91", "1-1-2020 25:00"]
)
def test_an_impossible_date_is_left_out(text):
    assert format_iso_time(text, "day") is None
    assert format_iso_time(text) is None
