"""What to synthesize: between two patterns, at labels, or at latent points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.convention.patterns import Patterns
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
    extrapolate
        With `at`: allow values outside those of the known patterns.

    Examples
    --------
    >>> from xrdae.analysis.request import Request
    >>> Request(between=(0, 4), n=3, endpoints=True).find_fractions()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """

    between: tuple[Position, Position] | None = None
    n: int = 5
    endpoints: bool = False
    at: Mapping[str, Sequence[float]] | None = None
    latent: npt.ArrayLike | None = None
    extrapolate: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("between", "at", "latent") if getattr(self, name) is not None]
        if len(given) != 1:
            raise DataError(
                f"synthesize takes one of between=, at= and latent=; got {given or 'none of them'}"
            )
        if self.at is not None and (not isinstance(self.at, Mapping) or not self.at):
            raise DataError(
                f"at={self.at!r:.80} must be a dict of labels and values, such as "
                "{'temperature': [200.0, 210.0]}"
            )
        if isinstance(self.n, bool) or not isinstance(self.n, int | np.integer) or self.n < 1:
            raise DataError(f"n={self.n!r} must be a whole number of at least 1")
        if self.between is not None and (
            not isinstance(self.between, Sequence | np.ndarray) or len(self.between) != 2
        ):
            raise DataError(f"between={self.between!r} must name two patterns")
        if self.extrapolate and self.at is None:
            raise DataError(
                "extrapolate=True allows labels outside the known ones; use it with at="
            )

    def find_ends(self, patterns: Patterns) -> list[dict[str, int]]:
        """Return where the two patterns of `between` are, along each sample dimension.

        Raises
        ------
        DataError
            If one of them does not exist, or both are one.
        """
        assert self.between is not None
        first, second = (patterns.position(position) for position in self.between)
        if first == second:
            raise DataError(
                f"between={self.between!r} names one pattern twice; give two different ones"
            )
        return [first, second]

    def find_fractions(self) -> Float:
        """Return the positions `(synthetic,)` between the two patterns, 0 to 1."""
        inner = np.arange(1, self.n + 1) / (self.n + 1)
        return np.concatenate([[0.0], inner, [1.0]]) if self.endpoints else inner
