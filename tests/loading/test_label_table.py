"""Columns of the table of labels."""

import numpy as np
import pytest

from xrdae.errors import DataError
from xrdae.loading.label_table import read_labels


def read_column(folder, delimiter, entries, header="value"):
    rows = "".join(f"{i}{delimiter}{entry}\n" for i, entry in enumerate(entries))
    path = folder / "labels.csv"
    path.write_text(f"file{delimiter}{header}\n{rows}", encoding="utf-8")
    return read_labels(path, [str(i) for i in range(len(entries))])


@pytest.mark.parametrize(
    ("delimiter", "entries", "numbers"),
    [
        (",", ['"1,000"', "250", '"12,345.5"'], [1000, 250, 12345.5]),
        ("\t", ["1,000", "250", "-1,000,000"], [1000, 250, -1e6]),
        ("\t", ["0,5", "1,25", "3"], [0.5, 1.25, 3]),
        (";", ["1,000", "2,5", "3"], [1, 2.5, 3]),
        (";", ["1.000,5", "2,5", "1.000"], [1000.5, 2.5, 1000]),
        (";", ["1.5", "2,5"], [1.5, 2.5]),
        (";", ["1,000,000", "2"], [1e6, 2]),
        (",", ["1", "", "3"], [1, np.nan, 3]),
        (",", ["1e3", "-2.5", "+3"], [1000, -2.5, 3]),
        (",", ["", ""], [np.nan, np.nan]),
    ],
)
def test_numbers_are_numbers_in_any_country(tmp_path, delimiter, entries, numbers):
    values, attrs = read_column(tmp_path, delimiter, entries)["value"]
    np.testing.assert_array_equal(values, numbers)
    assert not attrs


@pytest.mark.parametrize(
    ("delimiter", "entries"),
    [
        (",", ["a", "1"]),
        (",", ['"1,5"', "2"]),
        (";", ["1.000", "2,5"]),  # a thousand or one
        ("\t", ["1,2,3", "4"]),
        (",", ["05/01/2024", "06/01/2024"]),  # in May or in January
        (",", ["2024-05-01", "later"]),
        (",", ["x 1", "x 2"]),
        (",", ["True", "False"]),
        (",", ["1_000", "2"]),
        (",", ["0x10", "2"]),
    ],
)
def test_text_that_is_no_number_stays_text(tmp_path, delimiter, entries):
    values, _ = read_column(tmp_path, delimiter, entries)["value"]
    assert values.tolist() == [entry.strip('"') for entry in entries]


@pytest.mark.parametrize(
    ("entries", "times"),
    [
        (["2024-05-01", "2024-05-02"], ["2024-05-01", "2024-05-02"]),
        (["2024-05-01 12:30", ""], ["2024-05-01T12:30", "NaT"]),
        (["2024-05-01T12:30:15+02:00", "2024-05-01"], ["2024-05-01T10:30:15", "2024-05-01"]),
        (["1.5.2024", "02.05.2024 08:00"], ["2024-05-01", "2024-05-02T08:00"]),
        (["1-May-2024", "2-Jun-2024"], ["2024-05-01", "2024-06-02"]),
    ],
)
def test_dates_are_times(tmp_path, entries, times):
    values, attrs = read_column(tmp_path, ",", entries, "start [h]")["start"]
    assert values.dtype == "datetime64[ns]"
    np.testing.assert_array_equal(values, np.array(times, "datetime64[ns]"))
    assert not attrs


def test_short_rows_have_no_entry_and_long_ones_are_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,a,b,\nx,1,2,\n\ny,3\n")
    found = read_labels(path, ["y", "x"])
    np.testing.assert_array_equal(found["a"][0], [3, 1])
    np.testing.assert_array_equal(found["b"][0], [np.nan, 2])
    for text in ("file,a\nx,1,2\n", "", "file,a,a\nx,1,2\n", "file,\nx,1\n"):
        path.write_text(text)
        with pytest.raises(DataError):
            read_labels(path, ["x"])


@pytest.mark.parametrize(
    ("header", "label", "units"),
    [
        ("T [K]", "T", "K"),
        ("T (K)", "T", "K"),
        ("T(K)", "T", "K"),
        ("T", "T", ""),
        ("f(x) [1/s]", "f(x)", "1/s"),
        ("T []", "T []", ""),
        ("T [K", "T [K", ""),
    ],
)
def test_units_are_in_brackets_at_the_end_of_a_header(tmp_path, header, label, units):
    found = read_column(tmp_path, ";", ["1", "2"], header)
    assert found[label][1] == ({"units": units} if units else {})
