"""Results of relevance for a whole dataset: change, excess and verdict of each region."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.estimate import find_label_shift
from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.known_labels import find_training_labels
from xrdae.analysis.latents import find_latents
from xrdae.analysis.region_change import (
    FEWEST,
    LENGTH,
    Change,
    Reference,
    compare_with_label,
    fit_smoother,
)
from xrdae.analysis.relevance import CONDITIONAL, find_bounds, find_relevance
from xrdae.analysis.relevance_reference import (
    LabelOfReference,
    RelevanceReference,
    find_label,
    find_training_label,
    make_reference,
    select_reference,
)
from xrdae.convention.names import (
    describe_label_result,
    describe_results,
    make_clash_error,
    name_label_result,
)
from xrdae.convention.patterns import Patterns
from xrdae.errors import warn
from xrdae.preprocessing.peaks import Regions

Float = npt.NDArray[Any]

FLAGS = np.array([-1, 0, 1, 2], np.int8)
MEANINGS = "irrelevant undecided relevant varies_alone"
ALONE = 3  # components of a region from which a label is estimated


@dataclasses.dataclass(frozen=True, eq=False)
class RelevanceRequest:
    """What relevance is asked for; see `Model.relevance`."""

    regions: Regions
    fill: str
    labels: Sequence[str]
    reference: xr.Dataset | None


def compute_relevance(
    kernels: Kernels, patterns: Patterns, inputs: xr.DataArray | None, request: RelevanceRequest
) -> xr.Dataset:
    """Return relevance maps, and the results of all regions; see `Model.relevance`."""
    fitted = kernels.fitted
    bounds = find_bounds(fitted, patterns, request.regions)
    compared = _choose_compared(kernels, request)
    reference = None if compared is None else compared[0]
    kernel = kernels.find_relevance_kernel(patterns, inputs, bounds, request.fill, reference)
    result = find_relevance(kernel, bounds, patterns, inputs)
    if compared is None or reference is None:
        return result
    if reference.problem:
        warn(reference.problem)
    units = str(patterns.intensity.attrs.get("units", "1"))
    _, change = kernels.find_change(reference, bounds)
    result = result.assign(describe_change(change, reference, units))
    seed, moved = fitted.config.seed, result["latent_shift"]
    latent = None
    for label in compared[1]:
        found = describe_label_change(reference, bounds.channels, label, units, seed=seed)
        for name in found:
            if name in result.coords:
                raise make_clash_error(name, "a coordinate")
        result = result.assign(found)
        if label.values is not None and label.name in fitted.labels:
            latents, labels = find_training_labels(fitted, [label.name])
            if latent is None:
                encoder = kernels.find_encoder(patterns, inputs)
                latent = find_latents(encoder, patterns, inputs, fitted.n_latent)["latent"]
            shift = find_label_shift(latent, moved, label.name, latents, labels[:, 0], seed=seed)
            label_units = str(label.attrs.get("units", "1"))
            result[shift.name] = shift.assign_attrs(units=label_units)
    return result


def _choose_compared(
    kernels: Kernels, request: RelevanceRequest
) -> tuple[RelevanceReference, list[LabelOfReference]] | None:
    """Return the patterns with which regions are compared, and labels of these.

    Without a given reference they are training patterns. None if a model keeps none, and none are
    needed.

    Raises
    ------
    DataError
        If the model keeps none, or a label is not known.
    """
    fitted, reference, labels = kernels.fitted, request.reference, request.labels
    if reference is None:
        if fitted.reference is None and request.fill != CONDITIONAL and not labels:
            return None
        chosen = kernels.find_training_reference()
        return chosen, [find_training_label(fitted, name) for name in labels]
    patterns = fitted.find_patterns(reference)
    rows, places = select_reference(patterns)
    inputs, _ = kernels.find_source(patterns, None)(rows)
    usable = np.isfinite(inputs).any(axis=1)
    filled = fitted.autoencoder.basis.fill(inputs[usable])
    chosen = make_reference(fitted, filled, f"{usable.sum()} given patterns")
    return chosen, [find_label(patterns, reference, places[usable], name) for name in labels]


def describe_change(
    change: Change, reference: RelevanceReference, units: str
) -> dict[str, xr.Variable]:
    """Return the results `(region,)` of all patterns together; see `Model.relevance`.

    Parameters
    ----------
    change
        Change of each region.
    reference
        The reference patterns.
    units
        Units of the intensity.
    """
    size = reference.preparation.typical_scale
    values = {
        "region_change": change.change * size,
        "region_std": change.std * size,
        "relevance_excess": change.excess,
        "relevance_significance": change.significance,
        "relevance_verdict": change.verdict,
    }
    described = describe_results({n: xr.Variable("region", v) for n, v in values.items()})
    for name in ("region_change", "region_std"):
        described[name].attrs["units"] = units
    described["relevance_verdict"].attrs |= _describe_verdict(reference)
    return described


def _describe_verdict(reference: RelevanceReference) -> dict[str, Any]:
    """Return the attributes of a verdict: its flags, what it rests on, and why it may be open."""
    count = len(reference.regions.products)
    notes = {"reference": reference.source, "background": "morphological opening"}
    if reference.problem:
        notes["undecided_because"] = reference.problem
    elif count < FEWEST:
        notes["undecided_because"] = f"{count} reference patterns are too few to decide"
    return {"flag_values": FLAGS, "flag_meanings": MEANINGS, **notes}


def describe_label_change(
    reference: RelevanceReference,
    channels: npt.NDArray[np.intp],
    label: LabelOfReference,
    units: str,
    *,
    seed: int,
) -> dict[str, xr.Variable]:
    """Return `<label>_change`, `_pvalue`, `_verdict`, `_slope` and `_r2`, each `(region,)`.

    Parameters
    ----------
    reference
        The reference patterns.
    channels
        `(region, 2)`, first channel and the one after the last.
    label
        The label.
    units
        Units of the intensity.
    seed
        Seed of the permutations.
    """
    known = Reference(reference.regions.patterns[label.known])
    change, pvalue = compare_with_label(
        known, channels, label.smoother, noise=reference.noise, seed=seed
    )
    if reference.problem:
        change = change.withhold_irrelevance()
    title = str(label.attrs.get("long_name", label.name))
    label_units = str(label.attrs.get("units", "1"))
    per_label = "1" if label_units == "1" else f"1/({label_units})"
    values: dict[str, tuple[Float, str]] = {
        "change": (change.change * reference.preparation.typical_scale, units),
        "pvalue": (pvalue, "1"),
        "verdict": (change.verdict, "1"),
    }
    if label.values is not None:
        slope, alone = _measure_alone(known, channels, label.values)
        values |= {"slope": (slope, per_label), "r2": (alone, "1")}
    described = {}
    for part, (array, unit) in values.items():
        attrs: dict[str, Any] = {"long_name": describe_label_result(part, title), "units": unit}
        if part == "verdict":
            attrs = {"long_name": attrs["long_name"], **_describe_verdict(reference)}
        described[name_label_result(part, label.name)] = xr.Variable("region", array, attrs)
    return described


def _measure_alone(
    reference: Reference, channels: npt.NDArray[np.intp], values: Float
) -> tuple[Float, Float]:
    """Return the relative change of each region's content per unit of a label, and R2 `(region,)`.

    R2 is that of the label estimated from the region alone, from its first three components; each
    pattern is estimated from the others.
    """
    label = values - values.mean()
    power = float(label @ label)
    slopes, r2 = np.full((2, len(channels)), np.nan)
    for i, (start, stop) in enumerate(channels):
        content = reference.patterns[:, start:stop].sum(axis=1)
        if content.mean() > 0:
            slopes[i] = (label @ content) / power / content.mean()
        inside = reference.centered[:, start:stop]
        left, size, _ = np.linalg.svd(inside, full_matrices=False)
        scores = (left * size)[:, :ALONE]
        length = float(np.sqrt(np.square(scores).sum(axis=1).mean()))
        if length > 0:
            residual = fit_smoother(scores / length, LENGTH).find_residuals(label[:, None])
            r2[i] = 1 - float(np.square(residual).sum()) / power
    return slopes, r2
