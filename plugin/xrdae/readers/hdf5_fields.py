"""Read fields of HDF5 files, with checks of announced sizes and links.

A field is read from the file in which it lies, which may be another file than that of its group.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from xrdae.errors import FormatError
from xrdae.readers.data_file import check_loaded
from xrdae.readers.hdf5_links import DanglingLinkError, LinkedFiles
from xrdae.readers.linked_objects import LinkedField, LinkedGroup

NOT_SCALED = (1.0, 0.0)  # factor and offset


def find_item(group: LinkedGroup, path: str) -> LinkedGroup | LinkedField | None:
    """Return a group or a field; None if the path is missing, or a dangling link.

    Raises
    ------
    FormatError
        If a link must not be followed, or leads in a circle.
    """
    try:
        return group.get(path) if path else None
    except DanglingLinkError as error:
        group.files.dangling.append(str(error))
        return None


def find_field(group: LinkedGroup, path: str) -> LinkedField | None:
    """Return a field; None if the path is missing, a group, or a dangling link.

    Raises
    ------
    FormatError
        If a link must not be followed, or leads in a circle.
    """
    item = find_item(group, path)
    # The shape of a field without a value is None.
    return item if isinstance(item, LinkedField) and item.shape is not None else None


def read_values(field: LinkedField) -> npt.NDArray[Any]:
    """Read a field now. Refuse it if it announces far more than its files can hold."""
    check_loaded(get_loaded_size(field), field.check_storage())
    return np.asarray(field.read())


def apply_scaling(values: npt.NDArray[Any], scaling: tuple[float, float]) -> npt.NDArray[Any]:
    """Return values times a factor plus an offset; the same array if they are not scaled."""
    return values if scaling == NOT_SCALED else values * scaling[0] + scaling[1]


def get_loaded_size(field: LinkedField) -> int:
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


def open_lazily(field: LinkedField, scaling: tuple[float, float] = NOT_SCALED) -> Any:
    """Return a field, times a factor plus an offset, that xarray reads when it is asked for."""
    check_loaded(math.prod(field.chunks or ()) * field.dtype.itemsize, field.check_storage())
    return indexing.LazilyIndexedArray(FieldArray(field, scaling))


class FieldArray(BackendArray):
    """Field of an HDF5 file, of which xarray reads parts on demand.

    The file in which the field lies is opened for each part. A field in the open file of a host is
    read through this file.

    Attributes
    ----------
    shape, dtype
        Of the field; float64 if it is scaled.
    """

    def __init__(self, field: LinkedField, scaling: tuple[float, float] = NOT_SCALED) -> None:
        self.shape: tuple[int, ...] = field.shape
        is_scaled = scaling != NOT_SCALED
        self.dtype: np.dtype[Any] = np.dtype(np.float64) if is_scaled else field.dtype
        self._scaling = scaling
        self._path, self._name = str(field.file.filename), str(field.name)
        self._rules = field.files.rules
        self._native = field.native if field.files.is_lent(field.native) else None

    def __getitem__(self, key: Any) -> Any:
        """Return the part of the field that an xarray indexer names."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._get
        )

    def _get(self, key: tuple[Any, ...]) -> Any:
        return apply_scaling(self._read(key), self._scaling)

    def _read(self, key: tuple[Any, ...]) -> Any:
        if self._native is not None:
            with LinkedFiles.lend(self._native.file) as files:
                return LinkedField(self._native, files).read(key)
        with LinkedFiles.open(self._path, self._rules) as files:
            field = LinkedGroup.wrap(files.first, files).get(self._name)
            if not isinstance(field, LinkedField):
                raise FormatError(
                    f"{self._path} does not hold {self._name} any more; open the data again"
                )
            return field.read(key)
