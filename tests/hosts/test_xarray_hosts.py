"""Frameworks whose own objects are xarray's: the accessor takes them as they are."""

import importlib.util

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.errors import DataError

pytestmark = [
    # What the hosts say when they are imported, and of the geometry that the test gives later.
    pytest.mark.filterwarnings("ignore:Could not import:UserWarning"),
    pytest.mark.filterwarnings("ignore:Unable to load optional dependency:UserWarning"),
    pytest.mark.filterwarnings("ignore:Initializing geometry with default values:UserWarning"),
]

WAVELENGTH = 1.5406  # angstrom, as in `series`


def host(name):
    """Import a part of a host, or skip the test where the host is not installed."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return importlib.import_module(name)


# --- xdart (SSRL), its package xrd_tools


@pytest.fixture
def read_scan(series, tmp_path):
    """From the unit of the axis to what `read_scan` makes of a file of the host's own."""
    import h5py

    containers = host("xrd_tools.core.containers")
    nexus = host("xrd_tools.io.nexus")

    def read(unit):
        two_theta = series.two_theta.values
        q = 4 * np.pi * np.sin(np.radians(two_theta) / 2) / WAVELENGTH
        axis = {"2th_deg": two_theta, "q_A^-1": q, "q_nm^-1": 10 * q}[unit]
        results = [
            containers.IntegrationResult1D(axis, counts, np.sqrt(counts), unit=unit)
            for counts in series.intensity.values
        ]
        frames = np.arange(1, 25)
        with h5py.File(tmp_path / "scan.nxs", "w") as file:
            entry = file.create_group("entry")
            entry.attrs["NX_class"] = "NXentry"
            nexus.write_integrated_stack(entry, frame_indices=list(frames), results_1d=results)
            entry["scan_data/frame_index"] = frames
            entry["scan_data/temperature"] = 300.0 + frames
        return nexus.read_scan(tmp_path / "scan.nxs")

    return read


@pytest.mark.parametrize("unit", ["2th_deg", "q_A^-1", "q_nm^-1"])
def test_a_scan_of_xdart_gives_the_same_latents(read_scan, unit, gives_the_same_latents):
    scan = read_scan(unit)
    assert scan.q.attrs == {"units": unit}  # the host calls it q whatever it is
    gives_the_same_latents(scan.assign_coords(wavelength=WAVELENGTH))


def test_a_scan_of_xdart_keeps_what_it_has(read_scan, model, latents):
    scan = read_scan("2th_deg").assign_coords(wavelength=WAVELENGTH)
    out = xrdae.analyze(scan, model)
    np.testing.assert_allclose(out.latent, latents, atol=1e-6 * np.ptp(latents))
    kept = out[list(scan.variables)]
    xr.testing.assert_identical(kept.drop_attrs(deep=False), scan.drop_attrs(deep=False))
    assert scan.attrs.items() <= out.attrs.items()
    np.testing.assert_array_equal(out.latent.frame, scan.frame)


def test_a_scan_of_xdart_fits_and_goes_on_after_any_step(read_scan):
    scan = read_scan("2th_deg").set_coords("temperature")
    model = scan.xrdae.fit(steps=50, members=2, progress=False)
    assert "temperature" in str(model)
    out = scan.xrdae.relevance(model).xrdae.reconstruct(model).xrdae.encode(model)
    assert out.reconstruction.dims == ("frame", "q")
    xr.testing.assert_equal(out.latent, scan.xrdae.encode(model).latent)


def test_results_in_a_scan_of_xdart_are_written_without_the_dict_that_it_leaves(
    read_scan, model, tmp_path
):
    scan = read_scan("2th_deg").assign_coords(wavelength=WAVELENGTH)
    out = scan.xrdae.encode(model)
    with pytest.raises(TypeError, match="'reduction'"):  # xarray's own refusal, before as after
        out.to_netcdf(tmp_path / "out.nc")
    del out.attrs["reduction"]
    out.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as found:
        xr.testing.assert_equal(found.latent, out.latent)


# --- easyXRD (NSLS-II)


@pytest.fixture
def load(series, tmp_path, monkeypatch):
    """From a position in the series to an `exrd` that has loaded that pattern."""
    monkeypatch.setenv("EASYXRD_SCRATCH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    easyxrd = host("easyxrd")

    def load(i):
        experiment = easyxrd.exrd()
        experiment.load_xrd_data(
            from_i1d_array=np.c_[series.two_theta.values, series.intensity.values[i]],
            i1d_array_radial_unit="tth",
            i1d_array_wavelength_in_angstrom=WAVELENGTH,
            plot=False,
        )
        return experiment

    return load


def test_patterns_of_easyxrd_give_the_same_latents(load, gives_the_same_latents):
    together = xr.concat([load(i).ds for i in range(24)], dim="pattern")
    assert together.i1d.attrs["radial_unit"] == "q_A^-1"  # units on the data, not on the axis
    gives_the_same_latents(together)


def test_one_pattern_of_easyxrd_needs_no_second_dimension(load, model, latents):
    found = load(3).ds.xrdae.encode(model)
    assert found.latent.dims == ("latent_axis",)
    np.testing.assert_allclose(found.latent, latents[3], atol=1e-6 * np.ptp(latents))


def test_the_baseline_of_easyxrd_is_not_the_pattern(load, model, latents):
    experiment = load(3)
    experiment.get_baseline(plot=False)
    assert {"i1d", "i1d_baseline"} <= set(experiment.ds)
    found = experiment.ds.xrdae.encode(model)
    np.testing.assert_allclose(found.latent, latents[3], atol=1e-6 * np.ptp(latents))


def test_results_survive_the_export_of_easyxrd(load, model, tmp_path):
    experiment = load(3)
    experiment.ds = xrdae.analyze(experiment.ds, model)
    experiment.export_ds_to(to=str(tmp_path / "out.nc"))
    again = host("easyxrd").exrd()
    again.load_xrd_data(from_nc_file=str(tmp_path / "out.nc"), plot=False)
    xr.testing.assert_equal(again.ds.latent, experiment.ds.latent)
    xr.testing.assert_equal(again.ds.relevance, experiment.ds.relevance)


# --- PyHyperScattering (NIST)


@pytest.fixture(scope="module")
def integrated():
    """24 images with a ring that grows with the temperature, integrated by the host."""
    integrate = host("PyHyperScattering.integrate")
    host("PyHyperScattering.RSoXS")  # registers its own accessor
    y, x = np.mgrid[:64, :64]
    radius = np.hypot(y - 32, x - 32)
    ring = 12 + np.arange(24)[:, None, None] / 6
    expected = 1000 * np.exp(-0.5 * ((radius - ring) / 2) ** 2) + 5
    images = xr.DataArray(
        np.random.default_rng(0).poisson(expected).astype(float),
        dims=("temperature", "pix_y", "pix_x"),
        coords={"temperature": np.linspace(300, 600, 24), "pix_y": range(64), "pix_x": range(64)},
        attrs={"energy": 270.0, "sampleid": 1},
    )

    def integrate_by(**options):
        integrator = integrate.PFGeneralIntegrator(
            maskmethod="numpy",
            mask=np.zeros((64, 64), dtype=bool),
            energy=270.0,
            integration_method="csr",
            npts=60,
            **options,
        )
        integrator.dist = 0.1
        integrator.pixel1 = integrator.pixel2 = 2e-4
        integrator.poni1 = integrator.poni2 = 32 * 2e-4
        integrator.recreateIntegrator()
        return integrator.integrateImageStack(images)

    return integrate_by


def test_images_integrated_by_pyhyperscattering_need_units_and_then_fit(integrated):
    stack = integrated(do_1d_integration=True)
    assert stack.dims == ("temperature", "q")
    assert stack.q.attrs == {}
    with pytest.raises(DataError, match=r"axis 'q' has no units; set ds\.q\.attrs\['units'\]"):
        stack.xrdae.fit()
    stack.q.attrs["units"] = "1/angstrom"
    model = stack.xrdae.fit(steps=300, members=2, hidden=(16,), progress=False)
    out = stack.xrdae.encode(model)
    assert out.latent.dims == ("temperature", "latent_axis")
    assert out.intensity.attrs == stack.attrs
    along = np.corrcoef(out.latent.values.T, stack.temperature)[-1, :-1]
    assert np.abs(along).max() > 0.9


def test_slices_that_pyhyperscattering_cuts_are_patterns_too(integrated, tmp_path):
    stack = integrated(do_1d_integration=False)
    assert stack.dims == ("temperature", "chi", "q")
    stack.q.attrs["units"] = "1/angstrom"
    cut = stack.rsoxs.slice_chi(0, 60)
    model = cut.xrdae.fit(steps=50, members=2, hidden=(16,), progress=False)
    out = cut.xrdae.encode(model).xrdae.relevance(model)
    out.to_netcdf(tmp_path / "out.nc")
    every = stack.isel(chi=slice(None, None, 90)).xrdae.encode(model)
    assert every.latent.dims == ("temperature", "chi", "latent_axis")
