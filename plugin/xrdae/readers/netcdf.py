"""netCDF by the package's own convention, of xarray and of other programs."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile, check_loaded
from xrdae.readers.hdf5_fields import find_field
from xrdae.readers.hdf5_links import LinkedFiles
from xrdae.readers.linked_objects import LinkedGroup
from xrdae.storage.netcdf import ONE_BY_ONE, open_netcdf
from xrdae.storage.netcdf_structure import CLASSIC, HDF5


def is_mine(file: DataFile) -> bool:
    """Tell whether a file is netCDF: classic, or HDF5 that the netCDF library wrote."""
    if not file.content.startswith(HDF5):
        return file.content.startswith(CLASSIC)
    try:
        import h5py  # noqa: F401
    except ImportError:
        return True  # NeXus cannot be read then
    try:
        with ONE_BY_ONE, LinkedFiles.open(file.path) as files:
            return _is_of_netcdf(LinkedGroup.wrap(files.first, files))
    except (FormatError, OSError, RuntimeError, KeyError, ValueError, TypeError):
        return False


def _is_of_netcdf(root: LinkedGroup) -> bool:
    """Tell whether the netCDF library wrote a file; with that of others it breaks its memory.

    So it does where its mark is no text of fixed length, and in 16-bit floats, which h5netcdf can
    write.
    """
    mark = root.attrs.get("_NCProperties")
    fields = (find_field(root, name) for name in root)
    return isinstance(mark, bytes) and not any(
        field is not None and field.dtype == np.float16 for field in fields
    )


def read_scans(file: DataFile) -> xr.Dataset:
    """Return the dataset in the file's root.

    Raises
    ------
    FormatError
        If it is damaged, announces more than it can hold, or has no variable.
    """
    try:
        with ONE_BY_ONE, open_netcdf(file.path) as dataset:
            check_loaded(sum(map(_get_size, dataset.variables.values())), file.path.stat().st_size)
            found: xr.Dataset = dataset.load()
    except FormatError:
        raise
    except Exception as error:  # the libraries raise of every kind
        raise FormatError(f"its netCDF content cannot be read: {error}") from error
    if not found.data_vars:
        raise FormatError("its root holds no variable, only groups (a model of xrdae?)")
    return found


def _get_size(variable: xr.Variable) -> int:
    """Return how much memory reading a variable takes: all of it, or one of its chunks."""
    chunk = variable.encoding.get("chunksizes") or ()
    return int(max(variable.nbytes, math.prod(chunk) * variable.dtype.itemsize))
