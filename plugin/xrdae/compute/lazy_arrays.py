"""Patterns from memory, or through dask, with its progress shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

Float = npt.NDArray[Any]


def load_patterns(
    array: xr.DataArray, at: tuple[npt.NDArray[np.intp], ...], *, progress: bool | None
) -> Float:
    """Return the patterns at some positions, float `(pattern, point)`.

    Parameters
    ----------
    array
        `(sample dims ..., point)`. Chunks are read once, a few at a time.
    at
        Positions `(pattern,)` along each sample dimension.
    progress
        Show how far reading is; None: on a terminal only.
    """
    lazy = array.chunks is not None
    if not at:  # one pattern, no sample dimension
        chosen = array.data[None]
    elif lazy and len(at) > 1:
        chosen = array.data.vindex[at]
    else:
        chosen = array.data[at]
    if lazy:
        shown = sys.stderr.isatty() if progress is None else progress
        chosen = _compute_with_progress(chosen) if shown else chosen.compute()
    kept = chosen.dtype if chosen.dtype.kind == "f" else np.float64
    return np.asarray(chosen, dtype=kept)


def is_lazy(dataset: xr.Dataset) -> bool:
    """Tell whether a part of a dataset is still to be computed, whatever the chunks of others."""
    return any(variable.chunks for variable in dataset.variables.values())


@contextmanager
def show_progress(dataset: xr.Dataset, shown: bool) -> Iterator[None]:
    """Show how far the computation of a lazy dataset is, while it is written in here."""
    if not shown or not is_lazy(dataset) or _has_client():
        yield
        return
    from tqdm.dask import TqdmCallback

    with TqdmCallback(desc="compute", unit="task"):
        yield


def _compute_with_progress(array: Any) -> Any:
    if _has_client():
        import distributed

        array = array.persist()
        distributed.progress(array, notebook=False)  # type: ignore[no-untyped-call]
        return array.compute()
    from tqdm.dask import TqdmCallback

    with TqdmCallback(desc="read", unit="task"):
        return array.compute()


def _has_client() -> bool:
    """Tell whether a cluster would compute; dask's own callbacks would then stay silent."""
    import dask

    distributed = sys.modules.get("distributed")
    chosen = dask.config.get("scheduler", None)
    if distributed is None or chosen not in (None, "distributed", "dask.distributed"):
        return False
    try:
        distributed.get_client()
    except ValueError:
        return False
    return True
