"""Synthesized patterns: decoded from latent points between, or near, measured ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.interpolate

from xrdae.errors import DataError

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
