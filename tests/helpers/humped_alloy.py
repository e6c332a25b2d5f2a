"""Makes an alloy series under a broad hump of random height, such as that of a glass."""

import numpy as np
import xarray as xr

from xrdae.simulate import alloy_series


def make_humped_alloy(*, seed: int = 0) -> xr.Dataset:
    """Return 150 patterns x 500 points with the labels `ti` and `zr`."""
    series = alloy_series().isel(two_theta=slice(None, None, 4))
    rng = np.random.default_rng(seed)
    size = float(series["intensity"].max("two_theta").mean())
    height = rng.uniform(0, size, series.sizes["pattern"])
    hump = height[:, None] * np.exp(-(((series["two_theta"].values - 35) / 10) ** 2))
    return series.assign(intensity=series["intensity"] + rng.poisson(hump))
