"""A Dataset on a tiled server that grows along `time`, a row for each event of a run.

tiled extends one array at a time. `seq_num` is extended last: a row counts once it is there, and
what lies beyond, after an interruption, is overwritten by the next row. A reader that comes while
a row is written may find arrays of different lengths, which xarray refuses; read again then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.errors import DataError
from xrdae_adapters.tiled import write_dataset

DIM, NUMBER = "time", "seq_num"
_WIDTH = 128  # characters; arrays of a server have texts of one width


class Rows:
    """Rows of a Dataset in a container, those of an earlier process among them.

    Parameters
    ----------
    container
        Client of the container in which the Dataset is, or will be.
    key
        Its key; where a Dataset of other attributes has it, `<key>_2` and so on.
    metadata
        Of its node; its attributes tell it from others.
    """

    def __init__(self, container: Any, *, key: str, metadata: Mapping[str, Any]) -> None:
        self.key = key
        self._container = container
        self._metadata = metadata
        self._connected = False
        self._written: list[int] = []
        self._waiting: dict[int, xr.Dataset] = {}
        self._arrays: dict[str, Any] = {}
        self._first: xr.Dataset | None = None

    def connect(self) -> None:
        """Find out which rows are there already; nothing is asked of the server before."""
        if self._connected:
            return
        key, number = self.key, 1
        while self.key in self._container and not self._resume(self._container[self.key]):
            number += 1
            self.key = f"{key}_{number}"
        self._waiting = {n: row for n, row in self._waiting.items() if n not in self._written}
        self._connected = True

    def __contains__(self, number: int) -> bool:
        return number in self._written or number in self._waiting

    def __len__(self) -> int:
        """Return the number of rows that wait to be written."""
        return len(self._waiting)

    def add(self, number: int, row: xr.Dataset) -> None:
        """Keep a row until `flush`.

        Parameters
        ----------
        number
            Its `seq_num`.
        row
            Dataset with a dimension `time` of size one.

        Raises
        ------
        DataError
            If its variables, their sizes, types or axes are not those of the first row.
        """
        row = row.map(_storable, keep_attrs=True).assign_coords(
            {name: _storable(array) for name, array in row.coords.items() if DIM in array.dims}
        )
        self._first = row if self._first is None else self._first
        _check_alike(row, self._first)
        self._waiting[number] = row

    def flush(self) -> None:
        """Write the rows that wait; if that fails, they go on waiting."""
        self.connect()
        if not self._waiting:
            return
        numbers = list(self._waiting)
        rows = xr.concat(
            list(self._waiting.values()), DIM, data_vars="minimal", coords="minimal",
            compat="override", join="override", combine_attrs="override",
        )  # fmt: skip
        rows = rows.assign_coords({NUMBER: (DIM, np.array(numbers))})  # the last variable
        if self._arrays:
            for name, array in rows.variables.items():
                if DIM in array.dims:
                    values = array.transpose(DIM, ...).values
                    offset = (len(self._written),)
                    self._arrays[str(name)].patch(values, offset=offset, extend=True)
        else:
            node = write_dataset(self._container, rows, key=self.key, metadata=self._metadata)
            self._arrays = dict(node.items())
        self._written += numbers
        self._waiting.clear()

    def _resume(self, node: Any) -> bool:
        """Take up a Dataset that is there; False if it is another's."""
        if dict(node.metadata.get("attrs", {})) != self._metadata["attrs"]:
            return False
        if NUMBER not in node:  # cut off while it was made
            node.delete(recursive=True, external_only=False)
            return True
        self._arrays = dict(node.items())
        self._written = self._arrays[NUMBER].read().tolist()
        self._first = xr.Dataset(
            {
                name: (array.dims, array[:1] if DIM in array.dims else array.read())
                for name, array in self._arrays.items()
            }
        )
        return True


def _check_alike(row: xr.Dataset, first: xr.Dataset) -> None:
    for name, array in row.variables.items():
        other = first.variables.get(name)
        if other is None or (other.shape, other.dtype) != (array.shape, array.dtype):
            there = other if other is None else (other.shape, str(other.dtype))
            raise DataError(
                f"{name!r} has shape and type {array.shape, str(array.dtype)}, in the first "
                f"pattern of the run {there}"
            )
        if DIM not in array.dims and not np.array_equal(array, other):
            raise DataError(f"{name!r} is not what it is in the first pattern of the run")


def _storable(array: xr.DataArray) -> xr.DataArray:
    """Return an array of a type that is the same in every row."""
    if array.dtype.kind in "OUS":
        return array.astype(f"<U{_WIDTH}")
    return array.astype(np.float64) if array.dtype.kind in "iu" else array
