"""Units as hosts and files spell them, parsed by pint: their dimension and their factor."""

from __future__ import annotations

import dataclasses
import functools
import re
import threading
from typing import Any

import numpy as np

_LONGEST_UNITS = 64  # characters
# A power of a name is a unit; a power of a number is a number, and 9**9**9 takes for ever.
_POWER_OF_NUMBER = re.compile(r"[\d.)⁰¹²³⁴-⁹]\s*(?:\*\*|\^|[⁰¹²³⁴-⁹⁻])|square|cubed|cubic|\bsq\b")
# Prefixes by which pyFAI, xdart and others write the kind of axis into the units: 2th_deg, q_nm^-1.
_PREFIXES = {"2th": "two_theta", "tth": "two_theta", "q": "q", "k": "q", "d": "d"}
# Spellings that pint does not know, and their meaning.
_SPELLINGS = (
    (re.compile(r"\\(?:mathrm|text|rm)|[\\${}]"), ""),
    (re.compile(r"(?i)^(?:°|deg(?:ree)?s?\.?)\s*2\s*-?(?:th|theta|θ)$"), "2th_deg"),
    (re.compile(r"(?i)\binv(?:erse|\.)?\s*(\S+)"), r"1/\1"),
    (re.compile(r"\b(?:AA?|[Aa]ngstroe?ms?|ANGSTROMS?|Ang|ang|Ångstr[öo]ms?|ångstr[öo]ms?)\b\.?"),
     "angstrom"),
    (re.compile(r"(?i)\bdeg(?:ree)?s?\b\.?"), "degree"),
    (re.compile(r"(?i)\bnm\b|\bnanomet(?:er|re)s?\b"), "nm"),
    (re.compile(r"(?i)\bkev\b"), "keV"),
    (re.compile(r"(?i)\bev\b"), "eV"),
    (re.compile(r"([A-Za-zÅ])-(\d)"), r"\1^-\2"),
)  # fmt: skip
_DIMENSION_OF_KIND = {"two_theta": "angle", "q": "1/length", "d": "length"}

_HC = 12.398419843320026  # keV angstrom

_ONE_BY_ONE = threading.RLock()  # pint's registries are not made for several threads


@dataclasses.dataclass(frozen=True)
class Units:
    """Meaning of a units string.

    Attributes
    ----------
    dimension
        "angle", "length" or "1/length".
    factor
        What values in these units are multiplied by to be in degree, angstrom or 1/angstrom.
    kind
        The kind of axis that the string names ("2th_deg", "q_nm^-1"); None: no kind.
    """

    dimension: str
    factor: float
    kind: str | None = None


@functools.cache
def _get_registry() -> Any:
    import pint  # takes 0.5 s

    return pint.UnitRegistry()


def _may_be_units(text: str) -> bool:
    """Tell whether a text is so simple that evaluating it as units comes to an end."""
    return len(text) <= _LONGEST_UNITS and _POWER_OF_NUMBER.search(text) is None


def convert_value(value: float, units: str, to: str) -> float | None:
    """Convert between units, also degC to K; return None if the dimensions differ."""
    if not _may_be_units(units):
        return None
    with _ONE_BY_ONE:
        try:
            return float(_get_registry().Quantity(value, units).to(to).magnitude)
        except Exception:  # pint raises half a dozen kinds for text that is no unit
            return None


@functools.cache
def parse_units(text: str) -> Units | None:
    """Return the meaning of units; None if they are not an angle, length or inverse length."""
    text = _respell(text)
    prefix, _, rest = text.partition("_")
    kind = _PREFIXES.get(prefix.lower()) if rest else None
    plain = _respell(rest) if kind else text
    if not plain or not _may_be_units(plain):
        return None
    with _ONE_BY_ONE:
        found = _parse(plain)
    if found is None or kind is None:
        return found
    if _DIMENSION_OF_KIND[kind] != found.dimension:
        return None
    of_k = 2 * np.pi if prefix.lower() == "k" else 1.0  # electron diffraction: k = 1/d
    return Units(found.dimension, found.factor * of_k, kind)


def _respell(text: str) -> str:
    """Return units in a spelling that pint knows."""
    if len(text) > _LONGEST_UNITS:
        return text
    for pattern, by in _SPELLINGS:
        text = pattern.sub(by, text.strip())
    return text


def _parse(text: str) -> Units | None:
    registry = _get_registry()
    try:
        quantity = registry.Quantity(1.0, registry.Unit(text))
    except Exception:  # as in `convert_value`
        return None
    if quantity.check("1/[length]"):
        return Units("1/length", quantity.to("1/angstrom").magnitude)
    if quantity.check("[length]"):
        return Units("length", quantity.to("angstrom").magnitude)
    angles = (registry.degree, registry.radian)
    is_angle = quantity.check("[]") and any(str(angle) in str(quantity.units) for angle in angles)
    return Units("angle", quantity.to("degree").magnitude) if is_angle else None


@functools.lru_cache(maxsize=1024)
def is_units(text: str) -> bool:
    """Tell whether a text is a spelling of units that pint knows."""
    if not text.strip() or not _may_be_units(text):
        return False
    with _ONE_BY_ONE:
        try:
            _get_registry().Unit(_respell(text))
        except Exception:  # as in `convert_value`
            return False
    return True


def is_same_units(one: str, other: str) -> bool:
    """Tell whether two spellings mean the same units; spellings that pint cannot read are texts."""
    if one.strip() == other.strip():
        return True
    if not (_may_be_units(one) and _may_be_units(other)):
        return False
    with _ONE_BY_ONE:
        try:
            registry = _get_registry()
            return bool(registry.Unit(_respell(one)) == registry.Unit(_respell(other)))
        except Exception:  # as in `convert_value`
            return False


def convert_to_angstrom(value: float, units: str) -> float | None:
    """Convert a wavelength or a photon energy (eV, keV) to angstrom; None if it is neither.

    Parameters
    ----------
    value
        The wavelength in `units`, or the energy.
    units
        Of a length or of an energy.
    """
    text = _respell(units)
    length = convert_value(value, text, "angstrom")
    if length is not None:
        return length
    energy = convert_value(value, text, "keV")
    return None if energy is None or energy <= 0 else _HC / energy
