"""Rotate and shift the latents of all members into one frame, or into that of an earlier model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble

Float = npt.NDArray[Any]

ROUNDING = 1e-6  # root mean square of latents below which all patterns are one point


def align_members(ensemble: Ensemble, sample: Tensor) -> Ensemble:
    """Return members whose latents share one frame, defined by patterns `(pattern, component)`.

    The members are aligned by generalized orthogonal Procrustes analysis (Gower, 1975,
    doi:10.1007/BF02291478). The axes are the principal axes of their mean, largest first. The
    sign of an axis is such that its most correlated basis coefficient increases along it. One
    isotropic scale makes the root mean square of the latents one.
    """
    latent = ensemble.encode(sample).double().numpy()  # (member, pattern, latent_axis)
    shift = latent.mean(axis=1, keepdims=True)
    latent = latent - shift
    rotation = np.stack([np.eye(latent.shape[2])] * len(latent))
    for _ in range(5):
        mean = (latent @ rotation).mean(axis=0)
        rotation = np.stack([scipy.linalg.orthogonal_procrustes(z, mean)[0] for z in latent])
    mean = (latent @ rotation).mean(axis=0)
    axes = np.linalg.svd(mean, full_matrices=False)[2].T
    turned = mean @ axes
    follows = turned.T @ sample.double().numpy()  # (latent_axis, component)
    strongest = np.take_along_axis(follows, np.abs(follows).argmax(1)[:, None], axis=1)[:, 0]
    axes = axes * np.where(strongest < 0, -1.0, 1.0)
    size = np.sqrt((turned**2).mean())
    matrix = rotation @ axes / (size if size > ROUNDING else 1.0)
    return _transform_ensemble(ensemble, matrix, shift)


def align_to_latents(ensemble: Ensemble, sample: Tensor, latents: Float) -> Ensemble:
    """Rotate and shift each member so that patterns keep their latents.

    There is no stretch: if the known latents are on a line, a stretch across it is arbitrary.

    Parameters
    ----------
    sample
        `(pattern, component)`.
    latents
        `(pattern, latent_axis)`, the latents to keep.
    """
    latent = ensemble.encode(sample).double().numpy()  # (member, pattern, latent_axis)
    centre, there = latent.mean(axis=1, keepdims=True), latents.mean(axis=0)
    rotation = np.stack(
        [scipy.linalg.orthogonal_procrustes(z, latents - there)[0] for z in latent - centre]
    )
    back = there @ rotation.transpose(0, 2, 1)  # (member, latent_axis)
    return _transform_ensemble(ensemble, rotation, centre - back[:, None])


def _transform_ensemble(ensemble: Ensemble, matrix: Float, shift: Float) -> Ensemble:
    return ensemble.transform_latents(
        torch.as_tensor(matrix).float(), torch.as_tensor(shift).float()
    )
