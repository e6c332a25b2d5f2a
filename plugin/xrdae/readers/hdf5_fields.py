"""Read fields of HDF5 files, with checks of announced sizes and links."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from xrdae.readers.data_file import check_loaded


def find_field(group: Any, name: str) -> Any:
    """Return a field; None if the name is missing, a group, or a broken link."""
    found = group.get(name) if name else None
    return found if getattr(found, "shape", None) is not None else None


def read_values(field: Any) -> npt.NDArray[Any]:
    """Read a field now. Refuse it if it announces far more than the file can hold."""
    check_loaded(get_loaded_size(field), get_file_size(field))
    return np.asarray(field[()])


def get_file_size(item: Any) -> int:
    """Return the size [byte] of the file that a group or field is in."""
    return int(item.file.id.get_filesize())


def get_loaded_size(field: Any) -> int:
    """Return how much memory reading a field takes: all of it, or one of its chunks."""
    return int(max(field.size, math.prod(field.chunks or ()))) * int(field.dtype.itemsize)


def read_units(field: Any) -> str:
    """Return the units of a field; pyFAI's HDF5Writer says `unit`, in LaTeX."""
    units = field.attrs.get("units", field.attrs.get("unit", ""))
    return re.sub(r"[{}\\]|\$", "", decode_text(units).replace(r"\AA", "angstrom")).strip()


def decode_text(value: Any) -> str:
    """Return the text of a field or an attribute, which may be an array of one."""
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def open_lazily(field: Any, path: Path | None) -> Any:
    """Return a field that xarray reads when it is asked for, from the file at a path if given."""
    check_loaded(math.prod(field.chunks or ()) * field.dtype.itemsize, get_file_size(field))
    return indexing.LazilyIndexedArray(FieldArray(field, path))


class FieldArray(BackendArray):
    """Field of an HDF5 file, of which xarray reads parts on demand.

    Attributes
    ----------
    shape, dtype
        Of the field.
    """

    def __init__(self, field: Any, path: Path | None) -> None:
        self.shape: tuple[int, ...] = field.shape
        self.dtype: np.dtype[Any] = field.dtype
        self._path, self._name = path, field.name
        self._field = field if path is None else None

    def __getitem__(self, key: Any) -> Any:
        """Return the part of the field that an xarray indexer names."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._get
        )

    def _get(self, key: tuple[Any, ...]) -> Any:
        import h5py

        if self._field is not None:
            return self._field[key]
        with h5py.File(self._path, "r") as file:
            return file[self._name][key]
