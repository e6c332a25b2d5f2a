"""Labelled reference patterns, from which a label is estimated: latents, coefficients, labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.classify import Classes, Classifier, find_classifier
from xrdae.analysis.estimate import Estimator, find_estimator
from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.known_labels import (
    find_category,
    find_classes,
    find_labels,
    find_training_labels,
)
from xrdae.analysis.stack import Candidate, list_candidates
from xrdae.autoencoder.fitted import Fitted
from xrdae.convention.apply_kernel import apply_kernel
from xrdae.convention.patterns import Patterns

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """Patterns with a known label.

    Attributes
    ----------
    features
        `(pattern, feature)`, latents and basis coefficients.
    labels
        `(pattern,)`, NaN where not known.
    attrs
        Attributes of the label.
    """

    features: Float
    labels: Float
    attrs: Mapping[str, Any]

    def find_estimator(self, fitted: Fitted, name: str) -> Estimator:
        """Return the estimator of the label from features of a model."""
        seed = fitted.config.seed
        candidates = _list_candidates(fitted)
        return find_estimator(self.features, self.labels, candidates, name=name, seed=seed)


@dataclasses.dataclass(frozen=True, eq=False)
class CategoryReference:
    """Patterns with a known category.

    Attributes
    ----------
    features
        `(pattern, feature)`, latents and basis coefficients.
    positions
        `(pattern,)`, positions in the classes, -1 where not known.
    classes
        The classes that occur.
    attrs
        Attributes of the label.
    """

    features: Float
    positions: npt.NDArray[np.intp]
    classes: Classes
    attrs: Mapping[str, Any]

    def find_estimator(self, fitted: Fitted, name: str) -> Classifier:
        """Return the classifier by the label from features of a model."""
        seed = fitted.config.seed
        candidates = _list_candidates(fitted)
        return find_classifier(
            self.features, self.positions, self.classes, candidates, label=name, seed=seed
        )


AnyReference = Reference | CategoryReference


def _list_candidates(fitted: Fitted) -> list[Candidate]:
    variance = np.square(fitted.support.coefficients).mean(axis=0)
    return list_candidates(fitted.n_latent, fitted.weights.values, variance)


def find_training_reference(
    fitted: Fitted, name: str, dataset: xr.Dataset | None = None
) -> Reference:
    """Return the training patterns that a model keeps, with a label.

    The error is that of `find_training_labels`.
    """
    _, labels = find_training_labels(fitted, [name], dataset)
    support = fitted.support
    features = np.concatenate([support.latents, support.coefficients], axis=1)
    return Reference(features, labels[fitted.label_rows, 0], fitted.labels[name].attrs)


def find_reference(
    kernels: Kernels, patterns: Patterns, name: str, dataset: xr.Dataset
) -> AnyReference:
    """Return the patterns of a dataset with a label; the error is that of `find_labels`."""
    category = find_category(patterns, name)
    if category is not None:
        classes, positions = find_classes(category)
        features = _find_features(kernels, patterns)
        return CategoryReference(features, positions, classes, category.attrs)
    labels = find_labels(patterns, [name], dataset, fall_back=False)
    assert labels is not None
    attrs = patterns.labels()[name].attrs
    return Reference(_find_features(kernels, patterns), labels[:, 0], attrs)


def _find_features(kernels: Kernels, patterns: Patterns) -> Float:
    """Return latents and basis coefficients `(pattern, feature)` of patterns."""
    fitted = kernels.fitted
    count = fitted.n_latent + len(fitted.autoencoder.basis.components)
    (features,) = apply_kernel(
        kernels.find_features(patterns, None),
        patterns.intensity,
        outputs=[("feature",)],
        sizes={"feature": count},
        dtypes=[np.float32],
    )
    return np.asarray(features.values).reshape(-1, count)
