"""Result files, netCDF and Zarr, cut off or with changed bytes; damaged stores of live results."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from damage import damaged
from harness import Row, main, try_in_child

import xrdae
from xrdae import describe, provenance
from xrdae.live.results import Results
from xrdae.loading.sources import open_data, write_netcdf, write_zarr

sys.path.append(str(Path(__file__).parents[1] / "autoencoder" / "models"))
from live_kills import FIRST
from live_kills import rows as live_rows
from make import patterns

CUT, CHANGED, LIVE = (
    "result files cut off",
    "result files with changed bytes",
    "damaged live stores",
)
HERE = Path(tempfile.gettempdir()) / f"xrdae_results_{os.getpid()}"
OTHERS = ("NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA")
FORMATS = ("netCDF", "zarr 2", *OTHERS, "zarr 3")  # the first two as commands write them
STRANGE = (
    "", "{", "null", "[]", "[" * 10**5, '{"a":' * 10**5, '{"metadata": {}}', '{"metadata": 3}'
)  # fmt: skip


def results() -> xr.Dataset:
    """Return patterns with latents, small and the same each time."""
    given = patterns()
    latent = np.stack([given["x"], given["x"] ** 2], axis=1)
    model = {"model": "0" * 64, "data": {"sizes": {"pattern": 10}}, "results": ["latent"]}
    step = model | {"step": "encode", "arguments": {}}
    attrs = {provenance.ATTRIBUTE: json.dumps({"steps": [step], "models": {}})}
    return given.drop_vars("Ti/Fe").assign(latent=(("pattern", "axis"), latent)).assign_attrs(attrs)


def saved(kind: str) -> Path:
    """Write the results anew."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    path = HERE / "results"
    if kind == "netCDF":
        write_netcdf(results(), path)
    elif kind == "zarr 2":
        write_zarr(results(), path)
    elif kind == "zarr 3":
        results().to_zarr(path, zarr_format=3, consolidated=False)
    else:
        results().to_netcdf(path, format=kind, engine="netcdf4")
    return path


def outcome(path: Path, wrong: Callable[[xr.Dataset], bool]) -> str:
    """Read results as `xrdae info` does; what is wrong must be refused."""
    try:
        dataset = open_data([str(path)], lazy=False).load()
        json.dumps(
            describe.describe_dataset(dataset) | provenance.read_provenance(dataset.attrs),
            default=str,
        )
    except xrdae.errors.XrdaeError:
        return "refused"
    return "lost" if wrong(dataset) else "read"


def differs(dataset: xr.Dataset) -> bool:
    """Tell whether anything is other than it was written."""
    return not dataset.equals(results())


def numbers_differ(dataset: xr.Dataset) -> bool:
    """Tell whether a number is other than it was written; names and texts of Zarr may be."""
    arrays = {n: v for n, v in results().variables.items() if v.dtype.kind in "fiu"}
    return any(not v.equals(dataset.variables.get(n, v)) for n, v in arrays.items())


def target(path: Path, which: int) -> Path:
    """Return a file of a store, or the file."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return files[which % len(files)] if files else path


def cut(case: list) -> str:
    """Open results of which a file ends early."""
    kind, which, part = case
    path = saved(kind)
    file = target(path, which)
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    return outcome(path, differs)


def changed(case: list) -> str:
    """Open results of which a file has changed bytes; those of others may have no checksum."""
    kind, which, seed = case
    path = saved(kind)
    file = target(path, which)
    file.write_bytes(damaged(file.read_bytes(), seed))
    wrong = {"netCDF": differs, "zarr 2": numbers_differ}
    return outcome(path, wrong.get(kind, lambda _: False))


def live(case: list) -> str:
    """Go on with a damaged live store: the arrays of what was there must stay as they are."""
    which, how = case
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    path = HERE / "live.zarr"
    with Results(path, {"xrdae_model": "a"}) as written:
        written.write(FIRST, {})
    file = path / ".zmetadata" if which < 0 else target(path, which)
    if isinstance(how, str):
        file.write_text(how)
    else:
        file.write_bytes(damaged(file.read_bytes(), how))
    chunks = {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name[0] != "."}
    try:
        with Results(path, {"xrdae_model": "a"}) as opened:
            n = len(opened)
            opened.write(live_rows("99"), {})
            ended = "read"
    except xrdae.errors.XrdaeError:
        ended, n = "refused", 0
    gone = [p for p, content in chunks.items() if not p.exists()]
    touched = [p for p, c in chunks.items() if ended == "refused" and p.read_bytes() != c]
    return "lost" if gone or touched or (ended == "read" and n != FIRST.sizes["pattern"]) else ended


def rows(scale: float) -> list[Row]:
    """Try each format, each file of a store, at parts and with bytes at random."""
    step = max(1, round(1 / scale))
    cuts = [
        [kind, which, part]
        for kind in FORMATS
        for which in range(40 if kind.startswith("zarr") else 1)
        for part in np.linspace(0, 0.999, 5 if kind.startswith("zarr") else 40).tolist()
    ]
    n = round(1500 * scale) + 6
    changes = [[FORMATS[i % len(FORMATS)], i // len(FORMATS), i] for i in range(n)]
    stores = [[-1, text] for text in STRANGE]
    stores += [[i if i % 3 else -1, i] for i in range(round(300 * scale) + 3)]
    return [
        try_in_child(Row(CUT, "input"), cuts[::step]),
        try_in_child(Row(CHANGED, "input"), changes),
        try_in_child(Row(LIVE, "input"), stores),
    ]


if __name__ == "__main__":
    main(rows, {CUT: cut, CHANGED: changed, LIVE: live})
