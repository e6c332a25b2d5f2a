"""Readings of bluesky: which is the diffraction axis, which the intensity, which are labels.

Descriptors say of each reading its units and shape, and nothing else: `data_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.axis_kinds import UNITS, find_axis_kind, name_kind
from xrdae.errors import DataError

DataKeys = Mapping[str, Mapping[str, Any]]

_ERRORS = ("_errors", "_error", "_std", "_sigma")
_RECIPE = (
    "say it yourself: ds = run['primary'].read(); dim = ds['<intensity>'].dims[-1]; ds = ds.rename("
    "{'<intensity>': 'intensity'}).assign_coords({dim: (dim, ds['<axis>'].values[0], "
    "{'units': 'degree'})}), then ds.xrdae"
)


def names_of_readings(keys: DataKeys) -> list[str]:
    """Return the readings that may be patterns or labels: all but images."""
    return [name for name, key in keys.items() if sum(size != 1 for size in key["shape"]) < 2]


def to_patterns(dataset: xr.Dataset, keys: DataKeys, *, start: Mapping[str, Any]) -> xr.Dataset:
    """Return readings as patterns: the axis as a coordinate, readings of one value as labels.

    Parameters
    ----------
    dataset
        Readings `(time, ...)`.
    keys
        The `data_keys` of their descriptors.
    start
        The start document; its texts and numbers become attributes.

    Returns
    -------
    Dataset
        `intensity (time, <axis>)` and, where there is such a reading, `intensity_errors`.

    Raises
    ------
    DataError
        If it is not clear which reading is the axis and which the intensity, or if the axis is not
        the same for all events.
    """
    for name in dataset.data_vars:
        if units := keys.get(str(name), {}).get("units"):
            dataset[name].attrs.setdefault("units", units)
    arrays = {
        str(name): array
        for name, array in sorted(dataset.data_vars.items())  # the server's order is a chance one
        if array.ndim == 2 and array.dtype.kind in "iuf"
    }
    short = {n: n.removeprefix(f"{keys[n].get('object_name')}_") for n in arrays}
    axis = _find_axis(arrays, short)
    intensity = _find_intensity(arrays, axis, short)
    found = {}
    for name, array in dataset.data_vars.items():
        dims = array.dims
        if name in arrays and array.shape[-1] == arrays[axis].shape[-1]:
            dims = (dims[0], axis)
        found[name] = xr.Variable(dims, array.data, array.attrs)
    values = _axis_values(arrays[axis])
    found[axis] = xr.Variable(axis, values, arrays[axis].attrs)
    names_of_errors = {f"{intensity}{ending}": "intensity_errors" for ending in _ERRORS}
    new = {intensity: "intensity"} | {n: v for n, v in names_of_errors.items() if n in found}
    attrs = {k: v for k, v in start.items() if type(v) in (str, int, float)}
    patterns = xr.Dataset({new.get(str(n), n): v for n, v in found.items()}, dataset.coords, attrs)
    return patterns.set_coords([n for n, v in patterns.data_vars.items() if v.ndim == 1])


def _find_axis(arrays: Mapping[str, xr.DataArray], short: Mapping[str, str]) -> str:
    """Return the reading whose units are those of a diffraction axis, by name among several."""
    if not arrays:
        raise DataError("the stream holds no patterns: no reading has a value for each channel")
    found = [
        name
        for name, array in arrays.items()
        if _is_diffraction(short[name], array)
        and not name.endswith(_ERRORS)
        and _along(name, arrays)
    ]
    named = [name for name in found if name_kind(short[name]) in UNITS]
    for choice in (found, named):
        if len(choice) == 1:
            return choice[0]
    what = f"{found} may all be one" if found else f"none of {list(arrays)} has units of one"
    raise DataError(
        f"which reading of the stream is the diffraction axis? By units, {what} along which there "
        f"is an intensity; {_RECIPE}"
    )


def _is_diffraction(name: str, array: xr.DataArray) -> bool:
    """Tell whether the units of a reading, with its name, are those of a diffraction axis."""
    units = str(array.attrs.get("units", ""))
    try:
        return bool(units) and find_axis_kind(name, units).kind in UNITS
    except DataError:
        return False


def _find_intensity(arrays: Mapping[str, xr.DataArray], axis: str, short: Mapping[str, str]) -> str:
    """Return the reading along the axis, by its name or its units among several."""
    found = _along(axis, arrays)
    named = [name for name in found if short[name].lower() in ("intensity", "i")]
    counted = [n for n in found if arrays[n].attrs.get("units", "").startswith(("count", "cts"))]
    for choice in (found, named, counted):
        if len(choice) == 1:
            return choice[0]
    raise DataError(
        f"which reading is the intensity along {axis!r}? {found} may all be it; {_RECIPE}"
    )


def _along(axis: str, arrays: Mapping[str, xr.DataArray]) -> list[str]:
    """Return the readings that may be intensities along an axis."""
    return [
        name
        for name, array in arrays.items()
        if array.shape == arrays[axis].shape
        and not _is_diffraction("", array)
        and not name.endswith(_ERRORS)
    ]


def _axis_values(axis: xr.DataArray) -> Any:
    """Return the values that all events share."""
    if not axis.size:
        raise DataError("the stream holds no events yet")
    values = axis[0].values
    step = np.abs(np.diff(values)).min(initial=np.inf)
    spread = float(np.abs(axis - values).max())
    if spread > 1e-3 * step:
        raise DataError(
            f"reading {axis.name!r} differs between events by up to {spread:.3g} "
            f"{axis.attrs['units']}; bring the patterns to one axis, for example with "
            "numpy.interp, and give a Dataset of them"
        )
    return values
