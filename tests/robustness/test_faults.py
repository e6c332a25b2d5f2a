"""What goes wrong around the package is said, and costs nothing that was there before."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae import cli, plugins
from xrdae.analysis.encode import Encoder
from xrdae.compute.device import ran_out
from xrdae.compute.threads import in_pieces
from xrdae.live.result_column import Column
from xrdae.live.results import Results
from xrdae.storage import atomic_writing
from xrdae.storage.atomic_writing import replacing

sys.path.insert(0, str(Path(__file__).parent))
from live_kills import FIRST, rows


@dataclasses.dataclass
class Usage:
    """Of a disk."""

    free: int


class FullError(OSError):
    """There is no room."""

    def __init__(self):
        super().__init__(errno.ENOSPC, "No space left on device")


# ---------------------------------------------------------------- files that are replaced


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out.nc"


def write_and_raise(target, error):
    with replacing(target) as aside:
        aside.write_text("half")
        raise error


def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_no_room_is_said_with_what_to_do_and_the_file_before_stays(target):
    target.write_text("before")
    expected = r"out\.nc' could not be written: there is no room .*make room"
    with pytest.raises(OSError, match=expected) as caught:
        write_and_raise(target, FullError())
    assert caught.value.errno == errno.ENOSPC
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]
    assert target.read_text() == "before"


@pytest.mark.parametrize("free", [1000, 10**9])
@pytest.mark.parametrize("error", [RuntimeError("NetCDF: HDF error"), PermissionError(13, "no")])
def test_what_the_netcdf_library_says_is_a_full_disk_where_there_is_no_room(
    target, monkeypatch, free, error
):
    monkeypatch.setattr(
        atomic_writing.shutil, "disk_usage", lambda _: os.terminal_size((0, 0)) and Usage(free)
    )
    full = free < atomic_writing.LITTLE
    expected = "there is no room" if full else "the netCDF library failed|Errno 13"
    with pytest.raises(OSError, match=expected):
        write_and_raise(target, error)


def test_other_errors_are_left_as_they_are(target):
    for error in (RuntimeError("a plugin's"), ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            write_and_raise(target, error)
        assert caught.value is error


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(target):
    dead = target.with_name(f".out.nc.{atomic_writing._HERE}.{gone()}.0.part")
    folder = target.with_name(f".out.nc.{atomic_writing._HERE}.{gone()}.1.part")
    alive = target.with_name(f".out.nc.{atomic_writing._HERE}.{os.getppid()}.0.part")
    elsewhere = target.with_name(f".out.nc.00000000.{gone()}.0.part")
    other = target.with_name(f".other.nc.{atomic_writing._HERE}.{gone()}.0.part")
    for path in (dead, alive, elsewhere, other):
        path.write_text("half")
    folder.mkdir()
    (folder / "chunk").write_text("half")
    with replacing(target) as aside:
        aside.write_text("whole")
    assert set(target.parent.iterdir()) == {target, alive, elsewhere, other}


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_takes_the_place_of_another(target, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr(atomic_writing, "_exchange", lambda *_: False)
    for content in ("one", "two"):
        with replacing(target) as aside:
            aside.mkdir()
            (aside / content).write_text(content)
    assert [p.name for p in target.iterdir()] == ["two"]
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]


def test_a_folder_is_back_after_a_kill_between_two_renamings(target):
    before = target.with_name(".out.nc.before")
    before.mkdir()
    (before / "whole").write_text("whole")
    with pytest.raises(OSError, match="no room"):
        write_and_raise(target, FullError())
    assert [p.name for p in target.iterdir()] == ["whole"]


def test_threads_that_write_on_after_an_error_leave_nothing(target):
    failed = threading.Event()

    def straggler(aside):
        failed.wait()
        aside.mkdir()
        (aside / "chunk").write_text("late")

    def write():
        with replacing(target) as aside:
            aside.mkdir()
            threads.append(threading.Thread(target=straggler, args=[aside]))
            threads[0].start()
            raise ValueError("no such luck")

    threads = []
    with pytest.raises(ValueError, match="no such luck"):
        write()
    failed.set()
    threads[0].join()
    assert len(list(target.parent.iterdir())) == 1
    with replacing(target) as other:
        other.write_text("whole")
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]


def test_a_model_that_has_no_room_leaves_the_one_before(series, model, tmp_path, monkeypatch):
    """The library fails as on a full disk; the real one is in tests/robustness."""
    path = tmp_path / "model.nc"
    model.save(path)
    before = path.read_bytes()

    def failing(self, *args, **options):
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(netCDF4.Dataset, "sync", failing)
    monkeypatch.setattr(netCDF4.Dataset, "close", failing)
    with pytest.raises(OSError, match="the netCDF library failed"):
        model.save(path)
    assert path.read_bytes() == before


# ---------------------------------------------------------------- live results


def test_rows_that_found_no_room_do_not_count_and_may_be_written_again(tmp_path, monkeypatch):
    more = rows("3", "4", temperature=[300.0, 310.0])
    store, undisturbed = tmp_path / "live.zarr", tmp_path / "undisturbed.zarr"
    with Results(undisturbed, {}) as results:
        for part in (FIRST, more):
            results.write(part, {})
    with Results(store, {}) as results:
        results.write(FIRST, {})
        inner, times = Column.write, []

        def failing(self, at, values):
            times.append(0)
            if len(times) == 4:
                raise FullError
            inner(self, at, values)

        monkeypatch.setattr(Column, "write", failing)
        with pytest.raises(OSError, match="No space"):
            results.write(more, {})
        assert (len(results), results.read().sizes["pattern"]) == (2, 2)
        results.write(more, {})
    with xr.open_zarr(store, chunks=None) as a, xr.open_zarr(undisturbed, chunks=None) as b:
        xr.testing.assert_identical(a.load(), b.load())


# ---------------------------------------------------------------- memory


def test_a_kernel_that_finds_too_little_memory_gets_smaller_pieces():
    sizes = []

    def kernel(block):
        sizes.append(len(block))
        if len(block) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return block * 2, block.sum(axis=1)

    table = np.arange(20.0).reshape(10, 2)
    double, total = in_pieces(kernel, table)
    np.testing.assert_array_equal(double, table * 2)
    np.testing.assert_array_equal(total, table.sum(axis=1))
    assert max(sizes) == 10
    with pytest.raises(MemoryError, match="for a single pattern"):
        in_pieces(lambda block: kernel(np.zeros((9, 2))), table)


def test_other_errors_of_a_kernel_are_not_tried_again():
    calls = []

    def kernel(block):
        calls.append(0)
        raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        in_pieces(kernel, np.zeros((4, 2)))
    assert len(calls) == 1


def test_what_says_that_memory_has_run_out():
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**60)
    assert ran_out(real.value)
    with pytest.raises(MemoryError) as real:
        np.empty(2**55)
    assert ran_out(real.value)
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory"))
    assert not ran_out(RuntimeError("something else"))


@pytest.mark.parametrize("limit", [8, 13, 100])
def test_latents_are_the_same_whatever_the_memory(simulated_series, model, monkeypatch, limit):
    series = simulated_series(300)
    expected = series.xrdae.encode(model)
    complete = Encoder._centred

    def failing(self, block):
        if len(block) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return complete(self, block)

    monkeypatch.setattr(Encoder, "_centred", failing)
    found = series.xrdae.encode(model)
    for name in ("latent", "latent_std", "reconstruction_error", "novelty"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


# ---------------------------------------------------------------- plugins


class Raising:
    """A plugin."""

    @xrdae.hookimpl
    def xrdae_encode(self, dataset):
        raise ZeroDivisionError("no such luck")


@pytest.fixture
def raising():
    plugin = Raising()
    plugins.manager().register(plugin, name="unlucky")
    yield
    plugins.manager().unregister(plugin)


def test_an_error_of_a_plugin_names_it_and_its_hook(series, model, raising):
    with pytest.raises(ZeroDivisionError, match="no such luck") as caught:
        series.xrdae.encode(model)
    assert caught.value.__notes__ == ["raised by the plugin 'unlucky' in its xrdae_encode"]


def test_an_error_of_a_built_in_step_has_no_such_note(series, model):
    with pytest.raises(xrdae.DataError) as caught:
        series.drop_vars("two_theta").xrdae.encode(model)
    assert not hasattr(caught.value, "__notes__")


def test_the_command_line_says_in_one_line_which_plugin_failed(series, model, raising, tmp_path):
    series.to_netcdf(tmp_path / "data.nc")
    model.save(tmp_path / "model.nc")
    words = ["encode", tmp_path / "data.nc", "-m", tmp_path / "model.nc", "-o", tmp_path / "o.nc"]
    ended = CliRunner().invoke(cli.main, list(map(str, words)))
    assert ended.exit_code == 1
    assert ended.stderr == (
        "Error: ZeroDivisionError: no such luck; raised by the plugin 'unlucky' in its "
        "xrdae_encode\n"
    )
    assert not (tmp_path / "o.nc").exists()


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("stage", ["make_context", "invoke"])
def test_ctrl_c_ends_a_command_with_130_whenever_it_comes(monkeypatch, stage):
    def interrupted(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)

    owner = {"make_context": click.Group, "invoke": click.Command}[stage]
    monkeypatch.setattr(owner, stage, interrupted)
    ended = CliRunner().invoke(cli.main, ["plugins"])
    assert ended.exit_code == 130
    assert ended.stderr == "interrupted; no file was changed\n"


def test_what_a_thread_begins_again_after_a_failure_is_removed_too(tmp_path):
    target = tmp_path / "out.nc"

    def write_on(aside):
        time.sleep(atomic_writing.MOMENT / 2)
        aside.touch()  # as xarray's file manager opens a file anew for a thread left at work

    with pytest.raises(ValueError, match="failed"), replacing(target) as aside:  # noqa: PT012
        aside.write_text("half")
        late = threading.Thread(target=write_on, args=(aside,))
        late.start()
        raise ValueError("it failed")
    late.join()
    assert list(tmp_path.iterdir()) == []


def test_a_writing_while_an_error_is_handled_is_left_alone_by_others(tmp_path):
    try:
        raise ValueError("it failed")
    except ValueError:
        with replacing(tmp_path / "one") as one:
            one.write_text("first")
            with replacing(tmp_path / "other") as other:
                other.write_text("second")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "one": "first",
        "other": "second",
    }
