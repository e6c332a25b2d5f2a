"""Warnings about patterns without usable intensity, infinite intensities and marks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.intensity_and_axis import MARKS
from xrdae.convention.patterns import Patterns
from xrdae.errors import warn

Float = npt.NDArray[Any]

_BLOCK = 512  # patterns checked together

# Warning filters are shared by all threads; a context variable is not.
_known_empty: ContextVar[bool] = ContextVar("xrdae_known_empty", default=False)


def warn_about_empty_patterns(scale: xr.Variable, patterns: Patterns) -> None:
    """Warn of patterns whose scale (or result) is NaN, unless masked or still to be computed."""
    if scale.chunks or _known_empty.get():
        return
    intensity = patterns.intensity
    if not intensity.chunks:
        warn_about_special_intensities(intensity.values)
    empty = np.isnan(scale.values)
    if patterns.left_out is not None:
        empty &= ~patterns.left_out.transpose(*scale.dims).values
    if empty.any():
        first = _name_position(scale.dims, np.argwhere(empty)[0])
        warn(
            f"{int(empty.sum())} of {empty.size} patterns have no positive finite intensity "
            f"of usable size (the first: {first}); their results are NaN"
        )


def warn_about_special_intensities(intensity: Float) -> None:
    """Warn of infinite intensities, which count as not measured, and of marks that do not."""
    if not intensity.size or intensity.dtype.kind not in "if":
        return
    rows = intensity.reshape(-1, intensity.shape[-1])
    blocks = [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)]
    if intensity.dtype.kind == "f":
        count = sum(int(np.isinf(block).sum()) for block in blocks)
        if count:
            warn(f"{count} intensities are infinite; they count as not measured, as NaN does")
    lowest = float(np.fmin.reduce([np.fmin.reduce(block, axis=None) for block in blocks]))
    if lowest in MARKS:
        warn(
            f"the lowest intensity is {lowest:g}, which many programs write where nothing was "
            f"measured; if so, set it to NaN: ds.where(ds.intensity != {lowest:g})"
        )


@contextmanager
def silence_empty_warnings() -> Iterator[None]:
    """Do not warn of empty patterns in here: the caller knows of them."""
    token = _known_empty.set(True)
    try:
        yield
    finally:
        _known_empty.reset(token)


def _name_position(dims: Iterable[Hashable], index: Iterable[Any]) -> dict[str, int]:
    return {str(d): int(i) for d, i in zip(dims, index, strict=True)}
