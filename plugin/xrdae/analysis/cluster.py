"""Clusters of labelled patterns: find them, and describe the results."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.cluster_kernel import BETWEEN, UNKNOWN, Assigner, Clusters, find_clusters
from xrdae.analysis.cluster_regions import find_distinguishing_regions
from xrdae.analysis.kernel_cache import Kernels
from xrdae.autoencoder.fitted import Fitted
from xrdae.compute.lazy_arrays import load_patterns
from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import describe_results
from xrdae.convention.patterns import Patterns
from xrdae.convention.regridding import make_regridder
from xrdae.errors import DataError, warn
from xrdae.fingerprint import fingerprint_patterns
from xrdae.preprocessing.empty_patterns import warn_about_empty_patterns
from xrdae.preprocessing.subsets import choose_stratified

Float = npt.NDArray[Any]

MOST_PATTERNS = 2000  # from which clusters are found; their pairs need memory
STABLE = 0.5  # least agreement of clusters from two halves of the patterns


def check_number(n: int | str) -> int | None:
    """Return the number of clusters, or None for "auto".

    Raises
    ------
    DataError
        If it is neither "auto" nor a whole number of at least 2.
    """
    if isinstance(n, str) and n == "auto":
        return None
    if isinstance(n, bool | np.bool_) or not isinstance(n, int | np.integer) or n < 2:
        raise DataError(f"n={n!r} is no number of clusters; give 'auto' or a whole number above 1")
    return int(n)


@dataclasses.dataclass(frozen=True, eq=False)
class ClusterRequest:
    """What clusters are asked for.

    Attributes
    ----------
    n
        Number of clusters; None: to be found.
    label
        Name of a numeric label along which clusters are numbered; None: by size.
    reference
        Patterns in which clusters are found; None: the patterns themselves.
    reference_inputs
        Model input of the reference, if already computed.
    """

    n: int | None
    label: str | None
    reference: xr.Dataset | None
    reference_inputs: xr.DataArray | None

    def describe(self, fitted: Fitted) -> dict[str, Any]:
        """Return the arguments for the provenance of the result."""
        given: dict[str, Any] = {"n": self.n or "auto", "label": self.label, "reference": None}
        if self.reference is not None:
            labels = [] if self.label is None else [self.label]
            patterns = fitted.find_patterns(self.reference)
            given["reference"] = fingerprint_patterns(patterns, labels=labels)
        return given


def cluster_patterns(
    kernels: Kernels,
    patterns: Patterns,
    inputs: xr.DataArray | None,
    request: ClusterRequest,
) -> xr.Dataset:
    """Find clusters, and return `cluster` and related results of patterns; see `Model.cluster`.

    The attributes of `cluster` are, besides the CF flags: `stability`, the agreement (adjusted
    Rand index) of clusters from two random halves of the patterns; `is_stable`, 0 if it is below
    0.5; `stability_curve`, the figures for each number of clusters (JSON); `numbered_by`; and
    `reference_patterns`, the number of patterns from which clusters were found. The attribute
    `distinguishing_regions` of `cluster_pattern` lists the regions in which each cluster differs
    most from the others (JSON).

    Parameters
    ----------
    kernels
        Kernels of the model.
    patterns
        The patterns.
    inputs
        Their model input, if already computed.
    request
        What clusters are asked for.

    Raises
    ------
    DataError
        As in `find_clusters`, or if the reference does not have the label.
    """
    known, known_inputs = patterns, inputs
    if request.reference is not None:
        known = kernels.fitted.find_patterns(request.reference)
        known_inputs = request.reference_inputs
    labels = None if request.label is None else _find_label(known, request.label)
    array = known.choose_inputs(known_inputs)
    shape = array.shape[:-1]
    chosen = choose_stratified(math.prod(shape), MOST_PATTERNS, seed=kernels.fitted.config.seed)
    places = np.unravel_index(chosen, shape) if shape else ()
    rows = load_patterns(array, places, progress=False)
    values, _ = kernels.find_source(known, known_inputs)(rows)
    chosen_labels = None if labels is None else labels[chosen]
    clusters = find_clusters(kernels.fitted, values, request.n, labels=chosen_labels)
    return assign_to_clusters(kernels, patterns, inputs, clusters, label=request.label)


def assign_to_clusters(
    kernels: Kernels,
    patterns: Patterns,
    inputs: xr.DataArray | None,
    clusters: Clusters,
    *,
    label: str | None,
) -> xr.Dataset:
    """Return `cluster` and related results of patterns; see `Model.cluster`.

    Parameters
    ----------
    kernels
        Kernels of the model.
    patterns
        The patterns.
    inputs
        Their model input, if already computed.
    clusters
        The clusters.
    label
        Name of the label along which clusters are numbered.
    """
    array = patterns.choose_inputs(inputs)
    count = len(clusters.sizes)
    cluster, probability, margin = apply_kernel(
        Assigner(clusters, kernels.find_source(patterns, inputs)),
        array,
        outputs=[(), ("cluster_axis",), ()],
        sizes={"cluster_axis": count},
        dtypes=[np.int32, np.float32, np.float32],
    )
    warn_about_empty_patterns(margin, patterns)
    preparation = kernels.fitted.autoencoder.preparation
    back = make_regridder(preparation.axis, patterns.axis)
    mean = back(clusters.intensity * preparation.typical_scale).astype(np.float32)
    pattern = xr.Variable(("cluster_axis", patterns.dim), mean)
    results = {
        "cluster": cluster,
        "cluster_probability": probability,
        "cluster_margin": margin,
        "cluster_pattern": pattern,
    }
    units = str(patterns.intensity.attrs.get("units", "1"))
    coords = {
        "cluster_axis": np.arange(count),
        patterns.dim: patterns.intensity[patterns.dim].variable,
    }
    result = attach_coords(array, describe_results(results, units), coords)
    result["cluster"].attrs |= describe_clusters(clusters, label)
    regions = find_distinguishing_regions(
        clusters.intensity, clusters.spread, clusters.sizes, preparation.axis, patterns
    )
    result["cluster_pattern"].attrs |= {
        "distinguishing_regions": json.dumps(regions),
        "distinguishing_regions_units": patterns.units,
    }
    return result


def describe_clusters(clusters: Clusters, label: str | None) -> dict[str, Any]:
    """Return the attributes of `cluster`: CF flags, and the figures by which it was found.

    A warning is issued if the clusters are not stable.
    """
    curve, count = clusters.curve, len(clusters.sizes)
    place = int(np.flatnonzero(curve.numbers == count)[0])
    stability = float(curve.stability[place])
    if stability < STABLE:
        warn(
            f"the {count} clusters are not stable: those of two random halves of the patterns "
            f"agree by {stability:.2f} only (adjusted Rand index); do not trust them"
        )
    return {
        "flag_values": np.array([UNKNOWN, BETWEEN, *range(count)], np.int32),
        "flag_meanings": " ".join(["unknown", "between", *(f"cluster_{j}" for j in range(count))]),
        "stability": round(stability, 4),
        "is_stable": int(stability >= STABLE),
        "stability_curve": json.dumps(
            {
                "n": curve.numbers.tolist(),
                "stability": curve.stability.round(4).tolist(),
                "stability_error": curve.stability_error.round(4).tolist(),
                "separation": curve.separation.round(4).tolist(),
            }
        ),
        "numbered_by": "size" if label is None else label,
        "reference_patterns": clusters.reference,
    }


def _find_label(patterns: Patterns, label: str) -> Float:
    known = patterns.labels()
    if label not in known:
        raise DataError(
            f"the patterns have no numeric label {label!r} along their sample dimensions; they "
            f"have {sorted(known)}: give one of these, or none to number clusters by their size"
        )
    return np.asarray(known[label].values, dtype=float).ravel()
