"""Reader of GSAS files."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text


def test_gsas_std_is_counts_with_detectors():
    text = "title\n# Temp (K) = 90.0\nBANK 1 3 1 CONST 1000 5.0 0 0\n 4   100     225 1     9\n"
    scan = read_one_scan(text, "a.gsas")
    np.testing.assert_allclose(scan.positions, [10, 10.05, 10.1])
    np.testing.assert_array_equal(scan.intensity, [100, 225, 9])
    np.testing.assert_array_equal(scan.errors, [5, 15, 3])
    assert (scan.units, dict(scan.metadata)) == ("counts", {"temperature": 90.0, "title": "title"})


def test_gsas_fields_need_no_blanks_between():
    text = "t\nBANK 1 3 1 CONST 1000 5.0 0 0 STD\n10123456 9  4000 1     9\n"
    np.testing.assert_array_equal(read_one_scan(text).intensity, [123456, 4000, 9])
    text = "t\nBANK 1 2 1 CONS 1000 5.0 0 0 ESD\n12345.67123.4567    344.     38.\n"
    np.testing.assert_array_equal(read_one_scan(text).intensity, [12345.67, 344])
    np.testing.assert_array_equal(read_one_scan(text).errors, [123.4567, 38])


def test_gsas_free_columns_are_in_centidegrees_and_banks_are_scans():
    bank = "BANK {} 2 2 CONS 1000 5 0 0 FXYE\n1000.0 5.5 0.5\n1005.0 6.5 0.6\n"
    scans = read_text("t\n" + bank.format(1) + "# c\n" + bank.format(2), "a.fxye")
    assert len(scans) == 2
    np.testing.assert_allclose(scans[1].positions, [10, 10.05])
    np.testing.assert_array_equal(scans[1].errors, [0.5, 0.6])
    fxy = read_one_scan("t\nBANK 1 2 2 CONS 1000 5 0 0 FXY\n1000.0 5.5\n1005.0 6.5\n")
    assert fxy.errors is None


def test_gsas_records_need_no_line_ends_and_titles_may_be_garbage():
    records = ["t\0\x01", "BANK 1 3 1 CONST 1000 5 0 0 STD", "     100     225       9"]
    text = "".join(record.ljust(80) for record in records)
    np.testing.assert_array_equal(read_one_scan(text, "a.raw").intensity, [100, 225, 9])


def test_padding_zeros_of_a_gsas_record_are_left_out():
    row = "".join(f"{v:8d}" for v in [*range(1, 12), *[0] * 9])
    text = f"t\nBANK 1 11 2 CONST 1000 5 0 0 STD\n{row[:80]}\n{row[80:]}\n"
    np.testing.assert_array_equal(read_one_scan(text).intensity, range(1, 12))


def test_gsas_energies_are_refused():
    assert "EDS" in find_refusal("t\nBANK 1 2 2 EDS 1000 5 0 0 FXYE\n1000.0 5.5 1\n1005.0 6.5 1\n")


@pytest.mark.parametrize("form", ["STD", "ESD", "FXYE"])
def test_a_repeated_last_gsas_record_is_left_out(form):
    records = {
        "STD": [
            "".join(f"{v:8d}" for v in range(1, 11)),
            "".join(f"{v:8d}" for v in range(11, 21)),
        ],
        "ESD": ["".join(f"{v:8.0f}{1:8.0f}" for v in range(k, k + 5)) for k in (1, 6, 11, 16)],
        "FXYE": [f"{1000 + 5 * i} {i + 1} 1" for i in range(20)],
    }[form]
    for n in (0, 1):
        rows = "\n".join(records + records[-1:] * n)
        scan = read_one_scan(f"t\nBANK 1 20 2 CONS 1000 5 0 0 {form}\n{rows}\n")
        np.testing.assert_array_equal(scan.intensity, np.arange(1, 21))
        np.testing.assert_allclose(scan.positions, 10 + 0.05 * np.arange(20))
    assert "correct the number" in find_refusal(
        f"t\nBANK 1 20 2 CONS 1000 5 0 0 {form}\n" + "\n".join(records + records[-1:] * 20)
    )


@pytest.mark.parametrize(
    "data",
    [
        "ALT\n1 2 3\n",
        "STD\n",
        "STD\n     1 x\n",
        "FXYE\n1 2\n2 3\n",
        "ESD\n     1.\n",
        "STD\n     1\n",
    ],
)
def test_broken_gsas_banks_are_refused(data):
    assert find_refusal(f"t\nBANK 1 3 1 CONST 1000 5 0 0 {data}").startswith("bank 1: ")


@pytest.mark.parametrize("form", ["STD", "FXYE"])
def test_gsas_positions_in_degree_are_refused(form):
    rows = "     100     225       9\n" if form == "STD" else "10 5 1\n10.05 6 1\n10.1 7 1\n"
    text = f"t\nBANK 1 3 1 CONST 10.0 0.05 0 0 {form}\n{rows}"
    assert "GSAS counts in centidegrees" in find_refusal(text, "a.gsas")
