"""Reference patterns of relevance: whole patterns without background on one scale, with labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.known_labels import (
    find_category,
    find_classes,
    find_labels,
    find_training_labels,
)
from xrdae.analysis.region_change import (
    FEWEST,
    LABEL_LENGTH,
    Reference,
    Smoother,
    fit_class_smoother,
    fit_smoother,
)
from xrdae.autoencoder.fitted import Fitted
from xrdae.autoencoder.reference_patterns import find_most_patterns
from xrdae.compute.lazy_arrays import load_patterns
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.preprocessing.opening import subtract_opening
from xrdae.preprocessing.peaks import estimate_noise
from xrdae.preprocessing.preparation import Preparation
from xrdae.preprocessing.steady_scale import SteadyPeaks, search_steady_peaks
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

BACKGROUND = 16  # the background is wider than one part in 16 of the axis
RESCALED = ("max", "area", "steady")  # scales of unsigned patterns, which steady peaks improve


@dataclasses.dataclass(frozen=True, eq=False)
class RelevanceReference:
    """Patterns with which those that are masked are compared.

    Attributes
    ----------
    preparation
        Preparation of the model.
    steady
        Peaks that set the scale; None: the model's scale is used.
    regions
        The patterns without background, on this scale.
    noise
        Standard deviation of the noise in a channel, on this scale.
    problem
        Why no peak is steady for certain; an empty text if they are.
    source
        What the patterns are, in words.
    """

    preparation: Preparation
    steady: SteadyPeaks | None
    regions: Reference
    noise: float
    problem: str
    source: str

    def prepare(self, inputs: Float) -> tuple[Float, Float]:
        """Return patterns `(pattern, channel)` as the reference, and their scales `(pattern,)`.

        `inputs (pattern, channel)` is model input without gaps. The scale is that of the steady
        peaks over the model's, 1 if a pattern lacks the peaks.
        """
        scaled = self.preparation.restore_scale(np.asarray(inputs, dtype=np.float64))
        return _prepare(scaled, self.steady)


def _prepare(scaled: Float, steady: SteadyPeaks | None) -> tuple[Float, Float]:
    """Return patterns without background on one scale, and their scales; see `prepare`."""
    scale = np.ones(len(scaled))
    if steady is not None:
        found = steady.measure_scales(scaled)
        scale = np.where(np.isfinite(found), found, 1.0)
    return subtract_opening(scaled / scale[:, None], BACKGROUND), scale


@dataclasses.dataclass(frozen=True, eq=False)
class LabelOfReference:
    """A label of the reference patterns.

    Attributes
    ----------
    name
        Its name.
    smoother
        Smoother over the label.
    known
        `(reference,)`, where the label is known.
    values
        `(known reference,)`; None: a category.
    attrs
        Its attributes.
    """

    name: str
    smoother: Smoother
    known: npt.NDArray[np.bool_]
    values: Float | None
    attrs: dict[str, Any]


def make_reference(fitted: Fitted, inputs: Float, source: str) -> RelevanceReference:
    """Return the reference of complete model input `(pattern, channel)`."""
    preparation = fitted.autoencoder.preparation
    scaled = preparation.restore_scale(np.asarray(inputs, dtype=np.float64))
    steady, problem = None, ""
    named = fitted.config.scale_regions is not None  # reference peaks of the user
    if preparation.scale in RESCALED and preparation.transform.name == "none" and not named:
        steady, problem = _find_steady(preparation, scaled)
    patterns, scale = _prepare(scaled, steady)
    noise = estimate_noise(scaled / scale[:, None])
    return RelevanceReference(preparation, steady, Reference(patterns), noise, problem, source)


def _find_steady(preparation: Preparation, scaled: Float) -> tuple[SteadyPeaks | None, str]:
    """Return peaks that set the scale of scaled patterns, or None for the model's scale."""
    axis = preparation.axis
    try:
        return search_steady_peaks(scaled, axis, axis, measured=scaled)
    except DataError as error:
        return None, f"no peak is steady for certain: {error}"


def choose_training_patterns(fitted: Fitted) -> RelevanceReference:
    """Return the training patterns that a model keeps whole as reference.

    Raises
    ------
    DataError
        If the model keeps none, since its file has an earlier format.
    """
    if fitted.reference is None:
        raise DataError(
            "the model keeps no training patterns to compare regions with, since it was made by an "
            "earlier version; give patterns (reference=), fit it again, or use a mask "
            "(fill='background')"
        )
    inputs = fitted.reference.inputs
    return make_reference(fitted, inputs, f"{len(inputs)} training patterns")


def select_reference(patterns: Patterns) -> tuple[Float, npt.NDArray[np.intp]]:
    """Return evenly chosen patterns `(pattern, point)`, at most 300, and their positions."""
    array = patterns.intensity
    shape = array.shape[:-1]
    places = choose_evenly(math.prod(shape), find_most_patterns(array.shape[-1]))
    at = np.unravel_index(places, shape) if shape else ()
    return load_patterns(array, at, progress=False), places


def find_training_label(fitted: Fitted, label: str) -> LabelOfReference:
    """Return a numeric label of the training patterns that a model keeps whole.

    Raises
    ------
    DataError
        If the training data have no such numeric label; see also `make_label`.
    """
    assert fitted.reference is not None
    _, labels = find_training_labels(fitted, [label])
    values = labels[fitted.label_rows, 0][fitted.reference.rows]
    return make_label(label, values, fitted.labels[label].attrs)


def find_label(
    patterns: Patterns, dataset: xr.Dataset, places: npt.NDArray[np.intp], label: str
) -> LabelOfReference:
    """Return a label, or a category, of given reference patterns."""
    category = find_category(patterns, label)
    if category is not None:
        positions = find_classes(category)[1][places]
        known = positions >= 0
        _check_label(known, len(np.unique(positions[known])), label)
        smoother = fit_class_smoother(positions[known])
        return LabelOfReference(label, smoother, known, None, dict(category.attrs))
    values = find_labels(patterns, [label], dataset, fall_back=False)
    assert values is not None
    return make_label(label, values[places, 0], patterns.labels()[label].attrs)


def make_label(label: str, values: Float, attrs: Mapping[Any, Any]) -> LabelOfReference:
    """Return a label of values `(pattern,)`, NaN where not known.

    Raises
    ------
    DataError
        If fewer than 10 patterns have the label, or all have the same.
    """
    known = np.isfinite(values)
    some = values[known]
    _check_label(known, len(np.unique(some)), label)
    smoother = fit_smoother(((some - some.mean()) / some.std())[:, None], LABEL_LENGTH)
    return LabelOfReference(label, smoother, known, some, {str(k): v for k, v in attrs.items()})


def _check_label(known: npt.NDArray[np.bool_], count: int, label: str) -> None:
    if known.sum() < FEWEST:
        raise DataError(
            f"only {known.sum()} reference patterns have {label!r}; {FEWEST} are needed: give more "
            "labelled patterns (reference=)"
        )
    if count < 2:
        raise DataError(
            f"all reference patterns have the same {label!r}, so no region changes with it; give a "
            "reference in which it varies (reference=)"
        )
