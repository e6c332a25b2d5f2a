import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.plugins import to_dataset

ewokscore = pytest.importorskip("ewokscore", reason="ewokscore is not installed")
from ewoksutils.exceptions import TaskExecutionError, TaskInputError  # noqa: E402
from silx.io.nxdata import get_default  # noqa: E402

from xrdae_adapters import ewoks  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "ewoks_latents.json"
QUICK = {"steps": 60, "members": 2}
TASKS = ("Fit", "Encode", "Relevance", "Synthesize", "Report")

# ewoksxrpd registers a scale of matplotlib as it did before 3.11.
pytestmark = pytest.mark.filterwarnings("ignore:The scale 'SquareRootScale'")


@pytest.fixture
def save(tmp_path):
    """From a series (and the name of a file) to the url that ewoksxrpd saved it at."""
    nexus = pytest.importorskip("ewoksxrpd.tasks.nexus", reason="ewoksxrpd is not installed")

    def save(series, name="scan.h5"):
        path = tmp_path / name
        task = nexus.SaveNexusIntegrated(inputs=to_save(series, f"{path}::/entry"))
        task.execute()
        return f"{path}::/entry/integrate/integrated"

    return save


@pytest.fixture
def url(save, series):
    return save(series)


@pytest.fixture(scope="session")
def model_path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.nc"
    model.save(path)
    return str(path)


def to_save(series, url):
    """Inputs of SaveNexusIntegrated."""
    intensity = series["intensity"].values
    return {
        "url": url,
        "radial": series["two_theta"].values,
        "radial_units": "2th_deg",
        "intensity": intensity,
        "intensity_error": np.sqrt(intensity),
        "info": {"energy": 12.398419843320026 / 1.5406, "detector": "simulated"},
    }


def inputs_of(node, **values):
    return [{"id": node, "name": name, "value": value} for name, value in values.items()]


def execute(task, **inputs):
    """Execute one task; return its outputs."""
    done = getattr(ewoks, task)(inputs=inputs)
    done.execute()
    return done.get_output_values()


def data_of(url):
    """The NXdata that a url leads to: its signal, errors and axes."""
    path, _, name = url.partition("::")
    with h5py.File(path) as file:
        return {key: field[()] for key, field in file[name].items()}


def patterns_of(url):
    path, _, name = url.partition("::")
    with h5py.File(path) as file:
        return to_dataset(file[name]).load()


def content_of(path):
    """All that a file holds: groups, attributes and fields."""
    found = {}

    def note(name, item):
        values = np.asarray(item[()]).tolist() if isinstance(item, h5py.Dataset) else None
        attrs = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
        found[name] = repr((attrs, values))  # of NaN too

    with h5py.File(path) as file:
        file.visititems(note)
        note("/", file)
    return found


def assert_still_an_integration(path, entry, shape, *, of="integrate"):
    """silx and ewoksxrpd's own reader find the integration as if nothing had been added."""
    from ewoksxrpd.tasks.utils.nexus_utils import read_nexus_integrated_patterns

    with h5py.File(path) as file:
        shown = get_default(file[entry])
        assert shown.is_valid
        assert shown.signal.shape == shape
        assert shown.signal.name == f"{entry}/{of}/integrated/intensity"
        read = list(read_nexus_integrated_patterns(file[f"{entry}/{of}/integrated"]))
        assert len(read) == shape[0]
        assert read[0][1].intensity.shape == shape[1:]
        assert read[0][1].radial_units == "deg"


def with_sequential(graph, inputs):
    return ewokscore.execute_graph(
        graph, inputs=inputs, outputs=[{"all": True}], merge_outputs=False
    )


def with_dask(graph, inputs):
    bindings = pytest.importorskip("ewoksdask.bindings", reason="ewoksdask is not installed")
    two_processes = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    return bindings.execute_graph(
        graph,
        inputs=inputs,
        outputs=[{"all": True}],
        merge_outputs=False,
        scheduler="cluster",
        scheduler_options=two_processes,
    )


ENGINES = pytest.mark.parametrize(
    "engine", [with_sequential, with_dask], ids=["ewokscore", "ewoksdask on a cluster"]
)


@ENGINES
def test_the_example_takes_a_saved_integration_to_latents_beside_it(engine, url, series, tmp_path):
    given = {"nxdata_url": url, "model_path": str(tmp_path / "model.nc"), "config": QUICK}
    page = tmp_path / "scan.html"
    done = engine(
        str(EXAMPLE), inputs_of("fit", **given) + inputs_of("report", html_path=str(page))
    )
    assert done["encode"]["nxdata_url"] == url
    assert done["encode"]["result_url"] == f"{tmp_path}/scan.h5::/entry/xrdae_encode/latent"
    model = xrdae.load_model(tmp_path / "model.nc")
    direct = patterns_of(url).xrdae.encode(model).xrdae.relevance(model)
    written = data_of(done["encode"]["result_url"])
    np.testing.assert_array_equal(written["latent"], direct["latent"])
    np.testing.assert_array_equal(written["latent_errors"], direct["latent_std"])
    relevance = data_of(done["relevance"]["result_url"])["relevance"]
    np.testing.assert_array_equal(relevance, direct["relevance"])
    assert_still_an_integration(tmp_path / "scan.h5", "/entry", series["intensity"].shape)
    with h5py.File(tmp_path / "scan.h5") as file:
        shown = get_default(file["entry/xrdae_encode"])
        assert shown.is_valid
        assert shown.signal.shape == (24, 2)
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")


def test_the_example_follows_a_task_that_saves_in_one_graph(series, tmp_path):
    pytest.importorskip("ewoksxrpd.tasks.nexus", reason="ewoksxrpd is not installed")
    entry = f"{tmp_path}/scan.h5::/entry"
    graph = json.loads(EXAMPLE.read_text())
    saving = "ewoksxrpd.tasks.nexus.SaveNexusIntegrated"
    graph["nodes"].append({"id": "save", "task_type": "class", "task_identifier": saving})
    graph["links"].append({"source": "save", "target": "fit", "required": True})
    # What it saved becomes the entry's default plot, so that the entry's url will do.
    given = {"nxdata_url": entry, "model_path": str(tmp_path / "model.nc"), "config": QUICK}
    inputs = inputs_of("save", **to_save(series, entry)) + inputs_of("fit", **given)
    done = with_sequential(graph, inputs + inputs_of("report", html_path=f"{tmp_path}/scan.html"))
    assert data_of(done["encode"]["result_url"])["latent"].shape == (24, 2)
    assert_still_an_integration(tmp_path / "scan.h5", "/entry", series["intensity"].shape)


@pytest.mark.parametrize("external", [False, True], ids=["one file", "linked from another"])
def test_the_example_chains_to_the_integration_of_a_bliss_scan(series, tmp_path, external):
    pytest.importorskip("ewoksxrpd.tasks.integrate", reason="ewoksxrpd is not installed")
    geometry = {"dist": 0.06, "poni1": 0, "poni2": 0, "rot1": 0, "rot2": 0, "rot3": 0}
    raw = tmp_path / "raw.h5"
    save_bliss_scan(raw, series, geometry)
    given = {
        "filename": str(raw),
        "scan": 1,
        "detector_name": "p3",
        "detector": "Pilatus300k",
        "geometry": geometry,
        "energy": 12.398419843320026 / 1.5406,
        "integration_options": {"unit": "2th_deg", "error_model": "poisson", "nbpt_rad": 200},
        "output_filename": str(tmp_path / "scan.h5"),
        "overwrite": True,
        "retry_timeout": 10,
    }
    if external:
        given["external_output_filename"] = str(tmp_path / "external.h5")
    integrating = "ewoksxrpd.tasks.integrate.IntegrateBlissScan"
    graph = {
        "graph": {"id": "beamline"},
        "nodes": [
            {"id": "integrate", "task_type": "class", "task_identifier": integrating},
            {"id": "latents", "task_type": "graph", "task_identifier": str(EXAMPLE)},
        ],
        "links": [
            {
                "source": "integrate",
                "target": "latents",
                "sub_target": "scan",
                "data_mapping": [{"source_output": "nxdata_url", "target_input": "nxdata_url"}],
            }
        ],
    }
    model_path = str(tmp_path / "model.nc")
    inputs = inputs_of("integrate", **given)
    inputs += inputs_of(("latents", "fit"), model_path=model_path, config=QUICK)
    inputs += inputs_of(("latents", "report"), html_path=str(tmp_path / "scan.html"))
    for _ in range(2):  # a scan is processed again
        done = with_sequential(graph, inputs)[("latents", "encode")]
    path = tmp_path / ("external.h5" if external else "scan.h5")
    assert done["result_url"] == f"{path}::/1.1/xrdae_encode/latent"
    direct = patterns_of(done["nxdata_url"]).xrdae.encode(xrdae.load_model(model_path))
    written = data_of(done["result_url"])
    np.testing.assert_array_equal(written["latent"], direct["latent"])
    np.testing.assert_array_equal(written["points"], np.arange(24))
    assert abs(np.corrcoef(written["latent"].T, series["x"])[:2, 2]).max() > 0.9
    assert_still_an_integration(path, "/1.1", (24, 200), of="p3_integrate")


def save_bliss_scan(path, series, geometry):
    """Write images whose integration is the series as Bliss writes a scan."""
    from pyFAI.detectors import detector_factory
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    from silx.io.dictdump import dicttonx

    detector = detector_factory("Pilatus300k")
    geometry = AzimuthalIntegrator(**geometry, detector=detector, wavelength=1.5406e-10)
    images = [
        geometry.calcfrom1d(series["two_theta"].values, y, dim1_unit="2th_deg")
        for y in series["intensity"].values
    ]
    scan = {
        "@NX_class": "NXentry",
        "title": "timescan",
        "instrument": {
            "@NX_class": "NXinstrument",
            "p3": {"@NX_class": "NXdetector", "data": np.stack(images).astype("f4")},
        },
        "measurement": {"@NX_class": "NXcollection", ">p3": "../instrument/p3/data"},
        "end_time": "2026-01-01T00:00:00",
    }
    dicttonx({"@NX_class": "NXroot", "1.1": scan}, str(path), "/")


def test_tasks_that_write_into_one_file_at_once_wait_for_each_other(url, model_path, tmp_path):
    names = ("Encode", "Relevance", "Synthesize")
    nodes = [
        {"id": name, "task_type": "class", "task_identifier": f"xrdae_adapters.ewoks.{name}"}
        for name in names
    ]
    given = [{"name": n, "value": v, "all": True} for n, v in
             (("nxdata_url", url), ("model_path", model_path))]  # fmt: skip
    graph = {"graph": {"id": "parallel"}, "nodes": nodes, "links": []}
    done = with_dask(graph, [*given, *inputs_of("Synthesize", between=[3, 7])])
    for name, shape in zip(names, [(24, 2), (24, 5), (5, 200)], strict=True):
        fields = data_of(done[name]["result_url"])
        assert fields[done[name]["result_url"].rsplit("/")[-1]].shape == shape


def test_a_workflow_run_again_replaces_its_results_and_nothing_else(url, model_path):
    path = url.split("::")[0]
    first = execute("Encode", nxdata_url=url, model_path=model_path)
    with h5py.File(path, "r+") as file:
        xrdae.analyze(file, xrdae.load_model(model_path))  # by hand: entry/xrdae
    content = content_of(path)
    assert execute("Encode", nxdata_url=url, model_path=model_path) == first
    assert content_of(path) == content
    named = execute("Encode", nxdata_url=url, model_path=model_path, nxprocess_name="second")
    assert named["result_url"].endswith("/entry/second/latent")
    assert content.items() <= content_of(path).items()


def test_results_become_the_default_plot_if_there_is_none(url, model_path):
    path = url.split("::")[0]
    with h5py.File(path, "r+") as file:
        del file["entry"].attrs["default"]
    for _ in range(2):
        execute("Encode", nxdata_url=url, model_path=model_path)
        with h5py.File(path) as file:
            assert get_default(file["entry"]).signal.name == "/entry/xrdae_encode/latent/latent"


def test_relevance_and_synthesis_are_those_of_the_accessor(url, model, model_path):
    patterns = patterns_of(url)
    inputs = {"nxdata_url": url, "model_path": model_path}
    done = execute("Relevance", **inputs, regions=2.0, fill="mean")
    direct = patterns.xrdae.relevance(model, regions=2.0, fill="mean")
    written = data_of(done["result_url"])
    np.testing.assert_array_equal(written["relevance"], direct["relevance"])
    np.testing.assert_array_equal(written["region_center"], direct["region_center"])
    for request in ({"between": [3, -1], "n": 2}, {"latent": [[0.0, 0.1], [0.2, 0.0]]}):
        done = execute("Synthesize", **inputs, **request)
        direct = patterns.xrdae.synthesize(model, **request)
        written = data_of(done["result_url"])
        np.testing.assert_array_equal(written["synthesized"], direct["synthesized"])
        np.testing.assert_array_equal(written["synthesized_errors"], direct["synthesized_std"])


def test_relevance_compares_regions_with_a_label_too(series, tmp_path):
    path = str(tmp_path / "model.nc")
    execute("Fit", dataset=series, model_path=path, config=QUICK)
    done = execute("Relevance", dataset=series, model_path=path, label="x")
    direct = series.xrdae.relevance(xrdae.load_model(path), label="x")
    for name in ("relevance", "relevance_verdict", "x_change", "x_pvalue", "x_verdict"):
        np.testing.assert_array_equal(done["dataset"][name], direct[name])


def test_several_scans_are_fitted_together_and_encoded_each_beside_its_own(
    save, simulated_series, tmp_path
):
    scans = [simulated_series(24, seed=1), simulated_series(12, seed=2)]
    urls = [save(scan, f"scan_{i}.h5") for i, scan in enumerate(scans)]
    path = str(tmp_path / "model.nc")
    fitted = execute("Fit", nxdata_url=urls, model_path=path, config=QUICK)
    assert fitted == {"nxdata_url": urls, "dataset": None, "model_path": path}
    model = xrdae.load_model(path)
    assert model.labels.sizes["pattern"] == 36
    encoded = execute("Encode", nxdata_url=fitted["nxdata_url"], model_path=path)
    for url, result in zip(urls, encoded["result_url"], strict=True):
        latent = patterns_of(url).xrdae.encode(model)["latent"]
        np.testing.assert_array_equal(data_of(result)["latent"], latent)
    page = execute("Report", nxdata_url=urls, model_path=path, html_path=f"{tmp_path}/both.html")
    assert "36 pattern" in Path(page["html_path"]).read_text(encoding="utf-8")


def test_spectra_of_several_files_are_fitted_and_encoded_each_in_its_direction(tmp_path, series):
    energy = np.linspace(300.0, 280.0, 200)
    urls = [f"{tmp_path}/{name}.h5::/entry/data" for name in "ab"]
    for url, rows in zip(urls, (slice(0, 12), slice(12, 24)), strict=True):
        with h5py.File(url.partition("::")[0], "w") as file:
            entry = file.create_group("entry")
            entry.attrs["NX_class"] = "NXentry"
            data = entry.create_group("data")
            data.attrs.update(NX_class="NXdata", signal="counts", axes=["T", "energy"])
            data["counts"], data["energy"] = series.intensity.values[rows], energy
            data["T"] = np.full(12, 300.0)
            data["energy"].attrs["units"], data["T"].attrs["units"] = "eV", "K"
    path = str(tmp_path / "model.nc")
    execute("Fit", nxdata_url=urls, model_path=path, config=QUICK)
    model = xrdae.load_model(path)
    assert model.autoencoder.preparation.axis.kind == "other"
    done = execute("Relevance", nxdata_url=urls, model_path=path, regions=[[285.0, 288.0]])
    for url, result in zip(urls, done["result_url"], strict=True):
        expected = patterns_of(url).xrdae.relevance(model, regions=[[285.0, 288.0]])
        profile = data_of(f"{result}_profile")
        np.testing.assert_array_equal(profile["energy"], energy)
        np.testing.assert_array_equal(data_of(result)["relevance"], expected["relevance"])


def test_a_dataset_in_memory_comes_back_with_its_results(series, tmp_path):
    path = str(tmp_path / "model.nc")
    before = series.copy(deep=True)
    mapping = [{"source_output": n, "target_input": n} for n in ("dataset", "model_path")]
    chain = ("Fit", "Encode", "Relevance", "Synthesize")
    graph = {
        "graph": {"id": "memory"},
        "nodes": [
            {"id": name, "task_type": "class", "task_identifier": f"xrdae_adapters.ewoks.{name}"}
            for name in chain
        ],
        "links": [
            {"source": a, "target": b, "data_mapping": mapping}
            for a, b in itertools.pairwise(chain)
        ],
    }
    given = {"dataset": series, "model_path": path, "config": QUICK}
    done = with_sequential(
        graph, inputs_of("Fit", **given) + inputs_of("Synthesize", at={"x": [0.4, 0.6]})
    )
    model = xrdae.load_model(path)
    direct = series.xrdae.encode(model).xrdae.relevance(model)
    direct = direct.xrdae.synthesize(model, at={"x": [0.4, 0.6]})
    xr.testing.assert_identical(done["Synthesize"]["dataset"], direct)
    xr.testing.assert_identical(series, before)
    assert done["Synthesize"]["result_url"] is None


def test_all_tasks_are_discovered_and_described_without_torch_or_xarray():
    code = (
        "import json, sys; from ewokscore.task_discovery import discover_tasks_from_modules as d; "
        "found = d('xrdae_adapters.ewoks', task_type='class'); heavy = {'torch', 'xarray'}; "
        "print(json.dumps([found, sorted(heavy & sys.modules.keys())]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, heavy = json.loads(done.stdout)
    assert heavy == []
    assert {task["task_identifier"] for task in found} == {
        f"xrdae_adapters.ewoks.{name}" for name in TASKS
    }
    for task in found:
        assert len(task["description"].splitlines()[0]) > 30
        assert "model_path" in task["required_input_names"]
        assert {"nxdata_url", "dataset"} <= set(task["optional_input_names"])
        model = getattr(ewoks, task["input_model"].rsplit(".")[-1])
        assert all(field.description for field in model.model_fields.values())


def test_the_entry_point_leads_ewoks_to_all_tasks():
    code = (
        "import sys; from ewokscore.task_discovery import discover_all_tasks; "
        "print(*(t['task_identifier'] for t in discover_all_tasks(task_type='class'))); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, found, torch = done.stdout.splitlines()
    assert {f"xrdae_adapters.ewoks.{name}" for name in TASKS} <= set(found.split())
    assert torch == "False"


@pytest.mark.parametrize(
    ("task", "inputs", "said"),
    [
        ("Encode", {"nxdata_url": "{file}::/entry/measurement/nothing"}, "does not exist"),
        ("Encode", {"nxdata_url": "{file}::/entry/nothing"}, "/entry/integrate/integrated"),
        ("Encode", {"nxdata_url": "{url}/intensity"}, "is a field, not a group"),
        ("Encode", {"nxdata_url": "silx:{file}?path=/entry&slice=1"}, "is not the url"),
        ("Encode", {"nxdata_url": "no.h5::/entry"}, "there is no file 'no.h5'"),
        ("Encode", {"nxdata_url": "{model}x"}, "there is no file"),
        ("Encode", {"nxdata_url": __file__}, "cannot be opened"),
        ("Encode", {}, "give one of nxdata_url and dataset; got neither"),
        ("Encode", {"nxdata_url": "{url}", "dataset": 1}, "got both"),
        ("Encode", {"nxdata_url": []}, "empty list"),
        ("Encode", {"nxdata_url": "{url}", "nxprocess_name": "integrate"}, "not written by xrdae"),
        ("Encode", {"nxdata_url": "{url}", "model_path": "no.nc"}, "no.nc"),
        ("Encode", {"nxdata_url": ["{url}", "{file}::/no"]}, "does not exist"),
        ("Encode", {"dataset": 1}, "no plugin turns"),
        ("Fit", {"nxdata_url": "{url}", "config": {"colour": 1}}, "unknown setting 'colour'"),
        ("Relevance", {"nxdata_url": "{url}", "fill": "red"}, "fill"),
        ("Synthesize", {"nxdata_url": "{url}"}, "one of between=, at= and latent="),
        ("Synthesize", {"nxdata_url": "{url}", "between": [0, 24]}, "24 positions"),
        ("Synthesize", {"nxdata_url": ["{url}"], "between": [0, 1]}, "valid string"),
        ("Report", {"nxdata_url": "{url}", "html_path": "no/a.html"}, "no folder 'no'"),
    ],
)
def test_a_wrong_input_is_named_and_the_file_is_not_changed(task, inputs, said, url, model_path):
    path = Path(url.split("::")[0])
    names = {"url": url, "file": path, "model": model_path}

    def filled(value):
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value.format(**names) if isinstance(value, str) else value

    if task == "Fit":
        inputs = {"model_path": str(path.with_name("new.nc"))} | inputs
    content = path.read_bytes()
    given = {"model_path": model_path} | {name: filled(value) for name, value in inputs.items()}
    with pytest.raises(TaskExecutionError, match=said) as raised:
        execute(task, **given)
    assert type(raised.value.__cause__) is not AttributeError
    assert path.read_bytes() == content


def test_an_input_that_is_missing_is_named(url):
    with pytest.raises(TaskInputError, match="model_path"):
        execute("Fit", nxdata_url=url)


def test_a_task_that_fails_while_it_writes_leaves_what_was_there(url, model_path, monkeypatch):
    from xrdae_adapters import nexus

    path = url.split("::")[0]
    execute("Encode", nxdata_url=url, model_path=model_path)
    content, write = content_of(path), nexus._write_data

    def fail_at_novelty(group, array, errors):
        write(group, array, errors)
        if array.name == "novelty":
            raise OSError("no space left on device")

    monkeypatch.setattr(nexus, "_write_data", fail_at_novelty)
    with pytest.raises(TaskExecutionError, match="no space left"):
        execute("Encode", nxdata_url=url, model_path=model_path)
    assert content_of(path) == content
    with h5py.File(path, "r+"):  # it was closed
        pass


@pytest.fixture
def hold():
    """From a path to a process that has the file open for writing, until told otherwise."""
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); input()"
    started = []

    def hold(path):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", code, path], **pipes))
        assert started[-1].stdout.readline() == "open\n"
        return started[-1]

    yield hold
    for process in started:
        process.wait() if process.stdin.closed else process.communicate("\n")


def test_a_file_that_another_program_holds_is_waited_for_and_named(url, model_path, hold):
    inputs = {"nxdata_url": url, "model_path": model_path}
    holder = hold(url.split("::")[0])
    with pytest.raises(TaskExecutionError, match=r"scan\.h5 cannot be opened .* held it open"):
        execute("Encode", **inputs, retry_timeout=0.2)
    threading.Timer(0.5, holder.communicate, ["\n"]).start()
    assert execute("Encode", **inputs, retry_timeout=60)["result_url"]


def test_a_facility_may_attach_elsewhere(url, model_path, monkeypatch):
    from xrdae.plugins import manager

    class Elsewhere:
        @xrdae.hookimpl
        def xrdae_attach(self, obj, result):
            return obj

    manager().register(Elsewhere(), name="elsewhere")
    try:
        done = execute("Encode", nxdata_url=url, model_path=model_path)
    finally:
        manager().unregister(name="elsewhere")
    assert done["result_url"] == f"{url.split('::')[0]}::/entry"
