"""What a fit refuses, and what encoding warns of: patterns without usable intensity."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.compute.lazy_arrays import load_patterns
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError, warn
from xrdae.preprocessing.sampling import Index, one_of_each

Float = npt.NDArray[Any]

_BLOCK = 512  # patterns that are looked at together

# Filters of warnings are one for all threads; this is not.
_known_empty: ContextVar[bool] = ContextVar("xrdae_known_empty", default=False)


def training_patterns(
    patterns: Patterns, *, most: int, seed: int, progress: bool | None, scale: str
) -> tuple[Float, dict[str, xr.DataArray], tuple[Index, ...]]:
    """Return what to train on: intensities `(pattern, point)` and the labels along `pattern`.

    And where these patterns are along each sample dimension. What a usable intensity is depends on
    the `scale`: a signed spectrum has one unless it is divided by its maximum or its area.

    Of more than `most` patterns, so many spread over all of them. Patterns that the mask hides
    whole are left out.

    Raises
    ------
    DataError
        If fewer than 3 are left, or one of them has no usable intensity.
    """
    array = patterns.intensity
    shape = tuple(array.sizes[d] for d in patterns.sample_dims)
    usable = np.arange(math.prod(shape))
    if patterns.left_out is not None:
        usable = np.flatnonzero(~patterns.left_out.transpose(*patterns.sample_dims).values)
    if len(usable) < 3:
        raise DataError(
            f"{len(usable)} patterns of {array.name!r} (sample dimensions "
            f"{list(patterns.sample_dims)} of sizes {list(shape)}); a fit needs at least 3"
        )
    which = usable[one_of_each(len(usable), most, seed=seed)]
    at = np.unravel_index(which, shape)
    intensity = load_patterns(array, at, progress=progress)
    finite = np.isfinite(intensity)
    largest = np.where(finite, intensity, -np.inf).max(axis=1)
    smallest = np.where(finite, intensity, np.inf).min(axis=1)
    problems = [
        (~finite.any(axis=1), "has no finite intensity"),
        (finite.any(axis=1) & (largest == smallest), "is constant ({value:g} everywhere)"),
    ]
    if scale in ("max", "area"):
        signed = "has no positive intensity (its largest is {value:g}) for scale='" + scale + "'"
        problems.append((largest <= 0, signed))
    for wrong, what in problems:
        found = np.flatnonzero(wrong)
        if found.size:
            first = naming(patterns, at)(found[0])
            more = f" (and {found.size - 1} more)" if found.size > 1 else ""
            other = "scale='std' or 'none' takes signed spectra; else " if "scale" in what else ""
            raise DataError(
                f"pattern {first}{more} {what.format(value=largest[found[0]])}; {other}leave it "
                "out (ds.drop_isel) or hide it from the fit with a variable 'mask' that is True "
                "there"
            )
    _warn_of_infinite(intensity)
    labels = {
        name: xr.DataArray(
            label.values.reshape(-1)[which], dims="pattern", attrs=_plain(label.attrs)
        )
        for name, label in patterns.labels().items()
    }
    return intensity, labels, at


# Names of attributes that a netCDF file can hold, and those that mean something to it or to xarray.
_NAME = re.compile(r"[^\W_][^/\x00-\x1f\x7f]*(?<!\s)")
_TAKEN = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "coordinates"}


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the attributes of a label that its model's file can hold."""
    named = {str(name): value for name, value in attrs.items()}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, str | int | float) and _NAME.fullmatch(name) and name not in _TAKEN
    }


def warn_of_empty(scale: xr.Variable, patterns: Patterns) -> None:
    """Warn of patterns whose scale (or result) is NaN, unless masked or still to be computed."""
    if scale.chunks or _known_empty.get():
        return
    intensity = patterns.intensity
    if intensity.dtype.kind == "f" and not intensity.chunks:
        _warn_of_infinite(intensity.values)
    empty = np.isnan(scale.values)
    if patterns.left_out is not None:
        empty &= ~patterns.left_out.transpose(*scale.dims).values
    if empty.any():
        first = _position(scale.dims, np.argwhere(empty)[0])
        warn(
            f"{int(empty.sum())} of {empty.size} patterns have no positive finite intensity "
            f"of usable size (the first: {first}); their results are NaN"
        )


def _warn_of_infinite(intensity: Float) -> None:
    rows = intensity.reshape(-1, intensity.shape[-1]) if intensity.size else intensity
    count = sum(int(np.isinf(rows[i : i + _BLOCK]).sum()) for i in range(0, len(rows), _BLOCK))
    if count:
        warn(f"{count} intensities are infinite; they count as not measured, as NaN does")


@contextmanager
def known_empty() -> Iterator[None]:
    """Do not warn of empty patterns in here: the caller knows of them."""
    token = _known_empty.set(True)
    try:
        yield
    finally:
        _known_empty.reset(token)


def naming(patterns: Patterns, at: tuple[Index, ...]) -> Callable[[int], dict[str, int]]:
    """Return what names a pattern in errors: from a row of `at` to its place in the dataset."""
    return lambda row: _position(patterns.sample_dims, [along[row] for along in at])


def _position(dims: Iterable[Hashable], index: Iterable[Any]) -> dict[str, int]:
    return {str(d): int(i) for d, i in zip(dims, index, strict=True)}
