"""netCDF by the package's own convention, of xarray and of other programs."""

from __future__ import annotations

import io

import xarray as xr

from xrdae.errors import FormatError
from xrdae.readers.datafile import HDF5, DataFile

CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")


def is_mine(file: DataFile) -> bool:
    """Tell whether a file is netCDF: classic, or HDF5 that the netCDF library wrote."""
    if not file.content.startswith(HDF5):
        return file.content.startswith(CLASSIC)
    try:
        import h5py
    except ImportError:
        return True  # NeXus cannot be read then
    try:
        with h5py.File(file.path, "r") as root:
            return "_NCProperties" in root.attrs
    except (OSError, RuntimeError):
        return False


def read(file: DataFile) -> xr.Dataset:
    """Return the dataset in the file's root."""
    # Of a classic file that is cut off, netCDF's own library reads zeros without a word.
    classic = file.content.startswith(CLASSIC[:2])
    source = io.BytesIO(file.content) if classic else file.path
    try:
        with xr.open_dataset(source, engine="scipy" if classic else "netcdf4") as dataset:
            found: xr.Dataset = dataset.load()
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"its netCDF content cannot be read: {error}") from error
    if not found.data_vars:
        raise FormatError("its root holds no variable, only groups (a model of xrdae?)")
    return found
