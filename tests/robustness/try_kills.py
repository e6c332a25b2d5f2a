"""Program: kill -9 and Ctrl-C at many moments, in a fit, while saving, in a watch, in commands."""

from __future__ import annotations

import functools
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

import live_kills
import xrdae
from commands import FIT, build_command, make_folder, run_command
from harness import TESTS, Failed, Forked, Row, choose_moments, main, run_in_fork, try_in_child
from xrdae import cli
from xrdae.provenance import fingerprint
from xrdae.training import checkpoint

IN_FIT = "kill -9 in a fit with a checkpoint"
SAVING = "kill -9 while models and results are saved"
IN_WATCH = "kill -9 in a watch"
CTRL_C = "Ctrl-C in every command"
LONG_FIT = FIT | {"steps": 200}
GRACE = 15  # seconds that a command may take to end after Ctrl-C, on cores shared with others
KINDS = ("model.nc", "latents.nc", "latents.zarr")
INTERRUPTED = (
    "fit", "fit, files", "fit, checkpoint", "encode", "encode, files", "encode, lazily",
    "relevance, zarr", "synthesize", "report", "watch",
)  # fmt: skip


# ---------------------------------------------------------------- kill -9 in a fit


def fit(series: xr.Dataset, path: Path, out: Path) -> None:
    """Fit and write each new state to the checkpoint."""
    checkpoint.EVERY = 0
    series.xrdae.fit(checkpoint=path, **LONG_FIT).save(out)


@functools.cache
def _fit_undisturbed() -> tuple[xr.Dataset, float]:
    """Fit without a kill; return the patterns and the run time [s]."""
    folder = make_folder()
    series = xr.load_dataset(folder / "data.nc")
    paths = folder / "undisturbed.ckpt.nc", folder / "undisturbed.nc"
    return series, run_in_fork(fit, series, *paths)


def kill_fit(case: dict[str, Any]) -> str:
    """Kill a fit at each of the given moments, and let it finish."""
    series, duration = _fit_undisturbed()
    path, out = make_folder() / "run.ckpt.nc", make_folder() / "fitted.nc"
    path.unlink(missing_ok=True)
    for moment in case["at"]:
        fork = Forked(fit, series, path, out)
        fork.send(signal.SIGKILL, moment * duration)
        fork.end()
    run_in_fork(fit, series, path, out)
    run_in_fork(_check_fit, out)
    return "survived"


def _check_fit(out: Path) -> None:
    one, other = (xrdae.load_model(p) for p in (out, out.with_name("undisturbed.nc")))
    assert fingerprint(one) == fingerprint(other)
    xr.testing.assert_identical(one.history, other.history)
    _check_no_parts(out.parent)


def _check_no_parts(path: Path) -> None:
    parts = [p.name for p in path.iterdir() if p.name.endswith((".part", ".before"))]
    assert parts == [], parts


# ---------------------------------------------------------------- kill -9 while saving


@functools.cache
def _load_contents(name: str) -> list[Any]:
    """Return two models, or two results."""
    stem = name.partition(".")[0]
    paths = [make_folder() / f"{stem}{i}.nc" for i in range(2)]
    return [xrdae.load_model(p) if stem == "model" else xr.load_dataset(p) for p in paths]


def save(path: Path, contents: list[Any]) -> None:
    """Save models or results one after the other to one path, like the command line."""
    for content in contents:
        if path.name == "model.nc":
            content.save(path)
        else:
            cli.output.write_result(lambda content=content: content, path, as_json=True)


def kill_saving(case: dict[str, Any]) -> str:
    """Kill a process while it replaces a saved model or result."""
    path, contents = make_folder() / "saved" / case["name"], _load_contents(case["name"])
    path.parent.mkdir(exist_ok=True)
    run_in_fork(save, path, contents[:1])
    fork = Forked(save, path, [*contents[::-1], *contents] * 50)
    fork.send(signal.SIGKILL, case["after"])
    if fork.end() != -signal.SIGKILL:
        raise Failed("crashes", fork.read_output())
    run_in_fork(_check_saved, path, contents)
    return "survived"


def _check_saved(path: Path, contents: list[Any]) -> None:
    if path.name == "model.nc":
        saved = fingerprint(xrdae.load_model(path))
        assert saved in [fingerprint(model) for model in contents]
    else:
        with xr.open_dataset(path, chunks=None) as opened:
            result = opened.load()
        assert any(result["latent"].equals(content["latent"]) for content in contents)
        assert result.sizes == contents[0].sizes
        assert set(result.variables) == set(contents[0].variables)
    save(path, contents[:1])
    _check_no_parts(path.parent)


# ---------------------------------------------------------------- kill -9 in a watch


def kill_watch(case: dict[str, Any]) -> str:
    """Kill the writer of live results before a step, or a real watch in a simulated beamtime."""
    if "files" in case:
        return _kill_beamtime(case["files"])
    path = make_folder() / "live"
    path.mkdir(exist_ok=True)
    try:
        if case["step"] == 0:
            live_kills.begin(path, case["scenario"])
        killed = live_kills.kill(path, case["scenario"], case["step"])
    except AssertionError as error:
        raise Failed("lost", str(error)) from error
    return "survived" if killed else "read"


def _kill_beamtime(files: int) -> str:
    program = TESTS / "benchmarks" / "beamtime.py"
    command = [sys.executable, program, "--files", str(files), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise Failed("lost", ended.stdout + ended.stderr)
    counts = json.loads(ended.stdout)
    if not counts["good"] == counts["results"] == counts["good files with exactly one result"]:
        raise Failed("lost", ended.stdout)
    return "survived"


def _steps(row: Row, every: int, scenarios: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the steps of every scenario, up to the step that the writer does not reach."""
    for scenario in scenarios:
        step, before = 0, row.read
        while row.read == before:
            yield {"scenario": scenario, "step": step}
            step += live_kills.compute_stride(scenario, every)


# ---------------------------------------------------------------- Ctrl-C


def interrupt_command(case: dict[str, Any]) -> str:
    """Interrupt a command after a fraction of its run time."""
    path, words = make_folder(), build_command(case["command"])
    duration = 3.0 if words[0] == "watch" else _time_command(case["command"])
    _remove_outputs(path)
    fork = Forked(run_command, path, words)
    fork.send(signal.SIGINT, case["at"] * duration)
    code = fork.end(GRACE)
    output = fork.read_output()
    if "Traceback" in output or "Exception ignored" in output:
        raise Failed("crashes", output)
    if code not in (0, 130):
        raise Failed("crashes", f"exit code {code}: {output}")
    run_in_fork(_check_outputs, path, code)
    return "survived" if code == 130 or words[0] == "watch" else "read"


@functools.cache
def _time_command(command: str) -> float:
    _remove_outputs(make_folder())
    return run_in_fork(run_command, make_folder(), build_command(command))


def _remove_outputs(path: Path) -> None:
    for out in [*path.glob("out.*"), *path.glob(".out.*"), *path.glob("c.nc")]:
        shutil.rmtree(out) if out.is_dir() else out.unlink()


def _check_outputs(path: Path, code: int) -> None:
    """Check that all outputs are complete. An interruption leaves a checkpoint or rows at most."""
    _check_no_parts(path)
    outs = list(path.glob("out.*"))
    assert code == 130 or outs
    for out in outs:
        if out.suffix == ".html":
            assert out.read_text().rstrip().endswith("</html>")
        else:
            with xr.open_dataset(out, chunks=None) as opened:
                opened.load()


# ---------------------------------------------------------------- rows


def try_rows(scale: float) -> Iterator[Row]:
    """Yield the rows."""
    rng = random.Random(0)

    def choose(whole: int) -> list[float]:
        return choose_moments(rng, max(1, round(scale * whole)))

    yield try_in_child(
        Row(IN_FIT, "fault"), [{"at": [at, rng.random()]} for at in choose(60)], patience=300
    )
    cases = [{"name": n, "after": 0.5 * at} for n in KINDS for at in choose(40)]
    yield try_in_child(Row(SAVING, "fault"), cases, patience=300)
    row = Row(IN_WATCH, "fault")
    scenarios = list(live_kills.SCENARIOS) if scale >= 0.1 else ["append"]
    try_in_child(row, _steps(row, max(1, round(1 / scale)), scenarios), patience=300)
    if scale >= 1:
        try_in_child(row, [{"files": 300}], patience=600)
    yield row
    commands = INTERRUPTED if scale >= 0.1 else ["encode", "fit, checkpoint"]
    cases = [{"command": name, "at": at} for name in commands for at in choose(8)]
    yield try_in_child(Row(CTRL_C, "fault"), cases, patience=300)


if __name__ == "__main__":
    main(
        try_rows,
        {IN_FIT: kill_fit, SAVING: kill_saving, IN_WATCH: kill_watch, CTRL_C: interrupt_command},
    )
