"""What the members of an ensemble are trained for, and what they make of patterns not seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble

Float = npt.NDArray[Any]

BATCH = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What the members are trained for, on one device.

    Attributes
    ----------
    target
        `(pattern, component)`, what is to be found.
    shown
        `(copy, pattern, component)`, of which the encoder is shown one.
    seen
        `(member, pattern)`, 1 where a member sees a pattern.
    anchor
        `(pattern, latent_axis)`, the map that the latents are drawn to.
    known
        `(pattern,)`, 1 where an earlier model knows the pattern; None without one.
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


def held_out_reconstruction(ensemble: Ensemble, target: Tensor, seen: Tensor) -> Float:
    """Return `(pattern, component)`, the mean over the members that do not see the pattern.

    NaN where all do; `seen` is `(member, pattern)`, 1 where a member sees it.
    """
    held = (1 - seen)[:, :, None]  # (member, pattern, 1)
    total, count = torch.zeros_like(target), held.sum(0)
    for start in range(0, target.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        decoded = ensemble.reconstruct(target[rows])
        total[rows] = (decoded * held[:, rows]).sum(0)
    return np.asarray(torch.where(count > 0, total / count.clamp(min=1), torch.nan).numpy())
