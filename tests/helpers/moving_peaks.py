"""Makes a series with moving peaks, on which most tests work."""

import numpy as np
import xarray as xr


def make_series(n: int = 24, points: int = 200, *, seed: int = 0) -> xr.Dataset:
    """Five peaks that move and change height with the label `x`, on a background, with noise."""
    x = np.linspace(0, 1, n)
    two_theta = np.linspace(20, 80, points)
    centre = (
        np.array([25.0, 33.0, 45.0, 58.0, 70.0]) + np.array([0.3, 0.6, 1.0, 1.3, 1.6]) * x[:, None]
    )
    height = np.array([1.0, 0.4, 0.8, 0.3, 0.5]) * (
        1 + np.array([0, 0.8, -0.5, 0.5, 0]) * x[:, None]
    )
    shape = np.exp(-(((two_theta - centre[..., None]) / 0.8) ** 2))
    expected = 2000 * (height[..., None] * shape).sum(axis=1) + 60
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), counts, {"units": "counts", "note": "kept"})},
        coords={
            "two_theta": ("two_theta", two_theta, {"units": "degree", "long_name": "angle"}),
            "x": ("pattern", x, {"units": "1", "long_name": "content"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
        },
        attrs={"title": "simulated series"},
    )
