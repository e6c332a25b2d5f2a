"""Estimate a category (a phase, a batch) of patterns from labelled patterns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.special

from xrdae.analysis.label_process import LabelProcess, fit_label_process
from xrdae.analysis.logistic import LogisticProcess, fit_logistic
from xrdae.analysis.stack import Candidate, find_stack_weights, format_weights, make_splits
from xrdae.errors import DataError
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]
Index = npt.NDArray[np.intp]

FEWEST = 10  # reference patterns; fewer do not tell how often the estimate is right
FEWEST_PER_CLASS = 3  # on average; otherwise the label is a name of each pattern
LARGEST_REFERENCE = 1000  # patterns; the cost of a Gaussian process grows with their cube
RIDGE = 1e-4  # of the logistic regressions
SHARPNESS = (-3.0, 5.0)  # limits of the logarithm of the factor of the scores


@dataclasses.dataclass(frozen=True)
class Classes:
    """Classes of a category.

    Attributes
    ----------
    names
        Their names.
    flags
        The numbers by which results name them; those of the CF flags if the label has such.
    unknown
        The number of patterns that are not in any of them.
    """

    names: list[str]
    flags: list[int]
    unknown: int


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """Classifier of patterns by their features, with its cross-validation.

    Attributes
    ----------
    classes
        Names and flags of the classes.
    candidates, processes
        The candidates and their processes, each of all classes.
    weights
        `(candidate,)`, at least 0, of sum 1.
    sharpness
        Factor of the scores in the softmax.
    doubt
        Part of the probability that is the same for all classes.
    figures
        `balanced_accuracy` (mean over the classes of the part found), `accuracy`, `log_loss` of
        held-out blocks.
    """

    classes: Classes
    candidates: list[Candidate]
    processes: list[LabelProcess | LogisticProcess]
    weights: Float
    sharpness: float
    doubt: float
    figures: dict[str, float]

    def predict(self, features: Float) -> tuple[Index, Float]:
        """Return classes `(pattern,)` and probabilities `(pattern, class)` of features.

        The class is -1 and the probabilities are NaN where a feature is NaN.
        """
        usable = np.isfinite(features).all(axis=1)
        some = np.asarray(features[usable], dtype=np.float64)
        probability = np.full((len(features), len(self.classes.names)), np.nan)
        best = np.full(len(features), -1)
        if usable.any():
            pairs = zip(self.candidates, self.processes, strict=True)
            single = [process.predict_mean(candidate.choose(some)) for candidate, process in pairs]
            score = np.einsum("c,cpk->pk", self.weights, np.stack(single))
            probability[usable] = _find_probability(score, self.sharpness, self.doubt)
            best[usable] = score.argmax(axis=1)
        return best, probability

    @property
    def trusts(self) -> str:
        """The weights of the processes, in words."""
        return format_weights(self.candidates, self.weights)


def find_classifier(
    features: Float,
    positions: Index,
    classes: Classes,
    candidates: list[Candidate],
    *,
    label: str,
    seed: int,
) -> Classifier:
    """Fit processes of a category over features of patterns, and calibrate their scores.

    A score is the estimate of a process of the indicator (1 in the class, 0 outside). Scores of the
    candidates are stacked as those of numbers are: their weights minimize the squared error of
    held-out patterns (the Brier score). The probability is the softmax of the score times a factor
    that minimizes the log loss of held-out patterns (temperature scaling: Guo et al., 2017,
    arXiv:1706.04599), less a doubt that follows from the number of patterns (Laplace's rule).

    Parameters
    ----------
    features
        `(pattern, feature)`, latents and coefficients.
    positions
        `(pattern,)`, positions in the classes, -1 where not known.
    classes
        The classes.
    candidates
        See `stack.list_candidates`.
    label
        Name of the label, for the error.
    seed
        Seed of the split at random.

    Raises
    ------
    DataError
        If fewer than 10 patterns have the label, all have the same, or almost each its own.
    """
    known = np.isfinite(features).all(axis=1) & (positions >= 0)
    features, positions = features[known].astype(np.float64), positions[known]
    count = len(np.unique(positions))
    if len(positions) < FEWEST:
        raise DataError(
            f"only {len(positions)} reference patterns have {label!r}; {FEWEST} are needed, since "
            "fewer do not tell how often the estimate is right: add labelled patterns (reference=)"
        )
    if count == 1:
        raise DataError(
            f"all reference patterns have the same {label!r} ({classes.names[positions[0]]!r}), so "
            "there is nothing to tell apart; give a reference with several classes (reference=)"
        )
    if count * FEWEST_PER_CLASS > len(positions):
        raise DataError(
            f"{label!r} has {count} classes in {len(positions)} reference patterns; at least "
            f"{FEWEST_PER_CLASS} patterns a class are needed: join classes, or add labelled "
            "patterns (reference=)"
        )
    some = _choose_from_each(positions)
    features, positions = features[some], positions[some]
    target = np.eye(len(classes.names))[positions]
    processes: list[LabelProcess | LogisticProcess] = [
        fit_label_process(c.choose(features), target, c.kind) for c in candidates
    ]
    lines = [
        dataclasses.replace(c, name=f"logistic regression over {c.name}")
        for c in candidates
        if c.kind == "distance"
    ]
    candidates = [*candidates, *lines]
    processes += [fit_logistic(c.choose(features), target, RIDGE) for c in lines]
    splits = make_splits(len(positions), seed)
    scores = np.array([[p.predict_held_out(fold)[0] for p in processes] for fold in splits])
    weights = find_stack_weights(
        np.moveaxis(scores, 1, -1).reshape(-1, len(candidates)),
        np.tile(target.ravel(), len(splits)),
    )
    held_out = np.einsum("c,scpk->spk", weights, scores)
    doubt = len(classes.names) / (len(classes.names) + len(positions))

    def loss(logarithm: float) -> float:
        return _find_loss(_find_probability(held_out, np.exp(logarithm), doubt), positions)

    found = scipy.optimize.minimize_scalar(loss, bounds=SHARPNESS, method="bounded")
    sharpness = float(np.exp(found.x))
    right = held_out[0].argmax(axis=1) == positions
    figures = {
        "balanced_accuracy": float(
            np.mean([right[positions == k].mean() for k in np.unique(positions)])
        ),
        "accuracy": float(right.mean()),
        "log_loss": _find_loss(_find_probability(held_out[0], sharpness, doubt), positions),
    }
    return Classifier(classes, candidates, processes, weights, sharpness, doubt, figures)


def _choose_from_each(positions: Index) -> Index:
    """Return positions of at most 1000 patterns, in their order, as many of each class as fit."""
    if len(positions) <= LARGEST_REFERENCE:
        return np.arange(len(positions))
    found, count = np.unique(positions, return_counts=True)
    room, chosen = LARGEST_REFERENCE, []
    for i, k in enumerate(found[np.argsort(count, kind="stable")]):  # rare classes first
        inside = np.flatnonzero(positions == k)
        chosen.append(inside[choose_evenly(len(inside), room // (len(found) - i))])
        room -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))


def _find_probability(score: Float, sharpness: float, doubt: float) -> Float:
    """Return probabilities `(..., class)` of scores."""
    sharp = scipy.special.softmax(sharpness * score, axis=-1)
    return np.asarray((1 - doubt) * sharp + doubt / score.shape[-1])


def _find_loss(probability: Float, positions: Index) -> float:
    """Return the mean log loss of probabilities `(..., pattern, class)`."""
    own = np.take_along_axis(
        probability, np.broadcast_to(positions[:, None], (*probability.shape[:-1], 1)), axis=-1
    )
    return float(-np.log(own).mean())
