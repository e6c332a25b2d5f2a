"""The simulated alloy series: convention, lattice, counts and noise."""

import numpy as np
import pytest
import xarray as xr

from crystals import BARE, CU_KA1, GAUSS
from xrdae import simulate

pytest.importorskip("gemmi")


@pytest.fixture(scope="module")
def series() -> xr.Dataset:
    return simulate.alloy_series(noise=False, instrument=BARE)


def test_default_series_is_150_patterns_of_2000_points_in_the_convention():
    dataset = simulate.alloy_series()
    assert dataset["intensity"].dims == ("pattern", "two_theta")
    assert dataset["intensity"].shape == (150, 2000)
    assert dataset["intensity"].dtype == dataset["intensity_errors"].dtype == np.float32
    assert float(dataset["wavelength"]) == CU_KA1
    units = {name: variable.attrs.get("units") for name, variable in dataset.variables.items()}
    assert units["intensity"] == units["intensity_errors"] == "counts"
    assert units["two_theta"] == units["reflection_position"] == "degree"
    assert units["wavelength"] == "angstrom"
    assert units["ti"] == units["zr"] == "1"
    assert all(isinstance(value, str | int | float) for value in dataset.attrs.values())
    assert "10.1002/adts.202200613" in dataset.attrs["source"]


def test_body_centring_extinguishes_reflections_of_odd_index_sum(series):
    assert series.sizes["reflection"] > 30
    assert not ((series["h"] + series["k"] + series["l"]) % 2).any()


def test_positions_obey_braggs_law_of_the_lattice(series):
    inverse_d2 = (series["h"] ** 2 + series["k"] ** 2) / series["lattice_a"] ** 2
    inverse_d2 = inverse_d2 + series["l"] ** 2 / series["lattice_c"] ** 2
    expected = 2 * np.degrees(np.arcsin(CU_KA1 / 2 * np.sqrt(inverse_d2)))
    difference = (series["reflection_position"] - expected).transpose("pattern", "reflection")
    assert float(abs(difference).max()) < 1e-9


def test_reflections_off_the_grid_are_nan_and_the_others_on_it(series):
    position = series["reflection_position"].values
    inside = np.isfinite(position)
    assert ((position[inside] >= 20) & (position[inside] <= 80)).all()
    assert inside.any(axis=0).all()
    assert (inside == np.isfinite(series["reflection_intensity"].values)).all()


def test_ti_expands_and_zr_contracts_the_lattice():
    a = simulate.alloy_series([0, 1], zr=[0, 0.5], noise=False)["lattice_a"].values
    assert a[2] > a[0]
    assert a[1] < a[0]
    assert a[2] == pytest.approx(8.56)


def test_peaks_of_the_default_series_move_by_more_than_their_width(series):
    position = (
        series["reflection_position"]
        .where(series["reflection_position"] > 40)
        .dropna("reflection", how="any")
    )
    move = (position.max("pattern") - position.min("pattern")).values
    width = simulate.Instrument().fwhm(position.mean("pattern").values)
    assert (move > width).all()


def test_crossed_gives_the_grid_and_not_crossed_one_pattern_a_pair():
    grid = simulate.alloy_series([0, 1], zr=[0, 0.1, 0.2])
    assert grid["ti"].values.tolist() == [0, 0, 0, 1, 1, 1]
    assert grid["zr"].values.tolist() == [0, 0.1, 0.2] * 2
    pairs = simulate.alloy_series([0, 1], zr=[0, 0.2], crossed=False, noise=False)
    assert pairs["ti"].values.tolist() == [0, 1]
    alone = simulate.alloy_series([1], zr=[0.2], noise=False)
    xr.testing.assert_allclose(
        pairs["intensity"][1], alone["intensity"][0].assign_coords(pattern=1)
    )


def test_one_ti_site_out_of_four_is_the_8i_occupancy():
    structure = simulate.alloy_structure(1.0, zr=0.25)
    mass = 2 * (0.75 * 150.36 + 0.25 * 91.224 + 11 * 55.845 + 47.867)
    listed = simulate.reflections(structure, wavelength=CU_KA1, two_theta_range=(20, 80))
    assert listed.cell_mass == pytest.approx(mass, rel=1e-4)


def test_intensity_scales_with_counts():
    few, many = (
        simulate.alloy_series([1], zr=[0], counts=counts, noise=False) for counts in (1e3, 7e3)
    )
    np.testing.assert_allclose(many["intensity"], 7 * few["intensity"], rtol=1e-5)
    np.testing.assert_allclose(many["reflection_intensity"], 7 * few["reflection_intensity"])


def test_strongest_peak_has_the_counts_asked_for_wherever_the_grid_s_points_fall():
    for start in (20.0, 20.01, 20.02):
        grid = np.linspace(start, start + 60, 30_001)
        options = {"two_theta": grid, "noise": False}
        fine = simulate.alloy_series([1], zr=[0.25], instrument=GAUSS, **options)
        assert float(fine["intensity"].max()) == pytest.approx(10_000, rel=1e-3)
        few = {**options, "two_theta": grid[::30]}
        coarse = simulate.alloy_series([1], zr=[0.25], instrument=GAUSS, **few)
        np.testing.assert_allclose(
            coarse["intensity"], fine["intensity"].sel(two_theta=grid[::30]), rtol=1e-5
        )


def test_same_seed_gives_the_same_counts_and_another_seed_others():
    one, same, other = (simulate.alloy_series([1], zr=[0], seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(one, same)
    assert (one["intensity"] != other["intensity"]).any()


def test_noise_is_poisson_about_the_noise_free_pattern():
    compositions = {"zr": np.zeros(400), "crossed": False, "counts": 400.0}
    truth = simulate.alloy_series(np.ones(400), noise=False, **compositions)["intensity"][0]
    noisy = simulate.alloy_series(np.ones(400), seed=1, **compositions)["intensity"]
    assert (noisy == noisy.round()).all()
    sigma = np.sqrt(truth / 400)
    assert float(abs((noisy.mean("pattern") - truth) / sigma).max()) < 6
    assert float((noisy.var("pattern") / truth).mean()) == pytest.approx(1, abs=0.02)


def test_errors_are_the_root_of_the_counts_and_at_least_one():
    dataset = simulate.alloy_series([1], zr=[0], counts=20.0)
    expected = np.sqrt(np.maximum(dataset["intensity"], 1))
    np.testing.assert_allclose(dataset["intensity_errors"], expected, rtol=1e-6)
    assert float(dataset["intensity"].min()) == 0


def test_iron_adds_its_lines_and_nothing_that_depends_on_the_composition():
    dataset = simulate.alloy_series([0.5, 1.5], zr=[0.2], iron=0.2, noise=False)
    of_iron = dataset.isel(reflection=np.flatnonzero(dataset["phase"].values == 1))
    np.testing.assert_allclose(of_iron["reflection_position"][0, 0], 44.67, atol=0.02)
    assert np.ptp(of_iron["reflection_position"].values, axis=0).max() == 0
    with pytest.raises(ValueError, match="iron is 1"):
        simulate.alloy_series([1], zr=[0], iron=1.0)
