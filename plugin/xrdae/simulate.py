"""Simulated powder patterns with a known truth: the ThMn12-type alloy series, and any CIF.

The labels, and the powder corrections; structures and reflections are in `xrdae.reflections`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.reflections import (
    Floats,
    Reflections,
    StrPath,
    alloy_structure,
    iron_structure,
    profile,
    read_structure,
    reflections,
)

if TYPE_CHECKING:
    from gemmi import SmallStructure

__all__ = [
    "Instrument",
    "Reflections",
    "alloy_series",
    "alloy_structure",
    "cif_patterns",
    "profile",
    "read_structure",
    "reflections",
]

MARGIN = 2.0  # degree: reflections this far outside the grid still lend it their tails
OBSERVABLE = 1e-6  # of the pattern's strongest reflection: weaker in every pattern is not listed
PAPER = "Utimula et al. (2022), Adv. Theory Simul., doi:10.1002/adts.202200613"


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Peak shape and background of a diffractometer; the defaults are those of a laboratory's.

    Parameters
    ----------
    u, v, w : Caglioti's widths [degree^2], FWHM^2 = u tan^2(theta) + v tan(theta) + w;
        Caglioti, Paoletti & Ricci, Nucl. Instrum. 3 (1958) 223.
    eta : Lorentzian share of the pseudo-Voigt, 0 to 1.
    background : (order,) Chebyshev coefficients over the grid's range, as fractions of the
        counts at the strongest peak; () is none.
    """

    u: float = 0.010
    v: float = -0.005
    w: float = 0.0144
    eta: float = 0.4
    background: tuple[float, ...] = (0.03, -0.015, 0.006)

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; give a Lorentzian share from 0 to 1")

    def fwhm(self, two_theta: Floats) -> Floats:
        """Full width at half maximum [degree] at `two_theta` (any dims) [degree].

        Raises ValueError where u, v, w give no positive width.
        """
        tan = np.tan(np.radians(two_theta) / 2)
        squared = self.u * tan**2 + self.v * tan + self.w
        if np.any(squared <= 0):
            raise ValueError(
                f"u={self.u}, v={self.v}, w={self.w} give a width of "
                f"{squared.min():.3g} degree^2 (<= 0) in this range; raise w"
            )
        return np.sqrt(squared)


LABORATORY = Instrument()


def alloy_series(
    ti: npt.ArrayLike | None = None,
    *,
    zr: npt.ArrayLike | None = None,
    iron: float = 0.0,
    crossed: bool = True,
    two_theta: npt.ArrayLike | None = None,
    wavelength: float = 1.5406,
    instrument: Instrument = LABORATORY,
    counts: float = 10_000.0,
    b_iso: float = 0.5,
    texture: npt.ArrayLike = 1.0,
    zero_shift: npt.ArrayLike = 0.0,
    noise: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate patterns of the magnetic alloys [Sm(1-y)Zr(y)]Fe(12-x)Ti(x) (see Notes).

    Parameters
    ----------
    ti : (ti,) x, Ti per formula unit, 0 to 4; default 15 values from 0 to 2.
    zr : (zr,) y, Zr fraction on 2a, 0 to 1; default 10 values from 0 to 0.5.
    iron : weight fraction of alpha-iron in every sample, 0 to below 1: a usual impurity, whose
        peaks say nothing about the composition.
    crossed : True: every ti with every zr (zr varies fastest). False: ti and zr are of equal
        length and give one pattern each.
    two_theta : (two_theta,) [degree], increasing, within 0 .. 180; default 2000 from 20 to 80.
    wavelength : [angstrom], monochromatic; the default is Cu K-alpha 1.
    instrument : peak shape and background.
    counts : height of each pattern's strongest peak above the background [counts].
    b_iso : overall isotropic Debye-Waller B [angstrom^2].
    texture : scalar or (pattern,), > 0: March-Dollase r along (0, 0, 1); 1 is none.
    zero_shift : scalar or (pattern,) [degree], added to every peak's two_theta.
    noise : Poisson noise; False gives the expected counts.
    seed : of the noise.

    Returns
    -------
    Dataset
        `intensity`, `intensity_errors` (pattern, two_theta) [counts], coordinates `ti`, `zr`
        (pattern) and `wavelength`, with iron also `phase` (reflection; 1 is iron); the truth:
        `reflection_position` [degree] (zero shift included) and `reflection_intensity`
        [counts*degree] on (pattern, reflection), NaN
        where a reflection is off the grid, with coordinates `h`, `k`, `l`; `lattice_a`,
        `lattice_c` [angstrom], `texture` and `zero_shift` [degree] on (pattern).

    Raises
    ------
    ValueError
        For an argument out of its range or of the wrong shape.
    ImportError
        Without gemmi: ``pip install "xrdae[simulate]"``.

    Notes
    -----
    A stand-in for the patterns of Utimula et al. (2022), doi:10.1002/adts.202200613, which are
    not public. Intensities: m |F|^2 LP exp(-2B s^2), LP = (1 + cos^2 2theta) /
    (sin^2 theta cos theta); no absorption, no K-alpha 2. Texture: Dollase, J. Appl. Cryst. 19
    (1986) 267.
    """
    x, y = _compositions(
        np.linspace(0, 2, 15) if ti is None else ti,
        np.linspace(0, 0.5, 10) if zr is None else zr,
        crossed=crossed,
    )
    if not 0 <= iron < 1:
        raise ValueError(f"iron is {iron}; give a weight fraction from 0 to below 1")
    structures = [alloy_structure(t, zr=z) for t, z in zip(x, y, strict=True)]
    n = len(structures)
    dataset = _measure(
        [*structures, iron_structure()],
        [{i: 1.0 - iron, n: iron} if iron else {i: 1.0} for i in range(n)],
        # one family: reflections of all members share their columns; phase 1 is iron
        phase=np.repeat([0, 1], [n, 1]),
        two_theta=two_theta, wavelength=wavelength, instrument=instrument, counts=counts,
        b_iso=b_iso, texture=texture, zero_shift=zero_shift, noise=noise, seed=seed,
    )  # fmt: skip
    cells = [s.cell for s in structures]
    lattice = {
        f"lattice_{e}": (
            "pattern",
            [getattr(c, e) for c in cells],
            _named(f"lattice parameter {e}", "angstrom"),
        )
        for e in "ac"
    }
    return (dataset if iron else dataset.drop_vars("phase")).assign(lattice).assign_coords(
        ti=("pattern", x, _named("Ti per formula unit", "1")),
        zr=("pattern", y, _named("Zr fraction on 2a", "1")),
    ).assign_attrs(
        title="Simulated powder patterns of [Sm(1-y)Zr(y)]Fe(12-x)Ti(x), ThMn12 type",
        source="Simulated with illustrative lattice slopes (not refined values): a stand-in "
        f"for the data of {PAPER}, whose patterns are not public",
    )  # fmt: skip


def cif_patterns(
    paths: StrPath | Sequence[StrPath],
    *,
    fractions: npt.ArrayLike | None = None,
    two_theta: npt.ArrayLike | None = None,
    wavelength: float = 1.5406,
    instrument: Instrument = LABORATORY,
    counts: float = 10_000.0,
    b_iso: float = 0.0,
    texture: npt.ArrayLike = 1.0,
    zero_shift: npt.ArrayLike = 0.0,
    noise: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate one pattern a CIF, or mixtures of the CIFs' phases.

    Parameters
    ----------
    paths : one CIF or a list, one phase each.
    fractions : (pattern, phase) weight fractions, >= 0, each row normalized to 1; default one
        pure pattern a CIF. A phase's intensities are scaled by w / (Z M V) (Hill & Howard,
        J. Appl. Cryst. 20 (1987) 467): equal absorption is assumed.
    two_theta, wavelength, instrument, counts, texture, zero_shift, noise, seed : as in
        `alloy_series`; texture is that of every phase.
    b_iso : overall B [angstrom^2], in addition to the displacements the CIFs give.

    Returns
    -------
    Dataset
        As `alloy_series`, less the alloy's labels; `weight_fraction` (pattern, component), and
        the coordinate `phase` on `reflection`: the file's stem. NaN where a reflection is off
        the grid or its phase not in the pattern.

    Raises
    ------
    ValueError
        For an argument out of its range or shape, or a CIF without atoms, cell or symmetry.
    ImportError
        Without gemmi: ``pip install "xrdae[simulate]"``.
    """
    files = [Path(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths)]
    if not files:
        raise ValueError("paths is empty; give at least one CIF")
    structures = [read_structure(p) for p in files]
    weights = _fractions(np.eye(len(files)) if fractions is None else fractions, n=len(files))
    stems = [p.stem for p in files]
    labels = np.array(stems if len(set(stems)) == len(stems) else [str(p) for p in files])
    dataset = _measure(
        structures,
        [{m: w for m, w in enumerate(row) if w > 0} for row in weights.tolist()],
        phase=np.arange(len(files)),
        two_theta=two_theta, wavelength=wavelength, instrument=instrument, counts=counts,
        b_iso=b_iso, texture=texture, zero_shift=zero_shift, noise=noise, seed=seed,
    )  # fmt: skip
    named = _named("weight fraction", "1")
    return dataset.assign(weight_fraction=(("pattern", "component"), weights, named)).assign_coords(
        component=labels, phase=("reflection", labels[dataset["phase"].values])
    ).assign_attrs(
        title="Simulated powder patterns",
        source="Simulated from " + ", ".join(p.name for p in files),
    )  # fmt: skip


def _measure(
    structures: Sequence[SmallStructure],
    mixtures: Sequence[dict[int, float]],
    *,
    phase: npt.NDArray[np.int_],
    two_theta: npt.ArrayLike | None,
    wavelength: float,
    instrument: Instrument,
    counts: float,
    b_iso: float,
    texture: npt.ArrayLike,
    zero_shift: npt.ArrayLike,
    noise: bool,
    seed: int,
) -> xr.Dataset:
    """Patterns of mixtures, {structure: weight}; reflections of one phase share their columns."""
    n = len(mixtures)
    grid = _grid(two_theta)
    for name, value in (("wavelength", wavelength), ("counts", counts)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}; give a positive number")
    if not (np.isfinite(b_iso) and b_iso >= 0):
        raise ValueError(f"b_iso is {b_iso}; give a Debye-Waller B >= 0 in angstrom^2")
    r = _per_pattern(texture, name="texture", n=n)
    shift = _per_pattern(zero_shift, name="zero_shift", n=n)
    if np.any(r <= 0):
        raise ValueError(f"texture is {r.min()}; March-Dollase r is positive, 1 is no texture")
    margin = MARGIN + np.abs(shift).max()
    limits = (float(grid[0] - margin), float(grid[-1] + margin))
    lists = [reflections(s, wavelength=wavelength, two_theta_range=limits) for s in structures]
    expected = np.empty((n, len(grid)))
    peaks = []
    for i, mixture in enumerate(mixtures):
        key, angle, area = _mixture(
            lists, mixture, phase=phase, wavelength=wavelength, b_iso=b_iso, r=r[i]
        )
        position = angle + shift[i]
        inside = (position >= grid[0]) & (position <= grid[-1])
        widths = instrument.fwhm(angle)
        shape = {"position": position, "area": area, "fwhm": widths, "eta": instrument.eta}
        if not area[inside].sum() > 0:
            raise ValueError(
                f"pattern {i} has no reflection between {grid[0]} and {grid[-1]} degree at "
                f"wavelength {wavelength}; widen two_theta or shorten the wavelength"
            )
        # The height at the reflections: that on the grid depends on where its points fall.
        scale = counts / profile(position[inside], **shape).max()
        expected[i] = profile(grid, **shape) * scale
        peaks.append((key[inside], position[inside], area[inside] * scale))
    expected += _background(instrument, grid=grid, counts=counts)
    measured = np.random.default_rng(seed).poisson(expected) if noise else expected
    key, position, area = _aligned(peaks)
    settings = {"b_iso": b_iso, "counts": counts, "noise": noise, "seed": seed}
    return xr.Dataset(
        {
            "intensity": (
                ("pattern", "two_theta"),
                measured.astype(np.float32),
                _named("diffracted intensity", "counts"),
            ),
            "intensity_errors": (
                ("pattern", "two_theta"),
                np.sqrt(np.maximum(measured, 1)).astype(np.float32),
                _named("one standard deviation of intensity", "counts"),
            ),
            "reflection_position": (
                ("pattern", "reflection"),
                position,
                _named("true peak position, zero shift included", "degree"),
            ),
            "reflection_intensity": (
                ("pattern", "reflection"),
                area,
                _named("true integrated intensity", "counts*degree"),
            ),
            "texture": ("pattern", r, _named("March-Dollase r along (0, 0, 1)", "1")),
            "zero_shift": ("pattern", shift, _named("zero shift", "degree")),
        },
        coords={
            "pattern": np.arange(n),
            "two_theta": ("two_theta", grid, _named("diffraction angle", "degree")),
            "wavelength": ((), float(wavelength), _named("wavelength", "angstrom")),
            "phase": ("reflection", key[:, 0]),
            **{m: ("reflection", key[:, 1 + j]) for j, m in enumerate("hkl")},
        },
        attrs={"simulation": json.dumps(settings | asdict(instrument))},
    )


def _mixture(
    lists: Sequence[Reflections],
    mixture: dict[int, float],
    *,
    phase: npt.NDArray[np.int_],
    wavelength: float,
    b_iso: float,
    r: float,
) -> tuple[npt.NDArray[np.int_], Floats, Floats]:
    """All peaks of one pattern: (phase, h, k, l), two_theta [degree], relative area."""
    parts = [lists[m] for m in mixture]
    sizes = [len(p.d) for p in parts]
    owner = np.repeat(phase[list(mixture)], sizes)
    key = np.column_stack([owner, np.concatenate([p.hkl for p in parts])])  # (reflection, 4)
    d = np.concatenate([p.d for p in parts])
    theta = np.arcsin(wavelength / (2 * d))
    lorentz_polarization = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    per_mass = np.concatenate(
        [
            # weight / Z M V, times m |F|^2, times March-Dollase's mean over the equivalents
            weight / (p.cell_mass * p.cell_volume) * p.multiplicity * p.f_squared
            * ((r**2 * p.cos2_axis + (1 - p.cos2_axis) / r) ** -1.5).mean(-1)
            for weight, p in zip(mixture.values(), parts, strict=True)
        ]
    )  # fmt: skip
    return key, np.degrees(2 * theta), per_mass * lorentz_polarization * np.exp(-b_iso / (2 * d**2))


def _aligned(
    peaks: Sequence[tuple[npt.NDArray[np.int_], Floats, Floats]],
) -> tuple[npt.NDArray[np.int_], Floats, Floats]:
    """Peak lists on common columns, by rising position; NaN where a pattern lacks the peak.

    Returns the key (reflection, 4), then position and area (pattern, reflection).
    """
    key, column = np.unique(np.concatenate([p[0] for p in peaks]), axis=0, return_inverse=True)
    row = np.repeat(np.arange(len(peaks)), [len(p[0]) for p in peaks])
    position, area = np.full((2, len(peaks), len(key)), np.nan)
    position[row, column.ravel()] = np.concatenate([p[1] for p in peaks])
    area[row, column.ravel()] = np.concatenate([p[2] for p in peaks])
    observable = (area > OBSERVABLE * np.nanmax(area, axis=1, keepdims=True)).any(axis=0)
    listed = np.flatnonzero(observable)
    listed = listed[np.argsort(np.nanmean(position[:, listed], axis=0), kind="stable")]
    return key[listed], position[:, listed], area[:, listed]


def _background(instrument: Instrument, *, grid: Floats, counts: float) -> Floats:
    x = 2 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1
    background: Floats = np.polynomial.chebyshev.chebval(x, instrument.background or (0.0,))
    if background.min() < 0:
        raise ValueError(
            f"background {instrument.background} falls to {background.min():.3g} in the range; "
            "raise its first coefficient"
        )
    return counts * background


def _grid(two_theta: npt.ArrayLike | None) -> Floats:
    grid = np.linspace(20, 80, 2000) if two_theta is None else _vector(two_theta, "two_theta")
    if len(grid) < 2 or np.any(np.diff(grid) <= 0):
        raise ValueError("two_theta is not increasing; give at least two rising angles")
    if grid[0] <= 0 or grid[-1] >= 180:
        raise ValueError(
            f"two_theta runs from {grid[0]} to {grid[-1]}; give degrees between 0 and 180"
        )
    return grid


def _compositions(ti: npt.ArrayLike, zr: npt.ArrayLike, *, crossed: bool) -> tuple[Floats, Floats]:
    x, y = _vector(ti, "ti"), _vector(zr, "zr")
    for name, value, top in (("ti", x, 4), ("zr", y, 1)):
        outside = value[(value < 0) | (value > top)]
        if len(outside):
            raise ValueError(f"{name} holds {outside[0]}; give values from 0 to {top}")
    if crossed:
        return np.repeat(x, len(y)), np.tile(y, len(x))
    if len(x) != len(y):
        raise ValueError(
            f"ti has {len(x)} values and zr {len(y)}; give equal lengths, or crossed=True"
        )
    return x, y


def _fractions(fractions: npt.ArrayLike, *, n: int) -> Floats:
    weights = np.asarray(fractions, dtype=float)
    if weights.ndim != 2 or weights.shape[1] != n or not len(weights):
        raise ValueError(
            f"fractions has shape {weights.shape}; give (pattern, {n}), a column for each CIF"
        )
    bad = ~(np.isfinite(weights) & (weights >= 0)).all(axis=1) | ~(weights.sum(axis=1) > 0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"fractions[{i}] is {weights[i].tolist()}; give weights >= 0 that are not all 0"
        )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _per_pattern(value: npt.ArrayLike, *, name: str, n: int) -> Floats:
    array = _vector(value, name)
    if len(array) not in (1, n):
        raise ValueError(f"{name} has {len(array)} values for {n} patterns; give one, or {n}")
    return np.broadcast_to(array, n).copy()


def _vector(value: npt.ArrayLike, name: str) -> Floats:
    array = np.atleast_1d(np.asarray(value, dtype=float))
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; give a number or a 1-D, non-empty list")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {array[~np.isfinite(array)][0]}; give finite numbers")
    return array


def _named(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}
