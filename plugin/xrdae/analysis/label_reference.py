"""Labelled reference patterns, from which a label is estimated: latents, coefficients, labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.estimate import Estimator, find_estimator
from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.known_labels import find_labels, find_training_labels
from xrdae.analysis.stack import list_candidates
from xrdae.autoencoder.fitted import Fitted
from xrdae.convention.apply_kernel import apply_kernel
from xrdae.convention.patterns import Patterns
from xrdae.preprocessing.subsets import choose_evenly

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
        variance = np.square(fitted.support.coefficients).mean(axis=0)
        candidates = list_candidates(fitted.config.n_latent, fitted.weights.values, variance)
        seed = fitted.config.seed
        return find_estimator(self.features, self.labels, candidates, name=name, seed=seed)


def find_training_reference(
    fitted: Fitted, name: str, dataset: xr.Dataset | None = None
) -> Reference:
    """Return the training patterns that a model keeps, with a label.

    The error is that of `find_training_labels`.
    """
    _, labels = find_training_labels(fitted, [name], dataset)
    support = fitted.support
    kept = choose_evenly(len(labels), len(support.latents))
    features = np.concatenate([support.latents, support.coefficients], axis=1)
    return Reference(features, labels[kept, 0], fitted.labels[name].attrs)


def find_reference(
    kernels: Kernels, patterns: Patterns, name: str, dataset: xr.Dataset
) -> Reference:
    """Return the patterns of a dataset with a label; the error is that of `find_labels`."""
    labels = find_labels(patterns, [name], dataset, fall_back=False)
    assert labels is not None
    fitted = kernels.fitted
    count = fitted.config.n_latent + len(fitted.autoencoder.basis.components)
    (features,) = apply_kernel(
        kernels.find_features(patterns, None),
        patterns.intensity,
        outputs=[("feature",)],
        sizes={"feature": count},
        dtypes=[np.float32],
    )
    rows = np.asarray(features.values).reshape(-1, count)
    return Reference(rows, labels[:, 0], patterns.labels()[name].attrs)
