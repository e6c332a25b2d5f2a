"""Compare the scales of `fit`: latents, estimates, synthesis and relevance.

Run `python tests/benchmarks/scales.py [series ...]`; series as for `science.py`, and "nuisance":
the simulated alloy with a random exposure (a factor exp(0.3 N) of the counts) and one strong
foreign peak of random height. It prints one table for each series, with a column for each scale.

- R2 of a label, latents: as in `science.py`. R2, estimate: `cross_validation_r2` of `estimate`.
- synthesis / blending: as in `science.py`.
- exposure: standard deviation of the logarithm of scale over exposure, for the simulations.
- relevance: Spearman's correlation over windows of one degree of the mean relevance with the norm
  of the derivative by the composition, for the simulations.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from science import XrdaeFit, compare_synthesis, estimate_label, list_labels, load_series
from xrdae.errors import DataError
from xrdae.preprocessing.peaks import find_channels
from xrdae.simulate import alloy_series

SCALES = ("max", "area", "steady")


def make_nuisance(seed: int = 0) -> tuple[xr.Dataset, np.ndarray]:
    """Return the alloy with random exposures and a foreign peak, and the exposures `(pattern,)`."""
    rng = np.random.default_rng(seed)
    series = alloy_series(noise=False)
    exposure = np.exp(0.3 * rng.normal(size=series.sizes["pattern"]))
    shape = np.exp(-4 * np.log(2) * ((series["two_theta"].values - 45.2) / 0.15) ** 2)
    foreign = rng.uniform(0, 2e4, len(exposure))[:, None] * shape
    counts = rng.poisson((series["intensity"].values + foreign) * exposure[:, None])
    return series.assign(intensity=(("pattern", "two_theta"), counts.astype(float))), exposure


def measure_truth(series: xr.Dataset, windows: np.ndarray) -> np.ndarray:
    """Return the norm of the derivative by the composition `(window,)`, mean over the patterns."""
    step, ti, zr = 1e-3, series["ti"].values, series["zr"].values

    def simulate(ti: np.ndarray, zr: np.ndarray) -> np.ndarray:
        return alloy_series(ti, zr=zr, crossed=False, noise=False)["intensity"].values.astype(float)

    here = simulate(ti, zr)
    slopes = [
        (simulate(ti + step, zr) - here) / step * np.ptp(ti),
        (simulate(ti, zr + step) - here) / step * np.ptp(zr),
    ]
    return np.array(
        [np.mean(np.linalg.norm([s[:, a:b] for s in slopes], axis=(0, 2))) for a, b in windows]
    )


def table(name: str) -> None:
    exposure = None
    if name == "nuisance":
        series, exposure = make_nuisance()
    else:
        series = load_series(name)
        exposure = np.ones(series.sizes["pattern"]) if name == "alloy" else None
    columns: list[dict[str, str]] = []
    for scale in SCALES:
        try:
            columns.append(measure_scale(name, series, scale, exposure))
        except DataError as error:
            columns.append({"refused": str(error)[:60]})
    names = list(dict.fromkeys(row for column in columns for row in column))
    print(f"\n## {name}: {series.sizes['pattern']} patterns\n")
    print("| figure | " + " | ".join(SCALES) + " |")
    print("|---|" + "---|" * len(SCALES))
    for row in names:
        print(f"| {row} | " + " | ".join(column.get(row, "") for column in columns) + " |")
    sys.stdout.flush()


def measure_scale(
    name: str, series: xr.Dataset, scale: str, exposure: np.ndarray | None
) -> dict[str, str]:
    def make(dataset: xr.Dataset) -> XrdaeFit:
        return XrdaeFit(dataset, scale=scale)

    fit, rows = make(series), {}
    for label in list_labels(series):
        figures = estimate_label(fit.latents, series[label].values.astype(float))
        rows[f"{label}: R2, latents"] = f"{figures['r2']:.3f}"
        out = series.xrdae.estimate(fit.model, label)[f"{label}_estimate"]
        rows[f"{label}: R2, estimate"] = f"{out.attrs['cross_validation_r2']:.3f}"
    if name != "nuisance":
        rows["synthesis / blending"] = f"{compare_synthesis(name, series, make, fit):.3f}"
    if exposure is not None:
        rows["exposure"] = f"{np.log(fit.model.support.scale / exposure).std():.3f}"
        relevance = series.xrdae.relevance(fit.model, regions=1.0)
        bounds = np.stack([relevance["region_start"], relevance["region_stop"]], axis=1)
        windows = find_channels(fit.model.autoencoder.preparation.axis, bounds)
        truth = measure_truth(series, windows)
        mean = relevance["relevance"].mean("pattern").values
        rows["relevance"] = f"{spearmanr(mean, truth)[0]:.3f}"
    return rows


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    folder = os.environ.get("XRDAE_TEST_DATA")
    real = sorted(path.stem for path in Path(folder).glob("*.nc")) if folder else []
    for name in sys.argv[1:] or ["alloy", "nuisance", *real]:
        table(name)


if __name__ == "__main__":
    main()
