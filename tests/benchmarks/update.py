"""Updates compared with a new fit to all: `python tests/benchmarks/update.py [series ...]`.

The first simulated case holds back the third of the alloys with the most Ti. The second case adds
60 samples with 2 to 10 % of alpha-iron, an unknown phase, to all alloys, and then 60 with copper.
If `XRDAE_TEST_DATA` names a folder of measured series, the second half of each series is added to
the first half, and every fourth pattern of the second half is held out.

- moved: distance between the latents of known patterns before and after the update, without
  alignment, over their spread: mean and largest.
- error: mean reconstruction error of held-out further patterns after the update, over the error of
  a new fit to all; before the update in brackets.
- novel: fraction of patterns with a novelty above 1. Held-out further patterns: before, after, and
  by the new fit. Known patterns: before and after. Third kind (simulated: 5 % of another unknown
  phase): after.
- time: time of the update over the time of the new fit.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae  # noqa: F401  (registers ds.xrdae)
from xrdae.model import Model
from xrdae.simulate import alloy_series

PHASES = {
    "alpha-iron": {44.67: 1.0, 65.02: 0.2},
    "copper": {43.30: 1.0, 50.43: 0.46, 74.13: 0.2},
    "third": {39.0: 1.0, 58.0: 0.5},
}
FWHM = 0.15  # degree


def with_phase(series: xr.Dataset, phase: str, fraction: np.ndarray, seed: int) -> xr.Dataset:
    """Return patterns mixed with a phase, with counting noise; the input must be free of noise."""
    two_theta = series["two_theta"].values
    pattern = sum(
        1e4 * height * np.exp(-4 * np.log(2) * ((two_theta - centre) / FWHM) ** 2)
        for centre, height in PHASES[phase].items()
    )
    expected = (1 - fraction[:, None]) * series["intensity"].values + fraction[:, None] * pattern
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return series.assign(intensity=series["intensity"].copy(data=counts))


def samples(
    n: int, rng: np.random.Generator, *, low: float = 0.0, noise: bool = True
) -> xr.Dataset:
    ti, zr = rng.uniform(low, 2, n), rng.uniform(0, 0.5, n)
    seed = int(rng.integers(1 << 30))
    return alloy_series(ti, zr=zr, crossed=False, noise=noise, seed=seed)


def encoded(series: xr.Dataset, model: Model) -> xr.Dataset:
    return series.xrdae.encode(model)


def novel(series: xr.Dataset, model: Model) -> float:
    return float((encoded(series, model)["novelty"] > 1).mean())


def error(series: xr.Dataset, model: Model) -> float:
    return float(encoded(series, model)["reconstruction_error"].mean())


def compared(
    name: str,
    first: Model,
    old: Model,
    known: xr.Dataset,
    parts: list[xr.Dataset],
    held_out: xr.Dataset,
    third: xr.Dataset | None,
) -> Model:
    """Update with the last of the parts, print a row, and return the updated model."""
    started = time.perf_counter()
    new = parts[-1].xrdae.fit(update=old, progress=False)
    middle = time.perf_counter()
    fresh = xr.concat([p[["intensity"]] for p in parts], "pattern", join="override").xrdae.fit(
        progress=False
    )
    ended = time.perf_counter()
    was, now = (encoded(known, model)["latent"] for model in (first, new))
    spread = float(((was - was.mean("pattern")) ** 2).mean() ** 0.5)
    moved = np.linalg.norm(now - was, axis=1) / spread
    errors = [error(held_out, model) for model in (old, new, fresh)]
    cells = [
        name,
        f"{moved.mean():.3f}, {moved.max():.3f}",
        f"{errors[1] / errors[2]:.2f} ({errors[0] / errors[2]:.1f})",
        ", ".join(f"{novel(held_out, model):.2f}" for model in (old, new, fresh)),
        ", ".join(f"{novel(known, model):.2f}" for model in (old, new)),
        "" if third is None else f"{novel(third, new):.2f}",
        f"{(middle - started) / (ended - middle):.1f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)
    return new


def simulated() -> None:
    rng = np.random.default_rng(0)
    ti, zr = np.linspace(0, 2, 15), np.linspace(0, 0.5, 10)
    few = np.full(60, 0.05)
    third = with_phase(samples(60, rng, noise=False), "third", few, 1)
    parts = [alloy_series(ti[:10], zr=zr), alloy_series(ti[10:], zr=zr, seed=1)]
    old = parts[0].xrdae.fit(progress=False)
    held_out = samples(60, rng, low=ti[10])
    compared("alloy, a third held back", old, old, parts[0], parts, held_out, third)
    parts = [alloy_series()]
    first = model = parts[0].xrdae.fit(progress=False)
    for i, phase in enumerate(("alpha-iron", "copper")):
        further, held_out = (
            with_phase(samples(60, rng, noise=False), phase, rng.uniform(0.02, 0.1, 60), 2 * i + k)
            for k in (2, 3)
        )
        parts.append(further)
        row = f"alloy, then {phase}"
        model = compared(row, first, model, parts[0], parts, held_out, third)


def measured(name: str) -> None:
    series = xr.load_dataset(Path(os.environ["XRDAE_TEST_DATA"]) / f"{name}.nc").fillna(0)
    n = series.sizes["pattern"]
    left = np.arange(n // 2 + 2, n, 4)
    first = series.isel(pattern=slice(n // 2))
    rest = series.isel(pattern=np.setdiff1d(np.arange(n // 2, n), left))
    old = first.xrdae.fit(progress=False)
    compared(name, old, old, first, [first, rest], series.isel(pattern=left), None)


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    folder = os.environ.get("XRDAE_TEST_DATA")
    known = sorted(p.stem for p in Path(folder).glob("*.nc")) if folder else []
    print("| series | moved | error / new fit | novel: further | known | third | time / new fit |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ["simulated", *known]:
        simulated() if name == "simulated" else measured(name)


if __name__ == "__main__":
    main()
