"""Simulated series with known labels, on which other methods fail for a known reason.

- `make_hump`: the composition of an alloy under a broad hump of random height, such as that of a
  glass. The hump has most of the variance and says nothing about the composition.
- `make_texture`: mixtures of three phases whose single peaks have random factors, as of coarse
  grains. Each pattern has variations that no other pattern has.
- `make_amorphous`: mixtures of two crystalline phases and an amorphous one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from humped_alloy import make_humped_alloy

TWO_THETA = np.linspace(15, 75, 800)
WIDTH = 0.25  # degree, of a peak


def make_hump(*, seed: int = 0) -> xr.Dataset:
    """Return 150 patterns of the alloy under a hump, with the labels `ti` and `zr`."""
    return make_humped_alloy(seed=seed)


def make_texture(*, seed: int = 0, n: int = 150, spread: float = 0.8) -> xr.Dataset:
    """Return patterns of three phases with the peaks of coarse grains.

    Parameters
    ----------
    seed
        Seed of everything random.
    n
        Number of patterns.
    spread
        Standard deviation of the logarithm of each peak's factor.

    Returns
    -------
    Dataset
        `intensity (pattern, two_theta)` [counts], the compositions `a`, `b`, `c` of sum 1, the
        weight fractions `fraction_0` to `fraction_2`, and `phase`, the name of the largest one.
    """
    rng = np.random.default_rng(seed)
    composition = rng.dirichlet(np.ones(3), n)
    fractions = composition**3 / (composition**3).sum(axis=1, keepdims=True)
    phases = [_make_peaks(rng, 12) for _ in range(3)]
    patterns = np.zeros((n, TWO_THETA.size))
    for fraction, (positions, heights) in zip(fractions.T, phases, strict=True):
        factors = rng.lognormal(0, spread, (n, len(positions)))
        patterns += fraction[:, None] * (factors * heights) @ _draw_peaks(positions)
    labels = dict(zip("abc", composition.T, strict=True))
    return _make_dataset(patterns, fractions, ["alpha", "beta", "gamma"], rng, labels)


def make_amorphous(*, seed: int = 0, n: int = 150) -> xr.Dataset:
    """Return patterns of two crystalline phases and an amorphous one.

    Parameters
    ----------
    seed
        Seed of everything random.
    n
        Number of patterns.

    Returns
    -------
    Dataset
        `intensity (pattern, two_theta)` [counts], `fraction_0` to `fraction_2` (the last is
        amorphous), and `phase`, the name of the largest one.
    """
    rng = np.random.default_rng(seed)
    fractions = rng.dirichlet(np.full(3, 0.5), n)
    patterns = np.zeros((n, TWO_THETA.size))
    for fraction in fractions.T[:2]:
        positions, heights = _make_peaks(rng, 10)
        patterns += fraction[:, None] * (heights @ _draw_peaks(positions))
    height, center = rng.uniform(0.2, 0.5, n), rng.normal(32, 1, n)
    hump = np.exp(-(((TWO_THETA - center[:, None]) / 8) ** 2))
    patterns += (fractions[:, 2] * height)[:, None] * hump
    return _make_dataset(patterns, fractions, ["alpha", "beta", "amorphous"], rng, {})


SIMULATED = {"hump": make_hump, "texture": make_texture, "amorphous": make_amorphous}


def _make_peaks(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(18, 72, count), rng.uniform(0.1, 1, count)


def _draw_peaks(positions: np.ndarray) -> np.ndarray:
    """Return `(peak, channel)`."""
    return np.exp(-4 * np.log(2) * ((TWO_THETA - positions[:, None]) / WIDTH) ** 2)


def _make_dataset(
    patterns: np.ndarray,
    fractions: np.ndarray,
    phases: list[str],
    rng: np.random.Generator,
    labels: dict[str, np.ndarray],
) -> xr.Dataset:
    counts = rng.poisson(2000 * (patterns + 0.05)).astype(np.float32)
    labels |= {f"fraction_{i}": fraction for i, fraction in enumerate(fractions.T)}
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), counts, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", TWO_THETA, {"units": "degree"}),
            "phase": ("pattern", np.array(phases)[fractions.argmax(axis=1)]),
            **{name: ("pattern", label, {"units": "1"}) for name, label in labels.items()},
        },
    )
