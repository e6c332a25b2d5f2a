"""The bridge from labelled, maybe lazy, arrays to kernels on plain ones, and the labels back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy.typing as npt
import xarray as xr

from xrdae.patterns import Patterns

Float = npt.NDArray[Any]

BLOCK = 4096  # patterns that a kernel takes at a time
LATENT_NAME = "latent coordinates (autoencoder)"
NOVELTY_NAME = "distance from the training data; above 1: novel"


def apply(
    kernel: Callable[..., Any],
    *arrays: xr.DataArray,
    dim: Hashable,
    outputs: list[tuple[Hashable, ...]],
    sizes: Mapping[Hashable, int],
    dtypes: list[Any],
) -> tuple[xr.DataArray, ...]:
    """Apply a kernel along one dimension of labelled arrays, lazily where they are lazy."""
    whole = [a.chunk({dim: -1}) if a.chunks and dim in a.dims else a for a in arrays]
    out = xr.apply_ufunc(
        kernel,
        *whole,
        input_core_dims=[[dim] if dim in a.dims else [] for a in whole],
        output_core_dims=[list(dims) for dims in outputs],
        exclude_dims={dim},
        dask="parallelized",
        output_dtypes=dtypes,
        dask_gufunc_kwargs={"output_sizes": dict(sizes)},
        keep_attrs=False,
    )
    results = out if isinstance(out, tuple) else (out,)
    # Coordinates keep their attributes, whatever keep_attrs does to those of the data.
    known = arrays[0].coords
    return tuple(r.assign_coords({n: known[n] for n in r.coords if n in known}) for r in results)


def blocks(array: Float, size: int = BLOCK) -> list[Float]:
    """Return the patterns of `(..., channel)` a block at a time, `(pattern, channel)`."""
    flat = array.reshape(-1, array.shape[-1])
    return [flat[i : i + size] for i in range(0, max(len(flat), 1), size)]


def named(array: xr.DataArray, long_name: str) -> xr.DataArray:
    """Return a dimensionless result with its description."""
    return array.assign_attrs(units="1", long_name=long_name)


def like(array: xr.DataArray, patterns: Patterns, long_name: str) -> xr.DataArray:
    """Return a result in the units of the patterns' intensity."""
    units = patterns.intensity.attrs.get("units", "1")
    return array.assign_attrs(units=units, long_name=long_name)
