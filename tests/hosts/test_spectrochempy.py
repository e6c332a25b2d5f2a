import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns
from xrdae.provenance import read_provenance

scp = pytest.importorskip("spectrochempy")

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:traitlets")


@pytest.fixture
def nd(series):
    """The series with two coordinates and names of the samples on y."""
    content = scp.Coord(series["x"].values, title="content", labels=[f"s{i}" for i in range(24)])
    temperature = scp.Coord(np.geomspace(300.0, 900.0, 24), title="temperature", units="K")
    return _nddataset(series, scp.CoordSet(temperature, content))


def _nddataset(series, y, **options):
    x = scp.Coord(series["two_theta"].values, title="two theta", units="degree")
    nd = scp.NDDataset(
        series["intensity"].values,
        coordset=[y, x],
        units="count",
        title="intensity",
        name="xrd",
        **options,
    )
    nd.meta.wavelength = 1.5406
    return nd


def test_the_same_patterns_give_the_same_latents(nd, gives_the_same_latents):
    gives_the_same_latents(nd)


def test_a_transposed_one_too(nd, gives_the_same_latents):
    gives_the_same_latents(nd.T)


def test_a_descending_axis_too(nd, gives_the_same_latents):
    gives_the_same_latents(nd[:, ::-1])


@pytest.mark.filterwarnings("ignore:axis .x. is taken for two_theta")
def test_a_map_too(series, gives_the_same_latents):
    x = scp.Coord(series["two_theta"].values, title="x", units="degree")
    rows, columns = scp.Coord(np.arange(4.0), title="y"), scp.Coord(np.arange(6.0), title="x")
    values = series["intensity"].values.reshape(4, 6, -1)
    nd = scp.NDDataset(values, coordset=[rows, columns, x])
    nd.meta.wavelength = 1.5406
    gives_the_same_latents(nd)


def test_an_axis_in_q_and_a_wavelength_as_a_quantity_too(series, gives_the_same_latents):
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values / 2)) / 1.5406
    x = scp.Coord(q, title="momentum transfer", units="1/angstrom")
    nd = scp.NDDataset(series["intensity"].values, coordset=[None, x])
    nd.meta.wavelength = scp.ur.Quantity(0.15406, "nm")
    assert plugins.to_dataset(nd)["wavelength"] == pytest.approx(1.5406)
    gives_the_same_latents(nd)


def test_titles_units_coordinates_and_labels_come_along(nd):
    ds = plugins.to_dataset(nd)
    assert ds["intensity"].dims == ("content", "two theta")
    assert ds["intensity"].attrs["units"] == "count"
    assert ds["two theta"].attrs["units"] == "degree"
    assert ds["temperature"].dims == ("content",)
    assert ds["temperature"].attrs["units"] == "kelvin"
    assert ds["content_labels"].values[23] == "s23"
    assert ds["wavelength"] == 1.5406


def test_the_displayed_axis_is_not_rounded(nd, series):
    assert not np.array_equal(nd.x.data, series["two_theta"])
    np.testing.assert_array_equal(plugins.to_dataset(nd)["two theta"], series["two_theta"])


def test_masked_values_are_not_measured(nd):
    mask = np.zeros(nd.shape, bool)
    mask[:, 50:55] = True
    nd.mask = mask
    intensity = plugins.to_dataset(nd)["intensity"]
    np.testing.assert_array_equal(np.isnan(intensity), mask)


def test_an_axis_without_units_is_of_channels_and_refused_where_it_is_titled_as_diffraction(series):
    omega = scp.Coord(np.arange(24.0), title="omega", units="degree")
    nd = scp.NDDataset(series["intensity"].values, coordset=[omega, scp.Coord(np.arange(200.0))])
    patterns = find_patterns(plugins.to_dataset(nd))
    assert (patterns.dim, patterns.axis.kind, patterns.axis.units) == ("x", "other", "1")
    titled = scp.NDDataset(np.ones((2, 3)), coordset=[None, scp.Coord([1, 2, 3.0], title="2theta")])
    with pytest.raises(xrdae.DataError, match="'2theta' has no units"):
        titled.xrdae.fit()


def test_objects_of_others_are_left_to_others():
    from xrdae_adapters import spectrochempy

    for obj in (np.ones(3), xr.Dataset(), scp.Coord([1.0, 2.0])):
        assert spectrochempy.xrdae_to_dataset(obj) is None
        assert spectrochempy.xrdae_attach(obj, xr.Dataset()) is None


def test_analyze_returns_a_copy_with_the_results_in_its_meta(nd, model, latents):
    before = nd.copy()
    out = xrdae.analyze(nd, model)
    assert nd == before
    assert "xrdae" not in nd.meta
    np.testing.assert_array_equal(out.data, nd.data)
    assert out.coord("y") == nd.coord("y")
    assert (out.x, out.units, out.title) == (nd.x, nd.units, nd.title)
    assert out.coord("y").default.labels[3] == "s3"
    stored = xr.Dataset.from_dict(out.meta["xrdae"])
    np.testing.assert_allclose(stored["latent"], latents, atol=1e-6 * np.ptp(latents))
    assert stored["relevance"].dims == ("content", "region")
    assert stored["region_center"].attrs["units"] == "degree"
    np.testing.assert_array_equal(stored["temperature"], np.geomspace(300.0, 900.0, 24))


def test_attached_results_are_not_data_of_the_next_analysis(nd, model):
    once = xrdae.analyze(nd, model)
    xr.testing.assert_identical(plugins.to_dataset(once), plugins.to_dataset(nd))


def test_earlier_results_stay(nd, model):
    hook, ds = plugins.manager().hook, plugins.to_dataset(nd)
    out = hook.xrdae_attach(obj=nd, result=model.encode(ds))
    out = hook.xrdae_attach(obj=out, result=model.relevance(ds))
    stored = xr.Dataset.from_dict(out.meta["xrdae"])
    assert {"latent", "relevance"} <= set(stored)
    assert [e["step"] for e in read_provenance(stored.attrs)["steps"]] == ["encode", "relevance"]


def test_results_of_patterns_that_were_sliced_away_are_replaced(nd, model, latents):
    out = xrdae.analyze(xrdae.analyze(nd, model)[4:7], model)
    found = xr.Dataset.from_dict(out.meta["xrdae"])["latent"]
    np.testing.assert_allclose(found, latents[4:7], atol=1e-6 * np.ptp(latents))


def test_results_survive_the_hosts_file(nd, model, tmp_path):
    out = xrdae.analyze(nd, model)
    out.save_as(tmp_path / "run.scp")
    back = scp.load(tmp_path / "run.scp")
    xr.testing.assert_identical(
        xr.Dataset.from_dict(back.meta["xrdae"]), xr.Dataset.from_dict(out.meta["xrdae"])
    )
    assert [c.title for c in back.coord("y").coords] == ["content", "temperature"]


def test_latents_of_patterns_without_coordinates_are_attached(series, model):
    x = scp.Coord(series["two_theta"].values, title="two theta", units="degree")
    nd = scp.NDDataset(series["intensity"].values, coordset=[None, x])
    nd.meta.wavelength = 1.5406
    out = xrdae.analyze(nd, model)
    assert plugins.to_dataset(out)["intensity"].dims == ("y", "two theta")
    assert "latent" in xr.Dataset.from_dict(out.meta["xrdae"])


def test_the_host_finds_the_plugin():
    from spectrochempy.api import plugins as host

    from xrdae_adapters.spectrochempy_plugin import XrdaePlugin

    checks = (host.check_plugin_contributions, host.check_plugin_compatibility)
    assert [problem for check in checks for problem in check(XrdaePlugin())] == []
    assert {"fit", "latent", "relevance", "synthesize"} <= set(dir(scp.NDDataset([1.0]).xrdae))


def test_fit_by_the_hosts_accessor_is_that_of_xarray(nd, model, latents):
    own = nd.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)
    found = nd.xrdae.latent(own)
    np.testing.assert_allclose(found.data, latents, atol=1e-6 * np.ptp(latents))


def test_latent_keeps_the_coordinates_of_the_samples(nd, model, tmp_path):
    model.save(tmp_path / "model.nc")
    found = nd.xrdae.latent(tmp_path / "model.nc")
    assert isinstance(found, scp.NDDataset)
    assert found.shape == (24, 2)
    assert found.coord("y") == nd.coord("y")
    assert found.coord("y").default.title == "content"
    assert found.coord("y").default.labels[3] == "s3"
    assert found.x.title == "latent_axis"
    assert [e["step"] for e in read_provenance(found.meta)["steps"]] == ["encode"]
    novelty = nd.xrdae.latent(model, variable="novelty")
    assert (novelty.shape, novelty.x.default.title) == ((24,), "content")


def test_relevance_lies_at_the_centres_of_the_regions(nd, model):
    found = nd.xrdae.relevance(model, regions=[[24.0, 27.0], [44.0, 47.0]])
    np.testing.assert_allclose(found.x.data, [25.5, 45.5], atol=0.2)
    assert found.x.units == scp.ur.degree
    assert found.coord("y") == nd.coord("y")
    assert found.meta.region_stop.shape == (2,)
    profile = nd.xrdae.relevance(model, variable="relevance_profile")
    assert (profile.x.title, profile.x.units) == ("two theta", scp.ur.degree)
    np.testing.assert_array_equal(profile.x.magnitude, nd.x.magnitude)


def test_results_of_regions_have_no_patterns(nd, model):
    expected = plugins.to_dataset(nd).xrdae.relevance(model, regions=5.0)
    for name in ("region_change", "relevance_excess", "relevance_verdict"):
        found = nd.xrdae.relevance(model, regions=5.0, variable=name)
        np.testing.assert_array_equal(found.data, expected[name])
        np.testing.assert_allclose(found.x.magnitude, expected["region_center"])
    assert found.meta.flag_meanings == "irrelevant undecided relevant varies_alone"
    assert found.meta.flag_values.tolist() == [-1, 0, 1, 2]
    labelled = plugins.to_dataset(nd).xrdae.fit(steps=5, members=2, progress=False)
    pvalue = nd.xrdae.relevance(labelled, label="content", variable="content_pvalue")
    assert ((pvalue.data > 0) & (pvalue.data <= 1)).all()


def test_the_profile_runs_as_the_axis_of_the_host_runs(nd, model):
    up = nd.xrdae.relevance(model, variable="relevance_profile")
    down = nd[:, ::-1].xrdae.relevance(model, variable="relevance_profile")
    assert down.x.data[0] > down.x.data[-1]
    np.testing.assert_allclose(down.data, up.data[:, ::-1], atol=1e-6)


def test_synthesized_patterns_keep_axis_units_and_labels(nd, model):
    found = nd.xrdae.synthesize(model, between=(3, 5), n=1)
    assert found.shape == (1, 200)
    assert found.units == nd.units
    assert (found.x.title, found.x.units) == ("two theta", scp.ur.degree)
    labels = {coord.title: coord for coord in found.coord("y").coords}
    assert found.coord("y").default.title == "content"
    content, temperature = plugins.to_dataset(nd)["content"], nd.coord("y").coords[1]
    assert labels["content"].magnitude == pytest.approx(content[[3, 5]].mean().item())
    assert labels["temperature"].units == temperature.units
    at = nd.xrdae.synthesize(model, at={"content": [0.31, 0.33]})
    np.testing.assert_allclose(at.coord("y").default.magnitude, [0.31, 0.33])


def test_a_map_gives_a_map_of_latents_and_relevance(series, model):
    x = scp.Coord(series["two_theta"].values, title="two theta", units="degree")
    position = scp.Coord(np.arange(6.0), title="position", units="mm")
    values = series["intensity"].values.reshape(4, 6, -1)
    grid = scp.NDDataset(values, coordset=[scp.Coord([1.0, 2.0, 4.0, 8.0]), position, x])
    grid.meta.wavelength = 1.5406
    found = grid.xrdae.latent(model)
    assert found.shape == (4, 6, 2)
    assert (found.y.title, found.y.units) == ("position", scp.ur.mm)
    out = xrdae.analyze(grid, model)
    assert out.coord("y") == grid.coord("y")
    assert xr.Dataset.from_dict(out.meta["xrdae"])["latent"].sizes["position"] == 6


def test_one_pattern_gives_one_point(series, model, latents):
    x = scp.Coord(series["two_theta"].values, title="two theta", units="degree")
    nd = scp.NDDataset(series["intensity"].values[3], coordset=[x])
    nd.meta.wavelength = 1.5406
    np.testing.assert_allclose(nd.xrdae.latent(model).data, latents[3], atol=1e-5)
    assert "relevance" in xrdae.analyze(nd, model).meta["xrdae"]["data_vars"]


def test_the_host_reads_files_of_patterns(nd, model, tmp_path):
    for i in (0, 1):
        rows = np.c_[nd.x.magnitude, nd.data[i], np.ones(200)]
        np.savetxt(tmp_path / f"scan{i}.xye", rows, header="two_theta intensity sigma")
    found = scp.xrdae.read_patterns(str(tmp_path / "*.xye"))
    assert found.shape == (2, 200)
    assert found.x.units == scp.ur.degree
    np.testing.assert_allclose(found.data, nd.data[:2])


def test_looking_for_the_adapter_does_not_import_the_host():
    code = (
        "import sys, xrdae\n"
        "from xrdae import plugins\n"
        "assert plugins.manager().has_plugin('spectrochempy')\n"
        "assert plugins.manager().hook.xrdae_to_dataset(obj=object()) is None\n"
        "assert 'spectrochempy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
