"""Patterns of a dataset by the convention: intensity, axis, mask and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.axes import Axis
from xrdae.convention.axis_kinds import (
    OTHER,
    UNITS,
)
from xrdae.convention.categories import is_category
from xrdae.convention.intensity_and_axis import choose_intensity, describe_axis, read_positions
from xrdae.convention.names import check_sample_names
from xrdae.convention.quantities import strip_quantities
from xrdae.convention.regridding import convert_to_shared_q
from xrdae.convention.wavelengths import find_wavelength
from xrdae.errors import DataError


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
        Units of the axis in the dataset, in which results give regions.
    factor
        Factor from these units to the units of `axis`.
    left_out
        `(sample dims ...)`, patterns that the `mask` variable hides completely; None: no mask.
    """

    intensity: xr.DataArray
    dim: Hashable
    axis: Axis
    units: str
    factor: float
    left_out: xr.DataArray | None

    def choose_inputs(self, inputs: xr.DataArray | None) -> xr.DataArray:
        """Return what kernels take: the intensity, or `(..., channel)` model input if given."""
        return self.intensity if inputs is None else inputs.transpose(..., "channel")

    def orient(self, result: xr.Dataset) -> xr.Dataset:
        """Return a result that runs along the axis in the direction of the dataset."""
        if not self.axis.descending or self.dim not in result.dims:
            return result
        return result.isel({self.dim: slice(None, None, -1)})

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
            indexers = {str(d): _check_position(i) for d, i in position.items()}
        elif len(sizes) == 1:
            indexers = {next(iter(sizes)): _check_position(position)}
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
        """Return the numeric coordinates along the sample dimensions, each on all of them.

        Categories (text, truth values, CF flags) are left out; see `convention.categories`.
        """
        template = self.intensity.isel({self.dim: 0}, drop=True)
        found = {}
        for name, coord in template.coords.items():
            if (
                coord.dims
                and set(coord.dims) <= set(self.sample_dims)
                and coord.dtype.kind in "iuf"
                and not is_category(coord)
                and not (name == "wavelength" and self.axis.kind != OTHER)
            ):
                plain = _to_floats(coord)
                found[str(name)] = plain.broadcast_like(template).transpose(*self.sample_dims)
        return found


def find_patterns(
    dataset: xr.Dataset,
    *,
    variable: str | None = None,
    dim: str | None = None,
    onto: Axis | None = None,
) -> Patterns:
    """Find the intensity and the axis of a dataset by the convention.

    Parameters
    ----------
    dataset
        Patterns along one axis and any number of sample dimensions.
    variable
        Name of the intensity variable; None: `intensity` (or as hosts call it), or the only
        candidate.
    dim
        Name of the dimension that is the axis; None: the one whose name and units say so. A
        dimension without a coordinate, or without units, is the axis only where this names it.
        The attribute `xrdae_axis` of the intensity, which adapters set, names it as this does;
        this comes first, and an attribute that names no dimension is ignored.
    onto
        The axis of a model. Patterns over two_theta with a wavelength each share no axis: they
        are regridded to this axis in q, or, if it is None, to the range that all of them cover.
        With a model, names of `variable` and `dim` that the dataset lacks are ignored.

    Raises
    ------
    DataError
        If there is no candidate, more than one, or one that cannot be used. The message names it.
    """
    check_dataset(dataset)
    if onto is not None:
        variable = variable if variable in dataset.variables else None
        names = (dim, onto.name if onto.kind == OTHER else None)
        dim = next((name for name in names if name in dataset.dims), None)
    dataset = strip_quantities(dataset)
    array, found = choose_intensity(dataset, variable, dim)
    check_sample_names(array, found)
    array, kind, units = describe_axis(array, found)
    coord = array.coords.variables[found]
    array, left_out = _apply_mask(array, _find_mask(dataset, array), found)
    values = read_positions(coord) * kind.factor
    descending = bool(values.size > 1 and values[0] > values[-1])
    if descending:
        array, values = array.isel({found: slice(None, None, -1)}), values[::-1]
    _check_values(values, name=found, descending=descending)
    if array.dims[-1] != found:
        array = array.transpose(..., found)
    if kind.kind == OTHER:
        long_name = str(coord.attrs.get("long_name", ""))
        axis = Axis(OTHER, values, None, str(found), units, long_name, descending)
        return Patterns(array, found, axis, units, 1.0, left_out)
    wavelength: float | xr.Variable | None = None
    try:
        wavelength = find_wavelength(dataset, array, found)
    except DataError:
        if kind.kind == "two_theta":
            raise  # patterns over q and d need it only for a conversion to two_theta
    if isinstance(wavelength, xr.Variable):
        if kind.kind == "two_theta":
            axis, array = convert_to_shared_q(array, values, wavelength, onto)
            return Patterns(array, "q", axis, UNITS["q"], 1.0, left_out)
        wavelength = None  # q and d do not depend on it
    axis = Axis(kind.kind, values, wavelength, descending=descending)
    return Patterns(array, found, axis, units, kind.factor, left_out)


def _to_floats(label: xr.DataArray) -> xr.DataArray:
    """Return a label of numbers of pandas, which may be NA, as floats; others as they are."""
    if isinstance(label.dtype, np.dtype):
        return label
    import pandas as pd

    values = pd.Series(np.asarray(label.values, dtype=object).ravel())
    floats = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return xr.DataArray(floats.reshape(label.shape), dims=label.dims, attrs=label.attrs)


def check_dataset(dataset: Any) -> None:
    """Refuse an object that is not a Dataset. The error says how to make one."""
    if not isinstance(dataset, xr.Dataset):
        raise TypeError(
            f"a Dataset is needed, not a {type(dataset).__name__}; make one with xr.Dataset("
            "{'intensity': (('pattern', 'two_theta'), values)}, {'two_theta': ('two_theta', "
            "positions, {'units': 'degree'})}), or pass a host's object to xrdae.analyze"
        )


def _check_position(position: Any) -> int:
    if isinstance(position, bool | np.bool_) or not isinstance(position, int | np.integer):
        raise DataError(
            f"pattern {position!r} is not a position; give a whole number, 0 for the first"
        )
    return int(position)


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


def _apply_mask(
    array: xr.DataArray, mask: xr.DataArray | None, dim: Hashable
) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return the array, NaN where it is masked, and which patterns are masked completely.

    Both are of one dataset, so by position: an index of pandas takes no big-endian numbers.
    """
    if mask is None:
        return array, None
    hidden = mask.variable.astype(bool)
    left_out = hidden.set_dims(array.sizes).all(dim)  # type: ignore[no-untyped-call]
    samples = array.isel({dim: 0}, drop=True)
    shown = array.variable.where(~hidden)  # type: ignore[no-untyped-call]
    return array.copy(data=shown.data), samples.copy(data=left_out.transpose(*samples.dims).data)
