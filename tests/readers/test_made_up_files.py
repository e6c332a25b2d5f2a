"""Small files, each of a kind that readers of diffraction files often misread."""

from pathlib import Path

import numpy as np
import pytest

import xrdae
from xrdae.errors import FormatError
from xrdae.readers import read_file

FOLDER = Path(__file__).parent / "made_up"


@pytest.mark.parametrize(
    ("name", "highest"),
    [
        ("numeric_heads.csv", [1000, 2000, 3000]),
        ("x_heads.csv", [1000, 2000, 3000]),
        ("cakes.dat", [100 * k for k in range(1, 9)]),
        ("monitor_I0.dat", [1000]),
        ("origin_rows.txt", [1000, 2000]),
        ("fullprof.prf", [1000]),
        ("rruff.txt", [1000]),
        ("tab_thousands.txt", [2000]),
        ("time.uxd", [1000]),
    ],
)
def test_every_pattern_of_a_table_is_read(name, highest):
    scans = read_file(FOLDER / name)
    assert [scan.intensity.max() for scan in scans] == highest
    for scan in scans:
        assert scan.kind == "two_theta"
        np.testing.assert_allclose(scan.positions, 10 + 0.02 * np.arange(200), atol=1e-9)
        assert scan.errors is None


def test_pairs_of_columns_have_positions_of_their_own():
    first, second = read_file(FOLDER / "xyxy.csv")
    np.testing.assert_allclose(first.positions[[0, -1]], [10, 13.98])
    np.testing.assert_allclose(second.positions[[0, -1]], [15, 18.98])
    assert (first.intensity.max(), second.intensity.max()) == (1000, 2000)


def test_a_column_that_numbers_the_points_is_no_axis():
    [scan] = read_file(FOLDER / "numbered.txt")
    np.testing.assert_allclose(scan.positions[[0, -1]], [10, 12.98])
    assert scan.errors is None


@pytest.mark.parametrize(
    ("name", "axis", "units"),
    [
        ("pyfai_r_mm.dat", "r", "mm"),
        ("pyfai_chi_deg.dat", "chi", "deg"),
        ("pdfgetx2.gr", "r", "1"),
        ("theta_blank.txt", "Theta", "deg"),
    ],
)
def test_another_axis_is_kept_and_never_taken_for_one_of_diffraction(name, axis, units):
    [scan] = read_file(FOLDER / name)
    assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", axis, units)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("comma_comma.csv", "decimal commas"),
        ("rigaku_beta.txt", "a scan of type 'Beta'"),
        ("amcsd.txt", "a list of lines"),
    ],
)
def test_what_holds_no_certain_pattern_is_refused(name, reason):
    with pytest.raises(FormatError, match=reason):
        read_file(FOLDER / name)


def test_labels_of_samples_are_coordinates():
    found = xrdae.open_patterns(FOLDER / "numeric_heads.csv")
    assert found["column_number"].dims == ("scan",)
    assert found["column_number"].values.tolist() == [25, 50, 75]
    found = xrdae.open_patterns(FOLDER / "x_heads.csv")
    assert found["column"].values.tolist() == ["x=0.1", "x=0.2", "x=0.3"]
    assert found["column_number"].values.tolist() == [0.1, 0.2, 0.3]
    assert [scan.metadata["column"] for scan in read_file(FOLDER / "origin_rows.txt")] == ["A", "B"]


def test_headers_of_databases_and_refinements_are_kept():
    [scan] = read_file(FOLDER / "rruff.txt")
    assert scan.metadata == {"sample": "Quartz", "wavelength": 1.541838}
    [scan] = read_file(FOLDER / "fullprof.prf")
    assert scan.metadata == {"title": "Quartz", "wavelength": 1.54056, "k_alpha_2": 1.54439}


def test_counts_of_varying_time_are_counts_per_second():
    [scan] = read_file(FOLDER / "vct.xrdml")
    assert scan.units == "counts/s"
    np.testing.assert_allclose(scan.intensity[[0, -1]], 100)


def test_an_assumed_axis_is_said_once():
    with pytest.warns(UserWarning, match="assumed to be two_theta") as said:
        xrdae.open_patterns(FOLDER / "numbered.txt")
    assert len(said) == 1
    found = xrdae.open_patterns(FOLDER / "numbered.txt", columns="-xy", axis="q", units="1/nm")
    np.testing.assert_allclose(found["q"][[0, -1]], [1, 1.298])
