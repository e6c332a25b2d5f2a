"""Training of the ensemble on basis coefficients, from the start or from an earlier model."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xrdae.autoencoder.ensemble import Ensemble, as_tensor
from xrdae.compute.device import ERRORS, find_device, is_out_of_memory
from xrdae.config import Config
from xrdae.errors import DataError, TrainingError, warn
from xrdae.preprocessing.sampling import choose_evenly
from xrdae.training.checkpoint import Checkpoint
from xrdae.training.initialization import Start, start_from_model, start_from_scratch
from xrdae.training.latent_frame import align_members, align_to_latents
from xrdae.training.loss import BATCH, Task, compute_errors, compute_loss, reconstruct_held_out
from xrdae.training.optimizer import Optimization, State

Float = npt.NDArray[Any]

EVALUATE_EVERY = 10
COMPARED = 64  # patterns whose coefficients a checkpoint holds
PROCESSOR = torch.device("cpu")
STOPPED = ("", "converged", "steps")  # by its number in a checkpoint; the first one goes on


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
    start: Start | None = None,
    checkpoint: Checkpoint | None = None,
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

    A `checkpoint` holds the state every few seconds, and at the end; where it holds one already,
    training goes on from there. Ctrl-C ends training early and keeps the best state so far. Where
    the memory of a GPU runs out, the processor goes on.

    Raises
    ------
    DataError, FormatError
        If the checkpoint is that of another training, or damaged.
    MemoryError
        If the processor's memory runs out.
    TrainingError
        If the loss is not finite.
    """
    device = find_device(config.device)
    training = Training(coefficients, config, copies, start, checkpoint)
    try:
        training.run(device, progress)
    except ERRORS as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
        if device == PROCESSOR:
            raise MemoryError(f"memory has run out in training ({reason}); free some") from error
    else:
        return training.make_result()
    warn(f"memory of {device} has run out ({reason}); the processor trains")
    training.run(PROCESSOR, progress)
    return training.make_result()


class Training:
    """A training under optimization, on one device or, after that has failed, on another.

    Parameters
    ----------
    coefficients, config, copies, start, checkpoint
        See `train`.
    """

    def __init__(
        self,
        coefficients: Float,
        config: Config,
        copies: Float | None,
        start: Start | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        generator = torch.Generator().manual_seed(config.seed)
        target = as_tensor(coefficients)
        n = len(target)
        power = float(target.square().sum(1).mean()) or 1.0
        self._ensemble, anchor, seen = (
            start_from_scratch(coefficients, config, power, generator)
            if start is None
            else start_from_model(start, n, config, generator)
        )
        known = None if start is None else (torch.arange(n) < len(start.unseen)).float()
        shown = target[None] if copies is None else as_tensor(copies)
        self._task = Task(target, shown, seen, anchor, known, power)
        self._config, self._start, self._checkpoint = config, start, checkpoint
        self._stopped = ""
        self._optimization = Optimization(self._ensemble, config, generator)
        self._last = self._optimization.copy_state()
        found = checkpoint.read(self._collect_arrays()) if checkpoint is not None else None
        if found is not None:
            self._restore(found)

    def run(self, device: torch.device, progress: bool | None) -> str:
        """Train on a device until there is a reason to stop, and return it."""
        steps = self._config.steps
        task = self._task.to(device)
        optimization = Optimization(self._ensemble.to(device), self._config, torch.Generator())
        optimization.restore(self._last)
        self._optimization = optimization
        if self._stopped:
            return self._stopped
        disable = None if progress is None else not progress
        bar = tqdm(total=steps, initial=optimization.step, desc="fit", unit="step", disable=disable)
        try:
            self._stopped = self._run_steps(task, optimization, bar)
            self._last = optimization.copy_state()
        except KeyboardInterrupt:
            goes_on = "" if self._checkpoint is None else f"; {self._checkpoint.path} goes on"
            warn(
                f"training was interrupted at step {optimization.step} of {steps}; the best "
                f"state so far, that of step {optimization.best.step}, is kept{goes_on}"
            )
            return "interrupted"
        finally:
            bar.close()
            self._write_checkpoint(now=True)
        return self._stopped

    def _run_steps(self, task: Task, optimization: Optimization, bar: Any) -> str:
        config, best = self._config, optimization.best
        # The high rate in the middle first makes members worse that are trained already.
        settled = 0 if task.known is None else config.steps // 2
        while optimization.step < config.steps:
            if optimization.step % EVALUATE_EVERY == 0:
                self._last = optimization.copy_state()
                self._write_checkpoint()
                best.update(optimization.step, *compute_errors(optimization.ensemble, task))
                bar.set_postfix(held_out=f"{best.held_out:.4f}", refresh=False)
                if optimization.step - max(best.step, settled) >= config.patience:
                    return "converged"
            loss = compute_loss(
                optimization.ensemble, task, config, optimization.step, optimization.generator
            )
            if not math.isfinite(loss.item()):
                raise TrainingError(
                    f"the loss is {loss.item()} at step {optimization.step}; lower learning_rate="
                    f"{config.learning_rate}, or look for extreme intensities in the data"
                )
            optimization.descend(loss)
            bar.update()
        best.update(config.steps, *compute_errors(optimization.ensemble, task))
        return "steps"

    def make_result(self) -> Trained:
        """Return what the best state gives."""
        with torch.no_grad():
            target, seen = self._task.target, self._task.seen
            framed = _align_latents(
                self._optimization.best.make_ensemble().to(PROCESSOR), target, self._start
            )
            held_out = reconstruct_held_out(framed, target, seen)
        history = self._optimization.best.make_history()
        stopped = self._stopped or "interrupted"
        return Trained(framed, held_out, seen.numpy().T == 0, history, stopped)

    def _write_checkpoint(self, *, now: bool = False) -> None:
        if self._checkpoint is not None:
            self._checkpoint.write(self._collect_arrays(), now=now)

    def _collect_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the last state as a checkpoint holds it, with who sees what, and the map."""
        target = self._task.target.numpy()
        return {
            **{f.name: np.asarray(getattr(self._last, f.name)) for f in dataclasses.fields(State)},
            "seen": self._task.seen.numpy(),
            "anchor": self._task.anchor.numpy(),
            "some": target[choose_evenly(len(target), COMPARED)],
            "stopped": np.asarray(STOPPED.index(self._stopped)),
        }

    def _restore(self, found: dict[str, npt.NDArray[Any]]) -> None:
        """Go on from what a checkpoint holds."""
        some, own = found.pop("some"), self._collect_arrays()["some"]
        if not np.allclose(some, own, rtol=0, atol=1e-3 * math.sqrt(self._task.power)):
            raise DataError(
                "the basis comes out differently here than where the checkpoint was written "
                "(other libraries or another processor); go on there, or remove the checkpoint"
            )
        self._stopped = STOPPED[int(found.pop("stopped"))]
        seen, anchor = (torch.from_numpy(found.pop(name)) for name in ("seen", "anchor"))
        self._task = dataclasses.replace(self._task, seen=seen, anchor=anchor)
        self._last = State(step=int(found.pop("step")), **found)


def _align_latents(ensemble: Ensemble, target: Tensor, start: Start | None) -> Ensemble:
    """Bring the members into one frame: that of the patterns, or of what is known of them."""
    known = len(target if start is None else start.unseen)
    rows = slice(0, known, max(1, known // BATCH))
    if start is None:
        return align_members(ensemble, target[rows])
    return align_to_latents(ensemble, target[rows], start.latents[rows])
