"""Reader of SPEC files."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text
from xrdae.readers import spec
from xrdae.readers.data_file import DataFile

HEAD = """#F lab6
#E 1341930000
#D Tue Jul 10 12:00:00 2012
#C lab6  User = powder
#O0 Two Theta  Theta  Chi  Phi
"""
SCAN = """
#S {number}  {command}
#D Tue Jul 10 12:01:00 2012
#T {seconds}  (Seconds)
#P0 10 5 2.5 3.5
#N {n}
#L {labels}
{rows}
"""
LABELS = "Two Theta  Epoch  Seconds  Monitor  Detector"
ROWS = "10 1 2 900 5\n10.5 3 2 900 7\n11 5 2 900 6"


def spec_text(rows=ROWS, labels=LABELS, command="ascan  tth 10 11 2 2", number=1, seconds=2):
    n = len(labels.split("  "))
    return SCAN.format(
        number=number, command=command, seconds=seconds, n=n, labels=labels, rows=rows
    )


def test_spec_scan_over_two_theta_is_a_pattern():
    scan = read_one_scan(HEAD + spec_text())
    np.testing.assert_array_equal(scan.positions, [10, 10.5, 11])
    np.testing.assert_array_equal(scan.intensity, [5, 7, 6])
    assert (scan.kind, scan.units, scan.axis) == ("two_theta", "counts", None)
    assert scan.metadata == {
        "title": "1 ascan  tth 10 11 2 2",
        "time": "2012-07-10T12:01:00",
        "counting_time": 2,
        "chi": 2.5,
        "phi": 3.5,
    }


def test_spec_scans_are_in_order_and_empty_ones_and_spectra_are_left_out():
    spectrum = "10 1 2 900 5\n@A 1 2 3\\\n4 5 6\n10.5 3 2 900 8\n"
    text = HEAD + spec_text() + spec_text("", number=2) + spec_text(spectrum, number=3)
    assert [scan.intensity[-1] for scan in read_text(text)] == [6, 8]


def test_spec_motor_of_two_that_is_two_theta_is_the_axis():
    labels = "Theta  Two Theta  Seconds  Detector"
    scan = read_one_scan(
        HEAD + spec_text("5 10 1 7\n6 12 1 8", labels, "a2scan th 5 6 tth 10 12 1 1")
    )
    np.testing.assert_array_equal(scan.positions, [10, 12])


def test_spec_scans_over_another_quantity_are_other_or_left_out():
    energy = spec_text("8.9 1 7\n9.0 1 8", "Energy  Seconds  Detector", "Escan 8.9 9 1 1")
    scan = read_one_scan(HEAD + energy)
    assert (scan.kind, scan.axis.name) == ("other", "Energy")
    assert read_one_scan(HEAD + energy + spec_text()).kind == "two_theta"
    motor = spec_text("1 1 7\n2 1 8", "d1z  Seconds  Detector", "ascan d1z 1 2 1 1")
    assert "no scan over 2theta" in find_refusal(HEAD + motor)
    mesh = spec_text("1 1 7\n2 1 8", "tth  th  Detector", "mesh tth 1 2 1 th 1 2 1 1")
    assert "no scan over 2theta" in find_refusal(HEAD + mesh)


def test_spec_counts_are_divided_by_times_that_vary():
    rows = "10 1 2 900 8\n10.5 3 4 900 8"
    scan = read_one_scan(HEAD + spec_text(rows))
    np.testing.assert_array_equal(scan.intensity, [4, 2])
    assert scan.units == "counts/s"
    by_monitor = spec_text(rows).replace("#T 2", "#M 900")
    np.testing.assert_array_equal(read_one_scan(HEAD + by_monitor).intensity, [8, 8])


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        ("tth  Seconds  I0  scint", 3),
        ("tth  a  b  scint", 3),
        ("tth  Seconds  scint  Monitor", 2),
        ("tth  a  b  c", 3),
        ("tth  det  Seconds  c", None),
        ("tth  det1  det2  Seconds", None),
        ("tth  roi1  I0  roi2", None),
        ("tth  Epoch  Seconds  I0", None),
    ],
)
def test_spec_detector_is_certain_or_the_columns_are_named(labels, right):
    text = HEAD + spec_text("10 1 2 3\n11 1 2 3", labels)
    if right is None:
        assert ", ".join(labels.split("  ")[1:]) in find_refusal(text)
    else:
        np.testing.assert_array_equal(read_one_scan(text).intensity, [right, right])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + spec_text("10 1 2 900 5\n10.5 3 2"), "broken or cut off"),
        (HEAD + spec_text("10 1\n11 2"), "5 columns but has 2"),
        (HEAD + spec_text().replace("#N 5", "#N 4"), "4 columns by #N"),
        (HEAD + spec_text(""), "no scan with points"),
        (
            HEAD + spec_text("10 1 5\n11 2 6", "tth  filters  det"),
            "attenuation (filters) varies",
        ),
    ],
)
def test_spec_that_is_broken_or_attenuated_is_refused(text, said):
    assert said in find_refusal(text)


@pytest.mark.parametrize("start", ["", "#F a\n", "##### start data\n"])
def test_text_that_only_looks_like_spec_is_somebody_elses(start):
    text = start + "#S 1    G(r)\n#L r    G(r)    d_r    d_Gr\n0.01 0 1 1\n0.02 1 1 1\n"
    assert not spec.is_mine(DataFile(None, text.encode()))
