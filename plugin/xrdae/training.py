"""Training of the ensemble on basis coefficients, from the start or from an earlier model."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xrdae.best import Best
from xrdae.config import Config
from xrdae.devices import find_device
from xrdae.embedding import geodesic_embedding
from xrdae.errors import TrainingError
from xrdae.frame import in_frame_of, in_one_frame
from xrdae.network import Ensemble, as_tensor, new_ensemble

Float = npt.NDArray[Any]

BATCH = 1024
EVALUATE_EVERY = 10
ANCHORED = 0.3  # part of the steps in which the latents are drawn to the geodesic map
KEPT = 10.0  # weight of known latents' squared displacement, against the reconstruction's error


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


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """Where training goes on from; the first of the patterns are known to it.

    Attributes
    ----------
    ensemble
        The members as they are.
    latents
        `(known, latent_axis)`, where these patterns are, and shall stay.
    unseen
        `(known, member)`, True where the member has not seen the pattern, and shall not.
    """

    ensemble: Ensemble
    latents: Float
    unseen: npt.NDArray[np.bool_]


@torch.inference_mode(mode=False)
@torch.enable_grad()
def train(
    coefficients: Float,
    config: Config,
    *,
    copies: Float | None = None,
    start: Start | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train the ensemble on coefficients `(pattern, component)`.

    `copies` `(copy, pattern, component)` are the same patterns changed by what latents shall not
    depend on: the encoder is shown one of them for each pattern and has to find the original.

    Each member sees its own random part of the patterns; training stops when the members' mean
    error on what they do not see has not fallen for `config.patience` steps, and goes back to the
    best state. At first the latents are drawn to a geodesic map of the patterns, later only to
    the members' mean: so members, and fits with other seeds, agree on the map. With a `start` the
    members go on from there, and the latents of the patterns that it knows are drawn to where
    they were until the end.

    Ctrl-C ends training early and keeps the best state so far.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    generator = torch.Generator().manual_seed(config.seed)
    device = find_device(config.device)
    target = as_tensor(coefficients).to(device)
    n = len(target)
    power = float(target.square().sum(1).mean()) or 1.0
    ensemble, anchor, seen = (
        _from_scratch(coefficients, config, power, generator)
        if start is None
        else _from_start(start, n, config, generator)
    )
    ensemble, anchor, seen = ensemble.to(device), anchor.to(device), seen.to(device)
    known = None if start is None else (torch.arange(n) < len(start.unseen)).float().to(device)
    shown = target[None] if copies is None else as_tensor(copies).to(device)
    parameters = [p.requires_grad_(True) for p in ensemble.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.learning_rate,
        total_steps=max(config.steps, 20),  # torch divides by the length of the ascent, less 1
        pct_start=0.1,
    )
    # The high rate in the middle first makes members worse that are trained already.
    settled = 0 if start is None else config.steps // 2
    best = Best(ensemble)
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
                if step - max(best.step, settled) >= config.patience:
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
                None if known is None else known[rows],
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
        framed = _framed(best.ensemble().to(torch.device("cpu")), target, start)
        held_out = held_out_reconstruction(framed, target, seen)
    return Trained(framed, held_out, seen.numpy().T == 0, best.history(), stopped)


def _from_scratch(
    coefficients: Float, config: Config, power: float, generator: torch.Generator
) -> tuple[Ensemble, Tensor, Tensor]:
    """Return an untrained ensemble, a map to begin with, and who sees which pattern."""
    n, rank = coefficients.shape
    ensemble = new_ensemble(
        rank,
        n_latent=config.n_latent,
        members=config.members,
        hidden=config.hidden,
        input_scale=0.5 * math.sqrt(rank / power),
        generator=generator,
    )
    anchor = as_tensor(geodesic_embedding(coefficients, config.n_latent))
    return ensemble, anchor, _split(n, config, generator)


def _from_start(
    start: Start, n: int, config: Config, generator: torch.Generator
) -> tuple[Ensemble, Tensor, Tensor]:
    """Return the same of an earlier model: what a member had not seen it shall not see now."""
    known = (~start.unseen).T.astype(np.float32)  # (member, known)
    new = _split(n - len(start.unseen), config, generator)
    parameters = [p.clone() for p in start.ensemble.parameters()]
    ensemble = start.ensemble.with_parameters(parameters)
    anchor = np.pad(start.latents, ((0, new.shape[1]), (0, 0)))
    return ensemble, as_tensor(anchor), torch.cat([as_tensor(known), new], dim=1)


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
    known: Tensor | None,
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
    away = (latent - anchor).square().sum(-1)  # (member, pattern)
    if known is not None:
        return reconstruction + agreement + KEPT * (away * known).mean(1).sum()
    anchored = pull * away.mean(1).sum() if pull else 0.0
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


def held_out_reconstruction(ensemble: Ensemble, target: Tensor, seen: Tensor) -> Float:
    """Return `(pattern, component)`, the mean over the members that do not see the pattern.

    NaN where all do; `seen` is `(member, pattern)`, 1 where a member sees it.
    """
    held = (1 - seen)[:, :, None]  # (member, pattern, 1)
    total, count = torch.zeros_like(target), held.sum(0)
    for start in range(0, target.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        decoded = ensemble.decode(ensemble.encode(target[rows]))
        total[rows] = (decoded * held[:, rows]).sum(0)
    return np.asarray(torch.where(count > 0, total / count.clamp(min=1), torch.nan).numpy())


def _framed(ensemble: Ensemble, target: Tensor, start: Start | None) -> Ensemble:
    """Bring the members into one frame: that of the patterns, or of what is known of them."""
    known = len(target if start is None else start.unseen)
    rows = slice(0, known, max(1, known // BATCH))
    if start is None:
        return in_one_frame(ensemble, target[rows])
    return in_frame_of(ensemble, target[rows], start.latents[rows])
