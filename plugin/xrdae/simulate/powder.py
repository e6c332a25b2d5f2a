"""Powder patterns of mixtures: intensity corrections, texture, zero shift and noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.reflections import Floats, Reflections, profile, reflections
from xrdae.simulate.arguments import check_grid, repeat_per_pattern
from xrdae.simulate.instrument import Instrument, compute_background

if TYPE_CHECKING:
    from gemmi import SmallStructure

MARGIN = 2.0  # degree: tails of reflections this far outside the grid still reach it
OBSERVABLE = 1e-6  # fraction of the strongest reflection; a reflection weaker in all is dropped


def simulate_patterns(
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
    """Simulate patterns of mixtures {structure: weight}.

    Reflections of one phase share their columns.
    """
    n = len(mixtures)
    grid = check_grid(two_theta)
    for name, value in (("wavelength", wavelength), ("counts", counts)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}; give a positive number")
    if not (np.isfinite(b_iso) and b_iso >= 0):
        raise ValueError(f"b_iso is {b_iso}; give a Debye-Waller B >= 0 in angstrom^2")
    r = repeat_per_pattern(texture, name="texture", n=n)
    shift = repeat_per_pattern(zero_shift, name="zero_shift", n=n)
    if np.any(r <= 0):
        raise ValueError(f"texture is {r.min()}; March-Dollase r is positive, 1 is no texture")
    margin = MARGIN + np.abs(shift).max()
    limits = (float(grid[0] - margin), float(grid[-1] + margin))
    lists = [reflections(s, wavelength=wavelength, two_theta_range=limits) for s in structures]
    expected = np.empty((n, len(grid)))
    peaks = []
    for i, mixture in enumerate(mixtures):
        key, angle, area = compute_peaks(
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
    expected += compute_background(instrument, grid=grid, counts=counts)
    measured = np.random.default_rng(seed).poisson(expected) if noise else expected
    key, position, area = align_peaks(peaks)
    settings = {"b_iso": b_iso, "counts": counts, "noise": noise, "seed": seed}
    return xr.Dataset(
        {
            "intensity": (
                ("pattern", "two_theta"),
                measured.astype(np.float32),
                label_attrs("diffracted intensity", "counts"),
            ),
            "intensity_errors": (
                ("pattern", "two_theta"),
                np.sqrt(np.maximum(measured, 1)).astype(np.float32),
                label_attrs("one standard deviation of intensity", "counts"),
            ),
            "reflection_position": (
                ("pattern", "reflection"),
                position,
                label_attrs("true peak position, zero shift included", "degree"),
            ),
            "reflection_intensity": (
                ("pattern", "reflection"),
                area,
                label_attrs("true integrated intensity", "counts*degree"),
            ),
            "texture": ("pattern", r, label_attrs("March-Dollase r along (0, 0, 1)", "1")),
            "zero_shift": ("pattern", shift, label_attrs("zero shift", "degree")),
        },
        coords={
            "pattern": np.arange(n),
            "two_theta": ("two_theta", grid, label_attrs("diffraction angle", "degree")),
            "wavelength": ((), float(wavelength), label_attrs("wavelength", "angstrom")),
            "phase": ("reflection", key[:, 0]),
            **{m: ("reflection", key[:, 1 + j]) for j, m in enumerate("hkl")},
        },
        attrs={"simulation": json.dumps(settings | asdict(instrument))},
    )


def compute_peaks(
    lists: Sequence[Reflections],
    mixture: dict[int, float],
    *,
    phase: npt.NDArray[np.int_],
    wavelength: float,
    b_iso: float,
    r: float,
) -> tuple[npt.NDArray[np.int_], Floats, Floats]:
    """Return all peaks of one pattern: (phase, h, k, l), two_theta [degree], relative area."""
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


def align_peaks(
    peaks: Sequence[tuple[npt.NDArray[np.int_], Floats, Floats]],
) -> tuple[npt.NDArray[np.int_], Floats, Floats]:
    """Align peak lists on common columns, by rising position; NaN marks a missing peak.

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


def label_attrs(long_name: str, units: str) -> dict[str, str]:
    """Return the attributes of a variable."""
    return {"long_name": long_name, "units": units}
