"""Read the metadata of a NeXus entry: wavelength, title and application definition."""

from __future__ import annotations

import json

import numpy as np

from xrdae.convention.units import convert_to_angstrom
from xrdae.readers.hdf5_fields import decode_text, find_field, read_units, read_values
from xrdae.readers.linked_objects import LinkedGroup
from xrdae.readers.nexus_groups import walk_groups

_HC = 12.398419843320026  # keV angstrom


def find_wavelength(group: LinkedGroup) -> float | None:
    """Return the wavelength [angstrom] of the entry; that of K-alpha 1 for a tube."""
    entry = group
    while decode_text(entry.attrs.get("NX_class", "")) != "NXentry":
        parent = entry.parent
        if parent is None:
            break
        entry = parent
    found: dict[str, set[float]] = {"wavelength": set(), "k_alpha_one": set(), "energy": set()}
    for at in walk_groups(entry):
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
            return None  # ambiguous
    return _find_configured_wavelength(group)


def _find_configured_wavelength(group: LinkedGroup) -> float | None:
    """Return the wavelength [angstrom] in the configuration of the integration (JSON in an NXnote).

    pyFAI writes `wavelength` [m], in newer versions in `poni`; ewoksxrpd `energy` [keV].
    """
    field = find_field(group.parent or group, "configuration/data")
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


def _read_number(group: LinkedGroup, name: str) -> tuple[float, str] | None:
    field = find_field(group, name)
    if field is None or field.size != 1 or field.dtype.kind not in "iuf":
        return None
    return float(read_values(field).item()), read_units(field)


def read_metadata(group: LinkedGroup) -> dict[str, str]:
    """Return the entry's title and the application definition."""
    said: dict[str, str] = {}
    at: LinkedGroup | None = group
    while at is not None and at.parent is not None:
        for name in ("title", "definition"):
            field = find_field(at, name)
            if field is not None and field.shape in ((), (1,)):
                text = decode_text(read_values(field))
                if text:
                    said.setdefault(name, text)
        at = at.parent
    return said
