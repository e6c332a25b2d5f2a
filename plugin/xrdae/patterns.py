"""The dataset convention: which variable holds the patterns and which dimension is the axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.axes import Axis, kind_of_name, kind_of_units, length_in_angstrom
from xrdae.errors import DataError

_SET_UNITS = (
    "set ds.{name}.attrs['units'] = 'degree' (two_theta), '1/angstrom' (q) or 'angstrom' (d)"
)
_INTENSITY = ("intensity", "intensity_1d", "i1d")  # the last two of xrd_tools and easyXRD
_COMPANIONS = ("_errors", "_error", "_std")
_RESULTS = {"reconstruction", "relevance_profile", "synthesized"}  # earlier ones, attached


@dataclasses.dataclass(frozen=True, eq=False)
class Patterns:
    """Diffraction patterns found in a dataset.

    Attributes
    ----------
    intensity
        `(sample dims ..., dim)`; NaN where not measured; lazy where the dataset is.
    dim
        Name of the diffraction dimension, the last of `intensity`.
    axis
        Its values, increasing, in the units of its kind.
    units
        Units of the dimension's coordinate in the dataset.
    factor
        What values in these units are multiplied by to be those of `axis`.
    left_out
        `(sample dims ...)`, patterns that the `mask` variable hides whole; None: no mask.
    """

    intensity: xr.DataArray
    dim: Hashable
    axis: Axis
    units: str
    factor: float
    left_out: xr.DataArray | None

    def or_inputs(self, inputs: xr.DataArray | None) -> xr.DataArray:
        """Return what kernels take: the intensity, or `(..., channel)` model input if given."""
        return self.intensity if inputs is None else inputs.transpose(..., "channel")

    @property
    def sample_dims(self) -> tuple[Hashable, ...]:
        """The other dimensions."""
        return self.intensity.dims[:-1]

    def position(self, position: int | Mapping[str, int]) -> dict[str, int]:
        """Return where one pattern is, 0 or more along each sample dimension.

        Parameters
        ----------
        position
            Along the one sample dimension, or a dict of positions; below 0 from the end.

        Raises
        ------
        DataError
            If it does not name one pattern of these.
        """
        sizes = {str(d): self.intensity.sizes[d] for d in self.sample_dims}
        if isinstance(position, Mapping):
            indexers = {str(d): int(i) for d, i in position.items()}
        elif len(sizes) == 1:
            indexers = {next(iter(sizes)): int(position)}
        else:
            raise DataError(
                f"pattern {position!r}: with sample dimensions {list(sizes)} give a dict, for "
                f"example {dict.fromkeys(sizes, 0)}"
            )
        if set(indexers) != set(sizes):
            raise DataError(f"pattern {position!r} must name each of the dimensions {list(sizes)}")
        for d, i in indexers.items():
            if not -sizes[d] <= i < sizes[d]:
                raise DataError(
                    f"pattern {position!r}: {d!r} has {sizes[d]} positions, 0 to {sizes[d] - 1}"
                )
        return {d: i % sizes[d] for d, i in indexers.items()}

    def labels(self) -> dict[str, xr.DataArray]:
        """Return the numeric coordinates along the sample dimensions, each on all of them."""
        template = self.intensity.isel({self.dim: 0}, drop=True)
        found = {}
        for name, coord in template.coords.items():
            if (
                coord.dims
                and set(coord.dims) <= set(self.sample_dims)
                and coord.dtype.kind in "iuf"
            ):
                found[str(name)] = coord.broadcast_like(template).transpose(*self.sample_dims)
        return found


def find_patterns(
    dataset: xr.Dataset, *, variable: str | None = None, dim: str | None = None
) -> Patterns:
    """Find the intensity and the diffraction axis of a dataset by the convention.

    Parameters
    ----------
    dataset
        Patterns along one diffraction dimension and any number of sample dimensions.
    variable
        Name of the intensity variable; None: `intensity` (or as hosts call it), or the only
        candidate.
    dim
        Name of the diffraction dimension; None: the one whose units say so.

    Raises
    ------
    DataError
        If there is none, more than one, or one that cannot be used; the message names it.
    """
    array = dataset[_find_variable(dataset, variable)]
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"intensity variable {array.name!r} is of type {array.dtype}; real numbers are needed, "
            f"for example ds[{array.name!r}].astype(float)"
        )
    found = _find_dim(array, dim)
    units = _units_of(array, found)
    kind, factor = kind_of_units(units) or ("", 1.0)
    if str(found).lower() == "k" and kind == "q" and not units.startswith(("k_", "q_")):
        factor *= 2 * np.pi  # electron diffraction: k = 1/d
    array, left_out = _masked(array, _find_mask(dataset, array), found)
    values = np.asarray(array.coords.variables[found].values, dtype=np.float64) * factor
    descending = bool(values.size > 1 and values[0] > values[-1])
    if descending:
        array, values = array.isel({found: slice(None, None, -1)}), values[::-1]
    _check_values(values, name=found, descending=descending)
    axis = Axis(kind, values, _find_wavelength(dataset, array, found))
    if array.dims[-1] != found:
        array = array.transpose(..., found)
    return Patterns(array, found, axis, units, factor, left_out)


def _find_variable(dataset: xr.Dataset, variable: str | None) -> Hashable:
    names = list(dataset.data_vars)
    if variable is not None:
        if variable in dataset.variables:
            return variable
        raise DataError(f"there is no variable {variable!r}; the dataset has {names}")
    for name in _INTENSITY:
        if name in dataset.data_vars:
            return name
    with_axis = [
        name
        for name, array in dataset.data_vars.items()
        if any(_axis_kind(array, d) for d in array.dims)
        and array.dtype.kind in "iuf"
        and not str(name).endswith(_COMPANIONS)
    ]
    with_axis = [name for name in with_axis if name not in _RESULTS] or with_axis
    if len(with_axis) == 1:
        return with_axis[0]
    if with_axis:
        raise DataError(f"variables {with_axis} may all be the intensity; choose by variable=...")
    raise DataError(
        f"no intensity: none of the variables {names} has a diffraction axis; name one 'intensity' "
        "or pass variable=..., and " + _SET_UNITS.format(name="<axis>")
    )


def _axis_kind(array: xr.DataArray, dim: Hashable) -> str | None:
    """Return the kind of axis that the units of a dimension's coordinate say."""
    if dim not in array.coords or array.coords.variables[dim].dtype.kind not in "iuf":
        return None
    found = kind_of_units(_units_of(array, dim))
    return found[0] if found else None


def _units_of(array: xr.DataArray, dim: Hashable) -> str:
    """Return the units of an axis; easyXRD keeps them on the data as `radial_unit`."""
    attrs = array.coords.variables[dim].attrs
    return str(attrs.get("units", array.attrs.get("radial_unit", ""))).strip()


def _find_dim(array: xr.DataArray, dim: str | None) -> Hashable:
    if dim is not None:
        if dim not in array.dims or dim not in array.coords:
            raise DataError(
                f"dim={dim!r} is no dimension with a coordinate; {array.name!r} has "
                f"{list(array.dims)}"
            )
        return _with_units(array, dim)
    named = [d for d in array.dims if kind_of_name(d) and d in array.coords]
    if len(named) == 1:
        return _with_units(array, named[0])
    candidates = named or [d for d in array.dims if _axis_kind(array, d)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        listed = ", ".join(f"{d!r} [{array[d].attrs.get('units', 'no units')}]" for d in candidates)
        raise DataError(
            f"{listed} may all be the diffraction axis of {array.name!r}; choose by dim=..."
        )
    for d in array.dims[::-1]:
        if d in array.coords and array[d].dtype.kind in "iuf":
            return _with_units(array, d)
    raise DataError(
        f"no diffraction axis: none of the dimensions {list(array.dims)} of {array.name!r} has a "
        "coordinate; add one, for example ds.assign_coords(two_theta=('two_theta', values, "
        "{'units': 'degree'}))"
    )


def _with_units(array: xr.DataArray, dim: Hashable) -> Hashable:
    units = _units_of(array, dim)
    how = _SET_UNITS.format(name=dim)
    if not units:
        raise DataError(f"axis {dim!r} has no units; {how}")
    if kind_of_units(units) is None:
        raise DataError(
            f"axis {dim!r} has units {units!r}, which are neither an angle nor a length or "
            f"inverse length of lattice spacings; {how}"
        )
    return dim


def _check_values(values: np.ndarray[Any, Any], *, name: Hashable, descending: bool) -> None:
    if values.size < 2:
        raise DataError(f"axis {name!r} has {values.size} point; a pattern needs at least 2")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(
            f"axis {name!r} is {values[bad[0]]} at position {bad[0]}; drop that channel"
        )
    wrong = np.flatnonzero(np.diff(values) <= 0)
    if wrong.size:
        i = wrong[0]
        at = values.size - 2 - i if descending else i
        pair = (values[i + 1], values[i]) if descending else (values[i], values[i + 1])
        what, how = (
            ("has a duplicate value", f"drop it with ds.drop_duplicates({str(name)!r})")
            if values[i] == values[i + 1]
            else ("is not sorted", f"sort it with ds.sortby({str(name)!r})")
        )
        raise DataError(f"axis {name!r} {what}: {pair[0]} then {pair[1]} at position {at}; {how}")


def _find_mask(dataset: xr.Dataset, array: xr.DataArray) -> xr.DataArray | None:
    mask = dataset.get("mask")
    if mask is None or not set(mask.dims) <= set(array.dims) or mask.dtype.kind not in "biu":
        return None
    return mask


def _masked(
    array: xr.DataArray, mask: xr.DataArray | None, dim: Hashable
) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return the array, NaN where the mask says so, and which patterns it hides whole.

    Both are of one dataset, so by position: an index of pandas takes no big-endian numbers.
    """
    if mask is None:
        return array, None
    hidden = mask.variable.astype(bool)
    left_out = hidden.set_dims(array.sizes).all(dim)  # type: ignore[no-untyped-call]
    samples = array.isel({dim: 0}, drop=True)
    shown = array.variable.where(~hidden)  # type: ignore[no-untyped-call]
    return array.copy(data=shown.data), samples.copy(data=left_out.transpose(*samples.dims).data)


def _find_wavelength(dataset: xr.Dataset, array: xr.DataArray, dim: Hashable) -> float | None:
    """Return the wavelength [angstrom] that the dataset states, None where it states none."""
    if "wavelength" in dataset.variables and "wavelength" not in dataset.dims:
        coord = dataset.variables["wavelength"]
        values = np.unique(np.asarray(coord.values, dtype=np.float64))
        if values.size > 1:
            kind = kind_of_units(_units_of(array, dim))
            if (kind and kind[0] != "two_theta") or np.isnan(values).any():
                return None  # of q and d it says only how they were measured
            raise DataError(
                f"wavelength varies between patterns ({values[0]} to {values[-1]}); bring the "
                "patterns to q before they are put into one dataset"
            )
        value = length_in_angstrom(float(values[0]), str(coord.attrs.get("units", "angstrom")))
        if value is None:
            raise DataError(
                f"wavelength has units {coord.attrs['units']!r}, which are no length; set "
                "ds.wavelength.attrs['units'] = 'angstrom'"
            )
        return _positive_wavelength(value)
    for attrs in (dataset.attrs, array.attrs, array.coords.variables[dim].attrs):
        for name in ("wavelength", "wavelength_angstrom"):
            if name in attrs:
                try:
                    return _positive_wavelength(float(attrs[name]))
                except (TypeError, ValueError) as error:
                    raise DataError(
                        f"attribute {name}={attrs[name]!r} is no wavelength in angstrom"
                    ) from error
    return None


def _positive_wavelength(value: float) -> float | None:
    if np.isnan(value):
        return None
    if not 0 < value < np.inf:
        raise DataError(f"wavelength={value} angstrom is not positive; set the true one")
    return value
