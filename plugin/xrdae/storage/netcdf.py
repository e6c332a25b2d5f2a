"""Open netCDF files, after a check that they are complete."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xrdae.errors import FormatError
from xrdae.storage import netcdf_structure

# The netCDF library crashes where threads meet in it, and may share its HDF5 library with h5py.
ONE_BY_ONE = threading.RLock()
MOST_BYTES = 2**29  # of a coordinate, and of what is loaded where it need not be


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
    Exception
        Of any type, if it is damaged in another way.
    """
    netcdf_structure.check(path)
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
    return file


def load_small(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its values in memory if it is small, so that damage shows here."""
    if dataset.nbytes > MOST_BYTES:
        return dataset
    with dataset:
        return dataset.load()
