import contextlib

import numpy as np
import pytest
import xarray as xr

from xrdae import DataError

FAST = {"steps": 20, "members": 2, "hidden": (8,), "progress": False}


@pytest.fixture
def bad(series):
    """The series, free to be spoilt."""
    return series.copy(deep=True)


@contextlib.contextmanager
def refused(dataset, *words):
    """An error whose message holds the words, and a dataset that is as it was."""
    before = dataset.copy(deep=True)
    with pytest.raises(DataError) as error:
        yield
    for word in words:
        assert word in str(error.value), str(error.value)
    xr.testing.assert_identical(dataset, before)


def spoil(dataset, pattern, value):
    dataset["intensity"][pattern] = value
    return dataset


def test_no_diffraction_axis(bad):
    dataset = bad.drop_vars("two_theta")
    with refused(dataset, "no axis", "'two_theta'", "assign_coords", "dim="):
        dataset.xrdae.fit(**FAST)


def test_two_candidate_axes(bad):
    dataset = bad.assign_coords(
        pattern=("pattern", np.linspace(1, 2, 24), {"units": "1/angstrom"})
    ).rename(pattern="q")
    with refused(dataset, "'q' [1/angstrom]", "'two_theta' [degree]", "dim=..."):
        dataset.xrdae.fit(**FAST)
    assert dataset.xrdae.fit(dim="two_theta", **FAST).n_latent == 2


def test_two_candidate_intensities(bad):
    dataset = bad.rename(intensity="raw").assign(corrected=bad["intensity"])
    with refused(dataset, "'raw'", "'corrected'", "variable=..."):
        dataset.xrdae.fit(**FAST)
    assert dataset.xrdae.fit(variable="raw", **FAST).n_latent == 2


def test_a_variable_that_is_not_there(bad):
    with refused(bad, "'counts'", "intensity"):
        bad.xrdae.fit(variable="counts", **FAST)


def test_no_units(bad):
    del bad["two_theta"].attrs["units"]
    with refused(bad, "axis 'two_theta' has no units", "ds.two_theta.attrs['units'] = 'degree'"):
        bad.xrdae.fit(**FAST)


@pytest.mark.parametrize("units", ["K", "counts", "arb. unit", "keV", "mm"])
def test_units_that_contradict_the_name_of_the_axis(bad, units):
    bad["two_theta"].attrs["units"] = units
    with refused(bad, "'two_theta'", repr(units), "contradict", "ds['two_theta'].attrs['units']"):
        bad.xrdae.fit(**FAST)


def test_an_unsorted_axis(bad):
    values = bad["two_theta"].values.copy()
    values[[3, 7]] = values[[7, 3]]
    dataset = bad.assign_coords(two_theta=("two_theta", values, bad["two_theta"].attrs))
    with refused(dataset, "'two_theta' is not sorted", f"{values[3]}", "ds.sortby('two_theta')"):
        dataset.xrdae.fit(**FAST)


def test_duplicate_axis_values(bad):
    values = bad["two_theta"].values.copy()
    values[5] = values[4]
    dataset = bad.assign_coords(two_theta=("two_theta", values, bad["two_theta"].attrs))
    with refused(dataset, "duplicate value", f"{values[4]}", "ds.drop_duplicates('two_theta')"):
        dataset.xrdae.fit(**FAST)


def test_an_axis_with_nan(bad):
    values = bad["two_theta"].values.copy()
    values[5] = np.nan
    dataset = bad.assign_coords(two_theta=("two_theta", values, bad["two_theta"].attrs))
    with refused(dataset, "'two_theta' is nan at position 5"):
        dataset.xrdae.fit(**FAST)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_patterns(bad, count):
    dataset = bad.isel(pattern=slice(count))
    with refused(dataset, f"{count} patterns", "'pattern'", "at least 3"):
        dataset.xrdae.fit(**FAST)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.nan, "no finite intensity"),
        (7.0, "constant (7 everywhere)"),
        (0.0, "constant (0 everywhere)"),
        (-np.arange(1.0, 201), "no positive intensity (its largest is -1)"),
    ],
    ids=["all NaN", "constant", "zero", "negative"],
)
def test_a_pattern_without_usable_intensity_is_named_and_a_mask_hides_it(bad, value, what):
    dataset = spoil(bad, 5, value)
    with refused(dataset, "{'pattern': 5}", what, "mask"):
        dataset.xrdae.fit(**FAST)
    hidden = dataset.assign(mask=("pattern", np.arange(24) == 5))
    assert hidden.xrdae.fit(**FAST).labels.sizes["pattern"] == 23


def test_a_bad_pattern_of_a_map_is_named_by_its_place(bad):
    grid = spoil(bad, 5, np.nan).coarsen(pattern=6).construct(pattern=("y", "z"))
    with refused(grid, "{'y': 0, 'z': 5}"):
        grid.xrdae.fit(**FAST)


def test_encoding_a_pattern_without_intensity_warns_and_gives_nan_for_it_alone(bad, model):
    expected = bad.xrdae.encode(model)
    dataset = spoil(bad.copy(deep=True), 5, -1.0)
    with pytest.warns(UserWarning, match=r"1 of 24 patterns.*'pattern': 5"):
        found = dataset.xrdae.encode(model)
    for name in ("latent", "latent_std", "reconstruction_error", "novelty"):
        assert found[name][5].isnull().all()
        others = [i for i in range(24) if i != 5]
        np.testing.assert_allclose(found[name][others], expected[name][others], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int64", ">f4", ">f8", ">i4", "float16"])
def test_integers_and_floats_of_any_size_and_byte_order_mean_their_values(bad, model, dtype):
    whole = bad.assign(intensity=bad["intensity"].round().clip(max=2000))
    expected = whole.xrdae.encode(model)["latent"]
    other = whole.assign(intensity=whole["intensity"].astype(dtype))
    tolerance = 5e-3 if dtype == "float16" else 1e-6
    np.testing.assert_allclose(other.xrdae.encode(model)["latent"], expected, atol=tolerance)
    assert np.isfinite(other.xrdae.fit(**FAST).labels["latent"]).all()


@pytest.mark.parametrize("dtype", ["complex64", "str"])
def test_intensity_must_be_real_numbers(bad, dtype):
    dataset = bad.assign(intensity=bad["intensity"].astype(dtype))
    with refused(dataset, "'intensity'", "real numbers"):
        dataset.xrdae.fit(**FAST)


def test_a_model_of_another_axis_range(bad, model):
    dataset = bad.sel(two_theta=slice(20, 50))
    with refused(dataset, "20 to 49.85 degree", "50%", "20 to 80", "80%"):
        dataset.xrdae.encode(model)


def test_q_data_without_a_wavelength_for_a_two_theta_model(bad):
    two_theta = bad.drop_vars("wavelength")
    model = two_theta.xrdae.fit(**FAST)
    q = 4 * np.pi * np.sin(np.radians(bad["two_theta"].values) / 2) / 1.5406
    dataset = two_theta.rename(two_theta="q").assign_coords(q=("q", q, {"units": "1/angstrom"}))
    with refused(dataset, "needs the wavelength", "assign_coords(wavelength="):
        dataset.xrdae.encode(model)


def test_wavelengths_that_cannot_be_used(bad):
    dataset = bad.assign_coords(wavelength=("pattern", np.linspace(0.2, 2, 24)))
    with refused(dataset, "wavelength varies", "0.2 to 2", "no q in common"):
        dataset.xrdae.fit(**FAST)
    dataset = bad.assign_coords(wavelength=((), 1.5, {"units": "K"}))
    with refused(dataset, "'K'", "no length and no energy", "angstrom"):
        dataset.xrdae.fit(**FAST)
    dataset = bad.assign_coords(wavelength=("pattern", [np.nan] * 3 + [1.5] * 20 + [1.6]))
    with refused(dataset, "NaN for 3 of 24 patterns"):
        dataset.xrdae.fit(**FAST)
    dataset = bad.assign_coords(wavelength=((), -1.5, {"units": "angstrom"}))
    with refused(dataset, "-1.5", "not positive"):
        dataset.xrdae.fit(**FAST)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ("lines", ["'lines'", "'peaks'"]),
        (0.0, ["0.0", "width"]),
        (100.0, ["100.0", "60 degree"]),
        ([[90.0, 95.0]], ["region 0", "90 to 95 degree", "20 to 80 degree"]),
        ([25.0, 30.0], ["(2,)", "(region, 2)"]),
    ],
)
def test_regions_that_cannot_be_masked(bad, model, regions, words):
    with refused(bad, *words):
        bad.xrdae.relevance(model, regions=regions)


def test_an_unknown_fill(bad, model):
    with refused(bad, "'noise'", "'background', 'zero', 'mean'"):
        bad.xrdae.relevance(model, fill="noise")
