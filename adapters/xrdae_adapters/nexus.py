"""NeXus: reads NXdata groups of h5py and nexusformat, and writes results as an NXprocess.

Results become NXdata groups (https://manual.nexusformat.org/classes/base_classes/NXdata.html) in a
new NXprocess `xrdae` of the same entry. Its default plot is `latent`. The existing content of the
file is not changed; a default plot of the file stays the default.

The user of the host chose the file and its links, and the host follows them to any folder, so the
adapter does too. Raw storage (`H5Pset_external`), virtual datasets whose sources are missing, and
links to pipes or to files that are not HDF5 are refused as in `xrdae.open_patterns`.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import convert_to_texts, find_std_name
from xrdae.errors import DataError, FormatError
from xrdae.hookspecs import hookimpl

if TYPE_CHECKING:
    from xrdae.readers.linked_objects import LinkedGroup

CreateGroup = Callable[[Any, str, str], Any]  # parent, name, NX_class


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert a group of h5py or nexusformat to a Dataset.

    Parameters
    ----------
    obj
        An NXdata, or a group whose default plot is an NXdata.

    Returns
    -------
    Dataset
        `intensity` and its labels, lazy for data in a file. An h5py file must stay open.

    Raises
    ------
    FormatError
        If the group has no NXdata with patterns, or if its numbers lie in files that must not be
        read or do not exist.

    Examples
    --------
    >>> with h5py.File("scan.nxs") as file:
    ...     dataset = xrdae.plugins.to_dataset(file["entry"]).load()
    """
    from xrdae.readers.nexus import to_dataset

    if _is_h5py(obj):
        with _find_data(obj) as data:
            return to_dataset(data)
    if not _is_nexusformat(obj):
        return None
    if obj.nxfilename is not None:
        return _read_file(obj.nxfilename, obj.nxfilepath)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.nxs"
        _copy_to_root(obj).save(str(path), "w")
        return _read_file(path, "/").load()


@contextmanager
def _find_data(group: Any) -> Iterator[LinkedGroup]:
    """Yield the NXdata that a group of h5py leads to, with linked files open."""
    from xrdae.readers.hdf5_links import LinkedFiles
    from xrdae.readers.linked_objects import LinkedGroup
    from xrdae.readers.nexus_groups import find_data

    with LinkedFiles.lend(group.file) as files:
        yield find_data(LinkedGroup.wrap(group, files))


def _read_file(path: str | Path, name: str) -> xr.Dataset:
    """Return the NXdata that a group of a file leads to."""
    from xrdae.readers.hdf5_links import LinkedFiles
    from xrdae.readers.linked_objects import LinkedGroup
    from xrdae.readers.nexus import to_dataset
    from xrdae.readers.nexus_groups import find_data

    with LinkedFiles.open(path, trusted=True) as files:
        group = LinkedGroup.wrap(files.first, files).get(name)
        if not isinstance(group, LinkedGroup):
            raise FormatError(f"{path} holds no group {name}; save the tree, or open it again")
        return to_dataset(find_data(group))


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Write results into the file (or tree) of the group and return the group.

    A result is written completely or not at all.

    Raises
    ------
    DataError
        If the file is open for reading only, or if an NXdata in memory is not in an NXentry.

    Examples
    --------
    >>> with h5py.File("scan.nxs", "r+") as file:
    ...     xrdae.analyze(file, model)
    ...     latents = file["entry/xrdae/latent/latent"][:]
    """
    if _is_h5py(obj):
        _write_process(find_h5py_entry(obj), result, _create_h5py_group)
    elif _is_nexusformat(obj):
        _write_process(_find_nexusformat_entry(obj), result, _create_nexusformat_group)
    else:
        return None
    return obj


def _is_h5py(obj: Any) -> bool:
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(obj, h5py.Group)


def _is_nexusformat(obj: Any) -> bool:
    nexus = sys.modules.get("nexusformat.nexus")
    return nexus is not None and isinstance(obj, nexus.NXgroup)


def _copy_to_root(obj: Any) -> Any:
    """Return a copy of a group in memory as a separate tree with a root."""
    from nexusformat.nexus import NXentry, NXroot

    group = copy.deepcopy(obj)
    if isinstance(group, NXroot):
        return group
    if not isinstance(group, NXentry):
        group = NXentry(group)
        group.attrs["default"] = group.entries and next(iter(group.entries))
    root = NXroot(group)
    root.attrs["default"] = next(iter(root.entries))
    return root


def find_h5py_entry(obj: Any) -> Any:
    """Return the NXentry that results of a group are written into.

    Parameters
    ----------
    obj
        Group of h5py.

    Raises
    ------
    DataError
        If the file is open for reading only, or if the NXdata is in another file without a path of
        links from this file.
    """
    if obj.file.mode == "r":
        raise DataError(
            f"{obj.file.filename} is open for reading only; open it with h5py.File(path, 'r+') to "
            "write results into it, or use plugins.to_dataset(group).xrdae"
        )
    with _find_data(obj) as data:
        group: LinkedGroup | None = data.parent
        while group is not None and group.attrs.get("NX_class") not in ("NXentry", b"NXentry"):
            group = group.parent
        path = (group or data.parent or data).path
    # Linked files are closed here, so that the host can open them for writing.
    if path is None:
        raise DataError(
            f"the NXdata of {obj.name} is in another file than {obj.file.filename}; open that file "
            "to write results into it"
        )
    return obj.file[path]


def _find_nexusformat_entry(obj: Any) -> Any:
    from nexusformat.nexus import NXentry, NXroot

    group = obj
    if isinstance(group, NXroot):
        name = group.attrs.get("default", next(iter(group.entries), None))
        group = group[name]
    while not isinstance(group, NXentry):
        if group.nxgroup is None:
            raise DataError(
                f"{obj.nxname!r} is not in an NXentry, so results cannot be written; put it into "
                "one: NXroot(NXentry(data))"
            )
        group = group.nxgroup
    if group.nxfilename is not None and group.nxfilemode == "r":
        raise DataError(
            f"{group.nxfilename} is open for reading only; open it with nxload(path, 'rw')"
        )
    return group


def _create_h5py_group(parent: Any, name: str, nx_class: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def _create_nexusformat_group(parent: Any, name: str, nx_class: str) -> Any:
    from nexusformat import nexus

    parent[name] = getattr(nexus, nx_class)()
    return parent[name]


def _write_process(entry: Any, result: xr.Dataset, create_group: CreateGroup) -> None:
    """Write a result as a new NXprocess of an entry."""
    names = ["xrdae", *(f"xrdae_{i}" for i in range(2, len(entry) + 3))]
    name = next(name for name in names if name not in entry)
    process = create_group(entry, name, "NXprocess")
    try:
        _fill_process(process, result, create_group)
    except BaseException:
        del entry[name]  # no result is better than an incomplete result
        raise
    if "default" not in entry.attrs:
        entry.attrs["default"] = name


def _fill_process(process: Any, result: xr.Dataset, create_group: CreateGroup) -> None:
    """Write all variables of a result into its NXprocess."""
    from importlib.metadata import version

    process["program"] = "xrdae"
    process["version"] = version("xrdae")
    for name, value in result.attrs.items():
        process.attrs[str(name)] = value
    deviations = {str(name): find_std_name(result, str(name)) for name in result.data_vars}
    for name, array in result.data_vars.items():
        if name not in deviations.values():
            errors = result.get(deviations[str(name)])
            _write_data(create_group(process, str(name), "NXdata"), array, errors)
    default = "latent" if "latent" in result else str(next(iter(result.data_vars)))
    process.attrs["default"] = default


def _write_data(group: Any, array: xr.DataArray, errors: xr.DataArray | None) -> None:
    """Write a variable as an NXdata with its coordinates and its standard deviation."""
    signal = str(array.name)
    _write_field(group, signal, array)
    for key, value in array.attrs.items():  # such as the flags of clusters
        if isinstance(value, str | int | float | np.ndarray):
            group[signal].attrs[str(key)] = value
    group.attrs["signal"] = signal
    if errors is not None:
        _write_field(group, f"{signal}_errors", errors.transpose(*array.dims))
    axes = [_find_axis(array, dim) for dim in array.dims]
    group.attrs["axes"] = axes
    for name, coord in array.coords.items():
        if coord.ndim <= 1:
            _write_field(group, str(name), coord)
            if coord.dims:
                group.attrs[f"{name}_indices"] = array.dims.index(coord.dims[0])


def _find_axis(array: xr.DataArray, dim: Hashable) -> str:
    """Return the coordinate to plot a dimension against; a dot if there is none."""
    for name in (dim, f"{dim}_center"):
        if name in array.coords and array.coords[name].dims == (dim,):
            return str(name)
    return "."


def _write_field(group: Any, name: str, array: xr.DataArray) -> None:
    group[name] = _convert_type(array.values)
    for key in ("units", "long_name"):
        if key in array.attrs:
            group[name].attrs[key] = str(array.attrs[key])


def _convert_type(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values with a type that HDF5 supports."""
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values)
    if values.dtype.kind in "OTU":
        return np.char.encode(convert_to_texts(values), "utf-8")
    return values
