"""Estimate a label (composition, temperature) of patterns from labelled patterns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.classify import Classifier
from xrdae.analysis.stack import (
    BLOCK,
    FOLDS,
    Candidate,
    Stack,
    choose_latents,
    find_stack,
    format_weights,
)
from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import describe_label_result, make_clash_error, name_label_result
from xrdae.errors import DataError

Float = npt.NDArray[Any]

_PART = "xrdae_part"  # dimension of the parts of a result while they are one array
CROSS_VALIDATION = f"blocks of up to {BLOCK} consecutive reference patterns, {FOLDS} folds"
PARTS = ("estimate", "std", "low", "high")
FEWEST = 10  # reference patterns; fewer do not tell how large the errors are
BLOCK_SIZE = 4096  # patterns estimated together: the kernel to all references needs memory
LARGEST_REFERENCE = 1000  # patterns; the cost of a Gaussian process grows with their cube


@dataclasses.dataclass(frozen=True, eq=False)
class Estimator:
    """Estimator of a label from features, with its cross-validation.

    Attributes
    ----------
    stack
        The processes and their weights.
    figures
        `r2` and `mae` [label's units] of held-out blocks, and `std_factor` and `std_factor_95`,
        by which the deviation of a new label is multiplied to cover 68 % and 95 % of the labels.
    """

    stack: Stack
    figures: dict[str, float]

    def predict(self, features: Float) -> Float:
        """Return `(..., 4)` of features `(..., feature)`: see `Stack.predict`."""
        flat = np.asarray(features, dtype=np.float64).reshape(-1, features.shape[-1])
        blocks = [flat[start : start + BLOCK_SIZE] for start in range(0, len(flat), BLOCK_SIZE)]
        found = [self.stack.predict(block) for block in blocks or [flat]]
        return np.concatenate(found).reshape(*features.shape[:-1], len(PARTS))

    @property
    def trusts(self) -> str:
        """The weights of the processes, in words."""
        return format_weights(self.stack.candidates, self.stack.weights)


def find_estimator(
    features: Float,
    labels: Float,
    candidates: list[Candidate] | None = None,
    *,
    name: str,
    seed: int = 0,
) -> Estimator:
    """Fit processes of a label over features of patterns, and find their weights.

    If there are more than 1000 patterns, 1000 random ones are used. Cross-validation estimates
    blocks of up to five consecutive patterns from the others, in five folds. Single patterns would
    be too easy, since neighbours in a dense series have almost the same label.

    Parameters
    ----------
    features
        `(pattern, feature)`: latents, followed by basis coefficients if a candidate needs them.
    labels
        `(pattern,)`, NaN where not known.
    candidates
        See `list_candidates`; None: a Gaussian process over the latents alone.
    name
        Name of the label, for the error.
    seed
        Seed of the choice of 1000 patterns and of the split at random.

    Raises
    ------
    DataError
        If fewer than 10 patterns have the label, or all have the same.
    """
    known = np.isfinite(features).all(axis=1) & np.isfinite(labels)
    if known.sum() < FEWEST:
        raise DataError(
            f"only {known.sum()} reference patterns have {name!r}; {FEWEST} are needed, since "
            "fewer do not tell how large the errors are: add labelled patterns (reference=)"
        )
    features, labels = features[known].astype(np.float64), labels[known].astype(np.float64)
    if len(features) > LARGEST_REFERENCE:
        rng = np.random.default_rng(seed)
        some = np.sort(rng.choice(len(features), LARGEST_REFERENCE, replace=False))
        features, labels = features[some], labels[some]
    if np.ptp(labels) == 0:
        raise DataError(
            f"all reference patterns have the same {name!r} ({labels[0]:g}), so there is nothing "
            "to estimate; give a reference in which it varies (reference=)"
        )
    candidates = candidates or [choose_latents(features.shape[1])]
    stack = find_stack(features, labels, candidates, seed=seed)
    error = np.abs(stack.held_out - labels)
    one, wide = stack.factors
    figures = {
        "r2": 1 - float(np.square(error).sum() / np.square(labels - labels.mean()).sum()),
        "mae": float(error.mean()),
        "std_factor": one,
        "std_factor_95": wide,
    }
    return Estimator(stack, figures)


def find_label_shift(
    latent: xr.DataArray,
    shift: xr.DataArray,
    label: str,
    latents: Float,
    labels: Float,
    *,
    seed: int,
) -> xr.DataArray:
    """Return `<label>_shift`, the shift of the label's estimate; see `Model.relevance`."""
    name = name_label_result("shift", label)
    if name in latent.coords:
        raise make_clash_error(name, "a coordinate")
    predict = find_estimator(latents, labels, name=label, seed=seed).predict

    def estimates(points: xr.DataArray) -> xr.DataArray:
        (out,) = apply_kernel(
            lambda query: predict(query)[..., 0], points, outputs=[()], sizes={}, dtypes=[float]
        )
        return attach_coords(points, {_PART: out}, {})[_PART]  # no label has this name

    moved = (latent + shift).transpose(*shift.dims)
    out = estimates(moved) - estimates(latent)
    out = out.transpose(*shift.dims[:-1]).rename(name)
    return out.assign_attrs(long_name=describe_label_result("shift", label))


def estimate_label(
    array: xr.DataArray,
    label: str,
    find_features: Callable[[Float], Float],
    estimator: Estimator | Classifier,
    *,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return the estimate of a label with its uncertainty; see `Model.estimate`.

    Parameters
    ----------
    array
        `(..., point)`, patterns or their model input.
    label
        Name of the label.
    find_features
        Kernel from such rows to features `(row, feature)`.
    estimator
        Estimator of the label.
    attrs
        Attributes of the label.
    """
    if isinstance(estimator, Classifier):
        return _estimate_category(array, label, find_features, estimator, attrs=attrs)
    (out,) = apply_kernel(
        lambda rows: estimator.predict(find_features(rows)),
        array,
        outputs=[(_PART,)],
        sizes={_PART: len(PARTS)},
        dtypes=[np.float64],
    )
    units = {"units": attrs["units"]} if "units" in attrs else {}
    title = str(attrs.get("long_name", label))
    variables = {}
    for i, part in enumerate(PARTS):
        variable = out.isel({_PART: i})
        variable.attrs = {**units, "long_name": describe_label_result(part, title)}
        variables[name_label_result(part, label)] = variable
    result = attach_coords(array, variables, {})
    result[name_label_result("estimate", label)].attrs.update(
        {f"cross_validation_{name}": value for name, value in estimator.figures.items()},
        cross_validation=CROSS_VALIDATION,
        estimated_from=estimator.trusts,
    )
    return result


def _estimate_category(
    array: xr.DataArray,
    label: str,
    find_features: Callable[[Float], Float],
    classifier: Classifier,
    *,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return `<label>_estimate`, CF flags, and `<label>_probability (..., <label>_class)`."""
    classes = classifier.classes
    flags = np.array([classes.unknown, *classes.flags], dtype=np.int32)

    def kernel(rows: Float) -> tuple[Float, ...]:
        best, probability = classifier.predict(find_features(rows))
        return flags[best + 1], probability

    dim = name_label_result("class", label)
    if dim in array.coords or dim in array.dims:
        raise make_clash_error(dim, "a coordinate")
    estimate, probability = apply_kernel(
        kernel,
        array,
        outputs=[(), (dim,)],
        sizes={dim: len(classes.names)},
        dtypes=[flags.dtype, np.float64],
    )
    title = str(attrs.get("long_name", label))
    words = ["_".join(name.split()) or "_" for name in ("not estimated", *classes.names)]
    estimate.attrs = {
        "long_name": describe_label_result("estimate", title),
        "flag_values": flags,
        "flag_meanings": " ".join(words),
        **{f"cross_validation_{name}": value for name, value in classifier.figures.items()},
        "cross_validation": CROSS_VALIDATION,
        "estimated_from": classifier.trusts,
    }
    probability.attrs = {
        "units": "1",
        "long_name": describe_label_result("probability", title),
    }
    variables = {
        name_label_result("estimate", label): estimate,
        name_label_result("probability", label): probability,
    }
    names = xr.Variable(
        dim, np.array(classes.names), {"long_name": describe_label_result("class", title)}
    )
    return attach_coords(array, variables, {dim: names})
