"""Synthesized patterns: decoded from latent points between, or near, measured ones."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.interpolate
import xarray as xr

from xrdae.autoencoder import Autoencoder
from xrdae.errors import DataError
from xrdae.interpolation import METHODS, Mixture, Targets, surrounding, synthesized
from xrdae.labelled import LATENT_NAME, NOVELTY_NAME, like, named
from xrdae.patterns import Patterns
from xrdae.prepare import regridder
from xrdae.support import Support

Float = npt.NDArray[Any]
Position = int | Mapping[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What to synthesize: exactly one of `between`, `at` and `latent`.

    Attributes
    ----------
    between
        Two patterns: positions along the one sample dimension, or dicts of positions.
    n
        With `between`: number of points evenly spaced strictly between them.
    endpoints
        With `between`: add both ends.
    at
        Labels and their values, all of one length: `{"temperature": [200.0, 210.0]}`.
    latent
        Points `(synthetic, latent_axis)`.
    """

    between: tuple[Position, Position] | None = None
    n: int = 5
    endpoints: bool = False
    at: Mapping[str, Sequence[float]] | None = None
    latent: npt.ArrayLike | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("between", "at", "latent") if getattr(self, name) is not None]
        if len(given) != 1:
            raise DataError(
                f"synthesize takes one of between=, at= and latent=; got {given or 'none'}"
            )
        if self.at is not None and not self.at:
            raise DataError("at= is empty; give a label and its values")
        if not isinstance(self.n, int | np.integer) or self.n < 1:
            raise DataError(f"n={self.n!r} must be a whole number of at least 1")
        if self.between is not None and len(self.between) != 2:
            raise DataError(f"between={self.between!r} must name two patterns")

    def fractions(self) -> Float:
        """Return the positions `(synthetic,)` between the two patterns, 0 to 1."""
        inner = np.arange(1, self.n + 1) / (self.n + 1)
        return np.concatenate([[0.0], inner, [1.0]]) if self.endpoints else inner


def blend(ends: Float, fractions: Float) -> Float:
    """Return the straight line `(synthetic, ...)` between two ends `(2, ...)`."""
    f = fractions.reshape(-1, *[1] * (ends.ndim - 1))
    return np.asarray((1 - f) * ends[0] + f * ends[1])


def latents_at(labels: Float, latents: Float, wanted: Float) -> Float:
    """Return the latents `(synthetic, latent_axis)` where the labels have given values.

    Interpolation of the latents over the labels by linear radial basis functions, exact at the
    known points (piecewise linear for one label); patterns of equal labels are averaged first.

    Parameters
    ----------
    labels
        `(pattern, label)`.
    latents
        `(pattern, latent_axis)`.
    wanted
        `(synthetic, label)`.
    """
    known, which = np.unique(labels, axis=0, return_inverse=True)
    if len(known) < 2:
        raise DataError(f"all patterns have the same labels {known[0].tolist()}: nothing between")
    count = np.bincount(which.ravel())
    mean = np.stack([np.bincount(which.ravel(), weights=z) / count for z in latents.T], axis=1)
    spread = known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    interpolator = scipy.interpolate.RBFInterpolator(
        known / spread, mean, kernel="linear", neighbors=min(len(known), 64)
    )
    return np.asarray(interpolator(wanted / spread))


def check_latents(points: Float, n_latent: int) -> None:
    """Refuse points that are not finite or not `(..., latent_axis)`."""
    if points.ndim < 1 or points.shape[-1] != n_latent or not np.isfinite(points).all():
        raise DataError(
            f"latent= has shape {points.shape}; finite points of shape (synthetic, {n_latent}) "
            "are needed"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _Path:
    """Points to synthesize, their scales and their labels along `synthetic`."""

    targets: Targets
    scale: Float
    labels: dict[str, Float]


def synthesize(
    autoencoder: Autoencoder,
    support: Support,
    mixture: Mixture,
    patterns: Patterns,
    input_of: Callable[[Mapping[str, int]], xr.DataArray],
    *,
    request: Request,
    known: tuple[Float, Float] | None,
) -> xr.Dataset:
    """Return synthesized patterns with labels; see `Model.synthesize`.

    `input_of` returns the model input of one pattern, given its position; `known` are latents
    `(pattern, latent_axis)` and labels `(pattern, label)` for `request.at`.
    """
    if request.between is not None:
        path, sudden = _between(autoencoder, support, mixture, patterns, input_of, request)
        mixture = mixture.only_blended() if sudden else mixture
    elif request.at is not None and known is not None:
        path = _at(autoencoder, support, request.at, *known)
    else:
        points = np.asarray(request.latent, dtype=np.float64)
        check_latents(points, autoencoder.ensemble.n_latent)
        path = _around(autoencoder, support, points.reshape(-1, points.shape[-1]), {})
    novelty = support.novelty(path.targets.latents)
    if request.between is None and (novelty > 1).any():
        warnings.warn(
            f"{int((novelty > 1).sum())} of {len(novelty)} points to synthesize lie outside the "
            "training data (synthesized_novelty above 1); do not trust them",
            stacklevel=4,
        )
    back = regridder(autoencoder.preparation.axis, patterns.axis)
    coords = {
        "synthetic": np.arange(len(novelty)),
        patterns.dim: patterns.intensity[patterns.dim],
    }

    def along(values: Float, *dims: Hashable) -> xr.DataArray:
        here = {d: coords[d] for d in ("synthetic", *dims) if d in coords}
        return xr.DataArray(values, dims=("synthetic", *dims), coords=here)

    intensity, std = (
        along(back(autoencoder.preparation.known(values * path.scale[:, None])), patterns.dim)
        for values in synthesized(autoencoder, support, mixture, path.targets)
    )
    template = patterns.labels()
    labels = {
        f"synthesized_{name}": along(values).assign_attrs(
            template[name].attrs if name in template else {}
        )
        for name, values in path.labels.items()
    }
    found = like(intensity, patterns, "synthesized intensity")
    if request.between is not None:
        # On the variable: a later request replaces it, and what it says of itself.
        between = [patterns.position(p) for p in request.between]
        found.attrs["xrdae_between"] = json.dumps(between)
        found.attrs["xrdae_fractions"] = json.dumps(request.fractions().tolist())
    return xr.Dataset(
        {
            "synthesized": found,
            "synthesized_std": like(std, patterns, "standard deviation of synthesized intensity"),
            "synthesized_latent": named(along(path.targets.latents, "latent_axis"), LATENT_NAME),
            "synthesized_novelty": named(along(novelty), NOVELTY_NAME),
            **labels,
        },
        attrs={
            "xrdae_mixture": json.dumps(
                dict(zip(METHODS, mixture.weights.round(4).tolist(), strict=True))
            )
        },
    )


def decoded(autoencoder: Autoencoder, latent: npt.ArrayLike) -> xr.DataArray:
    """Return intensity `(..., axis)` of latents `(..., latent_axis)`; see `Model.decode`."""
    points = np.asarray(latent, dtype=np.float64)
    n_latent = autoencoder.ensemble.n_latent
    check_latents(points, n_latent)
    values = np.maximum(autoencoder.decode(points.reshape(-1, n_latent)).mean(axis=0), 0)
    values = autoencoder.preparation.known(values * autoencoder.preparation.typical_scale)
    dims: tuple[Hashable, ...]
    if isinstance(latent, xr.DataArray):
        dims = latent.dims[:-1]
    elif points.ndim == 2:
        dims = ("synthetic",)
    else:
        dims = tuple(f"dim_{i}" for i in range(points.ndim - 1))
    axis = autoencoder.preparation.axis
    coords = {axis.kind: (axis.kind, axis.values, {"units": axis.units})}
    return xr.DataArray(
        values.reshape(*points.shape[:-1], -1), dims=(*dims, axis.kind), coords=coords
    )


def _between(
    autoencoder: Autoencoder,
    support: Support,
    mixture: Mixture,
    patterns: Patterns,
    input_of: Callable[[Mapping[str, int]], xr.DataArray],
    request: Request,
) -> tuple[_Path, bool]:
    """Return the path from one pattern to another, and whether it crosses a sudden change.

    Ends that are farther apart than the mixture was tested for are only ends: the points between
    them are found from the training patterns around. If they are neighbours in the dataset, what
    lies between them is a sudden change, a mixture of both: then they are blended.
    """
    assert request.between is not None
    indexers = [patterns.position(p) for p in request.between]
    ends = [input_of(indexer) for indexer in indexers]
    values = np.stack([end.values for end in ends])
    for end, position in zip(values, request.between, strict=True):
        if not np.isfinite(end).any():
            raise DataError(f"pattern {position!r} has no usable intensity to start from")
    fractions = request.fractions()
    basis = autoencoder.basis
    filled = basis.fill(values)
    latents = autoencoder.latents(basis.project(filled)).mean(axis=0)
    scale = np.array([float(end.coords.get("scale", xr.DataArray(1.0))) for end in ends])
    labels = {
        name: blend(np.array([float(label.isel(i)) for i in indexers]), fractions)
        for name, label in patterns.labels().items()
    }
    points = blend(latents, fractions)
    count = len(fractions)
    direct = _path(
        points,
        ends=np.repeat(autoencoder.preparation.scaled(filled)[None], count, axis=0),
        end_latents=np.repeat(latents[None], count, axis=0),
        weights=np.stack([1 - fractions, fractions], axis=1),
        scale=np.repeat(scale[None], count, axis=0),
        labels=labels,
    )
    if np.linalg.norm(latents[1] - latents[0]) <= mixture.reach:
        return direct, False
    if sum(abs(indexers[1][d] - indexers[0][d]) for d in indexers[0]) == 1:
        return direct, True
    around = _around(autoencoder, support, points, labels)
    for row in np.flatnonzero((fractions == 0) | (fractions == 1)):
        end = int(fractions[row])
        around.targets.ends[row, 0] = direct.targets.ends[row, end]
        around.targets.end_latents[row, 0] = latents[end]
        around.targets.weights[row] = np.eye(around.targets.weights.shape[1])[0]
        around.scale[row] = scale[end]
    return around, False


def _at(
    autoencoder: Autoencoder,
    support: Support,
    at: Mapping[str, Sequence[float]],
    latents: Float,
    labels: Float,
) -> _Path:
    values = {name: np.asarray(v, dtype=float).ravel() for name, v in at.items()}
    lengths = {name: v.size for name, v in values.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(f"at= takes labels with equally many values; got {lengths}")
    known = np.isfinite(latents).all(axis=1) & np.isfinite(labels).all(axis=1)
    points = latents_at(labels[known], latents[known], np.stack(list(values.values()), axis=1))
    return _around(autoencoder, support, points, values)


def _around(
    autoencoder: Autoencoder, support: Support, points: Float, labels: dict[str, Float]
) -> _Path:
    """Return the path of points whose ends are training patterns around them."""
    which, weights = surrounding(support.latents, points)
    ends = support.patterns(autoencoder, which.ravel()).reshape(*which.shape, -1)
    return _path(
        points,
        ends=ends,
        end_latents=support.latents[which],
        weights=weights,
        scale=support.scale[which],
        labels=labels,
    )


def _path(
    latents: Float,
    *,
    ends: Float,
    end_latents: Float,
    weights: Float,
    scale: Float,
    labels: dict[str, Float],
) -> _Path:
    """Return the path; the ends `(target, end, channel)` keep their relative intensity."""
    mean = (weights * scale).sum(axis=1)
    # An end without weight may be of any scale: it must not outshine the others in alignment.
    relative = ends * np.where(weights > 0, scale / mean[:, None], 1)[:, :, None]
    return _Path(Targets(latents, relative, end_latents, weights), mean, labels)
