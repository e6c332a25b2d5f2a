"""Areas, widths, shifts, texture and displacement of simulated peaks."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from crystals import BARE, CU_KA1, GAUSS, write_cif
from xrdae import simulate

pytest.importorskip("gemmi")


def test_area_of_an_isolated_peak_is_its_reflection_intensity(tmp_path):
    grid = np.linspace(40, 50, 4001)  # iron: 110 alone, at 44.67
    options = {"two_theta": grid, "noise": False, "instrument": GAUSS}
    dataset = simulate.cif_patterns(write_cif(tmp_path, "iron"), **options)
    area = trapezoid(dataset["intensity"].values[0].astype(float), grid)
    assert dataset["reflection_intensity"].values.ravel() == pytest.approx(area, rel=1e-5)


def test_pseudo_voigt_has_unit_area_and_its_width():
    grid = np.linspace(-400, 500, 900_001)
    for eta in (0.0, 0.4, 1.0):
        peak = simulate.profile(
            grid, position=np.array([50.0]), area=np.ones(1), fwhm=np.array([0.5]), eta=eta
        )
        assert trapezoid(peak, grid) == pytest.approx(1, abs=1e-3)
        above = grid[peak >= peak.max() / 2]
        assert above[-1] - above[0] == pytest.approx(0.5, abs=3e-3)


def test_zero_shift_moves_every_peak_by_that_amount():
    step = 0.03
    options = {"two_theta": 20 + step * np.arange(2001), "noise": False, "instrument": BARE}
    dataset = simulate.alloy_series(
        [1, 1], zr=[0, 0], crossed=False, zero_shift=[0, 5 * step], **options
    )
    plain, shifted = dataset["reflection_position"].values
    both = np.isfinite(plain) & np.isfinite(shifted)
    np.testing.assert_allclose((shifted - plain)[both], 5 * step, atol=1e-9)
    plain, shifted = dataset["intensity"].values
    np.testing.assert_allclose(shifted[5:], plain[:-5], rtol=1e-3, atol=1)


def test_texture_of_one_changes_nothing_and_less_than_one_favours_the_axis():
    plain = simulate.alloy_series([1, 1, 1], zr=[0, 0, 0], crossed=False, noise=False)
    textured = simulate.alloy_series(
        [1, 1, 1], zr=[0, 0, 0], crossed=False, noise=False, texture=[1, 0.7, 1.4]
    )
    np.testing.assert_array_equal(plain["intensity"][0], textured["intensity"][0])
    areas = dict(zip(zip(*(textured[m].values for m in "hkl"), strict=True),
                     textured["reflection_intensity"].values.T, strict=True))  # fmt: skip
    axial = areas[(0, 0, 2)] / areas[(4, 0, 0)]
    # March-Dollase by hand: r^-3 along the axis, r^(3/2) across it
    np.testing.assert_allclose(axial / axial[0], np.array([1, 0.7, 1.4]) ** -4.5)


def test_texture_keeps_the_intensity_of_all_directions_together():
    cosine = np.linspace(0, 1, 20_001)
    for r in (0.6, 1.5):
        march = (r**2 * cosine**2 + (1 - cosine**2) / r) ** -1.5
        assert trapezoid(march, cosine) == pytest.approx(1, abs=1e-6)


def test_debye_waller_attenuates_by_the_textbook_factor():
    ratio = [
        simulate.alloy_series([1], zr=[0], noise=False, b_iso=b)["reflection_intensity"].values[0]
        for b in (0.0, 1.0)
    ]
    dataset = simulate.alloy_series([1], zr=[0], noise=False)
    theta = np.radians(dataset["reflection_position"].values[0]) / 2
    expected = np.exp(-2 * (np.sin(theta) / CU_KA1) ** 2)
    measured = ratio[1] / ratio[0]
    np.testing.assert_allclose(measured / measured[0], expected / expected[0], rtol=1e-9)
