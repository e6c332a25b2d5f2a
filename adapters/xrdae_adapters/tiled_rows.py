"""A Dataset on a tiled server that grows along `time`, one row for each event of a run.

tiled extends arrays one by one. `seq_num` is extended last, and a row is complete once its
`seq_num` is written. After an interruption, the next row overwrites an incomplete row. While a row
is written, its arrays differ in length and xarray refuses to read them. Read again in that case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.errors import DataError
from xrdae_adapters.tiled import write_dataset

DIM, NUMBER = "time", "seq_num"
_WIDTH = 128  # characters; all texts of an array on a server have one width


class Rows:
    """Rows of a Dataset in a container, including the rows of an earlier process.

    Parameters
    ----------
    container
        Client of the container of the Dataset.
    key
        Key of the Dataset. If a Dataset with other attributes has this key, the key becomes
        `<key>_2`, `<key>_3` and so on.
    metadata
        Metadata of the node. Its attributes identify the Dataset.

    Examples
    --------
    >>> rows = Rows(client, key="scan_1", metadata={"attrs": {}})
    >>> rows.add(1, row)
    >>> rows.flush()
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
        """Find the rows that are already on the server. This is the first request to it."""
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
        """Return the number of rows that are not written yet."""
        return len(self._waiting)

    def add(self, number: int, row: xr.Dataset) -> None:
        """Hold a row until `flush`.

        Parameters
        ----------
        number
            `seq_num` of the row.
        row
            Dataset with a dimension `time` of size one.

        Raises
        ------
        DataError
            If the variables of the row, their sizes, types or axes differ from the first row.
        """
        row = row.assign(
            {n: _convert_type(a) for n, a in row.data_vars.items() if DIM in a.dims}
        ).assign_coords({n: _convert_type(a) for n, a in row.coords.items() if DIM in a.dims})
        self._first = row if self._first is None else self._first
        _check_same_layout(row, self._first)
        self._waiting[number] = row

    def flush(self) -> None:
        """Write all held rows. If writing fails, they are held for the next `flush`."""
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
        """Continue an existing Dataset; return False if its attributes differ."""
        if dict(node.metadata.get("attrs", {})) != self._metadata["attrs"]:
            return False
        if NUMBER not in node:  # its creation was interrupted
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


def _check_same_layout(row: xr.Dataset, first: xr.Dataset) -> None:
    for name, array in row.variables.items():
        other = first.variables.get(name)
        if other is None or (other.shape, other.dtype) != (array.shape, array.dtype):
            expected = other if other is None else (other.shape, str(other.dtype))
            raise DataError(
                f"{name!r} has shape and type {array.shape, str(array.dtype)}, in the first "
                f"pattern of the run {expected}; all patterns of a run must have one layout"
            )
        # Results of regions are those of the model. They may differ by rounding on a new computer.
        if DIM not in array.dims and name in row.coords and not np.array_equal(array, other):
            raise DataError(
                f"{name!r} differs from the first pattern of the run; all patterns of a run must "
                "have one axis"
            )


def _convert_type(array: xr.DataArray) -> xr.DataArray:
    """Return an array with a type that every row can have."""
    if array.dtype.kind in "OUS":
        return array.astype(f"<U{_WIDTH}")
    return array.astype(np.float64) if array.dtype.kind in "iu" else array
