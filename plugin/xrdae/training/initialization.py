"""Where a training starts: from scratch, or from an earlier model."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble, as_tensor, create_ensemble
from xrdae.config import Config
from xrdae.training.isomap import find_geodesic_embedding

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """State of an earlier model from which training continues. Its patterns come first.

    Attributes
    ----------
    ensemble
        The members of the earlier model.
    latents
        `(known, latent_axis)`, latents of its patterns, which training keeps in place.
    unseen
        `(known, member)`, True where a pattern is held out from the member, and stays so.
    """

    ensemble: Ensemble
    latents: Float
    unseen: npt.NDArray[np.bool_]


def start_from_scratch(
    coefficients: Float, config: Config, power: float, generator: torch.Generator
) -> tuple[Ensemble, Tensor, Tensor]:
    """Return an untrained ensemble, an initial map, and which member sees which pattern."""
    n, rank = coefficients.shape
    assert isinstance(config.n_latent, int)  # "auto" has been resolved
    ensemble = create_ensemble(
        rank,
        n_latent=config.n_latent,
        members=config.members,
        hidden=config.hidden,
        input_scale=0.5 * math.sqrt(rank / power),
        generator=generator,
    )
    anchor = as_tensor(find_geodesic_embedding(coefficients, config.n_latent))
    return ensemble, anchor, split_held_out(n, config, generator)


def start_from_model(
    start: Start, n: int, config: Config, generator: torch.Generator
) -> tuple[Ensemble, Tensor, Tensor]:
    """Return the same for an earlier model. Patterns stay held out from the same members."""
    known = (~start.unseen).T.astype(np.float32)  # (member, known)
    new = split_held_out(n - len(start.unseen), config, generator)
    parameters = [p.clone() for p in start.ensemble.parameters()]
    ensemble = start.ensemble.with_parameters(parameters)
    anchor = np.pad(start.latents, ((0, new.shape[1]), (0, 0)))
    return ensemble, as_tensor(anchor), torch.cat([as_tensor(known), new], dim=1)


def split_held_out(n: int, config: Config, generator: torch.Generator) -> Tensor:
    """Return `(member, pattern)`, 1 where a member sees a pattern. Below 8 patterns, all do.

    The held-out parts of the members overlap only if every pattern is in one of them.
    """
    count = round(config.held_out * n) if n >= 8 else 0
    seen = torch.ones(config.members, n)
    rounds = -(-config.members * count // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(rounds or 1)])
    for member in range(config.members):
        seen[member, order[member * count : (member + 1) * count]] = 0
    return seen
