"""Program: full disks and read-only folders, under every command, a checkpoint and a watch."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from commands import FIT, build_command, make_folder
from disks import SIZE, Disk, make_read_only, mount
from faults import record_warnings
from harness import Row, choose_moments, main, run_in_fork, try_in_child
from xrdae import cli
from xrdae.provenance import fingerprint
from xrdae.training import checkpoint

FULL = "full disk"
READ_ONLY = "read-only folder"
AGAIN = "there is room again"
WRITERS = (
    "fit", "encode", "encode, zarr", "encode, lazily", "encode, lazily, zarr", "relevance",
    "report",
)  # fmt: skip


# ---------------------------------------------------------------- full disk


def try_full_disk(case: dict[str, Any]) -> str:
    """Write to a disk with room for a fraction of the output."""
    checks = {"checkpoint": _check_checkpoint, "watch": _check_watch}
    run_in_fork(checks.get(case["what"], _check_command), make_folder(), case)
    return "refused"


def _run(path: Path, words: list[str]) -> Any:
    os.chdir(path)
    return CliRunner().invoke(cli.main, words)


def _check_command(path: Path, case: dict[str, Any]) -> None:
    disk, words = Disk(path / "disk"), build_command(case["what"], "disk/")
    ended = _run(path, words)
    assert ended.exit_code == 0, ended.output
    before = disk.read_files()
    needed = max(map(len, before.values())) if case["at"] < 1 else 0
    disk.fill(int(case["at"] * needed))
    ended = _run(path, words)
    assert ended.exit_code == 1, (ended.exit_code, ended.output, needed)
    assert isinstance(ended.exception, SystemExit), repr(ended.exception)
    assert "make room, or name another place" in ended.stderr, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert disk.read_files() == before
    disk.free()
    assert _run(path, words).exit_code == 0
    assert disk.read_files().keys() == before.keys(), sorted(disk.read_files())


def _check_checkpoint(path: Path, case: dict[str, Any]) -> None:
    """Check that a fit needs room for its first state, and goes on without room for later ones."""
    checkpoint.EVERY = 0
    series = xr.load_dataset(path / "data.nc")
    disk, saved = Disk(path / "disk"), path / "disk" / "run.ckpt.nc"
    disk.fill(int(case["at"] * 20_000))
    with pytest.raises(OSError, match="make room"):
        series.xrdae.fit(checkpoint=saved, **FIT)
    assert disk.read_files() == {}
    disk.free()
    write, calls = checkpoint.Checkpoint._write_file, []

    def fill_then_write(self: Any, arrays: Any) -> None:
        calls.append(0)
        if len(calls) == 3:
            disk.fill(int(case["at"] * 20_000))
        write(self, arrays)

    checkpoint.Checkpoint._write_file = fill_then_write  # type: ignore[method-assign]
    with record_warnings() as messages:
        model = series.xrdae.fit(checkpoint=saved, **FIT)
    assert len(messages) == 1, messages
    assert "training goes on, but" in messages[0], messages
    disk.free()
    again = series.xrdae.fit(checkpoint=saved, **FIT)
    assert fingerprint(again) == fingerprint(model)
    assert list(disk.read_files()) == [saved.name]


class RecordingListener:
    """Listener of a watch that records files and warnings."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.messages: list[str] = []

    def on_results(self, rows: xr.Dataset) -> None:
        """Record the files of new patterns."""
        self.files += rows["file"].values.tolist()

    def on_skip(self, file: str, reason: str) -> None:
        """Fail: no file may be skipped."""
        raise AssertionError(f"{file}: {reason}")

    def on_warning(self, message: str) -> None:
        """Record a warning."""
        self.messages.append(message)


def _check_watch(path: Path, case: dict[str, Any]) -> None:
    """Check that files that arrive while the disk is full are written once there is room."""
    from xrdae.live import watch
    from xrdae.live.results import Results

    watch.AGAIN = 0.05
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    disk = Disk(path / "disk")
    run = Path(tempfile.mkdtemp(dir=path))
    heard, stop, steps = RecordingListener(), threading.Event(), []

    def write_files(first: int, last: int) -> None:
        for i in range(first, last):
            table = np.column_stack([series["two_theta"], series["intensity"][i]])
            np.savetxt(run / f"p{i:02d}.xy", table)

    def control_disk() -> None:
        if len(heard.files) == case["before"] and not steps:
            disk.fill(int(case["at"] * 40_000))
            write_files(case["before"], 12)
            steps.append("full")
        elif heard.messages and len(steps) == 1:
            disk.free()
            steps.append("free")
        if len(heard.files) == 12 and (not heard.messages or heard.messages[-1] == AGAIN):
            stop.set()
        assert time.monotonic() < end, (heard.files, heard.messages, steps)

    end = time.monotonic() + 60
    write_files(0, case["before"])
    with Results(disk.path / "live.zarr", {}) as store:
        watch.Watch(run, model, store, listeners=[heard]).run(stop, after=control_disk)
    assert not heard.messages or "make room" in heard.messages[0], heard.messages
    names = [f"p{i:02d}.xy" for i in range(12)]
    assert sorted(heard.files) == names
    with xr.open_zarr(disk.path / "live.zarr", chunks=None) as opened:
        results = opened.load().sortby("file")
    assert results["file"].values.tolist() == names
    expected = series.isel(pattern=slice(12)).xrdae.encode(model)["latent"]
    np.testing.assert_allclose(results["latent"], expected, atol=1e-4)
    assert [name for name in disk.read_files() if name.endswith((".part", ".partial"))] == []


# ---------------------------------------------------------------- read-only folder


def try_read_only(case: dict[str, Any]) -> str:
    """Write to a read-only folder."""
    run_in_fork(_check_read_only, make_folder(), build_command(case["what"], "disk/"))
    return "refused"


def _check_read_only(path: Path, words: list[str]) -> None:
    mount(path / "disk", SIZE)
    assert _run(path, words).exit_code == 0
    before = {p: p.read_bytes() for p in (path / "disk").rglob("*") if p.is_file()}
    make_read_only(path / "disk")
    ended = _run(path, words)
    assert ended.exit_code == 1, (ended.exit_code, ended.output)
    assert isinstance(ended.exception, SystemExit), repr(ended.exception)
    assert "cannot be written to" in ended.stderr, ended.stderr
    assert {p: p.read_bytes() for p in (path / "disk").rglob("*") if p.is_file()} == before


# ---------------------------------------------------------------- rows


def try_rows(scale: float) -> Iterator[Row]:
    """Yield the rows."""
    rng = random.Random(0)

    def choose(whole: int) -> list[float]:
        return choose_moments(rng, max(1, round(scale * whole)))

    cases = [{"what": what, "at": 0.9 * at} for what in WRITERS for at in choose(5)]
    cases += [{"what": "checkpoint", "at": at} for at in choose(8)]
    cases += [
        {"what": "watch", "at": at, "before": before} for before in (0, 4) for at in choose(10)
    ]
    few = (
        cases
        if scale >= 0.1
        else [c for c in cases if c["what"] in ("encode", "checkpoint", "watch")]
    )
    yield try_in_child(Row(FULL, "fault"), few, patience=300)
    n = max(2, min(len(WRITERS), round(scale * 2 * len(WRITERS))))
    cases = [{"what": what} for what in rng.sample(WRITERS, n)]
    yield try_in_child(Row(READ_ONLY, "fault"), cases, patience=300)


if __name__ == "__main__":
    main(try_rows, {FULL: try_full_disk, READ_ONLY: try_read_only})
