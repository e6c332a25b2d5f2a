"""Find the NXdata group of a NeXus file, its signal, its axes, and which of them is the axis.

Source: the base class NXdata, https://manual.nexusformat.org/classes/base_classes/NXdata.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from xrdae.convention.axis_kinds import (
    OTHER,
    UNITS,
    AxisKind,
    find_axis_kind,
    find_named_kind,
    is_sample_name,
    is_spectral_name,
)
from xrdae.convention.units import parse_units
from xrdae.errors import DataError, FormatError
from xrdae.readers.hdf5_fields import (
    NOT_SCALED,
    apply_scaling,
    decode_text,
    find_field,
    find_item,
    read_units,
    read_values,
)
from xrdae.readers.linked_objects import LinkedField, LinkedGroup

MOST_GROUPS = 10_000


def find_data(group: LinkedGroup) -> LinkedGroup:
    """Return the NXdata that a group is, or leads to.

    Groups of other files are searched only if there is no NXdata with a signal in this file.

    Raises
    ------
    FormatError
        If there is none with a signal. If there are several, none is the default, and not exactly
        one of them has an axis of diffraction (or of spectra). If a link must not be followed.
    """
    at, seen = group, 0
    while "default" in at.attrs and seen < 10:
        following = find_item(at, decode_text(at.attrs["default"]))
        if not isinstance(following, LinkedGroup):  # a field, or nothing
            break
        at, seen = following, seen + 1
    if _is_data(at):
        return at
    found = [g for g in walk_groups(at) if _is_data(g)]
    found = found or [g for g in walk_groups(at, external=True) if _is_data(g)]
    diffraction = [g for g in found if any(_is_diffraction(g, name) for name in find_axes(g))]
    spectra = [g for g in found if any(_is_spectral(g, name) for name in find_axes(g))]
    for choice in (diffraction, spectra, found):
        if len(choice) == 1:
            return choice[0]
        if choice:
            names = ", ".join(g.files.describe(g.native) for g in choice)
            raise FormatError(
                f"it has several NXdata and no default: {names}; give one of these groups"
            )
    dangling = list(dict.fromkeys(at.files.dangling))[:3]
    raise FormatError("; ".join(["it holds no NXdata with a signal", *dangling]))


def walk_groups(group: LinkedGroup, *, external: bool = False) -> Iterator[LinkedGroup]:
    """Yield a group and those within, NXprocess results of xrdae left out.

    Parameters
    ----------
    group
        Where to start.
    external
        Follow links to other files too.
    """
    waiting, seen = [group], {_get_address(group)}
    while waiting:
        at = waiting.pop(0)
        yield at
        for name in at:
            # Soft links are not followed: what they lead to has another name in the same file.
            # Hard links may lead in a circle.
            if at.has_hard_link(name) or (external and at.has_external_link(name)):
                child = find_item(at, name)
                if not isinstance(child, LinkedGroup) or _get_address(child) in seen:
                    continue
                if len(seen) < MOST_GROUPS and not is_own_result(child):
                    seen.add(_get_address(child))
                    waiting.append(child)


def _get_address(group: LinkedGroup) -> tuple[int, int]:
    """Return the file of a group and its address there, which do not depend on the path."""
    import h5py

    info = h5py.h5o.get_info(group.native.id)
    return int(info.fileno), int(info.addr)


def is_own_result(group: LinkedGroup) -> bool:
    """Tell whether a group is an NXprocess of results of xrdae."""
    program = find_field(group, "program")
    return (
        program is not None and program.size == 1 and decode_text(read_values(program)) == "xrdae"
    )


def _is_data(group: LinkedGroup) -> bool:
    return (
        decode_text(group.attrs.get("NX_class", "")) == "NXdata" and find_signal(group) is not None
    )


def find_signal(group: LinkedGroup) -> str | None:
    """Return the name of the signal: `@signal`, or the field that says signal=1 (before 2014)."""
    name = group.attrs.get("signal")
    if name is not None:
        return decode_text(name) if find_field(group, decode_text(name)) is not None else None
    for name in group:
        field = find_field(group, name)
        if field is not None and str(decode_text(field.attrs.get("signal", ""))) == "1":
            return str(name)
    return None


def get_signal(group: LinkedGroup) -> LinkedField:
    """Return the signal of an NXdata.

    Raises
    ------
    FormatError
        If it has none.
    """
    name = find_signal(group)
    field = None if name is None else find_field(group, name)
    if field is None:
        raise FormatError(f"{group.name} has no signal")
    return field


def find_scaling(group: LinkedGroup, name: str) -> tuple[float, float]:
    """Return the factor and the offset with which a field of an NXdata gives physical values.

    They are the fields `<name>_scaling_factor` and `<name>_offset`. Of the signal also
    `scaling_factor` and `offset`, as before 2024.

    Raises
    ------
    FormatError
        If they are no finite numbers, or the factor is 0.
    """
    is_signal = name == find_signal(group)
    scaling = list(NOT_SCALED)
    for i, what in enumerate(("scaling_factor", "offset")):
        names = [f"{name}_{what}", *([what] if is_signal else [])]
        field = next((found for one in names if (found := find_field(group, one))), None)
        if field is None:
            continue
        value = float(read_values(field).ravel()[0]) if field.size == 1 else np.nan
        if (
            field.dtype.kind not in "iuf"
            or not np.isfinite(value)
            or (what[0] == "s" and not value)
        ):
            raise FormatError(f"{field.name} is no single number that can scale {name!r}")
        scaling[i] = value
    return scaling[0], scaling[1]


def find_axes(group: LinkedGroup) -> list[str]:
    """Return the names of the axes, a dot for a dimension without an axis."""
    signal = get_signal(group)
    axes = group.attrs.get("axes", signal.attrs.get("axes"))
    if axes is None:
        names = _find_numbered_axes(group, signal.ndim)
    elif isinstance(axes, str | bytes):
        plain = decode_text(axes).strip("[] ")
        names = [name.strip() for name in plain.replace(":", ",").split(",")]
    else:
        names = [decode_text(name) for name in np.atleast_1d(axes)]
    return (names + ["."] * signal.ndim)[: signal.ndim]


def _find_numbered_axes(group: LinkedGroup, ndim: int) -> list[str]:
    """Return the axes of which `@axis` tells the dimension, from 1 (before 2014)."""
    names = ["."] * ndim
    for name in group:
        field = find_field(group, name)
        text = "" if field is None else decode_text(field.attrs.get("axis", ""))
        if not re.fullmatch(r"[1-9]", text) or int(text) > ndim or field is None:
            continue
        if names[int(text) - 1] == "." or decode_text(field.attrs.get("primary", "")) == "1":
            names[int(text) - 1] = str(name)
    return names


def _is_diffraction(group: LinkedGroup, name: str) -> bool:
    return find_field_kind(group, name, with_values=False).kind != OTHER


def _is_spectral(group: LinkedGroup, name: str) -> bool:
    field = find_field(group, name)
    return (
        field is not None and bool(read_units(field)) and is_spectral_name(name_axis(name, field))
    )


def find_field_kind(group: LinkedGroup, name: str, *, with_values: bool = True) -> AxisKind:
    """Return the kind of axis of a field. Contradictions are refused later."""
    unknown, field = AxisKind(OTHER, 1.0, False), find_field(group, name)
    if field is None or not read_units(field) or field.dtype.kind not in "iuf":
        return unknown
    long_name = decode_text(field.attrs.get("long_name", ""))
    values = None
    if with_values and field.ndim == 1:
        values = apply_scaling(read_values(field), find_scaling(group, name))
    name = name_axis(name, field)
    try:
        return find_axis_kind(name, read_units(field), long_name=long_name, values=values)
    except DataError:
        return unknown


def name_axis(axis: str, field: Any) -> str:
    """Return what an axis is called.

    pyFAI's HDF5Writer calls every axis `radial` and has an attribute `name`. xdart calls every axis
    `q`, and its units, such as `2th_deg`, give the kind.
    """
    if field is None:
        return axis
    units = parse_units(read_units(field))
    if units is not None and units.kind is not None:
        return units.kind
    said = decode_text(field.attrs.get("name", ""))
    return said if said and find_named_kind(axis) is None else axis


def find_axis(group: LinkedGroup, axes: list[str]) -> int | None:
    """Return the dimension of the signal that is the axis; None if it is not known.

    The last one where the signal is called a spectrum. Else the last one, or else the only one,
    that is of diffraction or of spectra; or the last one if it has units and is no position.
    """
    if decode_text(get_signal(group).attrs.get("interpretation", "")) == "spectrum":
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
