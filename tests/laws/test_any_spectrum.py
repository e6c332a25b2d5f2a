"""Spectra of any kind go through every step; their axis is kept as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae.cli import main
from xrdae.convention.patterns import find_patterns

FAST = {"steps": 100, "members": 2, "hidden": (16,), "rank": 8, "progress": False}
N, P = 16, 120


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """A kind of spectra: its axis, and the settings that it needs."""

    dim: str
    units: str | None
    ends: tuple[float, float]
    long_name: str = ""
    signed: float = 0.0  # what is subtracted, of the maximum
    factor: float = 1.0
    settings: dict = dataclasses.field(default_factory=dict)
    kind: str = "other"


SPECTRA = {
    "Raman": Spectrum("raman_shift", "1/cm", (200, 1800), "Raman shift"),
    "IR": Spectrum("wavenumber", "cm^-1", (4000, 400)),
    "UV-vis": Spectrum("wavelength", "nm", (250, 800)),
    "XAS": Spectrum("energy", "eV", (7000, 7200), "photon energy"),
    "XPS": Spectrum("binding_energy", "eV", (300, 280)),
    "EELS": Spectrum("Energy loss", "eV", (-5, 120)),
    "EDS": Spectrum("energy", "keV", (0, 20), factor=1e4),
    "energy-dispersive diffraction": Spectrum("Energy", "keV", (20, 150)),
    "time of flight": Spectrum("tof", "us", (2000, 30000)),
    "PDF": Spectrum("r", "angstrom", (1, 20), signed=0.4, settings={"scale": "std"}),
    "NMR": Spectrum("chemical_shift", "ppm", (200, -20)),
    "DSC": Spectrum("temperature", "K", (300, 700), signed=0.5, settings={"scale": "none"}),
    "mass": Spectrum("m/z", "1", (50, 1200)),
    "channels": Spectrum("channel", None, (0, P - 1), settings={"dim": "channel"}),
    "azimuth": Spectrum("chi", "degree", (-180, 179)),
    "rocking curve": Spectrum("omega", "degree", (10, 12)),
    "CD": Spectrum("wavelength", "nm", (190, 260), signed=1.5, settings={"scale": "std"}),
    "SAXS": Spectrum("q", "1/nm", (0.1, 5), settings={"transform": "log"}, kind="q"),
    "SAXS in sqrt": Spectrum("q", "1/nm", (0.1, 5), settings={"transform": "sqrt"}, kind="q"),
}


def make(spectrum: Spectrum) -> xr.Dataset:
    """Return a series in which two bands move, and a third grows."""
    x, place = np.linspace(0, 1, N)[:, None], np.linspace(0, 1, P)
    rng = np.random.default_rng(0)
    bands = sum(
        height * np.exp(-(((place - centre) / 0.04) ** 2) / 2)
        for height, centre in ((1, 0.25 + 0.1 * x), (0.6, 0.55 - 0.05 * x), (0.2 + 0.6 * x, 0.8))
    )
    values = 0.02 + bands + 0.005 * rng.normal(size=(N, P))
    if spectrum.kind == "q":  # over decades
        values = np.exp(-12 * place) + 1e-5 * (0.2 + bands)
    values = spectrum.factor * (values - spectrum.signed * values.max())
    coords: dict = {"mix": ("sample", x.ravel(), {"units": "1"})}
    if spectrum.units is not None:
        attrs = {"units": spectrum.units, "long_name": spectrum.long_name}
        axis = np.linspace(*spectrum.ends, P)
        given = {name: text for name, text in attrs.items() if text}
        coords[spectrum.dim] = (spectrum.dim, axis, given)
    return xr.Dataset({"intensity": (("sample", spectrum.dim), values)}, coords)


@pytest.fixture(scope="module", params=list(SPECTRA))
def spectrum(request):
    return SPECTRA[request.param]


@pytest.fixture(scope="module")
def spectra(spectrum):
    return make(spectrum)


@pytest.fixture(scope="module")
def fitted(spectrum, spectra):
    return spectra.xrdae.fit(**FAST, **spectrum.settings)


def assert_kept(result, dataset, dim):
    """The axis of a dataset is, to the bit, what it was."""
    if dim in dataset.coords:
        xr.testing.assert_identical(result[dim], dataset[dim])
    else:
        assert dim not in result.coords


def test_the_axis_is_not_converted(spectrum, spectra, fitted):
    axis = fitted.autoencoder.preparation.axis
    assert axis.kind == spectrum.kind
    if axis.kind != "other":
        assert (axis.units, axis.values[-1]) == ("1/angstrom", pytest.approx(0.5))
        return
    assert (axis.name, axis.units) == (spectrum.dim, spectrum.units or "1")
    assert axis.wavelength is None
    np.testing.assert_array_equal(axis.values, np.sort(np.linspace(*spectrum.ends, P)))
    assert axis.descending == (spectrum.ends[0] > spectrum.ends[1])
    assert spectrum.dim in repr(fitted)
    assert "two_theta" not in repr(fitted) + fitted._repr_html_()


def test_every_result_runs_along_the_axis_of_the_data(spectrum, spectra, fitted):
    out = xrdae.analyze(spectra, fitted).xrdae.reconstruct(fitted)
    out = out.xrdae.synthesize(fitted, between=(0, N - 1), n=3)
    assert_kept(out, spectra, spectrum.dim)
    for name in ("reconstruction", "relevance_profile", "synthesized", "synthesized_std"):
        assert out[name].dims[-1] == spectrum.dim
        assert np.isfinite(out[name]).all(), name
    error = np.abs(out["reconstruction"] - spectra["intensity"]).mean()
    assert float(error) < 0.1 * float(spectra["intensity"].std())
    negative = bool((out["reconstruction"] < 0).any())
    assert negative == bool(spectrum.signed) or not bool((spectra["intensity"] < -0.1).any())
    assert (out["synthesized_std"] > 0).all()
    low, high = sorted(spectrum.ends)
    assert ((out["region_start"] >= low) & (out["region_stop"] <= high)).all()
    assert out["region_start"].attrs["units"] == (spectrum.units or "1")
    if not spectrum.settings.get("transform"):
        # The first two bands move, most of all the strongest one; between bands is nothing.
        profile = out["relevance_profile"].mean("sample").values
        assert profile[int(0.25 * P) : int(0.35 * P)].mean() > profile[: int(0.05 * P)].mean()


def test_regions_are_in_the_units_of_the_axis(spectrum, spectra, fitted):
    low, high = np.quantile(np.linspace(*spectrum.ends, P), [0.2, 0.4])
    out = spectra.xrdae.relevance(fitted, regions=[[low, high]], fill="zero")
    assert float(out["region_start"][0]) == pytest.approx(low)
    assert float(out["region_stop"][0]) == pytest.approx(high)
    profile = out["relevance_profile"].mean("sample").values
    axis = np.linspace(*spectrum.ends, P)
    inside = (axis >= low - 1e-9) & (axis <= high + 1e-9)
    assert (profile[inside] > 0).all()
    assert (profile[~inside] == 0).all()


def test_labels_order_the_latents_and_estimates_follow(spectrum, spectra, fitted):
    out = spectra.xrdae.estimate(fitted, "mix")
    assert out["mix_estimate"].attrs["cross_validation_r2"] > 0.9
    at = spectra.xrdae.synthesize(fitted, at={"mix": [0.5]})
    truth = spectra["intensity"].isel(sample=[7, 8]).mean("sample")
    error = np.linalg.norm(at["synthesized"][0].values - truth.values)
    assert error < 0.3 * np.linalg.norm((truth - spectra["intensity"].mean("sample")).values) + (
        0.2 * np.linalg.norm(truth.values)
    )


def test_a_model_in_a_file_gives_the_same(spectrum, spectra, fitted, tmp_path):
    fitted.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    assert loaded.config == fitted.config
    one, other = fitted.autoencoder.preparation.axis, loaded.autoencoder.preparation.axis
    for name in ("kind", "name", "units", "long_name", "descending", "wavelength"):
        assert getattr(one, name) == getattr(other, name)
    for make_result in (
        lambda m: spectra.xrdae.encode(m),
        lambda m: spectra.xrdae.reconstruct(m),
        lambda m: spectra.xrdae.synthesize(m, between=(2, 9)),
    ):
        xr.testing.assert_identical(make_result(fitted), make_result(loaded))
    xr.testing.assert_identical(
        fitted.decode(fitted.labels["latent"]), loaded.decode(loaded.labels["latent"])
    )
    decoded = loaded.decode(loaded.labels["latent"].values[:1])
    if spectrum.kind == "other":
        expected = spectra[spectrum.dim] if spectrum.units else np.arange(P)
        np.testing.assert_array_equal(decoded[spectrum.dim], expected)


def test_a_report_names_the_axis_as_it_is(spectrum, spectra, fitted):
    pytest.importorskip("bokeh")
    page = spectra.xrdae.report(fitted, progress=False).html
    assert "diffraction angle" not in page
    assert spectrum.units is None or f"({spectrum.units})" in page


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line(spectrum, spectra, fitted, tmp_path):
    if "/" in spectrum.dim:  # netCDF refuses such names
        spectra, fitted = renamed(spectra, fitted)
    data, model, out = (tmp_path / name for name in ("data.nc", "model.nc", "out.nc"))
    spectra.to_netcdf(data)
    fitted.save(model)
    run("encode", data, "-m", model, "-o", out)
    run("relevance", out, "-m", model, "-o", out)
    run("synthesize", out, "-m", model, "-o", out, "--between", 1, 5)
    dim = str(spectra["intensity"].dims[-1])
    assert dim in run("info", out)
    assert dim in run("info", model) or spectrum.kind == "q"
    with xr.open_dataset(out) as found:
        assert {"latent", "relevance", "synthesized"} <= set(found.variables)
        if spectrum.units:
            np.testing.assert_array_equal(found[dim], spectra[dim])
            assert found[dim].attrs["units"] == spectrum.units


def renamed(spectra, fitted):
    spectra = spectra.rename({"m/z": "mass_to_charge"})
    return spectra, spectra.xrdae.fit(**FAST)


@pytest.mark.parametrize("name", ["XPS", "channels", "CD", "SAXS"])
def test_a_fit_on_the_command_line_is_that_of_python(name, tmp_path):
    spectrum, spectra = SPECTRA[name], make(SPECTRA[name])
    spectra.to_netcdf(tmp_path / "data.nc")
    options = [part for n, value in spectrum.settings.items() for part in (f"--{n}", value)]
    run("fit", tmp_path / "data.nc", "-o", tmp_path / "model.nc", "--members", 1, *options)
    expected = spectra.xrdae.fit(members=1, progress=False, **spectrum.settings)
    found = xrdae.load_model(tmp_path / "model.nc")
    np.testing.assert_array_equal(found.labels["latent"], expected.labels["latent"])


def test_other_settings_of_diffraction_are_refused_with_a_reason():
    raman = make(SPECTRA["Raman"])
    for settings, words in (
        ({"grid": "q"}, r"grid='q' is one of diffraction.*raman_shift \[1/cm\]"),
        ({"grid": "log_q"}, "'even'"),
        ({"strain": 0.01}, "strain=0.01 is a change of the lattice"),
    ):
        with pytest.raises(xrdae.DataError, match=words):
            raman.xrdae.fit(**FAST, **settings)
    even = raman.xrdae.fit(**FAST, grid="even", points=80).autoencoder.preparation.axis
    np.testing.assert_allclose(even.values, np.linspace(200, 1800, 80))
    assert even.name == "raman_shift"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.rename(energy="kinetic_energy"), "rename"),
        (lambda ds: ds.assign_coords(energy=ds["energy"] / 1000).assign_coords(
            energy=lambda d: d["energy"].assign_attrs(units="keV")), "'keV'.*'eV'"),
        (lambda ds: ds.rename(energy="two_theta").assign_coords(
            two_theta=("two_theta", np.linspace(10, 60, P), {"units": "degree"})),
         "two_theta.*energy.*not converted"),
        (lambda ds: ds.isel(energy=slice(P // 2)), "at least 80%"),
    ],
)  # fmt: skip
def test_data_along_something_else_are_refused(change, words):
    xas = make(SPECTRA["XAS"])
    model = xas.xrdae.fit(**FAST)
    with pytest.raises(xrdae.DataError, match=words):
        change(xas).xrdae.encode(model)


def test_the_same_axis_the_other_way_round_gives_the_same_latents():
    xas = make(SPECTRA["XAS"])
    model = xas.xrdae.fit(**FAST)
    turned = xas.isel(energy=slice(None, None, -1))
    one, other = xas.xrdae.encode(model), turned.xrdae.encode(model)
    np.testing.assert_array_equal(one["latent"], other["latent"])
    xr.testing.assert_identical(other["energy"], turned["energy"])
    reconstruction = turned.xrdae.reconstruct(model)["reconstruction"]
    np.testing.assert_array_equal(
        reconstruction.values[:, ::-1], xas.xrdae.reconstruct(model)["reconstruction"].values
    )


@pytest.mark.parametrize("scale", ["max", "area"])
def test_negative_only_spectra_are_refused_with_the_scale_that_takes_them(scale):
    negative = -np.abs(make(SPECTRA["XAS"])["intensity"])
    with pytest.raises(xrdae.DataError, match="for signed spectra, set scale='std' or 'none'"):
        negative.to_dataset(name="intensity").xrdae.fit(**FAST, scale=scale)


@pytest.mark.parametrize("scale", ["std", "none"])
def test_a_positive_factor_moves_nothing_but_where_absolute_intensities_count(scale):
    xas = make(SPECTRA["XAS"])
    model = xas.xrdae.fit(**FAST, scale=scale)
    twice = xas.assign(intensity=2 * xas["intensity"])
    moved = np.abs(twice.xrdae.encode(model)["latent"] - xas.xrdae.encode(model)["latent"]).max()
    assert (float(moved) < 1e-4) == (scale == "std")
    out = twice.xrdae.reconstruct(model)["reconstruction"]
    if scale == "std":
        np.testing.assert_allclose(
            out, 2 * xas.xrdae.reconstruct(model)["reconstruction"], rtol=1e-4
        )


@pytest.mark.parametrize("transform", ["log", "sqrt"])
def test_a_transform_of_signed_spectra_is_refused(transform):
    signed = make(SPECTRA["PDF"])
    with pytest.raises(xrdae.DataError, match=r"not negative.*transform='none'"):
        signed.xrdae.fit(**FAST, scale="std", transform=transform)


def test_a_transform_makes_intensities_over_decades_count_alike():
    saxs = make(SPECTRA["SAXS"])
    noise = 1 + 0.01 * np.random.default_rng(1).normal(size=(N, P))
    noisy, tail = saxs.assign(intensity=saxs["intensity"] * noise), {"q": slice(3, 5)}
    error = {}
    for transform in ("none", "log"):
        model = noisy.xrdae.fit(**FAST, transform=transform)
        out = noisy.xrdae.reconstruct(model)["reconstruction"].sel(tail)
        error[transform] = float(np.abs(out / saxs["intensity"].sel(tail) - 1).mean())
    assert error["log"] < 0.05
    assert error["log"] < 0.7 * error["none"]


def test_a_background_may_leave_noise_that_a_transform_takes():
    pytest.importorskip("pybaselines")
    x, t = np.arange(300.0), np.linspace(0, 1, 12)[:, None]
    peak = 300 * np.exp(-(((x - 100 - 20 * t) / 8) ** 2))
    counts = np.random.default_rng(0).poisson(peak + 50.0)
    coords = {"raman_shift": ("raman_shift", x, {"units": "1/cm"})}
    dataset = xr.Dataset({"intensity": (("spot", "raman_shift"), counts)}, coords)
    model = dataset.xrdae.fit(**FAST, background="arpls", transform="sqrt")
    assert (dataset.xrdae.reconstruct(model)["reconstruction"] >= 0).all()


def test_several_axes_that_could_be_one_are_listed_and_dim_decides():
    rng = np.random.default_rng(0)
    coords = {
        "energy_in": ("energy_in", np.linspace(7000, 7100, 12), {"units": "eV"}),
        "energy_loss": ("energy_loss", np.linspace(-2, 10, 50), {"units": "eV"}),
    }
    rixs = xr.Dataset({"intensity": (("energy_in", "energy_loss"), rng.random((12, 50)))}, coords)
    with pytest.raises(xrdae.DataError, match=r"'energy_in' \[eV\], 'energy_loss' \[eV\].*dim="):
        rixs.xrdae.fit(**FAST)
    model = rixs.xrdae.fit(**FAST, dim="energy_loss")
    assert rixs.xrdae.encode(model)["latent"].dims == ("energy_in", "latent_axis")
    model = rixs.xrdae.fit(**FAST, dim="energy_in")
    assert rixs.xrdae.encode(model)["latent"].dims == ("energy_loss", "latent_axis")


@pytest.mark.parametrize(
    "coords",
    [
        {"temperature": ("temperature", np.linspace(300, 700, 12), {"units": "K"})},
        {"time": ("time", np.linspace(0, 1, 12), {"units": "s"})},
    ],
)
def test_a_temperature_or_a_time_next_to_a_longer_dimension_is_not_the_axis(coords):
    (dim,) = coords
    values = np.random.default_rng(0).random((12, 50))
    dataset = xr.Dataset({"intensity": ((dim, "channel"), values)}, coords)
    with pytest.raises(xrdae.DataError, match=rf"'{dim}'.*'channel' \[no coordinate\].*dim="):
        dataset.xrdae.fit(**FAST)
    assert find_patterns(dataset, dim="channel").axis.name == "channel"
    with pytest.raises(xrdae.DataError, match=r"'channel' \[no coordinate\].*dim="):
        dataset.isel(channel=slice(8)).xrdae.fit(**FAST)
    samples = dataset.rename(channel="sample")  # a name of what is no axis, and shorter
    assert find_patterns(samples.isel(sample=slice(8))).axis.name == dim


def test_positions_on_a_map_are_never_the_axis():
    coords = {d: (d, np.linspace(0, 100, 5), {"units": "nm"}) for d in ("y", "x")}
    values = np.random.default_rng(0).random((5, 5, 50))
    dataset = xr.Dataset({"intensity": (("y", "x", "channel"), values)}, coords)
    with pytest.raises(xrdae.DataError, match=r"no axis|dim="):
        dataset.xrdae.fit(**FAST)
    assert dataset.xrdae.fit(**FAST, dim="channel").autoencoder.preparation.axis.units == "1"
    with pytest.raises(xrdae.DataError, match=r"no axis|choose"):
        dataset.isel(channel=0).xrdae.fit(**FAST)


def test_k_of_photoelectrons_is_not_q():
    values = make(SPECTRA["Raman"])["intensity"].values
    for high, kind in ((14.0, "other"), (1.5, "q")):
        coords = {"k": ("k", np.linspace(0.1, high, P), {"units": "1/angstrom"})}
        found = find_patterns(xr.Dataset({"intensity": (("scan", "k"), values)}, coords))
        assert found.axis.kind == kind


def test_an_energy_with_more_points_than_q_may_be_the_axis():
    coords = {
        "Q": ("Q", np.linspace(0.5, 4, N), {"units": "1/angstrom"}),
        "energy_transfer": ("energy_transfer", np.linspace(-5, 20, P), {"units": "meV"}),
    }
    values = make(SPECTRA["Raman"])["intensity"].values
    both = xr.Dataset({"intensity": (("Q", "energy_transfer"), values)}, coords)
    with pytest.raises(xrdae.DataError, match=r"'Q' .*'energy_transfer' \[meV\].*dim="):
        find_patterns(both)
    assert find_patterns(both, dim="energy_transfer").axis.kind == "other"


def test_the_error_names_a_coordinate_that_may_be_the_axis():
    values = make(SPECTRA["Raman"])["intensity"].values
    coords = {"x": ("x", np.arange(float(P)), {"units": "arb"})}
    dataset = xr.Dataset({"intensity": (("sample", "x"), values)}, coords)
    with pytest.raises(xrdae.DataError, match=r"'x' \[arb\] may be one.*dim='x'"):
        find_patterns(dataset)
