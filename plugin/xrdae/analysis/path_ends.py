"""Prepare the two measured patterns between which others are synthesized."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.synthesis import Ends
from xrdae.convention.names import find_scale
from xrdae.convention.patterns import Patterns
from xrdae.preprocessing.empty_patterns import warn_about_special_intensities


def prepare_ends(
    kernels: Kernels,
    patterns: Patterns,
    inputs: xr.DataArray | None,
    positions: list[dict[str, int]],
) -> Ends:
    """Return the patterns at two positions as model input, with their scales.

    Parameters
    ----------
    kernels
        Kernels of the model.
    patterns
        The patterns.
    inputs
        Their model input, if already computed.
    positions
        Positions of the two patterns, each a dict of one position for every sample dimension.
    """
    if inputs is None:
        rows = np.stack([patterns.intensity.isel(p).values for p in positions])
        warn_about_special_intensities(rows)
        values, scale = kernels.find_source(patterns, None)(rows)
        return Ends(positions, values, scale)
    chosen = [inputs.isel(p).compute() for p in positions]
    scales = [find_scale(array) for array in chosen]
    return Ends(
        positions,
        np.stack([array.values for array in chosen]),
        np.array([1.0 if scale is None else float(scale) for scale in scales]),
    )
