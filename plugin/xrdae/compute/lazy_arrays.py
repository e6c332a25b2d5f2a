"""Load patterns from memory or through dask, with a progress bar."""

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
        `(sample dims ..., point)`. Each chunk is read once.
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
    """Tell whether any variable of a dataset is still to be computed."""
    return any(variable.chunks for variable in dataset.variables.values())


@contextmanager
def show_progress(dataset: xr.Dataset, shown: bool) -> Iterator[None]:
    """Show the progress of computing a lazy dataset that is written inside the block."""
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
    """Tell whether a cluster would compute. dask's own callbacks are then not called."""
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
