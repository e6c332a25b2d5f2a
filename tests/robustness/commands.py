"""Data, a model and command lines that `try_kills.py` and `try_disks.py` disturb."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from faults import FIT
from harness import import_modules, run_in_fork
from moving_peaks import make_series
from xrdae import cli

# Command lines that write one file; the file is `out` with the given suffix.
COMMANDS = {
    "fit": (["fit", "data.nc", "--members", "2"], ".nc"),
    "fit, files": (["fit", "run", "--members", "2"], ".nc"),
    "fit, checkpoint": (["fit", "data.nc", "--members", "2", "--checkpoint", "c.nc"], ".nc"),
    "encode": (["encode", "data.nc", "-m", "model.nc"], ".nc"),
    "encode, zarr": (["encode", "data.nc", "-m", "model.nc"], ".zarr"),
    "encode, files": (["encode", "run", "-m", "model.nc"], ".zarr"),
    "encode, lazily": (["encode", "data.zarr", "-m", "model.nc"], ".nc"),
    "encode, lazily, zarr": (["encode", "data.zarr", "-m", "model.nc"], ".zarr"),
    "relevance": (["relevance", "data.nc", "-m", "model.nc"], ".nc"),
    "relevance, zarr": (["relevance", "data.nc", "-m", "model.nc", "--label", "x"], ".zarr"),
    "synthesize": (["synthesize", "data.nc", "-m", "model.nc", "--between", "3", "7"], ".nc"),
    "report": (["report", "data.nc", "-m", "model.nc"], ".html"),
    "watch": (["watch", "run", "-m", "model.nc", "--no-page"], ".zarr"),
}
_TEMPORARY = tempfile.TemporaryDirectory()


def build_command(name: str, folder: str = "") -> list[str]:
    """Return the words of a command that writes into a folder."""
    words, suffix = COMMANDS[name]
    return [*words, "-o", f"{folder}out{suffix}"]


def run_command(path: Path, words: list[str]) -> None:
    """Run a command in a folder, in this process."""
    os.chdir(path)
    cli.main(words)


@functools.cache
def make_folder() -> Path:
    """Return a folder with data, text files, two models and their results."""
    import_modules()
    path = Path(_TEMPORARY.name)
    run_in_fork(_fill_folder, path)
    return path


def _fill_folder(path: Path) -> None:
    series = make_series(n=60)
    series.to_netcdf(path / "data.nc")
    series.chunk(pattern=10).to_zarr(path / "data.zarr", zarr_format=2, consolidated=True)
    for name in ("disk", "run"):
        (path / name).mkdir()
    for i, counts in enumerate(series["intensity"].values):
        lines = zip(series["two_theta"].values, counts, strict=True)
        text = "".join(f"{x} {y}\n" for x, y in lines)
        (path / "run" / f"p{i:02d}.xy").write_text(text)
    for i in range(2):
        model: Any = series.xrdae.fit(seed=i, **FIT)
        model.save(path / f"model{i}.nc")
        series.xrdae.encode(model).to_netcdf(path / f"latents{i}.nc")
    shutil.copy(path / "model0.nc", path / "model.nc")
