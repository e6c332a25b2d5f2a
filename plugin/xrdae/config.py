"""Every setting of a fit and its default, in one frozen place that is saved with the model."""

from __future__ import annotations

import dataclasses
import json
import numbers
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

GRIDS = ("data", "even", "two_theta", "q", "d", "log_q")
SCALES = ("max", "area", "std", "none")
TRANSFORMS = ("none", "log", "sqrt")
# Smallest and largest values.
WHOLE = {
    "most_patterns": (3, 2**31),
    "rank": (1, 2**31),
    "n_latent": (1, 2**31),
    "members": (1, 2**31),
    "steps": (1, 2**31),
    "patience": (1, 2**31),
    "points": (2, 2**31),
    "seed": (0, 2**63 - 1),
}
# Of background_options, what says how often to repeat: a model file must not hold up its reader.
ROUNDS = {"max_iter", "max_iter_2", "num_smooths"}
MOST_ROUNDS = 10_000
REAL = {
    "learning_rate": (1e-12, 1.0),
    "input_noise": (0.0, 1e6),
    "latent_noise": (0.0, 1e6),
    "held_out": (0.0, 0.9),
    "zero_shift": (0.0, 1e6),
    "strain": (0.0, 0.2),
    "texture": (0.0, 3.0),
    "background_change": (0.0, 10.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of a fit.

    Attributes
    ----------
    variable
        Name of the intensity variable; None: `intensity`, or the only candidate.
    dim
        Name of the dimension that is the axis; None: the one whose name and units say so. A
        dimension without units, or without a coordinate (its channels are then numbered), is the
        axis only where this names it.
    grid
        The model's axis: "data" (that of the training data), "even" (evenly spaced in its own
        units), or, for diffraction, evenly spaced in "two_theta", "q", "d" or "log_q" (on which
        lattice strain is a pure shift).
    points
        Number of points of that axis; None: as many as the data have.
    background
        "none", or the name of a `pybaselines.Baseline` method ("snip", "arpls", ...).
    background_options
        Keyword arguments of that method; at most 10 000 rounds (`max_iter`).
    scale
        What each pattern is divided by: its "max", its "area" (mean intensity), its "std" (standard
        deviation over the axis), or "none": one number for all, so that absolute intensities
        count. The last two take spectra that are negative in part or everywhere.
    transform
        What is done to scaled intensities before they are compared: "none", "log" or "sqrt", for
        intensities that run over decades. Results are in intensities again. Negative noise counts
        as zero; signed patterns are refused.
    most_patterns
        Largest number of patterns to train on; of more, so many are chosen, spread over all. In
        an update, of known and further patterns together.
    rank
        Largest number of basis components r; updates may add as many again.
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
    input_noise
        Size of the white noise added to the patterns in training, relative to that of their
        deviations from the mean: the encoder then follows what patterns have in common.
    latent_noise
        Standard deviation of the noise added to the latents in training; the latents of
        the training set have a standard deviation of one.
    zero_shift, strain, texture, background_change
        What latents shall not depend on, at the cost of some accuracy: training then shows the
        encoder patterns changed at random up to this size. A shift of the whole pattern, in units
        of the axis; a relative change of the lattice (0.001: one part in a thousand); the
        standard deviation of the logarithm of intensities that change from peak to peak; a smooth
        addition, relative to the strongest peak. 0: none.
    held_out
        Fraction of the patterns that each member does not see, for early stopping.
    patience
        Steps without a better held-out error after which training stops.
    seed
        Seed of everything random.
    device
        Where to compute: "auto" (the first CUDA device if there is one, else the processor),
        "cpu", "cuda", "cuda:1".
    """

    variable: str | None = None
    dim: str | None = None
    grid: str = "data"
    points: int | None = None
    background: str = "none"
    background_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    scale: str = "max"
    transform: str = "none"
    most_patterns: int = 10_000
    rank: int = 64
    n_latent: int = 2
    members: int = 8
    hidden: tuple[int, ...] = (32, 32)
    steps: int = 800
    learning_rate: float = 2e-2
    input_noise: float = 0.3
    latent_noise: float = 0.05
    zero_shift: float = 0.0
    strain: float = 0.0
    texture: float = 0.0
    background_change: float = 0.0
    held_out: float = 0.125
    patience: int = 200
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, list | tuple) or not self.hidden:
            raise ValueError(f"hidden={self.hidden!r} must be widths such as (64, 64)")
        for name, example in (("device", "'auto' or 'cuda:1'"), ("background", "'none' or 'snip'")):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name}={getattr(self, name)!r} must be a name such as {example}")
        for name in ("variable", "dim"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name}={getattr(self, name)!r} must be a name, or None")
        options = MappingProxyType(dict(self.background_options))
        for name in ROUNDS & options.keys():
            _check_whole(f"background_options[{name!r}]", options[name], 0, MOST_ROUNDS)
        object.__setattr__(self, "background_options", options)
        for name, choices in (("grid", GRIDS), ("scale", SCALES), ("transform", TRANSFORMS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} is not one of {choices}")
        widths = (_check_whole(f"hidden[{i}]", w, 1) for i, w in enumerate(self.hidden))
        object.__setattr__(self, "hidden", tuple(widths))
        for name, (least, most) in WHOLE.items():
            if name != "points" or self.points is not None:
                object.__setattr__(self, name, _check_whole(name, getattr(self, name), least, most))
        for name, (low, high) in REAL.items():
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low <= float(value) <= high:
                raise ValueError(f"{name}={value!r} must be a number from {low} to {high}")
            object.__setattr__(self, name, float(value))

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


def _check_whole(name: str, value: Any, least: int, most: int = 2**31) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or not least <= int(value) <= most
    ):
        limits = f"of at least {least}" if most >= 2**31 else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r} must be a whole number {limits}")
    return int(value)
