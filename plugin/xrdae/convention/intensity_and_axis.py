"""Find the variable that holds the intensity, and the dimension that is its axis."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.axis_kinds import (
    OTHER,
    UNITS,
    AxisKind,
    describe_assumption,
    find_axis_kind,
    find_named_kind,
    is_sample_name,
    is_spectral_name,
)
from xrdae.convention.names import AXIS_ATTRIBUTE, RESULTS
from xrdae.errors import DataError, warn

MARKS = (-9999.0, -99999.0)  # intensities that many programs write where nothing was measured
_SET_UNITS = (
    "set ds.{name}.attrs['units'] = 'degree' (two_theta), '1/angstrom' (q), 'angstrom' (d) or "
    "the units of another quantity. Pass dim='{name}' if it has no units"
)
_INTENSITY = ("intensity", "intensity_1d", "i1d")  # the last two of xrd_tools and easyXRD
_COMPANIONS = ("_errors", "_error", "_std")


def choose_intensity(
    dataset: xr.Dataset, variable: str | None, dim: str | None
) -> tuple[xr.DataArray, Hashable]:
    """Return the intensity and the dimension that is its axis.

    Parameters
    ----------
    dataset, variable, dim
        See `convention.patterns.find_patterns`.

    Raises
    ------
    DataError
        If there is no candidate for one of them, more than one, or one that cannot be used.
    """
    array = dataset[_find_variable(dataset, variable, dim)]
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"intensity variable {array.name!r} is of type {array.dtype}; real numbers are needed, "
            f"for example ds[{array.name!r}].astype(float)"
        )
    for name in array.dims:
        along = array.coords.variables[name].dims if name in array.coords else (name,)
        if along != (name,):
            raise DataError(
                f"coordinate {name!r} lies along {list(along)}, but is called as another dimension "
                f"of {array.name!r}; rename one of them"
            )
    return array, _find_dim(array, dim)


def read_positions(coord: xr.Variable) -> npt.NDArray[np.float64]:
    """Return the values of an axis `(channel,)` in its own units."""
    with np.errstate(invalid="ignore"):  # of a signaling NaN in a damaged file
        return np.asarray(coord.values, dtype=np.float64)


def describe_axis(array: xr.DataArray, dim: Hashable) -> tuple[xr.DataArray, AxisKind, str]:
    """Return the array with a coordinate along its axis, and kind and units of the axis.

    An axis without a coordinate is numbered by its channels.
    """
    array = _add_channel_coordinate(array, dim)
    kind = _find_kind(array, dim) or AxisKind(OTHER, 1.0, False)
    if kind.is_assumed:
        warn(describe_assumption(dim))
    return array, kind, _read_axis_units(array, dim) or "1"


def _find_variable(dataset: xr.Dataset, variable: str | None, dim: str | None) -> Hashable:
    """Return the name of the intensity: the given name, or that of the only candidate.

    Raises
    ------
    DataError
        If there is no candidate, or more than one.
    """
    names = list(dataset.data_vars)
    if variable is not None:
        if variable in dataset.variables:
            return variable
        raise DataError(f"there is no variable {variable!r}; the dataset has {names}")
    for name in _INTENSITY:
        if name in dataset.data_vars:
            return name
    candidates = [
        name
        for name, array in dataset.data_vars.items()
        if array.dtype.kind in "iuf" and array.dims and not str(name).endswith(_COMPANIONS)
    ]
    if dim is not None:
        with_axis = [name for name in candidates if dim in dataset[name].dims]
    else:
        ranks = {name: _rank_variable(dataset[name]) for name in candidates}
        best = min(ranks.values(), default=None)
        with_axis = [name for name in candidates if ranks[name] == best is not None and best < 3]
    with_axis = [name for name in with_axis if name not in RESULTS] or with_axis
    if len(with_axis) == 1:
        return with_axis[0]
    if with_axis:
        raise DataError(f"variables {with_axis} may all be the intensity; choose by variable=...")
    raise DataError(
        f"no intensity: none of the variables {names} has an axis of patterns; name one "
        "'intensity' or pass variable=..., and " + _SET_UNITS.format(name="<axis>")
    )


def _find_dim(array: xr.DataArray, dim: str | None) -> Hashable:
    """Return the dimension that is the axis: the given one, or the one with such name and units.

    Raises
    ------
    DataError
        If there is no candidate, more than one, or the axis has no units or no numbers.
    """
    if dim is None and array.attrs.get(AXIS_ATTRIBUTE) in array.dims:
        dim = array.attrs[AXIS_ATTRIBUTE]
    if dim is not None:
        if dim not in array.dims:
            raise DataError(f"dim={dim!r} is no dimension; {array.name!r} has {list(array.dims)}")
        if dim in array.coords and array.coords.variables[dim].dtype.kind not in "iuf":
            raise DataError(
                f"dim={dim!r} has a coordinate of type {array[dim].dtype}, no numbers; an axis is "
                f"of numbers with units: ds.assign_coords({dim}=({dim!r}, positions, "
                "{'units': ...}))"
            )
        return (
            _check_units(array, dim)
            if find_named_kind(dim) in UNITS and dim in array.coords
            else dim
        )
    ranks = {d: _rank_dim(array, d) for d in array.dims}
    best = min(ranks.values(), default=3)
    candidates = [d for d in array.dims if ranks[d] == best]
    if best == 3:
        raise _make_missing_axis_error(array)
    if best == 0 and len(candidates) == 1:  # S(Q, E): an energy with more points is as likely
        size = array.sizes[candidates[0]]
        candidates += [d for d in array.dims if ranks[d] == 1 and array.sizes[d] > size]
    if best == 2:  # a time or a temperature may be the axis or a label
        size = array.sizes[candidates[0]]
        candidates += [d for d in array.dims if ranks[d] == 3 and _may_be_channels(array, d, size)]
    if len(candidates) > 1:
        listed = ", ".join(f"{d!r} [{_describe_units(array, d)}]" for d in candidates)
        raise DataError(f"{listed} may all be the axis of {array.name!r}; choose by dim=...")
    return _check_units(array, candidates[0])


def _find_kind(array: xr.DataArray, dim: Hashable) -> AxisKind | None:
    """Return the kind of a dimension's coordinate; None if it has no units."""
    if dim not in array.coords or array.coords.variables[dim].dtype.kind not in "iuf":
        return None
    coord, units = array.coords.variables[dim], _read_axis_units(array, dim)
    if not units:
        return None
    values = read_positions(coord)
    long_name = str(coord.attrs.get("long_name", ""))
    return find_axis_kind(dim, units, long_name=long_name, values=values)


def _read_axis_units(array: xr.DataArray, dim: Hashable) -> str:
    """Return the units of an axis; easyXRD keeps them on the data as `radial_unit`."""
    attrs = array.coords.variables[dim].attrs
    return str(attrs.get("units", array.attrs.get("radial_unit", ""))).strip()


def _rank_variable(array: xr.DataArray) -> int:
    """Return how well the best dimension of an array may be an axis: 0 best, 3 not at all."""
    return min((_rank_dim(array, d) for d in array.dims), default=3)


def _rank_dim(array: xr.DataArray, dim: Hashable) -> int:
    """Return how likely a dimension is the axis: 0 most, 3 not at all.

    0 is a diffraction axis by its name, 1 one by its units alone or a spectral axis, 2 a
    coordinate with other units, such as a time or a temperature.
    """
    if dim not in array.coords or array.coords.variables[dim].dtype.kind not in "iuf":
        return 3
    if find_named_kind(dim) in UNITS:
        return 0
    if not _read_axis_units(array, dim):
        return 3
    kind = _find_kind(array, dim)
    if kind is None or kind.is_named:
        return 0
    if kind.kind != OTHER or is_spectral_name(dim):
        return 1
    return 3 if is_sample_name(dim) else 2


def _may_be_channels(array: xr.DataArray, dim: Hashable, size: int) -> bool:
    """Tell whether a dimension without units may be the channels, next to one of a given size."""
    if is_sample_name(dim) and find_named_kind(dim) is not None:
        return False
    if dim in array.coords and array.coords.variables[dim].dtype.kind not in "iuf":
        return False
    return array.sizes[dim] > size or is_spectral_name(dim) or find_named_kind(dim) is None


def _describe_units(array: xr.DataArray, dim: Hashable) -> str:
    return (_read_axis_units(array, dim) or "no units") if dim in array.coords else "no coordinate"


def _make_missing_axis_error(array: xr.DataArray) -> DataError:
    numeric = [d for d in array.dims if d in array.coords and array[d].dtype.kind in "iuf"]
    for d in numeric[::-1]:
        if not _read_axis_units(array, d):
            return DataError(f"axis {d!r} has no units; {_SET_UNITS.format(name=d)}")
    if numeric:
        listed = ", ".join(f"{d!r} [{_read_axis_units(array, d)}]" for d in numeric)
        return DataError(
            f"no axis: of the dimensions of {array.name!r}, {listed} may be one, but neither names "
            f"nor units say so; choose by dim=..., for example dim={str(numeric[-1])!r}"
        )
    return DataError(
        f"no axis: none of the dimensions {list(array.dims)} of {array.name!r} has a coordinate "
        "that can be one; add one, for example ds.assign_coords(two_theta=('two_theta', values, "
        "{'units': 'degree'})), or choose a dimension by dim=..."
    )


def _check_units(array: xr.DataArray, dim: Hashable) -> Hashable:
    if not _read_axis_units(array, dim):
        how = _SET_UNITS.format(name=dim)
        if find_named_kind(dim) in UNITS:
            how = f"set ds.{dim}.attrs['units'] = {UNITS[str(find_named_kind(dim))]!r}"
        raise DataError(f"axis {dim!r} has no units; {how}")
    return dim


def _add_channel_coordinate(array: xr.DataArray, dim: Hashable) -> xr.DataArray:
    """Return the array with a coordinate along its axis; if it has none, number the channels."""
    if dim in array.coords:
        return array
    attrs = {"units": "1", "long_name": "channel"}
    return array.assign_coords({dim: xr.Variable(dim, np.arange(array.sizes[dim]), attrs)})
