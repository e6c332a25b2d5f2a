"""Files are replaced completely or not at all, and errors tell how to go on.

Real full disks are in `tests/robustness/try_disks.py`.
"""

import dataclasses
import errno
import os
import subprocess
import sys
import threading
import time

import pytest
import xarray as xr

from xrdae.storage import atomic_writing
from xrdae.storage.atomic_writing import write_aside


@dataclasses.dataclass
class Usage:
    """Free bytes of a disk."""

    free: int


class FullError(OSError):
    """Error of a full disk."""

    def __init__(self):
        super().__init__(errno.ENOSPC, "No space left on device")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out.nc"


def raise_while_writing(target, error):
    with write_aside(target) as aside:
        aside.write_text("half")
        raise error


def end_process():
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_full_disk_keeps_the_old_file_and_the_error_tells_what_to_do(target):
    target.write_text("before")
    expected = r"out\.nc' could not be written: there is no room .*make room"
    with pytest.raises(OSError, match=expected) as caught:
        raise_while_writing(target, FullError())
    assert caught.value.errno == errno.ENOSPC
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]
    assert target.read_text() == "before"


@pytest.mark.parametrize("free", [1000, 10**9])
@pytest.mark.parametrize("error", [RuntimeError("NetCDF: HDF error"), PermissionError(13, "no")])
def test_an_error_of_the_netcdf_library_on_a_full_disk_tells_that_it_is_full(
    target, monkeypatch, free, error
):
    monkeypatch.setattr(atomic_writing.shutil, "disk_usage", lambda _: Usage(free))
    full = free < atomic_writing.LITTLE
    expected = "there is no room" if full else "the netCDF library failed|Errno 13"
    with pytest.raises(OSError, match=expected):
        raise_while_writing(target, error)


def test_other_errors_are_raised_unchanged(target):
    for error in (RuntimeError("a plugin's"), ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            raise_while_writing(target, error)
        assert caught.value is error


def test_the_next_writer_removes_the_parts_of_a_killed_process(target):
    dead = target.with_name(f".out.nc.{atomic_writing._HERE}.{end_process()}.0.part")
    folder = target.with_name(f".out.nc.{atomic_writing._HERE}.{end_process()}.1.part")
    alive = target.with_name(f".out.nc.{atomic_writing._HERE}.{os.getppid()}.0.part")
    elsewhere = target.with_name(f".out.nc.00000000.{end_process()}.0.part")
    other = target.with_name(f".other.nc.{atomic_writing._HERE}.{end_process()}.0.part")
    for path in (dead, alive, elsewhere, other):
        path.write_text("half")
    folder.mkdir()
    (folder / "chunk").write_text("half")
    with write_aside(target) as aside:
        aside.write_text("whole")
    assert set(target.parent.iterdir()) == {target, alive, elsewhere, other}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_replaces_another_folder(target, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(atomic_writing, "_exchange", lambda *_: False)
    for content in ("one", "two"):
        with write_aside(target) as aside:
            aside.mkdir()
            (aside / content).write_text(content)
    assert [p.name for p in target.iterdir()] == ["two"]
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]


def test_a_folder_is_restored_after_a_kill_between_two_renamings(target):
    before = target.with_name(".out.nc.before")
    before.mkdir()
    (before / "whole").write_text("whole")
    with pytest.raises(OSError, match="no room"):
        raise_while_writing(target, FullError())
    assert [p.name for p in target.iterdir()] == ["whole"]


def test_threads_that_continue_after_an_error_leave_no_files(target):
    failed = threading.Event()

    def write_late(aside):
        failed.wait()
        aside.mkdir()
        (aside / "chunk").write_text("late")

    def write():
        with write_aside(target) as aside:
            aside.mkdir()
            threads.append(threading.Thread(target=write_late, args=[aside]))
            threads[0].start()
            raise ValueError("no such luck")

    threads = []
    with pytest.raises(ValueError, match="no such luck"):
        write()
    failed.set()
    threads[0].join()
    assert len(list(target.parent.iterdir())) == 1
    with write_aside(target) as other:
        other.write_text("whole")
    assert [p.name for p in target.parent.iterdir()] == ["out.nc"]


def test_a_model_that_cannot_be_written_keeps_the_old_model(series, model, tmp_path, monkeypatch):
    path = tmp_path / "model.nc"
    model.save(path)
    before = path.read_bytes()

    def fail(tree, aside, **options):
        aside.write_text("half")
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fail)
    with pytest.raises(OSError, match="the netCDF library failed"):
        model.save(path)
    assert path.read_bytes() == before


def test_a_file_that_a_thread_creates_after_an_error_is_removed(tmp_path):
    target = tmp_path / "out.nc"

    def write_on(aside):
        time.sleep(atomic_writing.MOMENT / 2)
        aside.touch()  # like the file manager of xarray, which reopens a file for a running thread

    with pytest.raises(ValueError, match="failed"), write_aside(target) as aside:  # noqa: PT012
        aside.write_text("half")
        late = threading.Thread(target=write_on, args=(aside,))
        late.start()
        raise ValueError("it failed")
    late.join()
    assert list(tmp_path.iterdir()) == []


def test_writing_while_an_error_is_handled_does_not_disturb_other_writing(tmp_path):
    try:
        raise ValueError("it failed")
    except ValueError:
        with write_aside(tmp_path / "one") as one:
            one.write_text("first")
            with write_aside(tmp_path / "other") as other:
                other.write_text("second")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "one": "first",
        "other": "second",
    }
