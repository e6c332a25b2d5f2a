"""Simulated series of patterns whose relevant regions are known, for `relevance.py`.

A series has 120 patterns of 2000 points, 20 to 80 degree, with Poisson counts. Its label `x` goes
from 0 to 1 in random order. A second label `y` is random and changes nothing. The structures are in
`relevance_lines.py`. The strongest line of the sample has 8000 counts.

Variants, what `x` changes:

- shift: the special axis becomes 0.4 % longer. Lines with an index along it move, others stay.
- intensity: the occupation of a site goes from 0.5 to 1.5. Lines grow, shrink or stay.
- mixture: the fraction of a second phase of the same crystal system goes from 0 to 1.
- alike: all lines grow by the same factor, from exp(-0.35) to exp(0.35), the background stays.
- unsteady: each line grows or shrinks by its own factor, at least exp(0.3).
- nothing: nothing.

Nuisances, which `x` does not change:

- none: a steady background of 150 counts and a hump of 150 counts.
- A: a standard (silicon, its strongest line 1.2 times the sample's) whose amount varies by 3 %, and
  a background whose two parts vary by 30 %.
- C: A, exposures exp(0.3 N), a strong single peak of random amount, and spotty texture: each line
  of the sample varies by 15 %.
- low: A with a tenth of the counts.
- impurity: A and six lines of an impurity of random amount.
- orientation: A and preferred orientation along the special axis (March and Dollase's r varies by
  6 %, so lines change together by hkl).

Truth, for a region r of channels:

- change T_r: norm over the region of the derivative by `x` of the expected pattern at unit exposure
  and mean nuisances; root mean square over 21 values of `x`.
- strength S_r: norm over the region of the mean lines, without background.
- ratio: (T_r / S_r) / (T / S), where T and S are those of the whole axis. It is 1 where a region
  changes as its strength predicts.
- signal: t value of a straight line in `x` through the patterns' projections on the mean derivative
  in the region, without a straight background. All noise and nuisances count.
- coherent: a nuisance that moves several lines together has 5 % of the region's strength or more.
- standard, alone: the standard, or the single peak, has half of the region's strength or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from relevance_lines import (
    OCCUPATION,
    RANGE,
    WAVELENGTH,
    Lines,
    Structure,
    draw_lines,
    list_lines,
    measure_widths,
)

Array = np.ndarray

STRUCTURES = tuple(
    Structure(system, system, seed)
    for seed, system in enumerate(
        ("cubic", "tetragonal", "hexagonal", "orthorhombic", "monoclinic", "triclinic"), 1
    )
)
KEPT = (Structure("tetragonal 2", "tetragonal", 101), Structure("monoclinic 2", "monoclinic", 102))
VARIANTS = ("shift", "intensity", "mixture")
NUISANCES = ("A", "C", "low", "impurity", "orientation")

PATTERNS, POINTS = 120, 2000
COUNTS = 8000.0  # height of the sample's strongest line
BACKGROUND = 150.0
STRAIN, ALIKE = 0.004, 0.7
SILICON = ((28.44, 47.30, 56.12, 69.13, 76.38), (1.0, 0.55, 0.30, 0.06, 0.11))  # degree, height
STANDARD = 1.2  # height of its strongest line over that of the sample's
MARGIN = 1.5  # of the region of a line, in widths
STEPS = np.linspace(0, 1, 21)  # values of x at which the truth is measured
STEADY = 0.02  # largest relative change of the content of a steady peak


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of regions; each attribute is `(region,)`, see the module."""

    change: Array
    strength: Array
    ratio: Array
    signal: Array
    coherent: Array
    standard: Array
    alone: Array


@dataclass(frozen=True, eq=False)
class Series:
    """A simulated series and its truth.

    Attributes
    ----------
    dataset
        `intensity (pattern, two_theta)` [counts], with labels `x` and `y (pattern)`.
    exposure
        `(pattern,)`, of mean about 1.
    peaks
        `(peak, 2)` [degree]: each line over the range of `x`, 1.5 widths on each side; merged where
        they overlap.
    slopes
        `(step, channel)`, derivative of the expected pattern.
    lines
        `(step, channel)`, expected lines, without background.
    coherent, standard, alone
        `(channel,)`, mean lines of coherent nuisances, of the standard and of the single peak.
    residual
        `(pattern, channel)`, counts over exposure, less the expected pattern.
    """

    dataset: xr.Dataset
    exposure: Array
    peaks: Array
    slopes: Array
    lines: Array
    coherent: Array
    standard: Array
    alone: Array
    residual: Array

    @property
    def windows(self) -> Array:
        """Windows `(window, 2)` of one degree."""
        edges = np.arange(RANGE[0], RANGE[1])
        return np.stack([edges, edges + 1], axis=1)

    def find_channels(self, bounds: Array) -> list[slice]:
        axis = self.dataset["two_theta"].values
        return [slice(*np.searchsorted(axis, pair)) for pair in bounds]

    def measure(self, bounds: Array) -> Truth:
        """Return the truth of regions `(region, 2)` in degree."""
        regions = self.find_channels(bounds)

        def norm(rows: Array) -> Array:
            rows = np.atleast_2d(rows)
            squares = [np.square(rows[:, part]).sum(axis=1).mean() for part in regions]
            return np.sqrt(np.array(squares))

        mean = self.lines.mean(axis=0)
        change, strength = norm(self.slopes), norm(mean)
        whole = np.sqrt(np.square(self.slopes).sum(axis=1).mean()) / np.linalg.norm(mean)
        size = np.maximum(strength, 1e-12)
        signal = np.zeros(len(regions))
        spread = self.dataset["x"].values.std() * np.sqrt(len(self.exposure))
        for k, part in enumerate(regions):
            slope = _remove_line(self.slopes[:, part].mean(axis=0))
            length = np.linalg.norm(slope)
            if length > 0:
                signal[k] = length * spread / (self.residual[:, part] @ (slope / length)).std()
        return Truth(
            change=change,
            strength=strength,
            ratio=change / size / whole if whole > 0 else np.zeros_like(size),
            signal=signal,
            coherent=norm(self.coherent) >= 0.05 * size,
            standard=norm(self.standard) >= 0.5 * size,
            alone=norm(self.alone) >= 0.5 * size,
        )

    def count_steady_peaks(self) -> int:
        """Return the number of peaks that keep their content, if it is 2 % of the largest."""
        contents = np.stack(
            [self.lines[:, part].sum(axis=1) for part in self.find_channels(self.peaks)], axis=1
        )
        mean = contents.mean(axis=0)
        steady = np.abs(contents / mean - 1).max(axis=0) < STEADY
        return int((steady & (mean > 0.02 * mean.max())).sum())


class Sample:
    """Lines of the sample, whose positions and areas depend on x."""

    def __init__(self, structure: Structure, variant: str) -> None:
        phases = [structure]
        if variant == "mixture":
            phases.append(Structure(structure.name, structure.system, structure.seed + 1000))
        self.variant = variant
        self.phases: list[Lines] = [list_lines(one, split=variant == "shift") for one in phases]
        count = sum(len(phase.weights) for phase in self.phases)
        rng = np.random.default_rng([23, structure.seed])
        self.growth = rng.choice([-1, 1], count) * rng.uniform(0.3, 1.2, count)

    def find_lines(self, x: Array) -> tuple[Array, Array]:
        """Return positions and areas, both `(pattern, line)`, of values of x `(pattern,)`."""
        strain = STRAIN * x if self.variant == "shift" else 0 * x
        low, high = OCCUPATION
        occupation = low + (high - low) * x if self.variant == "intensity" else 1 + 0 * x
        positions = np.hstack([phase.find_positions(strain) for phase in self.phases])
        areas = [phase.measure_areas(occupation) for phase in self.phases]
        if self.variant == "mixture":
            areas = [(1 - x)[:, None] * areas[0], x[:, None] * areas[1]]
        together = np.hstack(areas) * COUNTS
        if self.variant == "alike":
            together = together * np.exp(ALIKE * (x - 0.5))[:, None]
        if self.variant == "unsteady":
            together = together * np.exp(self.growth * (x - 0.5)[:, None])
        return positions, together

    def orient(self, march: Array) -> Array:
        return np.hstack([phase.orient(march) for phase in self.phases])


def make_series(structure: Structure, variant: str, nuisance: str, seed: int) -> Series:
    """Return a simulated series; see the module."""
    name = f"{structure.name} {variant} {nuisance}"
    rng = np.random.default_rng([structure.seed, seed, *name.encode()])
    axis = np.linspace(*RANGE, POINTS)
    sample = Sample(structure, variant)
    x = rng.permutation(np.linspace(0, 1, PATTERNS))
    counts = 0.1 if nuisance == "low" else 1.0
    positions, areas = sample.find_lines(x)
    factors = np.ones_like(areas)
    if nuisance == "C":
        factors = np.exp(0.15 * rng.normal(size=areas.shape) - 0.15**2 / 2)
    if nuisance == "orientation":
        factors = sample.orient(np.exp(0.06 * rng.normal(size=PATTERNS)))
    exposure = np.exp(0.3 * rng.normal(size=PATTERNS)) if nuisance == "C" else np.ones(PATTERNS)
    others, varying = _draw_others(structure, sample, axis, nuisance, rng)
    mean_others = sum(others.values(), start=np.zeros(POINTS))
    parts = np.stack([np.ones(POINTS), np.exp(-(((axis - 25) / 12) ** 2))]) * BACKGROUND
    drift = 0.0 if nuisance == "none" else 0.3
    levels = np.maximum(1 + drift * rng.normal(size=(PATTERNS, 2)), 0.2)
    changing = sum(
        (varying[one][:, None] * pattern for one, pattern in others.items()),
        start=np.zeros((PATTERNS, POINTS)),
    )
    pattern = draw_lines(axis, positions, areas * factors) + changing + levels @ parts
    measured = rng.poisson(counts * exposure[:, None] * pattern) / 1.0
    dataset = xr.Dataset(
        {"intensity": (("pattern", "two_theta"), measured, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", axis, {"units": "degree"}),
            "wavelength": ((), WAVELENGTH, {"units": "angstrom"}),
            "x": ("pattern", x, {"units": "1"}),
            "y": ("pattern", rng.permutation(x), {"units": "1"}),
        },
    )

    def expect(values: Array) -> Array:
        return counts * draw_lines(axis, *sample.find_lines(values))

    steady = counts * (mean_others + parts.sum(axis=0))
    lines = expect(STEPS) + counts * mean_others
    coherent = [pattern for one, pattern in others.items() if one != "single"]
    if nuisance == "orientation":
        coherent.append(expect(STEPS).mean(axis=0) / counts)
    return Series(
        dataset=dataset,
        exposure=exposure,
        peaks=_merge_bounds(_find_bounds(sample, structure, nuisance)),
        slopes=(expect(STEPS + 1e-4) - expect(STEPS - 1e-4)) / 2e-4,
        lines=lines,
        coherent=counts * sum(coherent, start=np.zeros(POINTS)),
        standard=counts * others.get("standard", np.zeros(POINTS)),
        alone=counts * others.get("single", np.zeros(POINTS)),
        residual=measured / exposure[:, None] - expect(x) - steady,
    )


def _find_others(structure: Structure, sample: Sample, nuisance: str) -> dict[str, tuple]:
    """Return positions and heights `(line,)` of the lines of each nuisance at mean amount."""
    found: dict[str, tuple] = {}
    rng = np.random.default_rng([29, structure.seed])
    six, heights = np.sort(rng.uniform(22, 78, 6)), rng.uniform(0.1, 0.8, 6)
    free = rng.uniform(22, 78, 30)
    if nuisance != "none":
        found["standard"] = (np.array(SILICON[0]), STANDARD * COUNTS * np.array(SILICON[1]))
    if nuisance == "impurity":
        found["impurity"] = (six, COUNTS * heights / 2)
    if nuisance == "C":
        taken = np.concatenate([sample.find_lines(STEPS)[0].ravel(), SILICON[0]])
        room = np.abs(free[:, None] - taken).min(axis=1)
        found["single"] = (free[[room.argmax()]], np.array([COUNTS / 2]))
    return found


def _draw_others(
    structure: Structure, sample: Sample, axis: Array, nuisance: str, rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the mean lines `(channel,)` of each nuisance, and its amounts `(pattern,)`."""
    patterns, amounts = {}, {}
    for name, (positions, heights) in _find_others(structure, sample, nuisance).items():
        areas = heights * measure_widths(positions)
        patterns[name] = draw_lines(axis, positions, areas[None])[0]
        if name == "standard":
            amounts[name] = np.maximum(1 + 0.03 * rng.normal(size=PATTERNS), 0.0)
        else:
            amounts[name] = rng.uniform(0, 2, PATTERNS)
    return patterns, amounts


def _find_bounds(sample: Sample, structure: Structure, nuisance: str) -> Array:
    """Return `(line, 2)`: the range of each line over x, wider by 1.5 widths at each end."""
    positions, _ = sample.find_lines(STEPS)
    low, high = positions.min(axis=0), positions.max(axis=0)
    for others, _ in _find_others(structure, sample, nuisance).values():
        low, high = np.append(low, others), np.append(high, others)
    return np.stack([low - MARGIN * measure_widths(low), high + MARGIN * measure_widths(high)], 1)


def _remove_line(values: Array) -> Array:
    """Return values `(channel,)` without their best straight line."""
    basis = np.linalg.qr(np.stack([np.ones(len(values)), np.arange(len(values))], axis=1))[0]
    return values - basis @ (basis.T @ values)


def _merge_bounds(bounds: Array) -> Array:
    """Return the unions `(region, 2)` of bounds that overlap."""
    merged: list[list[float]] = []
    for low, high in bounds[np.argsort(bounds[:, 0])]:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([max(low, RANGE[0]), high])
    return np.minimum(np.array(merged), RANGE[1])
