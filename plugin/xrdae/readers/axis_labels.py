"""Tell which axis a label names: of a column, a dimension or a setting of a header."""

from __future__ import annotations

import functools
import math
import re

from xrdae.convention.axis_kinds import (
    DIMENSIONS,
    OTHER,
    find_axis_kind,
    find_named_kind,
    is_other_name,
    is_spectral_name,
)
from xrdae.convention.units import Units, is_units, parse_units
from xrdae.errors import DataError, FormatError
from xrdae.readers.scan import ScanAxis

# Names of axes in labels; the first that fits.
_KINDS = {
    "two_theta": r"2\s*[-_*]?\s*\\?th|^\W*gonio\W*$|two[\s_-]*theta|(?<![a-z])tth|2\s*[-_*]?\s*θ"
    r"|(?:diffraction|scattering) angle",
    "q": r"(?<![a-z])q(?:vec\w*)?(?![a-z])|momentum transfer|scattering vector",
    "d": r"^\W*d(?=\W*$|[\s_]*[(\[/,]|[\s_]*(?:a|å|nm|ang\w*|[mp]?m)\W*$)|d[\s_-]?spac"
    r"|lattice spacing|interplanar|^\W*d_?hkl",
}
# 1/d; s and k are 1/d only with units of an inverse length: s may be sigma.
_RECIPROCAL = re.compile(r"\W*(?:1\s*/\s*d|d\s*(?:\*|\^?{?-1}?\$?)|(?P<letter>[sk]))(?![a-z^*\d])")
_OTHER = re.compile(
    r"time|tof|energy|kev|channel|omega|theta|(?<![a-z\d])(?:chi|phi|psi|r|t|z)(?![a-z_\d])|wave"
    r"|temperature|distance|radi[au]|pixel|^\W*(?:1\s*/\s*d(?![a-z])|d\s*(?:\*|\^?-2))"
)
# A function or a power of a quantity is another quantity.
_FUNCTION = re.compile(
    r"(?<![a-z])(?:log\d*|ln|sin|cos|tan|sqrt|exp|delta|δ)[\s_(\[]*(?:2?\s*-?theta|2?θ|q|d|two)(?![a-z]{3})|√"
    r"|(?:q|d|theta|θ)\s*(?:\^|\*\*)\s*\{?[2-9]|(?:q|θ)²|^\W*q2(?!\d)|^\W*1\s*/\s*q|q\s*/\s*q"
    r"|^\W*d2?\s*theta|offset|r\.?l\.?u"
)
_SUPERSCRIPTS = str.maketrans({"⁻": "-", "¹": "1", "²": "2", "Θ": "θ", "ϑ": "θ"})
# Spellings of units that `parse_units` leaves to their writers.
_UNITS = (
    (r"[\\${}]|\.$", ""),
    (r"^°.*", "degree"),
    (r"\bAA\b", "angstrom"),
    (r"(?i)\binv(?:erse)?\.?[\s_]+(\w+)", r"1/\1"),
    (r"(?<=[a-zÅA])\s*\^?-1\b", "^-1"),
    (r"(?i)degrees?|deg\b\.?", "degree"),
    (r"(?i)nanomet(?:er|re)s?", "nm"),
    (r"(?i)angstroe?ms?", "angstrom"),
)
IN_BRACKETS = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]")
KINDS_WITH_UNITS = ("two_theta", "q", "d")
_LONGEST_LABEL = 200
_LEAST_Q = 1e-5  # 1/angstrom, of one of the units of a q


@functools.lru_cache(maxsize=1024)
def find_label_axis(label: str) -> ScanAxis | None:
    """Return the axis that a label names; None if it names no axis.

    Without units, two_theta is in degree, q in 1/angstrom and d in angstrom. 1/d (also called s
    or k, with units of an inverse length) is multiplied by 2 pi to be q. Another axis, such as an
    energy, is of kind "other", with name and units of the label.

    Raises
    ------
    FormatError
        If name and units contradict each other.
    """
    is_function = _FUNCTION.search(label[:_LONGEST_LABEL].lower())
    label = label[:_LONGEST_LABEL].translate(_SUPERSCRIPTS)
    plain = label.lower()
    if is_function:
        axis = _make_other_axis(label)
        return axis if is_units(axis.units) else make_axis(label.strip())
    if reciprocal := _RECIPROCAL.match(plain):
        kind, factor = _parse_axis_units("q" + label[reciprocal.end() :]) or ("", 1.0)
        if kind == "q" or not (kind or reciprocal["letter"]):
            return ScanAxis("q", 2 * math.pi * factor)
        if kind and not reciprocal["letter"]:
            raise FormatError(
                f"its axis is called {label.strip()!r}: name and units contradict each other; "
                "correct the label"
            )
    named = next((kind for kind, pattern in _KINDS.items() if re.search(pattern, plain)), None)
    if named is None and (_OTHER.search(plain) or "raman" in plain or is_other_name(label)):
        return _make_other_axis(label)
    if named == "d" and (length := _find_length(label)):
        return ScanAxis("d", length)
    by_units = _parse_axis_units(label)
    if by_units is None:
        return ScanAxis(named) if named else None
    kind, factor = by_units
    if kind == "q" and factor < _LEAST_Q:  # 1/cm is a unit of wavenumbers
        return _make_other_axis(label)
    if named and kind != named and re.search(r"_[A-Z]\s*$", label):
        return ScanAxis(named)  # a letter that tells columns apart
    if named and kind != named:
        raise FormatError(
            f"its axis is called {label.strip()!r}: name and units contradict each other; correct "
            "the label"
        )
    if kind == "d" and not named:  # a nameless length may be anything
        return None
    if kind == "two_theta" and not named and _is_other_angle(label):
        return _make_other_axis(label)
    return ScanAxis(kind, factor)


def make_axis(name: str, units: str = "1") -> ScanAxis:
    """Return an axis of kind "other"."""
    return ScanAxis(OTHER, 1.0, name.replace("/", "_"), units, name)


def state_axis(name: str | None, units: str | None, found: ScanAxis | None) -> ScanAxis:
    """Return the axis that a user states, where needed with what was found in the file.

    Raises
    ------
    FormatError
        If the units are not those of the quantity, or do not tell which it is.
    """
    if name is not None:
        known = find_named_kind(name)
        name = known if known in KINDS_WITH_UNITS else name.strip()
        if not name or re.search(r"(?i)intens|count|error", name):
            raise FormatError(f"axis={name!r} is no quantity of positions; state two_theta, q ...")
        if found is not None and found.kind in KINDS_WITH_UNITS and found.kind != name:
            raise FormatError(
                f"axis={name!r} is stated, but its header says {found.kind}; correct one of them"
            )
    name = name or (found.name or found.kind if found else None)
    if name in KINDS_WITH_UNITS and units is None:
        return ScanAxis(name)
    if name is None:
        parsed = parse_units(str(units))
        if parsed is None or parsed.dimension == "length":
            raise FormatError(f"units={units!r} do not tell the quantity; state axis=... too")
        return ScanAxis(_find_kind_of_units(parsed) or OTHER, parsed.factor)
    if name not in KINDS_WITH_UNITS:
        if units is not None and not is_units(units):
            raise FormatError(f"units={units!r} are not known; state such as 'keV' or '1/cm'")
        return make_axis(name, units or "1")
    parsed = parse_units(str(units))
    if parsed is None or parsed.dimension != DIMENSIONS[name]:
        raise FormatError(f"units={units!r} are no units of {name}; correct units or axis")
    return ScanAxis(name, parsed.factor)


def _is_other_angle(label: str) -> bool:
    """Tell whether a label with units of an angle has a name that is not a general one."""
    name = _make_other_axis(label).name
    return find_named_kind(name) == OTHER and not re.fullmatch(r"(?i)\W*(?:deg\w*)?\W*", name)


def mentions_two_theta(line: str) -> bool:
    """Tell whether a line of a header has a name of two_theta."""
    return re.search(_KINDS["two_theta"], line[:1000].lower()) is not None


def find_units_axis(label: str) -> ScanAxis | None:
    """Return the axis that the label of a column of positions names, by its units; None: none.

    For what `find_label_axis` does not know: a chemical shift in ppm, a position in mm.

    Raises
    ------
    FormatError
        If name and units contradict each other.
    """
    axis = _make_other_axis(label[:_LONGEST_LABEL].translate(_SUPERSCRIPTS))
    if axis.units == "1":
        return axis if is_spectral_name(axis.name) or is_other_name(axis.name) else None
    try:
        kind = find_axis_kind(axis.name, axis.units)
    except DataError as error:
        raise FormatError(str(error)) from error
    return axis if kind.kind == OTHER else ScanAxis(kind.kind, kind.factor)


def _make_other_axis(label: str) -> ScanAxis:
    """Return an axis of kind "other": the label without its units, and the units."""
    text = re.sub(r"^[\s#!%;'\"/*]+|[\s\"']+$", "", label)
    match = re.match(r"(.+?)\s*[(\[]\s*([^)\]]+?)\s*[)\]]$", text)
    for pattern in (
        r"(.*[^\W\d])\s*(?:/|,\s)\s*([^\W\d]\S*)$",
        r"(.+)_([A-Za-zÅ]{1,3}\^?-\d|deg|rad|[mnu]?m|[mnu]?s|k?eV)$",
    ):
        found = None if match else re.match(pattern, text)
        match = found if found and is_units(found[2]) else match
    name, units = (match[1], match[2]) if match else (text, "1")
    units = re.sub(r"[$\\{}]", "", units.replace(r"\AA", "angstrom")).strip()
    return ScanAxis("other", 1.0, name.strip().replace("/", "_"), units, text)


def may_be_units(text: str) -> bool:
    """Tell whether a text is short and simple enough to be evaluated as units."""
    return 0 < len(text) <= 24 and not re.search(r"\d\d|\*\*|\^.*\^", text)


def _find_length(label: str) -> float | None:
    """Return the units of length in a label [angstrom]; None if there are none."""
    match = IN_BRACKETS.search(label) or re.search(r"[/,_\s]\s*(\w+)\W*$", label)
    units = parse_units(match[1]) if match and may_be_units(match[1]) else None
    return units.factor if units is not None and units.dimension == "length" else None


def _find_kind_of_units(units: Units) -> str | None:
    """Return the kind of axis with these units. Lengths above 100 nm are positions."""
    if units.dimension == "length" and units.factor > 1e3:
        return None
    return next(kind for kind, of_kind in DIMENSIONS.items() if of_kind == units.dimension)


def _parse_axis_units(label: str) -> tuple[str, float] | None:
    """Return the kind from the units in a label: in brackets, or after `/`, `_` or a comma."""
    match = (
        IN_BRACKETS.search(label)
        or re.search(r"\w\s+in\s+(\S+)$", label)
        or re.search(r"[\s\w]+?[/,_]\s*(\S.*)$", label)
    )
    for text in filter(None, (match[1] if match else "", label if "_" in label else "")):
        units = text.strip()
        for pattern, by in _UNITS:
            units = re.sub(pattern, by, units)
        found = parse_units(units) if may_be_units(units) else None
        if found is not None and (kind := _find_kind_of_units(found)):
            return kind, found.factor
    return None
