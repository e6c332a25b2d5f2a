"""The bridge from labelled, maybe lazy, arrays to kernels on plain ones, and the labels back."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy.typing as npt
import xarray as xr

from xrdae.patterns import Patterns

Float = npt.NDArray[Any]
Labelled = TypeVar("Labelled", xr.Variable, xr.DataArray)

LATENT_NAME = "latent coordinates (autoencoder)"
NOVELTY_NAME = "distance from the training data; above 1: novel"


def apply(
    kernel: Callable[..., Any],
    *arrays: xr.DataArray,
    outputs: list[tuple[Hashable, ...]],
    sizes: Mapping[Hashable, int],
    dtypes: list[Any],
) -> tuple[xr.Variable, ...]:
    """Apply a kernel along the last dimension of arrays, lazily where they are lazy.

    Chunks of the results are those of the arrays along the other dimensions. The kernel, a model
    in it, is one key of a dask graph: it goes to each worker once, not with every task. Within a
    task torch uses one thread: how many tasks run side by side is the scheduler's to say.
    """
    dim = arrays[0].dims[-1]
    function: Callable[..., Any] = kernel
    options: dict[str, Any] = {"output_sizes": dict(sizes)}
    if any(array.chunks for array in arrays):
        from dask.delayed import delayed

        function = _in_task
        options["kernel"] = delayed(kernel, traverse=False)
    # Of variables, not of arrays: labels are put on once, at the end.
    out = xr.apply_ufunc(
        function,
        *(_whole(array, dim) if dim in array.dims else array.variable for array in arrays),
        input_core_dims=[[dim] if dim in a.dims else [] for a in arrays],
        output_core_dims=[list(dims) for dims in outputs],
        exclude_dims={dim},
        dask="parallelized",
        output_dtypes=dtypes,
        dask_gufunc_kwargs=options,
        keep_attrs=False,
    )
    return out if isinstance(out, tuple) else (out,)


def labelled(
    like: xr.DataArray,
    variables: Mapping[str, xr.Variable],
    coords: Mapping[Hashable, Any],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return variables with the coordinates that `like` has along all but its last dimension."""
    kept = {n: c for n, c in like.coords.variables.items() if like.dims[-1] not in c.dims}
    return xr.Dataset(variables, coords={**kept, **coords}, attrs=attrs)


def flattened(kernel: Callable[[Float], tuple[Float, ...]], array: Float) -> tuple[Float, ...]:
    """Apply a kernel for `(pattern, point)` to `(..., point)`."""
    found = kernel(array.reshape(-1, array.shape[-1]))
    return tuple(part.reshape((*array.shape[:-1], *part.shape[1:])) for part in found)


def _in_task(*blocks: Float, kernel: Callable[..., Any]) -> Any:
    from xrdae.threads import one_thread

    with one_thread():
        return kernel(*blocks)


def _whole(array: xr.DataArray, dim: Hashable) -> xr.Variable:
    """Return the array in one chunk along `dim`; other chunks are cut only where it gets large."""
    variable = array.variable
    if not variable.chunks or len(variable.chunksizes[dim]) == 1:
        return variable
    import dask
    from dask.utils import parse_bytes

    largest = math.prod(max(c) for d, c in variable.chunksizes.items() if d != dim)
    size = largest * array.sizes[dim] * array.dtype.itemsize
    if size <= 2 * parse_bytes(dask.config.get("array.chunk-size")):
        return variable.chunk({dim: -1})
    return variable.chunk({d: -1 if d == dim else "auto" for d in array.dims})


def named(array: Labelled, long_name: str) -> Labelled:
    """Return a dimensionless result with its description."""
    return _described(array, {"units": "1", "long_name": long_name})


def like(array: Labelled, patterns: Patterns, long_name: str) -> Labelled:
    """Return a result in the units of the patterns' intensity."""
    units = patterns.intensity.attrs.get("units", "1")
    return _described(array, {"units": units, "long_name": long_name})


def _described(array: Labelled, attrs: dict[str, Any]) -> Labelled:
    out = array.copy(deep=False)
    out.attrs = {**array.attrs, **attrs}
    return out
