"""Every setting of a fit and its default, in one frozen place that is saved with the model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

GRIDS = ("data", "two_theta", "q", "d", "log_q")
SCALES = ("max", "area")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of a fit.

    Attributes
    ----------
    variable
        Name of the intensity variable; None: `intensity`, or the only candidate.
    dim
        Name of the diffraction dimension; None: the one whose units say so.
    grid
        The model's axis: "data" (that of the training data), or evenly spaced in "two_theta",
        "q", "d" or "log_q" (on which lattice strain is a pure shift).
    points
        Number of points of that axis; None: as many as the data have.
    background
        "none", or the name of a `pybaselines.Baseline` method ("snip", "arpls", ...).
    background_options
        Keyword arguments of that method.
    scale
        What each pattern is divided by: its "max" or its "area" (mean intensity).
    rank
        Largest number of basis components r.
    n_latent
        Number of latent axes.
    members
        Number of autoencoders in the ensemble.
    hidden
        Widths of the encoder's hidden layers; the decoder mirrors them.
    steps
        Largest number of optimizer steps.
    learning_rate
        Peak learning rate of Adam.
    latent_noise
        Standard deviation of the noise added to the latents in training; the latents of
        the training set have a standard deviation of one.
    held_out
        Fraction of the patterns that each member does not see, for early stopping.
    patience
        Steps without a better held-out error after which training stops.
    seed
        Seed of everything random.
    """

    variable: str | None = None
    dim: str | None = None
    grid: str = "data"
    points: int | None = None
    background: str = "none"
    background_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    scale: str = "max"
    rank: int = 64
    n_latent: int = 2
    members: int = 8
    hidden: tuple[int, ...] = (64, 64)
    steps: int = 600
    learning_rate: float = 9e-3
    latent_noise: float = 0.05
    held_out: float = 0.12
    patience: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(
            self, "background_options", MappingProxyType(dict(self.background_options))
        )
        for setting, choices in (("grid", GRIDS), ("scale", SCALES)):
            if getattr(self, setting) not in choices:
                raise ValueError(f"{setting}={getattr(self, setting)!r} is not one of {choices}")
        whole = {n: getattr(self, n) for n in ("rank", "n_latent", "members", "steps", "patience")}
        whole |= {f"hidden[{i}]": width for i, width in enumerate(self.hidden)}
        whole |= {} if self.points is None else {"points": self.points}
        for name, value in whole.items():
            least = 2 if name == "points" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r} must be a whole number of at least {least}")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate={self.learning_rate} must lie between 0 and 1")
        if self.latent_noise < 0:
            raise ValueError(f"latent_noise={self.latent_noise} must not be negative")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out={self.held_out} must be at least 0 and below 1")

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled; dask sends models between processes.
        return _from_json, (self.to_json(),)

    def to_json(self) -> str:
        """Return the settings as one JSON string."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps(values | {"background_options": dict(self.background_options)})

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Config:
        """Build from keyword arguments; an unknown name is an error that lists the known ones."""
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise TypeError(f"unknown setting {unknown[0]!r}; the settings are {', '.join(known)}")
        return cls(**options)


def _from_json(text: str) -> Config:
    return Config.from_options(json.loads(text))
