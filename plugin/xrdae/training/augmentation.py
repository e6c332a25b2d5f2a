"""Augment patterns by random changes that the encoder learns to ignore."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from xrdae.config import Config
from xrdae.convention.axes import Axis
from xrdae.preprocessing.alignment import resample_patterns

Float = npt.NDArray[Any]

COPIES = 16  # augmented copies of each pattern
TEXTURE_CHANNELS = 3.0  # correlation length of the texture factors, in peak widths
BACKGROUND_TERMS = 4  # Chebyshev polynomials in a change of the background


def is_augmented(config: Config) -> bool:
    """Return whether the settings ask for any change."""
    return any((config.zero_shift, config.strain, config.texture, config.background_change))


def augment_patterns(
    patterns: Float, axis: Axis, config: Config, *, width: float, rng: np.random.Generator
) -> Float:
    """Return patterns `(pattern, channel)`, each changed at random; see `Config` for the sizes.

    Parameters
    ----------
    patterns
        `(pattern, channel)`, scaled intensity without gaps.
    axis
        The axis of the channels.
    config
        Its `zero_shift`, `strain`, `texture` and `background_change`.
    width
        Typical width of a peak in channels.
    rng
        Generator of the random changes.
    """
    n, n_channel = patterns.shape
    out = patterns.astype(np.float64)
    if config.zero_shift or config.strain:
        shift = rng.uniform(-1, 1, (n, 1)) * config.zero_shift
        strain = rng.uniform(-1, 1, (n, 1)) * config.strain
        places = _strain_axis(axis, strain) - shift
        here = np.arange(n_channel)
        out = resample_patterns(out, np.stack([np.interp(p, axis.values, here) for p in places]))
    if config.texture:
        smooth = TEXTURE_CHANNELS * width
        field = scipy.ndimage.gaussian_filter1d(rng.normal(size=out.shape), smooth, axis=1)
        size = np.sqrt(np.square(field).mean(axis=1, keepdims=True))
        # The field is nearly constant over a few channels.
        field /= np.maximum(field.std(axis=1, keepdims=True), 0.1 * size)
        out *= np.exp(config.texture * field)
    if config.background_change:
        x = np.linspace(-1, 1, n_channel)
        terms = rng.normal(size=(BACKGROUND_TERMS, n)) / np.sqrt(BACKGROUND_TERMS)
        field = np.polynomial.chebyshev.chebval(x, terms)
        size = config.background_change * rng.uniform(0, 1, (n, 1))
        out += size * (field - field.min(axis=1, keepdims=True))
    return out


def _strain_axis(axis: Axis, strain: Float) -> Float:
    """Return the position `(pattern, channel)` of each channel before the strain.

    If the lattice expands by the strain, q of its reflections decreases by the same factor.
    """
    if axis.kind == "q":
        return np.asarray(axis.values * (1 + strain))
    if axis.kind == "d":
        return np.asarray(axis.values / (1 + strain))
    sine = np.sin(np.radians(axis.values) / 2) * (1 + strain)
    return np.asarray(2 * np.degrees(np.arcsin(np.clip(sine, 0, 1))))
