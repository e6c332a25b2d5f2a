"""Labels read off latents, estimates of labels beside simple methods, and reconstruction.

Run `python tests/benchmarks/labels.py latents`, `... estimates` or `... categories`. The first two
take series as for `science.py`, and "hump": the simulated alloy with a broad hump of random height.
The last takes series as in `clusters.py`. Without series, all are used.

`latents` prints R2 of each label by a Gaussian process (Matern kernel, a length for each axis) on 2
and on 5 latents, in random folds and in folds of blocks of five consecutive patterns, and the
relative reconstruction error of every third pattern, which the fit does not see. It uses no module
but the public ones, so that it runs with an earlier version on PYTHONPATH.

`estimates` prints R2 of held-out labels. The model is fitted to all patterns, and each method to
the labels of the other folds: `estimate`; Gaussian processes on 20 principal components and on the
latents; partial least squares and ridge regression of the components, their parameters chosen in
inner folds. It prints which part of the labels is within one standard deviation and within the
95 % interval, and Spearman's correlation of the errors with the standard deviation.

`categories` prints the balanced accuracy of the classes of `clusters.py`, held out in blocks of
five consecutive patterns: of `estimate`, and of logistic regression and the five nearest neighbours
on 20 principal components. The log loss is that of the probabilities of `estimate`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import spearmanr
from sklearn.cross_decomposition import PLSRegression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier

import xrdae  # noqa: F401  (registers ds.xrdae)

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.humped_alloy import make_humped_alloy

from clusters import REAL
from clusters import load_series as load_classes
from science import list_labels, load_series

Array = np.ndarray
FOLDS, BLOCK = 5, 5
MANY = 100  # patterns with the label, from which on figures are compared with goals


def load(name: str) -> xr.Dataset:
    return make_humped_alloy() if name == "hump" else load_series(name)


def make_folds(n: int) -> dict[str, Array]:
    """Return the fold of each pattern, by split."""
    shuffled = np.random.default_rng(0).permutation(n) % FOLDS
    return {"random": shuffled, "blocks": np.arange(n) // BLOCK % FOLDS}


def make_process(lengths: Array | float) -> GaussianProcessRegressor:
    kernel = ConstantKernel(1.0, (1e-3, 1e5)) * Matern(lengths, (1e-2, 1e3), nu=1.5)
    return GaussianProcessRegressor(kernel + WhiteKernel(1e-2, (1e-8, 1e1)), normalize_y=True)


def score(truth: Array, found: Array) -> float:
    return 1 - float(np.square(found - truth).sum() / np.square(truth - truth.mean()).sum())


def find_known(series: xr.Dataset) -> Iterator[tuple[str, Array, Array]]:
    for label in list_labels(series):
        values = series[label].values.astype(float)
        yield label, values, np.flatnonzero(np.isfinite(values))


def compare_latents(name: str) -> None:
    series, rows = load(name), {}
    third = np.arange(series.sizes["pattern"]) % 3 == 1
    errors = []
    for n_latent in (2, 5):
        if n_latent > series.sizes["pattern"] // 4:
            continue
        model = series.xrdae.fit(n_latent=n_latent, progress=False)
        latents = model.labels["latent"].values
        latents = latents / latents.std()
        for label, values, known in find_known(series):
            for fold in make_folds(len(known)).values():
                found = np.empty(len(known))
                for k in range(FOLDS):
                    process = make_process(np.ones(n_latent))
                    process.fit(latents[known[fold != k]], values[known[fold != k]])
                    found[fold == k] = process.predict(latents[known[fold == k]])
                rows.setdefault(label, []).append(f"{score(values[known], found):.3f}")
        part = series.isel(pattern=np.flatnonzero(~third))
        model = part.xrdae.fit(n_latent=n_latent, progress=False)
        out = series.isel(pattern=np.flatnonzero(third)).xrdae.encode(model)
        errors.append(f"{float(out['reconstruction_error'].mean()):.5f}")
    print(f"\n## {name}: {len(third)} patterns\n")
    print("| label | 2, random | 2, blocks | 5, random | 5, blocks |\n|---|---|---|---|---|")
    for label, cells in rows.items():
        print(f"| {label} | " + " | ".join(cells) + " |")
    print("| held-out reconstruction error | " + " | | ".join(errors) + " | |")
    sys.stdout.flush()


Predict = Callable[[Array, Array, Array], Array]


def predict_by_process(columns: Array, lengths: Callable[[int], Array | float]) -> Predict:
    def predict(known: Array, labels: Array, new: Array) -> Array:
        size = columns.std()
        process = make_process(lengths(columns.shape[1]))
        return process.fit(columns[known] / size, labels).predict(columns[new] / size)

    return predict


def predict_by_regression(patterns: Array, search: Callable[[], object]) -> Predict:
    def predict(known: Array, labels: Array, new: Array) -> Array:
        level, spread = labels.mean(), labels.std() or 1.0
        found = search().fit(patterns[known], (labels - level) / spread).predict(patterns[new])
        beyond = 0.1 * np.ptp(labels)
        return np.clip(
            np.ravel(found) * spread + level, labels.min() - beyond, labels.max() + beyond
        )

    return predict


def search_pls() -> GridSearchCV:
    return GridSearchCV(
        PLSRegression(scale=False),
        {"n_components": [1, 2, 3, 5, 8, 12]},
        cv=KFold(5, shuffle=True, random_state=0),
    )


def compare_estimates(name: str) -> list[tuple[str, int, list[float], Array]]:
    series = load(name)
    model = series.xrdae.fit(progress=False)
    latents, coefficients = model.labels["latent"].values, model.support.coefficients
    methods = {
        "GP-20": predict_by_process(coefficients[:, :20], lambda _: 1.0),
        "PLS": predict_by_regression(coefficients, search_pls),
        "ridge": predict_by_regression(
            coefficients, lambda: RidgeCV(np.logspace(-6, 2, 17) * np.square(coefficients).mean())
        ),
        "latents": predict_by_process(latents, np.ones),
    }
    print(f"\n## {name}: {series.sizes['pattern']} patterns\n")
    print("| label, split | estimate | " + " | ".join(methods) + " | estimate less best |")
    print("|---|---|" + "---|" * len(methods) + "---|")
    found = []
    for label, values, known in find_known(series):
        for split, fold in make_folds(len(known)).items():
            rows = np.empty((len(known), 4))
            others = {method: np.empty(len(known)) for method in methods}
            for k in range(FOLDS):
                train, test = known[fold != k], known[fold == k]
                reference = series.isel(pattern=train)
                out = series.isel(pattern=test).xrdae.estimate(model, label, reference=reference)
                parts = ("estimate", "std", "low", "high")
                rows[fold == k] = np.stack([out[f"{label}_{p}"].values for p in parts], axis=1)
                for method, predict in methods.items():
                    others[method][fold == k] = predict(train, values[train], test)
            truth = values[known]
            scores = [score(truth, rows[:, 0]), *(score(truth, o) for o in others.values())]
            cells = " | ".join(f"{s:.3f}" for s in scores)
            print(f"| {label}, {split} | {cells} | {scores[0] - max(scores[1:]):+.3f} |")
            sys.stdout.flush()
            found.append(
                (f"{name} {label} {split}", len(known), scores, np.column_stack([truth, rows]))
            )
    return found


def summarize(found: list[tuple[str, int, list[float], Array]]) -> None:
    many = [each for each in found if each[1] >= MANY]
    above = np.array([scores[0] - max(scores[1:]) for _, _, scores, _ in many])
    rows = [each[3] for each in many]
    error = np.concatenate([np.abs(r[:, 1] - r[:, 0]) / r[:, 0].std() for r in rows])
    std = np.concatenate([r[:, 2] / r[:, 0].std() for r in rows])
    within = np.concatenate([(r[:, 3] <= r[:, 0]) & (r[:, 0] <= r[:, 4]) for r in rows])
    print(f"\nOf {len(many)} cases with at least {MANY} labelled patterns:\n")
    print(
        f"- estimate less the best method, R2: mean {above.mean():+.4f}, least {above.min():+.4f}"
    )
    print(f"- within one standard deviation: {(error < std).mean():.3f}")
    print(f"- within the 95 % interval: {within.mean():.3f}")
    print(f"- Spearman of error and standard deviation: {spearmanr(error, std)[0]:.3f}")
    each = [spearmanr(np.abs(r[:, 1] - r[:, 0]), r[:, 2])[0] for r in rows]
    print(f"- the same within a case, mean: {np.mean(each):.3f}")


def compare_categories(name: str) -> None:
    series, classes = load_classes(name, 0)
    series = series.assign_coords(true_class=("pattern", classes.astype(str)))
    classes = series["true_class"].values
    model = series.xrdae.fit(progress=False)
    leading = model.support.coefficients[:, :20]
    leading = leading / leading.std()
    fold = make_folds(len(classes))["blocks"]
    simple = {
        "logistic": LogisticRegression(max_iter=3000, C=100),
        "neighbours": KNeighborsClassifier(5),
    }
    found = {method: np.empty_like(classes) for method in ("estimate", *simple)}
    losses = np.empty(len(classes))
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        out = series.isel(pattern=test).drop_vars("true_class")
        out = out.xrdae.estimate(model, "true_class", reference=series.isel(pattern=train))
        probability = out["true_class_probability"].values
        names = out["true_class_class"].values
        found["estimate"][test] = names[probability.argmax(axis=1)]
        own = np.where(names == classes[test, None], probability, 0).sum(axis=1)
        losses[test] = -np.log(np.maximum(own, 1e-3))  # a class may be in one block alone
        for method, classifier in simple.items():
            fitted = classifier.fit(leading[train], classes[train])
            found[method][test] = fitted.predict(leading[test])
    scores = [f"{balanced_accuracy_score(classes, guess):.3f}" for guess in found.values()]
    counts = f"{len(classes)} | {len(set(classes.tolist()))}"
    print(f"| {name} | {counts} | " + " | ".join(scores) + f" | {losses.mean():.3f} |", flush=True)


def main() -> None:
    warnings.filterwarnings("ignore")
    what, *names = sys.argv[1:]
    if what == "categories":
        print("| series | patterns | classes | estimate | logistic | neighbours | log loss |")
        print("|---|---|---|---|---|---|---|")
        for name in names or [*REAL, "texture", "amorphous"]:
            compare_categories(name)
        return
    folder = os.environ.get("XRDAE_TEST_DATA")
    real = sorted(path.stem for path in Path(folder).glob("*.nc")) if folder else []
    names = names or ["alloy", "hump", *real]
    if what == "latents":
        for name in names:
            compare_latents(name)
    else:
        summarize([case for name in names for case in compare_estimates(name)])


if __name__ == "__main__":
    main()
