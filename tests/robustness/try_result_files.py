"""Program: result files (netCDF and Zarr) that are cut off or damaged, and damaged live stores."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae
from damage import damage_bytes
from harness import Row, main, try_in_child
from live_kills import FIRST, make_rows
from make import patterns
from xrdae import describe, provenance
from xrdae.live.results import Results
from xrdae.loading.sources import open_data, write_netcdf, write_zarr

CUT, CHANGED, LIVE = (
    "result files cut off",
    "result files with changed bytes",
    "damaged live stores",
)
HERE = Path(tempfile.gettempdir()) / f"xrdae_results_{os.getpid()}"
OTHERS = ("NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA")
FORMATS = ("netCDF", "zarr 2", *OTHERS, "zarr 3")  # commands write the first two
METADATA = (
    "", "{", "null", "[]", "[" * 10**5, '{"a":' * 10**5, '{"metadata": {}}', '{"metadata": 3}'
)  # fmt: skip


def make_results() -> xr.Dataset:
    """Return a small Dataset of patterns with latents, always the same."""
    dataset = patterns()
    latent = np.stack([dataset["x"], dataset["x"] ** 2], axis=1)
    model = {"model": "0" * 64, "data": {"sizes": {"pattern": 10}}, "results": ["latent"]}
    step = model | {"step": "encode", "arguments": {}}
    attrs = {provenance.ATTRIBUTE: json.dumps({"steps": [step], "models": {}})}
    dataset = dataset.drop_vars("Ti/Fe").assign(latent=(("pattern", "axis"), latent))
    return dataset.assign_attrs(attrs)


def save_results(kind: str) -> Path:
    """Write the results to an empty folder in one of the `FORMATS`."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    path = HERE / "results"
    if kind == "netCDF":
        write_netcdf(make_results(), path)
    elif kind == "zarr 2":
        write_zarr(make_results(), path)
    elif kind == "zarr 3":
        make_results().to_zarr(path, zarr_format=3, consolidated=False)
    else:
        make_results().to_netcdf(path, format=kind, engine="netcdf4")
    return path


def read_results(path: Path, is_wrong: Callable[[xr.Dataset], bool]) -> str:
    """Return the outcome of reading results like `xrdae info`. Wrong results must be refused."""
    try:
        dataset = open_data([str(path)], lazy=False).load()
        description = describe.describe_dataset(dataset)
        json.dumps(description | provenance.read_provenance(dataset.attrs), default=str)
    except xrdae.errors.XrdaeError:
        return "refused"
    return "lost" if is_wrong(dataset) else "read"


def is_changed(dataset: xr.Dataset) -> bool:
    """Tell whether a Dataset differs from the written results."""
    return not dataset.equals(make_results())


def has_changed_numbers(dataset: xr.Dataset) -> bool:
    """Tell whether numbers differ from the written results. Zarr has no checksum for texts."""
    arrays = {n: v for n, v in make_results().variables.items() if v.dtype.kind in "fiu"}
    return any(not v.equals(dataset.variables.get(n, v)) for n, v in arrays.items())


def choose_file(path: Path, which: int) -> Path:
    """Return a file of a store, or the path if it is a file."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return files[which % len(files)] if files else path


def try_cut(case: list) -> str:
    """Open results with one file cut off."""
    kind, which, part = case
    path = save_results(kind)
    file = choose_file(path, which)
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    return read_results(path, is_changed)


def try_damage(case: list) -> str:
    """Open results with one damaged file. Only files of xrdae have a checksum."""
    kind, which, seed = case
    path = save_results(kind)
    file = choose_file(path, which)
    file.write_bytes(damage_bytes(file.read_bytes(), seed))
    checks = {"netCDF": is_changed, "zarr 2": has_changed_numbers}
    return read_results(path, checks.get(kind, lambda _: False))


def try_live_store(case: list) -> str:
    """Continue a damaged live store. Its existing arrays must not change."""
    which, damage = case
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    path = HERE / "live.zarr"
    with Results(path, {"xrdae_model": "a"}) as store:
        store.write(FIRST, {})
    file = path / ".zmetadata" if which < 0 else choose_file(path, which)
    if isinstance(damage, str):
        file.write_text(damage)
    else:
        file.write_bytes(damage_bytes(file.read_bytes(), damage))
    chunks = {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name[0] != "."}
    try:
        with Results(path, {"xrdae_model": "a"}) as opened:
            n = len(opened)
            opened.write(make_rows("99"), {})
            outcome = "read"
    except xrdae.errors.XrdaeError:
        outcome, n = "refused", 0
    if any(not p.exists() for p in chunks):
        return "lost"
    if outcome == "refused":
        return "lost" if any(p.read_bytes() != c for p, c in chunks.items()) else "refused"
    return "read" if n == FIRST.sizes["pattern"] else "lost"


def try_rows(scale: float) -> list[Row]:
    """Try each format and each file of a store, with cuts and with random damage."""
    step = max(1, round(1 / scale))
    cuts = [
        [kind, which, part]
        for kind in FORMATS
        for which in range(40 if kind.startswith("zarr") else 1)
        for part in np.linspace(0, 0.999, 5 if kind.startswith("zarr") else 40).tolist()
    ]
    n = round(1500 * scale) + 6
    changes = [[FORMATS[i % len(FORMATS)], i // len(FORMATS), i] for i in range(n)]
    stores = [[-1, text] for text in METADATA]
    stores += [[i if i % 3 else -1, i] for i in range(round(300 * scale) + 3)]
    return [
        try_in_child(Row(CUT, "input"), cuts[::step]),
        try_in_child(Row(CHANGED, "input"), changes),
        try_in_child(Row(LIVE, "input"), stores),
    ]


if __name__ == "__main__":
    main(try_rows, {CUT: try_cut, CHANGED: try_damage, LIVE: try_live_store})
