"""Factorize patterns into parts that are not negative, such as the patterns of phases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[Any]

STEPS = 200
TINY = 1e-9


def find_parts(patterns: Float, count: int, rng: np.random.Generator) -> Float:
    """Return parts `(part, channel)` of norm 1 whose sums approximate the patterns.

    The multiplicative updates are those of Lee and Seung, Advances in Neural Information
    Processing Systems 13 (2001). scikit-learn is an extra, and its `NMF` warns if it stops early
    (decision record 0007).

    Parameters
    ----------
    patterns
        `(pattern, channel)`, not negative.
    count
        Number of parts.
    rng
        Random numbers for the start.

    Examples
    --------
    >>> from xrdae.analysis.nonnegative import find_parts
    >>> parts = find_parts(np.eye(3)[[0, 1, 2, 0]], 3, np.random.default_rng(0))
    >>> parts.shape
    (3, 3)
    """
    size = np.sqrt(max(float(patterns.mean()), TINY) / count)
    amounts = (size * rng.random((len(patterns), count)) + TINY).astype(patterns.dtype)
    parts = (size * rng.random((count, patterns.shape[1])) + TINY).astype(patterns.dtype)
    for _ in range(STEPS):
        parts *= (amounts.T @ patterns) / np.maximum(amounts.T @ amounts @ parts, TINY)
        amounts *= (patterns @ parts.T) / np.maximum(amounts @ (parts @ parts.T), TINY)
    return np.asarray(parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), TINY))


def find_fractions(patterns: Float, parts: Float) -> Float:
    """Return the fractions `(pattern, part)` of parts in patterns; they sum to 1.

    Each pattern is fitted alone. Its fractions do not depend on other patterns.
    """
    products, gram = patterns @ parts.T, parts @ parts.T
    amounts = np.full_like(products, 1 / len(parts))
    amounts *= np.linalg.norm(patterns, axis=1, keepdims=True)
    for _ in range(STEPS):
        amounts *= products / np.maximum(amounts @ gram, TINY)
    return np.asarray(amounts / np.maximum(amounts.sum(axis=1, keepdims=True), TINY))
