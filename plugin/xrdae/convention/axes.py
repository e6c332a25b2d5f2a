"""Axes of patterns, and the way from one diffraction axis to another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import LONG_NAMES, OTHER, UNITS
from xrdae.convention.units import is_same_units
from xrdae.errors import DataError

Float = npt.NDArray[np.float64]

SAME_WAVELENGTH = 5e-5  # relative; tables of K-alpha lines differ by less


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """An axis of patterns.

    Attributes
    ----------
    kind
        "two_theta" [degree], "q" [1/angstrom], "d" [angstrom], or "other": anything else, which is
        never converted.
    values
        Strictly increasing positions, `(channel,)`.
    wavelength
        [angstrom], needed between two_theta and the others; None: not known.
    name, units, long_name
        Of the coordinate: those of the kind, or as they came where the kind is "other".
    descending
        Whether the positions ran down where they came from. Results of kind "other" do too.
    """

    kind: str
    values: Float
    wavelength: float | None = None
    name: str = ""
    units: str = ""
    long_name: str = ""
    descending: bool = False

    def __post_init__(self) -> None:
        if self.kind != OTHER:
            for field, table in (("units", UNITS), ("long_name", LONG_NAMES)):
                object.__setattr__(self, field, table[self.kind])
            object.__setattr__(self, "name", self.kind)

    @property
    def title(self) -> str:
        """Name and units in words."""
        return f"{self.name} [{self.units}]" if self.kind == OTHER else self.name

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of its coordinate."""
        given = {"units": self.units, "long_name": self.long_name}
        return {name: text for name, text in given.items() if text}

    def convert(self, values: npt.ArrayLike, kind: str, wavelength: float | None = None) -> Float:
        """Return positions on this axis as those of another kind (same order, same shape).

        Parameters
        ----------
        values
            Positions in the units of this axis.
        kind
            The other kind of axis.
        wavelength
            [angstrom] with which the other side was, or would be, measured; None: not known. Where
            only one side knows its wavelength, it counts for both.

        Raises
        ------
        DataError
            If a wavelength is needed and neither side has one, or one of the kinds is "other".
        """
        x = np.asarray(values, dtype=np.float64)
        if kind == self.kind and (
            kind != "two_theta" or is_same_wavelength(self.wavelength, wavelength)
        ):
            return x
        if OTHER in (kind, self.kind):
            raise DataError(
                f"axis {self.title} cannot be converted to {kind}: only two_theta, q and d are "
                "converted into each other"
            )
        here = self.wavelength if self.wavelength is not None else wavelength
        there = wavelength if wavelength is not None else self.wavelength
        if "two_theta" in (kind, self.kind) and here is None:
            raise DataError(
                f"converting {self.kind} to {kind} needs the wavelength; set "
                "ds = ds.assign_coords(wavelength=((), value, {'units': 'angstrom'}))"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            q = _TO_Q[self.kind](x, here or 0.0)
            return _FROM_Q[kind](q, there or 0.0)

    def is_same_as(self, other: Axis) -> bool:
        """Tell whether two axes agree in all but rounding: kind, wavelength, every position."""
        if self.kind != other.kind or self.values.shape != other.values.shape:
            return False
        if self.kind == "two_theta" and not is_same_wavelength(self.wavelength, other.wavelength):
            return False
        if self.kind == OTHER and not is_same_units(self.units, other.units):
            return False
        step = np.abs(np.diff(self.values)).min(initial=np.inf)
        return bool(np.allclose(self.values, other.values, rtol=0, atol=1e-3 * step))

    def make_grid(self, grid: str, points: int | None = None) -> Axis:
        """Return the model's axis over the same range: this one, or an evenly spaced one.

        Parameters
        ----------
        grid
            "data", "even" (evenly spaced in this axis' own units), "two_theta", "q", "d" or
            "log_q".
        points
            Number of points; None: as many as this axis has.

        Raises
        ------
        DataError
            If the grid is one of diffraction and the axis is not, or a wavelength is missing.
        """
        if grid == "data" and points is None:
            return self
        if self.kind == OTHER and grid not in ("data", "even"):
            raise DataError(
                f"grid={grid!r} is one of diffraction, and the axis {self.title} is not; choose "
                "'data' or 'even'"
            )
        n = points or self.values.size
        kind = {"data": self.kind, "even": self.kind, "log_q": "q"}.get(grid, grid)
        ends = self.values[[0, -1]].copy()
        if kind != self.kind or grid == "log_q":
            # q = 0 has no logarithm and no d: such a grid begins at the first positive position.
            ends[0] = self.values[self.values > 0][0]
        low, high = np.sort(self.convert(ends, kind, self.wavelength))
        spaced = np.geomspace if grid == "log_q" else np.linspace
        return dataclasses.replace(self, kind=kind, values=spaced(low, high, n))


def is_same_wavelength(one: float | None, other: float | None) -> bool:
    """Tell whether two wavelengths [angstrom] agree; None, which is not known, agrees with any."""
    if one is None or other is None:
        return True
    return abs(one - other) <= SAME_WAVELENGTH * one


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
