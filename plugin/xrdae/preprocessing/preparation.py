"""Convert intensities to model input, and back: regrid, subtract background, scale, centre."""

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
from xrdae.preprocessing.steady_scale import SteadyPeaks, find_steady_peaks
from xrdae.preprocessing.transforms import Transform, find_transform

Float32 = npt.NDArray[np.float32]
Float = npt.NDArray[Any]

EPSILON = 2.0**-23  # relative spacing of float32
EQUAL = 2e-7  # relative size of differences; smaller ones are rounding errors
DELICATE = 1e-3  # relative size of differences; smaller ones need float64


@dataclasses.dataclass(frozen=True, eq=False)
class Preparation:
    """Conversion of intensities on the model's axis to model input, found from training data.

    Model input is `(transform(intensity / scale) - mean) / gain`: each pattern is divided by its
    scale, transformed and centred, and all are divided by one gain. Centring and gain reduce the
    reconstruction error several times, compared with raw intensities.

    Attributes
    ----------
    axis
        The model's axis, `(channel,)`.
    scale
        Kind of scale that each pattern is divided by; see `Config`.
    background, background_options
        See `Config`.
    mean
        `(channel,)`, mean of the scaled and transformed training patterns; NaN where no training
        pattern was measured.
    gain
        Root of the mean squared norm of the centred training patterns.
    typical_scale
        Median scale of the training patterns, in intensity units.
    transform
        Transform of the scaled intensities.
    signed
        Whether any training intensity was negative. Results are negative only then.
    sampling
        Step of the training data over the step of the axis; infinite if not known.
    interpolation
        How patterns are regridded; see `xrdae.convention.regridding.make_regridder`.
    steady
        The peaks that set the scale if it is "steady", else None.
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
    steady: SteadyPeaks | None = None

    def find_source(self, axis: Axis) -> Source:
        """Return the function that converts patterns along an axis to model input."""
        return Source(self, make_regridder(axis, self.axis, self.interpolation))

    def apply(self, intensity: Float) -> tuple[Float32, Float]:
        """Return model input `(pattern, channel)`, NaN where not measured, and scales `(pattern,)`.

        A pattern without a usable scale has the scale NaN and is all NaN.
        """
        return self.scale_and_center(self.subtract_background(intensity))

    def subtract_background(self, intensity: Float) -> Float:
        """Return intensities `(pattern, channel)` less background; see also `hide_unmeasured`."""
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
        scaled, scale = scale_patterns(
            patterns, self.scale, common=self.typical_scale, steady=self.steady
        )
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
        """Error of model input in each channel from rounding scaled intensities to float32."""
        return EPSILON * float(np.sqrt(np.square(self.whole_mean).mean())) / self.gain

    def restore_scale(self, inputs: Float) -> Float:
        """Return scaled and transformed intensity `(..., channel)` of model input."""
        return np.asarray(inputs * np.float32(self.gain) + self.whole_mean)

    def clip_negative(self, scaled: Float) -> Float:
        """Return scaled intensity, with negative values set to 0 unless the data are signed."""
        return scaled if self.signed else np.maximum(scaled, 0)

    def rescale(self, scaled: Float, factor: Float) -> Float:
        """Return scaled and transformed intensity of patterns that are stronger by a factor."""
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
        if 0 < strongest <= LARGEST:  # others have no scale
            whole = np.interp(positions, positions[measured], pattern[measured])
            pattern -= fitter(whole, **options)[0]
            if pattern[measured].max() < EPSILON * strongest:  # only rounding errors remain
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
    scale_regions: npt.ArrayLike | None = None,
    data_axis: Axis | None = None,
    named: Callable[[int], object] = int,
) -> tuple[Preparation, Float32, Float]:
    """Find mean and gain from training patterns on the model's axis.

    Everything is computed in float64, so that float32 and float64 patterns give the same result.
    Patterns that differ by less than 2e-7 of their norm count as equal, with a warning.
    `scale_regions` are in units of `data_axis`, or else of `axis`.

    Returns
    -------
    tuple
        The preparation, the training patterns as model input `(pattern, channel)`, and their
        scales `(pattern,)`.

    Raises
    ------
    DataError
        If a pattern has no usable scale. The message names it by `named(row)`.
    """
    options = dict(background_options or {})
    bare = subtract_background(intensity, axis.values, background, options)
    exact = np.asarray(bare, dtype=np.float64)
    steady = None
    if scale == "steady":
        steady = find_steady_peaks(
            exact, axis, data_axis or axis, measured=intensity, regions=scale_regions
        )
    scaled, size = scale_patterns(exact, scale, common=find_common_scale(exact), steady=steady)
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
            f"the patterns differ by {gain / norm:.1e} of their norm, which is rounding: they "
            "count as equal, and all latents are one point; if one channel is far stronger than "
            "all others, mask it"
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
        steady=steady,
    )
    return prepared, (scaled / np.float32(gain)).astype(np.float32), size


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Conversion of patterns on a dataset's axis to model input.

    Attributes
    ----------
    preparation
        Preparation of the model.
    regrid
        Map of `(pattern, point)` to the model's axis; None: the patterns are model input.
    """

    preparation: Preparation
    regrid: Regrid | None

    def __call__(self, rows: Float) -> tuple[Float32, Float]:
        """Return model input `(pattern, channel)`, NaN where not measured, and scales."""
        if self.regrid is None:
            return np.asarray(rows, np.float32), np.ones(len(rows))
        return self.preparation.apply(self.regrid(rows))
