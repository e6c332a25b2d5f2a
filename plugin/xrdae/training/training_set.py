"""Load and check the patterns and labels that a fit trains on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.compute.lazy_arrays import load_patterns
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.preprocessing.empty_patterns import warn_about_special_intensities
from xrdae.preprocessing.scaling import UNSIGNED
from xrdae.preprocessing.subsets import Index, choose_stratified

Float = npt.NDArray[Any]

_NAME = re.compile(r"[^\W_][^/\x00-\x1f\x7f]*(?<!\s)")
_RESERVED = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "coordinates"}


def load_training_set(
    patterns: Patterns, *, most: int, seed: int, progress: bool | None, scale: str
) -> tuple[Float, dict[str, xr.DataArray], tuple[Index, ...]]:
    """Return training intensities `(pattern, point)`, their labels along `pattern`, and positions.

    The positions of the patterns are along each sample dimension. Which intensities are usable
    depends on the `scale`: a signed spectrum can be divided by its standard deviation, but not by
    its maximum or area. At most `most` patterns are used, spread over all. Patterns that the mask
    hides completely are left out.

    Raises
    ------
    DataError
        If fewer than 3 patterns remain, or one of them has no usable intensity.
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
    which = usable[choose_stratified(len(usable), most, seed=seed)]
    at = np.unravel_index(which, shape)
    intensity = load_patterns(array, at, progress=progress)
    finite = np.isfinite(intensity)
    largest = np.where(finite, intensity, -np.inf).max(axis=1)
    smallest = np.where(finite, intensity, np.inf).min(axis=1)
    problems = [
        (~finite.any(axis=1), "has no finite intensity"),
        (finite.any(axis=1) & (largest == smallest), "is constant ({value:g} everywhere)"),
    ]
    if scale in UNSIGNED:
        signed = "has no positive intensity (its largest is {value:g}) for scale='" + scale + "'"
        problems.append((largest <= 0, signed))
    for wrong, what in problems:
        found = np.flatnonzero(wrong)
        if found.size:
            first = locate_patterns(patterns, at)(found[0])
            more = f" (and {found.size - 1} more)" if found.size > 1 else ""
            other = "for signed spectra, set scale='std' or 'none'; " if "scale" in what else ""
            raise DataError(
                f"pattern {first}{more} {what.format(value=largest[found[0]])}; {other}leave it "
                "out (ds.drop_isel), or hide it from the fit with a variable 'mask' that is True "
                "there"
            )
    warn_about_special_intensities(intensity)
    labels = {
        name: xr.DataArray(
            label.values.reshape(-1)[which], dims="pattern", attrs=_select_attrs(label.attrs)
        )
        for name, label in patterns.labels().items()
    }
    return intensity, labels, at


def _select_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the attributes of a label that a model file can hold."""
    named = {str(name): value for name, value in attrs.items()}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, str | int | float) and _NAME.fullmatch(name) and name not in _RESERVED
    }


def locate_patterns(patterns: Patterns, at: tuple[Index, ...]) -> Callable[[int], dict[str, int]]:
    """Return a function from a row of `at` to the position in the dataset, for errors."""
    return lambda row: _find_position(patterns.sample_dims, [along[row] for along in at])


def _find_position(dims: Iterable[Hashable], index: Iterable[Any]) -> dict[str, int]:
    return {str(d): int(i) for d, i in zip(dims, index, strict=True)}
