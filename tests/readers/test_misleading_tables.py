"""Tables whose names or numbers mislead: right, or refused; never wrong without a warning."""

import numpy as np
import pytest

from text_content import find_refusal, read_text

X = 10 + 0.02 * np.arange(60)
A = 100 + np.round(900 * np.exp(-(((X - 10.5) / 0.1) ** 2)))
B, C = 2 * A, 3 * A


def write(head, *columns, between=","):
    rows = [between.join(f"{value:g}" for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([head, *rows]) + "\n"


def find_highest(text, name="a.csv"):
    return [scan.intensity.max() for scan in read_text(text, name)]


@pytest.mark.parametrize(
    "head",
    [
        "x,y_obs,weight,Q",
        "2theta,Std,Std 2,Blank",
        "2theta,sigma-Al,theta-Al2O3,alpha-Al2O3",
        "2theta,I,II,III",
        "2theta,G,H,I",
        "Temperature (C),25,50,75",
        "2theta,I,q,I",
    ],
)
def test_names_that_may_mean_several_things_are_refused(head):
    columns = (X, A, X / 10, A) if head.endswith("q,I") else (X, A, B, X / 10)
    if not head.endswith(("Q", "q,I")):
        columns = (X, A, B, C)
    assert "state what" in (message := find_refusal(write(head, *columns), "a.csv")) or (
        "put the name of the axis" in message
    )


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("2theta,filtered,normal,annealed", [1000, 2000, 3000]),
        ("2theta,Exp,Fit,Residual", [1000]),
        ("2theta,Data,Model,Difference", [1000]),
        ("2theta,scint,scint_bg,calc", [1000]),
        ("angle,25,50,75", [1000, 2000, 3000]),
    ],
)
def test_calculated_curves_are_left_out_and_samples_are_not(head, wanted):
    assert find_highest(write(head, X, A, B, C)) == wanted


def test_samples_may_stand_before_the_names_of_pairs():
    scans = read_text(write("A 2theta,A I,B 2theta,B I", X, A, X + 5, B), "a.csv")
    assert [scan.positions[0] for scan in scans] == [10, 15]


def test_decimal_commas_in_quotes_are_no_thousands():
    values = [(f"{x / 10:.3f}".replace(".", ","), f"{y:.0f}") for x, y in zip(X, A, strict=True)]
    rows = "".join(f'"{x}";"{y}"\n' for x, y in values)
    [scan] = read_text('"d (A)";"I"\n' + rows, "a.csv")
    np.testing.assert_allclose(scan.positions, X / 10, atol=1e-3)
    rows = "".join(f'"{x}","{x}"\n' for x, _ in values)
    assert "decimal commas" in find_refusal('"d (A)","I"\n' + rows, "a.csv")


def test_a_constant_column_is_no_pattern():
    columns = (X, np.full(60, 5000), A)
    assert find_highest(write("tth\tI00\tdetector", *columns, between="\t"), "a.dat") == [1000]
    text = write("tth\tcyberstar\tdetector", *columns, between="\t")
    assert "constant" in find_refusal(text, "a.dat")


@pytest.mark.parametrize("head", ["2theta,counts,seconds", "2theta,Counts,Time (s)"])
def test_counts_beside_times_that_vary_are_counts_per_second(head):
    time = np.where(np.arange(60) < 30, 1, 4)
    [scan] = read_text(write(head, X, A * time, time), "a.csv")
    assert scan.units == "counts/s"
    np.testing.assert_allclose(scan.intensity, A)
    [same] = read_text(write(head, X, A, np.full(60, 2)), "a.csv")
    assert (same.units, same.metadata["counting_time"]) == ("counts", 2)


@pytest.mark.parametrize(
    "head", ["2theta,I,d", "2theta d I%", "d-spacing,Relative Intensity,x", "2theta,I,F2"]
)
def test_a_list_of_reflections_with_names_is_refused(head):
    head = head.replace(" ", ",") if "%" in head else head
    lines = np.array([20.86, 26.64, 36.54, 39.47, 40.29, 42.45, 45.79, 50.14])
    text = write(head, lines, [22, 100, 8, 8, 4, 6, 4, 14], np.arange(8) + 1.5)
    assert "list of lines" in find_refusal(text, "a.csv")


@pytest.mark.parametrize(
    ("head", "kind", "first"),
    [
        ("2\\g(q)\tIntensity\n\\(176)\ta.u.", "two_theta", 10),
        ("q\tIntensity\nnm\\+(-1)\ta.u.", "q", 1),
        ("# q, inv nm   I", "q", 1),
        ("# q in nm^-1, intensity in a.u.", "q", 1),
        ("# Units: q in 1/nm", "q", 1),
        ("# column 1: q (1/nm)\n# column 2: I", "q", 1),
        ("# column 1: energy (keV)\n# column 2: I", "other", 10),
        ('"q, inv nm"\t"Intensity"', "q", 1),
        ("gamma (deg)\tI", "other", 10),
        ("alpha_f (deg)\tI", "other", 10),
        ("Grazing angle (deg)\tI", "other", 10),
        ("Q2\tI", "other", 10),
        ("q (rlu)\tI", "other", 10),
        ("2theta offset\tI", "other", 10),
    ],
)
def test_units_and_names_in_other_spellings(head, kind, first):
    [scan] = read_text(write(head, X, A, between="\t"), "a.txt")
    assert (scan.kind, scan.positions[0]) == (kind, pytest.approx(first))
    assert not scan.notes


@pytest.mark.parametrize(
    "header",
    [
        "# Rocking curve at 2theta = 30",
        "Scan_Axis: Chi",
        "# Scan: omega",
        "Scanning axis: Omega",
        ";@RangeHeader.Drive: Theta",
        "##DATA TYPE=RAMAN SPECTRUM",
        "##NAMES=Quartz\n##RAMAN WAVELENGTH=532",
    ],
)
def test_a_header_that_speaks_of_another_measurement_is_not_two_theta(header):
    find_refusal(write(header, X, A, between="\t"), "a.txt")


def test_the_line_of_names_is_no_metadata():
    rows = "".join(f"A,{x:.2f},{y:g}\n" for x, y in zip(X, A, strict=True))
    [scan] = read_text("sample,2theta,I\n" + rows, "a.csv")
    assert scan.metadata.get("sample", "A") == "A"


def test_numbered_heads_of_pandas_are_no_point():
    assert "first row" in find_refusal(write("0,1", X, A), "a.csv")


def test_stages_of_one_pattern_are_not_several():
    text = write("2theta,Raw,Corrected", X, A, A - 50)
    assert "before and after a correction" in find_refusal(text, "a.csv")


@pytest.mark.parametrize(
    "head", ["2theta_A,2theta_B,I_A,I_B", "2theta A,I A,2theta B,I B", "A_2theta,B_2theta,A_I,B_I"]
)
def test_labels_pair_columns(head):
    columns = [X + 5 * ("B" in name) if "2theta" in name else A for name in head.split(",")]
    scans = read_text(write(head, *columns), "a.csv")
    assert [scan.positions[0] for scan in scans] == [10, 15]


@pytest.mark.parametrize("mark", ["NA", "N/A", "null", "--", "***", "#N/A"])
@pytest.mark.parametrize("between", [",", ";", "\t", " "])
@pytest.mark.parametrize("row", [1, 30])
def test_marks_of_missing_values_are_nan(mark, between, row):
    lines = write("2theta I".replace(" ", between), X, A, between=between).splitlines()
    lines[row + 1] = f"{X[row]:g}{between}{mark}"
    if mark == "#N/A" and between == " ":
        return  # a comment
    [scan] = read_text("\n".join(lines), "a.csv")
    wanted = A.copy()
    wanted[row] = np.nan
    np.testing.assert_allclose(scan.positions, X)
    np.testing.assert_array_equal(scan.intensity, wanted)


@pytest.mark.parametrize("row", ["10.02 1e", "10.02", "10.02 ? 3"])
def test_a_broken_row_near_the_start_does_not_hide_those_above(row):
    lines = write("2theta I", X, A, between=" ").splitlines()
    lines[2] = row
    assert "a row between lines" in find_refusal("\n".join(lines), "a.txt")


@pytest.mark.parametrize("mark", [" ", "\u00a0", "\u202f", "'", "\u2019", "."])
def test_thousands_are_parted_as_in_many_countries(mark):
    rows = [
        f"{x:.2f};{y:,.0f}".replace(".", "d").replace(",", mark).replace("d", ",")
        for x, y in zip(X, 7 * A, strict=True)
    ]
    [scan] = read_text("\n".join(["2theta;I", *rows]), "a.csv")
    np.testing.assert_allclose(scan.intensity, 7 * A)


@pytest.mark.parametrize("between", [";", "\t", " "])
@pytest.mark.parametrize("scale", [0.001, 1.001])
def test_commas_and_points_together_are_refused(between, scale):
    rows = [
        f"{x:.2f}".replace(".", ",") + between + f"{y * scale:.3f}"
        for x, y in zip(X, A, strict=True)
    ]
    text = "\n".join([between.join(["2theta", "I"]), *rows])
    assert "a comma and a point" in find_refusal(text, "a.csv")


@pytest.mark.parametrize("header", ["##XYDATA=(X++(Y..Y))", "##YFACTOR=0.5\n##XYPOINTS=(XY..XY)"])
def test_jcamp_of_several_intensities_a_row_or_with_factors_is_refused(header):
    text = write(f"##TITLE=a\n##XUNITS=2THETA\n{header}", X, A, between=" ")
    assert "JCAMP-DX" in find_refusal(text, "a.dx")


@pytest.mark.parametrize(
    "head",
    ["Angle (deg),I", "Winkel;Intensität", "(deg),(cps)", "角度,強度"],
)
def test_an_angle_of_a_general_name_is_assumed_to_be_two_theta(head):
    [scan] = read_text(write(head, X, A, between=";" if ";" in head else ","), "a.csv")
    assert scan.kind == "two_theta"
    assert "assumed" in scan.notes[0]


def test_units_of_the_header_name_the_axis():
    [scan] = read_text(write("# units: keV", X, A, between=" "), "a.txt")
    assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", "energy", "keV")


def test_a_baseline_is_no_column_of_errors_even_in_an_xye():
    text = write("", X, A, 90 + X, between=" ").lstrip()
    assert "third column" in find_refusal(text, "a.xye")
