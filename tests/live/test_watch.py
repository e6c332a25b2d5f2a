"""A watch stores the results of arriving files."""

import dataclasses
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import xrdae
from misbehaving_reader import MISBEHAVING
from watched_folder import Heard
from xrdae.live import isolated_reading
from xrdae.live.file_rows import Arrived, find_rows
from xrdae.live.results import Results
from xrdae.live.watch import Watch
from xrdae.loading.gridding import make_axis, read_scans

# The files are columns of numbers, which state no wavelength.
pytestmark = pytest.mark.filterwarnings("ignore:the data state no wavelength")


def test_stored_results_equal_those_of_analyze(run):
    for i in range(5):
        run.put(f"p{i}.xy", run.text(i))
    run.watch(lambda: len(run.heard.files) == 5)
    found = run.content().sortby("file")
    whole = xrdae.analyze(
        xrdae.open_patterns(run.folder, axis="two_theta", progress=False), run.model
    )
    of_regions = ["region_change", "region_std", "relevance_excess", "relevance_significance"]
    for name in ("latent", "latent_std", "novelty", "reconstruction_error", "relevance",
                 "latent_shift", "relevance_profile", *of_regions):  # fmt: skip
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-4, atol=2e-5)
    assert {found[name].dims for name in of_regions} == {("region",)}
    assert found["relevance_verdict"].dtype == np.int8
    assert found["relevance_verdict"].values.tolist() == whole["relevance_verdict"].values.tolist()
    assert found["relevance_verdict"].attrs["flag_meanings"].split()[0] == "irrelevant"
    np.testing.assert_allclose(found["intensity"], whole["intensity"])
    assert found["file"].values.tolist() == whole["file"].values.tolist()
    assert found["novel"].dtype == bool
    again = found.xrdae.encode(run.model)
    np.testing.assert_allclose(again["latent"], found["latent"], atol=1e-5)
    assert list(again.xrdae.estimate(run.model, "x")["x_estimate"].dims) == ["pattern"]


def test_a_half_written_file_waits_until_it_is_complete_and_a_broken_file_is_named(run):
    whole = run.text(0)
    run.put("a.xy", whole)
    run.put("half.xy", whole[: len(whole) // 2])
    run.put("line.xy", whole[:-30] + "79.9 x")
    run.put("cut.xy", "".join(whole.splitlines(keepends=True)[:150]))
    run.put("words.txt", "not a pattern\n")
    run.put("dark.xy", "".join(f"{x} 0\n" for x in range(20, 80)))
    run.put("empty.xy", "")
    finish = threading.Timer(0.3, lambda: [run.put(f"{n}.xy", whole) for n in ("half", "line")])
    finish.start()
    run.watch(lambda: len(run.heard.skipped) == 4 and len(run.heard.files) == 3)
    assert sorted(run.heard.files) == ["a.xy", "half.xy", "line.xy"]
    assert "at least 80% is needed" in run.heard.skipped["cut.xy"]
    assert "no intensity is positive" in run.heard.skipped["dark.xy"]
    found = run.content()
    assert np.isfinite(found["intensity"]).all()
    assert json.loads(found.attrs["xrdae_skipped"]) == run.heard.skipped
    # One that is mended later is no longer among them.
    run.put("cut.xy", whole)
    run.watch(lambda: "cut.xy" in run.heard.files and len(run.heard.skipped) == 3)
    assert sorted(json.loads(run.content().attrs["xrdae_skipped"])) == [
        "dark.xy", "empty.xy", "words.txt",
    ]  # fmt: skip


def test_the_next_watch_does_only_what_is_new_or_has_changed(run):
    for i in range(3):
        run.put(f"p{i}.xy", run.text(i))
    run.watch(lambda: len(run.heard.files) == 3)
    before = run.content()
    run.put("p3.xy", run.text(3))
    run.put("p1.xy", run.text(9))
    run.watch(lambda: len(run.heard.files) == 2)
    assert sorted(run.heard.files) == ["p1.xy", "p3.xy"]
    found = run.content()
    assert sorted(found["file"].values.tolist()) == ["p0.xy", "p1.xy", "p2.xy", "p3.xy"]
    at = {file: i for i, file in enumerate(found["file"].values.tolist())}
    expected = run.series.isel(pattern=[0, 9, 2, 3]).xrdae.encode(run.model)["latent"]
    rows = [at[f"p{i}.xy"] for i in range(4)]
    np.testing.assert_allclose(found["latent"].values[rows], expected, atol=1e-4)
    assert found["file"].values.tolist()[:3] == before["file"].values.tolist()


def test_files_of_several_scans_in_folders_and_on_other_axes_are_taken(run, simulated_series):
    many = simulated_series(n=4, seed=3)
    with h5py.File(run.folder / "scans.nxs", "w") as file:
        data = file.create_group("entry/data")
        file["entry"].attrs.update(NX_class="NXentry", default="data")
        data.attrs.update(NX_class="NXdata", signal="counts", axes=[".", "two_theta"])
        data["counts"] = many["intensity"].values[:3]
        data["two_theta"] = many["two_theta"].values
        data["two_theta"].attrs["units"] = "degree"
    (run.folder / "deep").mkdir()
    q = 4 * np.pi / 1.5406 * np.sin(np.radians(many["two_theta"].values / 2))
    in_q = many.isel(pattern=3, drop=True).drop_vars("two_theta").rename(two_theta="q")
    in_q = in_q.assign_coords(q=("q", q, {"units": "1/angstrom"}))
    in_q.to_netcdf(run.folder / "deep" / "in_q.nc")
    run.watch(lambda: len(run.heard.files) == 4)
    found = run.content()
    of_scans = found.isel(pattern=found["file"].values == "scans.nxs")
    assert of_scans["scan"].values.tolist() == [0, 1, 2]
    expected = many.isel(pattern=slice(3)).xrdae.encode(run.model)["latent"]
    np.testing.assert_allclose(of_scans["latent"], expected, atol=1e-5)
    at = found["file"].values.tolist().index(os.path.join("deep", "in_q.nc"))
    expected = many.isel(pattern=3).xrdae.encode(run.model)["latent"]
    np.testing.assert_allclose(found["latent"][at], expected, atol=5e-3)


def test_a_file_that_comes_alone_with_labels_keeps_them(run):
    one = run.series.isel(pattern=3).assign_coords(
        pattern=3, temperature=((), 300.0, {"units": "K"}), sample="alpha", latent_axis=1
    )
    for i in range(2):
        one.assign_coords(temperature=300.0 + i).to_netcdf(run.folder / f"p{i}.nc")
        run.watch(lambda i=i: run.heard.files == [f"p{i}.nc"])
    found = run.content()
    assert found["temperature"].values.tolist() == [300, 301]
    assert found["sample"].values.tolist() == ["alpha", "alpha"]
    assert "pattern" not in found.coords


def test_a_file_of_any_format_may_come_alone(real_data):
    """With all that headers of real instruments say."""
    kinds = set()
    for path in sorted(real_data("formats").iterdir()):
        try:
            scans = read_scans(path)
        except xrdae.FormatError:
            continue
        axis = make_axis(scans[0])
        rows = find_rows([Arrived(path.name, (1, 2), scans, 1.0)], axis)
        assert rows["file"].values.tolist() == [path.name] * len(scans)
        assert all(v.dims[0] == "pattern" for v in rows.data_vars.values())
        np.testing.assert_array_equal(rows["intensity"][0], scans[0].intensity)
        kinds.add(path.suffix)
    assert len(kinds) > 5


def test_a_shorter_scan_is_taken_once_it_has_not_changed_for_long(run):
    run.put("whole.xy", run.text(0))
    run.put("short.xy", "".join(run.text(1).splitlines(keepends=True)[:180]))
    run.watch(lambda: len(run.heard.files) == 2)
    assert run.heard.files == ["whole.xy", "short.xy"]
    np.testing.assert_allclose(run.content()["coverage"], [1, 179 / 199], rtol=1e-6)
    (message,) = run.heard.messages
    assert message.startswith("short.xy is accepted, although it covers 90%")


def test_the_folder_and_names_that_are_not_text_do_not_end_a_watch(run):
    odd = os.fsencode(run.folder) + b"/caf\xe9.xy"
    try:
        Path(os.fsdecode(odd)).write_text(run.text(1))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    steps = iter([lambda: run.folder.chmod(0o700), lambda: os.utime(run.folder)])

    def until():
        next(steps, lambda: None)()
        return len(run.heard.files) == 2 and run.heard.skipped

    run.put("a.xy", run.text(0))
    late = threading.Timer(0.5, lambda: Path(os.fsdecode(odd + b"2")).write_text(run.text(2)))
    last = threading.Timer(0.8, lambda: run.put("b.xy", run.text(1)))
    late.start()
    last.start()
    run.watch(until)
    assert sorted(run.heard.files) == ["a.xy", "b.xy"]
    assert run.heard.skipped["caf\\xe9.xy"] == "its name is not UTF-8; rename it"


def test_a_removed_folder_is_reported(run):
    def until():
        if run.heard.files:
            shutil.rmtree(run.folder)

    run.put("a.xy", run.text(0))
    with pytest.raises(FileNotFoundError, match="is gone; all results are kept"):
        run.watch(until)
    assert run.content().sizes["pattern"] == 1


def test_many_waiting_files_do_not_delay_the_end(run):
    for i in range(300):
        run.put(f"p{i:03d}.xy", run.text(i % 24))
    with Results(run.out, {}) as results:
        stop = threading.Event()
        heard = Heard()
        heard.on_results = lambda rows: stop.set()
        Watch(run.folder, run.model, results, listeners=[heard]).run(stop)
        assert 0 < len(results) < 300
    run.watch(lambda: len(run.heard.files) + len(results) == 300)
    assert sorted(run.content()["file"].values.tolist()) == [f"p{i:03d}.xy" for i in range(300)]


def test_a_step_that_fails_for_one_file_spares_the_others(run):
    class Fussy:
        @xrdae.hookimpl
        def xrdae_encode(self, dataset, model):
            if "p1.xy" in dataset.coords.get("file", xr.DataArray([""])).values.tolist():
                raise RuntimeError("no such luck")

    plugin = Fussy()
    xrdae.plugins.manager().register(plugin)
    try:
        for i in range(3):
            run.put(f"p{i}.xy", run.text(i))
        run.watch(lambda: len(run.heard.files) == 2 and run.heard.skipped)
    finally:
        xrdae.plugins.manager().unregister(plugin)
    assert run.heard.skipped == {"p1.xy": "RuntimeError: no such luck"}
    assert sorted(run.heard.files) == ["p0.xy", "p2.xy"]


def test_plugins_receive_results_after_they_are_stored(run):
    class Pager:
        @xrdae.hookimpl
        def xrdae_on_result(self, result):
            kept = run.content()["file"].values.tolist()
            heard.extend((file, file in kept) for file in result["file"].values.tolist())

    heard, plugin = [], Pager()
    xrdae.plugins.manager().register(plugin)
    try:
        for i in range(3):
            run.put(f"p{i}.xy", run.text(i))
        run.watch(lambda: len(run.heard.files) == 3)
    finally:
        xrdae.plugins.manager().unregister(plugin)
    assert sorted(heard) == [("p0.xy", True), ("p1.xy", True), ("p2.xy", True)]


def test_high_novelty_is_reported_with_advice(run):
    x = run.series["two_theta"].values
    foreign = run.series.assign(
        intensity=run.series["intensity"] + 1500 * np.exp(-(((x - 51) / 0.5) ** 2))
    )
    run.series = foreign
    for i in range(20):
        run.put(f"p{i}.xy", run.text(i))
    run.watch(lambda: len(run.heard.files) == 20)
    assert run.content()["novel"].all()
    assert len(run.heard.messages) == 1
    assert "xrdae fit DATA --update" in run.heard.messages[0]


def test_a_file_that_takes_too_long_is_named_and_delays_others_by_the_limit(run, monkeypatch):
    monkeypatch.setattr(isolated_reading, "COMMAND", [sys.executable, "-c", MISBEHAVING])
    monkeypatch.setattr(isolated_reading, "find_limit", lambda size: 1.0)
    for name in ("slow1.xy", "slow2.xy", "good1.xy", "good2.xy"):
        run.put(name, run.text(0))
    run.watch(lambda: len(run.heard.skipped) == 2 and len(run.heard.files) == 2)
    assert sorted(run.heard.files) == ["good1.xy", "good2.xy"]
    assert sorted(run.heard.skipped) == ["slow1.xy", "slow2.xy"]
    assert set(run.heard.skipped.values()) == {
        "reading it took more than 1 s; it is damaged, or too large for this computer"
    }


def test_a_removed_store_is_named(run):
    def until():
        if run.heard.files == ["a.xy"]:
            shutil.rmtree(run.out)
            run.heard.files.append("removed")
            run.put("b.xy", run.text(1))

    run.put("a.xy", run.text(0))
    with pytest.raises(FileNotFoundError, match=r"the store '.*live\.zarr' was removed or moved"):
        run.watch(until)
    run.watch(lambda: len(run.heard.files) == 2)
    assert sorted(run.content()["file"].values.tolist()) == ["a.xy", "b.xy"]


def test_files_that_an_earlier_watch_skipped_are_tried_again_after_others(run):
    run.put("bad.xy", "words")
    run.put("a.xy", run.text(0))
    run.watch(lambda: run.heard.skipped and run.heard.files)
    os.utime(run.folder / "bad.xy", (1, 1))
    before = run.content().attrs["xrdae_skipped"]
    run.put("b.xy", run.text(1))
    run.watch(lambda: run.heard.skipped and run.heard.files)
    assert run.heard.files == ["b.xy"]
    assert run.content().attrs["xrdae_skipped"] == before


def test_a_renamed_file_is_another_file(run):
    run.put("a.xy", run.text(0))
    run.watch(lambda: run.heard.files)
    (run.folder / "a.xy").rename(run.folder / "b.xy")
    run.watch(lambda: run.heard.files)
    assert run.content()["file"].values.tolist() == ["a.xy", "b.xy"]


class Earlier:
    """Relevance as of an earlier version: masks; excess and significance for each pattern."""

    @xrdae.hookimpl
    def xrdae_relevance(self, dataset, model):
        regions = [[24.0, 27.0], [44.0, 47.0], [60.0, 70.0]]
        result = model.relevance(dataset, regions=regions, fill="background")
        names = ["region_change", "region_std", "relevance_verdict"]
        result = result.drop_vars(names, errors="ignore")
        excess = result["relevance"] - 0.5
        return result.assign(relevance_excess=excess, relevance_significance=2 * excess)


@pytest.mark.parametrize("has_provenance", [True, False])
@pytest.mark.parametrize("keeps_patterns", [True, False])
def test_a_store_of_an_earlier_version_is_continued_with_its_regions_and_fill(
    run, has_provenance, keeps_patterns
):
    if not keeps_patterns:
        run.model = xrdae.Model(dataclasses.replace(run.model.fitted, reference=None))
    manager, earlier = xrdae.plugins.manager(), Earlier()
    for i in range(2):
        run.put(f"p{i}.xy", run.text(i))
    manager.register(earlier)
    try:
        run.watch(lambda: len(run.heard.files) == 2)
    finally:
        manager.unregister(earlier)
    if not has_provenance:
        path = run.out / ".zmetadata"
        content = json.loads(path.read_text())
        del content["metadata"][".zattrs"]["xrdae_provenance"]
        path.write_text(json.dumps(content))
        (run.out / ".zattrs").write_text(json.dumps(content["metadata"][".zattrs"]))
    before = run.content().sortby("file")
    for i in range(2, 4):
        run.put(f"p{i}.xy", run.text(i))
    run.watch(lambda: len(run.heard.files) == 2 or run.heard.skipped)
    assert sorted(run.heard.files) == ["p2.xy", "p3.xy"]
    found = run.content().sortby("file")
    xr.testing.assert_identical(found.isel(pattern=slice(2)).drop_attrs(), before.drop_attrs())
    bounds = np.stack([before["region_start"], before["region_stop"]], axis=1)
    whole = run.series.isel(pattern=slice(4))
    expected = run.model.relevance(whole, regions=bounds, fill="background")
    for name in ("relevance", "latent_shift", "relevance_profile"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4)
    for name in ("relevance_excess", "relevance_significance"):
        assert found[name].dims == ("pattern", "region")
        assert np.isnan(found[name][2:]).all()
    assert "relevance_verdict" not in found


def test_a_store_needs_the_patterns_that_its_model_kept(run):
    run.put("p0.xy", run.text(0))
    run.watch(lambda: run.heard.files)
    run.model = xrdae.Model(dataclasses.replace(run.model.fitted, reference=None))
    with pytest.raises(xrdae.DataError, match="keeps no training patterns"):
        run.watch(lambda: run.heard.files)
    assert run.content().sizes["pattern"] == 1
