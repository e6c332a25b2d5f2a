"""SpectroChemPy: an NDDataset of patterns in, a copy of it with latents and relevance out.

Facts of the host: spectra run along x; units are pint's, names are titles; `Coord.data` is rounded
for display while `Coord.magnitude` is not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.apply import texts
from xrdae.convention.axis_kinds import UNITS, find_axis_kind, is_spectral_name, name_kind
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.convention.units import convert_to_angstrom
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

_UNTITLED = "<untitled>"


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Turn an NDDataset into a Dataset; masked values become NaN.

    Returns
    -------
    xarray.Dataset
        `intensity`, in the units of the NDDataset. A dimension is called by the title of its
        (default) coordinate, `y`, `x` ... where it has none; all coordinates and text labels
        come along. The axis is x, whatever its units (Raman, IR, NMR, XPS ...), unless another
        dimension is of diffraction by its title and units, and x is not titled as an axis. Numbers
        and texts in `meta` become attributes, `meta.wavelength` (a number [angstrom], or a
        quantity) a coordinate.

    Raises
    ------
    DataError
        If the data are complex, or the axis is of diffraction by its title and has no units.
    """
    if not is_nddataset(obj):
        return None
    names = dim_names(obj)
    values = np.asarray(obj.data)
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"the NDDataset is of type {values.dtype}; real numbers are needed, for example nd.real"
        )
    coords: dict[str, xr.Variable] = {}
    for dim, name in names.items():
        for i, coord in enumerate(_coords(obj, dim)):
            title = _title(coord) if i else name
            if i and (not title or title in coords or title in names.values()):
                title = f"{name}_{i}"
            coords |= _variables(coord, name, title)
    if np.any(obj.mask):
        values = np.where(obj.mask, np.nan, values)
    axis = names[_find_axis(obj)]
    attrs = {"units": _units(obj), "long_name": _title(obj), AXIS_ATTRIBUTE: axis}
    variable = (list(names.values()), values, {k: v for k, v in attrs.items() if v})
    meta = {k: v for k, v in obj.meta.items() if isinstance(v, str | int | float)}
    dataset = xr.Dataset({"intensity": variable}, coords, meta)
    wavelength = obj.meta.get("wavelength")
    if wavelength is None or "wavelength" in dataset.variables:  # which may be the axis
        return dataset
    if not hasattr(wavelength, "units"):
        return dataset.assign_coords(wavelength=((), float(wavelength)))
    value, units = float(wavelength.magnitude), f"{wavelength.units:C}"
    length = convert_to_angstrom(value, units)  # an energy of photons too
    if length is not None:
        value, units = length, "angstrom"
    return dataset.assign_coords(wavelength=((), value, {"units": units}))


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return a copy of an NDDataset with a result; this one stays as it is.

    Returns
    -------
    spectrochempy.NDDataset
        The same data and coordinates; the result is in `meta["xrdae"]`, which files keep, and is
        `xarray.Dataset.from_dict(nd.meta["xrdae"])`. The next result is added to it. Slicing
        does not slice it. (Not further coordinates: SpectroChemPy 1.1 mixes up the order of four
        and more on one dimension, and with it which one is the default.)
    """
    if not is_nddataset(obj):
        return None
    out = obj.copy()
    out.meta["xrdae"] = _added(obj, result).to_dict(data="array")
    return out


def is_nddataset(obj: Any) -> bool:
    """Tell whether an object is an NDDataset, without importing SpectroChemPy."""
    module = sys.modules.get("spectrochempy.core.dataset.nddataset")
    return module is not None and isinstance(obj, module.NDDataset)


def dim_names(nd: Any) -> dict[str, str]:
    """Return the name in the Dataset of each dimension of an NDDataset, in order."""
    coords = {str(dim): _coords(nd, str(dim)) for dim in nd.dims}
    names = {dim: (own and _title(own[0])) or dim for dim, own in coords.items()}
    return names if len(set(names.values())) == len(names) else {dim: dim for dim in names}


def host_coords(nd: Any) -> dict[str, list[Any]]:
    """Return the coordinates of each dimension by its name in the Dataset, the default first."""
    return {name: _coords(nd, dim) for dim, name in dim_names(nd).items()}


def to_nddataset(array: xr.DataArray, coords: Mapping[str, list[Any]]) -> Any:
    """Return a result as an NDDataset.

    Parameters
    ----------
    array
        The result.
    coords
        Coordinates of each dimension, the default first; where there are none, the array's own.
    """
    from spectrochempy import NDDataset

    found = []
    for dim in map(str, array.dims):
        own = coords.get(dim) or [new_coord(array[dim], dim)]
        found.append(_coordset(own))
    return NDDataset(
        array.values,
        coordset=found,
        units=_host_units(array),
        title=array.attrs.get("long_name", str(array.name)),
        name=str(array.name),
    )


def _added(nd: Any, result: xr.Dataset) -> Any:
    """Return a result with those attached before, unless the data were sliced since."""
    stored = xr.Dataset.from_dict(nd.meta.get("xrdae") or {})
    sizes = dict(zip(dim_names(nd).values(), nd.shape, strict=True))
    if not stored or any(stored.sizes.get(dim, n) != n for dim, n in sizes.items()):
        return result
    shared = set(result.indexes) & set(stored.indexes) & set(sizes)
    if any(not result.indexes[dim].equals(stored.indexes[dim]) for dim in shared):
        return result
    return builtin.xrdae_attach(stored, result)


def new_coord(array: xr.DataArray, title: str) -> Any:
    """Return a one-dimensional array as a Coord: numbers as they are, anything else as labels."""
    from spectrochempy import Coord

    if array.dtype.kind not in "biuf":
        return Coord(labels=texts(array.values), title=title)
    exact = {"rounding": False, "sigdigits": 12, "linearize_below": 0.0}
    return Coord(array.values, title=title, units=_host_units(array), **exact)


def _host_units(array: xr.DataArray) -> str | None:
    units = array.attrs.get("units", "1")
    return None if units == "1" else str(units)


def _coordset(coords: list[Any]) -> Any:
    """Return coordinates of one dimension, the first the default one."""
    from spectrochempy import CoordSet

    return CoordSet(*coords[::-1]) if len(coords) > 1 else coords[0]


def _coords(nd: Any, dim: str) -> list[Any]:
    """Return the coordinates of a dimension, the default one first."""
    from spectrochempy import CoordSet

    found = nd.coord(dim)
    if found is None or found.is_empty:
        return []
    every = [found]
    if isinstance(found, CoordSet):
        every = list(found.coords)
        every.insert(0, every.pop(found.default_index))
    return [coord.copy() for coord in every]


def _title(obj: Any) -> str:
    return "" if obj.title == _UNTITLED else str(obj.title)


def _units(obj: Any) -> str:
    return "" if obj.units is None else f"{obj.units:C}".replace("dimensionless", "1")


def _find_axis(nd: Any) -> str:
    """Return the dimension of an NDDataset that is the axis."""
    dims = [str(dim) for dim in nd.dims]
    axis = "x" if "x" in dims else dims[-1]
    titles = {dim: _title(coords[0]) for dim in dims if (coords := _coords(nd, dim))}
    own = titles.get(axis, "")
    if name_kind(own) in UNITS or is_spectral_name(own):
        return axis
    others = [dim for dim in dims if dim != axis and _is_diffraction(_coords(nd, dim))]
    return others[0] if len(others) == 1 else axis


def _is_diffraction(coords: list[Any]) -> bool:
    """Tell whether title and units of a dimension's coordinate are those of a diffraction axis."""
    if not coords or not coords[0].has_data or not _units(coords[0]):
        return False
    try:
        title, units = _title(coords[0]), _units(coords[0])
        return find_axis_kind(title, units, values=coords[0].magnitude).is_named
    except DataError:
        return False


def _variables(coord: Any, dim: str, name: str) -> dict[str, xr.Variable]:
    """Return a Coord as a variable of its values, and one of its labels where it has any."""
    found = {}
    if coord.has_data:
        attrs = {"units": _units(coord), "long_name": _title(coord)}
        attrs = {k: v for k, v in attrs.items() if v}
        # `magnitude`, not `data`: that is rounded for display.
        found[name] = xr.Variable(dim, coord.magnitude, attrs)
    if coord.is_labeled and coord.labels.ndim == 1:
        found[f"{name}_labels" if found else name] = xr.Variable(dim, coord.labels.astype(str))
    return found
