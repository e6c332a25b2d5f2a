import json

import dask.array
import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae import Config, DataError
from xrdae.convention.axes import Axis
from xrdae.fingerprint import fingerprint_fitted
from xrdae.preprocessing.steady_scale import find_steady_peaks, measure_contents
from xrdae.storage import checksum

POSITIONS = np.linspace(20, 80, 1200)
AXIS = Axis("two_theta", POSITIONS)
PEAKS = (25, 32, 40, 47, 55, 62, 70)
SMALL = {"members": 2, "steps": 30, "progress": False}


def make_patterns(heights, *, slope=0.0):
    """Return patterns `(pattern, channel)` of peaks of heights `(pattern, peak)`."""
    shapes = np.exp(-(((POSITIONS - np.array(PEAKS)[:, None]) / 0.3) ** 2))
    background = 20 + np.broadcast_to(slope, len(heights))[:, None] * (POSITIONS - 20)
    return 1000 * heights @ shapes + background


@pytest.fixture
def heights():
    """Heights of which the strongest peak varies alone, and exposures that multiply all."""
    rng = np.random.default_rng(0)
    heights = np.tile([1.0, 0.8, 0.5, 0.7, 0.3, 0.4, 0.6], (40, 1))
    heights *= rng.normal(1, 0.005, heights.shape)
    heights[:, 0] = rng.uniform(1, 6, 40)
    return heights, np.exp(rng.normal(0, 0.4, 40))


def make_dataset(patterns):
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), patterns)},
        coords={"two_theta": ("two_theta", POSITIONS, {"units": "degree"})},
    )


@pytest.fixture
def dataset(heights):
    heights, exposure = heights
    return make_dataset(
        np.random.default_rng(1).poisson(make_patterns(heights) * exposure[:, None]) * 1.0
    )


def spread(size, exposure):
    return np.log(size / exposure).std()


def test_the_scale_follows_the_exposure_whatever_the_strongest_peak_does(heights):
    heights, exposure = heights
    rng = np.random.default_rng(2)
    patterns = make_patterns(heights, slope=rng.uniform(0, 3, 40)) * exposure[:, None]
    steady = find_steady_peaks(patterns, AXIS, AXIS, measured=patterns)
    assert spread(steady.measure_scales(patterns), exposure) < 0.02
    assert spread(patterns.max(axis=1), exposure) > 0.3
    assert steady.weights[0] == steady.weights.min()
    assert steady.weights.sum() == pytest.approx(1)


def test_new_patterns_are_scaled_by_the_peaks_of_the_fit_alone(dataset):
    model = dataset.xrdae.fit(scale="steady", **SMALL)
    alone = dataset.isel(pattern=[7]).xrdae.encode(model)["latent"]
    whole = dataset.xrdae.encode(model)["latent"]
    np.testing.assert_allclose(alone[0], whole[7], atol=1e-5)


def test_a_factor_does_not_move_a_pattern(dataset):
    model = dataset.xrdae.fit(scale="steady", **SMALL)
    latent = dataset.xrdae.encode(model)["latent"]
    louder = dataset.assign(intensity=dataset["intensity"] * 37)
    np.testing.assert_allclose(louder.xrdae.encode(model)["latent"], latent, atol=1e-4)


def test_the_order_of_the_patterns_does_not_matter(heights):
    patterns = make_patterns(heights[0]) * heights[1][:, None]
    order = np.random.default_rng(3).permutation(len(patterns))
    steady, shuffled = (
        find_steady_peaks(p, AXIS, AXIS, measured=p) for p in (patterns, patterns[order])
    )
    np.testing.assert_allclose(shuffled.weights, steady.weights, rtol=1e-6)
    np.testing.assert_allclose(shuffled.levels, steady.levels, rtol=1e-6)


def test_the_typical_scale_is_about_the_strongest_intensity(heights):
    patterns = make_patterns(heights[0]) * heights[1][:, None]
    size = find_steady_peaks(patterns, AXIS, AXIS, measured=patterns).measure_scales(patterns)
    assert np.median(size) == pytest.approx(np.median(patterns.max(axis=1)), rel=1e-6)


def test_without_a_steady_peak_a_warning_says_so():
    heights = np.exp(np.random.default_rng(0).normal(0, 0.5, (40, 7)))
    with pytest.warns(
        UserWarning, match=r"no peak is steady for certain: .* \(effective number\).*scale_regions"
    ):
        find_steady_peaks(make_patterns(heights), AXIS, AXIS, measured=make_patterns(heights))


def test_peaks_that_all_change_alike_are_told_from_exposures(heights):
    heights, exposure = heights
    alike = make_patterns(0 * heights + [1.0, 0.8, 0.5, 0.7, 0.3, 0.4, 0.6])
    background = alike.min()
    changed = (alike - background) * exposure[:, None] + background
    with pytest.warns(UserWarning, match="the background does not follow it"):
        find_steady_peaks(changed, AXIS, AXIS, measured=changed)
    exposed = alike * exposure[:, None]
    steady = find_steady_peaks(exposed, AXIS, AXIS, measured=exposed)
    assert spread(steady.measure_scales(exposed), exposure) < 1e-3


def test_of_two_phases_the_one_of_steadier_amount_decides(heights):
    _, exposure = heights
    part = np.random.default_rng(5).uniform(0.1, 0.9, 40)
    amounts = np.stack([part] * 4 + [1 + 0 * part] * 3, axis=1)  # four peaks change, three stay
    patterns = make_patterns(amounts) * exposure[:, None]
    steady = find_steady_peaks(patterns, AXIS, AXIS, measured=patterns)
    assert spread(steady.measure_scales(patterns), exposure) < 0.02


def test_named_reference_peaks_decide_alone_and_without_a_warning(heights):
    heights, exposure = heights
    patterns = make_patterns(heights) * exposure[:, None]
    steady = find_steady_peaks(patterns, AXIS, AXIS, measured=patterns, regions=[[30, 34]])
    assert len(steady.weights) == 1
    assert spread(steady.measure_scales(patterns), exposure) < 0.01
    first = find_steady_peaks(
        patterns, AXIS, AXIS, measured=patterns, regions=[[23, 27]]
    ).measure_scales(patterns)
    assert spread(first, exposure) > 0.3


def test_reference_peaks_are_given_in_units_of_the_data(heights):
    q = 4 * np.pi / 1.5406 * np.sin(np.deg2rad(POSITIONS / 2))
    data = make_dataset(make_patterns(heights[0])).assign_coords(wavelength=1.5406)
    on_q = data.xrdae.fit(grid="q", scale="steady", scale_regions=[[30, 34]], **SMALL)
    start, stop = on_q.autoencoder.preparation.steady.channels[0]
    found = on_q.autoencoder.preparation.axis.values[[start, stop - 1]]
    np.testing.assert_allclose(found, np.interp([30, 34], POSITIONS, q), atol=0.01)


def test_a_gap_in_a_peak_leaves_that_peak_out(heights):
    heights, exposure = heights
    patterns = make_patterns(heights) * exposure[:, None]
    steady = find_steady_peaks(patterns, AXIS, AXIS, measured=patterns)
    patterns[:, (POSITIONS > 31.8) & (POSITIONS < 32.2)] = np.nan
    contents = measure_contents(patterns, steady.channels)
    assert np.isnan(contents).any(axis=0).sum() == 1
    assert spread(steady.measure_scales(patterns), exposure) < 0.02


def test_a_pattern_without_the_peaks_has_no_scale_and_is_refused_by_name(dataset):
    model = dataset.xrdae.fit(scale="steady", **SMALL)
    flat = np.random.default_rng(0).poisson(np.full((1, 1200), 20.0)) * 0.0 + 20.0
    out = make_dataset(np.concatenate([flat, dataset["intensity"].values[:1]])).xrdae
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        latent = out.encode(model)["latent"]
    assert np.isnan(latent[0]).all()
    assert np.isfinite(latent[1]).all()
    broken = dataset.copy(deep=True)
    broken["intensity"][3] = 20.0
    broken["intensity"][3, 5] = 21.0
    with pytest.raises(DataError, match=r"pattern \{'pattern': 3\}.*scale='steady'.*scale_regions"):
        broken.xrdae.fit(scale="steady", scale_regions=[[30, 34]], **SMALL)


@pytest.mark.parametrize("value", [[], [[1]], "peaks", [[1, np.nan]], 3])
def test_regions_that_are_no_bounds_are_refused(value):
    with pytest.raises(ValueError, match="scale_regions="):
        Config(scale="steady", scale_regions=value)


def test_regions_without_the_steady_scale_are_refused():
    with pytest.raises(ValueError, match="has no effect with scale='max'"):
        Config(scale_regions=[[1, 2]])


def test_regions_outside_of_the_axis_are_refused(dataset):
    with pytest.raises(DataError, match="90 to 95"):
        dataset.xrdae.fit(scale="steady", scale_regions=[[90, 95]], **SMALL)


def test_signed_spectra_are_refused(dataset):
    with pytest.raises(DataError, match="scale='std'"):
        (-dataset).xrdae.fit(scale="steady", **SMALL)


def test_lazy_patterns_give_the_same(dataset):
    model = dataset.xrdae.fit(scale="steady", **SMALL)
    lazy = dataset.chunk(pattern=9).xrdae.encode(model)["latent"]
    assert isinstance(lazy.data, dask.array.Array)
    np.testing.assert_allclose(lazy, dataset.xrdae.encode(model)["latent"], atol=1e-5)


def test_a_model_is_saved_with_its_steady_peaks(dataset, tmp_path):
    model = dataset.xrdae.fit(scale="steady", scale_regions=[[30, 34], [45, 50]], **SMALL)
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    assert loaded.config == model.config
    assert fingerprint_fitted(loaded.fitted) == fingerprint_fitted(model.fitted)
    xr.testing.assert_identical(
        dataset.xrdae.encode(loaded)["latent"].drop_attrs(),
        dataset.xrdae.encode(model)["latent"].drop_attrs(),
    )
    assert "steady peaks" in loaded._repr_html_()


def test_an_update_keeps_the_steady_peaks(dataset):
    model = dataset.isel(pattern=slice(0, 25)).xrdae.fit(scale="steady", **SMALL)
    updated = model.update(dataset.isel(pattern=slice(25, None)), progress=False)
    assert updated.autoencoder.preparation.steady is model.autoencoder.preparation.steady


def test_without_reference_peaks_the_settings_are_written_as_before():
    assert "scale_regions" not in json.loads(Config().to_json())
    assert "scale_regions" in json.loads(Config(scale="steady", scale_regions=[[1, 2]]).to_json())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", [[5, 5], [1, 9]]),
        ("channels", [[-1, 5], [1, 9]]),
        ("channels", [[1, 5], [1, 10**6]]),
        ("weights", [0.9, 0.9]),
        ("weights", [-0.5, 1.5]),
        ("levels", [np.nan, 0]),
    ],
)
def test_damaged_steady_peaks_are_refused(dataset, tmp_path, name, value):
    model = dataset.xrdae.fit(scale="steady", scale_regions=[[30, 34], [45, 50]], **SMALL)
    model.save(tmp_path / "model.nc")
    path = tmp_path / "model.nc"
    import netCDF4

    with netCDF4.Dataset(path, "a") as file:
        file["steady"][name][:] = value
    checksum.close(path)
    with pytest.raises(xrdae.FormatError, match=r"steady|levels"):
        xrdae.load_model(path)
