"""Program: memory that runs out, plugins that raise, and dask workers that die."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from commands import FIT, build_command, make_folder
from faults import (
    CALLS,
    KERNELS,
    check_failing_plugin,
    check_memory_limit,
    register_failing_plugin,
)
from harness import Row, choose_moments, main, run_in_fork, try_in_child
from moving_peaks import make_series
from xrdae import cli

MEMORY = "memory that runs out, of a GPU too"
PLUGIN = "plugins that raise"
WORKER = "dask workers that die"
ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (RuntimeError, KeyError, OSError, ZeroDivisionError, xrdae.DataError)
}


# ---------------------------------------------------------------- memory that runs out


def try_memory(case: dict[str, Any]) -> str:
    """Let memory run out above a number of patterns, or above a number of bytes."""
    if "bytes" in case:
        run_in_fork(_check_process_limit, case["bytes"], case["what"])
        return "survived"
    run_in_fork(_check_device_limit, make_folder(), case["what"], case["limit"])
    return "survived" if case["limit"] else "refused"


def _check_device_limit(path: Path, what: str, limit: int) -> None:
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    check_memory_limit(xr.concat([series] * 30, "pattern"), model, what, limit)


def _check_process_limit(more: int, what: str) -> None:
    """Allow `more` bytes than are in use: the result must be right, or a MemoryError."""
    series = make_series(n=60, points=2000)
    model = series.xrdae.fit(**FIT)
    if what == "fit":
        work: Callable[[], Any] = lambda: series.xrdae.fit(**FIT).labels  # noqa: E731
    else:
        many = xr.concat([series] * 50, "pattern")
        work = lambda: many.xrdae.encode(model)  # noqa: E731
    expected = work()["latent"]
    used = Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]
    limit = int(used) * 1024 + more
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        result = work()
    except MemoryError:
        return
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    np.testing.assert_allclose(result["latent"], expected, atol=1e-6)


# ---------------------------------------------------------------- plugins that raise


def try_plugin(case: dict[str, Any]) -> str:
    """Let a hook of a plugin raise an error."""
    run_in_fork(_check_plugin, make_folder(), case["hook"], ERRORS[case["error"]])
    return "survived" if case["hook"] == "xrdae_on_result" else "refused"


def _check_plugin(path: Path, hook: str, error: type[Exception]) -> None:
    series, model = xr.load_dataset(path / "data.nc"), xrdae.load_model(path / "model.nc")
    check_failing_plugin(series, model, hook, error)
    if hook not in ("xrdae_encode", "xrdae_model_input", "xrdae_attach"):
        return
    os.chdir(path)
    with register_failing_plugin(hook, error):
        ended = CliRunner().invoke(cli.main, build_command("encode"))
    assert ended.exit_code == 1, ended.output
    text = ended.stderr.replace("'no such luck'", "no such luck")
    assert f"no such luck; raised by the plugin 'unlucky' in its {hook}" in text
    assert isinstance(ended.exception, SystemExit), repr(ended.exception)
    assert not (path / "out.nc").exists()


# ---------------------------------------------------------------- dask workers that die


def try_workers(case: dict[str, Any]) -> str:
    """Kill workers while they encode: once, or always at one chunk."""
    run_in_fork(_check_workers, case)
    return "refused" if case["dies"] == "always" else "survived"


def _copy_slowly(block: Any, poison: bool, block_id: Any = None) -> Any:
    time.sleep(0.05)
    if poison and block_id[0] == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def _check_workers(case: dict[str, Any]) -> None:
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    series = make_series(n=60)
    model = series.xrdae.fit(**FIT)
    expected = series.xrdae.encode(model)
    chunked = series["intensity"].chunk(pattern=3)
    data = chunked.data.map_blocks(
        _copy_slowly, poison=case["dies"] == "always", dtype=float, meta=np.empty((0, 0))
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
        result = lazy.compute()
    for name in ("latent", "latent_std", "novelty", "reconstruction_error"):
        size = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(result[name], expected[name], rtol=0, atol=5e-6 * size)


# ---------------------------------------------------------------- rows


def try_rows(scale: float) -> Iterator[Row]:
    """Yield the rows."""
    rng = random.Random(0)

    def choose(whole: int) -> list[float]:
        return choose_moments(rng, max(1, round(scale * whole)))

    def sample(cases: list[Any]) -> list[Any]:
        return rng.sample(cases, max(2, min(len(cases), round(scale * 2 * len(cases)))))

    cases = [{"what": what, "limit": n} for what in KERNELS for n in (0, 8, 11, 100, 500)]
    cases += [
        {"what": what, "bytes": int(at * (48 << 20))}
        for what in ("encode", "fit")
        for at in choose(20)
    ]
    yield try_in_child(Row(MEMORY, "fault"), sample(cases), patience=300)
    cases = sample([{"hook": hook, "error": error} for hook in CALLS for error in ERRORS])
    yield try_in_child(Row(PLUGIN, "fault"), cases, patience=300)
    cases = [{"dies": "one", "after": at} for at in choose(4)]
    cases += [{"dies": "all", "after": at} for at in choose(2)] + [{"dies": "always"}]
    yield try_in_child(Row(WORKER, "fault"), cases if scale >= 0.1 else cases[:1], patience=300)


if __name__ == "__main__":
    main(try_rows, {MEMORY: try_memory, PLUGIN: try_plugin, WORKER: try_workers})
