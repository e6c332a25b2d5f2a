"""Spectra of any kind go in and out through every host; their axis is kept as it is."""

import dataclasses
import importlib
import itertools

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns
from xrdae.convention.units import is_same_units

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:traitlets"),
    pytest.mark.filterwarnings("ignore:.*non-uniform.*:UserWarning"),
]

N, P = 10, 60
CYCLE = np.array([300.0, 350, 400, 450, 500, 500, 450, 400, 350, 300])  # reads the same backwards


@dataclasses.dataclass(frozen=True)
class Spectrum:
    name: str
    units: str
    ends: tuple[float, float]

    @property
    def values(self):
        return np.linspace(*self.ends, P)


SPECTRA = {
    "Raman": Spectrum("Raman shift", "1/cm", (200, 1800)),
    "IR": Spectrum("wavenumbers", "cm^-1", (4000, 400)),
    "UV-vis": Spectrum("wavelength", "nm", (250, 800)),
    "XPS": Spectrum("binding energy", "eV", (300, 280)),
    "EELS": Spectrum("Energy loss", "eV", (-5, 120)),
    "EDS": Spectrum("Energy", "keV", (0, 20)),
    "NMR": Spectrum("chemical shift", "ppm", (200, -20)),
    "PDF": Spectrum("r", "angstrom", (1, 20)),
    "time of flight": Spectrum("tof", "us", (2000, 30000)),
    "rocking curve": Spectrum("omega", "degree", (12, 10)),
    "azimuth": Spectrum("chi", "degree", (-180, 179)),
}


def make_values():
    """Return patterns `(N, P)`, no two alike, in which a band moves."""
    place, x = np.linspace(0, 1, P), np.linspace(0, 1, N)[:, None]
    bands = np.exp(-(((place - 0.3 - 0.2 * x) / 0.05) ** 2)) + 0.4 * np.exp(
        -(((place - 0.75) / 0.05) ** 2)
    )
    return 100 * bands + 2 + np.random.default_rng(0).normal(0, 0.2, (N, P))


VALUES = make_values()


def to_hyperspy(spectrum):
    hs = importlib.import_module("hyperspy.api")
    step = np.diff(spectrum.values)[0]
    axes = [
        {"size": N, "name": "position", "units": "nm", "scale": 0.3, "navigate": True},
        {"size": P, "name": spectrum.name, "units": spectrum.units, "navigate": False,
         "offset": spectrum.ends[0], "scale": step},
    ]  # fmt: skip
    return hs.signals.Signal1D(VALUES.copy(), axes=axes)


def to_spectrochempy(spectrum):
    scp = importlib.import_module("spectrochempy")
    x = scp.Coord(spectrum.values, title=spectrum.name, units=spectrum.units)
    y = scp.Coord(CYCLE, title="temperature", units="K")
    return scp.NDDataset(VALUES.copy(), coordset=[y, x], title="signal")


def to_scipp(spectrum):
    sc = importlib.import_module("scipp")
    array = sc.array(dims=["temperature", spectrum.name], values=VALUES)
    units = {"1/cm": "1/cm", "cm^-1": "1/cm", "ppm": "one", "degree": "deg"}
    unit = units.get(spectrum.units, spectrum.units)
    return sc.DataArray(
        array,
        coords={
            "temperature": sc.array(dims=["temperature"], values=CYCLE, unit="K"),
            spectrum.name: sc.array(dims=[spectrum.name], values=spectrum.values, unit=unit),
        },
    )


def to_h5py(spectrum):
    h5py = importlib.import_module("h5py")
    file = h5py.File.in_memory()
    entry = file.create_group("entry")
    entry.attrs["NX_class"] = "NXentry"
    data = entry.create_group("data")
    data.attrs.update(NX_class="NXdata", signal="counts", axes=["temperature", spectrum.name])
    data["counts"], data["temperature"], data[spectrum.name] = VALUES, CYCLE, spectrum.values
    data["temperature"].attrs["units"] = "K"
    data[spectrum.name].attrs["units"] = spectrum.units
    return file


def to_nexusformat(spectrum):
    nexus = importlib.import_module("nexusformat.nexus")
    field = nexus.NXfield
    axes = [
        field(CYCLE, name="temperature", units="K"),
        field(spectrum.values, name=spectrum.name.replace(" ", "_"), units=spectrum.units),
    ]
    data = nexus.NXdata(field(VALUES, name="counts"), axes)
    return nexus.NXroot(nexus.NXentry(data=data))


def read_hyperspy(out, name):
    if name == "latent":
        return out.data
    return out.result(name).data


def read_spectrochempy(out, name):
    return xr.Dataset.from_dict(out.meta["xrdae"])[name].values


def read_scipp(out, name):
    return out[name].values


def read_h5py(out, name):
    return out[f"entry/xrdae/{name}/{name}"][()]


def read_nexusformat(out, name):
    return out[f"entry/xrdae/{name}/{name}"].nxdata


HOSTS = {
    "hyperspy": (to_hyperspy, read_hyperspy),
    "spectrochempy": (to_spectrochempy, read_spectrochempy),
    "scipp": (to_scipp, read_scipp),
    "h5py": (to_h5py, read_h5py),
    "nexusformat": (to_nexusformat, read_nexusformat),
}


@pytest.fixture(scope="module")
def fit():
    """From a kind of spectra to a model of them, and what xarray itself makes of them."""
    known = {}

    def fit_once(kind):
        if kind not in known:
            spectrum = SPECTRA[kind]
            ds = xr.Dataset(
                {"intensity": (("temperature", "axis"), VALUES)},
                {
                    "temperature": ("temperature", CYCLE, {"units": "K"}),
                    "axis": ("axis", spectrum.values, {"units": spectrum.units}),
                },
            ).rename(axis=spectrum.name)
            settings = {"steps": 60, "members": 2, "hidden": (8,), "progress": False}
            model = ds.xrdae.fit(dim=spectrum.name, **settings)
            known[kind] = model, xrdae.analyze(ds, model)
        return known[kind]

    return fit_once


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        (host, kind)
        for host, kind in itertools.product(HOSTS, SPECTRA)
        if (host, kind) != ("scipp", "NMR")  # scipp has no ppm
    ],
)
def test_an_axis_of_spectra_is_kept_and_results_are_those_of_xarray_in_its_order(host, kind, fit):
    pytest.importorskip(host)
    make, read = HOSTS[host]
    spectrum = SPECTRA[kind]
    obj = make(spectrum)
    dim = spectrum.name if host == "scipp" and spectrum.units == "degree" else None
    patterns = find_patterns(plugins.to_dataset(obj), dim=dim)
    assert patterns.axis.kind == "other"
    assert is_same_units(patterns.axis.units, spectrum.units)
    assert str(patterns.dim).replace("_", " ") == spectrum.name
    assert patterns.axis.descending == (spectrum.ends[0] > spectrum.ends[1])
    np.testing.assert_allclose(patterns.axis.values, np.sort(spectrum.values), rtol=1e-9)
    np.testing.assert_array_equal(patterns.intensity, VALUES[:, np.argsort(spectrum.values)])
    model, expected = fit(kind)
    out = xrdae.analyze(obj, model)
    for name in ("latent", "novelty", "relevance", "relevance_profile"):
        found = read(out, name)
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-4, err_msg=name)


def test_an_ambiguous_axis_of_scipp_is_refused():
    pytest.importorskip("scipp")
    with pytest.raises(xrdae.DataError, match=r"may all be the axis.*choose by dim="):
        find_patterns(plugins.to_dataset(to_scipp(SPECTRA["azimuth"])))


@pytest.mark.parametrize("kind", ["IR", "Raman"])
def test_reconstructions_and_synthesized_spectra_run_as_the_axis_of_the_host(kind, fit):
    scp = pytest.importorskip("spectrochempy")
    hs = pytest.importorskip("hyperspy.api")
    model, _ = fit(kind)
    attach = plugins.manager().hook.xrdae_attach
    nd = to_spectrochempy(SPECTRA[kind])
    synthesized = nd.xrdae.synthesize(model, between=(0, 4), n=1, endpoints=True)
    assert isinstance(synthesized, scp.NDDataset)
    assert synthesized.x == nd.x
    assert np.corrcoef(synthesized.data[0], VALUES[0])[0, 1] > 0.8
    signal = to_hyperspy(SPECTRA[kind])
    result = model.reconstruct(plugins.to_dataset(signal))
    out = attach(obj=signal, result=result)
    assert isinstance(out, hs.signals.Signal1D)
    own = signal.axes_manager.signal_axes[0].get_axis_dictionary()
    assert out.axes_manager.signal_axes[0].get_axis_dictionary() == own
    for i in (0, 9):
        assert np.corrcoef(out.data[i], VALUES[i])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("labels", "units"),
    [
        (CYCLE, "K"),
        (np.full(N, 5.0), "s"),
        (np.full(N, np.nan), "K"),
        (np.repeat([1.0, 2], N // 2), "1"),
    ],
)
def test_labels_that_repeat_reorder_nothing(labels, units, fit):
    pytest.importorskip("scipp")
    pytest.importorskip("spectrochempy")
    import scipp as sc
    import spectrochempy as scp

    model, expected = fit("IR")
    array = to_scipp(SPECTRA["IR"])
    array.coords["temperature"] = sc.array(dims=["temperature"], values=labels, unit="one")
    nd = to_spectrochempy(SPECTRA["IR"])
    nd.y = scp.Coord(labels, title="label", units=None if units == "1" else units)
    for found in (
        xrdae.analyze(array, model)["latent"].values,
        xr.Dataset.from_dict(xrdae.analyze(nd, model).meta["xrdae"])["latent"].values,
        nd.xrdae.latent(model).data,
    ):
        np.testing.assert_allclose(found, expected["latent"], rtol=0, atol=1e-4)


def test_the_result_of_spectra_that_were_reversed_since_is_replaced(fit):
    pytest.importorskip("spectrochempy")
    model, expected = fit("IR")
    out = xrdae.analyze(to_spectrochempy(SPECTRA["IR"]), model)
    again = xrdae.analyze(out[:, ::-1], model)
    stored = xr.Dataset.from_dict(again.meta["xrdae"])
    profile = expected["relevance_profile"].values[:, ::-1]
    np.testing.assert_allclose(stored["relevance_profile"], profile, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["region", "latent", "novelty"])
def test_a_label_named_as_a_result_is_refused_with_how_to_rename_it(name, fit):
    for host in ("hyperspy", "spectrochempy", "scipp", "h5py", "pyFAI"):
        pytest.importorskip(host)
    import scipp as sc
    import spectrochempy as scp
    from pyFAI.containers import Integrate1dResult
    from pyFAI.units import to_unit

    model, _ = fit("Raman")
    signal, nd = to_hyperspy(SPECTRA["Raman"]), to_spectrochempy(SPECTRA["Raman"])
    signal.axes_manager.navigation_axes[0].name = name if name == "region" else "latent_axis"
    nd.y = scp.CoordSet(scp.Coord(np.arange(N), title=name), scp.Coord(CYCLE, title="T"))
    array, file = to_scipp(SPECTRA["Raman"]), to_h5py(SPECTRA["Raman"])
    array.coords[name] = sc.arange("temperature", float(N))
    file["entry/data"][name] = np.arange(N)
    results = [Integrate1dResult(np.arange(60.0), row) for row in VALUES]
    for i, result in enumerate(results):
        result._set_unit(to_unit("r_mm"))
        result._set_metadata({name: i})
    for obj in (signal, nd, array, file, results):
        with pytest.raises(xrdae.DataError, match="rename"):
            xrdae.analyze(obj, model)


def test_spectra_without_a_coordinate_are_of_channels():
    hs = pytest.importorskip("hyperspy.api")
    scp = pytest.importorskip("spectrochempy")
    for obj in (hs.signals.Signal1D(VALUES), scp.NDDataset(VALUES)):
        axis = find_patterns(plugins.to_dataset(obj)).axis
        assert (axis.kind, axis.units) == ("other", "1")
        np.testing.assert_array_equal(axis.values, np.arange(P))


def test_a_wavelength_axis_beside_a_wavelength_in_the_metadata_is_the_axis():
    pytest.importorskip("hyperspy.api")
    pytest.importorskip("spectrochempy")
    signal, nd = to_hyperspy(SPECTRA["UV-vis"]), to_spectrochempy(SPECTRA["UV-vis"])
    signal.metadata.set_item("Acquisition_instrument.Laser.wavelength", 532.0)
    nd.meta.wavelength = 532.0
    for obj in (signal, nd):
        axis = find_patterns(plugins.to_dataset(obj)).axis
        assert (axis.kind, axis.name) == ("other", "wavelength")
        assert is_same_units(axis.units, "nm")
