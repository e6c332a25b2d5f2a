"""netCDF files opened, after it was seen that they are whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from xrdae import integrity
from xrdae.errors import FormatError

MOST_BYTES = 2**29  # of a coordinate, and of what is read at once
MOST_UNPACKED = 64  # times the file, beyond that


def starts_as_netcdf(path: Path) -> bool:
    """Tell whether a file is netCDF, or HDF5."""
    with path.open("rb") as file:
        return file.read(8).startswith((*integrity.CLASSIC, integrity.HDF5))


def opened(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a file, lazily.

    Raises
    ------
    FormatError
        If it is cut off, its heaps are damaged, or it declares a coordinate of more than 512 MB.
    Exception
        Of any kind, if it is damaged in other ways.
    """
    import netCDF4

    integrity.check(path)
    with netCDF4.Dataset(path) as file:
        for name, variable in file.variables.items():
            is_index = variable.dimensions == (name,)  # which xarray reads as it opens the file
            if is_index and variable.size * np.dtype(variable.dtype).itemsize > MOST_BYTES:
                raise FormatError(f"{name!r} declares {variable.size} positions")
    return xr.open_dataset(path, engine="netcdf4")


def loaded(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its values, where these are few; then what is damaged shows here."""
    return dataset.load() if dataset.nbytes <= MOST_BYTES else dataset
