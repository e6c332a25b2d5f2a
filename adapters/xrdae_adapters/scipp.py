"""scipp: `DataArray`, `Dataset` and `DataGroup`, with variances, bin edges, masks and units."""

from __future__ import annotations

import functools
import operator
import sys
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.apply import deviation_of
from xrdae.convention.axis_kinds import UNITS, is_sample_name, is_spectral_name, name_kind
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl
from xrdae.provenance import ATTRIBUTE, merge_attrs, prune_provenance

_DTYPES = {"float64", "float32", "int64", "int32", "bool", "string", "datetime64"}


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Turn a DataArray, or the one with the patterns in a Dataset or DataGroup, into a Dataset.

    Parameters
    ----------
    obj
        `scipp.DataArray`; `scipp.Dataset` or `scipp.DataGroup` of one, or with one that is called
        "data" or "intensity".

    Returns
    -------
    Dataset
        `intensity` (dims of the DataArray); `intensity_errors`, the square root of the variances;
        `mask`, all masks in one; coordinates with their units, bin edges as midpoints.
        Coordinates that have no place in xarray (vectors, edges of a dimension that was sliced
        away) are left out. `scipp.compat.to_xarray` refuses edges and drops masks and variances.
        A time of flight, a wavelength or an energy is an axis that is kept as it is.

    Raises
    ------
    DataError
        If the data are events, on a different axis for each pattern, or not the only ones.
    """
    data = _find_data(obj)
    if data is None:
        return None
    if data.bins is not None:
        raise DataError(
            "the DataArray holds events (binned data); make patterns of them first, for example "
            "with da.hist(dspacing=1000)"
        )
    coords = {}
    for name, coord in data.coords.items():
        if set(coord.dims) <= set(data.dims) and str(coord.dtype) in _DTYPES:
            coords[name] = _to_variable(_centers(data, name, coord))
    _check_axes(data, coords)
    attrs = _units(data.unit)
    axis = _find_axis(data, coords)
    of_intensity = attrs if axis is None else attrs | {AXIS_ATTRIBUTE: axis}
    variables = {"intensity": xr.Variable(data.dims, data.values, of_intensity)}
    if data.variances is not None:
        variables["intensity_errors"] = xr.Variable(data.dims, np.sqrt(data.variances), attrs)
    masks = [xr.Variable(mask.dims, mask.values) for mask in data.masks.values()]
    if masks:  # not NaN: a fit leaves out a pattern that is masked whole, but refuses one of NaN
        variables["mask"] = functools.reduce(operator.or_, masks)
    return xr.Dataset(variables, coords)


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return a `scipp.DataGroup` of the object ("data"; a group's own items) and the results.

    Each variable of the result is a DataArray with the coordinates, edges too, of the patterns it
    belongs to; the square of `<name>_std` is the variance of `<name>` or `<name>_estimate`.
    """
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    import scipp as sc

    data = _find_data(obj)
    attached = builtin.xrdae_attach(dataset, result)  # in the order of the host's axis
    assert attached is not None
    group = dict(obj) if isinstance(obj, sc.DataGroup) else {"data": obj}
    attrs = merge_attrs([prune_provenance(group, set(group) - set(result.data_vars)), result.attrs])
    group.pop(ATTRIBUTE, None)
    if ATTRIBUTE in attrs:
        group[ATTRIBUTE] = attrs[ATTRIBUTE]
    for name in result.data_vars:
        group[str(name)] = _to_data_array(attached[name], data)
    for name in result.data_vars:
        if std := deviation_of(result, str(name)):
            group[str(name)].variances = group[std].values ** 2
    return sc.DataGroup(group)


def _find_data(obj: Any) -> Any:
    """Return the DataArray with the patterns, None where the object is not scipp's."""
    sc = sys.modules.get("scipp")
    if sc is None:
        return None
    if isinstance(obj, sc.DataArray):
        return obj
    if not isinstance(obj, sc.Dataset | sc.DataGroup):
        return None
    for name in ("data", "intensity"):
        if name in obj:
            return _find_data(obj[name])
    arrays = [k for k, v in obj.items() if isinstance(v, sc.DataArray | sc.Dataset)]
    if len(arrays) != 1:
        raise DataError(
            f"it is not clear which item of the {type(obj).__name__} ({', '.join(obj)}) holds the "
            "patterns; give that one alone, or call it 'data'"
        )
    return _find_data(obj[arrays[0]])


def _centers(data: Any, name: str, coord: Any) -> Any:
    """Return a coordinate with midpoints in place of bin edges."""
    import scipp as sc

    for dim in coord.dims:
        if data.coords.is_edges(name, dim):
            coord = sc.midpoints(coord, dim)
    return coord


def _to_variable(coord: Any) -> xr.Variable:
    values = np.asarray(coord.values if coord.dims else coord.value)
    # The unit of a date is in its type; xarray could not save it as an attribute too.
    attrs = {} if values.dtype.kind == "M" else _units(coord.unit)
    return xr.Variable(coord.dims, values, attrs)


def _units(unit: Any) -> dict[str, str]:
    """Return units as the convention, and pint, spell them."""
    if unit is None:
        return {}
    spelled = {"dimensionless": "1", "deg": "degree", "rad": "radian"}
    text = str(unit)
    return {"units": spelled.get(text, text.replace("Å", "angstrom").replace("µ", "u"))}


def _check_axes(data: Any, coords: dict[str, xr.Variable]) -> None:
    """Refuse what the core would refuse in xarray's words."""
    for dim in data.dims:
        coord = coords.get(dim)
        if coord is not None and coord.ndim > 1:
            raise DataError(
                f"coordinate {dim!r} has dimensions {coord.dims}: a different axis for each "
                f"pattern; bring them to one, for example with sc.rebin(pattern, {dim}=edges)"
            )


def _find_axis(data: Any, coords: dict[str, xr.Variable]) -> str | None:
    """Return the dimension that is the axis; None where names and edges do not say it.

    Q and d come first: the two_theta of a detector stands beside them. Next is the last dimension
    that is of diffraction or of spectra by its name, as a time of flight is, then the only one with
    edges.
    """
    dims = [dim for dim in data.dims if dim in coords and coords[dim].dtype.kind in "iuf"]
    reciprocal = [dim for dim in dims if name_kind(dim) in ("q", "d")]
    named = [dim for dim in dims if name_kind(dim) in UNITS or is_spectral_name(dim)]
    edges = [dim for dim in dims if data.coords.is_edges(dim, dim) and not is_sample_name(dim)]
    if len(reciprocal) > 1:  # of Qx and Qy neither is the one
        return None
    for choice in (reciprocal, named[-1:], edges):
        if len(choice) == 1:
            return str(choice[0])
    return None


def _to_data_array(array: xr.DataArray, data: Any) -> Any:
    """Return a result as a DataArray with its own coordinates and the host's where they fit."""
    import scipp as sc

    dims = [str(d) for d in array.dims]
    found = sc.DataArray(_to_scipp(array.variable.astype(np.float64)))
    for name, coord in array.coords.items():
        if name not in data.coords:
            found.coords[str(name)] = _to_scipp(coord.variable)
    for name, coord in data.coords.items():
        if set(coord.dims) <= set(dims):
            found.coords[name] = coord
    return found


def _to_scipp(variable: xr.Variable) -> Any:
    import scipp as sc

    units = variable.attrs.get("units")
    return sc.array(dims=[str(d) for d in variable.dims], values=variable.values, unit=units)
