"""Which columns of a table are patterns, by their names, their numbers or what the user states."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import xrdae
from text_content import find_refusal, read_text
from xrdae import cli
from xrdae.readers import text_columns
from xrdae.readers.data_file import DataFile
from xrdae.readers.read_options import ReadOptions

X = 10 + 0.02 * np.arange(60)
A = 100 + np.round(900 * np.exp(-(((X - 10.5) / 0.1) ** 2)))
B = 2 * A


def write(*columns, head="", between=","):
    """Return a table of columns, which may hold numbers or texts."""
    rows = [between.join(str(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([*([head] if head else []), *rows]) + "\n"


def fmt(values, digits=2):
    return [f"{value:.{digits}f}" for value in values]


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("order", ["by sample", "by position"])
@pytest.mark.parametrize("samples", [["steel", "brass"], ["1", "2"], ["Fe 50%", "Fe 60%"]])
def test_a_long_table_has_a_pattern_for_each_sample(between, order, samples):
    names = np.repeat(samples, X.size)
    x, y = np.tile(X, 2), np.r_[A, B]
    if order == "by position":
        sort = np.argsort(x, kind="stable")
        names, x, y = names[sort], x[sort], y[sort]
    text = write(names, fmt(x), y.astype(int), head=between.join(["sample", "2theta", "counts"]),
                 between=between)  # fmt: skip
    first, second = read_text(text, "a.csv")
    assert [scan.metadata["sample"] for scan in (first, second)] == samples
    np.testing.assert_array_equal(first.intensity, A)
    np.testing.assert_array_equal(second.intensity, B)
    np.testing.assert_allclose(second.positions, X)


def test_positions_that_repeat_without_a_sample_are_refused():
    x = np.repeat(X, 2)
    assert "repeat the one before" in find_refusal(write(fmt(x), np.arange(120)), "a.csv")


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("named", [True, False])
def test_pairs_of_columns_are_patterns(n, named):
    columns = [values for k in range(n) for values in (fmt(X + k), ((k + 1) * A).astype(int))]
    head = ",".join(["2theta,I"] * n) if named else ""
    scans = read_text(write(*columns, head=head), "a.csv")
    assert len(scans) == n
    for k, scan in enumerate(scans):
        np.testing.assert_allclose(scan.positions, X + k)
        np.testing.assert_array_equal(scan.intensity, (k + 1) * A)


def test_a_shorter_pattern_of_a_pair_ends_with_empty_fields():
    short = [*fmt(X[:40]), *[""] * 20]
    text = write(fmt(X), A, short, [*A[:40], *[""] * 20], head="2theta,I,2theta,I")
    first, second = read_text(text, "a.csv")
    assert (first.positions.size, second.positions.size) == (60, 40)


def test_samples_stand_above_pairs_of_columns():
    text = "steel,,brass,\n" + write(fmt(X), A, fmt(X), B, head="2theta,I,2theta,I")
    assert [scan.metadata["column"] for scan in read_text(text, "a.csv")] == ["steel", "brass"]


def test_a_nameless_third_column_is_an_error_only_where_it_is_plausible():
    noise = np.random.default_rng(0)
    y = noise.poisson(A)
    sigma = np.sqrt(y)
    for scaled, errors in ((y, sigma), (y / 50, sigma / 50), (0.1 * y + 3, 0.1 * sigma)):
        [scan] = read_text(write(fmt(X), fmt(scaled, 4), fmt(errors, 4), between=" "))
        np.testing.assert_allclose(scan.errors, errors, atol=1e-4)
    for other in (y * 0.995, np.full(60, 100.0), B, np.linspace(90, 80, 60), -sigma):
        text = write(fmt(X), y, fmt(other, 4), between=" ")
        assert "columns='xye'" in find_refusal(text)
    assert find_refusal(write(fmt(X), y, y, between=" "), "a.xye")


def test_calculated_and_difference_columns_of_no_name_are_refused():
    text = write(fmt(X), A, A - 5, np.full(60, 5), between=" ")
    assert "difference" in find_refusal(text)


@pytest.mark.parametrize(
    ("head", "highest"),
    [
        ("tth,Epoch,Seconds,mon,det", 1000),
        ("tth,det,I0,Seconds,ring_current", 1000),
        ("tth,count_time,det,live time,ic1", 1000),
        ("index,tth,det,monitor,temperature", 1000),
        ("h,tth,counts,x,y", 1000),
    ],
)
def test_counters_beside_a_detector_are_no_patterns(head, highest):
    names = head.split(",")
    is_detector = [name in ("det", "counts") for name in names]
    columns = [
        fmt(X) if name == "tth" else A if yes else [7] * 60
        for name, yes in zip(names, is_detector, strict=True)
    ]
    [scan] = read_text(write(*columns, head=head), "a.csv")
    assert scan.intensity.max() == highest


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("tth,det1,apd,mon", "may be the detector"),
        ("2theta,h,k,l", "list of lines"),
        ("2theta,intensity,FWHM,area", "list of lines"),
        ("Strain,Stress,A,B", "no axis that xrdae knows"),
        ("2theta,I_1,I_2,sigma", "2 columns of intensities"),
    ],
)
def test_uncertain_names_are_refused_with_what_to_do(head, reason):
    message = find_refusal(write(fmt(X), A, B, A, head=head), "a.csv")
    assert reason in message


def test_a_list_of_lines_without_names_is_refused():
    lines = "28.44 100\n47.30 55\n56.12 30\n69.13 6\n76.38 11\n88.03 12\n94.95 6\n"
    assert "list of lines" in find_refusal(lines)
    assert len(read_stated(lines, columns="xy")[0].positions) == 7


def test_numbers_of_points_are_no_positions():
    assert "counts from 1 to 60" in find_refusal(write(np.arange(1, 61), A))


@pytest.mark.parametrize("mark", [-9999, -99999, -1])
def test_a_mark_of_unmeasured_points_is_nan_with_a_warning(tmp_path, mark):
    y = A.copy()
    y[5:8] = mark
    (tmp_path / "a.csv").write_text(write(fmt(X), y.astype(int), head="2theta,counts"))
    with pytest.warns(UserWarning, match="not measured"):
        found = xrdae.open_patterns(tmp_path / "a.csv")
    assert np.isnan(found["intensity"]).values.sum() == 3


def test_minus_one_is_a_value_among_other_negative_or_broken_ones(tmp_path):
    for y in (A - 100.5, np.r_[-1, -2, A[2:]]):
        (tmp_path / "a.csv").write_text(write(fmt(X), y, head="2theta,counts"))
        assert np.isfinite(xrdae.open_patterns(tmp_path / "a.csv")["intensity"]).all()


def test_commas_between_thousands_are_no_decimal_commas():
    y = [f"{value:,.0f}" for value in B]
    for text in (
        write(fmt(X), y, head="2theta\tcounts", between="\t"),
        write(fmt(X), [f'"{value}"' for value in y], head="2theta,counts"),
        write(np.arange(10, 70), y, head="2theta;counts", between=";"),
    ):
        np.testing.assert_array_equal(read_text(text, "a.csv")[0].intensity, B)
    decimal = write(fmt(X), fmt(B, 3), head="2theta;counts", between=";").replace(".", ",")
    np.testing.assert_allclose(read_text(decimal, "a.csv")[0].intensity, B)


# ---------------------------------------------------------------- what the user states


def read_stated(text, name="a.csv", **stated):
    return text_columns.read_scans(DataFile(Path(name), text.encode(), ReadOptions(**stated)))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("xy--", [(X, A, None)]),
        ("xye-", [(X, A, B)]),
        ("x-y-", [(X, B, None)]),
        ("xyyy", [(X, A, None), (X, B, None), (X, A, None)]),
        ("xy*", [(X, A, None), (X, B, None), (X, A, None)]),
        ("xy-*", [(X, A, None)]),
    ],
)
def test_stated_columns_are_used(columns, expected):
    scans = read_stated(write(fmt(X), A, B, A), columns=columns)
    assert len(scans) == len(expected)
    for scan, (x, y, e) in zip(scans, expected, strict=True):
        np.testing.assert_allclose(scan.positions, x)
        np.testing.assert_array_equal(scan.intensity, y)
        assert (scan.errors is None) == (e is None)


@pytest.mark.parametrize("columns", ["", "y", "xx", "xyq", "yx?", "*"])
def test_columns_that_state_nothing_are_refused(columns):
    with pytest.raises(ValueError, match="one letter for each column"):
        ReadOptions(columns=columns)


def test_a_wrong_number_of_stated_columns_is_refused():
    with pytest.raises(xrdae.FormatError, match="states 3 columns, but it has 4"):
        read_stated(write(fmt(X), A, B, A), columns="xye")


@pytest.mark.parametrize(
    ("stated", "kind", "factor"),
    [
        ({"axis": "q"}, "q", 1),
        ({"axis": "q", "units": "1/nm"}, "q", 0.1),
        ({"units": "1/nm"}, "q", 0.1),
        ({"axis": "d", "units": "nm"}, "d", 10),
        ({"axis": "two_theta", "units": "rad"}, "two_theta", np.degrees(1)),
        ({"axis": "energy", "units": "keV"}, "other", 1),
    ],
)
def test_a_stated_axis_is_used(stated, kind, factor):
    [scan] = read_stated(write(fmt(X / 10, 4), A), **stated)
    assert (scan.kind, scan.notes) == (kind, ())
    np.testing.assert_allclose(scan.positions, np.round(X / 10, 4) * factor)


@pytest.mark.parametrize(
    "stated", [{"axis": "q", "units": "degree"}, {"units": "mm"}, {"units": "eV"}]
)
def test_units_of_another_quantity_are_refused(stated):
    with pytest.raises(xrdae.FormatError, match="units="):
        read_stated(write(fmt(X / 10, 4), A), **stated)


def test_the_command_line_takes_columns_axis_and_units(tmp_path):
    (tmp_path / "a.csv").write_text(write(A, fmt(X), B))
    done = CliRunner().invoke(
        cli.main,
        ["info", str(tmp_path / "a.csv"), "--columns", "-xy", "--axis", "q", "--units", "1/nm"],
    )
    assert done.exit_code == 0, done.output
    assert "q" in done.output


def test_a_file_that_states_its_axis_takes_no_other(series, tmp_path):
    series.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(xrdae.FormatError, match="describe tables of numbers"):
        xrdae.open_patterns(tmp_path / "a.nc", axis="q")
