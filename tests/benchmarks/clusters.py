"""Agreement of clusters with known classes, compared with other methods.

Run `python tests/benchmarks/clusters.py [series ...]`: names of files without ".nc" in the folder
that XRDAE_TEST_DATA names, or of simulated series; without arguments all. It prints the adjusted
Rand index, mean over three seeds of the fit and of each method, as a table in markdown.

Classes of the real series:

- al_li_fe_sim (simulated by others): `phase_region`, the phases that a pattern contains, and, as a
  second series, the phase of the largest fraction.
- batio3_temperature: the nominal phase at the temperature.
- bi_cu_v_o: the phase of the largest weight.
- li_sr_al_powder: the phase of the largest weighed fraction.

Methods:

- k-means on 20 leading basis coefficients, at the true number of classes and at the number of the
  largest silhouette; k-means on two latents; the largest part of a non-negative factorization with
  as many parts as classes; HDBSCAN on UMAP of the 20 coefficients, or on these without umap-learn
  (clusters of at least 5 patterns; noise is a class of its own).
- xrdae: at the true number, at the number it finds, at this number without the patterns between
  clusters, and the part of these patterns.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score, silhouette_score

import xrdae  # noqa: F401  (registers ds.xrdae)
from simulated import SIMULATED

SEEDS = range(3)
MOST = 12  # clusters that are tried by silhouette
REAL = ("al_li_fe_sim", "al_li_fe_sim (main phase)", "batio3_temperature", "bi_cu_v_o",
        "li_sr_al_powder")  # fmt: skip
COLUMNS = ("patterns", "classes", "k-means", "k-means, silhouette", "k-means, latents", "NMF",
           "HDBSCAN", "xrdae, true number", "xrdae", "number", "without between",
           "between")  # fmt: skip


def load_series(name: str, seed: int) -> tuple[xr.Dataset, np.ndarray]:
    """Return a series and its classes `(pattern,)`."""
    if name in SIMULATED:
        series = SIMULATED[name](seed=seed)
        return series, series["phase"].values
    file = name.split(" ")[0]
    series = xr.load_dataset(Path(os.environ["XRDAE_TEST_DATA"]) / f"{file}.nc").fillna(0)
    if name == "al_li_fe_sim":
        return series, series["phase_region"].values
    if name == "batio3_temperature":
        return series, series["phase_nominal"].values
    prefix = {"al_li_fe_sim": "frac_", "bi_cu_v_o": "w_", "li_sr_al_powder": "weight_fraction_"}
    names = [str(n) for n in series.coords if str(n).startswith(prefix[file])]
    fractions = np.stack([series[n].values for n in names], axis=1)
    return series, np.array(names)[fractions.argmax(axis=1)]


def cluster_densely(points: np.ndarray, seed: int) -> np.ndarray:
    """Return clusters of HDBSCAN, on UMAP if it is installed."""
    try:
        from umap import UMAP
    except ImportError:
        return HDBSCAN(min_cluster_size=5, copy=True).fit_predict(points)
    return HDBSCAN(min_cluster_size=5, copy=True).fit_predict(
        UMAP(random_state=seed).fit_transform(points)
    )


def measure(name: str, seed: int) -> list[float]:
    """Return the figures of a series for one seed."""
    series, classes = load_series(name, seed)
    series = series.assign_coords(true_class=("pattern", classes))
    true = len(set(classes.tolist()))
    model = series.xrdae.fit(seed=seed, progress=False)
    preparation, basis = model.autoencoder.preparation, model.autoencoder.basis
    inputs = model.model_input(series).values
    leading = basis.project(inputs)[:, :20]
    latents = model.encode(series)["latent"].values

    def cluster(points: np.ndarray, count: int) -> np.ndarray:
        return KMeans(count, n_init=10, random_state=seed).fit_predict(points)

    by_number = [cluster(leading, count) for count in range(2, MOST + 1)]
    best = max(by_number, key=lambda labels: silhouette_score(leading, labels))
    patterns = np.maximum(preparation.restore_scale(inputs), 0)
    parts = NMF(true, init="nndsvda", max_iter=500, random_state=seed).fit(patterns)
    amounts = parts.transform(patterns) * np.linalg.norm(parts.components_, axis=1)
    others = [cluster(leading, true), best, cluster(latents, true), amounts.argmax(axis=1),
              cluster_densely(leading, seed)]  # fmt: skip
    found, known = (series.xrdae.cluster(model, n) for n in ("auto", true))
    table = found.xrdae.compare_clusters("true_class").attrs
    return [
        len(classes),
        true,
        *(adjusted_rand_score(classes, labels) for labels in others),
        known.xrdae.compare_clusters("true_class").attrs["adjusted_rand"],
        table["adjusted_rand"],
        found.sizes["cluster_axis"],
        table["adjusted_rand_without_between"],
        table["between"],
    ]


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    names = sys.argv[1:] or [*(REAL if "XRDAE_TEST_DATA" in os.environ else ()), "texture",
                             "amorphous"]  # fmt: skip
    print("| series | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    rows = []
    for name in names:
        rows.append(np.mean([measure(name, seed) for seed in SEEDS], axis=0))
        print_row(name, rows[-1])
    print_row("mean", np.mean(rows, axis=0))


def print_row(name: str, figures: np.ndarray) -> None:
    """Print a row: counts as whole numbers, indices with three digits."""
    whole = ("patterns", "classes")
    texts = [f"{f:.0f}" if c in whole else f"{f:.1f}" if c == "number" else f"{f:.3f}"
             for c, f in zip(COLUMNS, figures, strict=True)]  # fmt: skip
    print(f"| {name} | " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    main()
