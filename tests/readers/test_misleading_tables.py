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
