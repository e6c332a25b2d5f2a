"""From measured intensities to model input: regrid, background, scale, centre; and back."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from xrdae.axes import Axis
from xrdae.errors import DataError
from xrdae.scaling import LARGEST, check_scales, scale_patterns

Float32 = npt.NDArray[np.float32]
Float = npt.NDArray[Any]

MIN_COVERAGE = 0.8  # of the model's axis, below which a dataset is refused
EPSILON = 2.0**-23  # relative spacing of float32
EQUAL = 2e-7  # relative size of differences, below which patterns differ by rounding
DELICATE = 1e-3  # relative size of differences, below which rounding to float32 would show


@dataclasses.dataclass(frozen=True, eq=False)
class Preparation:
    """What turns intensities on the model's axis into model input, found from the training data.

    Model input is `(intensity / scale - mean) / gain`: every pattern divided by its own scale,
    centred, and all divided by one number. Centring and the one global scale cut the
    reconstruction error several times against raw intensities.

    Attributes
    ----------
    axis
        The model's axis, `(channel,)`.
    scale
        "max" or "area": what each pattern is divided by.
    background, background_options
        See `Config`.
    mean
        `(channel,)`, mean of the scaled training patterns; NaN where none was measured.
    gain
        Root of the mean squared norm of the centred training patterns.
    typical_scale
        Median scale of the training patterns, in intensity units.
    """

    axis: Axis
    scale: str
    background: str
    background_options: Mapping[str, Any]
    mean: Float32
    gain: float
    typical_scale: float

    def apply(self, intensity: Float) -> tuple[Float32, Float]:
        """Return model input `(pattern, channel)`, NaN where not measured, and scales `(pattern,)`.

        A pattern without a usable scale has the scale NaN and is all NaN.
        """
        return self.inputs(self.without_background(intensity))

    def without_background(self, intensity: Float) -> Float:
        """Return intensities `(pattern, channel)` less their background, where they are `known`."""
        options = (self.background, self.background_options)
        return self.known(without_background(intensity, self.axis.values, *options))

    def known(self, values: Float) -> Float:
        """Return values `(..., channel)`, NaN where no training pattern was measured."""
        unknown = np.isnan(self.mean)
        return np.where(unknown, np.nan, values) if unknown.any() else values

    @functools.cached_property
    def whole_mean(self) -> Float32:
        """The mean, interpolated linearly where no training pattern was measured."""
        known = np.isfinite(self.mean)
        at = self.axis.values
        return np.interp(at, at[known], self.mean[known]).astype(np.float32)

    def inputs(self, patterns: Float) -> tuple[Float32, Float]:
        """Return model input and scales of patterns `(pattern, channel)` without background."""
        if self.delicate:
            patterns = np.asarray(patterns, dtype=np.float64)
        scaled, scale = scale_patterns(patterns, self.scale)
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

    def scaled(self, inputs: Float) -> Float:
        """Return scaled intensity `(..., channel)` of model input."""
        return np.asarray(inputs * np.float32(self.gain) + self.whole_mean)


def without_background(
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
    bare = without_background(intensity, axis.values, background, options)
    scaled, size = scale_patterns(np.asarray(bare, dtype=np.float64), scale)
    check_scales(size, intensity, scale=scale, named=named)
    measured = np.isfinite(scaled)
    total, count = scaled.sum(axis=0, where=measured), measured.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    scaled -= mean
    gain = float(np.sqrt(np.square(scaled).sum(axis=1, where=measured).mean()))
    norm = float(np.linalg.norm(mean[count > 0].astype(np.float64)))
    if gain < EQUAL * norm:
        warnings.warn(
            f"the patterns differ by {gain / norm:.1e} of their size, which is rounding: they "
            "count as equal, and all latents are one point; if a channel outshines all others, "
            "mask it",
            stacklevel=5,
        )
        scaled[measured] = 0.0
        gain = norm
    typical = float(np.median(size))
    prepared = Preparation(axis, scale, background, options, mean, gain, typical)
    return prepared, (scaled / np.float32(gain)).astype(np.float32), size


@dataclasses.dataclass(frozen=True, eq=False)
class Regrid:
    """Brings patterns `(..., source channel)` to `(..., target channel)`.

    Attributes
    ----------
    weights
        Sparse, `(source channel, target channel)`; None: the axes are the same.
    """

    weights: Any

    def __call__(self, intensity: Float) -> Float:
        """Return the patterns on the target axis, NaN where that is not known."""
        if self.weights is None:
            return intensity
        n_source, n_target = self.weights.shape
        flat = np.asarray(intensity, dtype=np.float64).reshape(-1, n_source)
        missing = ~np.isfinite(flat)
        out = np.asarray(np.where(missing, 0, flat) @ self.weights)
        if missing.any():
            out[(missing.astype(np.float64) @ self._touched) > 0] = np.nan
        out[:, self._outside] = np.nan
        return out.reshape(*np.shape(intensity)[:-1], n_target)

    def errors(self, errors: Float) -> Float:
        """Return standard deviations on the target axis, of independent ones on the source's."""
        if self.weights is None:
            return errors
        return np.sqrt(Regrid(self.weights**2)(np.square(errors)))

    @functools.cached_property
    def _touched(self) -> Any:
        return (self.weights != 0).astype(np.float64)

    @functools.cached_property
    def _outside(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.asarray(self._touched.sum(axis=0)).ravel() == 0)


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


GAP = 5  # times the steps beside it: nothing was measured there


def regridder(source: Axis, target: Axis) -> Regrid:
    """Return what brings `(..., source channel)` to `(..., target channel)`.

    Where the target is coarser than the source by half or more, source channels are averaged
    over the target's bin; elsewhere it is linear interpolation. Target channels outside the
    source, or that touch a source channel that is NaN, become NaN.
    """
    if source.same_as(target):
        return Regrid(None)
    at = target.convert(target.values, source.kind, source.wavelength)
    order = np.argsort(at)
    weights = _weights(source.values, at[order])[np.argsort(order)].T
    return Regrid(scipy.sparse.csr_array(weights))


def _weights(source: Float, target: Float) -> Any:
    """Return sparse weights `(target channel, source channel)`; both axes increase."""
    finite = np.isfinite(target)
    right = np.clip(np.searchsorted(source, target), 1, source.size - 1)
    fraction = (target - source[right - 1]) / (source[right] - source[right - 1])
    inside = finite & (fraction >= -1e-6) & (fraction <= 1 + 1e-6)
    steps = np.diff(source)
    beside = np.maximum(np.append(steps[1:], 0), np.append(0, steps[:-1]))
    on_point = (np.abs(fraction) < 1e-6) | (np.abs(fraction - 1) < 1e-6)
    inside &= on_point | (steps <= GAP * beside)[right - 1] | (steps.size < 3)
    fraction = np.clip(np.where(inside, fraction, 0), 0, 1)
    width = np.gradient(target)
    coarse = inside & (width >= 1.5 * (source[right] - source[right - 1]))
    rows, columns, values = [], [], []
    linear = np.flatnonzero(inside & ~coarse)
    for column, weight in ((right - 1, 1 - fraction), (right, fraction)):
        rows.append(linear)
        columns.append(column[linear])
        values.append(weight[linear])
    middles = (source[1:] + source[:-1]) / 2
    borders = np.concatenate(
        [[2 * source[0] - middles[0]], middles, [2 * source[-1] - middles[-1]]]
    )
    for i in np.flatnonzero(coarse):
        low, high = target[i] - width[i] / 2, target[i] + width[i] / 2
        first = max(np.searchsorted(borders, low, "right") - 1, 0)
        last = min(np.searchsorted(borders, high), source.size)
        shared = np.minimum(borders[first + 1 : last + 1], high)
        shared = shared - np.maximum(borders[first:last], low)
        columns.append(np.arange(first, last))
        rows.append(np.full(last - first, i))
        values.append(shared / shared.sum())
    entries = (np.concatenate(rows), np.concatenate(columns))
    matrix = scipy.sparse.coo_array(
        (np.concatenate(values), entries), shape=(target.size, source.size)
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix


def check_coverage(source: Axis, target: Axis) -> float:
    """Return what part of the model's axis a dataset covers; refuse one that covers too little."""
    ends = source.convert(source.values[[0, -1]], target.kind, target.wavelength)
    low, high = np.sort(np.where(np.isfinite(ends), ends, np.inf if target.kind == "d" else np.nan))
    model_low, model_high = target.values[[0, -1]]
    # Half a channel of leeway at each end: rounding must not cost coverage.
    shared = min(high, model_high) - max(low, model_low)
    coverage = float(max(0.0, shared) / (model_high - model_low))
    if not coverage >= MIN_COVERAGE:
        raise DataError(
            f"the data cover {low:.4g} to {high:.4g} {target.units} ({target.kind}), "
            f"{coverage:.0%} of the model's {model_low:.4g} to {model_high:.4g}; at least "
            f"{MIN_COVERAGE:.0%} is needed: fit a model on the shared range, for example "
            f"ds.sel({target.kind}=slice(low, high)).xrdae.fit()"
        )
    return coverage
