"""Views of patterns in which clusters are searched: several sets of coordinates of each pattern.

No single view is best for all series (decision record 0009). The basis coefficients follow
everything that varies, the weighted ones what neighbours predict. Patterns without their
background show weak peaks. Fractions of non-negative parts show mixtures.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from xrdae.analysis.nonnegative import find_fractions, find_parts
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.basis import find_basis
from xrdae.autoencoder.weights import Weights

Float = npt.NDArray[Any]

LEADING = 20  # components of the basis, and of each view of patterns without background
WEIGHTED = 64  # components
BACKGROUND = 20  # a background is wider than one part in 20 of the axis
SMOOTH, SMOOTHER = 600, 250  # parts of the axis: widths (standard deviations) of smoothing
PARTS = (4, 8)  # numbers of parts in the views of non-negative parts


@dataclasses.dataclass(frozen=True, eq=False)
class Views:
    """Kernel from model input to the coordinates of each view.

    Attributes
    ----------
    autoencoder
        Autoencoder of the model.
    weights
        `(component,)`, weights of the coefficients that the second view uses; 0 for the others.
    projections
        For each view of patterns without background: their mean `(channel,)` and components
        `(component, channel)`.
    parts
        `(part, channel)`, for each view of non-negative parts.
    """

    autoencoder: Autoencoder
    weights: Float
    projections: tuple[tuple[Float, Float], ...]
    parts: tuple[Float, ...]

    def __call__(self, inputs: Float) -> list[Float]:
        """Return coordinates `(pattern, axis)` in each view, of complete model input."""
        coefficients = self.autoencoder.basis.project(inputs)
        scaled = restore_intensity(self.autoencoder, inputs)
        projected = [
            (peaks - mean) @ components.T
            for peaks, (mean, components) in zip(_list_peaks(scaled), self.projections, strict=True)
        ]
        used = np.flatnonzero(self.weights)
        return [
            coefficients[:, :LEADING],
            coefficients[:, used] * self.weights[used],
            *projected,
            *(find_fractions(np.maximum(scaled, 0), parts) for parts in self.parts),
        ]


def find_views(
    autoencoder: Autoencoder, weights: Weights, inputs: Float, rng: np.random.Generator
) -> Views:
    """Return the views of complete model input `(pattern, channel)`.

    Parameters
    ----------
    autoencoder, weights
        Autoencoder of the model, and the weights of its coefficients.
    inputs
        Model input of the patterns in which clusters are searched.
    rng
        Random numbers for the start of the non-negative parts.
    """
    scaled = restore_intensity(autoencoder, inputs)
    projections = []
    for peaks in _list_peaks(scaled):
        mean = peaks.mean(axis=0)
        components = find_basis(peaks - mean, LEADING).components
        projections.append((mean, components))
    power = np.square(weights.values) * autoencoder.basis.variance
    used = np.argsort(-power, kind="stable")[:WEIGHTED]
    chosen = np.zeros(len(power), np.float32)
    chosen[used] = weights.values[used]
    parts = tuple(find_parts(np.maximum(scaled, 0), count, rng) for count in PARTS)
    return Views(autoencoder, chosen, tuple(projections), parts)


def restore_intensity(autoencoder: Autoencoder, inputs: Float) -> Float:
    """Return scaled and transformed intensity `(pattern, channel)` of model input.

    It is negative only if training intensities were.
    """
    preparation = autoencoder.preparation
    return preparation.clip_negative(preparation.restore_scale(inputs))


def _list_peaks(scaled: Float) -> list[Float]:
    """Return patterns without background, over the norm of each pattern: three kinds.

    They are as measured, smoothed, and the square root of less smoothed ones, in which weak peaks
    count more. The background is a morphological opening, which needs no further library.
    """
    n = scaled.shape[1]
    width = max(5, n // BACKGROUND)
    opened = scipy.ndimage.grey_opening(scaled, size=(1, width))
    background = scipy.ndimage.uniform_filter1d(opened, width, axis=1)
    norm = np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
    peaks = np.maximum(scaled - background, 0) / norm
    smooth, smoother = (
        scipy.ndimage.gaussian_filter1d(peaks, n / part, axis=1) for part in (SMOOTH, SMOOTHER)
    )
    return [peaks, smoother, np.sqrt(np.maximum(smooth, 0))]
