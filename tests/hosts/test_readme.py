"""The examples of the README, a host each, with the real host."""

import re
import shutil
from pathlib import Path
from typing import NewType

import numpy as np
import pytest

import xrdae
from xrdae.plugins import to_dataset

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- host: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_example(host, **names):
    names |= {"xrdae": xrdae}
    exec(compile(EXAMPLES[host], f"README, {host}", "exec"), names)
    return names


def same(values, latents):
    np.testing.assert_allclose(values, latents, rtol=0, atol=1e-6 * np.ptp(latents))


def test_spectrochempy(series, model, latents):
    scp = pytest.importorskip("spectrochempy", reason="spectrochempy is not installed")
    x = scp.Coord(series["two_theta"].values, title="two_theta", units="degree")
    y = scp.Coord(series["x"].values, title="content")
    nd = scp.NDDataset(series["intensity"].values, coordset=[y, x], units="count")
    nd.meta["wavelength"] = 1.5406
    names = run_example("spectrochempy", nd=nd, model=model)
    same(names["latents"].data, latents)
    assert names["between"].shape == (5, 200)


def test_hyperspy(series, model, latents):
    hs = pytest.importorskip("hyperspy.api", reason="hyperspy is not installed")
    signal = hs.signals.Signal1D(series["intensity"].values)
    axis = signal.axes_manager.signal_axes[0]
    axis.scale, axis.offset = 60 / 199, 20
    axis.name, axis.units = "two_theta", "degree"
    signal.metadata.set_item("Acquisition_instrument.XRD.wavelength", 1.5406)
    names = run_example("hyperspy", signal=signal, model=model)
    same(names["latents"].data, latents)
    assert names["novelty"].axes_manager.navigation_shape == (24,)


def test_pyfai(series, model, latents):
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.io.nexus import save_NXazint1d

    from xrdae_adapters.pyfai import to_results

    results = to_results(series)
    save_NXazint1d("azint.h5", results, wavelength=1.5406e-10)
    names = run_example("pyfai", results=results, model=model)
    same(names["latent"], latents[0])
    assert names["ds"].sizes["pattern"] == 24


def test_scipp(series, model, latents):
    sc = pytest.importorskip("scipp", reason="scipp is not installed")
    data = sc.DataArray(
        sc.array(dims=["run", "two_theta"], values=series["intensity"].values, unit="counts"),
        coords={
            "two_theta": sc.array(dims=["two_theta"], values=series["two_theta"], unit="deg"),
            "wavelength": sc.scalar(1.5406, unit="angstrom"),
        },
    )
    names = run_example("scipp", data=data, model=model)
    same(names["latent"].values, latents)
    assert set(sc.io.load_hdf5("results.h5")) == set(names["group"])


def test_sciline(series, model, latents):
    sciline = pytest.importorskip("sciline", reason="sciline is not installed")
    import scipp as sc

    from xrdae_adapters import sciline as steps

    number, reduced = NewType("number", int), NewType("reduced", sc.DataArray)
    axis = sc.array(dims=["two_theta"], values=series["two_theta"].values, unit="deg")

    def reduce(i: number) -> reduced:
        counts = sc.array(dims=["two_theta"], values=series["intensity"].values[i], unit="counts")
        wavelength = sc.scalar(1.5406, unit="angstrom")
        return sc.DataArray(counts, coords={"two_theta": axis, "wavelength": wavelength})

    workflow, runs = sciline.Pipeline([reduce]), {number: range(24)}
    names = run_example(
        "sciline", workflow=workflow, steps=steps, reduced=reduced, runs=runs, model=model
    )
    same(names["latent"].values, latents)


def test_nexus(series, model, latents):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File("scan.nxs", "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": [".", "two_theta"]})
        data["I"] = series["intensity"].values
        data["two_theta"] = series["two_theta"].values
        data["two_theta"].attrs["units"] = "degree"
        entry["instrument/monochromator/wavelength"] = 1.5406
    same(run_example("nexus", h5py=h5py, model=model)["latent"], latents)


def test_ewoks(series, tmp_path):
    ewokscore = pytest.importorskip("ewokscore", reason="ewokscore is not installed")
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    shutil.copy(ROOT / "examples" / "ewoks_latents.json", tmp_path)
    with h5py.File("scan.h5", "w") as file:
        data = file.create_group("entry/integrate/integrated")
        file["entry"].attrs["NX_class"] = "NXentry"
        data.attrs.update({"NX_class": "NXdata", "signal": "intensity", "axes": [".", "2th"]})
        data["intensity"] = series["intensity"].values
        data["2th"] = series["two_theta"].values
        data["2th"].attrs["units"] = "deg"
        file["entry/instrument/monochromator/wavelength"] = 1.5406
    names = run_example("ewoks", ewokscore=ewokscore, h5py=h5py)
    same(names["latent"], series.xrdae.encode(xrdae.load_model("model.nc"))["latent"].values)
    assert (tmp_path / "scan.html").exists()


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")
def test_tiled(series, model, latents, tmp_path):
    pytest.importorskip("tiled.server", reason="tiled's server is not installed")
    from tiled.catalog import in_memory
    from tiled.client import Context, from_context
    from tiled.client.xarray import write_xarray_dataset
    from tiled.config import Authentication
    from tiled.server.app import build_app

    rights = Authentication(single_user_api_key="secret", allow_anonymous_access=True)
    app = build_app(in_memory(writable_storage=[str(tmp_path)]), authentication=rights)
    with Context.from_app(app, api_key="secret") as context:
        run = write_xarray_dataset(from_context(context), series, key="series")
        names = run_example("tiled", run=run, model=model, to_dataset=to_dataset)
    same(names["latent"].values, latents)
    assert names["ds"].sizes == series.sizes


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")
def test_bluesky(series, model, latents, tmp_path):
    bluesky = pytest.importorskip("bluesky", reason="bluesky is not installed")
    pytest.importorskip("tiled.server", reason="tiled's server is not installed")
    from bluesky.plans import count
    from tiled.catalog import in_memory
    from tiled.client import Context, from_context
    from tiled.config import Authentication
    from tiled.server.app import build_app

    class Detector:
        name, parent = "pe1", None

        def describe(self):
            array = {"source": "sim", "dtype": "array", "shape": [200]}
            return {"tth": array | {"units": "deg"}, "intensity": array | {"units": "counts"}}

        def read(self):
            values = {"tth": series["two_theta"], "intensity": series["intensity"][3]}
            return {n: {"value": v.values, "timestamp": 0.0} for n, v in values.items()}

        def describe_configuration(self):
            return {}

        read_configuration = describe_configuration

    engine = bluesky.RunEngine({"wavelength": 1.5406}, context_managers=[])
    rights = Authentication(single_user_api_key="secret", allow_anonymous_access=True)
    app = build_app(in_memory(writable_storage=[str(tmp_path)]), authentication=rights)
    with Context.from_app(app, api_key="secret") as context:
        names = {"RE": engine, "plan": count([Detector()]), "client": from_context(context)}
        live = run_example("bluesky", model=model, **names)["live"]
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()
    np.testing.assert_allclose(live["latent"], latents[[3]], atol=1e-6 * np.ptp(latents))


def test_xdart(series, model, latents):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    nexus = pytest.importorskip("xrd_tools.io.nexus", reason="xdart is not installed")
    from xrd_tools.core.containers import IntegrationResult1D

    axis = series["two_theta"].values
    results = [
        IntegrationResult1D(axis, y, np.sqrt(y), unit="2th_deg") for y in series["intensity"].values
    ]
    with h5py.File("scan.nxs", "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        frames = list(range(1, 25))
        nexus.write_integrated_stack(entry, frame_indices=frames, results_1d=results)
    scan = nexus.read_scan("scan.nxs").assign_coords(wavelength=1.5406)
    names = run_example("xdart", scan=scan, model=model)
    same(names["latent"].values, latents)


def test_every_example_is_tested():
    assert {f"test_{host}" for host in EXAMPLES} <= globals().keys()
