"""Classify a coordinate as an axis of two_theta, q or d, or as another axis.

Units and name decide together. The units of a diffraction axis alone are not enough: an azimuth is
an angle too, a position on the sample a length, a wavenumber an inverse length.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from xrdae.convention.units import Units, parse_units
from xrdae.errors import DataError

UNITS = {"two_theta": "degree", "q": "1/angstrom", "d": "angstrom"}
LONG_NAMES = {"two_theta": "diffraction angle", "q": "momentum transfer", "d": "lattice spacing"}
OTHER = "other"
KINDS = (*UNITS, OTHER)
DIMENSIONS = {"two_theta": "angle", "q": "1/length", "d": "length"}
# Largest plausible positions. USAXS and pair-distribution work reach neither of the last two.
_LEAST_Q = 0.05  # 1/angstrom, of one of the units of a q: from 1/pm to 1/nm, not 1/cm
HIGHEST_K = 5.0  # 1/angstrom, in electron diffraction; photoelectrons have k up to 16
_LIKELY = {"q": " (are they 1/nm?)"}
HIGHEST = {"two_theta": 180.0, "q": 100.0, "d": 1e4}

_SUPERSCRIPTS = str.maketrans({"⁻": "-", "¹": "1", "²": "2", "Θ": "θ", "ϑ": "θ", "ϴ": "θ"})
_UNITS_IN_NAME = re.compile(
    r"[\s_-]*[(\[].*$|[\s_-]+(?:deg(?:rees?)?|rad(?:ians?)?|(?:a|å|nm|angstrom)\^?-1|1/(?:a|å|nm)"
    r"|inv_?(?:a|nm|angstrom)|a|å|[mnuµ]?m|cm|angstrom|[kmg]?ev|[mnuµ]s)$"
)
# Names of diffraction axes, without blanks and underscores, in lower case.
_DIFFRACTION = {
    "two_theta": re.compile(
        r"(?:2|two)[*]?\\?(?:theta|thet|th(?![a-z])|θ)|^t?tth(?:eta)?$|^ttheta$|^gonio$"
        r"|(?:scattering|diffraction|polar)angle$"
    ),
    "q": re.compile(
        r"^\|?q\|?$|^modq$|^s\.q$|^q(?:[xyzr]|xy|vec(?:tor)?|abs|norm|mag|bins?|axis|values?|grid)$|^k$"
        r"|momentumtransfer|scatteringvector|wavevectortransfer"
    ),
    "d": re.compile(r"^d$|^dhkl$|^d-?spac|latticespacing|interplanar"),
}
# Names of other quantities, with any units. One matching word is enough.
_OTHER = re.compile(
    r"omega|^ω$|^th$|^om$|chi|χ|phi|φ|^psi$|ψ|kappa|azim|rocking|eta$|theta|^θ$|wind|direction|tilt"
    r"|rotation|incident|incidence|exit|latitude|longitude|hue|phase|^r$|radius|distance|depth"
    r"|thickness|height|width|wave-?number|raman|shift|freq|wave-?length|lambda|energ|photoelectron"
    r"|time|tof|temperature|^x$|^y$|^z$|position|pixel|channel|size|velocity|mass|^m/?z$|ppm"
)
# Names of spectral axes. A dataset that has one is never given another axis.
_SPECTRAL = re.compile(
    r"energ|^e$|^ev$|^kev$|eloss|wave-?number|^wave$|raman|ramanshift|chemicalshift|^shift$|^δ$|freq"
    r"|wave-?length|^lambda$|^λ$|tof|timeofflight|^r$|ppm|^m/?z$|masstocharge|bindingenergy|channel"
    r"|radius|d\*2|^s$"
)
# Names of sample dimensions. They are the axis only if the user says so.
_SAMPLE = re.compile(
    r"^(?:pattern|sample|scan|frame|spectr(?:um|a)|point|run|file|row|col(?:umn)?|index|position"
    r"|[xyz]|[xyz][_ ]?(?:stage|pos(?:ition)?|motor|sample)|(?:sample|stage|motor)[_ ]?[xyz])$"
)
# Functions of a diffraction axis are other quantities.
_FUNCTION = re.compile(r"^(?:log\d*|ln|sin|cos|tan|sqrt)\(?(?:2?theta|2?θ|q|d(?![a-z])|two)")
# 1/d with these names is q / (2 pi), if its units are those of a q.
_RECIPROCAL = re.compile(
    r"^(?:s|1/d|d\*|d\^?-1|(?:inv(?:erse)?|recip(?:rocal)?|1over)d(?:-?spacing)?|d(?:-?spacing)?inv)$"
)
_GENERIC = re.compile(
    r"^(?:x|x-?axis|axis\d*|radial|radialaxis|angles?|winkel|角度?|abscissa|bins?|points?|values?|dim(?:int)?\d*|data"
    r"|coordinates?|index|signalaxis)$"
)
_RADIAL = re.compile(r"^radial(?:axis)?$")  # pyFAI's; an angle along it is two_theta


@dataclasses.dataclass(frozen=True)
class AxisKind:
    """The kind of a coordinate.

    Attributes
    ----------
    kind
        "two_theta", "q", "d" or "other".
    factor
        Factor from its units to the units of the kind; 1 for "other".
    is_named
        True if its name, or the spelling of its units, gives the kind. False if only the dimension
        of its units does.
    """

    kind: str
    factor: float
    is_named: bool

    @property
    def is_assumed(self) -> bool:
        """True for an angle of a general name, such as x: it is taken for two_theta."""
        return self.kind == "two_theta" and not self.is_named


def find_named_kind(name: Hashable) -> str | None:
    """Return the kind of axis that a name stands for; None if the name is too general to tell.

    Examples
    --------
    >>> find_named_kind("2th_deg"), find_named_kind("omega"), find_named_kind("radial")
    ('two_theta', 'other', None)
    """
    plain = _simplify(name)
    if _is_function(name):
        return OTHER
    for kind, names in _DIFFRACTION.items():
        if names.search(plain):
            return kind
    if _DIFFRACTION["two_theta"].search(re.sub(r"[\s_.°]", "", str(name).lower())):
        return "two_theta"  # in brackets: Pos. [°2Th.]
    return None if _GENERIC.match(plain) else OTHER


def is_spectral_name(name: Hashable) -> bool:
    """Tell whether a name is that of a spectral axis, such as an energy."""
    return _SPECTRAL.search(_simplify(name)) is not None


def is_other_name(name: Hashable) -> bool:
    """Tell whether a name is known, and not the name of a diffraction axis."""
    return find_named_kind(name) == OTHER and _OTHER.search(_simplify(name)) is not None


def is_sample_name(name: Hashable) -> bool:
    """Tell whether a name is that of a sample dimension, such as a stage position."""
    return _SAMPLE.match(str(name).strip().lower()) is not None


def _is_function(name: Hashable) -> bool:
    """Tell whether a name is that of a function of a diffraction axis, such as log10(q)."""
    plain = re.sub(r"[\s_]", "", str(name).translate(_SUPERSCRIPTS).lower())
    return _FUNCTION.match(plain) is not None


def _simplify(name: Hashable) -> str:
    text = str(name).translate(_SUPERSCRIPTS).strip().lower()
    text = _UNITS_IN_NAME.sub("", text) or text
    return re.sub(r"[\s_]|(?<=[a-z2])-(?=[a-z])", "", text)


def find_axis_kind(
    name: Hashable,
    units: str,
    *,
    long_name: str = "",
    values: npt.NDArray[np.floating] | None = None,
) -> AxisKind:
    """Return the kind of a coordinate that has units.

    Parameters
    ----------
    name
        Of the coordinate.
    units
        Of its values, not empty.
    long_name
        Its description, used if the name is too general.
    values
        Its positions, to check that they are plausible; None: not known.

    Raises
    ------
    DataError
        If name and units contradict each other, or the positions are not possible for the kind.

    Examples
    --------
    >>> find_axis_kind("two_theta", "degree").kind, find_axis_kind("raman_shift", "1/cm").kind
    ('two_theta', 'other')
    """
    parsed = parse_units(units)
    named = find_named_kind(name)
    described_as = long_name if named is None else str(name)
    is_reciprocal = (
        _RECIPROCAL.match(_simplify(described_as)) is not None
        and parsed is not None
        and parsed.dimension == DIMENSIONS["q"]
        and parsed.factor > _LEAST_Q
    )
    if is_reciprocal:
        named = "q"
    elif named is None and long_name:
        described = find_named_kind(long_name)
        is_other = _OTHER.search(_simplify(long_name)) is not None
        named = described if described != OTHER or is_other else None
    elif str(name).lower() == "k" and _OTHER.search(_simplify(long_name)):
        named = OTHER  # of photoelectrons
    if parsed is not None and parsed.kind is not None:
        # Units such as 2th_deg name the kind; xdart calls every axis q.
        kind, is_named = parsed.kind, True
    elif named in UNITS:
        _check_dimension(name, units, parsed, named)
        kind, is_named = named, True
    else:
        kind, is_named = _guess_kind(parsed, named), _RADIAL.match(_simplify(name)) is not None
        _check_dimension_of_other(name, units, parsed)
    if kind == OTHER or parsed is None:
        return AxisKind(OTHER, 1.0, False)
    is_k = named == "q" and str(name).strip().lower() == "k" and parsed.kind is None
    if is_k and values is not None and np.nanmax(values, initial=0) * parsed.factor > HIGHEST_K:
        return AxisKind(OTHER, 1.0, False)  # of photoelectrons
    # In electron diffraction, k = 1/d.
    factor = parsed.factor * (2 * np.pi if is_k or is_reciprocal else 1.0)
    if values is not None and not _are_plausible(values, factor, kind):
        if not is_named:
            return AxisKind(OTHER, 1.0, False)
        largest = float(np.nanmax(np.abs(values))) * factor
        raise DataError(
            f"axis {name!r} [{units}] reaches {largest:.6g} {UNITS[kind]}, more than a {kind} can "
            f"be ({HIGHEST[kind]:g}); correct its units{_LIKELY.get(kind, '')}, or rename it if it "
            f"is something else: ds.rename({{{str(name)!r}: ...}})"
        )
    return AxisKind(kind, factor, is_named)


def describe_assumption(name: Hashable) -> str:
    """Return the warning that an angle of a general name is taken for two_theta."""
    return (
        f"axis {str(name)!r} is taken for two_theta, since its units are those of an angle; name "
        "it 'two_theta', or by the angle that it is, such as 'omega' or 'chi'"
    )


def _guess_kind(parsed: Units | None, named: str | None) -> str:
    """Return the kind that the units give, if the name is too general."""
    if parsed is None or named == OTHER:
        return OTHER
    if parsed.dimension == "angle":
        return "two_theta"
    # From 1/pm to 1/nm; 1/cm and 1/m are wavenumbers. A length may be a position, or an r.
    is_q = parsed.dimension == "1/length" and parsed.factor > _LEAST_Q
    return "q" if is_q else OTHER


def _check_dimension(name: Hashable, units: str, parsed: Units | None, kind: str) -> None:
    if parsed is None or parsed.dimension != DIMENSIONS[kind]:
        raise _make_contradiction_error(name, units, f"a {kind} is in {UNITS[kind]} or the like")
    if kind == "q" and parsed.factor < 1e-6 and re.search(r"cm|kayser", units, re.IGNORECASE):
        raise _make_contradiction_error(name, units, "1/cm is a unit of wavenumbers, never of q")


def _check_dimension_of_other(name: Hashable, units: str, parsed: Units | None) -> None:
    """Refuse an energy in degree, an omega in 1/angstrom: one of the two is wrong."""
    plain = _simplify(name)
    if parsed is None or _is_function(name):
        return
    words = {
        "angle": r"omega|chi$|phi$|^psi$|azim|theta",
        "length": r"wave-?length|^lambda$",
        "1/length": r"wave-?number|raman",
        "energy": r"energ|^k?ev$",
    }
    for dimension, pattern in words.items():
        if re.search(pattern, plain) and dimension != parsed.dimension:
            raise _make_contradiction_error(name, units, f"a {name} has the dimension {dimension}")


def _make_contradiction_error(name: Hashable, units: str, why: str) -> DataError:
    return DataError(
        f"axis {name!r} has units {units!r}: name and units contradict each other ({why}); correct "
        f"the units, ds[{str(name)!r}].attrs['units'] = ..., or the name, "
        f"ds.rename({{{str(name)!r}: ...}})"
    )


def _are_plausible(values: npt.NDArray[np.floating], factor: float, kind: str) -> bool:
    largest = np.nanmax(np.abs(values), initial=0.0) * factor
    # An axis of floats of 32 bits, or in radian, may end a little above.
    return bool(not np.isfinite(largest) or largest <= HIGHEST[kind] * (1 + 1e-6))
