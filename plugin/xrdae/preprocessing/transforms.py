"""Transforms of scaled intensities, for spectra that span decades, and their inverses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError

Float = npt.NDArray[Any]

LOWEST_PART = 1e-3  # fraction of the positive intensities below the floor of the logarithm
MOST_DECADES = 12.0  # from the floor to the largest intensity
NOISE = 0.01  # of a pattern's sum of squares, up to which negative intensities count as noise


@dataclasses.dataclass(frozen=True)
class Transform:
    """Monotonic function of scaled intensity, 0 at zero intensity.

    Attributes
    ----------
    name
        "none", "log" or "sqrt".
    floor
        Scaled intensity below which the transformed intensity is 0.
    """

    name: str = "none"
    floor: float = 1.0

    def apply(self, scaled: Float) -> Float:
        """Return transformed intensities of scaled ones, of any shape; NaN stays."""
        if self.name == "none":
            return scaled
        if self.name == "sqrt":
            return np.asarray(np.sqrt(np.maximum(scaled, 0)))
        floor = scaled.dtype.type(self.floor)
        return np.asarray(np.log(np.maximum(scaled, floor) / floor))

    def undo(self, values: Float) -> Float:
        """Return scaled intensities of transformed ones."""
        if self.name == "none":
            return values
        if self.name == "sqrt":
            return np.asarray(np.square(np.maximum(values, 0)))
        return np.asarray(self.floor * np.exp(np.clip(values, 0, 80.0)))

    def undo_std(self, values: Float, std: Float) -> Float:
        """Return standard deviations of scaled intensities, to first order.

        Parameters
        ----------
        values
            Transformed intensities.
        std
            Their standard deviations.
        """
        if self.name == "none":
            return std
        if self.name == "sqrt":  # the second term matters where the first order vanishes
            return np.asarray(2 * np.maximum(values, 0) * std + np.square(std))
        return np.asarray(self.undo(values) * std)


def find_transform(scaled: Float, name: str, *, named: Callable[[int], object] = int) -> Transform:
    """Find the floor of a transform from scaled training patterns.

    Parameters
    ----------
    scaled
        `(pattern, channel)`, NaN where not measured.
    name
        "none", "log" or "sqrt".
    named
        Function from a row to the name of the pattern in an error.

    Raises
    ------
    DataError
        If a pattern is signed: more negative than noise explains.
    """
    if name == "none":
        return Transform()
    measured = np.isfinite(scaled)
    squares = np.square(scaled)
    power = squares.sum(axis=1, where=measured)
    negative = squares.sum(axis=1, where=measured & (scaled < 0))
    signed = np.flatnonzero(negative > NOISE * power)
    if signed.size:
        row = scaled[signed[0]][measured[signed[0]]]
        raise DataError(
            f"transform={name!r} needs intensities that are not negative; pattern "
            f"{named(signed[0])}, after background subtraction, goes down to "
            f"{row.min() / np.abs(row).max():.3g} of its largest magnitude; choose "
            "transform='none', or another background"
        )
    if name == "sqrt":
        return Transform("sqrt")
    positive = scaled[measured & (scaled > 0)]
    floor = float(np.quantile(positive, LOWEST_PART)) if positive.size else 1.0
    return Transform("log", max(floor, float(positive.max(initial=1.0)) * 10**-MOST_DECADES))
