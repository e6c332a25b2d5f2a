"""NeXus: NXdata groups of h5py and nexusformat in; an NXprocess group with the results beside them.

Results become NXdata groups (https://manual.nexusformat.org/classes/base_classes/NXdata.html) in a
new NXprocess `xrdae` of the same entry; its default plot is `latent`. What the file held stays as
it was, its default plot too, if it has one.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply import deviation_of, texts
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

NewGroup = Callable[[Any, str, str], Any]  # parent, name, NX_class


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Take a group of h5py or nexusformat: an NXdata, or a group whose default plot leads to one.

    Data in a file stay lazy; an h5py file has to stay open.
    """
    from xrdae.readers.nexus import find_data, to_dataset

    if _is_h5py(obj):
        return to_dataset(find_data(obj))
    if not _is_nexusformat(obj):
        return None
    import h5py

    if obj.nxfilename is not None:
        with h5py.File(obj.nxfilename, "r") as file:
            return to_dataset(find_data(file[obj.nxfilepath]), path=Path(obj.nxfilename))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.nxs"
        _as_root(obj).save(str(path), "w")
        with h5py.File(path, "r") as file:
            return to_dataset(find_data(file), path=path).load()


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Write results into the file (or tree) of the group and return the group.

    Raises
    ------
    DataError
        If the file is open for reading only, or a NXdata in memory has no entry to write into.
        Nothing of a result stays that cannot be written whole.
    """
    if _is_h5py(obj):
        _write(entry_of_h5py(obj), result, _new_h5py_group)
    elif _is_nexusformat(obj):
        _write(_entry_of_nexusformat(obj), result, _new_nexusformat_group)
    else:
        return None
    return obj


def _is_h5py(obj: Any) -> bool:
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(obj, h5py.Group)


def _is_nexusformat(obj: Any) -> bool:
    nexus = sys.modules.get("nexusformat.nexus")
    return nexus is not None and isinstance(obj, nexus.NXgroup)


def _as_root(obj: Any) -> Any:
    """Return a copy of a group in memory as a tree of its own."""
    from nexusformat.nexus import NXentry, NXroot

    whole = copy.deepcopy(obj)
    if isinstance(whole, NXroot):
        return whole
    if not isinstance(whole, NXentry):
        whole = NXentry(whole)
        whole.attrs["default"] = whole.entries and next(iter(whole.entries))
    root = NXroot(whole)
    root.attrs["default"] = next(iter(root.entries))
    return root


def entry_of_h5py(obj: Any) -> Any:
    """Return the entry of a group of h5py, into which results go.

    Raises
    ------
    DataError
        If the file is open for reading only.
    """
    from xrdae.readers.nexus import find_data

    if obj.file.mode == "r":
        raise DataError(
            f"{obj.file.filename} is open for reading only; open it with h5py.File(path, 'r+') to "
            "have results written into it, or use plugins.to_dataset(group).xrdae"
        )
    data = find_data(obj)
    at = data
    while at.name != "/":
        at = at.parent
        if at.attrs.get("NX_class") in ("NXentry", b"NXentry"):
            return at
    return data.parent


def _entry_of_nexusformat(obj: Any) -> Any:
    from nexusformat.nexus import NXentry, NXroot

    at = obj
    if isinstance(at, NXroot):
        name = at.attrs.get("default", next(iter(at.entries), None))
        at = at[name]
    while not isinstance(at, NXentry):
        if at.nxgroup is None:
            raise DataError(
                f"{obj.nxname!r} belongs to no NXentry that results could be written into; put it "
                "into one: NXroot(NXentry(data))"
            )
        at = at.nxgroup
    if at.nxfilename is not None and at.nxfilemode == "r":
        raise DataError(
            f"{at.nxfilename} is open for reading only; open it with nxload(path, 'rw')"
        )
    return at


def _new_h5py_group(parent: Any, name: str, nx_class: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def _new_nexusformat_group(parent: Any, name: str, nx_class: str) -> Any:
    from nexusformat import nexus

    parent[name] = getattr(nexus, nx_class)()
    return parent[name]


def _write(entry: Any, result: xr.Dataset, new_group: NewGroup) -> None:
    """Write a result as an NXprocess of an entry, beside those that are there."""
    names = ["xrdae", *(f"xrdae_{i}" for i in range(2, len(entry) + 3))]
    name = next(name for name in names if name not in entry)
    process = new_group(entry, name, "NXprocess")
    try:
        _fill(process, result, new_group)
    except BaseException:
        del entry[name]  # rather none than half of it
        raise
    if "default" not in entry.attrs:
        entry.attrs["default"] = name


def _fill(process: Any, result: xr.Dataset, new_group: NewGroup) -> None:
    """Write all of a result into its NXprocess."""
    from importlib.metadata import version

    process["program"] = "xrdae"
    process["version"] = version("xrdae")
    for name, value in result.attrs.items():
        process.attrs[str(name)] = value
    deviations = {str(name): deviation_of(result, str(name)) for name in result.data_vars}
    for name, array in result.data_vars.items():
        if name not in deviations.values():
            errors = result.get(deviations[str(name)])
            _write_data(new_group(process, str(name), "NXdata"), array, errors)
    default = "latent" if "latent" in result else str(next(iter(result.data_vars)))
    process.attrs["default"] = default


def _write_data(group: Any, array: xr.DataArray, errors: xr.DataArray | None) -> None:
    """Write one variable as an NXdata with its coordinates and its standard deviation."""
    signal = str(array.name)
    _write_field(group, signal, array)
    group.attrs["signal"] = signal
    if errors is not None:
        _write_field(group, f"{signal}_errors", errors.transpose(*array.dims))
    axes = [_axis_of(array, dim) for dim in array.dims]
    group.attrs["axes"] = axes
    for name, coord in array.coords.items():
        if coord.ndim <= 1:
            _write_field(group, str(name), coord)
            if coord.dims:
                group.attrs[f"{name}_indices"] = array.dims.index(coord.dims[0])


def _axis_of(array: xr.DataArray, dim: Hashable) -> str:
    """Return the coordinate to plot a dimension against; a dot where there is none."""
    for name in (dim, f"{dim}_center"):
        if name in array.coords and array.coords[name].dims == (dim,):
            return str(name)
    return "."


def _write_field(group: Any, name: str, array: xr.DataArray) -> None:
    group[name] = _plain(array.values)
    for key in ("units", "long_name"):
        if key in array.attrs:
            group[name].attrs[key] = str(array.attrs[key])


def _plain(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values of a type that HDF5 has."""
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values)
    if values.dtype.kind in "OTU":
        return np.char.encode(texts(values), "utf-8")
    return values
