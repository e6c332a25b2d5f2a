"""netCDF by the package's own convention, of xarray and of other programs."""

from __future__ import annotations

import xarray as xr

from xrdae.errors import FormatError
from xrdae.integrity import CLASSIC, HDF5
from xrdae.netcdf import MOST_BYTES, MOST_UNPACKED, opened
from xrdae.readers.datafile import DataFile


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
    most = max(MOST_BYTES, MOST_UNPACKED * file.path.stat().st_size)
    try:
        with opened(file.path) as dataset:
            if dataset.nbytes > most:
                raise FormatError(f"it declares {dataset.nbytes / 2**20:.0f} MB")
            found: xr.Dataset = dataset.load()
    except FormatError:
        raise
    except Exception as error:  # the libraries raise of every kind
        raise FormatError(f"its netCDF content cannot be read: {error}") from error
    if not found.data_vars:
        raise FormatError("its root holds no variable, only groups (a model of xrdae?)")
    return found
