"""Readings of bluesky: which is the axis, which the intensity, which are labels.

Descriptors say of each reading its units and shape, and nothing else: `data_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import OTHER, UNITS, find_axis_kind, is_spectral_name, name_kind
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.errors import DataError

DataKeys = Mapping[str, Mapping[str, Any]]

_ERRORS = ("_errors", "_error", "_std", "_sigma")
_RECIPE = (
    "say it yourself: ds = run['primary'].read(); dim = ds['<intensity>'].dims[-1]; ds = ds.rename("
    "{'<intensity>': 'intensity', dim: 'two_theta'}).assign_coords({'two_theta': ('two_theta', "
    "ds['<axis>'].values[0], {'units': 'degree'})}), then ds.xrdae"
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
        `intensity (time, <axis>)` and, where there is such a reading, `intensity_errors`. The axis
        is called `two_theta`, `q` or `d` where its reading is one, else by the reading's name
        without that of its device.

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
    kind = _kind_of(short[axis], arrays[axis])
    dim = short[axis] if kind == OTHER else kind  # without the name of the device
    if dim != axis and dim in dataset.variables:  # a motor of the same name
        dataset = dataset.rename({dim: f"{dim}_reading"})
    found = {}
    for name, array in dataset.data_vars.items():
        dims = array.dims
        if name in arrays and array.shape[-1] == arrays[axis].shape[-1]:
            dims = (dims[0], dim)
        found[name] = xr.Variable(dims, array.data, array.attrs)
    values = _axis_values(arrays[axis])
    del found[axis]
    found[dim] = xr.Variable(dim, values, {"long_name": axis, **arrays[axis].attrs})
    found[intensity].attrs[AXIS_ATTRIBUTE] = dim
    names_of_errors = {f"{intensity}{ending}": "intensity_errors" for ending in _ERRORS}
    new = {intensity: "intensity"} | {n: v for n, v in names_of_errors.items() if n in found}
    attrs = {k: v for k, v in start.items() if type(v) in (str, int, float)}
    patterns = xr.Dataset({new.get(str(n), n): v for n, v in found.items()}, dataset.coords, attrs)
    return patterns.set_coords([n for n, v in patterns.data_vars.items() if v.ndim == 1])


def _find_axis(arrays: Mapping[str, xr.DataArray], short: Mapping[str, str]) -> str:
    """Return the reading that is the axis: one of diffraction, or else of spectra (an energy)."""
    if not arrays:
        raise DataError("the stream holds no patterns: no reading has a value for each channel")
    may_be = [name for name in arrays if not name.endswith(_ERRORS) and _along(name, arrays)]
    found = [name for name in may_be if _kind_of(short[name], arrays[name]) != OTHER]
    named = [name for name in found if name_kind(short[name]) in UNITS]
    spectral = [name for name in may_be if _is_spectral(short[name], arrays[name])]
    for choice in (found, named, [] if found else spectral):
        if len(choice) == 1:
            return choice[0]
    several = found or spectral
    what = f"{several} may all be one" if several else f"none of {list(arrays)} has units of one"
    raise DataError(
        f"which reading of the stream is the axis? By name and units, {what} along which there "
        f"is an intensity; {_RECIPE}"
    )


def _kind_of(name: str, array: xr.DataArray) -> str:
    """Return the kind of axis that a reading is by its name and units."""
    units = str(array.attrs.get("units", "")).strip()
    try:
        return find_axis_kind(name, units).kind if units else OTHER
    except DataError:
        return OTHER


def _is_spectral(name: str, array: xr.DataArray) -> bool:
    return is_spectral_name(name) and bool(str(array.attrs.get("units", "")).strip())


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
        if name != axis
        and array.shape == arrays[axis].shape
        and _kind_of("radial", array) == OTHER
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
