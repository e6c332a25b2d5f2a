import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("scipp")

import scipp as sc

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns
from xrdae.provenance import read_provenance

WAVELENGTH = 1.5406  # angstrom, as in `series`


def edges_of(centers):
    """Return edges whose midpoints are the centers of an even axis."""
    step = centers[1] - centers[0]
    return np.append(centers - step / 2, centers[-1] + step / 2)


@pytest.fixture
def data(series):
    """The series as scipp has it: variances, bin edges in deg, labels with units."""
    return sc.DataArray(
        sc.array(
            dims=["run", "two_theta"],
            values=series.intensity.values,
            variances=series.intensity.values,
            unit="counts",
        ),
        coords={
            "two_theta": sc.array(
                dims=["two_theta"], values=edges_of(series.two_theta.values), unit="deg"
            ),
            "x": sc.array(dims=["run"], values=series.x.values, unit="one"),
            "temperature": sc.array(dims=["run"], values=np.linspace(300, 400, 24), unit="K"),
            "sample": sc.array(dims=["run"], values=[f"s{i}" for i in range(24)]),
            "start": sc.datetimes(dims=["run"], values=np.arange(24), unit="s"),
            "wavelength": sc.scalar(WAVELENGTH, unit="angstrom"),
            "title": sc.scalar("series"),
            "position": sc.vector([0.0, 0.0, 1.0], unit="m"),
        },
    )


def attach(obj, result):
    return plugins.manager().hook.xrdae_attach(obj=obj, result=result)


def test_bin_edges_become_midpoints(data, series, gives_the_same_latents):
    gives_the_same_latents(data)
    dataset = plugins.to_dataset(data)
    np.testing.assert_allclose(dataset.two_theta, series.two_theta, rtol=1e-12)
    assert dataset.two_theta.attrs["units"] == "degree"


@pytest.mark.parametrize(
    ("dim", "unit"),
    [("two_theta", "rad"), ("Q", "1/angstrom"), ("Q", "1/nm"), ("dspacing", "angstrom")],
)
def test_patterns_in_any_unit_give_the_same_latents(
    data, series, dim, unit, gives_the_same_latents
):
    q = 4 * np.pi * np.sin(np.radians(series.two_theta.values) / 2) / WAVELENGTH
    values = {
        "rad": np.radians(series.two_theta.values),
        "1/angstrom": q,
        "1/nm": 10 * q,
        "angstrom": 2 * np.pi / q,
    }[unit]
    coord = sc.array(dims=[dim], values=values, unit=unit)
    gives_the_same_latents(
        data.drop_coords("two_theta").rename(two_theta=dim).assign_coords({dim: coord})
    )


def test_results_along_a_descending_axis_keep_its_order(data, series, model):
    centers = sc.midpoints(data.coords["two_theta"])
    backwards = data.assign_coords(two_theta=centers)
    backwards = sc.concat([backwards["two_theta", i] for i in range(199, -1, -1)], "two_theta")
    found = xrdae.analyze(backwards, model)["relevance_profile"]
    expected = series.xrdae.relevance(model).relevance_profile
    profile = found.transpose(["run", "two_theta"]).values[:, ::-1]
    np.testing.assert_allclose(profile, expected, atol=1e-5)


def test_the_order_of_dimensions_does_not_matter(data, gives_the_same_latents):
    gives_the_same_latents(data.transpose(["two_theta", "run"]).copy())


def test_variances_become_standard_deviations(data, series):
    errors = plugins.to_dataset(data).intensity_errors
    np.testing.assert_allclose(errors, np.sqrt(series.intensity))
    assert errors.attrs["units"] == "counts"
    assert "intensity_errors" not in plugins.to_dataset(sc.values(data))


def test_all_masks_together_hide_channels(data, series, model):
    stop = series.two_theta.values < 24
    shutter = np.arange(24) == 5
    masked = data.assign_masks(
        stop=sc.array(dims=["two_theta"], values=stop),
        shutter=sc.array(dims=["run"], values=shutter),
    )
    dataset = plugins.to_dataset(masked)
    expected = series.assign(mask=(("pattern", "two_theta"), stop | shutter[:, None]))
    np.testing.assert_array_equal(dataset.mask.transpose("run", "two_theta"), expected.mask)
    np.testing.assert_allclose(
        dataset.xrdae.encode(model).latent.transpose("run", ...),
        expected.xrdae.encode(model).latent,
        atol=1e-5,
    )
    assert np.isfinite(dataset.intensity).all()


def test_coordinates_keep_units_dates_and_text(data):
    dataset = plugins.to_dataset(data)
    assert dataset.temperature.attrs["units"] == "K"
    assert dataset.x.attrs["units"] == "1"
    assert dataset["sample"].values[3] == "s3"
    assert dataset.title.item() == "series"
    assert dataset.start.values[2] == np.datetime64(2, "s")
    assert "units" not in dataset.start.attrs
    assert dataset.wavelength.item() == WAVELENGTH
    assert "position" not in dataset.coords  # a vector has no place in xarray


def test_the_dataset_can_be_saved(data, tmp_path):
    masked = data.assign_masks(m=sc.array(dims=["run"], values=np.arange(24) == 5))
    dataset = plugins.to_dataset(masked)
    dataset.to_netcdf(tmp_path / "series.nc")
    with xr.open_dataset(tmp_path / "series.nc") as read:
        np.testing.assert_array_equal(read.intensity, dataset.intensity)


def test_one_pattern_is_a_pattern(data, latents, model):
    found = plugins.to_dataset(data["run", 4]).xrdae.encode(model).latent
    np.testing.assert_allclose(found, latents[4], atol=1e-6 * np.ptp(latents))


def test_what_slicing_leaves_of_an_axis_is_left_out(data):
    image = data.drop_coords("x").fold("run", sizes={"y": 4, "x": 6})
    image.coords["x"] = sc.arange("x", 7.0, unit="mm")
    column = image["x", 2]
    assert column.coords["x"].dims == ("x",)
    assert "x" not in plugins.to_dataset(column).coords


def test_a_map_in_gives_a_latent_map_out(data, model, gives_the_same_latents):
    mapped = data.drop_coords(["x", "temperature", "sample", "start"])
    mapped = mapped.fold("run", sizes={"y": 4, "x": 6})
    mapped.coords["x"] = sc.arange("x", 7.0, unit="mm")
    mapped.coords["y"] = sc.arange("y", 4.0, unit="mm")
    gives_the_same_latents(mapped)
    latent = xrdae.analyze(mapped, model)["latent"]
    assert dict(latent.sizes) == {"y": 4, "x": 6, "latent_axis": 2}
    assert sc.identical(latent.coords["x"], mapped.coords["x"])


def test_datasets_and_groups_give_the_patterns_in_them(data, gives_the_same_latents):
    gives_the_same_latents(sc.Dataset({"only": data}))
    gives_the_same_latents(sc.Dataset({"intensity": data, "monitor": data * 2.0}))
    gives_the_same_latents(sc.DataGroup({"only": data, "note": "text", "number": 3}))
    gives_the_same_latents(sc.DataGroup({"data": sc.Dataset({"only": data}), "empty": data}))


def test_analyze_returns_a_group_of_the_data_and_results_with_units(data, series, model):
    expected = xrdae.analyze(series, model)
    group = xrdae.analyze(data, model)
    assert isinstance(group, sc.DataGroup)
    assert sc.identical(group["data"], data)
    latent = group["latent"]
    assert latent.dims == ("run", "latent_axis")
    np.testing.assert_allclose(latent.values, expected.latent, atol=1e-5)
    np.testing.assert_allclose(np.sqrt(latent.variances), expected.latent_std, atol=1e-5)
    assert sc.identical(latent.coords["temperature"], data.coords["temperature"])
    for name in ("novelty", "reconstruction_error", "relevance"):
        np.testing.assert_allclose(group[name].values, expected[name], atol=1e-4)
    for name in ("region_change", "relevance_excess", "relevance_verdict"):  # of all patterns
        assert group[name].dims == ("region",)
        np.testing.assert_allclose(group[name].values, expected[name], rtol=1e-6)
    assert group["relevance_verdict"].dtype == sc.DType.int64
    start = group["relevance"].coords["region_start"]
    assert (start.dims, start.unit) == (("region",), sc.Unit("deg"))
    np.testing.assert_allclose(start.values, expected.region_start)
    profile = group["relevance_profile"]
    assert sc.identical(profile.coords["two_theta"], data.coords["two_theta"])


def test_results_are_saved_and_loaded_by_scipp(data, model, tmp_path):
    group = xrdae.analyze(data, model)
    sc.io.save_hdf5(group, tmp_path / "group.h5")
    assert sc.identical(sc.io.load_hdf5(tmp_path / "group.h5"), group)


def test_a_group_keeps_its_items_and_a_second_analysis_replaces_the_first(data, model):
    group = sc.DataGroup({"data": data, "note": "kept"})
    once = xrdae.analyze(group, model)
    twice = xrdae.analyze(once, model)
    assert once["note"] == "kept"
    assert [e["step"] for e in read_provenance(once)["steps"]] == ["encode", "relevance"]
    assert sc.identical(once, twice, equal_nan=True)
    assert list(group) == ["data", "note"]


def test_the_data_are_not_changed(data, model):
    masked = data.assign_masks(m=sc.array(dims=["run"], values=np.arange(24) == 5))
    before = masked.copy()
    group = xrdae.analyze(masked, model)
    assert sc.identical(masked, before)
    assert sc.identical(group["data"], before)


def test_a_group_has_the_provenance_of_every_result(data, model):
    dataset = plugins.to_dataset(data)
    group = xrdae.analyze(data, model)
    for result in (model.estimate(dataset, "x"), model.encode(dataset)):
        group = plugins.manager().hook.xrdae_attach(obj=group, result=result)
    assert [e["step"] for e in read_provenance(group)["steps"]] == [
        "relevance",
        "estimate",
        "encode",
    ]


def test_other_results_are_attached_too(data, model):
    dataset = plugins.to_dataset(data)
    group = attach(data, model.synthesize(dataset, between=(0, 5), n=3))
    assert dict(group["synthesized"].sizes) == {"synthetic": 3, "two_theta": 200}
    assert group["synthesized"].variances is not None
    assert attach(data, model.reconstruct(dataset))["reconstruction"].shape == data.shape


def test_the_axis_of_a_detector_map_in_d_is_d_and_not_its_two_theta(data):
    coord = sc.linspace("dspacing", 0.5, 2.0, 201, unit="angstrom")
    other = data.drop_coords(["two_theta", "wavelength"]).rename(two_theta="dspacing")
    angles = sc.linspace("two_theta", 20.0, 160.0, 25, unit="deg")
    other = other.rename(run="two_theta").assign_coords(dspacing=coord, two_theta=angles)
    for turned in (other, other.transpose().copy()):
        axis = find_patterns(plugins.to_dataset(turned)).axis
        assert (axis.kind, axis.name) == ("d", "d")
    tof = sc.linspace("tof", 1e3, 2e4, 201, unit="us")
    other = other.drop_coords("dspacing").rename(dspacing="tof").assign_coords(tof=tof)
    assert find_patterns(plugins.to_dataset(other)).axis.name == "tof"


def test_a_map_by_position_has_no_axis(data):
    image = data.drop_coords(["two_theta", "x"]).rename(two_theta="x")
    image = image.assign_coords(x=sc.linspace("x", 0.0, 5.0, 201, unit="nm"))
    with pytest.raises(xrdae.DataError, match="no axis"):
        find_patterns(plugins.to_dataset(image))


def test_events_are_refused_with_what_to_do():
    events = sc.data.table_xyz(100).bin(x=5)
    with pytest.raises(xrdae.DataError, match=r"da\.hist"):
        plugins.to_dataset(events)


@pytest.mark.parametrize(
    ("dim", "unit"), [("tof", "us"), ("wavelength", "angstrom"), ("energy", "meV")]
)
def test_times_of_flight_wavelengths_and_energies_are_not_converted(data, dim, unit):
    coord = sc.linspace(dim, 1.0, 2.0, 201, unit=unit)
    other = data.drop_coords(["two_theta", "wavelength"]).rename(two_theta=dim)
    axis = find_patterns(plugins.to_dataset(other.assign_coords({dim: coord}))).axis
    assert (axis.kind, axis.name, axis.units) == ("other", dim, unit)
    np.testing.assert_allclose(axis.values, sc.midpoints(coord).values)


def test_a_different_axis_for_each_pattern_is_refused(data):
    edges = data.coords["two_theta"]
    shifted = data["run", 1].assign_coords(two_theta=edges + sc.scalar(0.1, unit="deg"))
    ragged = sc.concat([data["run", 0], shifted], "run")
    with pytest.raises(xrdae.DataError, match="a different axis for each pattern"):
        plugins.to_dataset(ragged)


def test_an_ambiguous_choice_of_items_is_refused_with_their_names(data):
    with pytest.raises(xrdae.DataError, match=r"DataGroup \(one, other\)"):
        plugins.to_dataset(sc.DataGroup({"one": data, "other": data}))


@pytest.mark.parametrize("stranger", [np.zeros(3), {"data": 1}, sc.scalar(1.0), None])
def test_objects_of_others_are_left_to_others(stranger):
    plugin = plugins.manager().get_plugin("scipp")
    assert plugin.xrdae_to_dataset(stranger) is None
    assert plugin.xrdae_attach(stranger, xr.Dataset()) is None


def test_the_plugins_are_loaded_without_scipp():
    code = (
        "import sys; from xrdae import plugins; pm = plugins.manager(); "
        "assert pm.get_plugin('scipp').xrdae_to_dataset({}) is None; "
        "assert 'scipp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
