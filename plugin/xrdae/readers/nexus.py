"""NeXus: NXdata of any application definition (NXazint1d, NXmonopd, NXxrd, NXxrd_pan ...).

The rules are those of the base class NXdata,
https://manual.nexusformat.org/classes/base_classes/NXdata.html: `@signal`, `@axes`,
`<axis>_indices`, `<signal>_errors`, and `@default` from the root down. The axis of spectra (an
energy, a time of flight, r ...) is kept as it is. Data are read when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import (
    OTHER,
    UNITS,
    find_axis_kind,
    find_named_kind,
    is_sample_name,
    is_spectral_name,
)
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.convention.units import convert_to_angstrom, parse_units
from xrdae.errors import DataError, FormatError
from xrdae.readers.data_file import DataFile, check_loaded
from xrdae.readers.hdf5_fields import (
    decode_text,
    find_field,
    get_file_size,
    open_lazily,
    read_units,
    read_values,
)
from xrdae.storage.netcdf import ONE_BY_ONE
from xrdae.storage.netcdf_structure import HDF5

_HC = 12.398419843320026  # keV angstrom
MOST_GROUPS = 10_000


def is_mine(file: DataFile) -> bool:
    """Tell whether a file is HDF5."""
    return file.content.startswith(HDF5)


def read_scans(file: DataFile) -> xr.Dataset:
    """Return the default plot of a file, or its only NXdata with an axis of patterns."""
    try:
        import h5py
    except ImportError as error:
        raise FormatError('NeXus files need h5py: pip install "xrdae[formats]"') from error
    try:
        with ONE_BY_ONE, h5py.File(file.path, "r") as root:
            return to_dataset(find_data(root), path=file.path)
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"its HDF5 content cannot be read: {error}") from error


def find_data(group: Any) -> Any:
    """Return the NXdata (an h5py group) that a group is, or leads to.

    Raises
    ------
    FormatError
        If there is none with a signal, or several and neither is one the default nor is one alone
        of diffraction (or else of spectra).
    """
    import h5py

    at, seen = group, 0
    while "default" in at.attrs and seen < 10:
        following = at.get(decode_text(at.attrs["default"]))
        if not isinstance(following, h5py.Group):  # a field, or nothing
            break
        at, seen = following, seen + 1
    if _is_data(at):
        return at
    found = [g for g in _walk_groups(at) if _is_data(g)]
    diffraction = [g for g in found if any(_is_diffraction(g, name) for name in _find_axes(g))]
    spectra = [g for g in found if any(_is_spectral(g, name) for name in _find_axes(g))]
    for choice in (diffraction, spectra, found):
        if len(choice) == 1:
            return choice[0]
        if choice:
            names = ", ".join(g.name for g in choice)
            raise FormatError(
                f"it has several NXdata and no default: {names}; give one of these groups"
            )
    raise FormatError("it holds no NXdata with a signal")


def _walk_groups(group: Any) -> Iterator[Any]:
    """Yield a group and those within, NXprocess results of xrdae left out."""
    import h5py

    waiting, seen = [group], {_get_address(group)}
    while waiting:
        at = waiting.pop(0)
        yield at
        for name in at:
            # Other links are not followed: they may lead nowhere. These may lead in a circle.
            if isinstance(at.get(name, getlink=True), h5py.HardLink):
                child = at.get(name)
                if not isinstance(child, h5py.Group) or _get_address(child) in seen:
                    continue
                if len(seen) < MOST_GROUPS and not is_own_result(child):
                    seen.add(_get_address(child))
                    waiting.append(child)


def _get_address(group: Any) -> int:
    """Return where in its file a group is: the same by whatever path it is reached."""
    import h5py

    return int(h5py.h5o.get_info(group.id).addr)


def is_own_result(group: Any) -> bool:
    """Tell whether a group is an NXprocess of results of xrdae."""
    program = find_field(group, "program")
    return (
        program is not None and program.size == 1 and decode_text(read_values(program)) == "xrdae"
    )


def _is_data(group: Any) -> bool:
    return (
        decode_text(group.attrs.get("NX_class", "")) == "NXdata" and _find_signal(group) is not None
    )


def _find_signal(group: Any) -> str | None:
    """Return the name of the signal: `@signal`, or the field that says signal=1 (before 2014)."""
    name = group.attrs.get("signal")
    if name is not None:
        return decode_text(name) if find_field(group, decode_text(name)) is not None else None
    for name in group:
        field = find_field(group, name)
        if field is not None and str(decode_text(field.attrs.get("signal", ""))) == "1":
            return str(name)
    return None


def _find_axes(group: Any) -> list[str]:
    """Return the names of the axes, a dot where a dimension has none."""
    signal = group[_find_signal(group)]
    axes = group.attrs.get("axes", signal.attrs.get("axes"))
    if axes is None:
        names = []
    elif isinstance(axes, str | bytes):
        plain = decode_text(axes).strip("[] ")
        names = [name.strip() for name in plain.replace(":", ",").split(",")]
    else:
        names = [decode_text(name) for name in np.atleast_1d(axes)]
    return (names + ["."] * signal.ndim)[: signal.ndim]


def _is_diffraction(group: Any, name: str) -> bool:
    return _find_field_kind(name, find_field(group, name), with_values=False) != OTHER


def _is_spectral(group: Any, name: str) -> bool:
    field = find_field(group, name)
    return (
        field is not None and bool(read_units(field)) and is_spectral_name(_name_axis(name, field))
    )


def _find_field_kind(name: str, field: Any, *, with_values: bool = True) -> str:
    """Return the kind of axis that a field is; one that contradicts itself is refused later."""
    if field is None or not read_units(field) or field.dtype.kind not in "iuf":
        return OTHER
    name, long_name = _name_axis(name, field), decode_text(field.attrs.get("long_name", ""))
    values = read_values(field) if with_values and field.ndim == 1 else None
    try:
        return find_axis_kind(name, read_units(field), long_name=long_name, values=values).kind
    except DataError:
        return OTHER


def _name_axis(axis: str, field: Any) -> str:
    """Return what an axis is called.

    pyFAI's HDF5Writer calls any `radial`, and says its `name`; xdart calls any `q`, and says by
    units such as `2th_deg` what it is.
    """
    if field is None:
        return axis
    units = parse_units(read_units(field))
    if units is not None and units.kind is not None:
        return units.kind
    said = decode_text(field.attrs.get("name", ""))
    return said if said and find_named_kind(axis) is None else axis


def _find_axis(group: Any, axes: list[str]) -> int | None:
    """Return which dimension of the signal is the axis; None where nothing says it.

    The last one where the signal is called a spectrum. Else the last one, or else the only one,
    that is of diffraction or of spectra; or the last one if it has units and is no position.
    """
    if decode_text(group[_find_signal(group)].attrs.get("interpretation", "")) == "spectrum":
        return len(axes) - 1
    may_be = [
        i
        for i, name in enumerate(axes)
        if _is_diffraction(group, name)
        or find_named_kind(name) in UNITS
        or _is_spectral(group, name)
    ]
    last = len(axes) - 1
    if last in may_be:
        return last
    if len(may_be) == 1:
        return may_be[0]
    field = find_field(group, axes[last])
    is_axis = field is not None and read_units(field) and field.dtype.kind in "iuf"
    is_position = len(axes) > 1 and is_sample_name(axes[last])
    return last if is_axis and not may_be and not is_position else None


def to_dataset(group: Any, *, path: Path | None = None) -> xr.Dataset:
    """Return an NXdata group as a Dataset by the convention.

    Parameters
    ----------
    group
        An h5py group.
    path
        The file, which is then opened anew whenever data are asked for; None: they are read
        through the group, whose file has to stay open.

    Raises
    ------
    FormatError
        If it breaks the rules of NXdata.
    """
    signal = _find_signal(group)
    if signal is None:
        raise FormatError(f"{group.name} has no signal")
    field = group[signal]
    if field.ndim == 0 or field.dtype.kind not in "iufb":
        raise FormatError(f"{field.name} holds no patterns: {field.dtype} {field.shape}")
    axes = _find_axes(group)
    at = _find_axis(group, axes)
    dims = _name_dims(group, axes, at)
    taken: dict[str, Any] = {}
    for name, axis in zip(dims, axes, strict=True):
        if axis != ".":
            taken[name] = _read_axis(group, axis, name, field.shape[dims.index(name)])
    errors = next(
        (e for e in _list_error_names(group, signal) if find_field(group, e) is not None), None
    )
    loaded = 0
    for name in group:
        if name in (signal, errors, *axes) or find_field(group, name) is None:
            continue
        label = _read_label(group, name, dims, field.shape, at)
        if label is not None:
            taken.setdefault(name, label)
            loaded += label[1].nbytes
            check_loaded(loaded, get_file_size(group))
    attrs = {
        "units": read_units(field) or "1",
        "long_name": decode_text(field.attrs.get("long_name", signal)),
    }
    if at is not None:
        attrs[AXIS_ATTRIBUTE] = dims[at]
    variables: dict[str, Any] = {"intensity": (dims, open_lazily(field, path), attrs)}
    if errors is not None and group[errors].shape == field.shape:
        variables["intensity_errors"] = (
            dims,
            open_lazily(group[errors], path),
            {"units": attrs["units"]},
        )
    empty = _find_empty_channels(group, field.shape[-1])
    if empty is not None:
        variables["mask"] = (dims[-1], empty, {"long_name": "no pixel falls here"})
    wavelength = _find_wavelength(group)
    if wavelength is not None and "wavelength" not in dims:
        taken["wavelength"] = ((), wavelength, {"units": "angstrom"})
    return xr.Dataset(variables, taken, _read_metadata(group))


def _name_dims(group: Any, axes: list[str], at: int | None) -> list[str]:
    """Return names of dimensions: the kind of an axis of diffraction, and the others' own."""
    dims: list[str] = []
    for i, axis in enumerate(axes):
        field = find_field(group, axis)
        name = ("channels" if i == at else "pattern") if axis == "." else _name_axis(axis, field)
        kind = _find_field_kind(axis, field)
        if kind != OTHER and (find_named_kind(axis) == kind or i == at):
            name = kind
        dims.append(name if name not in dims else f"{name}_{i}")
    return dims


def _read_axis(group: Any, axis: str, dim: str, size: int) -> tuple[Any, ...]:
    field = find_field(group, axis)
    if field is None:
        raise FormatError(f"{group.name} names the axis {axis!r}, which it does not hold")
    values = read_values(field)
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


def _list_error_names(group: Any, signal: str) -> list[str]:
    stated = group[signal].attrs.get("uncertainties")
    return [*([decode_text(stated)] if stated is not None else []), f"{signal}_errors", "errors",
            f"{signal}_error"]  # fmt: skip


def _read_label(
    group: Any, name: str, dims: list[str], shape: tuple[int, ...], axis_at: int | None
) -> tuple[Any, ...] | None:
    """Return a field along one of the dimensions, or a single value, as a coordinate."""
    field = group[name]
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


def _find_empty_channels(group: Any, size: int) -> Any:
    """Return where no pixel fell `(point,)`, by the counts of NXazint1d and of pyFAI's NXmonopd."""
    for at, name in ((group, "norm"), (group.parent, "normalization/pixels")):
        pixels = find_field(at, name)
        if pixels is not None and pixels.shape == (size,) and pixels.dtype.kind in "iuf":
            empty = read_values(pixels) == 0
            return empty if empty.any() else None
    return None


def _read_metadata(group: Any) -> dict[str, str]:
    """Return the entry's title and the application definition."""
    said: dict[str, str] = {}
    at = group
    while at.name != "/":
        for name in ("title", "definition"):
            field = find_field(at, name)
            if field is not None and field.shape in ((), (1,)):
                text = decode_text(read_values(field))
                if text:
                    said.setdefault(name, text)
        at = at.parent
    return said


def _find_wavelength(group: Any) -> float | None:
    """Return the one wavelength [angstrom] that the entry states; of a tube that of K-alpha 1."""
    entry = group
    while entry.name != "/" and decode_text(entry.attrs.get("NX_class", "")) != "NXentry":
        entry = entry.parent
    found: dict[str, set[float]] = {"wavelength": set(), "k_alpha_one": set(), "energy": set()}
    for at in _walk_groups(entry):
        for name in (
            "wavelength",
            "incident_wavelength",
            "k_alpha_one",
            "energy",
            "incident_energy",
        ):
            value = _read_number(at, name)
            if value is None:
                continue
            number, units = value
            if "energy" in name:
                if units in ("keV", "eV") and number > 0:
                    found["energy"].add(_HC / (number / (1e3 if units == "eV" else 1)))
            else:
                length = convert_to_angstrom(number, units or "angstrom")
                if length is not None and np.isfinite(length) and length > 0:
                    found["k_alpha_one" if "alpha" in name else "wavelength"].add(round(length, 9))
    for values in found.values():
        if len(values) == 1:
            return values.pop()
        if values:
            return None  # which of them is meant, nobody says
    return _find_configured_wavelength(group)


def _find_configured_wavelength(group: Any) -> float | None:
    """Return the wavelength [angstrom] in the configuration of the integration (JSON in an NXnote).

    pyFAI writes `wavelength` [m], in newer versions in `poni`; ewoksxrpd `energy` [keV].
    """
    field = find_field(group.parent, "configuration/data")
    if field is None or field.shape != () or field.dtype.kind not in "SO":
        return None
    try:
        stated = json.loads(decode_text(read_values(field)))
    except (ValueError, RecursionError):
        return None
    poni = stated.get("poni") if isinstance(stated, dict) else None
    for place in (stated, poni):
        for name, units in (("energy", "keV"), ("wavelength", "m")):
            value = place.get(name) if isinstance(place, dict) else None
            if isinstance(value, int | float) and 0 < value < np.inf:
                return convert_to_angstrom(value, units)
    return None


def _read_number(group: Any, name: str) -> tuple[float, str] | None:
    field = find_field(group, name)
    if field is None or field.size != 1 or field.dtype.kind not in "iuf":
        return None
    return float(read_values(field).item()), read_units(field)
