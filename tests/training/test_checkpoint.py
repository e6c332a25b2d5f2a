"""A fit with a checkpoint goes on after any interruption, and ends in the undisturbed model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from xrdae.provenance import fingerprint
from xrdae.storage import checksum
from xrdae.training import checkpoint, training_loop

FEW = {"steps": 60, "members": 3, "hidden": (16,), "progress": False}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt.nc"


@pytest.fixture
def stopped_at(monkeypatch):
    """Let training fail in a step, as if the process ended there."""
    loss = training_loop.compute_loss

    def stop(step, error=KeyboardInterrupt):
        def failing(ensemble, task, config, now, generator):
            if now == step:
                raise error
            return loss(ensemble, task, config, now, generator)

        monkeypatch.setattr(training_loop, "compute_loss", failing)

    yield stop
    monkeypatch.undo()


class Ended(Exception):  # noqa: N818
    """The process has ended."""


def same(one, other):
    """The models are the same bit for bit, and so is how they came about."""
    xr.testing.assert_identical(one.history, other.history)
    xr.testing.assert_identical(one.labels, other.labels)
    return fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize("step", [0, 7, 30, 59])
def test_going_on_gives_the_undisturbed_model(series, path, stopped_at, monkeypatch, step):
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    undisturbed = series.xrdae.fit(**FEW)
    stopped_at(step, Ended)
    with pytest.raises(Ended):
        series.xrdae.fit(checkpoint=path, **FEW)
    monkeypatch.undo()
    steps = []
    errors = training_loop.compute_errors
    monkeypatch.setattr(
        training_loop, "compute_errors", lambda *args: steps.append(0) or errors(*args)
    )
    assert same(series.xrdae.fit(checkpoint=path, **FEW), undisturbed)
    assert len(steps) == 7 - step // 10  # those before were not taken again


def test_ctrl_c_writes_how_far_training_was(series, path, stopped_at, monkeypatch):
    undisturbed = series.xrdae.fit(**FEW)
    stopped_at(25)
    with pytest.warns(UserWarning, match=rf"interrupted at step 25.*{path.name} goes on"):
        model = series.xrdae.fit(checkpoint=path, **FEW)
    assert model.history.attrs["stopped"] == "interrupted"
    monkeypatch.undo()
    assert same(series.xrdae.fit(checkpoint=path, **FEW), undisturbed)


def test_a_fit_that_has_ended_is_not_done_again(series, path, stopped_at):
    undisturbed = series.xrdae.fit(checkpoint=path, **FEW)
    before = path.read_bytes()
    stopped_at(0, Ended)
    assert same(series.xrdae.fit(checkpoint=path, **FEW), undisturbed)
    assert path.read_bytes() == before


def test_updates_and_augmented_fits_with_batches_go_on_too(
    series, model, path, stopped_at, simulated_series, monkeypatch
):
    monkeypatch.setattr(training_loop, "BATCH", 16)
    more = simulated_series(seed=3)
    for dataset, settings in (
        (more, {"update": model, "steps": 40, "progress": False}),
        (series, FEW | {"strain": 0.002}),
    ):
        undisturbed = dataset.xrdae.fit(**settings)
        with monkeypatch.context() as patched:
            loss = training_loop.compute_loss
            patched.setattr(
                training_loop,
                "compute_loss",
                lambda *a, loss=loss: 1 / 0 if a[3] == 25 else loss(*a),
            )
            with pytest.raises(ZeroDivisionError):
                dataset.xrdae.fit(checkpoint=path, **settings)
        assert same(dataset.xrdae.fit(checkpoint=path, **settings), undisturbed)
        path.unlink()


def test_the_checkpoint_of_other_data_or_settings_is_refused_and_stays(
    series, model, path, simulated_series
):
    series.xrdae.fit(checkpoint=path, **FEW)
    before = path.read_bytes()
    for dataset, settings, what in (
        (series, FEW | {"seed": 1}, r"setting 'seed' is 0, not 1"),
        (simulated_series(seed=1), FEW, "trained_on is"),
        (series.isel(pattern=slice(20)), FEW, "trained_on is"),
        (series.assign_coords(two_theta=series["two_theta"] + 1), FEW, "axis is"),
        (series, {"update": model, "steps": 60}, "is the checkpoint of another fit"),
    ):
        with pytest.raises(xrdae.DataError, match=what):
            dataset.xrdae.fit(checkpoint=path, **settings)
        assert path.read_bytes() == before


def test_device_and_labels_and_number_types_make_no_other_fit(series, path):
    series.xrdae.fit(checkpoint=path, **FEW)
    other = series.astype("f4").assign_coords(ti=("pattern", np.arange(24.0)))
    model = other.xrdae.fit(checkpoint=path, device="cpu", **FEW)
    assert "ti" in model.label_names()


def some(attrs, left_out):
    return {name: value for name, value in attrs.items() if name != left_out}


def damaged(path):
    """From a name to a file that is no whole checkpoint."""
    content = path.read_bytes()
    flipped = bytearray(content)
    with netCDF4.Dataset(path) as file:
        at = content.find(file["parameters"][:].tobytes())
    flipped[at + 100] ^= 1
    files = {
        "empty": b"",
        "text": b"not a checkpoint",
        "cut": content[: len(content) // 2],
        "a bit flipped": bytes(flipped),
    }
    for name, damage in files.items():
        path.write_bytes(damage)
        yield name
    for name, change in {
        "another size": lambda ds: ds.isel(parameters_0=slice(5)),
        "another type": lambda ds: ds.assign(best=ds["best"].astype("f8")),
        "no moments": lambda ds: ds.drop_vars("first_moment"),
        "no seal": lambda ds: ds,
        "identity is no JSON": lambda ds: ds.assign_attrs(identity="{"),
        "identity is a number": lambda ds: ds.assign_attrs(identity=3),
        "a future format": lambda ds: ds.assign_attrs(format_version=99),
        "no format": lambda ds: ds.drop_attrs().assign_attrs(some(ds.attrs, "format")),
    }.items():
        path.write_bytes(content)
        with xr.open_dataset(path, decode_cf=False) as opened:
            changed = change(opened.load())
        path.unlink()
        changed.to_netcdf(path)
        if name != "no seal":
            checksum.close(path)
        yield name


def test_a_damaged_checkpoint_is_refused_and_stays(series, model, path):
    series.xrdae.fit(checkpoint=path, **FEW)
    names = []
    for name in damaged(path):
        before = path.read_bytes()
        with pytest.raises(xrdae.FormatError, match=re.escape(str(path))):
            series.xrdae.fit(checkpoint=path, **FEW)
        assert path.read_bytes() == before, name
        names.append(name)
    assert len(names) == 12
    model.save(path)
    with pytest.raises(xrdae.FormatError, match="not a checkpoint"):
        series.xrdae.fit(checkpoint=path, **FEW)


@pytest.mark.parametrize("kind", ["link", "raw storage", "virtual dataset"])
def test_a_checkpoint_with_numbers_of_other_files_is_refused(series, path, tmp_path, kind):
    h5py = pytest.importorskip("h5py")
    series.xrdae.fit(checkpoint=path, **FEW)
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[: -checksum.SIZE])
    with h5py.File(path, "r+", libver="v108") as file:
        shape, dtype = file["history"].shape, file["history"].dtype
        del file["history"]
        if kind == "link":
            file["history"] = h5py.ExternalLink(str(other), "history")
        elif kind == "raw storage":
            size = np.prod(shape) * dtype.itemsize
            file.create_dataset("history", shape, dtype, external=[(str(other), 0, int(size))])
        else:
            layout = h5py.VirtualLayout(shape, dtype)
            layout[:] = h5py.VirtualSource(str(other), "history", shape=shape)
            file.create_virtual_dataset("history", layout)
    checksum.close(path)
    with pytest.raises(xrdae.FormatError, match="copy them into one file"):
        series.xrdae.fit(checkpoint=path, **FEW)


def test_a_missing_folder_is_reported_before_training(series, tmp_path, stopped_at):
    stopped_at(0, Ended)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        series.xrdae.fit(checkpoint=tmp_path / "no" / "run.nc", **FEW)


def test_a_checkpoint_that_can_no_longer_be_written_does_not_end_the_fit(series, path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    write, times = checkpoint.Checkpoint._write_file, []

    def full(self, arrays):
        times.append(0)
        if 2 < len(times) < 5:
            raise OSError(28, "no room")
        write(self, arrays)

    monkeypatch.setattr(checkpoint.Checkpoint, "_write_file", full)
    with pytest.warns(UserWarning, match="training goes on, but.*no room") as warned:
        model = series.xrdae.fit(checkpoint=path, **FEW)
    assert len(warned) == 1
    assert same(series.xrdae.fit(checkpoint=path, **FEW), model)


def test_a_basis_that_comes_out_otherwise_is_refused(series, path, monkeypatch):
    series.xrdae.fit(checkpoint=path, **FEW)
    as_tensor = training_loop.as_tensor
    monkeypatch.setattr(training_loop, "as_tensor", lambda array: -as_tensor(array))
    with pytest.raises(xrdae.DataError, match="the basis differs from that of the checkpoint"):
        series.xrdae.fit(checkpoint=path, **FEW)


def test_where_the_memory_of_a_device_runs_out_the_processor_goes_on(series, monkeypatch):
    """The device is the processor by another name; the error is the real one's type."""
    undisturbed = series.xrdae.fit(**FEW)
    loss, calls = training_loop.compute_loss, []

    def failing(*args):
        calls.append(0)
        if len(calls) == 25:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return loss(*args)

    monkeypatch.setattr(training_loop, "compute_loss", failing)
    with pytest.warns(UserWarning, match=r"memory of cpu:0 has run out .*the processor trains"):
        model = series.xrdae.fit(device="cpu:0", **FEW)
    assert same(model, undisturbed)
    assert len(calls) == 25 + 40


def test_memory_that_runs_out_on_the_processor_is_reported(series, monkeypatch):
    def failing(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't ...")

    monkeypatch.setattr(training_loop, "compute_loss", failing)
    with pytest.raises(MemoryError, match=r"memory has run out in training .*free some"):
        series.xrdae.fit(device="cpu", **FEW)


FIT = """
import sys, xarray as xr
from xrdae.training import checkpoint
checkpoint.EVERY = 0
ds = xr.open_dataset(sys.argv[1]).load()
model = ds.xrdae.fit(steps=400, members=3, progress=False, checkpoint=sys.argv[2])
model.save(sys.argv[3])
"""


def test_kills_in_a_fit_cost_no_step_that_was_written(series, path, tmp_path):
    """Real ones, of a real process, until one has time to end."""
    series.to_netcdf(tmp_path / "series.nc")
    undisturbed = series.xrdae.fit(steps=400, members=3, progress=False)
    command = [sys.executable, "-c", FIT, tmp_path / "series.nc", path, tmp_path / "model.nc"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    steps = []
    for after in (0.0, 0.1, None):
        process = subprocess.Popen(list(map(str, command)), env=environment)
        if after is None:
            assert process.wait() == 0
            break
        before = path.stat().st_mtime_ns if path.exists() else None
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with xr.open_dataset(path) as kept:
            steps.append(int(kept["step"]))
    assert steps == sorted(steps)
    assert same(xrdae.load_model(tmp_path / "model.nc"), undisturbed)
    assert [p.name for p in tmp_path.glob(".*.part")] == []


def test_the_command_goes_on_and_removes_the_checkpoint(series, path, tmp_path, stopped_at):
    from click.testing import CliRunner

    from xrdae.cli import main

    series.to_netcdf(tmp_path / "series.nc")
    words = ["fit", tmp_path / "series.nc", "-o", tmp_path / "m.nc", "--members", 2]
    words = [*map(str, words), "--checkpoint", str(path), "--json"]
    stopped_at(25)
    with pytest.warns(UserWarning, match="interrupted at step 25"):
        ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 130
    assert f"interrupted; {path} goes on from here" in ended.stderr
    assert not (tmp_path / "m.nc").exists()
    stopped_at(-1)
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["stopped"] in ("converged", "steps")
    assert Path(tmp_path / "m.nc").exists()
    assert not path.exists()
