"""Live results are kept once each, whatever happens to their writer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from live_kills import FIRST, make_rows
from xrdae.errors import DataError, FormatError
from xrdae.live.results import Results
from xrdae.loading.sources import write_zarr


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
        results.write(FIRST, {})
        results.write(make_rows("3"), {"bad": "broken"})
        results.write(make_rows("2", "4", changed=0.5), {})
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
        results.write(FIRST.assign_coords(temperature=("pattern", [300.0, 310.0])), {})
        results.write(make_rows("3", "4", time=time, sample=["alpha", "beta ü"]), {})
        results.write(make_rows("5", temperature=["hot"], sample=["c"]), {})  # a text for a number
    found = content(tmp_path / "live.zarr")
    np.testing.assert_array_equal(found["temperature"], [300, 310, np.nan, np.nan, np.nan])
    assert found["sample"].values.tolist() == ["", "", "alpha", "beta ü", "c"]
    assert abs(found["time"].values[2] - time[0]) < np.timedelta64(1, "us")
    assert np.isnat(found["time"].values[[0, 1, 3, 4]]).all()


def test_a_reader_of_an_open_store_sees_what_was_appended(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        for n in range(1, 8):
            results.write(make_rows(str(n)), {})
            found = content(tmp_path / "live.zarr")
            assert found["file"].values.tolist() == [str(i + 1) for i in range(n)]
    apart = xr.open_zarr(tmp_path / "live.zarr", consolidated=False, chunks=None)
    assert apart.sizes["pattern"] == 7


def test_chunks_agree_along_pattern(tmp_path):
    with Results(tmp_path / "live.zarr", {}) as results:
        results.write(FIRST, {})
        results.write(make_rows("3", temperature=[300.0]), {})
    assert xr.open_zarr(tmp_path / "live.zarr").chunks["pattern"] == (3,)


def test_one_writer_at_a_time_and_one_model(tmp_path):
    path = tmp_path / "live.zarr"
    with Results(path, {"xrdae_model": "a"}) as results:
        results.write(FIRST, {})
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
        results.write(FIRST, {})
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
        results.write(make_rows("3"), {})
    np.testing.assert_array_equal(content(store)["novelty"], [1, 2, 3])
