"""Full disks, read-only folders, memory that runs out, plugins that raise, workers that die.

Full disks and read-only folders are file systems of a process' own, which Linux gives to root and,
where users may have namespaces, to everybody; where it does not, a limit on the size of files and
the rights of a folder take their place.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from harness import Failed, Row, done, import_for_forks, main, try_in_child

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
from conftest import make_series  # noqa: E402

import xrdae  # noqa: E402
from xrdae import cli, plugins  # noqa: E402
from xrdae.provenance import fingerprint  # noqa: E402
from xrdae.training import checkpoint  # noqa: E402

FULL = "full disk"
READ_ONLY = "read-only folder"
MEMORY = "memory that runs out, of a GPU too"
PLUGIN = "plugins that raise"
WORKER = "dask workers that die"
AGAIN = "there is room again"
FEW = {"steps": 60, "members": 2, "hidden": (8,), "progress": False}
SIZE = 64 << 20  # bytes of the small disk
WORDS = {
    "fit": ["fit", "data.nc", "-o", "disk/out.nc", "--members", "2"],
    "encode": ["encode", "data.nc", "-m", "model.nc", "-o", "disk/out.nc"],
    "encode, zarr": ["encode", "data.nc", "-m", "model.nc", "-o", "disk/out.zarr"],
    "encode, lazily": ["encode", "data.zarr", "-m", "model.nc", "-o", "disk/out.nc"],
    "encode, lazily, zarr": ["encode", "data.zarr", "-m", "model.nc", "-o", "disk/out.zarr"],
    "relevance": ["relevance", "data.nc", "-m", "model.nc", "-o", "disk/out.nc"],
    "report": ["report", "data.nc", "-m", "model.nc", "-o", "disk/out.html"],
}
_TEMPORARY = tempfile.TemporaryDirectory()


@functools.cache
def folder() -> Path:
    """Return a folder with data and a model."""
    import_for_forks()
    path = Path(_TEMPORARY.name)
    (path / "disk").mkdir()
    done(_fill, path)
    return path


def _fill(path: Path) -> None:
    series = make_series(n=60)
    series.to_netcdf(path / "data.nc")
    series.chunk(pattern=10).to_zarr(path / "data.zarr", zarr_format=2, consolidated=True)
    series.xrdae.fit(**FEW).save(path / "model.nc")


# ---------------------------------------------------------------- file systems of our own


def mount(path: Path, size: int) -> bool:
    """Mount an empty file system on a folder, for this process alone; tell whether it may."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mounts, new_users, private = 0x00020000, 0x10000000, 0x44000
    if libc.unshare(new_mounts if os.getuid() == 0 else new_mounts | new_users) != 0:
        return False
    if libc.mount(None, b"/", None, private, None) != 0:
        return False
    return libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=%d" % size) == 0


def make_read_only(path: Path) -> None:
    """Let nothing be written to what `mount` has mounted, or to a folder as it is."""
    remount_read_only = 0x20 | 0x1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", remount_read_only, None) != 0:
        path.chmod(0o500)
        if os.access(path, os.W_OK):
            raise Failed("crashes", "this user writes to read-only folders, and may not mount any")


class Disk:
    """A folder with so much room and no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mounted = mount(path, SIZE)

    def fill(self, room: int) -> None:
        """Leave this room."""
        if not self._mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            return
        ballast = self.path / "ballast"
        ballast.unlink(missing_ok=True)
        state = os.statvfs(self.path)
        free = state.f_bavail * state.f_frsize
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - room))

    def free(self) -> None:
        """Make room again."""
        if not self._mounted:
            whole = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, whole)
        (self.path / "ballast").unlink(missing_ok=True)

    def content(self) -> dict[str, bytes]:
        """Return all files but the ballast."""
        files = [p for p in self.path.rglob("*") if p.is_file() and p.name != "ballast"]
        return {str(p.relative_to(self.path)): p.read_bytes() for p in files}


# ---------------------------------------------------------------- full disk


def full_disk(case: dict[str, Any]) -> str:
    """Write to a disk that is full after a part of what is needed."""
    works = {"checkpoint": _full_checkpoint, "watch": _full_watch}
    done(works.get(case["what"], _full_command), folder(), case)
    return "refused"


def _run(path: Path, words: list[str]) -> Any:
    os.chdir(path)
    return CliRunner().invoke(cli.main, words)


def _full_command(path: Path, case: dict[str, Any]) -> None:
    disk, words = Disk(path / "disk"), WORDS[case["what"]]
    ended = _run(path, words)
    assert ended.exit_code == 0, ended.output
    before = disk.content()
    needed = max(map(len, before.values())) if case["at"] < 1 else 0
    disk.fill(int(case["at"] * needed))
    ended = _run(path, words)
    assert ended.exit_code == 1, (ended.exit_code, ended.output, needed)
    assert isinstance(ended.exception, SystemExit), repr(ended.exception)
    assert "make room, or name another place" in ended.stderr, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert disk.content() == before
    disk.free()
    assert _run(path, words).exit_code == 0
    assert disk.content().keys() == before.keys(), sorted(disk.content())


def _full_checkpoint(path: Path, case: dict[str, Any]) -> None:
    """The first state has to be written; later ones are worth less than what is trained."""
    checkpoint.EVERY = 0
    series = xr.load_dataset(path / "data.nc")
    disk, kept = Disk(path / "disk"), path / "disk" / "run.ckpt.nc"
    disk.fill(int(case["at"] * 20_000))
    with pytest.raises(OSError, match="make room"):
        series.xrdae.fit(checkpoint=kept, **FEW)
    assert disk.content() == {}
    disk.free()
    keep, times = checkpoint.Checkpoint._write, []

    def filling(self: Any, arrays: Any) -> None:
        times.append(0)
        if len(times) == 3:
            disk.fill(int(case["at"] * 20_000))
        keep(self, arrays)

    checkpoint.Checkpoint._write = filling  # type: ignore[method-assign]
    with warnings_as_list() as warned:
        model = series.xrdae.fit(checkpoint=kept, **FEW)
    assert len(warned) == 1, warned
    assert "training goes on, but" in warned[0], warned
    disk.free()
    again = series.xrdae.fit(checkpoint=kept, **FEW)
    assert fingerprint(again) == fingerprint(model)
    assert list(disk.content()) == [kept.name]


@contextlib.contextmanager
def warnings_as_list() -> Iterator[list[str]]:
    """Give a list that holds the warnings, once this has ended."""
    import warnings

    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(warning.message) for warning in caught]


class Heard:
    """A listener of a watch that remembers."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.messages: list[str] = []

    def found(self, rows: xr.Dataset) -> None:
        """Hear of patterns."""
        self.files += rows["file"].values.tolist()

    def gave_up(self, file: str, reason: str) -> None:
        """Hear of a file given up."""
        raise AssertionError(f"{file}: {reason}")

    def warned(self, message: str) -> None:
        """Hear of a warning."""
        self.messages.append(message)


def _full_watch(path: Path, case: dict[str, Any]) -> None:
    """Files that come while there is no room are kept once there is."""
    from xrdae.live import watch
    from xrdae.live.results import Results

    watch.AGAIN = 0.05
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    disk = Disk(path / "disk")
    run = Path(tempfile.mkdtemp(dir=path))
    heard, stop, steps = Heard(), threading.Event(), []

    def come(first: int, last: int) -> None:
        for i in range(first, last):
            table = np.column_stack([series["two_theta"], series["intensity"][i]])
            np.savetxt(run / f"p{i:02d}.xy", table)

    def after() -> None:
        if len(heard.files) == case["before"] and not steps:
            disk.fill(int(case["at"] * 40_000))
            come(case["before"], 12)
            steps.append("full")
        elif heard.messages and len(steps) == 1:
            disk.free()
            steps.append("free")
        if len(heard.files) == 12 and (not heard.messages or heard.messages[-1] == AGAIN):
            stop.set()
        assert time.monotonic() < end, (heard.files, heard.messages, steps)

    end = time.monotonic() + 60
    come(0, case["before"])
    with Results(disk.path / "live.zarr", {}) as results:
        watch.Watch(run, model, results, listeners=[heard]).run(stop, after=after)
    assert not heard.messages or "make room" in heard.messages[0], heard.messages
    names = [f"p{i:02d}.xy" for i in range(12)]
    assert sorted(heard.files) == names
    with xr.open_zarr(disk.path / "live.zarr", chunks=None) as opened:
        found = opened.load().sortby("file")
    assert found["file"].values.tolist() == names
    expected = series.isel(pattern=slice(12)).xrdae.encode(model)["latent"]
    np.testing.assert_allclose(found["latent"], expected, atol=1e-4)
    assert [name for name in disk.content() if name.endswith((".part", ".partial"))] == []


# ---------------------------------------------------------------- read-only folder


def read_only(case: dict[str, Any]) -> str:
    """Write to a folder that cannot be written to."""
    done(_read_only, folder(), WORDS[case["what"]])
    return "refused"


def _read_only(path: Path, words: list[str]) -> None:
    mount(path / "disk", SIZE)
    assert _run(path, words).exit_code == 0
    disk = {p: p.read_bytes() for p in (path / "disk").rglob("*") if p.is_file()}
    make_read_only(path / "disk")
    ended = _run(path, words)
    assert ended.exit_code == 1, (ended.exit_code, ended.output)
    assert isinstance(ended.exception, SystemExit), repr(ended.exception)
    assert "cannot be written to" in ended.stderr, ended.stderr
    assert {p: p.read_bytes() for p in (path / "disk").rglob("*") if p.is_file()} == disk


# ---------------------------------------------------------------- memory that runs out


def memory(case: dict[str, Any]) -> str:
    """Let memory run out above a number of patterns, or at a number of bytes."""
    if "bytes" in case:
        done(_little_memory, case["bytes"], case["what"])
        return "survived"
    done(_memory_of_device, folder(), case["what"], case["limit"])
    return "survived" if case["limit"] else "refused"


def _memory_of_device(path: Path, what: str, limit: int) -> None:
    """Raise what torch raises for a GPU, where more than `limit` patterns come together."""
    import torch

    from xrdae.analysis.encode import Encoder
    from xrdae.analysis.relevance import Masking
    from xrdae.autoencoder.autoencoder import Autoencoder

    owner, name = {
        "encode": (Encoder, "_centred"),
        "relevance": (Masking, "steps"),
        "reconstruct": (Autoencoder, "reconstruct"),
    }[what]
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    series = xr.concat([series] * 30, "pattern")
    expected = getattr(series.xrdae, what)(model)
    inner = getattr(owner, name)

    def failing(self: Any, rows: Any) -> Any:
        if len(rows) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return inner(self, rows)

    setattr(owner, name, failing)
    if limit == 0:
        with pytest.raises(MemoryError, match="memory has run out for a single pattern"):
            getattr(series.xrdae, what)(model)
        return
    found = getattr(series.xrdae, what)(model)
    for name in set(found.data_vars) - set(series.data_vars):
        size = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6 * size)


def _little_memory(more: int, what: str) -> None:
    """Allow so many more bytes than there are in use: a right result, or a MemoryError."""
    series = make_series(n=60, points=2000)
    model = series.xrdae.fit(**FEW)
    if what == "fit":
        work: Callable[[], Any] = lambda: series.xrdae.fit(**FEW)  # noqa: E731
        expected = work().labels
    else:
        many = xr.concat([series] * 50, "pattern")
        work = lambda: many.xrdae.encode(model)  # noqa: E731
        expected = work().drop_vars("intensity")
    used = Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]
    limit = int(used) * 1024 + more
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        found = work()
    except MemoryError:
        return
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    np.testing.assert_allclose(
        (found.labels if what == "fit" else found)["latent"], expected["latent"], atol=1e-6
    )


# ---------------------------------------------------------------- plugins that raise

STEPS: dict[str, Callable[[xr.Dataset, Any], Any]] = {
    "xrdae_to_dataset": lambda ds, model: ds.xrdae.encode(model),
    "xrdae_model_input": lambda ds, model: ds.xrdae.reconstruct(model),
    "xrdae_fit": lambda ds, model: ds.xrdae.fit(**FEW),
    "xrdae_update": lambda ds, model: ds.xrdae.fit(update=model, progress=False),
    "xrdae_encode": lambda ds, model: ds.xrdae.encode(model),
    "xrdae_relevance": lambda ds, model: ds.xrdae.relevance(model),
    "xrdae_synthesize": lambda ds, model: ds.xrdae.synthesize(model, between=(3, 7)),
    "xrdae_attach": lambda ds, model: xrdae.analyze(ds, model),
    "xrdae_on_result": lambda ds, model: plugins.on_result(ds.xrdae.encode(model)),
}
ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (RuntimeError, KeyError, OSError, ZeroDivisionError, xrdae.DataError)
}


def plugin(case: dict[str, Any]) -> str:
    """Let a plugin raise in a hook."""
    done(_plugin, folder(), case["hook"], ERRORS[case["error"]])
    return "survived" if case["hook"] == "xrdae_on_result" else "refused"


def _plugin(path: Path, hook: str, error: type[Exception]) -> None:
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    before, step = series.copy(deep=True), STEPS[hook]

    class Raising:
        pass

    def failing(self: Any) -> None:
        raise error("no such luck")

    setattr(Raising, hook, xrdae.hookimpl(failing))
    plugins.manager().register(Raising(), name="raising")
    if hook == "xrdae_on_result":
        with warnings_as_list() as warned:
            step(series, model)
        assert len(warned) == 1, warned
        assert "xrdae_on_result of plugin 'raising' failed" in warned[0], warned
        return
    with pytest.raises(error) as raised:
        step(series, model)
    note = f"raised by the plugin 'raising' in its {hook}"
    assert raised.value.__notes__ == [note]
    xr.testing.assert_identical(series, before)
    if hook in ("xrdae_encode", "xrdae_model_input", "xrdae_attach"):
        ended = _run(path, ["encode", "data.nc", "-m", "model.nc", "-o", "out.nc"])
        assert ended.exit_code == 1, ended.output
        assert (
            f"no such luck; raised by the plugin 'raising' in its {hook}"
            in ended.stderr.replace("'no such luck'", "no such luck")
        )
        assert isinstance(ended.exception, SystemExit), repr(ended.exception)
        assert not (path / "out.nc").exists()


# ---------------------------------------------------------------- dask workers that die


def worker(case: dict[str, Any]) -> str:
    """Kill workers while they encode, once or whenever they come to a certain chunk."""
    done(_worker, case)
    return "refused" if case["dies"] == "always" else "survived"


def _slow(block: Any, poison: bool, block_id: Any = None) -> Any:
    time.sleep(0.05)
    if poison and block_id[0] == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def _worker(case: dict[str, Any]) -> None:
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    series = make_series(n=60)
    model = series.xrdae.fit(**FEW)
    expected = series.xrdae.encode(model)
    chunked = series["intensity"].chunk(pattern=3)
    data = chunked.data.map_blocks(
        _slow, poison=case["dies"] == "always", dtype=float, meta=np.empty((0, 0))
    )
    lazy = series.assign(intensity=chunked.copy(data=data)).xrdae.encode(model)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        if case["dies"] == "always":
            with pytest.raises(distributed.KilledWorker):
                lazy.compute()
            return
        for pid in pids[: 1 if case["dies"] == "one" else 2]:
            threading.Timer(case["after"], os.kill, (pid, signal.SIGKILL)).start()
        found = lazy.compute()
    for name in ("latent", "latent_std", "novelty", "reconstruction_error"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


# ---------------------------------------------------------------- rows


def rows(scale: float) -> Iterator[Row]:
    """Yield the rows."""
    rng = random.Random(0)

    def count(whole: int) -> int:
        return max(1, round(scale * whole))

    def parts(whole: int) -> list[float]:
        n = count(whole)
        return [(i + rng.random()) / n for i in range(n)]

    def some(cases: list[Any]) -> list[Any]:
        return rng.sample(cases, max(2, min(len(cases), round(scale * 2 * len(cases)))))

    cases = [{"what": what, "at": 0.9 * at} for what in WORDS for at in parts(5)]
    cases += [{"what": "checkpoint", "at": at} for at in parts(8)]
    cases += [
        {"what": "watch", "at": at, "before": before} for before in (0, 4) for at in parts(10)
    ]
    few = cases if scale >= 0.1 else [c for c in cases if c["what"] in ("encode", "watch")]
    yield try_in_child(Row(FULL, "fault"), few, patience=300)
    cases = some([{"what": what} for what in WORDS])
    yield try_in_child(Row(READ_ONLY, "fault"), cases, patience=300)
    cases = [
        {"what": what, "limit": limit}
        for what in ("encode", "relevance", "reconstruct")
        for limit in (0, 8, 11, 100, 500)
    ]
    cases += [
        {"what": what, "bytes": int(at * (48 << 20))}
        for what in ("encode", "fit")
        for at in parts(20)
    ]
    yield try_in_child(Row(MEMORY, "fault"), some(cases), patience=300)
    cases = some([{"hook": hook, "error": error} for hook in STEPS for error in ERRORS])
    yield try_in_child(Row(PLUGIN, "fault"), cases, patience=300)
    cases = [{"dies": "one", "after": at} for at in parts(4)]
    cases += [{"dies": "all", "after": at} for at in parts(2)] + [{"dies": "always"}]
    yield try_in_child(Row(WORKER, "fault"), cases if scale >= 0.1 else cases[:1], patience=300)


if __name__ == "__main__":
    main(
        rows,
        {FULL: full_disk, READ_ONLY: read_only, MEMORY: memory, PLUGIN: plugin, WORKER: worker},
    )
