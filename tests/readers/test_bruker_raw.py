"""Readers of binary RAW files of Bruker and Rigaku."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest

from vendor_content import READERS, read_content
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile


def raw_1(*ranges):
    content = b""
    for i, counts in enumerate(ranges):
        header = bytearray(148)
        struct.pack_into("<Iff", header, 0, len(counts), 2.0, 0.5)
        struct.pack_into("<f", header, 20, 10.0)
        struct.pack_into("<32sff", header, 36, b"quartz", 1.5, 0.0)
        more = struct.pack("<I", i + 1 < len(ranges))
        content += (b"RAW " if i < 2 else b"") + bytes(header) + more
        content += np.array(counts, "<f4").tobytes()
    return content


def raw_3(
    *,
    scan_type=0,
    varying=0,
    step=0.5,
    extra=0,
    points=((1.0,), (2.0,), (3.0,)),
    n=None,
    still=(1, 2, 3, 4, 5),
    status=0,
):
    header = bytearray(712)
    header[:8], header[16:34] = b"RAW1.01\0", b"06/12/08\0\x0010:27:58"
    struct.pack_into("<II", header, 8, status, 1)
    struct.pack_into("<5d", header, 616, 1.5418, 1.5406, 1.5444, 1.3922, 0.5)
    part = bytearray(304)
    struct.pack_into("<II7d", part, 0, 304, n or len(points), 4.0, 10.0, *still)
    struct.pack_into("<ddfI", part, 176, step, 0, 2.5, scan_type)
    struct.pack_into("<f", part, 212, 350.0)
    record = 4 + 8 * (len(points[0]) - 1)
    struct.pack_into("<III", part, 248, varying, record, extra)
    form = "<f" + "d" * (len(points[0]) - 1)
    return bytes(header + part) + bytes(extra) + b"".join(struct.pack(form, *p) for p in points)


def raw_4(*ranges, scan_type=b"Locked Coupled", drives=((b"2Theta", 2, 10.0),), record=4):
    content = bytearray(61)
    content[:8], content[12:34] = b"RAW4.00\0", b"07/11/2018\0\x0015:55:31\0\0"
    content += struct.pack("<III24s", 10, 42, 0, b"SAMPLEID") + b"quartz"
    source = bytearray(120)
    struct.pack_into("<II", source, 0, 30, 120)
    struct.pack_into("<4d", source, 80, 1.5406, 1.5444, 1.3922, 0.5)
    content += source
    for counts in ranges:
        header = bytearray(160)
        header[32 : 32 + len(scan_type)] = scan_type
        struct.pack_into("<ddIf", header, 72, 10.0, 0.5, len(counts), 77.9)
        struct.pack_into("<II", header, 136, record, 64 * len(drives))
        content += header
        for name, moves, start in drives:
            segment = struct.pack("<III24s20xd", 50, 64, moves, name, start)
            content += segment
        for count in counts:
            content += struct.pack("<f", count) + b"\x01" * (record - 4)
    return bytes(content)


def test_raw_1_ranges_follow_each_other_with_and_without_the_magic():
    scans = read_content(raw_1([1, 2, 3], [4, 5], [6, 7]))
    assert [scan.intensity.tolist() for scan in scans] == [[1, 2, 3], [4, 5], [6, 7]]
    np.testing.assert_array_equal(scans[0].positions, [10, 10.5, 11])
    assert scans[0].metadata == {"wavelength": 1.5, "counting_time": 2, "sample": "quartz"}


def test_raw_3_ranges_may_have_extra_records_and_measured_positions():
    (scan,) = read_content(raw_3(extra=40))
    np.testing.assert_array_equal(scan.positions, [10, 10.5, 11])
    np.testing.assert_array_equal(scan.intensity, [1, 2, 3])
    assert scan.metadata["temperature"] == 350
    assert scan.metadata["time"] == "2008-06-12T10:27:58"
    assert "omega" not in scan.metadata
    (scan,) = read_content(raw_3(varying=1 + 2**11, points=((5, 10.1, 300), (6, 10.7, 301))))
    np.testing.assert_array_equal(scan.positions, [10.1, 10.7])
    np.testing.assert_array_equal(scan.intensity, [5, 6])
    (scan,) = read_content(raw_3(varying=2**11, points=((5, 300), (6, 301))))
    np.testing.assert_array_equal(scan.positions, [10, 10.5])


def test_raw_3_axes_that_are_not_there_are_not_stated():
    said = read_content(raw_3())[0].metadata
    assert [said[name] for name in ("chi", "phi", "x", "y", "z")] == [1, 2, 3, 4, 5]
    for missing in (9999, -9999, 9998):
        said = read_content(raw_3(still=[missing] * 5))[0].metadata
        assert not {"chi", "phi", "x", "y", "z"} & set(said)
    assert read_content(raw_3(still=(0, 400, 0, 0, 400)))[0].metadata.keys() >= {
        "chi",
        "x",
        "y",
        "z",
    }
    assert "phi" not in read_content(raw_3(still=(0, 400, 0, 0, 400)))[0].metadata


def test_raw_3_detector_scans_have_an_omega_and_rocking_curves_are_refused():
    assert read_content(raw_3(scan_type=2))[0].metadata["omega"] == 4
    with pytest.raises(FormatError, match="no range over 2theta"):
        read_content(raw_3(scan_type=3))


@pytest.mark.parametrize("record", [4, 8, 12])
def test_raw_4_points_are_as_long_as_the_range_says(record):
    scans = read_content(raw_4([1, 2, 3], [4, 5], record=record) + bytes(200))
    assert [scan.intensity.tolist() for scan in scans] == [[1, 2, 3], [4, 5]]
    np.testing.assert_array_equal(scans[0].positions, [10, 10.5, 11])
    assert scans[0].metadata["sample"] == "quartz"
    assert scans[0].metadata["wavelength"] == 1.5406


def test_raw_4_patterns_are_ranges_whose_2theta_starts_where_the_steps_start():
    drives = ((b"2Theta", 0, 40.0), (b"Theta", 2, 10.0))
    with pytest.raises(FormatError, match="no range over 2theta"):
        read_content(raw_4([1, 2, 3], scan_type=b"Rocking Curve", drives=drives))
    with pytest.raises(FormatError, match="no range over 2theta"):
        read_content(raw_4([1, 2, 3], drives=drives))
    drives = ((b"2Theta", 2, 10.0), (b"Theta", 0, 1.5), (b"Chi", 0, 3.0))
    (scan,) = read_content(raw_4([1, 2, 3], scan_type=b"Detector Scan", drives=drives))
    assert (scan.metadata["omega"], scan.metadata["chi"]) == (1.5, 3)


@pytest.mark.parametrize(
    "content",
    [raw_1([1, 2, 3]), raw_3(), raw_4([1, 2, 3], record=8), b"RAW2\x01\0" + bytes(300)],
    ids="1342",
)
@pytest.mark.filterwarnings("ignore:.*stopped or the file is cut off:UserWarning")
def test_raw_cut_anywhere_is_refused_or_has_the_points_before(content):
    whole = []
    with contextlib.suppress(FormatError):
        whole = read_content(content)
    for end in range(8, len(content)):
        cut = content[:end] if b"\0" in content[:end] else content[:end] + b"\0"
        with contextlib.suppress(FormatError):
            (scan,) = read_content(cut)
            np.testing.assert_array_equal(scan.positions, whole[0].positions)
            np.testing.assert_array_equal(scan.intensity, [1, 2, np.nan])


@pytest.mark.parametrize(
    "content",
    [raw_1([1, 2, 3], [4, 5, 6]), raw_3(), raw_4([1, 2, 3])],
    ids="134",
)
def test_raw_of_a_stopped_scan_is_nan_where_it_was_not_measured(content):
    end = len(content) - 4
    with pytest.warns(UserWarning, match=r"a\.dat: 1 of 3 points of range \d were not measured"):
        scans = read_content(content[:end])
    assert np.isnan(scans[-1].intensity).tolist() == [False, False, True]
    assert scans[-1].positions.tolist() == [10, 10.5, 11]


def test_raw_that_ends_before_a_range_has_the_ranges_before():
    content = raw_1([1, 2, 3], [4, 5, 6])
    with pytest.warns(UserWarning, match="the file ends after range 1, but states more"):
        (scan,) = read_content(content[: 4 + 152 + 12])
    np.testing.assert_array_equal(scan.intensity, [1, 2, 3])


PADDED = [*[40.0] * 60, *[0.0] * 40]


@pytest.mark.parametrize("pack", [lambda c: raw_1(c), lambda c: raw_4(c)], ids="14")
def test_raw_zeros_that_chance_cannot_explain_are_nan(pack):
    with pytest.warns(UserWarning, match="40 of 100 points of range 1 were not measured"):
        (scan,) = read_content(pack(PADDED))
    np.testing.assert_array_equal(np.isnan(scan.intensity), np.arange(100) >= 60)
    low = [*[1.0, 0.0] * 30, *[0.0] * 40]
    np.testing.assert_array_equal(read_content(pack(low))[0].intensity, low)
    flat = [40.0, *[0.0] * 40]
    np.testing.assert_array_equal(read_content(pack(flat))[0].intensity, flat)


def test_raw_3_says_whether_zeros_were_measured():
    points = [(1.0,), (0.0,), (2.0,), (0.0,), (0.0,)]
    (scan,) = read_content(raw_3(points=points, status=1))
    np.testing.assert_array_equal(scan.intensity, [1, 0, 2, 0, 0])
    for status in (2, 3, 4):
        with pytest.warns(UserWarning, match="2 of 5 points"):
            (scan,) = read_content(raw_3(points=points, status=status))
        np.testing.assert_array_equal(scan.intensity, [1, 0, 2, np.nan, np.nan])


def test_raw_3_counts_are_divided_by_times_that_vary():
    bits = 1 + 2**1 + 2**10
    (scan,) = read_content(raw_3(varying=bits, points=((8, 10.0, 5, 1), (8, 10.5, 5.2, 4))))
    np.testing.assert_array_equal(scan.positions, [10, 10.5])
    np.testing.assert_array_equal(scan.intensity, [8, 2])
    assert (scan.units, "counting_time" in scan.metadata) == ("counts/s", False)
    (scan,) = read_content(raw_3(varying=2**10, points=((8, 4), (9, 4))))
    np.testing.assert_array_equal(scan.intensity, [8, 9])
    assert (scan.units, scan.metadata["counting_time"]) == ("counts", 4)


def test_raw_headers_that_cannot_be_are_refused():
    with pytest.raises(FormatError, match="in steps of nan"):
        read_content(raw_3(step=float("nan")))
    with pytest.raises(FormatError, match="4294967295 points"):
        read_content(raw_3(n=2**32 - 1))


def test_text_that_begins_like_raw_is_somebody_elses():
    file = DataFile(Path("a.raw"), b"RAW data of Monday\n1 2\n3 4\n")
    assert not any(reader.is_mine(file) for reader in READERS)


def test_rigaku_raw_is_refused_with_a_format_to_export():
    with pytest.raises(FormatError, match=r"export it as \.ras"):
        read_content(b"FI\0\0" + bytes(100), "a.raw")
