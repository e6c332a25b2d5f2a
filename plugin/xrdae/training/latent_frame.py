"""The fixed frame of the latents: of the members among themselves, and of an earlier model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble

Float = npt.NDArray[Any]

ROUNDING = 1e-6  # size of latents, drawn to one in training, below which all patterns are one point


def align_members(ensemble: Ensemble, sample: Tensor) -> Ensemble:
    """Bring the members' latents into one frame, fixed by patterns `(pattern, component)`.

    Generalized orthogonal Procrustes between the members (Gower, 1975,
    doi:10.1007/BF02291478), then the principal axes of their mean, largest first, each signed so
    that the basis coefficient that it follows most closely grows along it; one isotropic scale
    makes the root mean square of the latents one.
    """
    latent = ensemble.encode(sample).double().numpy()  # (member, pattern, latent_axis)
    shift = latent.mean(axis=1, keepdims=True)
    latent = latent - shift
    rotation = np.stack([np.eye(ensemble.n_latent)] * ensemble.members)
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
    """Turn and shift each member so that patterns come to lie where they were.

    Nothing is stretched: where known latents lie on a line, that across it would be arbitrary.

    Parameters
    ----------
    sample
        `(pattern, component)`.
    latents
        `(pattern, latent_axis)`, where these patterns were.
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
