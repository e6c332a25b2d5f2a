"""Open netCDF files, after a check that they are complete."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xrdae.errors import FormatError
from xrdae.storage import netcdf_structure
from xrdae.storage.hdf5_foreign import check_self_contained

# The netCDF library crashes where threads meet in it, and may share its HDF5 library with h5py.
ONE_BY_ONE = threading.RLock()
MOST_BYTES = 2**29  # of a coordinate, and of what is loaded where it need not be
ALWAYS_ANNOUNCED = 2**28  # bytes of numbers that a file of any size may announce
# Most bytes of numbers for one byte of a file. Arrays in one piece have one byte for one, but some
# of them may not be written yet. Deflate packs at most 1032 bytes into one (zlib.net/zlib_tech),
# Zstandard and bzip2 some 10 000 (equal blocks of 128 kB and 900 kB), blosc and szip less.
MOST_TIMES = {"contiguous": 100, "chunked": 1_100, "packed": 100_000}
_PACKERS = ("zstd", "bzip2", "blosc", "szip")


def is_netcdf(path: Path) -> bool:
    """Tell whether a file is netCDF, or HDF5."""
    with path.open("rb") as file:
        return file.read(8).startswith((*netcdf_structure.CLASSIC, netcdf_structure.HDF5))


def open_netcdf(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a file, lazily.

    Raises
    ------
    FormatError
        If it is truncated, its heaps are damaged, or it declares a coordinate of more than 512 MB.
        If its variables announce far more numbers than the file can hold, even packed. If it has
        links, or numbers that lie in other files (`ForeignBytesError`).
    Exception
        Of any type, if it is damaged in another way.
    """
    netcdf_structure.check(path)
    with open(path, "rb") as stream:
        is_hdf5 = stream.read(len(netcdf_structure.HDF5)) == netcdf_structure.HDF5
    if is_hdf5:
        check_self_contained(path)
    store = xr.backends.NetCDF4DataStore(_open_checked(path))  # type: ignore[no-untyped-call]
    dataset = xr.open_dataset(store)
    dataset.encoding["source"] = os.path.abspath(path)
    return dataset


def _open_checked(path: str | os.PathLike[str]) -> Any:
    """Open a file, read every attribute once, and refuse a coordinate that is too large.

    The file is opened only once: the HDF5 library may crash at texts in a file that it opens a
    second time. If an attribute cannot be read, the netCDF library ends the process when it closes
    the file, so such a file stays open.
    """
    import netCDF4

    file: Any = netCDF4.Dataset.__new__(netCDF4.Dataset)
    try:
        netCDF4.Dataset.__init__(file, path)
        for part in (file, *file.variables.values()):
            for name in part.ncattrs():
                part.getncattr(name)
    except Exception:
        # A list would be emptied at exit, and netCDF4 takes `keepweakref`, by which it never closes
        # a file, only as it opens it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(file))
        raise
    for name, variable in file.variables.items():
        is_index = variable.dimensions == (name,)  # which xarray reads as it opens the file
        if is_index and variable.size * np.dtype(variable.dtype).itemsize > MOST_BYTES:
            raise FormatError(f"{name!r} declares {variable.size} positions")
    _check_announced(file, os.stat(path).st_size)
    return file


def _check_announced(file: Any, stored: int) -> None:
    """Refuse a file whose variables announce more numbers than it can hold."""
    announced = {name: _get_announced(variable) for name, variable in file.variables.items()}
    needed = sum(size / times for size, times in announced.values())
    total = sum(size for size, _ in announced.values())
    if total > ALWAYS_ANNOUNCED and needed > stored:
        largest = max(announced, key=lambda name: announced[name])
        raise FormatError(
            f"it announces {total / 2**20:.0f} MB of numbers (most in {largest!r}) but has "
            f"{stored / 2**20:.1f} MB; write it again with the measured size"
        )


def _get_announced(variable: Any) -> tuple[int, int]:
    """Return how many bytes a variable or one of its chunks has, and how much they may shrink."""
    chunks = variable.chunking()
    is_chunked = isinstance(chunks, list)
    count = max(int(variable.size), math.prod(chunks) if is_chunked else 0)
    filters = variable.filters() or {}
    packed = any(filters.get(name) for name in _PACKERS)
    layout = ("packed" if packed else "chunked") if is_chunked else "contiguous"
    # Texts of any length have a reference of 16 bytes.
    return count * (np.dtype(variable.dtype).itemsize or 16), MOST_TIMES[layout]


def load_small(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its values in memory if it is small, so that damage shows here."""
    if dataset.nbytes > MOST_BYTES:
        return dataset
    with dataset:
        return dataset.load()
