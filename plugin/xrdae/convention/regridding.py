"""Regrid patterns from one axis to another: interpolate, or average where it is coarser."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
import xarray as xr

from xrdae.convention.axes import Axis
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.units import is_same_units
from xrdae.errors import DataError, warn

Float = npt.NDArray[Any]

MIN_COVERAGE = 0.8  # of the model's axis, below which a dataset is refused
COARSER = 1.5  # times the model's step; coarser data get a warning
INTERPOLATIONS = ("linear", "cubic")
GAP = 5  # times the neighbouring steps; a longer step is a gap in the measurement


@dataclasses.dataclass(frozen=True, eq=False)
class Regrid:
    """Linear map of patterns `(..., source channel)` to `(..., target channel)`.

    Attributes
    ----------
    weights
        Sparse, `(source channel, target channel)`; None: the axes are the same.
    beside_gaps
        The weights for patterns with gaps: those of linear interpolation, which use fewer
        channels. None: the same.
    """

    weights: Any
    beside_gaps: Any = None

    def __call__(self, intensity: Float) -> Float:
        """Return the patterns on the target axis, NaN where that is not known."""
        if self.weights is None:
            return intensity
        n_source, n_target = self.weights.shape
        flat = np.asarray(intensity, dtype=np.float64).reshape(-1, n_source)
        missing = ~np.isfinite(flat)
        out = np.asarray(np.where(missing, 0, flat) @ self.weights)
        if missing.any():
            rows = missing.any(axis=1)
            if self.beside_gaps is not None:
                out[rows] = np.where(missing, 0, flat)[rows] @ self.beside_gaps
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
        weights = self.weights if self.beside_gaps is None else self.beside_gaps
        return (weights != 0).astype(np.float64)

    @functools.cached_property
    def _outside(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.asarray(self._touched.sum(axis=0)).ravel() == 0)


def make_regridder(source: Axis, target: Axis, interpolation: str = "linear") -> Regrid:
    """Return the map of `(..., source channel)` to `(..., target channel)`.

    Where the target is coarser than the source by half or more, source channels are averaged
    over the target's bin; elsewhere they are interpolated. Target channels outside the source, or
    that touch a source channel that is NaN, become NaN.

    Parameters
    ----------
    source, target
        The axes.
    interpolation
        "linear", which makes no intensity negative, or "cubic" (Lagrange's polynomial through four
        channels), which keeps the height of peaks.
    """
    if source.is_same_as(target):
        return Regrid(None)
    at = target.convert(target.values, source.kind, source.wavelength)
    order = np.argsort(at)
    back = np.argsort(order)

    def find(cubic: bool) -> Any:
        weights = _find_weights(source.values, at[order], cubic=cubic)
        return scipy.sparse.csr_array(weights[back].T)

    if interpolation == "linear":
        return Regrid(find(False))
    return Regrid(find(True), find(False))


def _find_weights(source: Float, target: Float, *, cubic: bool) -> Any:
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
    between = inside & ~coarse
    smooth = (
        between & ~on_point & _has_four_channels(source, right) if cubic else np.zeros_like(between)
    )
    curved = np.flatnonzero(smooth)
    if curved.size:
        nodes = right[curved] + np.arange(-2, 2)[:, None]  # (node, target)
        for k, weight in enumerate(_find_lagrange_weights(source[nodes], target[curved])):
            rows.append(curved)
            columns.append(nodes[k])
            values.append(weight)
    linear = np.flatnonzero(between & ~smooth)
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


def _has_four_channels(source: Float, right: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Tell where there are two channels on each side `(target,)`, with about equal steps."""
    inner = (right >= 2) & (right <= source.size - 2)
    first = np.clip(right, 2, max(source.size - 2, 2))
    if source.size < 4:
        return np.zeros_like(inner)
    steps = np.diff(source)
    three = np.stack([steps[first - 2], steps[first - 1], steps[first]])
    return np.asarray(inner & (three.max(axis=0) <= 2 * three.min(axis=0)))


def _find_lagrange_weights(nodes: Float, at: Float) -> Float:
    """Return the weights `(node, target)` of Lagrange's polynomial through `(node, target)`."""
    weights = np.ones_like(nodes)
    for i in range(len(nodes)):
        for j in range(len(nodes)):
            if i != j:
                weights[i] *= (at - nodes[j]) / (nodes[i] - nodes[j])
    return weights


def check_axis(source: Axis, target: Axis, sampling: float = 1.0) -> float:
    """Return the fraction of a model's axis that a dataset covers; refuse what cannot be regridded.

    A warning is issued if one wavelength is assumed for both axes, and if the data are coarser
    than the model.

    Parameters
    ----------
    source
        The axis of the dataset.
    target
        The axis of the model.
    sampling
        Step of the model's training data over the step of its axis.

    Raises
    ------
    DataError
        If the axes are of kinds that are not converted into each other, of other names or units, a
        wavelength is missing, or less than 80 % of the model's axis is covered.
    """
    if OTHER in (source.kind, target.kind):
        _check_other(source, target)
    _warn_about_assumed_wavelength(source, target)
    coverage = _check_coverage(source, target)
    _warn_about_coarse_steps(source, target, sampling)
    return coverage


def _check_other(source: Axis, target: Axis) -> None:
    """Refuse axes of kind "other" that are not the same quantity in the same units."""
    if source.kind != target.kind:
        raise DataError(
            f"the data run along {source.title}, the model along {target.title}; these are not "
            "converted into each other: fit a model to data of this kind"
        )
    if not is_same_units(source.units, target.units):
        raise DataError(
            f"axis {source.name!r} is in {source.units!r}, the model's axis in {target.units!r}; "
            "convert it to the units of the model, since xrdae does not convert such an axis"
        )
    if _simplify_name(source.name) != _simplify_name(target.name):
        raise DataError(
            f"the data run along {source.title}, the model along {target.title}; if they are the "
            f"same, rename it: ds.rename({{{source.name!r}: {target.name!r}}})"
        )


def _simplify_name(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _warn_about_assumed_wavelength(source: Axis, target: Axis) -> None:
    """Warn where only one side of a conversion that needs both wavelengths states its own."""
    unknown = [
        side
        for side, axis, other in (("data", source, target), ("model", target, source))
        if axis.kind == "two_theta" and axis.wavelength is None and other.wavelength is not None
    ]
    if unknown:
        known = source.wavelength if unknown == ["model"] else target.wavelength
        warn(
            f"the {'data state' if unknown == ['data'] else 'model states'} no wavelength: "
            f"{known:.6g} angstrom, that of the {'data' if unknown == ['model'] else 'model'}, is "
            "taken for both; "
            "if it is another, results are wrong: set ds = ds.assign_coords(wavelength=((), value, "
            "{'units': 'angstrom'}))"
        )


def _check_coverage(source: Axis, target: Axis) -> float:
    ends = source.convert(source.values[[0, -1]], target.kind, target.wavelength)
    known = np.isfinite(ends)
    if not known.any() and target.kind == "two_theta":
        raise DataError(
            f"the data, {source.values[0]:.4g} to {source.values[-1]:.4g} {source.units}, lie "
            f"beyond what {target.name} reaches at the model's wavelength; fit a model with "
            "grid='q'"
        )
    beyond = {"d": np.inf, "two_theta": 180.0}.get(target.kind, np.nan)
    low, high = np.sort(np.where(known, ends, beyond))
    model_low, model_high = target.values[[0, -1]]
    # Half a channel of leeway at each end: rounding must not cost coverage.
    shared = min(high, model_high) - max(low, model_low)
    coverage = float(max(0.0, shared) / (model_high - model_low))
    if not coverage >= MIN_COVERAGE:
        raise DataError(
            f"the data cover {low:.4g} to {high:.4g} {target.units} ({target.name}), "
            f"{coverage:.0%} of the model's {model_low:.4g} to {model_high:.4g}; at least "
            f"{MIN_COVERAGE:.0%} is needed: fit a model on the shared range, for example "
            f"ds.sel({target.name}=slice(low, high)).xrdae.fit()"
        )
    return coverage


def _warn_about_coarse_steps(source: Axis, target: Axis, sampling: float) -> None:
    """Warn if the step of a dataset is at least 1.5 times that of the training data."""
    ratio = find_sampling(source, target)
    if ratio >= COARSER * max(sampling, 1.0):
        warn(
            f"the data have a step {ratio / max(sampling, 1.0):.1f} times that of the patterns "
            "that the model was fitted to: peaks are less resolved, and latents may move by much; "
            "measure in finer steps, or fit a model to coarser data"
        )


def find_sampling(source: Axis, target: Axis) -> float:
    """Return the ratio of median steps of two axes where they overlap; 1 if they do not."""
    if source.is_same_as(target):
        return 1.0
    with np.errstate(invalid="ignore"):
        at = np.sort(source.convert(source.values, target.kind, target.wavelength))
    low, high = target.values[[0, -1]]
    inside = at[np.isfinite(at) & (at >= low) & (at <= high)]
    if inside.size < 2:
        return 1.0
    middles = (inside[1:] + inside[:-1]) / 2
    own = np.interp(middles, target.values[:-1], np.diff(target.values))
    return float(np.median(np.diff(inside) / own))


def convert_to_shared_q(
    array: xr.DataArray, two_theta: Float, wavelength: xr.Variable, onto: Axis | None
) -> tuple[Axis, xr.DataArray]:
    """Regrid patterns over two_theta, each with its wavelength, to one shared axis of q.

    Parameters
    ----------
    array
        `(sample dims ..., two_theta)`; lazy arrays stay lazy.
    two_theta
        Its positions [degree], increasing.
    wavelength
        [angstrom], along sample dimensions.
    onto
        The axis whose positions in q are used; None: evenly spaced over the range that all
        patterns cover, with as many points as they have.

    Returns
    -------
    tuple
        The axis, and the patterns `(sample dims ..., q)`, NaN where not measured.

    Raises
    ------
    DataError
        If the patterns have no q in common.
    """
    *dims, dim = array.dims
    if "q" in dims or "q" in array.coords:
        raise DataError(
            "patterns over two_theta with a wavelength each are brought to q, but the dataset has "
            "a 'q' already; rename it: ds.rename({'q': 'q_label'})"
        )
    q = _find_shared_q(two_theta, wavelength.values, onto)
    axis = Axis("q", q)

    def regrid(rows: Float, lengths: Float) -> Float:
        flat = rows.reshape(-1, rows.shape[-1])
        each = np.broadcast_to(lengths, rows.shape[:-1]).ravel()
        out = np.empty((len(flat), q.size))
        for value in np.unique(each):
            here = each == value
            own = Axis("two_theta", two_theta, float(value))
            out[here] = make_regridder(own, axis, "cubic")(flat[here])
        return out.reshape(*rows.shape[:-1], q.size)

    sizes = {d: array.sizes[d] for d in dims}
    lengths = wavelength.set_dims(sizes).transpose(*dims)  # type: ignore[no-untyped-call]
    regridded = xr.apply_ufunc(
        regrid,
        array.variable,
        lengths,
        input_core_dims=[[dim], []],
        output_core_dims=[["q"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"q": q.size}, "allow_rechunk": True},
        keep_attrs=True,
    )
    samples = array.isel({dim: 0}, drop=True)
    new = xr.DataArray(regridded, samples.coords, name=array.name)
    return axis, new.assign_coords(q=xr.Variable("q", q, axis.attrs))


def _find_shared_q(two_theta: Float, wavelengths: Float, onto: Axis | None) -> Float:
    if onto is not None:
        return np.sort(onto.convert(onto.values, "q", onto.wavelength))
    ends = [
        Axis("two_theta", two_theta, float(value)).convert(two_theta[[0, -1]], "q")
        for value in np.unique(wavelengths)
    ]
    low, high = max(e[0] for e in ends), min(e[1] for e in ends)
    if not low < high:
        raise DataError(
            f"wavelength varies between patterns ({np.min(wavelengths):g} to "
            f"{np.max(wavelengths):g} angstrom), and they have no q in common; leave some out"
        )
    return np.linspace(low, high, two_theta.size)
