"""Train the ensemble on weighted coefficients, and refit its decoder to the unweighted ones."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import silu

from xrdae.autoencoder.ensemble import Ensemble, as_tensor
from xrdae.autoencoder.weights import Weights
from xrdae.config import Config
from xrdae.training.checkpoint import Checkpoint
from xrdae.training.initialization import Start
from xrdae.training.loss import reconstruct_held_out
from xrdae.training.training_loop import Trained, train

Float = npt.NDArray[Any]

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)  # parts of the mean variance of the hidden units


def train_weighted(
    coefficients: Float,
    weights: Weights,
    config: Config,
    *,
    copies: Float | None = None,
    start: Start | None = None,
    checkpoint: Checkpoint | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train on weighted coefficients; see `train`. The members take and give unweighted ones.

    The noise of the input is as large for each component as without weights. The last layer of the
    decoder is fitted again to all coefficients. With equal weights this is `train`.
    """
    if weights.are_equal:
        return train(
            coefficients,
            config,
            copies=copies,
            start=start,
            checkpoint=checkpoint,
            progress=progress,
        )
    used = len(weights.places) / weights.values.size
    if start is not None:
        start = dataclasses.replace(start, ensemble=weights.unfold(start.ensemble))
    trained = train(
        weights.weigh(coefficients),
        attrs.evolve(config, input_noise=config.input_noise * math.sqrt(used)),
        copies=None if copies is None else weights.weigh(copies),
        start=start,
        checkpoint=checkpoint,
        progress=progress,
    )
    ensemble = refit_decoder(weights.fold(trained.ensemble), coefficients, trained.unseen)
    with torch.no_grad():
        seen = as_tensor(~trained.unseen.T)
        held_out = reconstruct_held_out(ensemble, as_tensor(coefficients), seen)
    return dataclasses.replace(trained, ensemble=ensemble, held_out_reconstruction=held_out)


@torch.no_grad()
def refit_decoder(
    ensemble: Ensemble, coefficients: Float, unseen: npt.NDArray[np.bool_]
) -> Ensemble:
    """Return members whose last layer is fitted to coefficients by ridge regression.

    Each member is fitted to the patterns that it has seen. The ridge is that of the smallest error
    on held-out patterns, the same for all members.

    Parameters
    ----------
    coefficients
        `(pattern, component)`.
    unseen
        `(pattern, member)`, True where a pattern was held out from the member.
    """
    hidden = ensemble.encode(as_tensor(coefficients))
    for weight, bias in ensemble.decoder[:-1]:
        hidden = silu(torch.baddbmm(bias, hidden, weight))
    features, target = hidden.double().numpy(), np.asarray(coefficients, dtype=np.float64)
    fits = [
        [_fit_ridge(x[~held], target[~held], ridge) for ridge in RIDGES]
        for x, held in zip(features, unseen.T, strict=True)
    ]
    errors = np.zeros(len(RIDGES))
    for x, held, of_member in zip(features, unseen.T, fits, strict=True):
        rows = held if held.any() else ~held
        errors += [np.square(x[rows] @ w + b - target[rows]).sum() for w, b in of_member]
    best = int(errors.argmin())
    slopes = np.stack([of_member[best][0] for of_member in fits])
    levels = np.stack([of_member[best][1] for of_member in fits])[:, None]
    last = (as_tensor(slopes), as_tensor(levels))
    return dataclasses.replace(ensemble, decoder=(*ensemble.decoder[:-1], last))


def _fit_ridge(x: Float, y: Float, ridge: float) -> tuple[Float, Float]:
    """Return weights `(feature, component)` and offsets `(component,)` of a ridge regression."""
    centre, level = x.mean(axis=0), y.mean(axis=0)
    gram = (x - centre).T @ (x - centre)
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram) + 1e-300
    weight = np.linalg.solve(gram, (x - centre).T @ (y - level))
    return weight, level - centre @ weight
