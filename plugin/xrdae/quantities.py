"""Datasets whose arrays carry pint's units: the same with units as attributes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import xarray as xr


def strip_quantities(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with plain arrays, and the units of pint's quantities as attributes.

    Lazy arrays stay lazy. A dataset without quantities is returned as it is.
    """
    # `Variable.data` would read what a file still holds.
    held = {name: getattr(v, "_data", None) for name, v in dataset.variables.items()}
    found = {name: data for name, data in held.items() if _is_quantity(data)}
    if not found:
        return dataset
    indexes = [name for name in found if name in dataset.xindexes]
    plain = dataset.drop_indexes(indexes) if indexes else dataset
    coords = {n: _plain(dataset, n, data) for n, data in found.items() if n in dataset.coords}
    others = {n: _plain(dataset, n, data) for n, data in found.items() if n not in dataset.coords}
    return plain.assign_coords(coords).assign(others)


def _is_quantity(data: Any) -> bool:
    return hasattr(data, "magnitude") and hasattr(data, "units")


def _plain(dataset: xr.Dataset, name: Hashable, data: Any) -> xr.Variable:
    variable = dataset.variables[name]
    units = str(data.units)
    attrs = {**variable.attrs, "units": "1" if units == "dimensionless" else units}
    return xr.Variable(variable.dims, data.magnitude, attrs)
