"""scipp: converts `DataArray`, `Dataset` and `DataGroup` with variances, bin edges and masks."""

from __future__ import annotations

import functools
import operator
import sys
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.apply_kernel import find_std_name
from xrdae.convention.axis_kinds import UNITS, find_named_kind, is_sample_name, is_spectral_name
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl
from xrdae.provenance import ATTRIBUTE, merge_attrs, prune_provenance

_DTYPES = {"float64", "float32", "int64", "int32", "bool", "string", "datetime64"}


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert a DataArray, or the DataArray of patterns in a Dataset or DataGroup, to a Dataset.

    `scipp.compat.to_xarray` refuses bin edges and drops masks and variances.

    Parameters
    ----------
    obj
        `scipp.DataArray`, or a `scipp.Dataset` or `scipp.DataGroup`. If a group holds several
        arrays, the patterns must be named "data" or "intensity".

    Returns
    -------
    Dataset
        `intensity` with the dims of the DataArray. `intensity_errors` is the square root of the
        variances. `mask` combines all masks. Coordinates keep their units; bin edges become
        midpoints. Coordinates that xarray cannot hold (vectors, edges of a removed dimension) are
        left out. A time of flight, a wavelength or an energy stays the axis.

    Raises
    ------
    DataError
        If the data are events, if each pattern has a different axis, or if it is ambiguous which
        array holds the patterns.

    Examples
    --------
    >>> import scipp as sc
    >>> edges = sc.linspace("dspacing", 0.5, 2.0, 4, unit="angstrom")
    >>> counts = sc.ones(dims=["dspacing"], shape=[3], unit="counts", with_variances=True)
    >>> pattern = sc.DataArray(counts, coords={"dspacing": edges})
    >>> dataset = xrdae_to_dataset(pattern)
    >>> dataset["intensity_errors"].values.tolist()
    [1.0, 1.0, 1.0]
    >>> dataset["dspacing"].values.tolist()
    [0.75, 1.25, 1.75]
    """
    data = _find_data(obj)
    if data is None:
        return None
    if data.bins is not None:
        raise DataError(
            "the DataArray holds events (binned data); sum them to patterns, for example with "
            "da.hist(dspacing=1000)"
        )
    coords = {}
    for name, coord in data.coords.items():
        if set(coord.dims) <= set(data.dims) and str(coord.dtype) in _DTYPES:
            coords[name] = _to_variable(_replace_edges(data, name, coord))
    _check_axes(data, coords)
    attrs = _read_units(data.unit)
    axis = _find_axis(data, coords)
    intensity_attrs = attrs if axis is None else attrs | {AXIS_ATTRIBUTE: axis}
    variables = {"intensity": xr.Variable(data.dims, data.values, intensity_attrs)}
    if data.variances is not None:
        variables["intensity_errors"] = xr.Variable(data.dims, np.sqrt(data.variances), attrs)
    masks = [xr.Variable(mask.dims, mask.values) for mask in data.masks.values()]
    if masks:  # not as NaN: a fit skips a fully masked pattern but refuses a pattern of NaN
        variables["mask"] = functools.reduce(operator.or_, masks)
    return xr.Dataset(variables, coords)


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return a `scipp.DataGroup` with the patterns ("data") and the results.

    If the object is a DataGroup, its items are kept. Each variable of the result becomes a
    DataArray with the coordinates and bin edges of its patterns. The square of `<name>_std` becomes
    the variance of `<name>` or `<name>_estimate`.

    Examples
    --------
    >>> group = xrdae.analyze(data, model)
    >>> group["latent"].variances
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
        if std := find_std_name(result, str(name)):
            group[str(name)].variances = group[std].values ** 2
    return sc.DataGroup(group)


def _find_data(obj: Any) -> Any:
    """Return the DataArray of patterns; None for an object of another library."""
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
            f"it is ambiguous which item of the {type(obj).__name__} ({', '.join(obj)}) holds the "
            "patterns; pass this item alone, or name it 'data'"
        )
    return _find_data(obj[arrays[0]])


def _replace_edges(data: Any, name: str, coord: Any) -> Any:
    """Return a coordinate with midpoints instead of bin edges."""
    import scipp as sc

    for dim in coord.dims:
        if data.coords.is_edges(name, dim):
            coord = sc.midpoints(coord, dim)
    return coord


def _to_variable(coord: Any) -> xr.Variable:
    values = np.asarray(coord.values if coord.dims else coord.value)
    # The type of a date holds its unit; xarray cannot save dates that have an attribute `units`.
    attrs = {} if values.dtype.kind == "M" else _read_units(coord.unit)
    return xr.Variable(coord.dims, values, attrs)


def _read_units(unit: Any) -> dict[str, str]:
    """Return an attribute with the units in the spelling of the convention and of pint."""
    if unit is None:
        return {}
    spellings = {"dimensionless": "1", "deg": "degree", "rad": "radian"}
    text = str(unit)
    return {"units": spellings.get(text, text.replace("Å", "angstrom").replace("µ", "u"))}


def _check_axes(data: Any, coords: dict[str, xr.Variable]) -> None:
    """Raise an error in terms of scipp if patterns have different axes."""
    for dim in data.dims:
        coord = coords.get(dim)
        if coord is not None and coord.ndim > 1:
            raise DataError(
                f"coordinate {dim!r} has dimensions {coord.dims}: a different axis for each "
                f"pattern; convert them to one axis, for example with "
                f"sc.rebin(pattern, {dim}=edges)"
            )


def _find_axis(data: Any, coords: dict[str, xr.Variable]) -> str | None:
    """Return the dimension of the axis; None if names and edges do not tell it.

    The order of choice is: q or d, because two_theta of a detector may stand beside them; the last
    dimension with the name of a diffraction or spectral axis, such as a time of flight; the only
    dimension with bin edges.
    """
    dims = [dim for dim in data.dims if dim in coords and coords[dim].dtype.kind in "iuf"]
    reciprocal = [dim for dim in dims if find_named_kind(dim) in ("q", "d")]
    named = [dim for dim in dims if find_named_kind(dim) in UNITS or is_spectral_name(dim)]
    edges = [dim for dim in dims if data.coords.is_edges(dim, dim) and not is_sample_name(dim)]
    if len(reciprocal) > 1:  # such as Qx and Qy
        return None
    for choice in (reciprocal, named[-1:], edges):
        if len(choice) == 1:
            return str(choice[0])
    return None


def _to_data_array(array: xr.DataArray, data: Any) -> Any:
    """Return a result as a DataArray with its coordinates and the matching ones of the host."""
    import scipp as sc

    dims = [str(d) for d in array.dims]
    dtype = np.int64 if array.dtype.kind in "iu" else np.float64  # flags stay whole numbers
    result = sc.DataArray(_to_scipp(array.variable.astype(dtype)))
    for name, coord in array.coords.items():
        if name not in data.coords:
            result.coords[str(name)] = _to_scipp(coord.variable)
    for name, coord in data.coords.items():
        if set(coord.dims) <= set(dims):
            result.coords[name] = coord
    return result


def _to_scipp(variable: xr.Variable) -> Any:
    import scipp as sc

    units = variable.attrs.get("units")
    return sc.array(dims=[str(d) for d in variable.dims], values=variable.values, unit=units)
