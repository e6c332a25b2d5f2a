"""NeXus: NXdata of any application definition (NXazint1d, NXmonopd, NXxrd, NXxrd_pan ...).

The rules are those of the base class NXdata,
https://manual.nexusformat.org/classes/base_classes/NXdata.html: `@signal`, `@axes`,
`<axis>_indices`, `<signal>_errors`, and `@default` from the root down. The axis of spectra (an
energy, a time of flight, r ...) is kept as it is. Data are read when they are asked for. Links to
other files are followed by the rules of `hdf5_links`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import (
    OTHER,
    describe_assumption,
    find_named_kind,
)
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.errors import FormatError, warn
from xrdae.readers.data_file import DataFile, check_loaded
from xrdae.readers.hdf5_fields import (
    apply_scaling,
    decode_text,
    find_field,
    open_lazily,
    read_units,
    read_values,
)
from xrdae.readers.hdf5_links import DanglingLinkError, LinkedFiles
from xrdae.readers.linked_objects import LinkedField, LinkedGroup
from xrdae.readers.nexus_groups import (
    find_axes,
    find_axis,
    find_data,
    find_field_kind,
    find_scaling,
    find_signal,
    get_signal,
    name_axis,
)
from xrdae.readers.nexus_metadata import find_wavelength, read_metadata
from xrdae.storage.netcdf import ONE_BY_ONE
from xrdae.storage.netcdf_structure import HDF5


def is_mine(file: DataFile) -> bool:
    """Tell whether a file is HDF5."""
    return file.content.startswith(HDF5)


def read_scans(file: DataFile) -> xr.Dataset:
    """Return the default plot of a file, or its only NXdata with an axis of patterns."""
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise FormatError('NeXus files need h5py: pip install "xrdae[formats]"') from error
    try:
        with ONE_BY_ONE, LinkedFiles.open(file.path, trusted=file.options.trust_links) as files:
            return to_dataset(find_data(LinkedGroup.wrap(files.first, files)))
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"its HDF5 content cannot be read: {error}") from error


def to_dataset(group: LinkedGroup) -> xr.Dataset:
    """Return an NXdata group as a Dataset by the convention.

    Files are opened again whenever data are asked for. An open file of a host has to stay open.

    Returns
    -------
    Dataset
        Its encoding has `stored_bytes`, the size of the file and of all files that links and
        virtual datasets lead to.

    Raises
    ------
    FormatError
        If it breaks the rules of NXdata, or if a link must not be followed.
    """
    field = get_signal(group)
    signal = find_signal(group) or ""
    if field.ndim == 0 or field.dtype.kind not in "iufb":
        raise FormatError(f"{field.name} holds no patterns: {field.dtype} {field.shape}")
    axes = find_axes(group)
    at = find_axis(group, axes)
    dims = _name_dims(group, axes, at)
    taken: dict[str, Any] = {}
    for name, axis in zip(dims, axes, strict=True):
        if axis != ".":
            taken[name] = _read_axis(group, axis, name, field.shape[dims.index(name)])
    errors = next((e for e in _list_error_names(field, signal) if find_field(group, e)), None)
    loaded = 0
    for name in group:
        is_used = name in (signal, errors, *axes) or name.endswith(("scaling_factor", "offset"))
        other = None if is_used else _find_label(group, name)
        label = None if other is None else _read_label(group, name, other, dims, field.shape, at)
        if label is not None:
            taken.setdefault(name, label)
            loaded += label[1].nbytes
            check_loaded(loaded, group.files.stored)
    attrs = {
        "units": read_units(field) or "1",
        "long_name": decode_text(field.attrs.get("long_name", signal)),
    }
    if at is not None:
        attrs[AXIS_ATTRIBUTE] = dims[at]
    variables: dict[str, Any] = {
        "intensity": (dims, open_lazily(field, find_scaling(group, signal)), attrs)
    }
    deviations = None if errors is None else find_field(group, errors)
    if deviations is not None and deviations.shape == field.shape:
        units = {"units": attrs["units"]}
        scaling = find_scaling(group, str(errors))
        variables["intensity_errors"] = (dims, open_lazily(deviations, scaling), units)
    empty = _find_empty_channels(group, field.shape[-1])
    if empty is not None:
        variables["mask"] = (dims[-1], empty, {"long_name": "no pixel falls here"})
    wavelength = find_wavelength(group)
    if wavelength is not None and "wavelength" not in dims:
        taken["wavelength"] = ((), wavelength, {"units": "angstrom"})
    dataset = xr.Dataset(variables, taken, read_metadata(group))
    dataset.encoding["stored_bytes"] = group.files.stored
    return dataset


def _name_dims(group: LinkedGroup, axes: list[str], at: int | None) -> list[str]:
    """Return names of dimensions: the kind of an axis of diffraction, and the others' own."""
    dims: list[str] = []
    for i, axis in enumerate(axes):
        field = find_field(group, axis)
        name = ("channels" if i == at else "pattern") if axis == "." else name_axis(axis, field)
        kind = find_field_kind(group, axis)
        if kind.kind != OTHER and (find_named_kind(axis) == kind.kind or i == at):
            if kind.is_assumed:
                warn(describe_assumption(name))
            name = kind.kind
        dims.append(name if name not in dims else f"{name}_{i}")
    return dims


def _read_axis(group: LinkedGroup, axis: str, dim: str, size: int) -> tuple[Any, ...]:
    try:
        field = group.get(axis)
    except DanglingLinkError as error:
        raise FormatError(f"{group.name} names the axis {axis!r}, but {error}") from error
    if not isinstance(field, LinkedField) or field.shape is None:
        raise FormatError(f"{group.name} names the axis {axis!r}, which it does not hold")
    values = read_values(field)
    if values.dtype.kind in "iuf":
        values = apply_scaling(values, find_scaling(group, axis))
    if values.ndim != 1:
        raise FormatError(
            f"{field.name} has the shape {values.shape}: patterns with an axis each are not read"
        )
    if values.size == size + 1:  # edges of a histogram
        values = (values[1:] + values[:-1]) / 2
    if values.size != size:
        raise FormatError(f"{field.name} has {values.size} values along a dimension of {size}")
    if values.dtype.kind in "SO":
        values = np.array([decode_text(value) for value in values])
    given = {"units": read_units(field), "long_name": decode_text(field.attrs.get("long_name", ""))}
    return dim, values, {name: text for name, text in given.items() if text}


def _list_error_names(field: LinkedField, signal: str) -> list[str]:
    stated = field.attrs.get("uncertainties")
    return [*([decode_text(stated)] if stated is not None else []), f"{signal}_errors", "errors",
            f"{signal}_error"]  # fmt: skip


def _find_label(group: LinkedGroup, name: str) -> LinkedField | None:
    """Return a field; warn if its link leads nowhere, since the data may be used without it."""
    try:
        field = group.get(name)
    except DanglingLinkError as error:
        warn(f"{error}. {name!r} is left out")
        return None
    return field if isinstance(field, LinkedField) and field.shape is not None else None


def _read_label(
    group: LinkedGroup,
    name: str,
    field: LinkedField,
    dims: list[str],
    shape: tuple[int, ...],
    axis_at: int | None,
) -> tuple[Any, ...] | None:
    """Return a field along one of the dimensions, or a single value, as a coordinate."""
    if field.dtype.kind not in "iufSO":
        return None
    if field.ndim > 1:
        axis = dims[-1 if axis_at is None else axis_at]
        samples = {d: n for d, n in zip(dims, shape, strict=True) if d != axis}
        if field.shape != tuple(samples.values()) or field.dtype.kind not in "iuf":
            return None
        units = read_units(field)
        return tuple(samples), read_values(field), {"units": units} if units else {}
    single = field.ndim == 0 or (field.size == 1 and 1 not in shape)
    indices = group.attrs.get(f"{name}_indices")
    if indices is not None and np.size(indices) == 1:
        at = [int(np.asarray(indices).item())]
    else:
        at = [i for i, size in enumerate(shape) if size == field.size]
    fits = len(at) == 1 and 0 <= at[0] < len(shape) and shape[at[0]] == field.size
    if not (single or fits):
        return None
    values = read_values(field)
    if values.dtype.kind in "SO":
        values = np.array([decode_text(value) for value in values.flat]).reshape(values.shape)
    attrs = {"units": read_units(field)} if read_units(field) else {}
    return ((), values.reshape(()), attrs) if single else (dims[at[0]], values, attrs)


def _find_empty_channels(group: LinkedGroup, size: int) -> Any:
    """Return where no pixel fell `(point,)`, by the counts of NXazint1d and of pyFAI's NXmonopd."""
    for at, name in ((group, "norm"), (group.parent or group, "normalization/pixels")):
        pixels = find_field(at, name)
        if pixels is not None and pixels.shape == (size,) and pixels.dtype.kind in "iuf":
            empty = read_values(pixels) == 0
            return empty if empty.any() else None
    return None
