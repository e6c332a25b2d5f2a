"""Loss of the ensemble, and its reconstruction of held-out patterns."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble
from xrdae.config import Config

Float = npt.NDArray[Any]

BATCH = 1024
KEPT = 10.0  # weight of the squared displacement of known latents, relative to the error
ANCHORED = 0.3  # fraction of the steps in which the latents are drawn to the geodesic map


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Training data of the members, on one device.

    Attributes
    ----------
    target
        `(pattern, component)`, coefficients to reconstruct.
    shown
        `(copy, pattern, component)`, coefficients of which the encoder gets one copy.
    seen
        `(member, pattern)`, 1 where a member sees a pattern.
    anchor
        `(pattern, latent_axis)`, map to which the latents are drawn.
    known
        `(pattern,)`, 1 where an earlier model knows the pattern; None without an earlier model.
    power
        Mean square of the patterns' coefficients.
    """

    target: Tensor
    shown: Tensor
    seen: Tensor
    anchor: Tensor
    known: Tensor | None
    power: float

    def to(self, device: torch.device) -> Task:
        """Return the task on another device."""
        tensors = {n: v.to(device) for n, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **tensors)  # type: ignore[arg-type]


def reconstruct_held_out(ensemble: Ensemble, target: Tensor, seen: Tensor) -> Float:
    """Return held-out reconstructions `(pattern, component)`: means of members that did not see it.

    NaN where all members saw the pattern. `seen` is `(member, pattern)`, 1 where a member sees it.
    """
    held = (1 - seen)[:, :, None]  # (member, pattern, 1)
    total, count = torch.zeros_like(target), held.sum(0)
    for start in range(0, target.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        decoded = ensemble.reconstruct(target[rows])
        total[rows] = (decoded * held[:, rows]).sum(0)
    return np.asarray(torch.where(count > 0, total / count.clamp(min=1), torch.nan).numpy())


def compute_loss(
    ensemble: Ensemble, task: Task, config: Config, step: int, generator: torch.Generator
) -> Tensor:
    """Return the loss of a step. If there are many patterns, a random batch is used."""
    n = len(task.target)
    rows = slice(None) if n <= BATCH else torch.randint(n, (BATCH,), generator=generator)
    which = torch.randint(len(task.shown), (n,), generator=generator)[rows]
    target, shown = task.target[rows], task.shown[which, torch.arange(n)[rows]]
    seen, anchor = task.seen[:, rows], task.anchor[rows]
    spread = config.input_noise * math.sqrt(task.power / target.shape[1])

    def white_noise(*shape: int) -> Tensor:  # the same on every device
        return torch.randn(shape, generator=generator, dtype=target.dtype).to(target.device)

    blurred = shown + spread * white_noise(len(seen), *target.shape)
    noise = config.latent_noise * white_noise(len(seen), *anchor.shape)
    latent, decoded = ensemble.reconstruct_noisy(blurred, noise)  # (member, pattern, ...)
    error = (decoded - target).square().sum(-1) * seen  # (member, pattern)
    reconstruction = (error.sum(1) / seen.sum(1).clamp(min=1)).sum() / task.power
    mean = latent.mean(0)
    agreement = (latent - mean.detach()).square().sum(-1).mean(1).sum()
    away = (latent - anchor).square().sum(-1)  # (member, pattern)
    if task.known is not None:
        return reconstruction + agreement + KEPT * (away * task.known[rows]).mean(1).sum()
    pull = max(0.0, 1 - step / (ANCHORED * config.steps))
    anchored = pull * away.mean(1).sum() if pull else 0.0
    frame = mean.mean(0).square().sum() + (mean.square().mean() - 1).square()
    return reconstruction + agreement + anchored + 0.1 * len(seen) * frame


@torch.no_grad()
def compute_errors(ensemble: Ensemble, task: Task) -> tuple[float, float]:
    """Return the relative root mean squared errors on seen and on held-out patterns."""
    rows = slice(None, None, max(1, task.target.shape[0] // BATCH))
    some, seen = task.target[rows], task.seen[:, rows]
    error = (ensemble.reconstruct(some) - some).square().sum(-1) / task.power
    loss = float((error * seen).sum() / seen.sum())
    held = 1 - seen
    held_out = float((error * held).sum() / held.sum()) if held.any() else loss
    return math.sqrt(loss), math.sqrt(held_out)
