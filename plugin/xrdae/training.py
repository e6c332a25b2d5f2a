"""Training of the ensemble on basis coefficients, and the fixed frame of its latents."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xrdae.config import Config
from xrdae.devices import find_device
from xrdae.embedding import geodesic_embedding
from xrdae.errors import TrainingError
from xrdae.network import Ensemble, as_tensor, new_ensemble

Float = npt.NDArray[Any]

BATCH = 1024
EVALUATE_EVERY = 10
ANCHORED = 0.3  # part of the steps in which the latents are drawn to the geodesic map


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """What training gives.

    Attributes
    ----------
    ensemble
        The best members, their latents in one frame.
    held_out_reconstruction
        `(pattern, component)`: the mean over those members that did not see the pattern; NaN
        where every member saw it.
    unseen
        `(pattern, member)`, True where the member did not see the pattern.
    history
        `step`, `loss` (training) and `held_out`, each relative to the variance of the patterns.
    stopped
        "converged", "steps" or "interrupted".
    """

    ensemble: Ensemble
    held_out_reconstruction: Float
    unseen: npt.NDArray[np.bool_]
    history: dict[str, Float]
    stopped: str


@torch.inference_mode(mode=False)
@torch.enable_grad()
def train(
    coefficients: Float,
    config: Config,
    *,
    copies: Float | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train the ensemble on coefficients `(pattern, component)`.

    `copies` `(copy, pattern, component)` are the same patterns changed by what latents shall not
    depend on: the encoder is shown one of them for each pattern and has to find the original.

    Each member sees its own random part of the patterns; training stops when the members' mean
    error on what they do not see has not fallen for `config.patience` steps, and goes back to the
    best state. At first the latents are drawn to a geodesic map of the patterns, later only to
    the members' mean: so members, and fits with other seeds, agree on the map.

    Ctrl-C ends training early and keeps the best state so far.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    generator = torch.Generator().manual_seed(config.seed)
    device = find_device(config.device)
    target = as_tensor(coefficients).to(device)
    n, rank = target.shape
    power = float(target.square().sum(1).mean()) or 1.0
    ensemble = new_ensemble(
        rank,
        n_latent=config.n_latent,
        members=config.members,
        hidden=config.hidden,
        input_scale=0.5 * math.sqrt(rank / power),
        generator=generator,
    ).to(device)
    anchor = as_tensor(geodesic_embedding(coefficients, config.n_latent)).to(device)
    seen = _split(n, config, generator).to(device)
    shown = target[None] if copies is None else as_tensor(copies).to(device)
    parameters = [p.requires_grad_(True) for p in ensemble.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.learning_rate,
        total_steps=max(config.steps, 20),  # torch divides by the length of the ascent, less 1
        pct_start=0.1,
    )
    best = _Best(ensemble)
    stopped = "steps"
    bar = tqdm(
        total=config.steps,
        desc="fit",
        unit="step",
        disable=None if progress is None else not progress,
    )
    try:
        for step in range(config.steps):
            if step % EVALUATE_EVERY == 0:
                best.update(step, *_errors(ensemble, target, seen, power))
                bar.set_postfix(held_out=f"{best.held_out:.4f}", refresh=False)
                if step - best.step >= config.patience:
                    stopped = "converged"
                    break
            rows = slice(None) if n <= BATCH else torch.randint(n, (BATCH,), generator=generator)
            pull = max(0.0, 1 - step / (ANCHORED * config.steps))
            which = torch.randint(len(shown), (n,), generator=generator)[rows]
            loss = _loss(
                ensemble,
                target[rows],
                shown[which, torch.arange(n)[rows]],
                seen[:, rows],
                anchor[rows],
                config,
                pull,
                power,
                generator,
            )
            if not math.isfinite(loss.item()):
                raise TrainingError(
                    f"the loss is {loss.item()} at step {step}; lower learning_rate="
                    f"{config.learning_rate}, or look for extreme intensities in the data"
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            bar.update()
        else:
            best.update(config.steps, *_errors(ensemble, target, seen, power))
    except KeyboardInterrupt:
        stopped = "interrupted"
        warnings.warn(
            f"training was interrupted at step {step} of {config.steps}; the best state so far, "
            f"that of step {best.step}, is kept",
            stacklevel=2,
        )
    finally:
        bar.close()
    with torch.no_grad():
        target, seen = target.cpu(), seen.cpu()
        framed = _in_one_frame(best.ensemble().to(torch.device("cpu")), target)
        held_out = _held_out_reconstruction(framed, target, seen)
    return Trained(framed, held_out, seen.numpy().T == 0, best.history(), stopped)


class _Best:
    """The best state so far, and the history that leads to it."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._state = [p.detach().clone() for p in ensemble.parameters()]
        self._rows: list[tuple[int, float, float]] = []
        self.step, self.held_out = 0, math.inf

    def update(self, step: int, loss: float, held_out: float) -> None:
        self._rows.append((step, loss, held_out))
        if held_out < self.held_out:
            self.step, self.held_out = step, held_out
            self._state = [p.detach().clone() for p in self._ensemble.parameters()]

    def ensemble(self) -> Ensemble:
        return self._ensemble.with_parameters(self._state)

    def history(self) -> dict[str, Float]:
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 3)
        return {"step": table[:, 0].astype(int), "loss": table[:, 1], "held_out": table[:, 2]}


def _split(n: int, config: Config, generator: torch.Generator) -> Tensor:
    """Return `(member, pattern)`, 1 where a member sees a pattern; all do below 8 patterns.

    The parts that members do not see overlap only once every pattern is in one of them.
    """
    count = round(config.held_out * n) if n >= 8 else 0
    seen = torch.ones(config.members, n)
    rounds = -(-config.members * count // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(rounds or 1)])
    for member in range(config.members):
        seen[member, order[member * count : (member + 1) * count]] = 0
    return seen


def _loss(
    ensemble: Ensemble,
    target: Tensor,
    shown: Tensor,
    seen: Tensor,
    anchor: Tensor,
    config: Config,
    pull: float,
    power: float,
    generator: torch.Generator,
) -> Tensor:
    spread = config.input_noise * math.sqrt(power / target.shape[1])

    def white_noise(*shape: int) -> Tensor:  # the same on every device
        return torch.randn(shape, generator=generator, dtype=target.dtype).to(target.device)

    blurred = shown + spread * white_noise(ensemble.members, *target.shape)
    latent = ensemble.encode(blurred)  # (member, pattern, latent_axis)
    noise = white_noise(*latent.shape)
    decoded = ensemble.decode(latent + config.latent_noise * noise)
    error = (decoded - target).square().sum(-1) * seen  # (member, pattern)
    reconstruction = (error.sum(1) / seen.sum(1).clamp(min=1)).sum() / power
    mean = latent.mean(0)
    agreement = (latent - mean.detach()).square().sum(-1).mean(1).sum()
    anchored = pull * (latent - anchor).square().sum(-1).mean(1).sum() if pull else 0.0
    frame = mean.mean(0).square().sum() + (mean.square().mean() - 1).square()
    return reconstruction + agreement + anchored + 0.1 * ensemble.members * frame


@torch.no_grad()
def _errors(ensemble: Ensemble, target: Tensor, seen: Tensor, power: float) -> tuple[float, float]:
    """Return the root mean squared error on seen and on held-out patterns, a relative one."""
    rows = slice(None, None, max(1, target.shape[0] // BATCH))
    some, seen = target[rows], seen[:, rows]
    error = (ensemble.decode(ensemble.encode(some)) - some).square().sum(-1) / power
    loss = float((error * seen).sum() / seen.sum())
    held = 1 - seen
    held_out = float((error * held).sum() / held.sum()) if held.any() else loss
    return math.sqrt(loss), math.sqrt(held_out)


def _held_out_reconstruction(ensemble: Ensemble, target: Tensor, seen: Tensor) -> Float:
    held = (1 - seen)[:, :, None]  # (member, pattern, 1)
    total, count = torch.zeros_like(target), held.sum(0)
    for start in range(0, target.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        decoded = ensemble.decode(ensemble.encode(target[rows]))
        total[rows] = (decoded * held[:, rows]).sum(0)
    return np.asarray(torch.where(count > 0, total / count.clamp(min=1), torch.nan).numpy())


def _in_one_frame(ensemble: Ensemble, target: Tensor) -> Ensemble:
    """Bring the members' latents into one frame, fixed by the patterns.

    Generalized orthogonal Procrustes between the members (Gower, 1975,
    doi:10.1007/BF02291478), then the principal axes of their mean, largest first, each signed so
    that the basis coefficient that it follows most closely grows along it; one isotropic scale
    makes the root mean square of the latents one.
    """
    sample = target[:: max(1, target.shape[0] // BATCH)]
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
    matrix = rotation @ axes / (size if size > 0 else 1.0)
    return ensemble.transform_latents(
        torch.as_tensor(matrix).float(), torch.as_tensor(shift).float()
    )
