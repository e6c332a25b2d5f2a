"""How well a map keeps neighbours together, and how well it tells labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.analysis.estimate import FEWEST, find_estimator
from xrdae.analysis.stack import choose_latents

Float = npt.NDArray[Any]

NEIGHBOURS = 5
COMMONEST = 0.95  # largest part of the patterns that have the same label


def find_trustworthiness(patterns: Float, latents: Float) -> float:
    """Return how many of the neighbours on a map are neighbours among the patterns, from 0 to 1.

    Five neighbours count, fewer if there are fewer than 11 patterns (Venna and Kaski, Neural
    Networks 19, 2006, doi:10.1016/j.neunet.2006.05.014; scikit-learn's implementation). NaN if
    fewer than 3 patterns differ.

    Parameters
    ----------
    patterns
        `(pattern, coordinate)`, weighted coefficients.
    latents
        `(pattern, latent_axis)`.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import trustworthiness
    except ImportError as error:
        raise ImportError("quality needs scikit-learn: pip install 'xrdae[estimate]'") from error
    patterns, which = np.unique(patterns, axis=0, return_index=True)
    if len(which) < 3:
        return np.nan
    count = min(NEIGHBOURS, (len(which) - 1) // 2)
    return float(trustworthiness(patterns, latents[which], n_neighbors=count))


def project_on_components(patterns: Float, n_component: int) -> Float:
    """Return principal components `(pattern, n_component)` of patterns `(pattern, coordinate)`."""
    centred = np.asarray(patterns - patterns.mean(axis=0), dtype=np.float64)
    return np.asarray(centred @ np.linalg.svd(centred, full_matrices=False)[2][:n_component].T)


def find_problem(labels: Float) -> str:
    """Return why R2 of a label `(pattern,)` would tell nothing; an empty text if it does."""
    known = labels[np.isfinite(labels)]
    if len(known) < FEWEST:
        return f"only {len(known)} patterns have it"
    values, counts = np.unique(known, return_counts=True)
    if len(values) == 1:
        return "it is the same for all patterns"
    if counts.max() > COMMONEST * len(known):
        return f"it is the same for {counts.max()} of {len(known)} patterns"
    return ""


def measure_label(latents: Float, labels: Float, name: str, *, seed: int) -> float:
    """Return R2 of a label estimated from latents alone, of held-out blocks of patterns.

    See `find_estimator`. Two Gaussian processes over `(pattern, latent_axis)` estimate the labels
    `(pattern,)`: with a length for each axis, and with one length for all. The likelihood of the
    first can have a maximum at which the label is noise alone.
    """
    scaled = latents / (latents.std() or 1.0)
    by_axes = choose_latents(latents.shape[1])
    candidates = [by_axes, dataclasses.replace(by_axes, name="distances", kind="distance")]
    found = find_estimator(scaled, labels, candidates, name=name, seed=seed)
    return found.figures["r2"]
