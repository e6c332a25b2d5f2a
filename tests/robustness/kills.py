"""kill -9 and Ctrl-C at stepped moments: in a fit, while saving, in a watch, in every command."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr
from harness import Failed, Forked, Row, done, import_for_forks, main, try_in_child

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
import live_kills  # noqa: E402
from conftest import make_series  # noqa: E402

import xrdae  # noqa: E402
from xrdae import cli  # noqa: E402
from xrdae.provenance import fingerprint  # noqa: E402
from xrdae.training import checkpoint  # noqa: E402

IN_FIT = "kill -9 in a fit with a checkpoint"
SAVING = "kill -9 while models and results are saved"
IN_WATCH = "kill -9 in a watch"
CTRL_C = "Ctrl-C in every command"
FEW = {"steps": 200, "members": 2, "hidden": (8,), "progress": False}
GRACE = 15  # seconds that a command may take to end after Ctrl-C, on cores that others use too
KINDS = ("model.nc", "latents.nc", "latents.zarr")
COMMANDS = {
    "fit": ["fit", "data.nc", "-o", "out.nc", "--members", "2"],
    "fit, files": ["fit", "run", "-o", "out.nc", "--members", "2"],
    "fit, checkpoint": ["fit", "data.nc", "-o", "out.nc", "--members", "2", "--checkpoint", "c.nc"],
    "encode": ["encode", "data.nc", "-m", "model.nc", "-o", "out.nc"],
    "encode, files": ["encode", "run", "-m", "model.nc", "-o", "out.zarr"],
    "encode, lazily": ["encode", "data.zarr", "-m", "model.nc", "-o", "out.nc"],
    "relevance": ["relevance", "data.nc", "-m", "model.nc", "-o", "out.zarr", "--label", "x"],
    "synthesize": ["synthesize", "data.nc", "-m", "model.nc", "-o", "out.nc", "--between", *"37"],
    "report": ["report", "data.nc", "-m", "model.nc", "-o", "out.html"],
    "watch": ["watch", "run", "-m", "model.nc", "-o", "out.zarr", "--no-page"],
}
_TEMPORARY = tempfile.TemporaryDirectory()


@functools.cache
def folder() -> Path:
    """Return a folder with data, files, a model, and results of two kinds."""
    import_for_forks()
    path = Path(_TEMPORARY.name)
    done(_fill, path)
    return path


def _fill(path: Path) -> None:
    series = make_series(n=60)
    series.to_netcdf(path / "data.nc")
    series.chunk(pattern=10).to_zarr(path / "data.zarr", zarr_format=2, consolidated=True)
    (path / "run").mkdir()
    for i, counts in enumerate(series["intensity"].values):
        table = "".join(
            f"{x} {y}\n" for x, y in zip(series["two_theta"].values, counts, strict=True)
        )
        (path / "run" / f"p{i:02d}.xy").write_text(table)
    for i in range(2):
        model = series.xrdae.fit(seed=i, **FEW)
        model.save(path / f"model{i}.nc")
        series.xrdae.encode(model).to_netcdf(path / f"latents{i}.nc")
    shutil.copy(path / "model0.nc", path / "model.nc")


# ---------------------------------------------------------------- kill -9 in a fit


def fit(series: xr.Dataset, path: Path, out: Path) -> None:
    """Fit with a checkpoint that is written as often as there is something new."""
    checkpoint.EVERY = 0
    series.xrdae.fit(checkpoint=path, **FEW).save(out)


@functools.cache
def _undisturbed() -> tuple[xr.Dataset, float]:
    series = xr.load_dataset(folder() / "data.nc")
    took = done(fit, series, folder() / "undisturbed.ckpt.nc", folder() / "undisturbed.nc")
    return series, took


def in_fit(case: dict[str, Any]) -> str:
    """Kill a fit, maybe a second time when it goes on, and let it end."""
    series, took = _undisturbed()
    path, out = folder() / "run.ckpt.nc", folder() / "fitted.nc"
    path.unlink(missing_ok=True)
    for at in case["at"]:
        fork = Forked(fit, series, path, out)
        fork.send(signal.SIGKILL, at * took)
        fork.end()
    done(fit, series, path, out)
    done(_check_fit, out)
    return "survived"


def _check_fit(out: Path) -> None:
    one, other = (xrdae.load_model(p) for p in (out, out.with_name("undisturbed.nc")))
    assert fingerprint(one) == fingerprint(other)
    xr.testing.assert_identical(one.history, other.history)
    _check_left_over(out.parent)


def _check_left_over(path: Path) -> None:
    left = [p.name for p in path.iterdir() if p.name.endswith((".part", ".before"))]
    assert left == [], left


# ---------------------------------------------------------------- kill -9 while saving


@functools.cache
def _contents(name: str) -> list[Any]:
    """Return two models, or two results, to be saved one after the other."""
    stem = name.partition(".")[0]
    paths = [folder() / f"{stem}{i}.nc" for i in range(2)]
    return [xrdae.load_model(p) if stem == "model" else xr.load_dataset(p) for p in paths]


def save(path: Path, contents: list[Any]) -> None:
    """Save one after the other to the same place, as the command line does."""
    for content in contents:
        if path.name == "model.nc":
            content.save(path)
        else:
            cli.output.write_result(lambda content=content: content, path, as_json=True)


def saving(case: dict[str, Any]) -> str:
    """Kill what saves to a place where there is something already."""
    path, contents = folder() / "saved" / case["name"], _contents(case["name"])
    path.parent.mkdir(exist_ok=True)
    done(save, path, contents[:1])
    fork = Forked(save, path, [*contents[::-1], *contents] * 50)
    fork.send(signal.SIGKILL, case["after"])
    if fork.end() != -signal.SIGKILL:
        raise Failed("crashes", fork.said())
    done(_check_saved, path, contents)
    return "survived"


def _check_saved(path: Path, contents: list[Any]) -> None:
    if path.name == "model.nc":
        found = fingerprint(xrdae.load_model(path))
        assert found in [fingerprint(model) for model in contents]
    else:
        with xr.open_dataset(path, chunks=None) as opened:
            found = opened.load()
        assert any(found["latent"].equals(content["latent"]) for content in contents)
        assert found.sizes == contents[0].sizes
        assert set(found.variables) == set(contents[0].variables)
    save(path, contents[:1])
    _check_left_over(path.parent)


# ---------------------------------------------------------------- kill -9 in a watch


def in_watch(case: dict[str, Any]) -> str:
    """Kill the writer of live results before a step; or a real watch, in a simulated beamtime."""
    if "files" in case:
        return _beamtime(case["files"])
    path = folder() / "live"
    path.mkdir(exist_ok=True)
    try:
        if case["step"] == 0:
            live_kills.begin(path, case["scenario"])
        killed = live_kills.kill(path, case["scenario"], case["step"])
    except AssertionError as error:
        raise Failed("lost", str(error)) from error
    return "survived" if killed else "read"


def _beamtime(files: int) -> str:
    program = TESTS / "benchmarks" / "beamtime.py"
    command = [sys.executable, program, "--files", str(files), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise Failed("lost", ended.stdout + ended.stderr)
    found = json.loads(ended.stdout)
    if not found["good"] == found["results"] == found["good files with exactly one result"]:
        raise Failed("lost", ended.stdout)
    return "survived"


def _steps(row: Row, every: int, scenarios: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the steps of every scenario, until the writer has ended before."""
    for scenario in scenarios:
        step, before = 0, row.read
        while row.read == before:
            yield {"scenario": scenario, "step": step}
            step += live_kills.stride(scenario, every)


# ---------------------------------------------------------------- Ctrl-C


def ctrl_c(case: dict[str, Any]) -> str:
    """Interrupt a command at a part of the time that it takes."""
    path, words = folder(), COMMANDS[case["command"]]
    took = 3.0 if words[0] == "watch" else _time_of(case["command"])
    _remove_outputs(path)
    fork = Forked(_command, path, words)
    fork.send(signal.SIGINT, case["at"] * took)
    code = fork.end(GRACE)
    said = fork.said()
    if "Traceback" in said or "Exception ignored" in said:
        raise Failed("crashes", said)
    if code not in (0, 130):
        raise Failed("crashes", f"exit code {code}: {said}")
    done(_check_outputs, path, code)
    return "survived" if code == 130 or words[0] == "watch" else "read"


@functools.cache
def _time_of(command: str) -> float:
    _remove_outputs(folder())
    return done(_command, folder(), COMMANDS[command])


def _command(path: Path, words: list[str]) -> None:
    os.chdir(path)
    cli.main(words)


def _remove_outputs(path: Path) -> None:
    for out in [*path.glob("out.*"), *path.glob(".out.*"), *path.glob("c.nc")]:
        shutil.rmtree(out) if out.is_dir() else out.unlink()


def _check_outputs(path: Path, code: int) -> None:
    """What is there is whole; after an interruption there is nothing but a checkpoint, or rows."""
    _check_left_over(path)
    outs = list(path.glob("out.*"))
    assert code == 130 or outs
    for out in outs:
        if out.suffix == ".html":
            assert out.read_text().rstrip().endswith("</html>")
        else:
            with xr.open_dataset(out, chunks=None) as opened:
                opened.load()


# ---------------------------------------------------------------- rows


def rows(scale: float) -> Iterator[Row]:
    """Yield the rows."""
    rng = random.Random(0)

    def count(whole: int) -> int:
        return max(1, round(scale * whole))

    def moments(whole: int) -> list[float]:
        n = count(whole)
        return [(i + rng.random()) / n for i in range(n)]

    yield try_in_child(
        Row(IN_FIT, "fault"), [{"at": [at, rng.random()]} for at in moments(60)], patience=300
    )
    cases = [{"name": n, "after": 0.5 * at} for n in KINDS for at in moments(40)]
    yield try_in_child(Row(SAVING, "fault"), cases, patience=300)
    row = Row(IN_WATCH, "fault")
    scenarios = list(live_kills.SCENARIOS) if scale >= 0.1 else ["append"]
    try_in_child(row, _steps(row, max(1, round(1 / scale)), scenarios), patience=300)
    if scale >= 1:
        try_in_child(row, [{"files": 300}], patience=600)
    yield row
    few = COMMANDS if scale >= 0.1 else ["encode", "fit, checkpoint"]
    cases = [{"command": name, "at": at} for name in few for at in moments(8)]
    yield try_in_child(Row(CTRL_C, "fault"), cases, patience=300)


if __name__ == "__main__":
    main(rows, {IN_FIT: in_fit, SAVING: saving, IN_WATCH: in_watch, CTRL_C: ctrl_c})
