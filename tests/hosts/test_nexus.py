import contextlib
import copy
import subprocess
import sys

import h5py
import numpy as np
import pytest

import xrdae
from xrdae import plugins
from xrdae.provenance import read_provenance
from xrdae_adapters import nexus as adapter

nexus = pytest.importorskip("nexusformat.nexus", reason="nexusformat is not installed")


@pytest.fixture
def tree(series):
    """The series as a nexusformat tree in memory."""
    field = nexus.NXfield
    data = nexus.NXdata(
        field(series["intensity"].values, name="intensity", units="counts"),
        [
            field(series["x"].values, name="x", units="1"),
            field(series["two_theta"].values, name="two_theta", units="degree"),
        ],
        errors=field(np.sqrt(series["intensity"].values), name="intensity_errors"),
        title="a series",
    )
    source = nexus.NXmonochromator(wavelength=field(1.5406, units="angstrom"))
    root = nexus.NXroot(nexus.NXentry(data=data, instrument=nexus.NXinstrument(mono=source)))
    root["entry/data"].set_default()
    return root


@pytest.fixture
def path(tree, tmp_path):
    """The same in a file."""
    path = tmp_path / "series.nxs"
    tree.save(str(path), "w")
    return path


def test_a_tree_a_file_and_a_group_give_the_same_latents(tree, path, gives_the_same_latents):
    gives_the_same_latents(tree)
    gives_the_same_latents(tree["entry/data"])
    gives_the_same_latents(nexus.nxload(str(path)))
    with h5py.File(path) as file:
        gives_the_same_latents(file)
        gives_the_same_latents(file["entry/data"])


def test_labels_errors_and_wavelength_come_along(path, series):
    with h5py.File(path) as file:
        dataset = plugins.to_dataset(file).load()
    np.testing.assert_array_equal(dataset["x"], series["x"])
    np.testing.assert_array_equal(dataset["intensity_errors"], np.sqrt(series["intensity"]))
    assert float(dataset["wavelength"]) == 1.5406


def test_results_are_added_and_the_file_keeps_its_content(path, model, latents):
    before = nexus.nxload(str(path)).tree
    for name in ("xrdae", "xrdae_2"):
        with h5py.File(path, "r+") as file:
            assert xrdae.analyze(file, model) is file
        with h5py.File(path) as file:
            process = file["entry"][name]
            assert process.attrs["NX_class"] == "NXprocess"
            assert [e["step"] for e in read_provenance(process.attrs)["steps"]] == [
                "encode",
                "relevance",
            ]
            latent = process["latent"]
            np.testing.assert_allclose(latent["latent"], latents, atol=1e-6 * np.ptp(latents))
            assert latent.attrs["axes"].tolist() == ["x", "latent_axis"]
            assert latent["latent_errors"].shape == latents.shape
            assert process["relevance"].attrs["axes"].tolist() == ["x", "region_center"]
            assert process["relevance/region_center"].attrs["units"] == "degree"
            verdict = process["relevance_verdict"]
            assert verdict.attrs["axes"].tolist() == ["region_center"]
            assert verdict["relevance_verdict"].dtype == np.int8
            assert verdict["relevance_verdict"].attrs["flag_values"].tolist() == [-1, 0, 1, 2]
            assert "varies_alone" in verdict["relevance_verdict"].attrs["flag_meanings"]
            assert file["entry"].attrs["default"] == "data"
    after = nexus.nxload(str(path)).tree
    assert all(line in after for line in before.splitlines()[2:])


def test_nexusformat_opens_what_was_written_and_plots_the_latents(path, model):
    with nexus.nxload(str(path), "rw") as root:
        xrdae.analyze(root, model)
    with nexus.nxload(str(path)) as root:
        process = root["entry/xrdae"]
        assert isinstance(process, nexus.NXprocess)
        plotted = process.get_default()
        assert plotted.nxsignal.nxname == "latent"
        assert plotted.nxsignal.shape == (24, 2)
        assert [axis.nxname for axis in plotted.nxaxes] == ["x", "latent_axis"]


def test_a_tree_in_memory_gets_its_results(tree, model, latents):
    assert xrdae.analyze(tree, model) is tree
    found = tree["entry/xrdae/latent/latent"].nxdata
    np.testing.assert_allclose(found, latents, atol=1e-6 * np.ptp(latents))


def test_silx_finds_the_default_plot(path, model):
    silx = pytest.importorskip("silx.io.nxdata", reason="silx is not installed")
    with h5py.File(path, "r+") as file:
        xrdae.analyze(file, model)
    with h5py.File(path) as file:
        shown = silx.get_default(file["entry/xrdae"])
        assert shown.is_valid
        assert shown.signal.name.endswith("/xrdae/latent/latent")
        assert shown.errors.shape == shown.signal.shape
        for name in ("relevance", "novelty", "relevance_profile"):
            assert silx.NXdata(file["entry/xrdae"][name]).is_valid


def test_an_estimate_of_a_label_has_its_standard_deviation(path, model):
    with h5py.File(path, "r+") as file:
        dataset = plugins.to_dataset(file)
        expected = model.estimate(dataset, "x")
        plugins.manager().hook.xrdae_attach(obj=file, result=expected)
        found = file["entry/xrdae/x_estimate"]
        np.testing.assert_array_equal(found["x_estimate_errors"], expected["x_std"])


def test_an_entry_without_a_default_gets_the_results_as_one(path, model):
    with h5py.File(path, "r+") as file:
        del file["entry"].attrs["default"]
        xrdae.analyze(file["entry/data"], model)
        assert file["entry"].attrs["default"] == "xrdae"


@pytest.mark.parametrize("opened", ["h5py", "nexusformat"])
def test_a_result_is_written_completely_or_not_at_all(path, model, opened, monkeypatch):
    before, write = nexus.nxload(str(path)).tree, adapter._write_data

    def fail_at_novelty(group, array, errors):
        write(group, array, errors)
        if array.name == "novelty":
            raise OSError("no space left on device")

    monkeypatch.setattr(adapter, "_write_data", fail_at_novelty)
    writing = h5py.File(path, "r+") if opened == "h5py" else nexus.nxload(str(path), "rw")
    with writing as obj, pytest.raises(OSError, match="no space left"):
        xrdae.analyze(obj, model)
    after = nexus.nxload(str(path)).tree
    assert after.splitlines()[2:] == before.splitlines()[2:]  # the rest: name and time


@pytest.mark.parametrize("opened", ["h5py", "nexusformat"])
def test_a_file_open_for_reading_is_refused_and_unchanged(path, model, opened):
    content = path.read_bytes()
    with contextlib.ExitStack() as stack:
        obj = (
            stack.enter_context(h5py.File(path))
            if opened == "h5py"
            else nexus.nxload(str(path), "r")
        )
        with pytest.raises(xrdae.DataError, match="reading only"):
            xrdae.analyze(obj, model)
    assert path.read_bytes() == content


def test_data_without_an_entry_are_refused_with_advice(tree, model):
    alone = copy.deepcopy(tree["entry/data"])
    alone["wavelength"] = nexus.NXfield(1.5406, units="angstrom")
    with pytest.raises(xrdae.DataError, match="NXentry"):
        xrdae.analyze(alone, model)


def test_plugins_import_no_host():
    code = (
        "import sys, xrdae, xrdae.plugins; xrdae.plugins.manager().hook.xrdae_to_dataset(obj=1); "
        "print([m for m in ('h5py', 'nexusformat', 'silx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.filterwarnings("ignore:.*clusters are not stable:UserWarning")
def test_clusters_keep_their_flags_and_their_figures(path, model):
    with h5py.File(path, "r+") as file:
        expected = model.cluster(plugins.to_dataset(file), 3)
        plugins.call_hook("xrdae_attach", obj=file, result=expected)
        cluster = file["entry/xrdae/cluster/cluster"]
        np.testing.assert_array_equal(cluster[:], expected["cluster"])
        for name, value in expected["cluster"].attrs.items():
            np.testing.assert_array_equal(cluster.attrs[name], value)
        pattern = file["entry/xrdae/cluster_pattern"]
        assert pattern.attrs["axes"].tolist() == ["cluster_axis", "two_theta"]
        regions = pattern["cluster_pattern"].attrs["distinguishing_regions"]
        assert regions == expected["cluster_pattern"].attrs["distinguishing_regions"]


@pytest.mark.filterwarnings("ignore:.*clusters are not stable:UserWarning")
def test_clusters_of_a_tree_keep_their_flags(tree, model):
    expected = model.cluster(plugins.to_dataset(tree), 3)
    plugins.call_hook("xrdae_attach", obj=tree, result=expected)
    attrs = tree["entry/xrdae/cluster/cluster"].attrs
    np.testing.assert_array_equal(attrs["flag_values"], expected["cluster"].attrs["flag_values"])
