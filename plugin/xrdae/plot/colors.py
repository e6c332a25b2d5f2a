"""Colours that colour-blind readers and grey prints keep apart."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap

Float = npt.NDArray[Any]

# Okabe and Ito, Color Universal Design (2008); those that are hard to see on white come last.
OKABE_ITO = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#E69F00",  # orange
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#000000",
    "#F0E442",  # yellow
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BLUE, VERMILION = OKABE_ITO[:2]
COLORMAP = "cividis"  # of numbers

# Corners of the two-dimensional scale: (low, low), (high, low), (low, high), (high, high). After
# Stevens' bivariate schemes; in grey print the corners are white, light, middle and black.
CORNERS = np.array([[0xF3, 0xF3, 0xF3], [0xF3, 0xB3, 0x00], [0x50, 0x9D, 0xC2], [0x1A, 0x1A, 0x1A]])


def map_two_dimensional(first: Float, second: Float) -> Float:
    """Return colours `(..., 3)`, 0 to 1, of two coordinates `(...)`, cut to 0 to 1; NaN as NaN.

    Bilinear between the four corners.
    """
    a, b = (np.clip(c, 0, 1)[..., None] for c in (first, second))
    low = (1 - a) * CORNERS[0] + a * CORNERS[1]
    high = (1 - a) * CORNERS[2] + a * CORNERS[3]
    return np.asarray(((1 - b) * low + b * high) / 255)


@functools.cache
def make_pale_colormap(name: str = f"{COLORMAP}_r") -> ListedColormap:
    """Return a colour map so light that a black line on it is seen, from nearly white on."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    colors = matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3]
    strength = np.linspace(0.1, 0.65, 256)[:, None]
    return ListedColormap(1 - strength * (1 - colors), name=f"pale_{name}")
