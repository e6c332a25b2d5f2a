"""Apply a kernel on plain arrays to labelled, maybe lazy, arrays, and attach the labels again."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.names import MODEL_INPUT_DIM, is_result_remnant, make_clash_error

Float = npt.NDArray[Any]


def apply_kernel(
    kernel: Callable[[Float], Any],
    array: xr.DataArray,
    *,
    outputs: list[tuple[Hashable, ...]],
    sizes: Mapping[Hashable, int],
    dtypes: list[Any],
) -> tuple[xr.Variable, ...]:
    """Apply a kernel along the last dimension of an array, lazily where it is lazy.

    Parameters
    ----------
    kernel
        From `(row, point)` to an array `(row, ...)`, or a tuple of such arrays.
    array
        `(..., point)`. Chunks of the results are its chunks along the leading dimensions.
    outputs, sizes, dtypes
        The further dimensions of each result, their sizes, and its type.
    """
    leading = array.dims[:-1]
    if 0 in array.shape[:-1]:  # no patterns: kernels need one
        results = [
            np.empty((*array.shape[:-1], *(sizes[d] for d in dims)), dtype)
            for dims, dtype in zip(outputs, dtypes, strict=True)
        ]
    elif array.chunks:
        results = _apply_to_chunks(kernel, _merge_last_chunks(array).data, outputs, sizes, dtypes)
    else:
        results = _apply_to_rows(kernel, array.values)
    return tuple(
        xr.Variable((*leading, *dims), result)
        for dims, result in zip(outputs, results, strict=True)
    )


def _apply_to_chunks(
    kernel: Callable[[Float], Any],
    x: Any,
    outputs: list[tuple[Hashable, ...]],
    sizes: Mapping[Hashable, int],
    dtypes: list[Any],
) -> list[Any]:
    """Return the kernel's results on a dask array, in one chunk along its last axis.

    The kernel, a model in it, is one key of the graph: it goes to each worker once, not with every
    task. A task returns all results of a chunk side by side; `xr.apply_ufunc` would copy
    every chunk to join what is one piece already.
    """
    from dask.delayed import delayed

    leading = x.chunks[:-1]
    shapes = [tuple(sizes[d] for d in dims) for dims in outputs]
    stops = np.cumsum([math.prod(shape) for shape in shapes])
    dtype = np.result_type(*dtypes)
    packed = x.map_blocks(
        _pack_block,
        kernel=delayed(kernel, traverse=False),
        dtype=dtype,
        chunks=(*leading, (int(stops[-1]),)),
        meta=np.empty((0,) * x.ndim, dtype),
    )
    last = x.ndim - 1
    return [
        packed.map_blocks(
            _unpack_block,
            stop=int(stop),
            shape=shape,
            kept=dtype,
            dtype=dtype,
            drop_axis=last if not shape else None,
            new_axis=list(range(last + 1, last + len(shape))) or None,
            chunks=(*leading, *((n,) for n in shape)),
            meta=np.empty((0,) * (last + len(shape)), dtype),
        )
        for stop, shape, dtype in zip(stops, shapes, dtypes, strict=True)
    ]


def _pack_block(block: Float, *, kernel: Callable[[Float], Any]) -> Float:
    """Return all results together. The scheduler decides how many tasks run in parallel."""
    from xrdae.compute.threads import limit_to_one_thread

    with limit_to_one_thread():
        results = _apply_to_rows(kernel, block)
    leading = block.shape[:-1]
    flat = [result.reshape(*leading, math.prod(result.shape[len(leading) :])) for result in results]
    return np.concatenate(flat, axis=-1) if len(flat) > 1 else flat[0]


def _unpack_block(block: Float, *, stop: int, shape: tuple[int, ...], kept: Any) -> Float:
    part = block[..., stop - math.prod(shape) : stop]
    return part.reshape((*block.shape[:-1], *shape)).astype(kept, copy=False)


def attach_coords(
    like: xr.DataArray,
    variables: Mapping[str, xr.Variable],
    coords: Mapping[Hashable, Any],
) -> xr.Dataset:
    """Return variables with the coordinates that `like` has along all but its last dimension."""
    kept = {
        name: coord
        for name, coord in like.coords.variables.items()
        if like.dims[-1] not in coord.dims
        and not is_result_remnant(name, coord)
        and name != MODEL_INPUT_DIM
    }
    for name in variables:
        if name in kept:
            raise make_clash_error(name, "a coordinate")
    return xr.Dataset(variables, coords={**kept, **coords})


def _apply_to_rows(kernel: Callable[[Float], Any], array: Float) -> list[Float]:
    """Apply a kernel for `(row, point)` to `(..., point)`."""
    found = kernel(array.reshape(-1, array.shape[-1]))
    parts = found if isinstance(found, tuple) else (found,)
    return [part.reshape((*array.shape[:-1], *part.shape[1:])) for part in parts]


def _merge_last_chunks(array: xr.DataArray) -> xr.Variable:
    """Return the array in one chunk along its last dimension.

    Other chunks are cut only where this one gets large.
    """
    variable, dim = array.variable, array.dims[-1]
    if len(variable.chunksizes[dim]) == 1:
        return variable
    import dask
    from dask.utils import parse_bytes

    largest = math.prod(max(c) for d, c in variable.chunksizes.items() if d != dim)
    size = largest * array.sizes[dim] * array.dtype.itemsize
    if size <= 2 * parse_bytes(dask.config.get("array.chunk-size")):
        return variable.chunk({dim: -1})
    return variable.chunk({d: -1 if d == dim else "auto" for d in array.dims})


def format_title(array: xr.DataArray, name: Hashable | None = None) -> str:
    """Return the title of an array: its long name, or else its name, with its units."""
    text = str(array.attrs.get("long_name", name if name is not None else array.name))
    units = str(array.attrs.get("units", "1"))
    return text if units in ("1", "") else f"{text} ({units})"


def find_std_name(result: xr.Dataset, name: str) -> str | None:
    """Return the name of the variable that holds the standard deviation of another variable.

    `x_std` is that of `x_estimate`, where `x` itself is a label: a coordinate.
    """
    names = (f"{name}_std", f"{name.removesuffix('_estimate')}_std")
    return next((std for std in names if std in result.data_vars), None)


def convert_to_texts(values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """Return values of any dtype as numpy's own texts; it converts neither Zarr's nor tuples."""
    if values.dtype.kind not in "OT":
        return values.astype(np.str_)
    return np.array([str(value) for value in values.flat], np.str_).reshape(values.shape)
