"""Model files: cut off, with changed bytes, of content that is whole but wrong."""

import functools
import json
import os
import resource
import tempfile
from pathlib import Path

import h5py
import numpy as np
from damage import damaged
from harness import Row, main, try_in_child

import xrdae
from xrdae.autoencoder.model_file import make_groups
from xrdae.storage import checksum

FOLDER = Path(__file__).parents[1] / "autoencoder" / "models"
FILES = sorted(path.name for path in FOLDER.glob("*.nc"))
NEWEST = FILES[-1]
CUT, CHANGED, FORGED = "model files cut off", "model files with changed bytes", "forged model files"
MOST_MEMORY = 2**28  # a file of 50 kB may take, with what libraries keep [B]
DTYPES = ("i1", "f2", "f4", "f8", ">f4", ">f8", "c16", "S8", "V8", "bool")
TEXTS = ("", "{", "null", "[]", '"text"', "1e999", "NaN", "[" * 100_000, '{"a":' * 100_000)


def written(content: bytes, resealed: bool = False) -> Path:
    """Write a file where only this process does."""
    path = Path(tempfile.gettempdir()) / f"xrdae_{os.getpid()}.nc"
    path.write_bytes(content)
    if resealed:
        checksum.close(path)
    return path


@functools.cache
def parts(path: Path) -> str:
    """Return all of a model, to compare."""
    model = xrdae.load_model(path)
    arrays = {
        f"{group}/{name}": [str(values.dtype), values.shape, values.values.tobytes().hex()]
        for group, dataset in make_groups(model.fitted).items()
        for name, values in dataset.variables.items()
    }
    mixture = model.fitted.mixture and [
        model.mixture.weights.tolist(), model.mixture.error.tolist(), model.mixture.reach
    ]  # fmt: skip
    kept = [arrays, mixture, model.config.to_json(), model.provenance, str(model.history)]
    return json.dumps(kept)


def outcome(path: Path, original: Path | None) -> str:
    """Load a file: what is not the original model must be refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        found = parts.__wrapped__(path)
    except xrdae.FormatError as error:
        return "refused" if str(path) in str(error) else "lost"
    finally:
        path.unlink()
        took = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert took < MOST_MEMORY, f"{took} bytes of memory"
    return "read" if original is None or found == parts(original) else "lost"


def cut(case: list) -> str:
    """Load the first bytes of a file."""
    name, count = case
    return outcome(written((FOLDER / name).read_bytes()[:count]), FOLDER / name)


def changed(case: list) -> str:
    """Load a file with changed bytes; without its seal, or with a new one, it may load."""
    name, seed, how = case
    content = (FOLDER / name).read_bytes()
    sealed = how == "sealed"
    if how == "resealed":
        content = content[: -checksum.SIZE]
    return outcome(
        written(damaged(content, seed), how == "resealed"), FOLDER / name if sealed else None
    )


def forged(case: list) -> str:
    """Load a file that somebody made, with a seal that fits."""
    path = written((FOLDER / NEWEST).read_bytes()[: -checksum.SIZE])
    kind, where, value = case
    with h5py.File(path, "r+", libver="v108") as file:
        FORGERIES[kind](file, where, value)
    checksum.close(path)
    return outcome(path, None)


def _array(file: h5py.File, where: str, **how: object) -> None:
    group, _, name = where.rpartition("/")
    del file[where]
    file[group].create_dataset(name, **how)


def _of_type(file: h5py.File, where: str, dtype: str) -> None:
    _array(file, where, data=np.zeros(file[where].shape, dtype))


def _of_size(file: h5py.File, where: str, size: int) -> None:
    _array(file, where, shape=(size,) * file[where].ndim, dtype="f4", chunks=True, compression=9)


def _values(file: h5py.File, where: str, value: float) -> None:
    file[where][...] = value


def _shape(file: h5py.File, where: str, shape: list[int]) -> None:
    _array(file, where, data=np.ones(shape, "f4"))


def _external(file: h5py.File, where: str, path: str) -> None:
    count = file[where].size * file[where].dtype.itemsize
    shape, dtype = file[where].shape, file[where].dtype
    _array(file, where, shape=shape, dtype=dtype, external=[(path, 0, count)])


def _link(file: h5py.File, where: str, path: str) -> None:
    del file[where]
    soft = not path.endswith(".nc")
    file[where] = h5py.SoftLink(path) if soft else h5py.ExternalLink(path, where)


def _attribute(file: h5py.File, where: str, value: object) -> None:
    place, _, name = where.rpartition("@")
    if isinstance(value, dict):  # of a type: a size
        value = np.full(value["size"], value["value"], value["dtype"])
    file[place or "/"].attrs[name] = value


def _without(file: h5py.File, where: str, _: None) -> None:
    place, at, name = where.rpartition("@")
    if at:
        del file[place or "/"].attrs[name]
    else:
        del file[where]


FORGERIES = {
    "type": _of_type, "size": _of_size, "values": _values, "shape": _shape,
    "external": _external, "link": _link, "attribute": _attribute, "without": _without,
}  # fmt: skip


def forgeries() -> list[list]:
    """Return cases for `forged`."""
    arrays, attrs = [], ["@config", "@provenance", "@format", "@format_version"]
    with h5py.File(FOLDER / NEWEST) as file:
        for group in file.values():
            if isinstance(group, h5py.Group):
                arrays += [v.name[1:] for v in group.values() if "CLASS" not in v.attrs]
                attrs += [f"{group.name[1:]}@{name}" for name in group.attrs]
                attrs += [f"{v.name[1:]}@units" for v in group.values() if "units" in v.attrs]
        floats = [where for where in arrays if file[where].dtype.kind == "f"]
    arrays += ["history/step"]
    cases = [["without", where, None] for where in (*arrays, *attrs)]
    cases += [["type", where, dtype] for where in arrays for dtype in DTYPES]
    cases += [["size", where, size] for where in arrays for size in (0, 10**4, 10**12)]
    cases += [["values", where, v] for where in floats for v in (np.nan, np.inf, -1, 0, 1e30)]
    cases += [["shape", where, s] for where in arrays for s in ([], [0], [3], [2, 2], [1] * 32)]
    cases += [["external", where, path] for where in arrays for path in ("/etc/passwd", "gone")]
    links = ("/", "loop", "/basis", str(FOLDER / FILES[0]))
    cases += [["link", where, path] for where in arrays for path in links]
    numbers = (0, -1, 10**15, 1.5, 1e300, float("nan"), "1", "x" * 60_000, [1, 2])
    many = {"size": 2**22, "value": 1, "dtype": "i1"}
    cases += [["attribute", where, v] for where in attrs for v in (*numbers, many, *TEXTS)]
    settings = [
        {"n_latent": 10**9}, {"points": 10**12}, {"members": 2**31}, {"hidden": [10**9]},
        {"background": 5}, {"background": "no_such"}, {"background_options": []},
        {"background": "arpls", "background_options": {"max_iter": 10**12, "tol": -1}},
        {"scale": None}, {"device": 3}, {"variable": {}}, {"unknown": 1}, {"rank": True},
        {"seed": "0"}, {"learning_rate": float("nan")}, {"learning_rate": float("inf")},
    ]  # fmt: skip
    cases += [["attribute", "@config", json.dumps(s)] for s in settings]
    names = [
        ["latent"] * 3,
        ["x", "y", "z"],
        ["latent", 1, None],
        {"latent": 0},
        ["latent", "", "pattern"],
    ]
    cases += [["attribute", "labels@names", json.dumps(n)] for n in names]
    made = [{"versions": 3}, {"data": []}, {"updated_from": [1]}, {"command": {}}, 5, "no"]
    return [*cases, *(["attribute", "@provenance", json.dumps(m)] for m in made)]


def rows(scale: float) -> list[Row]:
    """Try every kilobyte; bytes at random, more often under a seal that fits; every forgery."""
    step = max(1, round(1 / scale))
    lengths = [
        [name, n]
        for name in FILES
        for n in (*range(0, (FOLDER / name).stat().st_size, 1024), *([-1, -30, -checksum.SIZE]))
        if name == NEWEST or n >= 0
    ]
    n = round(2000 * scale) + 3
    changes = [[NEWEST, i, "sealed"] for i in range(n)]
    changes += [[NEWEST, i, "resealed"] for i in range(n)]
    changes += [[FILES[i % 3], i, "without a seal"] for i in range(n)]
    return [
        try_in_child(Row(CUT, "input"), lengths[::step]),
        try_in_child(Row(CHANGED, "input"), changes),
        try_in_child(Row(FORGED, "input"), forgeries()[::step]),
    ]


if __name__ == "__main__":
    main(rows, {CUT: cut, CHANGED: changed, FORGED: forged})
