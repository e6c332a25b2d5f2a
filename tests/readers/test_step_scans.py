"""Intensities under start, step and end."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan


def fullprof(n=40, *, per_row=10, title=0, sigma=False):
    values = np.arange(100, 100 + n)
    rows = [values, np.sqrt(values)] if sigma else [values]
    body = [
        " ".join(f"{v:.4f}" for v in block[i : i + per_row])
        for block in rows
        for i in range(0, n, per_row)
    ]
    head = ["a title"] * title + [f"  2.0000   0.0500  {2 + 0.05 * (n - 1):.4f}  comment"]
    return "\n".join(head + body) + "\n"


@pytest.mark.parametrize("per_row", [1, 8, 10])
@pytest.mark.parametrize("title", [0, 1, 3])
def test_intensities_behind_start_step_end_are_placed(per_row, title):
    scan = read_one_scan(fullprof(per_row=per_row, title=title), "a.dat")
    np.testing.assert_allclose(scan.positions, 2 + 0.05 * np.arange(40))
    np.testing.assert_array_equal(scan.intensity, np.arange(100, 140))
    assert scan.errors is None


def test_uncertainties_follow_the_intensities_under_two_titles():
    scan = read_one_scan(fullprof(title=2, sigma=True) + "trailing text\n", "a.dat")
    np.testing.assert_allclose(scan.errors, np.sqrt(scan.intensity), atol=1e-4)


def test_intensities_that_do_not_fill_start_step_end_are_refused():
    text = fullprof()
    assert "announces 40 points" in find_refusal(text[: text.rindex("138")], "a.dat")
