"""Program: HDF5 files whose links, virtual datasets and raw storage lead anywhere.

A case is read with the numbers of the linked file, or refused. Other numbers count as lost: zeros
of a source that is missing, numbers of the master file, bytes of a file outside of the folder.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

import xrdae
from damage import damage_file
from harness import Row, main, try_in_child
from xrdae import plugins
from xrdae.live.isolated_reading import IsolatedReader
from xrdae.loading.sources import open_data
from xrdae.readers.read_options import ReadOptions

LINKS = "links, virtual datasets and raw storage in HDF5"
DAMAGED = "HDF5 masters and linked files changed"
HERE = Path(tempfile.gettempdir()) / f"xrdae_links_{os.getpid()}"
SHAPES = {"I": (3, 4), "q": (4,), "temperature": (3,), "I_errors": (3, 4)}
UNITS = "1/angstrom"
KINDS = ("external", "soft to external", "virtual", "virtual of a link", "raw", "circle", "group")
TARGETS = {
    "beside": "d.h5",
    "below": "sub/d.h5",
    "absolute": "{run}/d.h5",
    "outside": "../outside/d.h5",
    "outside absolute": "{outside}/d.h5",
    "symbolic link": "shortcut.h5",
    "missing": "gone.h5",
    "pipe": "pipe.h5",
    "folder": "sub",
    "text": "text.h5",
    "cut off": "cut.h5",
    "short": "short.h5",
    "device": "/dev/zero",
    "circle of files": "circle.h5",
    "itself": "m.h5",
}
WAYS = ("open_patterns", "command", "watch", "host", "trusted")
_reader: list[IsolatedReader] = []


def make_numbers(name: str, shift: float = 0.0) -> Any:
    """Return the numbers of a field; a shift gives the numbers that must not be read."""
    shape = SHAPES[name]
    return np.arange(float(np.prod(shape))).reshape(shape) + 10 + shift


def write_files() -> Path:
    """Write all files that a master may link to; return the new folder of the master."""
    shutil.rmtree(HERE, ignore_errors=True)
    run, outside = HERE / "run", HERE / "outside"
    (run / "sub").mkdir(parents=True)
    outside.mkdir()
    for path in (run / "d.h5", run / "sub/d.h5", outside / "d.h5", run / "short.h5"):
        with h5py.File(path, "w") as file:
            for name in SHAPES:
                values = make_numbers(name, 1000 if path.parent == outside else 0)
                file[f"entry/data/{name}"] = values[:1] if path.name == "short.h5" else values
            file["entry/data/q"].attrs["units"] = UNITS
    (run / "shortcut.h5").symlink_to(outside / "d.h5")
    os.mkfifo(run / "pipe.h5")
    (run / "text.h5").write_text("1 2 3\n")
    (run / "cut.h5").write_bytes((run / "d.h5").read_bytes()[:900])
    with h5py.File(run / "circle.h5", "w") as file:
        for name in SHAPES:
            file[f"entry/data/{name}"] = h5py.ExternalLink("m.h5", f"/entry/master/{name}")
    return run


def write_master(run: Path, kind: str, role: str, target: str) -> Path:
    """Write a master file, of which one field lies elsewhere."""
    name = TARGETS[target].format(run=run, outside=HERE / "outside")
    inner = f"/entry/data/{role}"
    with h5py.File(run / "m.h5", "w") as file:
        file.attrs["default"] = "entry/master"
        group = file.create_group("entry/master")
        group.attrs.update(NX_class="NXdata", signal="I", axes=["temperature", "q"])
        for field in SHAPES:
            file[f"entry/data/{field}"] = make_numbers(field, 2000)  # not these, in place of others
            if field != role:
                group[field] = make_numbers(field)
        link = h5py.ExternalLink(name, inner)
        if kind == "external":
            group[role] = link
        elif kind == "soft to external":
            file["aside"] = link
            group[role] = h5py.SoftLink("/aside")
        elif kind == "circle":
            group[role], file["aside"] = h5py.SoftLink("/aside"), h5py.SoftLink(group.name + "/I")
            file["entry/back"] = h5py.ExternalLink(name, "/")
        elif kind == "group":
            file.attrs["default"] = "aside"
            file["aside"] = h5py.ExternalLink(name, "/entry/master")
            group[role] = make_numbers(role)
        elif kind == "raw":
            group.create_dataset(role, SHAPES[role], "f8", external=[(name, 0, 96)])
        else:
            if kind == "virtual of a link":
                with h5py.File(run / "between.h5", "w") as between:
                    between["aside"] = link
                name, inner = "between.h5", "aside"
            layout = h5py.VirtualLayout(SHAPES[role], "f8")
            layout[:] = h5py.VirtualSource(name, inner, shape=SHAPES[role])
            group.create_virtual_dataset(role, layout)
        for field in ("entry/data/q", "entry/master/q"):
            if isinstance(file.get(field, getlink=True), h5py.HardLink):
                file[field].attrs["units"] = UNITS
    return run / "m.h5"


def read_master(path: Path, way: str) -> xr.Dataset:
    """Return what a way of opening gives, in memory."""
    if way == "host":
        with h5py.File(path) as file:
            return plugins.to_dataset(file).load()
    if way == "command":
        return open_data([str(path)]).load()
    if way == "watch":
        if not _reader:
            _reader.append(IsolatedReader(ReadOptions()))
        scans = _reader[0].read(path)
        values = {
            "I": np.stack([scan.intensity for scan in scans]), "q": scans[0].positions,
            "temperature": np.array([scan.metadata["temperature"] for scan in scans]),
        }  # fmt: skip
        return xr.Dataset({"intensity": (("temperature", "q"), values["I"])}, {
            name: (name, values[name]) for name in ("q", "temperature")})  # fmt: skip
    return xrdae.open_patterns(path, trust_links=way == "trusted").load()


def is_right(found: xr.Dataset, *, may_be_outside: bool, may_be_master: bool) -> bool:
    """Tell whether all numbers are those of the linked file, which is the only right answer."""
    shifts = [0.0] + [1000.0] * may_be_outside + [2000.0] * may_be_master
    names = {
        "intensity": "I",
        "q": "q",
        "temperature": "temperature",
        "intensity_errors": "I_errors",
    }
    return all(
        name not in found.variables
        or any(np.array_equal(found[name], make_numbers(field, shift)) for shift in shifts)
        for name, field in names.items()
    )


def try_link(case: list[str]) -> str:
    """Read a master file with a link of a kind to a target."""
    kind, role, target, way = case
    path = write_master(write_files(), kind, role, target)
    try:
        found = read_master(path, way)
    except (xrdae.FormatError, xrdae.DataError):
        return "refused"
    trusted = way in ("trusted", "host")
    is_outside = target in ("outside", "outside absolute", "symbolic link")
    right = is_right(found, may_be_outside=trusted and is_outside, may_be_master=target == "itself")
    return "read" if right else "lost"


def try_damage(case: list[Any]) -> str:
    """Read a master file where it or its linked file is damaged, as watched."""
    seed, kind, which = case
    path = write_master(write_files(), kind, "I", "beside")
    damaged = path.with_name(which)
    damaged.write_bytes(damage_file(damaged.read_bytes(), seed))
    try:
        read_master(path, "watch")
    except (xrdae.FormatError, xrdae.DataError, OSError):
        return "refused"
    return "read"


def try_rows(scale: float) -> list[Row]:
    """Try every kind, role, target and way; then damaged files."""
    cases = [list(case) for case in itertools.product(KINDS, SHAPES, TARGETS, WAYS)]
    step = max(1, round(1 / scale / 3))
    if step % 5 == 0:  # so that no way of opening is left out
        step += 1
    choices = list(itertools.product(("external", "virtual"), ("m.h5", "d.h5")))
    seeds = range(max(8, int(500 * scale)))
    damaged = [[seed, *choices[seed % len(choices)]] for seed in seeds]
    return [
        try_in_child(Row(LINKS, "input"), cases[::step], patience=60),
        try_in_child(Row(DAMAGED, "input"), damaged, patience=90),
    ]


TRIALS: dict[str, Callable[[Any], str]] = {LINKS: try_link, DAMAGED: try_damage}

if __name__ == "__main__":
    main(try_rows, TRIALS)
