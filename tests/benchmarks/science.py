"""Correctness of the results, compared with the methods in `other_methods.py`.

Run `python tests/benchmarks/science.py [series ...]`: "alloy" (simulated), or the name
of a file without ".nc" in the folder that XRDAE_TEST_DATA names; without arguments all series. It
prints one table for each series. A series takes minutes, mostly for the other methods; `--alone`
leaves them out.

- synthesis / blending: the mean norm of the error of synthesized patterns over the error of linear
  blending. Every second pattern is held out and synthesized between its neighbours (by other
  methods: the latent mid-point is decoded). For the alloy, the truth without noise is at the
  centres of the cells of the composition grid, and the four corners are blended.
- R2 and MAE of a label: the same Gaussian process on the two latents of each method, fitted to all
  patterns. Blocks of five consecutive patterns are held out, in five folds.
- trustworthiness: of scikit-learn, with five neighbours.
- R: mean norm of the residual over the norm of the pattern.
- Procrustes: distance between the latents of two fits of xrdae with different seeds (0: equal).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import procrustes
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness
from sklearn.metrics import roc_auc_score

import xrdae  # noqa: F401  (registers ds.xrdae)
from other_methods import METHODS
from xrdae.analysis.estimate import find_estimator
from xrdae.preprocessing.peaks import find_channels
from xrdae.simulate import alloy_series

TI, ZR = np.linspace(0, 2, 15), np.linspace(0, 0.5, 10)


def mean_norm(difference: np.ndarray) -> float:
    return float(np.linalg.norm(difference, axis=1).mean())


def normalize(patterns: np.ndarray) -> np.ndarray:
    return patterns / patterns.max(axis=1, keepdims=True)


def load_series(name: str) -> xr.Dataset:
    if name == "alloy":
        return alloy_series()
    return xr.load_dataset(Path(os.environ["XRDAE_TEST_DATA"]) / f"{name}.nc").fillna(0)


def list_labels(series: xr.Dataset) -> list[str]:
    """Return the numeric labels that vary; for the simulation only the composition."""
    if "ti" in series.coords:
        return ["ti", "zr"]
    return [
        str(name)
        for name, label in series.variables.items()
        if label.dims == ("pattern",)
        and label.dtype.kind == "f"
        and len(np.unique(label.values[np.isfinite(label.values)])) > 5
    ]


class XrdaeFit:
    """xrdae with the interface of the other methods."""

    def __init__(self, series: xr.Dataset, seed: int = 0, **settings: Any) -> None:
        self.series = series
        self.model = series.xrdae.fit(seed=seed, progress=False, **settings)
        self.out = series.xrdae.encode(self.model)
        self.latents = self.out["latent"].values
        self.error = float(self.out["reconstruction_error"].mean())

    def between(self, ends: np.ndarray) -> np.ndarray:
        if ends.shape[1] == 2:
            pairs = ((int(i), int(j)) for i, j in ends)
            parts = [self.series.xrdae.synthesize(self.model, between=p, n=1) for p in pairs]
            return np.concatenate([part["synthesized"].values for part in parts])
        middle = self.latents[ends].mean(axis=1)
        return self.series.xrdae.synthesize(self.model, latent=middle)["synthesized"].values


class OtherFit:
    def __init__(self, series: xr.Dataset, fit: Callable[..., Any], seed: int = 0) -> None:
        self.scale = series["intensity"].values.max(axis=1, keepdims=True).astype(float)
        patterns = series["intensity"].values / self.scale
        self.fitted = fit(patterns, n_latent=2, seed=seed)
        self.latents = self.fitted.encode(patterns)
        left = self.fitted.decode(self.latents) - patterns
        self.error = float((np.linalg.norm(left, axis=1) / np.linalg.norm(patterns, axis=1)).mean())

    def between(self, ends: np.ndarray) -> np.ndarray:
        decoded = self.fitted.decode(self.latents[ends].mean(axis=1))
        return decoded * self.scale[ends].mean(axis=1)


def compare_synthesis(name: str, series: xr.Dataset, make: Callable[..., Any], whole: Any) -> float:
    """Return the error of synthesized patterns over that of linear blending."""
    if name == "alloy":
        middles = [(label[1:] + label[:-1]) / 2 for label in (TI, ZR)]
        truth = alloy_series(middles[0], zr=middles[1], noise=False)["intensity"].values
        grid = np.arange(150).reshape(15, 10)
        corners = (grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:])
        ends = np.stack([corner.ravel() for corner in corners], axis=1)
        known, fitted = series["intensity"].values.astype(float), whole
    else:
        half = series.isel(pattern=slice(None, None, 2))
        truth = series["intensity"].values[1::2].astype(float)
        known = half["intensity"].values.astype(float)
        truth = truth[: len(known) - 1]
        ends = np.stack([np.arange(len(truth)), np.arange(len(truth)) + 1], axis=1)
        fitted = make(half)
    size = truth.max(axis=1, keepdims=True)
    blended = known[ends].mean(axis=1)
    return mean_norm((fitted.between(ends) - truth) / size) / mean_norm((blended - truth) / size)


def estimate_label(latents: np.ndarray, label: np.ndarray) -> dict[str, float]:
    spread = latents.std() or 1.0
    return find_estimator(latents / spread, label, name="label").figures


def measure_relevance(
    series: xr.Dataset, first: XrdaeFit, second: XrdaeFit
) -> list[tuple[str, str]]:
    """Return figures that need the simulation's truth: windows of one degree, a foreign phase."""
    step = 1e-3
    ti, zr = series["ti"].values, series["zr"].values

    def expected(ti: np.ndarray, zr: np.ndarray) -> np.ndarray:
        return alloy_series(ti, zr=zr, crossed=False, noise=False)["intensity"].values.astype(float)

    here = expected(ti, zr)
    slopes = [
        (expected(ti + step, zr) - here) / step * np.ptp(ti),
        (expected(ti, zr + step) - here) / step * np.ptp(zr),
    ]
    maps = [series.xrdae.relevance(fit.model, regions=1.0) for fit in (first, second)]
    untrained = series.xrdae.fit(steps=1, progress=False)
    maps.append(series.xrdae.relevance(untrained, regions=1.0))
    bounds = np.stack([maps[0]["region_start"], maps[0]["region_stop"]], axis=1)
    slices = find_channels(first.model.autoencoder.preparation.axis, bounds)
    truth = np.mean(
        [[np.linalg.norm([s[i, a:b] for s in slopes]) for a, b in slices] for i in range(len(ti))],
        axis=0,
    )
    rows = []
    for what in ("relevance", "region_change", "region_std", "relevance_excess"):
        found = [
            (m[what].mean("pattern") if "pattern" in m[what].dims else m[what]).values for m in maps
        ]
        pairs = {"truth": truth, "other seed": found[1], "untrained encoder": found[2]}
        for other, values in pairs.items():
            rows.append((f"{what}: Spearman with {other}", f"{spearmanr(found[0], values)[0]:.3f}"))
    rng = np.random.default_rng(1)
    unseen = np.sort(rng.choice(len(ti), 50, replace=False))
    known = series.drop_isel(pattern=unseen)
    model = known.xrdae.fit(progress=False)
    clean = series.isel(pattern=unseen)
    foreign = 0.95 * here[unseen] + 0.05 * _foreign(series["two_theta"].values)
    mixed = clean.copy(data={n: v.values for n, v in clean.data_vars.items()})
    mixed["intensity"] = clean["intensity"].copy(data=rng.poisson(foreign).astype(float))
    novelty = [d.xrdae.encode(model)["novelty"].values for d in (clean, mixed)]
    area = roc_auc_score(np.repeat([0, 1], 50), np.concatenate(novelty))
    rows.append(("novelty of 5 % foreign phase: AUROC", f"{area:.3f}"))
    rows.append(("novelty: false positives, detected", " / ".join(f"{(n > 1).mean():.2f}"
                                                                  for n in novelty)))  # fmt: skip
    return rows


def _foreign(two_theta: np.ndarray) -> np.ndarray:
    """Return the pattern of alpha-iron, 10 000 counts at its strongest peak."""
    lines = {44.67: 1.0, 65.02: 0.2}
    return 1e4 * sum(h * np.exp(-4 * np.log(2) * ((two_theta - c) / 0.15) ** 2)
                     for c, h in lines.items())  # fmt: skip


def table(name: str, *, peers: bool) -> None:
    series = load_series(name)
    makers: dict[str, Callable[..., Any]] = {"xrdae": XrdaeFit}
    if peers:
        makers |= {
            n: (lambda s, seed=0, fit=fit: OtherFit(s, fit, seed)) for n, fit in METHODS.items()
        }
    patterns = normalize(series["intensity"].values.astype(float))
    columns: dict[str, list[str]] = {}
    for method, make in makers.items():
        whole = make(series)
        rows = {
            "synthesis / blending": f"{compare_synthesis(name, series, make, whole):.3f}",
            "R": f"{whole.error:.4f}",
            "trustworthiness": f"{trustworthiness(patterns, whole.latents, n_neighbors=5):.4f}",
            "Procrustes": "",
        }
        for label in list_labels(series):
            figures = estimate_label(whole.latents, series[label].values.astype(float))
            rows[f"{label}: R2 (MAE)"] = f"{figures['r2']:.3f} ({figures['mae']:.3g})"
        if method == "xrdae":
            again = make(series, seed=1)
            rows["Procrustes"] = f"{procrustes(whole.latents, again.latents)[2]:.4f}"
            if name == "alloy":
                truth_rows = measure_relevance(series, whole, again)
        columns[method] = list(rows.values())
        names = list(rows)
    print(f"\n## {name}: {series.sizes['pattern']} patterns\n")
    print("| figure | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for row in zip(names, *columns.values(), strict=True):
        print("| " + " | ".join(row) + " |")
    if name == "alloy":
        print("\n" + "\n".join(f"- {what}: {value}" for what, value in truth_rows))
    sys.stdout.flush()


def main() -> None:
    known = [a for a in sys.argv[1:] if not a.startswith("--")]
    if not known:
        folder = os.environ.get("XRDAE_TEST_DATA")
        known = (
            ["alloy", *sorted(p.stem for p in Path(folder).glob("*.nc"))] if folder else ["alloy"]
        )
    warnings.filterwarnings("ignore", category=UserWarning)
    for name in known:
        table(name, peers="--alone" not in sys.argv)


if __name__ == "__main__":
    main()
