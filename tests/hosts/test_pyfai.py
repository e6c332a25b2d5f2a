import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("pyFAI")

import h5py
from pyFAI.calibrant import get_calibrant
from pyFAI.containers import Integrate1dResult, Integrate2dResult
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.io.nexus import load_nexus, save_NXazint1d, save_NXmonpd
from pyFAI.io.ponifile import PoniFile
from pyFAI.units import AZIMUTHAL_UNITS, RADIAL_UNITS, to_unit

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns
from xrdae_adapters.pyfai import to_results

WAVELENGTH = 1.5406  # angstrom, as in `series`


def position(two_theta, unit):
    """Return a two_theta axis [degree] in one of pyFAI's units."""
    q = 4 * np.pi * np.sin(np.radians(two_theta) / 2) / WAVELENGTH
    return {
        "2th_deg": two_theta,
        "2th_rad": np.radians(two_theta),
        "q_A^-1": q,
        "q_nm^-1": 10 * q,
        "d_A": 2 * np.pi / q,
        "d_nm": 0.2 * np.pi / q,
    }[unit]


def one_result(radial, intensity, *, unit="2th_deg", sigma=None, **metadata):
    result = Integrate1dResult(radial, intensity, sigma)
    result._set_unit(to_unit(unit))
    result._set_poni(PoniFile({"wavelength": WAVELENGTH * 1e-10}))
    result._set_metadata(metadata)
    return result


@pytest.fixture
def results(series):
    """Results that hold the series, its label `x` in the metadata."""
    rows = zip(series.intensity.values, series.x.values, strict=True)
    return [one_result(series.two_theta.values, row, x=float(x)) for row, x in rows]


@pytest.fixture(scope="session")
def integrator():
    detector = Detector(200e-6, 200e-6, max_shape=(96, 96))
    return AzimuthalIntegrator(
        dist=0.02, poni1=0.0096, poni2=0.0096, detector=detector, wavelength=0.5e-10
    )


@pytest.fixture(scope="session")
def images(integrator):
    """Detector images `(frame, y, x)` of LaB6 whose rings broaden from frame to frame."""
    calibrant = get_calibrant("LaB6")
    calibrant.wavelength = 0.5e-10
    rng = np.random.default_rng(0)
    return [
        rng.poisson(
            500 * calibrant.fake_calibration_image(integrator, Imax=1.0, W=1e-3 * (1 + i / 4)) + 50
        ).astype("float32")
        for i in range(8)
    ]


@pytest.fixture(params=["2th_deg", "q_nm^-1"])
def integrated(request, integrator, images):
    """Results of true integrations; the last bins lie outside of the detector."""
    in_q = request.param != "2th_deg"
    return [
        integrator.integrate1d(
            image,
            120,
            unit=request.param,
            radial_range=(10, 120) if in_q else (5, 60),
            error_model="poisson",
            metadata={"temperature": 300.0 + 10 * i, "sample": "LaB6"},
        )
        for i, image in enumerate(images)
    ]


@pytest.mark.parametrize("unit", ["2th_deg", "2th_rad", "q_A^-1", "q_nm^-1", "d_A", "d_nm"])
def test_results_in_any_unit_give_the_latents_of_the_same_patterns(
    series, unit, gives_the_same_latents
):
    radial = position(series.two_theta.values, unit)
    gives_the_same_latents([one_result(radial, row, unit=unit) for row in series.intensity.values])


def test_a_tuple_of_results_is_a_list_of_patterns(results, gives_the_same_latents):
    gives_the_same_latents(tuple(results))


def test_one_result_is_one_pattern_and_not_a_list_of_arrays(results, model, latents):
    dataset = plugins.to_dataset(results[3])
    assert dataset.intensity.dims == ("two_theta",)
    assert dataset.x.item() == results[3].metadata["x"]
    found = dataset.xrdae.encode(model).latent.values
    np.testing.assert_allclose(found, latents[3], atol=1e-6 * np.ptp(latents))


def test_a_list_of_one_result_is_a_set_of_one_pattern(results):
    assert plugins.to_dataset(results[:1]).intensity.dims == ("pattern", "two_theta")


def test_a_cake_gives_a_latent_for_each_azimuth(series, gives_the_same_latents):
    cake = Integrate2dResult(
        series.intensity.values, series.two_theta.values, np.linspace(-180, 165, 24)
    )
    cake._set_radial_unit(to_unit("2th_deg"))
    cake._set_azimuthal_unit(to_unit("chi_deg"))
    cake._set_poni(PoniFile({"wavelength": WAVELENGTH * 1e-10}))
    gives_the_same_latents(cake)
    dataset = plugins.to_dataset(cake)
    assert dataset.intensity.dims == ("azimuth", "two_theta")
    assert dataset.azimuth.attrs["units"] == "degree"


def test_cakes_in_a_list_are_patterns_by_azimuth(series, gives_the_same_latents):
    cakes = []
    for rows in series.intensity.values.reshape(4, 6, -1):
        cakes.append(Integrate2dResult(rows, series.two_theta.values, np.linspace(0, 300, 6)))
        cakes[-1]._set_radial_unit(to_unit("2th_deg"))
        cakes[-1]._set_poni(PoniFile({"wavelength": WAVELENGTH * 1e-10}))
    gives_the_same_latents(cakes)
    assert plugins.to_dataset(cakes).intensity.dims == ("pattern", "azimuth", "two_theta")


def test_true_integrations_bring_axis_errors_wavelength_and_labels(integrated):
    dataset = plugins.to_dataset(integrated)
    dim, units = {"2th_deg": ("two_theta", "degree"), "q_nm^-1": ("q", "1/nm")}[
        str(integrated[0].unit)
    ]
    assert dataset.intensity.dims == dataset.intensity_errors.dims == ("pattern", dim)
    assert dataset[dim].attrs["units"] == units
    np.testing.assert_array_equal(dataset[dim], integrated[0].radial)
    measured = integrated[2].count > 0
    np.testing.assert_array_equal(dataset.intensity[2][measured], integrated[2].intensity[measured])
    np.testing.assert_array_equal(
        dataset.intensity_errors[2][measured], integrated[2].sigma[measured]
    )
    assert dataset.wavelength.item() == pytest.approx(0.5)
    assert dataset.temperature.values.tolist() == [300.0 + 10 * i for i in range(8)]
    assert "sample" not in dataset.coords


def test_bins_that_no_pixel_fell_into_are_not_measured(integrated):
    dataset = plugins.to_dataset(integrated)
    for i, result in enumerate(integrated):
        assert 0 < (result.count == 0).sum() < result.count.size / 2
        np.testing.assert_array_equal(np.isnan(dataset.intensity[i]), result.count == 0)
        np.testing.assert_array_equal(np.isnan(dataset.intensity_errors[i]), result.count == 0)


def test_a_cake_truly_integrated_has_its_azimuth(integrator, images):
    cake = integrator.integrate2d(images[0], 60, 12, unit="q_A^-1", error_model="poisson")
    dataset = plugins.to_dataset(cake)
    assert dataset.sizes == {"azimuth": 12, "q": 60}
    np.testing.assert_array_equal(dataset.azimuth, cake.azimuthal)
    np.testing.assert_array_equal(np.isnan(dataset.intensity), cake.count == 0)


def test_a_model_of_integrations_is_fitted_and_applied(integrated):
    dataset = plugins.to_dataset(integrated)
    model = dataset.xrdae.fit(steps=30, members=2, hidden=(16,), progress=False)
    attached = xrdae.analyze(integrated, model)
    latents = [result.metadata["xrdae"]["latent"] for result in attached]
    np.testing.assert_array_equal(latents, dataset.xrdae.encode(model).latent)
    assert np.isfinite(latents).all()


def test_analyze_puts_results_into_the_metadata_of_copies(results, series, model):
    before = [copy.deepcopy(result.metadata) for result in results]
    expected = xrdae.analyze(series, model)
    attached = xrdae.analyze(results, model)
    assert type(attached) is list
    assert [result.metadata for result in results] == before
    for i, (old, new) in enumerate(zip(results, attached, strict=True)):
        found = new.metadata["xrdae"]
        for name in ("latent", "latent_std", "novelty", "reconstruction_error", "relevance"):
            np.testing.assert_allclose(found[name], expected[name][i], atol=1e-5)
        assert found["relevance_verdict"] == expected.relevance_verdict.values.tolist()
        np.testing.assert_allclose(found["region_start"], expected.region_start)
        np.testing.assert_allclose(found["region_stop"], expected.region_stop)
        assert found["axis_units"] == "degree"
        assert [e["step"] for e in json.loads(found["provenance"])["steps"]] == [
            "encode",
            "relevance",
        ]
        assert "relevance_profile" not in found
        assert new.metadata["x"] == old.metadata["x"]
        assert json.loads(json.dumps(new.metadata)) == new.metadata


def test_copies_keep_all_that_pyfai_knows(integrated):
    dataset = plugins.to_dataset(integrated)
    result = xr.Dataset({"novelty": ("pattern", np.zeros(dataset.sizes["pattern"]))})
    attached = plugins.manager().hook.xrdae_attach(obj=tuple(integrated), result=result)
    assert type(attached) is tuple
    old, new = integrated[1], attached[1]
    assert type(new) is Integrate1dResult
    for name in type(old).COPYABLE_ATTR - {"_metadata"}:
        assert getattr(new, name) is getattr(old, name)
    assert all(a is b for a, b in zip(old, new, strict=True))
    assert new.metadata == {**old.metadata, "xrdae": new.metadata["xrdae"]}
    np.testing.assert_array_equal((new + new).intensity, (old + old).intensity)


def test_a_single_result_or_cake_is_analyzed_to_one(results, model):
    one = xrdae.analyze(results[0], model)
    assert isinstance(one, Integrate1dResult)
    assert np.shape(one.metadata["xrdae"]["latent"]) == (2,)
    cake = Integrate2dResult(
        np.stack([r.intensity for r in results]), results[0].radial, np.arange(24.0)
    )
    cake._set_radial_unit(to_unit("2th_deg"))
    cake._set_azimuthal_unit(to_unit("chi_deg"))
    cake._set_poni(PoniFile({"wavelength": WAVELENGTH * 1e-10}))
    attached = xrdae.analyze(cake, model)
    assert attached.azimuthal_unit is cake.azimuthal_unit
    assert np.shape(attached.metadata["xrdae"]["latent"]) == (24, 2)


def test_a_second_analysis_replaces_the_first(results, model):
    once = xrdae.analyze(results, model)
    twice = xrdae.analyze(once, model)
    assert [r.metadata for r in twice] == [r.metadata for r in once]


def test_attached_results_survive_pyfais_own_file(integrated, tmp_path):
    dataset = plugins.to_dataset(integrated)
    model = dataset.xrdae.fit(steps=30, members=2, hidden=(16,), progress=False)
    attached = xrdae.analyze(integrated[0], model)
    save_NXmonpd(str(tmp_path / "one.h5"), attached)
    read = load_nexus(str(tmp_path / "one.h5"))
    assert read.metadata == attached.metadata
    np.testing.assert_array_equal(
        plugins.to_dataset(read).intensity, plugins.to_dataset(attached).intensity
    )


def test_pyfai_writes_and_reads_a_dataset_as_results(series, tmp_path):
    dataset = series.assign(intensity_errors=np.sqrt(series.intensity))
    made = to_results(dataset)
    save_NXmonpd(str(tmp_path / "one.h5"), made[5])
    read = load_nexus(str(tmp_path / "one.h5"))
    np.testing.assert_array_equal(read.intensity, made[5].intensity)
    np.testing.assert_array_equal(read.sigma, made[5].sigma)
    assert (str(read.unit), read.metadata["x"]) == ("2th_deg", series.x[5].item())
    save_NXazint1d(str(tmp_path / "all.h5"), made)
    with h5py.File(tmp_path / "all.h5") as file:
        np.testing.assert_array_equal(file["entry/data/I"], series.intensity)
        np.testing.assert_array_equal(file["entry/data/I_errors"], dataset.intensity_errors)
        assert file["entry/instrument/monochromator/wavelength"][()] == pytest.approx(WAVELENGTH)


@pytest.mark.parametrize("unit", ["q_A^-1", "d_A"])
def test_a_dataset_to_results_and_back_is_the_same(series, unit):
    in_unit = [
        one_result(position(series.two_theta.values, unit), row, unit=unit, sigma=row**0.5, x=0.5)
        for row in series.intensity.where(series.two_theta > 22).values
    ]
    dataset = plugins.to_dataset(in_unit)
    back = plugins.to_dataset(to_results(dataset))
    xr.testing.assert_allclose(back, dataset.sortby(unit[0]), rtol=1e-12)


def test_a_map_becomes_one_result_after_another(series, gives_the_same_latents):
    grid = series.drop_vars("x").assign_coords(pattern=np.arange(24))
    grid = grid.coarsen(pattern=6).construct(pattern=("y", "x")).drop_vars("pattern")
    gives_the_same_latents(to_results(grid))


@pytest.mark.parametrize(
    ("unit", "name", "units"),
    [
        ("r_mm", "r", "mm"),
        ("chi_deg", "chi", "degree"),
        ("d*2_A^-2", "d*2", "1/angstrom^2"),
        ("log10(q.m)_None", "log10(q.m)", "1"),
        ("qip_nm^-1", "qip", "1/nm"),
        ("scattering_angle_vert_rad", "scatangle_vert", "radian"),
        ("exit_angle_horz_deg", "exit_angle_horz", "degree"),
    ],
)
def test_units_of_other_quantities_are_kept(results, unit, name, units, tmp_path):
    for result in results:
        result._set_unit(to_unit(unit))
    dataset = plugins.to_dataset(results)
    axis = find_patterns(dataset).axis
    assert (axis.kind, axis.name, axis.units) == ("other", name, units)
    np.testing.assert_array_equal(axis.values, results[0].radial)
    dataset.to_netcdf(tmp_path / "other.nc")
    back = plugins.to_dataset(to_results(dataset))
    xr.testing.assert_allclose(back, dataset.drop_vars("wavelength"))


def test_only_diffraction_units_of_pyfai_give_a_diffraction_axis(results):
    known = {"2th": "two_theta", "d": "d"} | dict.fromkeys(("q", "qtot", "qx", "qy"), "q")
    for unit in (*RADIAL_UNITS, *AZIMUTHAL_UNITS):
        scale = 1e-8 if unit == "d_m" else 1e-2
        result = one_result(results[0].radial * scale, results[0].intensity, unit=unit)
        kind = find_patterns(plugins.to_dataset(result)).axis.kind
        assert kind == known.get(unit.rpartition("_")[0], "other"), unit


def test_results_that_do_not_belong_together_are_refused_by_number(results, series):
    grid = series.two_theta.values
    for odd, message in (
        (one_result(grid + 0.1, grid), "result 7 has another radial grid"),
        (one_result(grid[1:], grid[1:]), r"result 7 has another radial grid \(199 bins, 20.3"),
        (one_result(grid, grid, unit="q_A^-1"), "result 7 is in 'q_A\\^-1', result 0 in '2th_deg'"),
        (grid, "item 7 is a ndarray among Integrate1dResult"),
    ):
        with pytest.raises(xrdae.DataError, match=message):
            plugins.to_dataset([*results[:7], odd])


def test_errors_of_patterns_with_equal_labels_stay_with_their_patterns(series):
    repeated = series.assign_coords(pattern=np.r_[np.arange(12), np.arange(12)[::-1]] * 50.0)
    repeated = repeated.assign(intensity_errors=np.sqrt(series.intensity)).isel(
        two_theta=slice(None, None, -1)
    )
    for i, result in enumerate(to_results(repeated)):
        np.testing.assert_array_equal(result.intensity, series.intensity[i])
        np.testing.assert_array_equal(result.sigma, np.sqrt(series.intensity[i]))


def test_grids_that_differ_by_rounding_are_one(results, gives_the_same_latents):
    results[4] = one_result(results[4].radial * (1 + 1e-9), results[4].intensity)
    gives_the_same_latents(results)


def test_an_energy_scan_is_one_set_in_q_and_brought_to_q_from_two_theta(results, model, latents):
    q = position(results[1].radial, "q_A^-1")
    wavelength = 1.2
    there = np.degrees(2 * np.arcsin(q * wavelength / (4 * np.pi)))
    moved = np.interp(results[1].radial, there, results[1].intensity)
    results[1] = one_result(results[1].radial, moved, x=results[1].metadata["x"])
    results[1]._set_poni(PoniFile({"wavelength": wavelength * 1e-10}))
    dataset = plugins.to_dataset(results)
    assert dataset.wavelength.dims == ("pattern",)
    assert find_patterns(dataset).axis.kind == "q"
    attached = xrdae.analyze(results, model)
    found = [result.metadata["xrdae"] for result in attached]
    for i, within in ((0, 1e-3), (1, 0.05)):
        np.testing.assert_allclose(found[i]["latent"], latents[i], atol=within * np.ptp(latents))
    assert {each["axis_units"] for each in found} == {"1/angstrom"}
    assert max(found[0]["region_stop"]) < 6
    assert "relevance_profile" not in found[0]
    made = to_results(dataset.assign(intensity_errors=np.sqrt(abs(dataset.intensity))))
    assert {str(result.unit) for result in made} == {"q_A^-1"}
    assert made[0].sigma.shape == made[0].intensity.shape
    for result in results:
        result._set_unit(to_unit("q_A^-1"))
    assert "wavelength" not in plugins.to_dataset(results).coords


def test_labels_are_metadata_that_are_numbers_wherever_they_are_given(results):
    for i, result in enumerate(results[:3]):
        result._set_metadata(
            {"i": i, "ok": True, "name": "a", "mixed": 1 if i else "one", "mask": 3}
            | ({"late": 2.5} if i == 2 else {})
        )
    results[2].metadata["wavelength"] = 8.0
    dataset = plugins.to_dataset(results[:3])
    assert set(dataset.coords) == {"two_theta", "wavelength", "i", "late"}
    assert dataset.wavelength.item() == pytest.approx(WAVELENGTH)
    np.testing.assert_array_equal(dataset.late, [np.nan, np.nan, 2.5])


@pytest.mark.parametrize("stranger", [(1.0, 2.0), [], [np.zeros(3)], np.zeros(3), "results"])
def test_objects_of_others_are_left_to_others(stranger):
    plugin = plugins.manager().get_plugin("pyfai")
    assert plugin.xrdae_to_dataset(stranger) is None
    assert plugin.xrdae_attach(stranger, xr.Dataset()) is None


def test_the_plugins_are_loaded_without_pyfai():
    code = (
        "import sys; from xrdae import plugins; pm = plugins.manager(); "
        "assert pm.get_plugin('pyfai').xrdae_to_dataset([1.0]) is None; "
        "assert 'pyFAI' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
