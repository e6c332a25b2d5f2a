"""How good the number of latents is that `n_latent="auto"` chooses.

Run `python tests/benchmarks/dimension.py [series ...]`: "alloy", "hump" (simulated), or the name of
a file without ".nc" in the folder that XRDAE_TEST_DATA names; without arguments all of them with at
least 100 patterns. A series takes about a minute.

Each row is a label: R2 of a Gaussian process on 2 to 8 latents (blocks of five consecutive patterns
are held out, in five folds), and the R2 that the chosen number loses to the best one. Left out are
labels that no number of latents tells (R2 below 0.5), and those that are the same in more than 95 %
of the patterns, such as the content of a phase that hardly any sample has: their R2 is accidental.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae  # noqa: F401  (registers ds.xrdae)
from xrdae.analysis.estimate import FEWEST, find_estimator
from xrdae.convention.patterns import find_patterns
from xrdae.simulate import alloy_series
from xrdae.training.dimension import FEWEST as FEWEST_PATTERNS

sys.path.append(str(Path(__file__).parents[1] / "helpers"))
from humped_alloy import make_humped_alloy

NUMBERS = tuple(range(2, 9))
COMMONEST = 0.95  # largest part of the patterns that have the same label
TOLD = 0.5  # R2 of a label that some number of latents tells


def load_series(name: str) -> xr.Dataset:
    made = {"alloy": alloy_series, "hump": make_humped_alloy}
    if name in made:
        return made[name]()
    return xr.load_dataset(Path(os.environ["XRDAE_TEST_DATA"]) / f"{name}.nc").fillna(0)


def measure_labels(series: xr.Dataset, latents: np.ndarray) -> dict[str, float]:
    """Return R2 of each numeric label that varies."""
    found = {}
    for name, label in find_patterns(series).labels().items():
        values = label.values.astype(float)
        known = values[np.isfinite(values)]
        counts = np.unique(known, return_counts=True)[1]
        if len(known) >= FEWEST and counts.max() <= COMMONEST * len(known):
            scaled = latents / latents.std()
            found[name] = find_estimator(scaled, values, name=name).figures["r2"]
    return found


def compare(name: str) -> None:
    series = load_series(name)
    fits = {n: series.xrdae.fit(n_latent=n, members=4, progress=False) for n in NUMBERS}
    r2 = {n: measure_labels(series, model.labels["latent"].values) for n, model in fits.items()}
    chosen = series.xrdae.fit(n_latent="auto", members=4, steps=10, progress=False)
    n, choice = chosen.n_latent, chosen.provenance["n_latent"]
    dimension, count = choice["dimension"], choice["patterns"]
    print(f"\n{name}: dimension {dimension} of {count} patterns, {n} latents chosen")
    print(f"{'label':24}" + "".join(f"{k:>8}" for k in NUMBERS) + "    lost")
    lost = []
    for label in r2[n]:
        row = np.array([r2[k][label] for k in NUMBERS])
        if row.max() >= TOLD:
            lost.append(row.max() - r2[n][label])
            print(f"{label[:24]:24}" + "".join(f"{v:8.3f}" for v in row) + f"{lost[-1]:8.4f}")
    if lost:
        print(f"lost on average {np.mean(lost):.4f}, at most {max(lost):.4f}", flush=True)


def main(names: list[str]) -> None:
    folder = Path(os.environ["XRDAE_TEST_DATA"])
    for name in names or [*sorted(path.stem for path in folder.glob("*.nc")), "alloy", "hump"]:
        if names or load_series(name).sizes["pattern"] >= FEWEST_PATTERNS:
            compare(name)


if __name__ == "__main__":
    main(sys.argv[1:])
