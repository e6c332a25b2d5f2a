"""Live results are kept once each, whatever happens to their writer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from live_kills import FIRST, make_rows
from xrdae.errors import DataError, FormatError
from xrdae.live.results import Results
from xrdae.loading.sources import open_data, write_zarr


def content(path):
    with xr.open_zarr(path, chunks=None) as found:
        return found.load()


def test_a_killed_writer_leaves_complete_rows_and_the_next_writer_continues(tmp_path):
    program = Path(__file__).parents[1] / "robustness" / "live_kills.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, tmp_path, "11"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = json.loads(done.stdout)
    assert all(n > 20 for n in steps.values()), steps


def test_rows_of_files_are_appended_and_those_of_changed_files_replaced(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        results.write(FIRST)
        results.write(make_rows("3"))
        results.skip({"2": "broken"})
        results.write(make_rows("2", "4", changed=0.5), ["2", "4"])
        assert results.find_rows(make_rows("4", "1")) == [3, 0]
        assert (len(results), results.novel, results.count_scans("2")) == (4, 1, 1)
        np.testing.assert_array_equal(results.read_intensity(1), 2.5 + np.arange(5))
    found = content(tmp_path / "live.zarr")
    assert found["file"].values.tolist() == ["1", "2", "3", "4"]
    np.testing.assert_array_equal(found["novelty"], [1, 2.5, 3, 4.5])
    np.testing.assert_array_equal(found["q"], np.arange(5))
    assert json.loads(found.attrs["xrdae_skipped"]) == {}


def test_labels_that_only_some_files_have_are_missing_elsewhere(tmp_path):
    time = np.array(["2026-11-24T10:00:00.25", "NaT"], dtype="M8[ns]")
    with Results(tmp_path / "live.zarr", {}) as results:
        results.write(FIRST.assign_coords(temperature=("pattern", [300.0, 310.0])))
        results.write(make_rows("3", "4", time=time, sample=["alpha", "beta ü"]))
        results.write(make_rows("5", temperature=["hot"], sample=["c"]))  # a text for a number
    found = content(tmp_path / "live.zarr")
    np.testing.assert_array_equal(found["temperature"], [300, 310, np.nan, np.nan, np.nan])
    assert found["sample"].values.tolist() == ["", "", "alpha", "beta ü", "c"]
    assert abs(found["time"].values[2] - time[0]) < np.timedelta64(1, "us")
    assert np.isnat(found["time"].values[[0, 1, 3, 4]]).all()


def test_a_reader_of_an_open_store_sees_what_was_appended(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        for n in range(1, 8):
            results.write(make_rows(str(n)))
            found = content(tmp_path / "live.zarr")
            assert found["file"].values.tolist() == [str(i + 1) for i in range(n)]
    apart = xr.open_zarr(tmp_path / "live.zarr", consolidated=False, chunks=None)
    assert apart.sizes["pattern"] == 7


def test_chunks_agree_along_pattern(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        results.write(FIRST)
        results.write(make_rows("3", temperature=[300.0]))
    assert xr.open_zarr(tmp_path / "live.zarr").chunks["pattern"] == (3,)


def test_one_writer_at_a_time_and_one_model(tmp_path):
    path = tmp_path / "live.zarr"
    with Results(path, {"xrdae_model": "a"}) as results:
        results.write(FIRST)
        with pytest.raises(DataError, match="another process writes"):
            Results(path, {"xrdae_model": "a"})
    with pytest.raises(DataError, match="another model"):
        Results(path, {"xrdae_model": "b"})
    with Results(path, {"xrdae_model": "a"}) as results:
        assert len(results) == 2


def test_other_stores_are_refused_and_not_changed(tmp_path, series):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Results(tmp_path / "nowhere" / "live.zarr", {})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.txt").write_text("kept")
    write_zarr(series, tmp_path / "other.zarr")
    for name in ("folder", "other.zarr"):
        with pytest.raises(FormatError, match="not a store of live results"):
            Results(tmp_path / name, {})
    assert (tmp_path / "folder" / "file.txt").read_text() == "kept"
    assert content(tmp_path / "other.zarr").sizes["pattern"] == 24


@pytest.fixture
def store(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        results.write(FIRST)
    return tmp_path / "live.zarr"


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}


def harm(metadata, how):
    arrays = metadata["metadata"]
    if how == "codec":
        arrays["novelty/.zarray"]["compressor"] = {"id": "pickle"}
    elif how == "name":
        arrays["noveltz/.zarray"] = arrays.pop("novelty/.zarray")
    elif how == "place":
        arrays["../elsewhere/.zattrs"] = {}
    elif how == "rows":
        for name, array in arrays.items():
            if name.endswith("/.zarray"):
                array["shape"][0] = 10**12
    elif how == "chunks":
        arrays["novelty/.zarray"]["chunks"] = [10**12]
    elif how == "type":
        arrays["novelty/.zarray"]["dtype"] = "|V8"
    elif how == "column":
        del arrays["file/.zarray"]
    else:
        metadata["metadata"] = how


@pytest.mark.parametrize(
    "how", ["codec", "name", "place", "rows", "chunks", "type", "column", 3, {}, [], {"a": 1}]
)
def test_an_unreadable_store_is_refused_and_not_changed(store, how):
    metadata = json.loads((store / ".zmetadata").read_text())
    harm(metadata, how)
    (store / ".zmetadata").write_text(json.dumps(metadata))
    before = everything(store.parent)
    with pytest.raises(FormatError, match=r"live\.zarr"):
        Results(store, {})
    assert everything(store.parent) == before


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_metadata_must_be_json(store, text):
    (store / ".zmetadata").write_text(text)
    before = everything(store)
    with pytest.raises(FormatError, match=r"live\.zarr"):
        Results(store, {})
    assert everything(store) == before


def test_a_damaged_chunk_is_reported_before_anything_is_written(store):
    chunk = next(p for p in (store / "latent").iterdir() if p.name[0] != ".")
    chunk.write_bytes(chunk.read_bytes()[:10])
    before = everything(store)
    with pytest.raises(FormatError, match=r"latent.*damaged"):
        Results(store, {})
    assert everything(store) == before


def test_damaged_metadata_of_an_array_are_written_again(store):
    (store / "novelty" / ".zarray").write_text("{")
    with Results(store, {}) as results:
        results.write(make_rows("3"))
    np.testing.assert_array_equal(content(store)["novelty"], [1, 2, 3])


def test_one_writer_at_a_time_by_any_name_of_the_store(tmp_path):
    path = tmp_path / "deep" / "live.zarr"
    path.parent.mkdir()
    (tmp_path / "link.zarr").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    names = [path, tmp_path / "link.zarr", tmp_path / "folder" / "live.zarr"]
    for i, name in enumerate(names):
        with Results(name, {}) as results:
            results.write(make_rows(str(i + 1)))
            for other in names:
                with pytest.raises(DataError, match="another process writes"):
                    Results(other, {})
    assert content(path)["file"].values.tolist() == ["1", "2", "3"]
    assert (tmp_path / "link.zarr").is_symlink()


def test_unreadable_files_are_kept_until_they_are_mended(tmp_path):
    path, log = tmp_path / "live.zarr", tmp_path / ".live.zarr.skipped"
    expected = {"b": "broken", "ü\n": "odd"}
    with Results(path, {}) as results:
        results.skip({"a": "early", "2": "early"})
        results.write(FIRST, ["1", "2"])
        results.skip(expected)
        results.skip({"a": "late"})
        results.write(make_rows("3"), ["a", "3"])
        assert results.skipped == expected
        assert "xrdae_skipped" not in content(path).attrs
        assert json.loads(open_data([str(path)]).attrs["xrdae_skipped"]) == expected
    assert not log.exists()
    assert json.loads(content(path).attrs["xrdae_skipped"]) == expected
    with Results(path, {}) as results:
        assert results.skipped == expected
        assert log.exists()
        results.write(make_rows("4"), ["b", "ü\n"])
    assert json.loads(content(path).attrs["xrdae_skipped"]) == {}


@pytest.mark.parametrize("tail", [b"", b'["half', b"\xff\n", b'["a"]\n', b"[1, 2]\n", b"[" * 10**5])
def test_a_log_that_is_cut_off_or_damaged_counts_up_to_there(tmp_path, tail):
    path = tmp_path / "live.zarr"
    log = tmp_path / ".live.zarr.skipped"
    with Results(path, {}) as results:
        results.write(FIRST)
        results.skip({"a": "broken"})
        kept = log.read_bytes()
    log.write_bytes(kept + tail)
    with Results(path, {}) as results:
        assert results.skipped == {"a": "broken"}
        results.skip({"b": "broken"})
        assert len(log.read_bytes().splitlines()) == 2
    assert json.loads(content(path).attrs["xrdae_skipped"]) == {"a": "broken", "b": "broken"}


def test_the_log_of_a_removed_store_does_not_count(tmp_path):
    (tmp_path / ".live.zarr.skipped").write_text('["a", "broken"]\n')
    with Results(tmp_path / "live.zarr", {}) as results:
        assert results.skipped == {}
        results.write(FIRST)
    assert json.loads(content(tmp_path / "live.zarr").attrs["xrdae_skipped"]) == {}


def test_what_an_append_writes_does_not_grow_with_the_unreadable_files(tmp_path):
    def measure(n):
        path = tmp_path / f"{n}.zarr"
        with Results(path, {}) as results:
            results.write(FIRST)
            results.skip({f"bad{i}": "broken" * 10 for i in range(n)})
            size = (tmp_path / f".{n}.zarr.skipped").stat().st_size
            results.write(make_rows("3"))
            results.skip({"one": "broken"})
            appended = (tmp_path / f".{n}.zarr.skipped").stat().st_size - size
            return (path / ".zmetadata").stat().st_size, (path / ".zattrs").stat().st_size, appended

    assert measure(0) == measure(1000)


@pytest.mark.parametrize("step", ["write", "skip", "close"])
def test_a_store_that_was_removed_is_named(tmp_path, step):
    path = tmp_path / "live.zarr"
    results = Results(path, {})
    results.write(FIRST)
    shutil.rmtree(path)
    with pytest.raises(FileNotFoundError, match=r"the store '.*live\.zarr' was removed or moved"):
        {
            "write": lambda: results.write(make_rows("3")),
            "skip": lambda: results.skip({"a": "broken"}),
            "close": results.close,
        }[step]()
    if step != "close":
        with pytest.raises(FileNotFoundError, match="was removed or moved"):
            results.close()
    with Results(path, {}) as again:
        again.write(FIRST)
    assert content(path).sizes["pattern"] == 2
