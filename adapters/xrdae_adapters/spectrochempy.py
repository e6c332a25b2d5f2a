"""SpectroChemPy: converts an NDDataset of patterns, and returns a copy with the results.

In SpectroChemPy, spectra lie along x. Units are units of pint, and titles serve as names.
`Coord.data` is rounded for display; `Coord.magnitude` is not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.apply_kernel import convert_to_texts
from xrdae.convention.axis_kinds import UNITS, find_axis_kind, find_named_kind, is_spectral_name
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.convention.units import convert_to_angstrom
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

_UNTITLED = "<untitled>"


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert an NDDataset to a Dataset. Masked values become NaN.

    Parameters
    ----------
    obj
        `spectrochempy.NDDataset` with real data.

    Returns
    -------
    xarray.Dataset
        `intensity` in the units of the NDDataset, with all coordinates and text labels. A dimension
        is named by the title of its default coordinate, or `y`, `x` without a title. The axis is x
        in any units (Raman, IR, NMR, XPS). Another dimension is the axis only if its title and
        units are those of a diffraction axis and the title of x is not. Numbers and texts in `meta`
        become attributes. `meta.wavelength`, a number [angstrom] or a quantity, becomes a
        coordinate.

    Raises
    ------
    DataError
        If the data are complex, or if a diffraction axis has no units.

    Examples
    --------
    >>> nd = scp.read_spc("series.spc")
    >>> dataset = xrdae.plugins.to_dataset(nd)
    """
    if not is_nddataset(obj):
        return None
    names = name_dims(obj)
    values = np.asarray(obj.data)
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"the NDDataset has type {values.dtype}; pass real numbers, for example nd.real"
        )
    coords: dict[str, xr.Variable] = {}
    for dim, name in names.items():
        for i, coord in enumerate(_list_coords(obj, dim)):
            title = _read_title(coord) if i else name
            if i and (not title or title in coords or title in names.values()):
                title = f"{name}_{i}"
            coords |= _to_variables(coord, name, title)
    if np.any(obj.mask):
        values = np.where(obj.mask, np.nan, values)
    axis = names[_find_axis(obj)]
    attrs = {"units": _read_units(obj), "long_name": _read_title(obj), AXIS_ATTRIBUTE: axis}
    variable = (list(names.values()), values, {k: v for k, v in attrs.items() if v})
    meta = {k: v for k, v in obj.meta.items() if isinstance(v, str | int | float)}
    dataset = xr.Dataset({"intensity": variable}, coords, meta)
    wavelength = obj.meta.get("wavelength")
    if wavelength is None or "wavelength" in dataset.variables:  # the axis may be a wavelength
        return dataset
    if not hasattr(wavelength, "units"):
        return dataset.assign_coords(wavelength=((), float(wavelength)))
    value, units = float(wavelength.magnitude), f"{wavelength.units:C}"
    length = convert_to_angstrom(value, units)  # converts photon energies too
    if length is not None:
        value, units = length, "angstrom"
    return dataset.assign_coords(wavelength=((), value, {"units": units}))


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return a copy of an NDDataset with a result in its `meta`.

    The result is not added as coordinates, because SpectroChemPy 1.1 confuses the order of four or
    more coordinates of a dimension, and so the default coordinate.

    Parameters
    ----------
    obj
        NDDataset of the patterns. It is not changed.
    result
        Result for these patterns.

    Returns
    -------
    spectrochempy.NDDataset
        The data and coordinates of `obj`. Read the result with
        `xarray.Dataset.from_dict(nd.meta["xrdae"])`. Files keep it. Later results are added to it.
        Slicing the NDDataset does not slice it.

    Examples
    --------
    >>> nd = xrdae.analyze(nd, model)
    >>> xr.Dataset.from_dict(nd.meta["xrdae"])["latent"]
    """
    if not is_nddataset(obj):
        return None
    out = obj.copy()
    out.meta["xrdae"] = _merge_results(obj, result).to_dict(data="array")
    return out


def is_nddataset(obj: Any) -> bool:
    """Tell whether an object is an NDDataset, without importing SpectroChemPy."""
    module = sys.modules.get("spectrochempy.core.dataset.nddataset")
    return module is not None and isinstance(obj, module.NDDataset)


def name_dims(nd: Any) -> dict[str, str]:
    """Return the name in the Dataset for each dimension of an NDDataset, in order."""
    coords = {str(dim): _list_coords(nd, str(dim)) for dim in nd.dims}
    names = {dim: (own and _read_title(own[0])) or dim for dim, own in coords.items()}
    return names if len(set(names.values())) == len(names) else {dim: dim for dim in names}


def collect_coords(nd: Any) -> dict[str, list[Any]]:
    """Return the coordinates of each dimension by its name in the Dataset, the default first."""
    return {name: _list_coords(nd, dim) for dim, name in name_dims(nd).items()}


def to_nddataset(array: xr.DataArray, coords: Mapping[str, list[Any]]) -> Any:
    """Return a result as an NDDataset.

    Parameters
    ----------
    array
        The result.
    coords
        Coordinates of each dimension, the default first. Dimensions without an entry get the
        coordinate of the array.
    """
    from spectrochempy import NDDataset

    coordset = [
        _make_coordset(coords.get(dim) or [make_coord(array[dim], dim)])
        for dim in map(str, array.dims)
    ]
    return NDDataset(
        array.values,
        coordset=coordset,
        units=_convert_units(array),
        title=array.attrs.get("long_name", str(array.name)),
        name=str(array.name),
    )


def _merge_results(nd: Any, result: xr.Dataset) -> Any:
    """Return a result with the stored results, unless the data were sliced after storing them."""
    stored = xr.Dataset.from_dict(nd.meta.get("xrdae") or {})
    sizes = dict(zip(name_dims(nd).values(), nd.shape, strict=True))
    if not stored or any(stored.sizes.get(dim, n) != n for dim, n in sizes.items()):
        return result
    shared = set(result.indexes) & set(stored.indexes) & set(sizes)
    if any(not result.indexes[dim].equals(stored.indexes[dim]) for dim in shared):
        return result
    return builtin.xrdae_attach(stored, result)


def make_coord(array: xr.DataArray, title: str) -> Any:
    """Return a one-dimensional array as a Coord of numbers, or of labels for other types."""
    from spectrochempy import Coord

    if array.dtype.kind not in "biuf":
        return Coord(labels=convert_to_texts(array.values), title=title)
    exact = {"rounding": False, "sigdigits": 12, "linearize_below": 0.0}
    return Coord(array.values, title=title, units=_convert_units(array), **exact)


def _convert_units(array: xr.DataArray) -> str | None:
    units = array.attrs.get("units", "1")
    return None if units == "1" else str(units)


def _make_coordset(coords: list[Any]) -> Any:
    """Return the coordinates of a dimension; the first one becomes the default."""
    from spectrochempy import CoordSet

    return CoordSet(*coords[::-1]) if len(coords) > 1 else coords[0]


def _list_coords(nd: Any, dim: str) -> list[Any]:
    """Return the coordinates of a dimension, the default one first."""
    from spectrochempy import CoordSet

    coord = nd.coord(dim)
    if coord is None or coord.is_empty:
        return []
    coords = [coord]
    if isinstance(coord, CoordSet):
        coords = list(coord.coords)
        coords.insert(0, coords.pop(coord.default_index))
    return [coord.copy() for coord in coords]


def _read_title(obj: Any) -> str:
    return "" if obj.title == _UNTITLED else str(obj.title)


def _read_units(obj: Any) -> str:
    return "" if obj.units is None else f"{obj.units:C}".replace("dimensionless", "1")


def _find_axis(nd: Any) -> str:
    """Return the dimension of the axis in an NDDataset."""
    dims = [str(dim) for dim in nd.dims]
    axis = "x" if "x" in dims else dims[-1]
    titles = {dim: _read_title(coords[0]) for dim in dims if (coords := _list_coords(nd, dim))}
    title = titles.get(axis, "")
    if find_named_kind(title) in UNITS or is_spectral_name(title):
        return axis
    others = [dim for dim in dims if dim != axis and _is_diffraction(_list_coords(nd, dim))]
    return others[0] if len(others) == 1 else axis


def _is_diffraction(coords: list[Any]) -> bool:
    """Tell whether title and units of the default coordinate are those of a diffraction axis."""
    if not coords or not coords[0].has_data or not _read_units(coords[0]):
        return False
    try:
        title, units = _read_title(coords[0]), _read_units(coords[0])
        return find_axis_kind(title, units, values=coords[0].magnitude).is_named
    except DataError:
        return False


def _to_variables(coord: Any, dim: str, name: str) -> dict[str, xr.Variable]:
    """Return the values of a Coord as a variable, and its labels as another variable."""
    variables = {}
    if coord.has_data:
        attrs = {"units": _read_units(coord), "long_name": _read_title(coord)}
        attrs = {k: v for k, v in attrs.items() if v}
        # `data` is rounded for display, `magnitude` is not.
        variables[name] = xr.Variable(dim, coord.magnitude, attrs)
    if coord.is_labeled and coord.labels.ndim == 1:
        labels = xr.Variable(dim, coord.labels.astype(str))
        variables[f"{name}_labels" if variables else name] = labels
    return variables
