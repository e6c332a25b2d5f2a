"""From measured intensities to model input: regrid, background, scale, centre; and back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.convention.axes import Axis
from xrdae.convention.regridding import Regrid, make_regridder
from xrdae.errors import DataError, warn
from xrdae.preprocessing.scaling import LARGEST, check_scales, find_common_scale, scale_patterns
from xrdae.preprocessing.transforms import Transform, find_transform

Float32 = npt.NDArray[np.float32]
Float = npt.NDArray[Any]

EPSILON = 2.0**-23  # relative spacing of float32
EQUAL = 2e-7  # relative size of differences, below which patterns differ by rounding
DELICATE = 1e-3  # relative size of differences, below which rounding to float32 would show


@dataclasses.dataclass(frozen=True, eq=False)
class Preparation:
    """What turns intensities on the model's axis into model input, found from the training data.

    Model input is `(transform(intensity / scale) - mean) / gain`: every pattern divided by its own
    scale, transformed, centred, and all divided by one number. Centring and the one global scale
    cut the reconstruction error several times against raw intensities.

    Attributes
    ----------
    axis
        The model's axis, `(channel,)`.
    scale
        What each pattern is divided by, see `Config`.
    background, background_options
        See `Config`.
    mean
        `(channel,)`, mean of the scaled and transformed training patterns; NaN where none was
        measured.
    gain
        Root of the mean squared norm of the centred training patterns.
    typical_scale
        Median scale of the training patterns, in intensity units.
    transform
        Of the scaled intensities.
    signed
        Whether training intensities were negative somewhere; results may be negative only then.
    sampling
        Step of the training data over that of the axis; infinite where it is not known.
    interpolation
        How patterns are brought to the axis, see `xrdae.convention.regridding.regridder`.
    """

    axis: Axis
    scale: str
    background: str
    background_options: Mapping[str, Any]
    mean: Float32
    gain: float
    typical_scale: float
    transform: Transform = dataclasses.field(default_factory=Transform)
    signed: bool = False
    sampling: float = 1.0
    interpolation: str = "cubic"

    def find_source(self, axis: Axis) -> Source:
        """Return what turns patterns along an axis into model input."""
        return Source(self, make_regridder(axis, self.axis, self.interpolation))

    def apply(self, intensity: Float) -> tuple[Float32, Float]:
        """Return model input `(pattern, channel)`, NaN where not measured, and scales `(pattern,)`.

        A pattern without a usable scale has the scale NaN and is all NaN.
        """
        return self.scale_and_center(self.subtract_background(intensity))

    def subtract_background(self, intensity: Float) -> Float:
        """Return intensities `(pattern, channel)` less their background, where they are `known`."""
        options = (self.background, self.background_options)
        return self.hide_unmeasured(subtract_background(intensity, self.axis.values, *options))

    def hide_unmeasured(self, values: Float) -> Float:
        """Return values `(..., channel)`, NaN where no training pattern was measured."""
        unknown = np.isnan(self.mean)
        return np.where(unknown, np.nan, values) if unknown.any() else values

    @functools.cached_property
    def whole_mean(self) -> Float32:
        """The mean, interpolated linearly where no training pattern was measured."""
        known = np.isfinite(self.mean)
        at = self.axis.values
        return np.interp(at, at[known], self.mean[known]).astype(np.float32)

    def scale_and_center(self, patterns: Float) -> tuple[Float32, Float]:
        """Return model input and scales of patterns `(pattern, channel)` without background."""
        if self.delicate:
            patterns = np.asarray(patterns, dtype=np.float64)
        scaled, scale = scale_patterns(patterns, self.scale, common=self.typical_scale)
        scaled = self.transform.apply(scaled)
        scaled -= self.whole_mean
        scaled /= np.float32(self.gain)
        return scaled.astype(np.float32, copy=False), scale

    @property
    def delicate(self) -> bool:
        """Whether patterns differ by so little that they are scaled and centred in float64."""
        return self.gain < DELICATE * float(np.linalg.norm(self.whole_mean))

    @property
    def rounding(self) -> float:
        """What rounding scaled intensities to float32 may change model input by, a channel."""
        return EPSILON * float(np.sqrt(np.square(self.whole_mean).mean())) / self.gain

    def restore_scale(self, inputs: Float) -> Float:
        """Return scaled and transformed intensity `(..., channel)` of model input."""
        return np.asarray(inputs * np.float32(self.gain) + self.whole_mean)

    def clip_negative(self, scaled: Float) -> Float:
        """Return scaled intensity, not negative unless training intensities were."""
        return scaled if self.signed else np.maximum(scaled, 0)

    def rescale(self, scaled: Float, factor: Float) -> Float:
        """Return scaled and transformed intensity as that of patterns `factor` times as strong."""
        if self.transform.name == "none":
            return scaled * factor
        return self.transform.apply(self.transform.undo(scaled) * factor)


def subtract_background(
    intensity: Float, positions: Float, method: str, options: Mapping[str, Any]
) -> Float:
    """Return intensities `(pattern, channel)` less their background.

    Parameters
    ----------
    intensity
        `(pattern, channel)`, NaN where not measured.
    positions
        `(channel,)`, the axis.
    method, options
        Name of a `pybaselines.Baseline` method and its keyword arguments, or "none".
    """
    if method == "none":
        return intensity
    try:
        from pybaselines import Baseline
    except ImportError as error:
        raise ImportError(
            f"background={method!r} needs pybaselines: pip install 'xrdae[background]'"
        ) from error
    fitter = getattr(Baseline(x_data=positions), method, None)
    if fitter is None or method.startswith("_"):
        raise DataError(
            f"background={method!r} is no method of pybaselines.Baseline; try 'snip' or 'arpls'"
        )
    out = np.array(intensity, dtype=np.float64)
    for pattern in out:
        measured = np.isfinite(pattern)
        strongest = np.abs(pattern[measured]).max(initial=0.0)
        if 0 < strongest <= LARGEST:  # else it has no scale
            whole = np.interp(positions, positions[measured], pattern[measured])
            pattern -= fitter(whole, **options)[0]
            if pattern[measured].max() < EPSILON * strongest:  # nothing is left but rounding
                pattern[measured] = 0.0
    return out


def find_preparation(
    intensity: Float,
    axis: Axis,
    *,
    scale: str,
    transform: str = "none",
    sampling: float = 1.0,
    background: str = "none",
    background_options: Mapping[str, Any] | None = None,
    named: Callable[[int], object] = int,
) -> tuple[Preparation, Float32, Float]:
    """Find mean and gain from training patterns on the model's axis.

    All in float64, so that patterns of either type give the same. Patterns that differ by less
    than 2e-7 of their norm, which is rounding, count as equal, with a warning.

    Returns
    -------
    tuple
        The preparation, the training patterns as model input `(pattern, channel)`, and their
        scales `(pattern,)`.

    Raises
    ------
    DataError
        If a pattern has no usable scale; the message calls it what `named` returns for its row.
    """
    options = dict(background_options or {})
    bare = subtract_background(intensity, axis.values, background, options)
    exact = np.asarray(bare, dtype=np.float64)
    scaled, size = scale_patterns(exact, scale, common=find_common_scale(exact))
    check_scales(size, intensity, scale=scale, named=named)
    found = find_transform(scaled, transform, named=named)
    scaled = found.apply(scaled)
    measured = np.isfinite(scaled)
    total, count = scaled.sum(axis=0, where=measured), measured.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    scaled -= mean
    gain = float(np.sqrt(np.square(scaled).sum(axis=1, where=measured).mean()))
    norm = float(np.linalg.norm(mean[count > 0].astype(np.float64)))
    if gain < EQUAL * norm:
        warn(
            f"the patterns differ by {gain / norm:.1e} of their size, which is rounding: they "
            "count as equal, and all latents are one point; if a channel outshines all others, "
            "mask it"
        )
        scaled[measured] = 0.0
        gain = norm
    typical = float(np.median(size))
    signed = bool(found.name == "none" and (intensity < 0).any())
    prepared = Preparation(
        axis,
        scale,
        background,
        options,
        mean,
        gain,
        typical,
        transform=found,
        signed=signed,
        sampling=sampling,
    )
    return prepared, (scaled / np.float32(gain)).astype(np.float32), size


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """What turns patterns as they come into model input.

    Attributes
    ----------
    preparation
        Of the model.
    regrid
        Brings `(pattern, point)` to the model's axis; None: the patterns are model input.
    """

    preparation: Preparation
    regrid: Regrid | None

    def __call__(self, rows: Float) -> tuple[Float32, Float]:
        """Return model input `(pattern, channel)`, NaN where not measured, and scales."""
        if self.regrid is None:
            return np.asarray(rows, np.float32), np.ones(len(rows))
        return self.preparation.apply(self.regrid(rows))
