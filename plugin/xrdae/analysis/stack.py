"""Estimate a label by a weighted mean of several processes, with calibrated intervals.

No single method is best for all labels: latents are best where little else than the label varies,
single components where the label is in weak peaks, a straight line where patterns are mixtures.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
from scipy.spatial import cKDTree

from xrdae.analysis.label_process import LabelProcess, fit_label_process

Float = npt.NDArray[Any]

BLOCK, FOLDS = 5, 5
OFFSETS = (0, 2, 4)  # of the blocks in the splits from which the weights are found
WITHIN = (0.683, 0.95)  # fractions of the held-out labels within the two factors
BEYOND = 0.1  # of the range of the labels: how far outside an estimate may be
NEIGHBOURS = 15  # reference patterns whose held-out errors tell how large an error is
LEADING, WEIGHTED = 20, 30  # components


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """Coordinates and kernel of one of the processes.

    Attributes
    ----------
    name
        What it is called in the result.
    columns
        `(coordinate,)`, columns of the features.
    factors
        `(coordinate,)`, factors of these.
    kind
        Kernel; see `fit_label_process`.
    """

    name: str
    columns: npt.NDArray[np.intp]
    factors: Float
    kind: str

    def choose(self, features: Float) -> Float:
        """Return coordinates `(pattern, coordinate)` of features `(pattern, feature)`."""
        return np.asarray(features[:, self.columns] * self.factors)


def list_candidates(n_latent: int, weights: Float, variance: Float) -> list[Candidate]:
    """Return the candidates for features that are latents and basis coefficients.

    Parameters
    ----------
    n_latent
        Number of latents, which come first.
    weights
        `(component,)`, weights of the coefficients in the map.
    variance
        `(component,)`, variances of the coefficients.
    """
    leading = np.arange(min(LEADING, len(weights)))
    used = np.flatnonzero(weights)
    order = np.argsort(-(np.square(weights) * variance)[used], kind="stable")
    weighted = np.sort(used[order[:WEIGHTED]])
    return [
        choose_latents(n_latent),
        Candidate("leading components", n_latent + leading, np.ones(len(leading)), "distance"),
        Candidate("weighted components", n_latent + weighted, weights[weighted], "distance"),
        Candidate("line over weighted components", n_latent + used, weights[used], "line"),
    ]


def choose_latents(n_latent: int) -> Candidate:
    """Return the candidate of the latents alone."""
    return Candidate("latents", np.arange(n_latent), np.ones(n_latent), "axes")


def make_folds(n: int, offset: int = 0) -> npt.NDArray[np.intp]:
    """Return the fold `(pattern,)` of blocks of up to five consecutive patterns, in five folds."""
    size = max(1, min(BLOCK, n // (2 * FOLDS)))
    return (np.arange(n) + offset * size // BLOCK) // size % min(FOLDS, n)


def make_splits(n: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Return folds `(pattern,)` of three splits into blocks and of one at random."""
    splits = [make_folds(n, offset) for offset in OFFSETS]
    return [*splits, np.random.default_rng(seed).permutation(n) % min(FOLDS, n)]


def format_weights(candidates: list[Candidate], weights: Float) -> str:
    """Return the weights of the candidates in words."""
    named = zip(candidates, weights, strict=True)
    return ", ".join(f"{candidate.name} {weight:.2f}" for candidate, weight in named)


@dataclasses.dataclass(frozen=True, eq=False)
class Stack:
    """Weighted mean of processes of one label.

    Attributes
    ----------
    candidates, processes
        The candidates and their processes.
    weights
        `(candidate,)`, at least 0, of sum 1.
    bounds
        Least and largest estimate.
    tree
        Search tree of the reference patterns.
    error
        `(reference,)`, their held-out errors (root mean square over the splits).
    factors
        Factors of the deviation that cover 68.3 % and 95 % of the held-out labels.
    held_out
        `(reference,)`, estimates of held-out blocks.
    """

    candidates: list[Candidate]
    processes: list[LabelProcess]
    weights: Float
    bounds: tuple[float, float]
    tree: cKDTree
    error: Float
    factors: tuple[float, float]
    held_out: Float

    def predict(self, features: Float) -> Float:
        """Return `(pattern, 4)`: estimate, standard deviation, and the 95 % interval.

        NaN where a feature is NaN.
        """
        out = np.full((len(features), 4), np.nan)
        usable = np.isfinite(features).all(axis=1)
        if not usable.any():
            return out
        some = np.asarray(features[usable], dtype=np.float64)
        single = [
            process.predict(candidate.choose(some))
            for candidate, process in zip(self.candidates, self.processes, strict=True)
        ]
        means, stds = (np.stack(part) for part in zip(*single, strict=True))
        mean, std = combine_estimates(np.clip(means, *self.bounds), stds, self.weights)
        count = min(NEIGHBOURS, self.tree.n)
        near = self.tree.query(_choose_neighbours(self.candidates, some), k=[*range(1, count + 1)])
        size = _measure_deviation(std, self.error[near[1]])
        one, wide = (factor * size for factor in self.factors)
        out[usable] = np.stack([mean, one, mean - wide, mean + wide], axis=1)
        return out


def find_stack(features: Float, labels: Float, candidates: list[Candidate], *, seed: int) -> Stack:
    """Find weights and factors from held-out estimates.

    The weights minimize the squared error of held-out patterns, pooled over three splits into
    blocks of consecutive patterns and one at random (stacking: Breiman, Machine Learning 24, 1996,
    doi:10.1007/BF00117832). The variance is that of the mixture. The deviation is the geometric
    mean of its root and of the held-out errors of the 15 nearest reference patterns, times factors
    that cover 68.3 % and 95 % of the held-out labels (conformal prediction: Lei et al., 2018,
    doi:10.1080/01621459.2017.1307116).

    Parameters
    ----------
    features
        `(pattern, feature)`, latents and coefficients.
    labels
        `(pattern,)`.
    candidates
        See `list_candidates`.
    seed
        Seed of the split at random.
    """
    processes = [fit_label_process(c.choose(features), labels, c.kind) for c in candidates]
    n, beyond = len(labels), BEYOND * float(np.ptp(labels))
    bounds = (float(labels.min()) - beyond, float(labels.max()) + beyond)
    splits = make_splits(n, seed)
    held_out = np.array([[p.predict_held_out(fold) for p in processes] for fold in splits])
    means, stds = np.clip(held_out[:, :, 0], *bounds), held_out[:, :, 1]  # (split, candidate, n)
    weights = find_stack_weights(
        np.concatenate(list(means), axis=1).T, np.tile(labels, len(splits))
    )
    mean, std = combine_estimates(means, stds, weights)
    error = np.abs(mean - labels)
    usual = np.sqrt(np.square(error).mean(axis=0))
    where = _choose_neighbours(candidates, features)
    tree = cKDTree(where)
    count = min(NEIGHBOURS, n - 1)
    near = tree.query(where, k=[*range(2, count + 2)])[1]
    size = _measure_deviation(std, usual[near])
    ratio = error / np.maximum(size, 1e-300)
    one, wide = (float(np.quantile(ratio, part)) for part in WITHIN)
    return Stack(candidates, processes, weights, bounds, tree, usual, (one, wide), mean[0])


def combine_estimates(means: Float, stds: Float, weights: Float) -> tuple[Float, Float]:
    """Return mean and deviation `(..., pattern)` of a mixture `(..., candidate, pattern)`."""
    share = weights[:, None]
    mean = (share * means).sum(axis=-2)
    apart = np.square(means - np.expand_dims(mean, -2))
    return mean, np.sqrt((share * (np.square(stds) + apart)).sum(axis=-2))


def find_stack_weights(estimates: Float, labels: Float) -> Float:
    """Return weights `(candidate,)` of held-out estimates `(pattern, candidate)`.

    They are at least 0, of sum 1, and minimize the squared error.
    """
    center, spread = labels.mean(), labels.std()
    rows, target = (estimates - center) / spread, (labels - center) / spread
    heavy = 1e3 * np.sqrt(len(target))  # the equation that their sum is one
    rows = np.vstack([rows, np.full((1, rows.shape[1]), heavy)])
    found, _ = scipy.optimize.nnls(rows, np.append(target, heavy))
    return np.asarray(found / found.sum())


def _choose_neighbours(candidates: list[Candidate], features: Float) -> Float:
    """Return the coordinates in which neighbours are near: the weighted components, if any."""
    by_distance = [c for c in candidates if c.kind == "distance"]
    return (by_distance or candidates)[-1].choose(features)


def _measure_deviation(std: Float, errors: Float) -> Float:
    """Return deviations of stds `(..., pattern)` and errors `(pattern, neighbour)`."""
    return np.asarray(np.sqrt(std * np.sqrt(np.square(errors).mean(axis=1))))
