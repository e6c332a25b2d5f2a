"""Hypothesis strategies of datasets by the convention, for tests of plugins and of hosts.

They are by the convention (section "What your dataset needs" of the README), but as odd as data
get. Needs the extra `testing`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from hypothesis import strategies as st

Float = npt.NDArray[np.float64]

DTYPES = (
    "f8", "f4", "f2", ">f8", ">f4", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u2",
)  # fmt: skip
# Spellings of units, with factors to the units of the kind.
SPELLINGS = {
    "two_theta": {"degree": 1.0, "deg": 1.0, "2th_deg": 1.0, "°": 1.0, "rad": math.degrees(1)},
    "q": {"1/angstrom": 1.0, "q_A^-1": 1.0, "Å^-1": 1.0, "1/nm": 0.1, "q_nm^-1": 0.1, "A-1": 1.0},
    "d": {"angstrom": 1.0, "Å": 1.0, "nm": 10.0, "d_A": 1.0},
}
NAMES = {
    "two_theta": ("two_theta", "2theta", "tth", "Two Theta", "radial", "x"),
    "q": ("q", "Q", "momentum_transfer", "radial", "s.q"),
    "d": ("d", "d_spacing", "D"),
}
# Names and units of other axes, which are not converted.
OTHER = (
    ("energy", "eV"), ("Energy loss", "keV"), ("raman_shift", "1/cm"), ("wavenumber", "cm^-1"),
    ("chemical_shift", "ppm"), ("tof", "us"), ("r", "angstrom"), ("wavelength", "nm"),
    ("channel", "1"),
)  # fmt: skip
SAMPLE_DIMS = ("pattern", "y", "x_stage", "time", "sample name", "Ti_Fe", "größe", "file.1")
_RANGES = {"two_theta": (5.0, 90.0), "q": (0.5, 8.0), "d": (0.8, 12.0), "other": (-20.0, 900.0)}
_LABELS = ("number", "whole number", "truth", "time", "duration", "text", "object")
_MISSING = ("nothing", "channels", "bits", "pattern")
_SEEDS = st.integers(0, 2**32 - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class AxisOf:
    """Axis of a dataset.

    Attributes
    ----------
    name
        Of the dimension.
    values
        `(point,)`, in `units`, increasing or decreasing.
    units
        In one of their spellings.
    """

    name: str
    values: Float
    units: str


@st.composite
def axes(
    draw: st.DrawFn,
    *,
    kinds: Sequence[str] = ("two_theta", "q", "d", "other"),
    min_points: int = 2,
    max_points: int = 60,
) -> AxisOf:
    """Draw an axis.

    Evenly spaced or not, increasing or decreasing, of any kind, name and units, of few points
    or of more. Of kind "other" are energies, shifts, times of flight and the like.
    """
    kind = draw(st.sampled_from(kinds))
    n = draw(st.integers(min_points, max_points))
    low, high = _RANGES[kind]
    spacing = draw(st.sampled_from(["even", "even", "log", "irregular"]))
    if low <= 0 and spacing == "log":
        spacing = "even"
    if spacing == "irregular":
        steps = np.random.default_rng(draw(_SEEDS)).uniform(0.2, 5, n - 1)
        values = low + (high - low) * np.append(0, np.cumsum(steps)) / steps.sum()
    else:
        values = (np.geomspace if spacing == "log" else np.linspace)(low, high, n)
    if kind == "other":
        name, units = draw(st.sampled_from(OTHER))
    else:
        name = draw(st.sampled_from(NAMES[kind]))
        units = draw(st.sampled_from(sorted(SPELLINGS[kind])))
        values = values / SPELLINGS[kind][units]
    dtype = draw(st.sampled_from(["f8", "f8", "f4", ">f8"]))
    descending = draw(st.booleans())
    return AxisOf(name, values[::-1].astype(dtype) if descending else values.astype(dtype), units)


@st.composite
def intensities(
    draw: st.DrawFn,
    n: int,
    points: int,
    *,
    dtypes: Sequence[str] = DTYPES,
    exponents: tuple[int, int] = (-30, 30),
    gaps: bool = True,
) -> npt.NDArray[Any]:
    """Draw intensities `(n, points)`: peaks that move and grow, noise, and what goes wrong.

    Floats are of any scale from 1e-30 to 1e30 (of 16 bits: what they hold), may be negative where
    too much background was subtracted, and NaN or infinite in whole patterns, in channels, or
    anywhere. Counts may be zero nearly everywhere.

    Parameters
    ----------
    n, points
        The shape.
    dtypes
        Of the array, by their names in numpy.
    exponents
        Of ten, the least and the largest scale of floats.
    gaps
        Whether floats may be NaN or infinite.
    """
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    random = np.random.default_rng(draw(_SEEDS))
    place, at = np.linspace(0, 1, points), np.linspace(0, 1, n)[:, None]
    peaks = np.array([0.2, 0.45, 0.8]) + np.array([0.0, 0.1, 0.05]) * at
    height = np.array([1.0, 0.3, 0.6]) * (1 + np.array([0.0, 1.0, -0.5]) * at)
    values = (height * np.exp(-(((place[:, None, None] - peaks) / 0.05) ** 2))).sum(-1).T
    values = values + 0.1 + 0.02 * random.random((n, points))
    if dtype.kind in "iu":
        largest = int(np.iinfo(dtype.name).max)
        most = min(largest, 10 ** draw(st.integers(1, 9)))
        values = values / values.max() * most
        values = random.poisson(values) if most < 1e4 else values
        return np.asarray(np.clip(values, 0, largest), dtype)
    low, high = (-3, 4) if dtype.itemsize == 2 else exponents
    values = values - draw(st.sampled_from([0.0, 0.0, 0.1, 0.2, 0.5]))
    values = values * 10.0 ** draw(st.integers(low, high))
    if draw(st.booleans()):  # each pattern has another scale
        values = values * 10.0 ** random.uniform(-2, 0, (n, 1))
    values = np.asarray(values, dtype)
    if gaps:
        _leave_out(values, draw(st.sampled_from(_MISSING)), random)
        if draw(st.integers(0, 9)) == 0:
            values[tuple(random.integers(0, s) for s in values.shape)] = np.inf
    return values


def _leave_out(values: npt.NDArray[Any], what: str, random: np.random.Generator) -> None:
    n, points = values.shape
    if what == "channels":
        values[:, random.random(points) < 0.2] = np.nan
    elif what == "bits":
        values[random.random(values.shape) < 0.1] = np.nan
    elif what == "pattern":
        values[random.integers(0, n)] = np.nan


@st.composite
def labels(draw: st.DrawFn, n: int) -> npt.NDArray[Any]:
    """Draw the values `(n,)` of a label: numbers, texts, objects, times, durations, with gaps."""
    kind = draw(st.sampled_from(_LABELS))
    if kind == "number":
        values = np.linspace(200, 300, n)[np.array(draw(st.permutations(range(n))), int)]
        values[np.arange(n) % 3 == draw(st.sampled_from([1, 3]))] = np.nan
        return np.asarray(values)
    if kind == "whole number":
        return np.arange(n, dtype=draw(st.sampled_from(["i2", "i8", ">i4"])))
    if kind == "truth":
        return np.asarray(np.arange(n) % 2 == 1)
    if kind == "time":
        times = np.datetime64("2024-05-01T12:00", "ns") + np.arange(n) * np.timedelta64(1, "m")
        times[np.arange(n) == draw(st.integers(0, n))] = np.datetime64("NaT", "ns")
        return times
    if kind == "duration":
        return np.asarray(np.arange(n) * np.timedelta64(1_500_000_000, "ns"))
    texts = st.sampled_from(["NaCl", "", "α-Fe", "a/b", "x" * 300])
    values = draw(st.lists(texts, min_size=n, max_size=n))
    return np.array(values, dtype=object if kind == "object" else np.str_)


@st.composite
def indexes(draw: st.DrawFn, n: int) -> tuple[npt.NDArray[Any], dict[str, str]]:
    """Draw the coordinate `(n,)` of a sample dimension, and its attributes.

    Numbers that increase; numbers, texts or times that repeat, or read the same backwards, as
    those of a temperature cycle; or all NaN.
    """
    kind = draw(st.sampled_from(["even", "even", "cycle", "constant", "nan", "text", "times"]))
    there_and_back = np.minimum(np.arange(n), np.arange(n)[::-1])
    if kind == "text":
        return np.array(list("abcdef"))[there_and_back], {}
    if kind == "times":
        return np.full(n, np.datetime64("2024-05-01T12:00", "ns")), {}
    values = {
        "even": np.arange(n) * 0.5,
        "cycle": 300.0 + 50 * there_and_back,
        "constant": np.full(n, 300.0),
        "nan": np.full(n, np.nan),
    }
    return values[kind], {"units": "mm"}


def attributes() -> st.SearchStrategy[dict[str, Any]]:
    """Draw attributes as hosts write them: texts, numbers, arrays, some of them huge."""
    values = st.one_of(
        st.sampled_from(["", "counts", "x" * 100_000, "ä\n\t"]),
        st.integers(-(2**31), 2**31 - 1),
        st.floats(allow_nan=False),
        st.just(np.arange(3.0)),
    )
    names = st.sampled_from(["note", "operator name", "detector", "größe", "history"])
    return st.dictionaries(names, values, max_size=3)


@st.composite
def datasets(
    draw: st.DrawFn,
    *,
    kinds: Sequence[str] = ("two_theta", "q", "d", "other"),
    dtypes: Sequence[str] = DTYPES,
    exponents: tuple[int, int] = (-30, 30),
    max_patterns: int = 12,
    max_points: int = 60,
    gaps: bool = True,
    lazy: bool = True,
    stacked: bool = True,
) -> xr.Dataset:
    """Draw a dataset by the convention.

    Parameters
    ----------
    kinds
        Of the axis.
    dtypes, exponents, gaps
        See `intensities`; `gaps` allows a variable `mask` too.
    max_patterns, max_points
        Limits of the size.
    lazy
        Whether it may be in chunks (dask).
    stacked
        Whether its patterns may be along a MultiIndex.

    Returns
    -------
    Dataset
        `intensity` along the axis and none to three sample dimensions, in any order; maybe
        `intensity_errors`, `mask`, `monitor`; labels of any type on any of the sample dimensions,
        whose own coordinates may repeat or read the same backwards; maybe `wavelength`.
    """
    axis = draw(axes(kinds=kinds, max_points=max_points))
    shape = draw(_draw_shapes(max_patterns))
    names = draw(st.permutations(SAMPLE_DIMS))[: len(shape)]
    n, points = math.prod(shape), len(axis.values)
    values = draw(intensities(n, points, dtypes=dtypes, exponents=exponents, gaps=gaps))
    dims = (*names, axis.name)
    intensity = xr.Variable(dims, values.reshape(*shape, points), draw(attributes()))
    variables = {"intensity": intensity}
    if draw(st.booleans()):
        errors = np.sqrt(np.abs(intensity.values.astype(float)))
        variables["intensity_errors"] = xr.Variable(dims, errors)
    if gaps and draw(st.integers(0, 2)) == 0:
        variables["mask"] = draw(_draw_masks(intensity))
    if draw(st.booleans()):
        variables["monitor"] = xr.Variable(names, np.arange(n).reshape(shape))
    coords = {axis.name: (axis.name, axis.values, {"units": axis.units})}
    dataset = xr.Dataset(variables, coords, draw(attributes()))
    sizes = dict(zip(names, shape, strict=True))
    dataset = dataset.assign_coords(
        draw(_draw_coordinates(sizes, wavelength=axis.name != "wavelength"))
    )
    return draw(_arrange(dataset, names, lazy=lazy, stacked=stacked))


@st.composite
def _draw_shapes(draw: st.DrawFn, most: int) -> tuple[int, ...]:
    """Draw the sizes of sample dimensions, mostly with enough patterns for a fit."""
    kind = draw(st.sampled_from(["line", "line", "map", "stack", "few"]))
    if kind == "few":
        return draw(st.sampled_from([(), (1,), (2,), (1, 2)]))
    if kind == "line":
        return (draw(st.integers(3, most)),)
    return (2, most // 2) if kind == "map" else (1, 2, most // 2)


@st.composite
def _draw_masks(draw: st.DrawFn, intensity: xr.Variable) -> xr.Variable:
    """Draw a mask over all, over the axis or over the patterns. Patterns of NaN are masked, too."""
    random = np.random.default_rng(draw(_SEEDS))
    dims = draw(st.sampled_from([intensity.dims, intensity.dims[-1:], intensity.dims[:-1]]))
    values = random.random([intensity.sizes[d] for d in dims]) < 0.1
    mask = xr.Variable(dims, values)
    if dims == intensity.dims[:-1]:
        empty = ~np.isfinite(intensity.values.astype(float)).any(axis=-1)
        mask = mask | xr.Variable(dims, empty)
    return mask.astype(draw(st.sampled_from(["?", "i1", "u1"])))


@st.composite
def _draw_coordinates(
    draw: st.DrawFn, sizes: dict[str, int], *, wavelength: bool
) -> dict[Hashable, Any]:
    coords: dict[Hashable, Any] = {}
    for name, size in sizes.items():
        if draw(st.booleans()):
            coords[name] = (name, *draw(indexes(size)))
        for i in range(draw(st.integers(0, 2))):
            coords[f"label_{i} of {name}"] = (name, draw(labels(size)), draw(attributes()))
    labelled = draw(st.booleans())
    if sizes and labelled:
        shape = tuple(sizes.values())
        temperature = np.linspace(200, 400, math.prod(shape)).reshape(shape)
        coords["temperature"] = (tuple(sizes), temperature, {"units": "K"})
    stated = draw(st.sampled_from([None, (1.5406, "angstrom"), (0.0709, "nm"), (17.48, "keV")]))
    if wavelength and stated is not None:
        coords["wavelength"] = ((), stated[0], {"units": stated[1]})
    return coords


@st.composite
def _arrange(
    draw: st.DrawFn, dataset: xr.Dataset, names: Sequence[str], *, lazy: bool, stacked: bool
) -> xr.Dataset:
    """Draw the order of dimensions, a MultiIndex and the chunks of a dataset."""
    if stacked and len(names) > 1 and draw(st.booleans()):
        dataset = dataset.stack({"stacked": names}, create_index=True)
    dims = list(dataset["intensity"].dims)
    dataset = dataset.transpose(*draw(st.permutations(dims)))
    if lazy and draw(st.booleans()):
        dataset = dataset.chunk({d: draw(st.integers(1, dataset.sizes[d])) for d in dims})
    return dataset
