"""Readings of bluesky: find the axis, the intensity and the labels among them.

A descriptor gives only units and shape of each reading, in `data_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import (
    OTHER,
    UNITS,
    find_axis_kind,
    find_named_kind,
    is_spectral_name,
)
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.errors import DataError

DataKeys = Mapping[str, Mapping[str, Any]]

_ERRORS = ("_errors", "_error", "_std", "_sigma")
_RECIPE = (
    "build the Dataset yourself: ds = run['primary'].read(); "
    "dim = ds['<intensity>'].dims[-1]; ds = ds.rename("
    "{'<intensity>': 'intensity', dim: 'two_theta'}).assign_coords({'two_theta': ('two_theta', "
    "ds['<axis>'].values[0], {'units': 'degree'})}), then ds.xrdae"
)


def list_readings(keys: DataKeys) -> list[str]:
    """Return the names of all readings except images: they may be patterns or labels."""
    return [name for name, key in keys.items() if sum(size != 1 for size in key["shape"]) < 2]


def to_patterns(dataset: xr.Dataset, keys: DataKeys, *, start: Mapping[str, Any]) -> xr.Dataset:
    """Return readings as patterns: the axis as a coordinate, single-valued readings as labels.

    Parameters
    ----------
    dataset
        Readings `(time, ...)`.
    keys
        The `data_keys` of the descriptors.
    start
        The start document. Its texts and numbers become attributes.

    Returns
    -------
    Dataset
        `intensity (time, <axis>)`, and `intensity_errors` if a reading holds the uncertainties. A
        diffraction axis is named `two_theta`, `q` or `d`. Another axis has the name of its reading
        without the name of the device.

    Raises
    ------
    DataError
        If the axis or the intensity is ambiguous, or if the axis differs between events.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> keys = {
    ...     "det_tth": {"units": "deg", "shape": [3], "object_name": "det"},
    ...     "det_intensity": {"units": "counts", "shape": [3], "object_name": "det"},
    ... }
    >>> readings = {
    ...     "det_tth": (("time", "dim_0"), [[10.0, 11.0, 12.0]] * 2),
    ...     "det_intensity": (("time", "dim_1"), np.ones((2, 3))),
    ... }
    >>> dict(to_patterns(xr.Dataset(readings), keys, start={}).sizes)
    {'time': 2, 'two_theta': 3}
    """
    for name in dataset.data_vars:
        if units := keys.get(str(name), {}).get("units"):
            dataset[name].attrs.setdefault("units", units)
    arrays = {
        str(name): array
        for name, array in sorted(dataset.data_vars.items())  # the server's order is arbitrary
        if array.ndim == 2 and array.dtype.kind in "iuf"
    }
    short = {n: n.removeprefix(f"{keys[n].get('object_name')}_") for n in arrays}
    axis = _find_axis(arrays, short)
    intensity = _find_intensity(arrays, axis, short)
    kind = _find_kind(short[axis], arrays[axis])
    dim = short[axis] if kind == OTHER else kind  # without the name of the device
    if dim != axis and dim in dataset.variables:  # a motor of the same name
        dataset = dataset.rename({dim: f"{dim}_reading"})
    variables = {}
    for name, array in dataset.data_vars.items():
        dims = array.dims
        if name in arrays and array.shape[-1] == arrays[axis].shape[-1]:
            dims = (dims[0], dim)
        variables[name] = xr.Variable(dims, array.data, array.attrs)
    values = _read_axis(arrays[axis])
    del variables[axis]
    variables[dim] = xr.Variable(dim, values, {"long_name": axis, **arrays[axis].attrs})
    variables[intensity].attrs[AXIS_ATTRIBUTE] = dim
    error_names = {f"{intensity}{ending}": "intensity_errors" for ending in _ERRORS}
    new = {intensity: "intensity"} | {n: v for n, v in error_names.items() if n in variables}
    attrs = {k: v for k, v in start.items() if type(v) in (str, int, float)}
    renamed = {new.get(str(n), n): v for n, v in variables.items()}
    patterns = xr.Dataset(renamed, dataset.coords, attrs)
    return patterns.set_coords([n for n, v in patterns.data_vars.items() if v.ndim == 1])


def _find_axis(arrays: Mapping[str, xr.DataArray], short: Mapping[str, str]) -> str:
    """Return the name of the axis: a diffraction axis, or else a spectral axis."""
    if not arrays:
        raise DataError("the stream holds no patterns: no reading has a value for each channel")
    candidates = [
        name for name in arrays if not name.endswith(_ERRORS) and _find_intensities(name, arrays)
    ]
    diffraction = [name for name in candidates if _find_kind(short[name], arrays[name]) != OTHER]
    named = [name for name in diffraction if find_named_kind(short[name]) in UNITS]
    spectral = [name for name in candidates if _is_spectral(short[name], arrays[name])]
    for choice in (diffraction, named, [] if diffraction else spectral):
        if len(choice) == 1:
            return choice[0]
    several = diffraction or spectral
    what = f"{several} may all be one" if several else f"none of {list(arrays)} has units of one"
    raise DataError(
        f"which reading of the stream is the axis? By name and units, {what} along which there "
        f"is an intensity; {_RECIPE}"
    )


def _find_kind(name: str, array: xr.DataArray) -> str:
    """Return the kind of axis that the name and units of a reading tell."""
    units = str(array.attrs.get("units", "")).strip()
    try:
        return find_axis_kind(name, units).kind if units else OTHER
    except DataError:
        return OTHER


def _is_spectral(name: str, array: xr.DataArray) -> bool:
    return is_spectral_name(name) and bool(str(array.attrs.get("units", "")).strip())


def _find_intensity(arrays: Mapping[str, xr.DataArray], axis: str, short: Mapping[str, str]) -> str:
    """Return the name of the intensity along an axis: the only one, or by its name or units."""
    candidates = _find_intensities(axis, arrays)
    named = [name for name in candidates if short[name].lower() in ("intensity", "i")]
    units = {name: arrays[name].attrs.get("units", "") for name in candidates}
    counts = [name for name in candidates if units[name].startswith(("count", "cts"))]
    for choice in (candidates, named, counts):
        if len(choice) == 1:
            return choice[0]
    raise DataError(
        f"which reading is the intensity along {axis!r}? {candidates} may all be it; {_RECIPE}"
    )


def _find_intensities(axis: str, arrays: Mapping[str, xr.DataArray]) -> list[str]:
    """Return the names of readings that may be intensities along an axis."""
    return [
        name
        for name, array in arrays.items()
        if name != axis
        and array.shape == arrays[axis].shape
        and _find_kind("radial", array) == OTHER
        and not name.endswith(_ERRORS)
    ]


def _read_axis(axis: xr.DataArray) -> Any:
    """Return the axis values that all events share."""
    if not axis.size:
        raise DataError("the stream holds no events yet; wait for the first event")
    values = axis[0].values
    step = np.abs(np.diff(values)).min(initial=np.inf)
    spread = float(np.abs(axis - values).max())
    if spread > 1e-3 * step:
        raise DataError(
            f"reading {axis.name!r} differs between events by up to {spread:.3g} "
            f"{axis.attrs['units']}; interpolate the patterns to one axis, for example with "
            "numpy.interp, and pass them as a Dataset"
        )
    return values
