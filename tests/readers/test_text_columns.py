"""Reader of columns of numbers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text_content import READERS, ROWS, find_refusal, read_one_scan, read_text
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile


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
    scan = read_one_scan(text)
    np.testing.assert_array_equal(scan.positions, [1.5, 2.5, 3.5])
    np.testing.assert_array_equal(scan.intensity, [10, 20, 30])
    assert scan.errors is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_encoding_does_not_matter(encoding):
    scan = read_one_scan(("# titre = poudre séchée\n" + ROWS).encode(encoding))
    assert len(scan.positions) == 3


@pytest.mark.parametrize("suffix", [".xye", ".xy", ".dat", ".txt", ".chi"])
def test_a_third_column_without_a_name_is_sigma_in_text(suffix):
    np.testing.assert_array_equal(read_one_scan(ROWS, f"a{suffix}").errors, [10, 12, 11])


def test_a_column_that_is_not_sigma_gives_no_errors():
    assert read_one_scan("10 1 0\n11 2 0\n12 3 0\n").errors is None
    assert read_one_scan("# 2theta intensity background\n" + ROWS).errors is None
    assert (
        read_one_scan("2Theta,Intensity,Error\n" + ROWS.replace(" ", ","), "a.csv").errors[1] == 12
    )


def test_names_choose_among_many_columns():
    text = "2Theta,TimePerStep,Intensity,ESD\n10,1,100,3\n11,1,200,4\n12,1,300,5\n"
    scan = read_one_scan(text, "a.csv")
    np.testing.assert_array_equal(scan.intensity, [100, 200, 300])
    np.testing.assert_array_equal(scan.errors, [3, 4, 5])
    text = "q(A^-1)  2theta  I(q)  sigma\n1 10 5 1\n2 20 6 1\n3 30 7 1\n"
    assert (read_one_scan(text).kind, read_one_scan(text).intensity[0]) == ("q", 5)


@pytest.mark.parametrize(
    "name", ["su", "s.u.", "esd", "e.s.d.", "std", "uncertainty", "err", "sigma(I)", "I_err", "dI"]
)
def test_a_column_named_as_uncertainties_are_is_sigma(name):
    scan = read_one_scan(f"#  2theta intensity   {name}\n{ROWS}")
    np.testing.assert_array_equal(scan.intensity, [100, 144, 121])
    np.testing.assert_array_equal(scan.errors, [10, 12, 11])


@pytest.mark.parametrize("other", ["Ycalc", "I_calc", "Ydiff", "Ibkg", "Background", "Residual"])
def test_calculated_intensity_is_used_only_without_measured_intensity(other):
    assert read_one_scan(f"2theta {other} Yobs\n{ROWS}").intensity[0] == 10
    assert read_one_scan(f"2theta Yobs {other}\n{ROWS}").intensity[0] == 100
    assert read_one_scan(f"2theta {other} sigma\n{ROWS}").intensity[0] == 100


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("two_theta,300K,310K,320K", ["300K", "310K", "320K"]),
        ("two_theta,I_1,I_2,I_3", ["I_1", "I_2", "I_3"]),
        ("two_theta,T300,T310,T320", ["T300", "T310", "T320"]),
        ("Point,2theta,Det1 (counts),Det2 (counts)", ["Det1 (counts)", "Det2 (counts)"]),
        ("two_theta,I_1,I_2,monitor", ["I_1", "I_2"]),
        ("two_theta,I_1,I_2,background", ["I_1", "I_2"]),
        ("two_theta,I_1,I_2,q", ["I_1", "I_2"]),
        ("two_theta,S,E,W", ["S", "E", "W"]),
        ("two_theta,d1,d2,d3", ["d1", "d2", "d3"]),
        ("two_theta,25,50,75", ["25", "50", "75"]),
        ("two_theta,x=0.1,x=0.2,x=0.3", ["x=0.1", "x=0.2", "x=0.3"]),
        (
            "two_theta,Temperature 1,Temperature 2,Temperature 3",
            [f"Temperature {i}" for i in (1, 2, 3)],
        ),
    ],
)
def test_several_columns_of_intensities_with_names_are_several_scans(names, wanted):
    rows = np.array([[1, 10.0, 7, 8], [2, 10.5, 9, 6], [3, 11.0, 5, 4]])
    text = names + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    scans = read_text("# sample: quartz\n" + text, "a.csv")
    assert [(scan.metadata["sample"], scan.metadata["column"]) for scan in scans] == [
        ("quartz", name) for name in wanted
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
        "two_theta,I_1,Epoch,temperature",
        "two_theta,intensity,monitor,mask",
        "Point,two_theta,I_1,",
        "two_theta,det,monitor,Epoch",
        "two_theta,det,Epoch,I0",
    ],
)
def test_one_column_is_the_intensity_where_others_are_something_else(names):
    [scan] = read_text(f"{names}\n1,10,7,8\n2,11,9,6\n3,12,5,4\n", "a.csv")
    assert "column" not in scan.metadata
    assert scan.intensity[0] == (7 if names.startswith("Point") else 10)


def test_many_columns_without_names_must_begin_with_an_axis():
    scans = read_text("1 5 6 7\n2 4 6 8\n3 5 7 9\n")
    assert [scan.intensity.tolist() for scan in scans] == [[5, 4, 5], [6, 6, 7], [7, 8, 9]]
    assert "names" in find_refusal("312 305 311 300\n306 298 301 299\n310 300 305 307\n", "a.dat")


def test_nan_intensity_is_kept_and_a_nan_position_is_refused():
    np.testing.assert_array_equal(read_one_scan("1 2\n2 nan\n3 4\n").intensity, [2, np.nan, 4])
    np.testing.assert_array_equal(read_one_scan("1.0,2\n2.0,\n3.0,4\n").intensity, [2, np.nan, 4])
    assert "line 2" in find_refusal("1 2\nnan 3\n3 4\n")
    assert "line 3" in find_refusal("1.0,2\n2.0,1\n,3\n4.0,4\n")


def test_positions_that_cannot_be_angles_are_refused_with_what_to_do():
    assert "q_nm^-1" in find_refusal("100 1\n200 2\n300 3\n")
    assert "1/nm" in find_refusal("# q intensity\n100 1\n200 2\n300 3\n")


def test_a_file_that_was_cut_off_is_refused():
    assert "line 4 has 2 of 3 values; the file is cut off" in find_refusal(
        "1 2 3\n2 3 4\n3 4 5\n4 5"
    )
    assert "announces 4" in find_refusal("t\n2-Theta\nIntensity\n4\n" + ROWS)
    assert "lines 1 and 3" in find_refusal("1 2\n3\n4 5\n6 7\n8 9\n")
    assert "line 4" in find_refusal(ROWS + "11.5 12x 11\n12 2 3\n")


def test_text_below_or_a_second_table_is_refused():
    assert "line 4" in find_refusal(ROWS + "and so on\n")
    assert "cut off" not in find_refusal(ROWS + "and so on\n")
    assert "several tables" in find_refusal(ROWS + "# second scan\n" + ROWS)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("low", [10, 5, 13])
def test_several_patterns_in_one_table_are_refused(turn, low):
    first, second = np.linspace(10, 20, 30), np.linspace(low, 16, 12)
    rows = [f"{turn * x:.3f} 1" for x in np.r_[first, second]]
    message = find_refusal("\n".join(["# 2theta I", *rows]))
    assert f"jump back from {turn * 20} to {turn * low} in line 32" in message


def test_positions_may_turn_and_overlap():
    up = np.linspace(10, 20, 30)
    for x in (np.r_[up, up[::-1]], np.r_[up, np.linspace(16, 40, 30)]):
        text = "\n".join(f"{value:.3f} 1" for value in x)
        np.testing.assert_allclose(read_one_scan(text).positions, x, atol=1e-3)


@pytest.mark.parametrize("mark", ["END", "*EOF", "end.", "EOF\r\n\r\n", "# scan 1\nEND"])
def test_a_word_at_the_end_of_the_file_is_not_a_row(mark):
    assert len(read_one_scan(ROWS + mark).positions) == 3


@pytest.mark.parametrize("row", ["nan", "11.5 1 END", "11.5"])
def test_a_broken_last_row_does_not_end_the_table(row):
    assert "line 4" in find_refusal(ROWS + row)


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
    find_refusal(content)


numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 4))


tables = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1799), min_size=n, max_size=n, unique=True).map(
            lambda xs: [round(xs[0] / 20 + i * (xs[-1] + 10) / 1000, 2) for i in range(len(xs))]
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
    scan = read_one_scan((header + end + body + end).encode(code), "a.csv")
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


@pytest.mark.parametrize(
    ("head", "units"),
    [
        ("Counts", "counts"),
        ("Intensity (counts)", "counts"),
        ("cps", "counts/s"),
        ("Counts per second", "counts/s"),
        ("counts/s", "counts/s"),
        ("Intensity (kcounts)", "1"),
        ("I (kcps)", "1"),
        ("counts/min", "1"),
    ],
)
def test_units_of_intensities_are_those_of_the_name(head, units):
    assert (
        read_one_scan(
            f"2theta\t{head}\n" + "".join(f"{i}\t{i % 3}\n" for i in range(9)), "a.txt"
        ).units
        == units
    )
