"""Diffraction axes: two_theta, q and d, their units, and the way from one to another."""

from __future__ import annotations

import dataclasses
import functools
import re
import threading
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError

Float = npt.NDArray[np.float64]

UNITS = {"two_theta": "degree", "q": "1/angstrom", "d": "angstrom"}
LONG_NAMES = {"two_theta": "diffraction angle", "q": "momentum transfer", "d": "lattice spacing"}

# How hosts spell the names; compared in lower case without blanks and underscores.
ALIASES = {
    "two_theta": {"twotheta", "2theta", "2th", "tth", "ttheta", "2\\theta", "2θ", "polarangle"},
    "q": {"q", "s.q", "momentumtransfer", "k"},
    "d": {"d", "dspacing", "latticespacing"},
}
_ANY_NAME = {"radial", "radialaxis"}  # diffraction axes whose kind only the units tell

_LONGEST_UNITS = 64  # characters
# Of a name a power is one; of a number it is a number, and 9**9**9 one that takes for ever.
_POWER_OF_NUMBER = re.compile(r"[\d.)]\s*(?:\*\*|\^|[⁰¹²³⁴-⁹⁻])|square|cubed|cubic|\bsq\b")


def kind_of_name(name: Hashable) -> str | None:
    """Return the kind that a name suggests ("any" for a generic one), None where it is none."""
    plain = re.sub(r"[\s_]", "", str(name)).lower()
    plain = re.sub(r"(deg|rad|a\^?-1|nm\^?-1)$", "", plain) or plain
    for kind, names in ALIASES.items():
        if plain in names:
            return kind
    return "any" if plain in _ANY_NAME else None


_ONE_BY_ONE = threading.RLock()  # pint's registries are not made for several threads


@functools.cache
def _registry() -> Any:
    import pint  # 0.5 s: only once somebody asks for units

    return pint.UnitRegistry()


def _may_be_units(text: str) -> bool:
    """Tell whether a text is so simple that evaluating it as units comes to an end."""
    return len(text) <= _LONGEST_UNITS and _POWER_OF_NUMBER.search(text) is None


def converted(value: float, units: str, to: str) -> float | None:
    """Convert between units, degC to K too; None where that makes no sense."""
    if not _may_be_units(units):
        return None
    with _ONE_BY_ONE:
        try:
            return float(_registry().Quantity(value, units).to(to).magnitude)
        except Exception:  # pint raises half a dozen kinds for text that is no unit
            return None


@functools.cache
def kind_of_units(units: str) -> tuple[str, float] | None:
    """Return the kind and the factor to its own units; None for units of something else.

    Lengths beyond 100 nm are positions on a sample, not lattice spacings.
    """
    prefix, _, rest = units.strip().partition("_")
    reciprocal = prefix.lower() == "k"  # electron diffraction: k = 1/d, so q = 2 pi k
    text = rest if prefix.lower() in {"2th", "tth", "q", "d", "k", "r"} and rest else units.strip()
    text = re.sub(r"\b(?:A|Angstroms?|ANGSTROMS?|Ang|ang)\b", "angstrom", text)
    text = re.sub(r"([A-Za-zÅ])-(\d)", r"\1^-\2", text)
    if not _may_be_units(text):
        return None
    with _ONE_BY_ONE:
        return _kind_of_quantity(text, reciprocal=reciprocal)


def _kind_of_quantity(units: str, *, reciprocal: bool) -> tuple[str, float] | None:
    registry = _registry()
    try:
        quantity = registry.Quantity(1.0, registry.Unit(units))
    except Exception:  # as in `converted`
        return None
    if quantity.check("1/[length]"):
        factor = quantity.to("1/angstrom").magnitude
        return "q", factor * (2 * np.pi if reciprocal else 1.0)
    if quantity.check("[length]"):
        factor = quantity.to("angstrom").magnitude
        return ("d", factor) if factor <= 1e3 else None
    angles = (registry.degree, registry.radian)
    is_angle = quantity.check("[]") and any(str(angle) in str(quantity.units) for angle in angles)
    return ("two_theta", quantity.to("degree").magnitude) if is_angle else None


def length_in_angstrom(value: float, units: str) -> float | None:
    """Convert a length to angstrom; None where the units are no length."""
    text = re.sub(r"^(?:A|Angstroms?|ang)$", "angstrom", units.strip())
    return converted(value, text, "angstrom")


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """A diffraction axis in its own units.

    Attributes
    ----------
    kind
        "two_theta" [degree], "q" [1/angstrom] or "d" [angstrom].
    values
        Strictly increasing positions, `(channel,)`.
    wavelength
        [angstrom], needed between two_theta and the others; None: not known.
    """

    kind: str
    values: Float
    wavelength: float | None = None

    @property
    def units(self) -> str:
        """Units of the values."""
        return UNITS[self.kind]

    def convert(self, values: npt.ArrayLike, kind: str, wavelength: float | None = None) -> Float:
        """Return positions on this axis as another kind (same order, same shape).

        Raises
        ------
        DataError
            If a wavelength is needed and neither this axis nor the caller has one.
        """
        x = np.asarray(values, dtype=np.float64)
        if kind == self.kind:
            return x
        known = self.wavelength if self.wavelength is not None else wavelength
        if "two_theta" in (kind, self.kind) and known is None:
            raise DataError(
                f"converting {self.kind} to {kind} needs the wavelength; set "
                "ds = ds.assign_coords(wavelength=((), value, {'units': 'angstrom'}))"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            q = _TO_Q[self.kind](x, known or 0.0)
            return _FROM_Q[kind](q, known or 0.0)

    def same_as(self, other: Axis) -> bool:
        """Tell whether the two agree in kind and, but for rounding, in every value."""
        if self.kind != other.kind or self.values.shape != other.values.shape:
            return False
        step = np.abs(np.diff(self.values)).min(initial=np.inf)
        return bool(np.allclose(self.values, other.values, rtol=0, atol=1e-3 * step))

    def grid(self, grid: str, points: int | None = None) -> Axis:
        """Return the model's axis over the same range: this one, or an evenly spaced one.

        Parameters
        ----------
        grid
            "data", "two_theta", "q", "d" or "log_q".
        points
            Number of points; None: as many as this axis has.
        """
        if grid == "data" and points is None:
            return self
        n = points or self.values.size
        kind = {"data": self.kind, "log_q": "q"}.get(grid, grid)
        ends = self.values[[0, -1]].copy()
        if kind != self.kind or grid == "log_q":
            # q = 0 has no logarithm and no d: such a grid begins at the first positive position.
            ends[0] = self.values[self.values > 0][0]
        low, high = np.sort(self.convert(ends, kind))
        spaced = np.geomspace if grid == "log_q" else np.linspace
        return Axis(kind, spaced(low, high, n), self.wavelength)


_TO_Q: dict[str, Callable[[Float, float], Float]] = {
    "two_theta": lambda x, wavelength: 4 * np.pi * np.sin(np.radians(x) / 2) / wavelength,
    "q": lambda x, _: x,
    "d": lambda x, _: 2 * np.pi / x,
}
_FROM_Q: dict[str, Callable[[Float, float], Float]] = {
    "two_theta": lambda q, wavelength: np.degrees(2 * np.arcsin(q * wavelength / (4 * np.pi))),
    "q": lambda q, _: q,
    "d": lambda q, _: 2 * np.pi / q,
}
