"""Program: model files that are cut off, damaged or forged (valid HDF5 with wrong content)."""

import functools
import json
import os
import resource
import tempfile
from pathlib import Path

import h5py
import numpy as np

import xrdae
from damage import damage_bytes
from harness import Row, main, try_in_child
from xrdae.autoencoder.model_file import make_groups
from xrdae.storage import checksum

FOLDER = Path(__file__).parents[1] / "autoencoder" / "models"
FILES = sorted(path.name for path in FOLDER.glob("*.nc"))
NEWEST = FILES[-1]
CUT, CHANGED, FORGED = "model files cut off", "model files with changed bytes", "forged model files"
MOST_MEMORY = 2**28  # limit for loading a file of 50 kB, including caches of libraries [B]
DTYPES = ("i1", "f2", "f4", "f8", ">f4", ">f8", "c16", "S8", "V8", "bool")
TEXTS = ("", "{", "null", "[]", '"text"', "1e999", "NaN", "[" * 100_000, '{"a":' * 100_000)


def write_file(content: bytes, add_checksum: bool = False) -> Path:
    """Write a file to a path that no other process uses."""
    path = Path(tempfile.gettempdir()) / f"xrdae_{os.getpid()}.nc"
    path.write_bytes(content)
    if add_checksum:
        checksum.close(path)
    return path


@functools.cache
def read_model(path: Path) -> str:
    """Return the content of a model as text, to compare models."""
    model = xrdae.load_model(path)
    arrays = {
        f"{group}/{name}": [str(values.dtype), values.shape, values.values.tobytes().hex()]
        for group, dataset in make_groups(model.fitted).items()
        for name, values in dataset.variables.items()
    }
    mixture = model.fitted.mixture and [
        model.mixture.weights.tolist(), model.mixture.error.tolist(), model.mixture.reach
    ]  # fmt: skip
    content = [arrays, mixture, model.config.to_json(), model.provenance, str(model.history)]
    return json.dumps(content)


def load_file(path: Path, original: Path | None) -> str:
    """Return the outcome of loading a file. Any model but the original must be refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        content = read_model.__wrapped__(path)
    except xrdae.FormatError as error:
        return "refused" if str(path) in str(error) else "lost"
    finally:
        path.unlink()
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert memory < MOST_MEMORY, f"{memory} bytes of memory"
    return "read" if original is None or content == read_model(original) else "lost"


def try_cut(case: list) -> str:
    """Load the first bytes of a file."""
    name, count = case
    return load_file(write_file((FOLDER / name).read_bytes()[:count]), FOLDER / name)


def try_damage(case: list) -> str:
    """Load a damaged file. It may load if it has no checksum or a new one."""
    name, seed, how = case
    content = (FOLDER / name).read_bytes()
    has_checksum = how == "old checksum"
    if how == "new checksum":
        content = content[: -checksum.SIZE]
    path = write_file(damage_bytes(content, seed), add_checksum=how == "new checksum")
    return load_file(path, FOLDER / name if has_checksum else None)


def try_forgery(case: list) -> str:
    """Load a forged file with a valid checksum."""
    path = write_file((FOLDER / NEWEST).read_bytes()[: -checksum.SIZE])
    kind, where, value = case
    with h5py.File(path, "r+", libver="v108") as file:
        FORGERIES[kind](file, where, value)
    checksum.close(path)
    return load_file(path, None)


def _replace_array(file: h5py.File, where: str, **options: object) -> None:
    group, _, name = where.rpartition("/")
    del file[where]
    file[group].create_dataset(name, **options)


def _change_type(file: h5py.File, where: str, dtype: str) -> None:
    _replace_array(file, where, data=np.zeros(file[where].shape, dtype))


def _change_size(file: h5py.File, where: str, size: int) -> None:
    shape = (size,) * file[where].ndim
    _replace_array(file, where, shape=shape, dtype="f4", chunks=True, compression=9)


def _change_values(file: h5py.File, where: str, value: float) -> None:
    file[where][...] = value


def _change_shape(file: h5py.File, where: str, shape: list[int]) -> None:
    _replace_array(file, where, data=np.ones(shape, "f4"))


def _make_external(file: h5py.File, where: str, path: str) -> None:
    count = file[where].size * file[where].dtype.itemsize
    shape, dtype = file[where].shape, file[where].dtype
    _replace_array(file, where, shape=shape, dtype=dtype, external=[(path, 0, count)])


def _make_link(file: h5py.File, where: str, path: str) -> None:
    del file[where]
    soft = not path.endswith(".nc")
    file[where] = h5py.SoftLink(path) if soft else h5py.ExternalLink(path, where)


def _change_attribute(file: h5py.File, where: str, value: object) -> None:
    place, _, name = where.rpartition("@")
    if isinstance(value, dict):  # JSON form of an array
        value = np.full(value["size"], value["value"], value["dtype"])
    file[place or "/"].attrs[name] = value


def _remove_item(file: h5py.File, where: str, _: None) -> None:
    place, at, name = where.rpartition("@")
    if at:
        del file[place or "/"].attrs[name]
    else:
        del file[where]


FORGERIES = {
    "type": _change_type, "size": _change_size, "values": _change_values, "shape": _change_shape,
    "external": _make_external, "link": _make_link, "attribute": _change_attribute,
    "without": _remove_item,
}  # fmt: skip


def list_forgeries() -> list[list]:
    """Return cases of `try_forgery`: kind, path of the array or attribute, value."""
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
    label_names = [
        ["latent"] * 3,
        ["x", "y", "z"],
        ["latent", 1, None],
        {"latent": 0},
        ["latent", "", "pattern"],
    ]
    cases += [["attribute", "labels@names", json.dumps(n)] for n in label_names]
    records = [{"versions": 3}, {"data": []}, {"updated_from": [1]}, {"command": {}}, 5, "no"]
    return [*cases, *(["attribute", "@provenance", json.dumps(m)] for m in records)]


def try_rows(scale: float) -> list[Row]:
    """Try a cut at every kilobyte, random damage (mostly with a checksum), and every forgery."""
    step = max(1, round(1 / scale))
    lengths = [
        [name, n]
        for name in FILES
        for n in (*range(0, (FOLDER / name).stat().st_size, 1024), *([-1, -30, -checksum.SIZE]))
        if name == NEWEST or n >= 0
    ]
    n = round(2000 * scale) + 3
    changes = [[NEWEST, i, "old checksum"] for i in range(n)]
    changes += [[NEWEST, i, "new checksum"] for i in range(n)]
    changes += [[FILES[i % 3], i, "no checksum"] for i in range(n)]
    return [
        try_in_child(Row(CUT, "input"), lengths[::step]),
        try_in_child(Row(CHANGED, "input"), changes),
        try_in_child(Row(FORGED, "input"), list_forgeries()[::step]),
    ]


if __name__ == "__main__":
    main(try_rows, {CUT: try_cut, CHANGED: try_damage, FORGED: try_forgery})
