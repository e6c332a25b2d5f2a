"""Parse the header of a text: the axis, and keys with values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from xrdae.convention.axis_kinds import (
    is_other_name,
)
from xrdae.convention.units import convert_to_angstrom, convert_value, parse_units
from xrdae.errors import FormatError
from xrdae.readers.axis_labels import (
    IN_BRACKETS,
    find_label_axis,
    find_units_axis,
    make_axis,
    may_be_units,
    mentions_two_theta,
)
from xrdae.readers.header_values import format_iso_time
from xrdae.readers.scan import METADATA_UNITS, ScanAxis

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


def _is_other_scan(value: str) -> bool:
    """Tell whether what moved in a scan was not 2theta."""
    return is_other_name(value) and not re.search(r"(?i)2\s*-?\s*th|two|coupled|psd", value)


def find_metadata(lines: Iterable[str]) -> dict[str, float | str]:
    """Return the metadata in a header, in the units of `METADATA_UNITS`.

    Of several values for a name the first holds. A temperature must be given with units: 25 may be
    degC or K. A counting time must too, but for the keys `counting_time` and `timeperstep` [s].
    """
    found: dict[str, float | str] = {}
    for key, text in split_pairs(lines):
        bare = IN_BRACKETS.sub("", key).replace("_", " ").strip().lower()
        name = _KEYS.get(bare)
        if name is None or name in found:
            continue
        units = IN_BRACKETS.search(key)
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
    if not may_be_units(units):
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
