"""Relevance: how far the latent point moves when a region of the pattern is masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.autoencoder import Autoencoder
from xrdae.errors import DataError

Float = npt.NDArray[Any]

FILLS = ("background", "zero", "mean")


def check_fill(fill: str) -> None:
    """Refuse an unknown way to fill a masked region."""
    if fill not in FILLS:
        raise DataError(f"fill={fill!r} is not known; choose one of {FILLS}")


def mask_change(scaled: Float, mean: Float, region: tuple[int, int], fill: str) -> Float:
    """Return `(pattern, channel of the region)`: what masking adds to the scaled intensity.

    Parameters
    ----------
    scaled
        `(pattern, channel)`, scaled intensity; its scale stays when a region is masked.
    mean
        `(channel,)`, the training mean of it.
    region
        First channel and the one after the last.
    fill
        "background": the straight line between the region's end channels; "zero"; "mean".
    """
    start, stop = region
    inside = scaled[:, start:stop]
    if fill == "zero":
        return -inside
    if fill == "mean":
        return np.asarray(mean[start:stop] - inside)
    along = np.linspace(0, 1, stop - start, dtype=inside.dtype)
    ends = inside[:, :1], inside[:, -1:]
    return np.asarray(ends[0] + (ends[1] - ends[0]) * along - inside)


def latent_shifts(
    autoencoder: Autoencoder, inputs: Float, regions: npt.NDArray[np.intp], fill: str
) -> Float:
    """Return the shifts of the mean latent, `(pattern, region, latent_axis)`.

    Masking changes the basis coefficients by the region's few channels alone, so this costs
    about one encoding of all patterns, not one a region; it is exact.

    Parameters
    ----------
    autoencoder
        The autoencoder.
    inputs
        `(pattern, channel)`, model input, NaN where not measured.
    regions
        `(region, 2)`, first channel and the one after the last.
    fill
        See `mask_change`.
    """
    basis, preparation = autoencoder.basis, autoencoder.preparation
    filled = basis.fill(np.asarray(inputs, dtype=np.float32))
    coefficients = basis.project(filled)  # (pattern, component)
    scaled = preparation.scaled(filled)
    masked = np.empty((len(filled), len(regions), coefficients.shape[1]), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        change = mask_change(scaled, preparation.mean, (start, stop), fill)
        step = change @ basis.components[:, start:stop].T
        masked[:, i] = coefficients + step / np.float32(preparation.gain)
    whole = autoencoder.latents(coefficients).mean(axis=0)  # (pattern, latent_axis)
    moved = autoencoder.latents(masked.reshape(-1, masked.shape[2])).mean(axis=0)
    return np.asarray(moved.reshape(*masked.shape[:2], -1) - whole[:, None])


def cover(regions: npt.NDArray[np.intp], n_channel: int) -> Float:
    """Return weights `(region, channel)` that spread relevance over the axis.

    A channel in several regions gets their mean, one in none gets zero.
    """
    inside = np.zeros((len(regions), n_channel), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        inside[i, start:stop] = 1
    return np.asarray(inside / np.maximum(inside.sum(axis=0), 1))
