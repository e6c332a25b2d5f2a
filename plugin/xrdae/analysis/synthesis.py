"""Synthesized patterns: decoded from latent points between, or near, measured ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.labels_to_latents import (
    UNORDERED,
    find_disorder,
    find_outside,
    interpolate_latents,
)
from xrdae.analysis.request import Request
from xrdae.analysis.synthesis_methods import Targets, find_surrounding, mix_candidates
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.fitted import METHODS, Fitted, Mixture
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.names import describe_results, name_label_result
from xrdae.convention.patterns import Patterns
from xrdae.convention.regridding import make_regridder
from xrdae.errors import DataError, warn
from xrdae.preprocessing.preparation import Preparation

Float = npt.NDArray[Any]


def blend(ends: Float, fractions: Float) -> Float:
    """Return the straight line `(synthetic, ...)` between two ends `(2, ...)`."""
    f = fractions.reshape(-1, *[1] * (ends.ndim - 1))
    return np.asarray((1 - f) * ends[0] + f * ends[1])


def check_latents(points: Float, n_latent: int) -> None:
    """Refuse points that are not finite or not `(..., latent_axis)`."""
    if points.ndim < 1 or points.shape[-1] != n_latent or not np.isfinite(points).all():
        raise DataError(
            f"latent= has shape {points.shape}; finite points of shape (synthetic, {n_latent}) "
            "are needed"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """The two measured patterns between which others are synthesized.

    Attributes
    ----------
    positions
        Where they are along each sample dimension.
    inputs
        `(2, channel)`, model input; NaN where not measured.
    scale
        `(2,)`, what their intensities were divided by.
    """

    positions: list[dict[str, int]]
    inputs: Float
    scale: Float


@dataclasses.dataclass(frozen=True, eq=False)
class _Path:
    """Points to synthesize along `synthetic`.

    Attributes
    ----------
    targets
        Points and the known patterns around them.
    scale
        `(synthetic,)`, scales that scaled intensities are multiplied by.
    labels
        Labels `(synthetic,)` by name.
    outside
        `(synthetic,)`, distance of the labels from the known ones, in their ranges.
    """

    targets: Targets
    scale: Float
    labels: dict[str, Float]
    outside: Float


def synthesize(
    fitted: Fitted,
    mixture: Mixture,
    patterns: Patterns,
    request: Request,
    *,
    ends: Ends | None = None,
    known: tuple[Float, Float] | None = None,
) -> xr.Dataset:
    """Return synthesized patterns with labels; see `Model.synthesize`.

    Parameters
    ----------
    fitted, mixture
        Result of the fit, and weights of the synthesis methods.
    patterns
        The measured patterns.
    request
        What to synthesize.
    ends
        The two patterns of `request.between`.
    known
        For `request.at`: latents `(pattern, latent_axis)` and labels `(pattern, label)`.
    """
    autoencoder, support = fitted.autoencoder, fitted.support
    if "synthetic" in patterns.sample_dims:
        raise DataError(
            "'synthetic' is a dimension of the patterns, and the one of synthesized patterns; "
            "rename it: ds.rename(synthetic='pattern')"
        )
    if ends is not None:
        path, sudden = _find_path_between(fitted, mixture, patterns, ends, request)
        mixture = mixture.select_blending() if sudden else mixture
    elif request.at is not None and known is not None:
        path = _find_path_at(fitted, request.at, *known, extrapolate=request.extrapolate)
    else:
        points = _to_points(request.latent)
        check_latents(points, autoencoder.ensemble.n_latent)
        path = _find_path_around(fitted, points.reshape(-1, points.shape[-1]), {})
    novelty = support.novelty(path.targets.latents)
    novelty = np.where(path.outside > 0, np.maximum(novelty, 1 + path.outside), novelty)
    if request.between is None and (novelty > 1).any():
        warn(
            f"{int((novelty > 1).sum())} of {len(novelty)} points to synthesize lie outside the "
            "training data (synthesized_novelty above 1); do not trust them"
        )
    preparation = autoencoder.preparation
    transform, back = preparation.transform, make_regridder(preparation.axis, patterns.axis)
    coords = {
        "synthetic": np.arange(len(novelty)),
        patterns.dim: patterns.intensity[patterns.dim],
    }

    def along(values: Float, *dims: Hashable) -> xr.DataArray:
        here = {d: coords[d] for d in ("synthetic", *dims) if d in coords}
        return xr.DataArray(values, dims=("synthetic", *dims), coords=here)

    scaled, deviation = mix_candidates(fitted, mixture, path.targets)
    intensity, std = (
        along(back(preparation.hide_unmeasured(values * path.scale[:, None])), patterns.dim)
        for values in (transform.undo(scaled), transform.undo_std(scaled, deviation))
    )
    template = patterns.labels()
    labels = {
        name_label_result("synthesized", name): along(values).assign_attrs(
            template[name].attrs if name in template else {}
        )
        for name, values in path.labels.items()
    }
    units = patterns.intensity.attrs.get("units", "1")
    results = {
        "synthesized": intensity,
        "synthesized_std": std,
        "synthesized_latent": along(path.targets.latents, "latent_axis"),
        "synthesized_novelty": along(novelty),
    }
    described = describe_results({n: array.variable for n, array in results.items()}, units)
    found = {name: results[name].assign_attrs(v.attrs) for name, v in described.items()}
    if ends is not None:
        # Attributes of the variable, since a later request replaces the variable.
        found["synthesized"].attrs["xrdae_between"] = json.dumps(ends.positions)
        found["synthesized"].attrs["xrdae_fractions"] = json.dumps(
            request.find_fractions().tolist()
        )
    weights = dict(zip(METHODS, mixture.weights.round(4).tolist(), strict=True))
    return xr.Dataset({**found, **labels}, attrs={"xrdae_mixture": json.dumps(weights)})


def decode_latents(autoencoder: Autoencoder, latent: npt.ArrayLike) -> xr.DataArray:
    """Return intensity `(..., axis)` of latents `(..., latent_axis)`; see `Model.decode`."""
    points = _to_points(latent)
    n_latent = autoencoder.ensemble.n_latent
    check_latents(points, n_latent)
    preparation = autoencoder.preparation
    scaled = preparation.clip_negative(
        autoencoder.decode(points.reshape(-1, n_latent)).mean(axis=0)
    )
    values = preparation.hide_unmeasured(
        preparation.transform.undo(scaled) * preparation.typical_scale
    )
    dims: tuple[Hashable, ...]
    if isinstance(latent, xr.DataArray):
        dims = latent.dims[:-1]
    elif points.ndim == 2:
        dims = ("synthetic",)
    else:
        dims = tuple(f"dim_{i}" for i in range(points.ndim - 1))
    axis = preparation.axis
    coords: dict[str, Any] = {axis.name: (axis.name, axis.values, axis.attrs)}
    if axis.kind == "two_theta" and axis.wavelength is not None:
        coords["wavelength"] = ((), axis.wavelength, {"units": "angstrom"})
    array = xr.DataArray(
        values.reshape(*points.shape[:-1], -1), dims=(*dims, axis.name), coords=coords
    )
    is_reversed = axis.kind == OTHER and axis.descending
    return array.isel({axis.name: slice(None, None, -1)}) if is_reversed else array


def _find_path_between(
    fitted: Fitted,
    mixture: Mixture,
    patterns: Patterns,
    ends: Ends,
    request: Request,
) -> tuple[_Path, bool]:
    """Return the path from one pattern to another, and whether it crosses a sudden change.

    If the ends are farther apart than the tested distances, the points between them are found from
    nearby training patterns. If such ends are neighbours in the dataset, the path crosses a sudden
    change, and the ends are blended.
    """
    assert request.between is not None
    autoencoder = fitted.autoencoder
    indexers, values, scale = ends.positions, ends.inputs, ends.scale
    for end, position in zip(values, request.between, strict=True):
        if not np.isfinite(end).any():
            raise DataError(f"pattern {position!r} has no usable intensity; choose another one")
    fractions = request.find_fractions()
    basis = autoencoder.basis
    filled = basis.fill(values)
    latents = autoencoder.encode_coefficients(basis.project(filled)).mean(axis=0)
    labels = {
        name: blend(np.array([float(label.isel(i)) for i in indexers]), fractions)
        for name, label in patterns.labels().items()
    }
    points = blend(latents, fractions)
    count = len(fractions)
    direct = _make_path(
        points,
        ends=np.repeat(autoencoder.preparation.restore_scale(filled)[None], count, axis=0),
        end_latents=np.repeat(latents[None], count, axis=0),
        weights=np.stack([1 - fractions, fractions], axis=1),
        scale=np.repeat(scale[None], count, axis=0),
        labels=labels,
        preparation=autoencoder.preparation,
    )
    if np.linalg.norm(latents[1] - latents[0]) <= mixture.reach:
        return direct, False
    if sum(abs(indexers[1][d] - indexers[0][d]) for d in indexers[0]) == 1:
        return direct, True
    # The shape is that of nearby patterns; the scale is interpolated between the two ends.
    around = _find_path_around(fitted, points, labels, scale=blend(scale, fractions))
    for row in np.flatnonzero((fractions == 0) | (fractions == 1)):
        end = int(fractions[row])
        around.targets.ends[row, 0] = direct.targets.ends[row, end]
        around.targets.end_latents[row, 0] = latents[end]
        around.targets.weights[row] = np.eye(around.targets.weights.shape[1])[0]
        around.scale[row] = scale[end]
    return around, False


def _find_path_at(
    fitted: Fitted,
    at: Mapping[str, Sequence[float]],
    latents: Float,
    labels: Float,
    *,
    extrapolate: bool,
) -> _Path:
    values = {name: _to_numbers(name, v) for name, v in at.items()}
    lengths = {name: v.size for name, v in values.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(f"at= takes labels with equally many values; got {lengths}")
    known = np.isfinite(latents).all(axis=1) & np.isfinite(labels).all(axis=1)
    if not known.any():
        raise DataError(f"no pattern has all of the labels {list(at)}; use other labels")
    latents, labels = latents[known], labels[known]
    wanted = np.stack(list(values.values()), axis=1)
    outside = find_outside(labels, wanted)
    if outside.any() and not extrapolate:
        raise _make_outside_error(list(at), labels, wanted[np.argmax(outside > 0)])
    points = interpolate_latents(labels, latents, wanted)
    disorder = find_disorder(labels, latents)
    if disorder > UNORDERED:
        warn(
            f"the patterns are not ordered along {' and '.join(map(repr, at))}: latents predicted "
            f"from patterns of other labels miss {min(disorder, 9.99):.0%} of their variance; do "
            "not trust patterns that are synthesized at these labels"
        )
    return _find_path_around(fitted, points, values, outside=outside)


def _to_points(latent: npt.ArrayLike | None) -> Float:
    try:
        return np.asarray(latent, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"latent={latent!r:.80} is no array of numbers") from error


def _to_numbers(name: str, values: Sequence[float]) -> Float:
    if hasattr(values, "magnitude"):
        raise DataError(
            f"at={{{name!r}: {values!r:.80}}} is a quantity; give numbers in the units of the label"
        )
    try:
        numbers = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"at={{{name!r}: {values!r:.80}}} is no list of numbers") from error
    if not np.isfinite(numbers).all():
        raise DataError(f"at={{{name!r}: {values!r:.80}}} must be finite numbers")
    return numbers


def _make_outside_error(names: list[str], labels: Float, wanted: Float) -> DataError:
    """Return the error for a value outside the known labels, with their range."""
    allow = "choose one inside, or pass extrapolate=True"
    for name, value, known in zip(names, wanted, labels.T, strict=True):
        if not known.min() <= value <= known.max():
            return DataError(
                f"at={{{name!r}: {value:g}}} is outside the known patterns, {known.min():g} to "
                f"{known.max():g}; {allow}"
            )
    asked = ", ".join(f"{name!r}: {value:g}" for name, value in zip(names, wanted, strict=True))
    ranges = ", ".join(
        f"{name!r} from {known.min():g} to {known.max():g}"
        for name, known in zip(names, labels.T, strict=True)
    )
    return DataError(
        f"at={{{asked}}} is outside the known combinations, although each value is in its range "
        f"({ranges}); {allow}"
    )


def _find_path_around(
    fitted: Fitted,
    points: Float,
    labels: dict[str, Float],
    *,
    scale: Float | None = None,
    outside: Float | None = None,
) -> _Path:
    """Return the path of points whose ends are nearby training patterns.

    `scale` `(synthetic,)` is the scale of the results; None: the mean scale of the ends.
    """
    autoencoder, support = fitted.autoencoder, fitted.support
    which, weights = find_surrounding(support.latents, points)
    ends = support.reconstruct_patterns(autoencoder, which.ravel()).reshape(*which.shape, -1)
    each = support.scale[which] if scale is None else np.repeat(scale[:, None], which.shape[1], 1)
    return _make_path(
        points,
        ends=ends,
        end_latents=support.latents[which],
        weights=weights,
        scale=each,
        labels=labels,
        preparation=autoencoder.preparation,
        outside=outside,
    )


def _make_path(
    latents: Float,
    *,
    ends: Float,
    end_latents: Float,
    weights: Float,
    scale: Float,
    labels: dict[str, Float],
    preparation: Preparation,
    outside: Float | None = None,
) -> _Path:
    """Return the path; the ends `(target, end, channel)` keep their relative intensity."""
    mean = (weights * scale).sum(axis=1)
    # An end without weight may have any scale, and must not dominate the alignment.
    factor = np.where(weights > 0, scale / mean[:, None], 1)[:, :, None]
    relative = preparation.rescale(ends, factor)
    beyond = np.zeros(len(latents)) if outside is None else outside
    return _Path(Targets(latents, relative, end_latents, weights), mean, labels, beyond)
