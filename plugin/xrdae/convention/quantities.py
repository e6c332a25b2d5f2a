"""Datasets whose arrays carry pint's units: the same with units as attributes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr


def strip_quantities(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with plain arrays, and the units of pint's quantities as attributes.

    Lazy arrays stay lazy. A dataset without quantities is returned as it is.
    """
    plain: dict[Hashable, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        data: Any = getattr(variable, "_data", None)  # `data` would read a lazy file
        block: Any = getattr(data, "_meta", None)  # an example of dask's blocks
        if _is_quantity(data):
            plain[name] = _attach_units(variable, data.magnitude, data.units)
        elif _is_quantity(block) and name not in dataset.xindexes:
            blocks = data.map_blocks(_take_magnitude, meta=block.magnitude)
            plain[name] = _attach_units(variable, blocks, block.units)
        elif name in dataset.xindexes:  # pint-xarray keeps units on the index
            index = dataset.xindexes[name]
            units = getattr(index, "units", None)
            if isinstance(units, Mapping) and units.get(name) is not None:
                values = np.asarray(getattr(index, "index", index).to_pandas_index())
                plain[name] = _attach_units(variable, values, units[name])
    if not plain:
        return dataset
    indexes = [name for name in plain if name in dataset.xindexes]
    bare = dataset.drop_indexes(indexes) if indexes else dataset
    coords = {name: variable for name, variable in plain.items() if name in dataset.coords}
    others = {name: variable for name, variable in plain.items() if name not in coords}
    return bare.assign_coords(coords).assign(others)


def _is_quantity(data: Any) -> bool:
    return hasattr(data, "magnitude") and hasattr(data, "units")


def _take_magnitude(block: Any) -> Any:
    return block.magnitude if _is_quantity(block) else block


def _attach_units(variable: xr.Variable, values: Any, units: Any) -> xr.Variable:
    text = str(units)
    attrs = {**variable.attrs, "units": "1" if text == "dimensionless" else text}
    return xr.Variable(variable.dims, values, attrs)
