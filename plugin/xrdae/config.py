"""Every setting of a fit, its default and its bounds: one frozen value, saved with the model."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import attrs

# Numbers of iterations in background_options: a model file must not block its reader.
ROUNDS = {"max_iter", "max_iter_2", "num_smooths"}
MOST_ROUNDS = 10_000
LARGEST = 2**31
AUTO: Literal["auto"] = "auto"


def _whole(default: int | None, least: int, most: int = LARGEST) -> Any:
    """Return a field of whole numbers; None is allowed if it is the default."""

    def convert(value: Any, field: attrs.Attribute[Any]) -> int | None:
        if value is None and default is None:
            return None
        return _check_whole(field.name, value, least, most)

    return attrs.field(default=default, converter=attrs.Converter(convert, takes_field=True))


def _convert_n_latent(value: Any) -> int | Literal["auto"]:
    if isinstance(value, str):
        if value == AUTO:
            return AUTO
        raise ValueError(f"n_latent={value!r} must be a whole number of at least 1, or 'auto'")
    return _check_whole("n_latent", value, 1)


def _number(default: float, least: float, most: float) -> Any:
    """Return a field of numbers."""

    def convert(value: Any, field: attrs.Attribute[Any]) -> float:
        if not isinstance(value, numbers.Real) or not least <= float(value) <= most:
            raise ValueError(f"{field.name}={value!r} must be a number from {least} to {most}")
        return float(value)

    return attrs.field(default=default, converter=attrs.Converter(convert, takes_field=True))


def _choice(default: str, *others: str) -> Any:
    """Return a field that is one of some words."""
    choices = (default, *others)

    def check(_: Config, field: attrs.Attribute[str], value: str) -> None:
        if value not in choices:
            raise ValueError(f"{field.name}={value!r} is not one of {choices}")

    return attrs.field(default=default, validator=check)


def _name(default: str | None, example: str) -> Any:
    """Return a field of any text; None is allowed where it is the default."""

    def check(_: Config, field: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, str) and (value is not None or default is not None):
            raise ValueError(f"{field.name}={value!r} must be a name{example}")

    return attrs.field(default=default, validator=check)


def _convert_widths(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"hidden={value!r} must be widths such as (64, 64)")
    return tuple(_check_whole(f"hidden[{i}]", width, 1) for i, width in enumerate(value))


def _convert_background_options(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"background_options={value!r} must be a mapping such as {{'lam': 1e5}}")
    for name in ROUNDS & value.keys():
        _check_whole(f"background_options[{name!r}]", value[name], 0, MOST_ROUNDS)
    return MappingProxyType(dict(value))


def _convert_regions(value: Any) -> tuple[tuple[float, float], ...] | None:
    if value is None:
        return None
    try:
        pairs = tuple((float(start), float(stop)) for start, stop in value)
    except (TypeError, ValueError):
        pairs = ()
    if not pairs or not all(math.isfinite(x) for pair in pairs for x in pair):
        raise ValueError(f"scale_regions={value!r:.200} must be bounds such as [[28.0, 32.0]]")
    return pairs


def _check_regions(config: Config, _: Any, value: Any) -> None:
    if value is not None and config.scale != "steady":
        raise ValueError(
            f"scale_regions={value!r:.200} has no effect with scale={config.scale!r}; set "
            "scale='steady'"
        )


def _check_whole(name: str, value: Any, least: int, most: int = LARGEST) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or not least <= int(value) <= most
    ):
        limits = f"of at least {least}" if most >= LARGEST else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r} must be a whole number {limits}")
    return int(value)


@attrs.frozen(kw_only=True, slots=False)
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
        Scale by which each pattern is divided: its "max", its "area" (mean intensity), its "std"
        (standard deviation over the axis), "steady" (the peaks that keep their ratios in the
        training patterns), or "none": one number for all, so that absolute intensities count.
        "std" and "none" accept negative intensities.
    scale_regions
        With `scale="steady"`: bounds `(region, 2)` of the reference peaks, in units of the data's
        axis. None: the steady peaks are found.
    transform
        Transform of scaled intensities: "none", or, for intensities that span decades, "log" or
        "sqrt". Results are intensities again. Negative noise counts as zero, and signed patterns
        are refused.
    most_patterns
        Largest number of patterns to train on; of more, so many are chosen, spread over all. In
        an update, of known and further patterns together.
    rank
        Largest number of basis components r; updates may add as many again.
    n_latent
        Number of latent axes; "auto": 2 to 6, the number of directions in which the training
        patterns vary (see `training.dimension.find_dimension`). With fewer than 100 different
        patterns "auto" is 2, with a warning. The settings of a model hold the number.
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
        Largest random changes of patterns in training. The encoder learns to ignore them, at the
        cost of some accuracy. `zero_shift` shifts the complete pattern, in units of the axis;
        `strain` is a relative change of the lattice; `texture` is the standard deviation of the
        logarithm of the factors of peaks; `background_change` adds a smooth background, relative
        to the strongest peak. 0: no change.
    held_out
        Fraction of the patterns that each member does not see, for early stopping.
    patience
        Steps without a better held-out error after which training stops.
    seed
        Seed of everything random.
    device
        Device to compute on: "auto" (the first CUDA device, or the processor without one),
        "cpu", "cuda", "cuda:1".

    Examples
    --------
    >>> xrdae.Config(n_latent=3, scale="area").n_latent
    3
    >>> xrdae.Config(n_latent=0)
    Traceback (most recent call last):
    ...
    ValueError: n_latent=0 must be a whole number of at least 1
    """

    variable: str | None = _name(None, ", or None")
    dim: str | None = _name(None, ", or None")
    grid: str = _choice("data", "even", "two_theta", "q", "d", "log_q")
    points: int | None = _whole(None, 2)
    background: str = _name("none", " such as 'none' or 'snip'")
    background_options: Mapping[str, Any] = attrs.field(
        factory=dict, converter=_convert_background_options
    )
    scale: str = _choice("max", "area", "std", "steady", "none")
    scale_regions: tuple[tuple[float, float], ...] | None = attrs.field(
        default=None, converter=_convert_regions, validator=_check_regions
    )
    transform: str = _choice("none", "log", "sqrt")
    most_patterns: int = _whole(10_000, 3)
    rank: int = _whole(64, 1)
    n_latent: int | Literal["auto"] = attrs.field(default=2, converter=_convert_n_latent)
    members: int = _whole(8, 1)
    hidden: tuple[int, ...] = attrs.field(default=(32, 32), converter=_convert_widths)
    steps: int = _whole(800, 1)
    learning_rate: float = _number(2e-2, 1e-12, 1.0)
    input_noise: float = _number(0.3, 0.0, 1e6)
    latent_noise: float = _number(0.05, 0.0, 1e6)
    zero_shift: float = _number(0.0, 0.0, 1e6)
    strain: float = _number(0.0, 0.0, 0.2)
    texture: float = _number(0.0, 0.0, 3.0)
    background_change: float = _number(0.0, 0.0, 10.0)
    held_out: float = _number(0.125, 0.0, 0.9)
    patience: int = _whole(200, 1)
    seed: int = _whole(0, 0, 2**63 - 1)
    device: str = _name("auto", " such as 'auto' or 'cuda:1'")

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled; dask sends models between processes.
        return _from_json, (self.to_json(),)

    def to_json(self) -> str:
        """Return the settings as one JSON string.

        Examples
        --------
        >>> import json
        >>> json.loads(xrdae.Config(rank=8).to_json())["rank"]
        8
        """
        values = vars(self) | {"background_options": dict(self.background_options)}
        if self.scale_regions is None:  # or models of before would have another fingerprint
            del values["scale_regions"]
        return json.dumps(values)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Config:
        """Build from keyword arguments; an unknown name is an error that lists the known ones.

        Examples
        --------
        >>> xrdae.Config.from_options({"seed": 1}) == xrdae.Config(seed=1)
        True
        """
        known = [field.name for field in attrs.fields(cls)]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise TypeError(f"unknown setting {unknown[0]!r}; the settings are {', '.join(known)}")
        return cls(**options)


def _from_json(text: str) -> Config:
    return Config.from_options(json.loads(text))
