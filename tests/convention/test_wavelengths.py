"""Each side has its own wavelength; an assumption is said, a missing one refused."""

from __future__ import annotations

import contextlib
import itertools
import warnings

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.convention.patterns import find_patterns

FAST = {"steps": 60, "members": 2, "hidden": (16,), "rank": 8, "progress": False}
MODEL, DATA = 1.5406, 1.0  # angstrom
Q = np.linspace(1.2, 4.6, 900)


def measure(axis: str, wavelength: float, *, known: bool = True, points: int = 900) -> xr.Dataset:
    """Return the same eight samples, measured over an axis at a wavelength."""
    ends = {
        "q": (1.2, 4.6),
        "d": (2 * np.pi / 4.6, 2 * np.pi / 1.2),
        "two_theta": tuple(
            np.degrees(2 * np.arcsin(np.array([1.2, 4.6]) * wavelength / 4 / np.pi))
        ),
    }[axis]
    at = np.linspace(*ends, points)
    q = {
        "q": at,
        "d": 2 * np.pi / at,
        "two_theta": 4 * np.pi * np.sin(np.radians(at) / 2) / wavelength,
    }[axis]
    x = np.linspace(0, 1, 8)[:, None]
    centres = np.array([1.9, 2.7, 3.6]) * (1 + 0.03 * x)
    height = np.array([1.0, 0.6, 0.4]) * np.concatenate([1 + 0 * x, 1 + x, 1 - 0.5 * x], axis=1)
    peaks = height[..., None] * np.exp(-(((q - centres[..., None]) / 0.05) ** 2) / 2)
    units = {"q": "1/angstrom", "d": "angstrom", "two_theta": "degree"}[axis]
    dataset = xr.Dataset(
        {"intensity": (("pattern", axis), 1000 * peaks.sum(axis=1) + 20)},
        {axis: (axis, at, {"units": units})},
    )
    if not known:
        return dataset
    return dataset.assign_coords(wavelength=((), wavelength, {"units": "angstrom"}))


AXES = ("two_theta", "q", "d")
PAIRS = [
    pytest.param(*pair, id="-".join([pair[0], "known" if pair[1] else "unknown",
                                     pair[2], "known" if pair[3] else "unknown"]))
    for pair in itertools.product(AXES, (True, False), AXES, (True, False))
]  # fmt: skip


@pytest.fixture(scope="module")
def models():
    """Models over each axis, with and without a wavelength, and what they give their own data."""
    found = {}
    for axis, known in itertools.product(AXES, (True, False)):
        training = measure(axis, MODEL, known=known)
        model = training.xrdae.fit(**FAST)
        found[axis, known] = model, training.xrdae.encode(model)["latent"]
    return found


@pytest.mark.parametrize(("model_axis", "model_knows", "data_axis", "data_knows"), PAIRS)
def test_every_pair_of_axes(models, model_axis, model_knows, data_axis, data_knows):
    model, expected = models[model_axis, model_knows]
    data = measure(data_axis, DATA, known=data_knows)
    two = "two_theta"
    lacking = [
        side
        for side, axis, knows in (
            ("model", model_axis, model_knows),
            ("data", data_axis, data_knows),
        )
        if axis == two and not knows
    ]
    # Over two_theta without a wavelength on either side nobody can tell; over one without it, the
    # other side's is taken, and a warning says so; over q and d none is needed.
    refused = bool(lacking) and not (model_knows or data_knows) and model_axis != data_axis
    if refused:
        with pytest.raises(xrdae.DataError, match="needs the wavelength"):
            data.xrdae.encode(model)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The other side's wavelength may bring the data beyond the model's range.
        with contextlib.suppress(xrdae.DataError) if lacking else contextlib.nullcontext():
            found = data.xrdae.encode(model)["latent"]
    said = [str(w.message) for w in caught if "no wavelength:" in str(w.message)]
    assumed = bool(lacking) and (model_knows or data_knows)
    assert bool(said) == assumed
    if said:
        assert lacking[0] in said[0]
        assert "set ds" in said[0]
    if not lacking:
        spread = float(expected.std("pattern").max())
        assert float(abs(found - expected).max()) < 1e-3 * spread


@pytest.mark.parametrize("grid", ["data", "two_theta", "q", "log_q", "d"])
def test_the_same_samples_at_another_wavelength_have_the_same_latents(grid):
    training = measure("two_theta", MODEL)
    model = training.xrdae.fit(**FAST, grid=grid)
    expected = training.xrdae.encode(model)["latent"]
    spread = float(expected.std("pattern").max())
    for data in (measure("two_theta", DATA), measure("q", DATA, known=False), measure("d", DATA)):
        found = data.xrdae.encode(model)["latent"]
        assert float(abs(found - expected).max()) < 1e-3 * spread
        out = data.xrdae.reconstruct(model)["reconstruction"]
        assert float(abs(out / data["intensity"] - 1).median()) < 0.1


@pytest.mark.parametrize(
    ("value", "units"),
    [(0.1, "nm"), (1e-10, "m"), (100.0, "pm"), (12.398419843, "keV"), (12398.419843, "eV")],
)
def test_units_of_a_wavelength_are_converted(models, value, units):
    model, expected = models["two_theta", True]
    data = measure("two_theta", DATA).assign_coords(wavelength=((), value, {"units": units}))
    assert find_patterns(data).axis.wavelength == pytest.approx(1.0, rel=1e-7)
    found = data.xrdae.encode(model)["latent"]
    assert float(abs(found - expected).max()) < 1e-3 * float(expected.std("pattern").max())


@pytest.mark.parametrize(
    ("value", "meant"),
    [(1.5406e-10, "looks like m"), (154.06, "looks like pm"), (17.479, "looks like keV"),
     (12.3984, "looks like pm or keV"),
     (8047.8, "looks like eV"), (500.0, "no usual one")],
)  # fmt: skip
def test_a_number_without_units_must_be_a_wavelength_in_angstrom(value, meant):
    data = measure("two_theta", DATA).assign_coords(wavelength=value)
    with pytest.raises(xrdae.DataError, match=rf"wavelength={value:g} has no units.*{meant}"):
        data.xrdae.fit(**FAST)


@pytest.mark.parametrize(
    ("value", "meant"), [(0.15406, "0.15406 looks like nm"), (0.154, "nm"), (8.048, "keV")]
)
def test_a_number_without_units_that_is_that_of_a_tube_in_others_is_questioned(value, meant):
    data = measure("two_theta", DATA).assign_coords(wavelength=value)
    with pytest.warns(UserWarning, match=f"{meant}.*set ds.wavelength.attrs"):
        assert find_patterns(data).axis.wavelength == value
    stated = data.assign_coords(wavelength=((), value, {"units": "angstrom"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_patterns(stated).axis.wavelength == value


def join(*parts: xr.Dataset) -> xr.Dataset:
    """Join data over two_theta on one grid, with a wavelength for each pattern."""
    grid = parts[0]["two_theta"]
    on_grid = [
        part.interp(two_theta=grid).assign_coords(
            wavelength=("pattern", [float(part.wavelength)] * 8)
        )
        for part in parts
    ]
    joined = xr.concat(on_grid, "pattern")
    joined["wavelength"].attrs["units"] = "angstrom"
    joined["two_theta"].attrs["units"] = "degree"
    return joined


@pytest.mark.parametrize("lazy", [False, True])
def test_a_wavelength_for_each_pattern(models, lazy):
    both = join(measure("two_theta", MODEL), measure("two_theta", 1.4))
    both = both.chunk(pattern=3) if lazy else both
    for axis in AXES:
        model, expected = models[axis, True]
        found = both.xrdae.encode(model)["latent"]
        assert (found.chunks is not None) == lazy
        spread = float(expected.std("pattern").max())
        for some in (slice(8), slice(8, 16)):
            away = abs(found.isel(pattern=some).values - expected.values).max()
            assert away < 0.05 * spread  # the second half lacks the last of the model's q
    model = both.xrdae.fit(**FAST)
    assert model.autoencoder.preparation.axis.kind == "q"
    out = xrdae.analyze(both, model).xrdae.reconstruct(model)
    assert out["latent"].dims == ("pattern", "latent_axis")
    assert out["reconstruction"].dims == ("pattern", "q")
    assert out["q"].attrs["units"] == out["region_start"].attrs["units"] == "1/angstrom"
    xr.testing.assert_identical(out["two_theta"], both["two_theta"])
    latent = out["latent"].values
    assert abs(latent[:8] - latent[8:]).max() < 0.02 * latent.std(axis=0).max()
    for place in (2, 11):
        alone = both.isel(pattern=place).xrdae.encode(model)["latent"]
        np.testing.assert_allclose(alone, latent[place], atol=0.02)


def test_a_wavelength_that_is_the_dimension_of_the_patterns(models):
    both = join(measure("two_theta", MODEL), measure("two_theta", 1.4)).isel(pattern=[0, 12])
    model, _ = models["two_theta", True]
    expected = both.xrdae.encode(model)["latent"]
    found = both.swap_dims(pattern="wavelength").xrdae.encode(model)["latent"]
    np.testing.assert_array_equal(found, expected)
    one = both.isel(pattern=0).expand_dims("wavelength")
    np.testing.assert_allclose(one.xrdae.encode(model)["latent"][0], expected[0], atol=1e-3)
    scan = xr.concat([both.isel(pattern=[0])] * 3, "pattern").swap_dims(pattern="wavelength")
    assert find_patterns(scan).axis.wavelength == pytest.approx(MODEL)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"wavelength": 0.1, "wavelength_units": "nm"}, 1.0),
        ({"wavelength": 100.0, "wavelength_unit": "pm"}, 1.0),
        ({"wavelength": "1.0 angstrom"}, 1.0),
        ({"wavelength": "12.398419843 keV"}, 1.0),
        ({"wavelength": np.array([1.0])}, 1.0),
        ({"wavelength": ""}, None),
        ({"wavelength": None}, None),
    ],
)
def test_attributes_may_have_units(attrs, expected):
    found = find_patterns(measure("two_theta", DATA, known=False).assign_attrs(attrs))
    assert found.axis.wavelength == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("axis", ["q", "d"])
def test_over_q_and_d_a_wrong_wavelength_does_not_matter(models, axis):
    model, expected = models[axis, False]
    data = measure(axis, DATA, known=False)
    for wavelength in ("Cu Ka", ("pattern", [np.nan] + [1.0] * 7), (axis, np.linspace(1, 2, 900))):
        found = data.assign_coords(wavelength=wavelength).xrdae.encode(model)["latent"]
        assert float(abs(found - expected).max()) < 1e-3 * float(expected.std("pattern").max())


def test_data_beyond_what_two_theta_reaches_are_refused_in_words(models):
    model, _ = models["two_theta", True]
    far = measure("q", DATA, known=False)
    with pytest.raises(xrdae.DataError, match="beyond what two_theta reaches"):
        far.assign_coords(q=("q", far["q"].values * 10, far["q"].attrs)).xrdae.encode(model)


@pytest.mark.parametrize("value", [0, -1.0, np.inf])
def test_a_wavelength_that_is_not_positive_is_refused(value):
    data = measure("two_theta", DATA).assign_coords(wavelength=value)
    with pytest.raises(xrdae.DataError, match="not positive"):
        data.xrdae.fit(**FAST)


def test_wavelengths_that_lie_along_the_axis_are_refused():
    data = measure("two_theta", DATA)
    data = data.assign_coords(wavelength=("two_theta", np.linspace(1, 1.1, 900)))
    with pytest.raises(xrdae.DataError, match=r"wavelength lies along \['two_theta'\]"):
        data.xrdae.fit(**FAST)


def test_data_of_a_coarser_step_than_the_training_are_announced(models):
    model, _ = models["q", True]
    coarse = measure("q", DATA).isel(q=slice(None, None, 2))
    with pytest.warns(UserWarning, match=r"a step 2\.0 times that of the patterns"):
        coarse.xrdae.encode(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure("q", DATA, points=650).xrdae.encode(model)
        finer = coarse.xrdae.fit(**FAST, grid="even", points=900)
        coarse.xrdae.encode(finer)  # the model was fitted to such data
