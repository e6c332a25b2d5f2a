"""Parse the header of a text: the axis, and keys with values."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator

from xrdae.convention.axis_kinds import (
    DIMENSIONS,
    OTHER,
    find_axis_kind,
    find_named_kind,
    is_other_name,
    is_spectral_name,
)
from xrdae.convention.units import Units, convert_to_angstrom, convert_value, is_units, parse_units
from xrdae.errors import DataError, FormatError
from xrdae.readers.header_values import format_iso_time
from xrdae.readers.scan import METADATA_UNITS, ScanAxis

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
_SPELLINGS = {
    "C": "degC",
    "°C": "degC",
    "ºC": "degC",
    "Celsius": "degC",
    "Kelvin": "K",
    "sec": "s",
    "deg": "degree",
}
_PAIR = re.compile(r"^[\s#!%;'\"/*_@]*([A-Za-zλ][^:=,;\t\"]{0,40}?)\"?\s*[:=,;\t]\s*(.*?)\s*$")
_QUOTED = re.compile(r"\b([A-Za-z]\w*):\s*\"([^\"]*)\"")  # as EVA exports its header
_NUMBER = re.compile(r"([+-]?(?:\d+[.,]?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)$")
_IN_BRACKETS = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]")

# Keys as programs write them, in lower case, without units and underscores.
_KEYS = {
    "calibrated wavelength": "wavelength",
    "lambda": "wavelength",
    "wave length": "wavelength",
    "wavelength alpha1": "wavelength",
    "x-ray wavelength": "wavelength",  # RRUFF
    "names": "sample",  # RRUFF
    "k-alpha1 wavelength": "wavelength",
    "k-alpha2 wavelength": "k_alpha_2",
    "temp": "temperature",
    "sample temperature": "temperature",
    "time per step": "counting_time",
    "timeperstep": "counting_time",
    "counting time": "counting_time",
    "exposure time": "counting_time",
    "sample name": "sample",
    "samplename": "sample",
    "user sample name": "sample",
    "sample identification": "sample",
    "date": "time",
    "start time": "time",
    "anode material": "anode",
} | {key.replace("_", " "): key for key in (*METADATA_UNITS, "sample", "time", "title", "anode")}
_AXIS_KEYS = {
    "unit",
    "units",
    "x unit",
    "x units",
    "xunits",
    "x-axis unit",
    "the x-axis unit is",
    "x label",
    "x-axis",
}
# What pdfgetx3 calls its input: https://www.diffpy.org/doc/pdfgetx/ (`dataformat`), in lower case.
DATAFORMATS = {
    "qa": ScanAxis("q"),
    "qnm": ScanAxis("q", 0.1),
    "twotheta": ScanAxis("two_theta"),
}
# Keys of what moved in a scan, in lower case.
_SCAN_KEYS = {
    "scanningmode",
    "scan",
    "scanning axis",
    "rangeheader.drive",
    "scanning mode",
    "scan mode",
    "scan axis",
    "scanaxis",
    "scan type",
    "drive",
}
_LABSPEC = {"1/cm": "Raman shift", "nm": "wavelength", "eV": "energy"}
_OTHER_MEASUREMENT = re.compile(
    r"rocking|(?<![a-z])(?:omega|phi|chi|psi|theta)[\s-]*scan|raman|infrared|ftir|absorbance"
    r"|photoelectron|(?<![a-z])xps(?![a-z])|wave-?number|1/cm|cm-1|cm\^-1|jcamp"
)
_Q_IN_WORDS = re.compile(
    r"(?<![a-z])q(?![a-z])[\s,:]*(?:is|in|units?)?[\s(\[]*(inv\.?\s*(?:nm|a)|1/(?:nm|a)|nm\^?\(?-1|a\^?-1)"
)
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


def find_header_axis(lines: Iterable[str]) -> ScanAxis | None:
    """Return the axis that keys of a header name (`unit`, `dataformat`, a scan type), if any.

    Raises
    ------
    FormatError
        If the units are those of another quantity.
    """
    for name, value in split_pairs(lines):
        key = name.lower().replace("_", " ")
        if key == "dataformat" and value.lower() in DATAFORMATS:
            return DATAFORMATS[value.lower()]
        is_type = key == "scantype" and not re.search(r"(?i)theta|coupled|psd", value)
        if is_type or (key in _SCAN_KEYS and _is_other_scan(value)):
            raise FormatError(f"it is a scan of type {value!r}, not over 2theta")
        is_gonio = key == "scan axis" and re.search(r"(?i)gonio|2\s*-?\s*theta", value)
        if is_gonio or key == "x-ray wavelength":  # PANalytical; RRUFF
            return ScanAxis("two_theta")
        if key == "axisunit[1]":  # LabSpec
            return make_axis(_LABSPEC.get(value, "Spectr"), value)
        if key in _AXIS_KEYS and (axis := find_label_axis(value) or find_units_axis(value)):
            is_energy = re.fullmatch(r"[kM]?eV", axis.name) is not None
            return make_axis("energy", axis.name) if is_energy else axis
        if key == "qwavename":  # Irena and Indra, small angles
            return ScanAxis("q")
    return None


def find_mentioned_axis(lines: Iterable[str]) -> ScanAxis | None:
    """Return the axis that a header mentions anywhere; None: none.

    Raises
    ------
    FormatError
        If it is that of a scan over another angle, or of a spectrum.
    """
    found: ScanAxis | None = None
    for line in lines:
        plain = line[:1000].lower()
        if other := _OTHER_MEASUREMENT.search(plain):
            raise FormatError(
                f"its header mentions {other[0]!r}, so its positions are probably not 2theta; "
                "state what they are: axis=... and units=..."
            )
        if match := _Q_IN_WORDS.search(plain):
            units = parse_units("1/nm" if "n" in match[1] else "1/angstrom")
            return ScanAxis("q", units.factor if units else 1.0)
        if match := re.search(r"(?<![a-z])q\s*[(\[][^)\]]+[)\]]", plain):
            return find_label_axis(match[0]) or ScanAxis("q")
        if match := re.search(r"(?<![a-z])[sfigdt]\s*\(\s*([qr])\s*\)", plain):
            return ScanAxis("q") if match[1] == "q" else make_axis("r")
        if mentions_two_theta(line):
            found = ScanAxis("two_theta")
    return found


def mentions_two_theta(line: str) -> bool:
    """Tell whether a line of a header has a name of two_theta."""
    return re.search(_KINDS["two_theta"], line[:1000].lower()) is not None


def _is_other_scan(value: str) -> bool:
    """Tell whether what moved in a scan was not 2theta."""
    return is_other_name(value) and not re.search(r"(?i)2\s*-?\s*th|two|coupled|psd", value)


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


def find_metadata(lines: Iterable[str]) -> dict[str, float | str]:
    """Return the metadata in a header, in the units of `METADATA_UNITS`.

    Of several values for a name the first holds. A temperature must be given with units: 25 may be
    degC or K. A counting time must too, but for the keys `counting_time` and `timeperstep` [s].
    """
    found: dict[str, float | str] = {}
    for key, text in split_pairs(lines):
        bare = _IN_BRACKETS.sub("", key).replace("_", " ").strip().lower()
        name = _KEYS.get(bare)
        if name is None or name in found:
            continue
        units = _IN_BRACKETS.search(key)
        value = _parse_value(name, bare, text, units[1] if units else "")
        if value is not None:
            found[name] = value
    return found


def split_pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield keys, with any units in brackets, and values."""
    for line in lines:
        if quoted := _QUOTED.findall(line):
            yield from quoted
        elif match := _PAIR.match(line[:1000]):
            yield re.sub(r"\s+", " ", match[1]).strip(), match[2].strip("'\"").strip()
            yield from _split_more_pairs(match[2])


def _split_more_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield further pairs of a line such as `lambda=1.494, T=1.5, Date=2001-06-16`."""
    for piece in text.split(",")[1:]:
        if match := re.match(r"\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*$", piece):
            yield match[1], match[2].strip("'\"")


def convert_header_value(value: float, units: str, to: str) -> float | None:
    """Convert between units in the spelling of headers; None if the dimensions differ."""
    units = _SPELLINGS.get(units, units)
    if units == to:
        return value
    if not _may_be_units(units):
        return None
    if to == "angstrom":
        return convert_to_angstrom(value, units)
    return convert_value(value, units, to)


def _parse_value(name: str, key: str, text: str, units: str) -> float | str | None:
    if name == "time":
        return format_iso_time(text)
    if name not in METADATA_UNITS:
        return text or None
    match = _NUMBER.match(text)
    if not match:
        return None
    number = float(match[1].replace(",", "."))
    units = units or re.split(r"[\s,;]", match[2])[0].strip("[]()")
    is_in_seconds = key in {"counting time", "timeperstep"}
    if not units and (name == "temperature" or (name == "counting_time" and not is_in_seconds)):
        return None
    value = convert_header_value(number, units or METADATA_UNITS[name], METADATA_UNITS[name])
    if name == "wavelength" and value is not None:
        value = value * 1e10 if not units and value < 1e-6 else value  # pyFAI writes metres
        return value if 0.01 <= value <= 100 else None
    return value if value is not None and math.isfinite(value) else None


def _may_be_units(text: str) -> bool:
    """Tell whether a text is short and simple enough to be evaluated as units."""
    return 0 < len(text) <= 24 and not re.search(r"\d\d|\*\*|\^.*\^", text)


def _find_length(label: str) -> float | None:
    """Return the units of length in a label [angstrom]; None if there are none."""
    match = _IN_BRACKETS.search(label) or re.search(r"[/,_\s]\s*(\w+)\W*$", label)
    units = parse_units(match[1]) if match and _may_be_units(match[1]) else None
    return units.factor if units is not None and units.dimension == "length" else None


def _find_kind_of_units(units: Units) -> str | None:
    """Return the kind of axis with these units. Lengths above 100 nm are positions."""
    if units.dimension == "length" and units.factor > 1e3:
        return None
    return next(kind for kind, of_kind in DIMENSIONS.items() if of_kind == units.dimension)


def _parse_axis_units(label: str) -> tuple[str, float] | None:
    """Return the kind from the units in a label: in brackets, or after `/`, `_` or a comma."""
    match = (
        _IN_BRACKETS.search(label)
        or re.search(r"\w\s+in\s+(\S+)$", label)
        or re.search(r"[\s\w]+?[/,_]\s*(\S.*)$", label)
    )
    for text in filter(None, (match[1] if match else "", label if "_" in label else "")):
        units = text.strip()
        for pattern, by in _UNITS:
            units = re.sub(pattern, by, units)
        found = parse_units(units) if _may_be_units(units) else None
        if found is not None and (kind := _find_kind_of_units(found)):
            return kind, found.factor
    return None
