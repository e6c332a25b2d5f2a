"""Checks of the arguments that the simulations share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xrdae.reflections import Floats


def check_grid(two_theta: npt.ArrayLike | None) -> Floats:
    """Return the grid [degree] as an array; raise ValueError unless it rises within 0 to 180."""
    grid = np.linspace(20, 80, 2000) if two_theta is None else check_vector(two_theta, "two_theta")
    if len(grid) < 2 or np.any(np.diff(grid) <= 0):
        raise ValueError("two_theta is not increasing; give at least two rising angles")
    if grid[0] <= 0 or grid[-1] >= 180:
        raise ValueError(
            f"two_theta runs from {grid[0]} to {grid[-1]}; give degrees between 0 and 180"
        )
    return grid


def repeat_per_pattern(value: npt.ArrayLike, *, name: str, n: int) -> Floats:
    """Return (pattern,) values from one value or from one for each of `n` patterns."""
    array = check_vector(value, name)
    if len(array) not in (1, n):
        raise ValueError(f"{name} has {len(array)} values for {n} patterns; give one, or {n}")
    return np.broadcast_to(array, n).copy()


def check_vector(value: npt.ArrayLike, name: str) -> Floats:
    """Return `value` as a 1-D array; raise ValueError if it is empty or not finite."""
    array = np.atleast_1d(np.asarray(value, dtype=float))
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; give a number or a 1-D, non-empty list")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {array[~np.isfinite(array)][0]}; give finite numbers")
    return array
