"""Train the ensemble on basis coefficients, from the start or from an earlier model."""

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
from xrdae.preprocessing.subsets import choose_evenly
from xrdae.training.checkpoint import Checkpoint
from xrdae.training.initialization import Start, start_from_model, start_from_scratch
from xrdae.training.latent_frame import align_members, align_to_latents
from xrdae.training.loss import BATCH, Task, compute_errors, compute_loss, reconstruct_held_out
from xrdae.training.optimizer import Optimization, State

Float = npt.NDArray[Any]

EVALUATE_EVERY = 10
COMPARED = 64  # patterns whose coefficients a checkpoint holds
PROCESSOR = torch.device("cpu")
STOPPED = ("", "converged", "steps")  # by number in a checkpoint; "" is a running training


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Result of training.

    Attributes
    ----------
    ensemble
        The best members, with their latents in one frame.
    held_out_reconstruction
        `(pattern, component)`, the mean over the members that did not see the pattern; NaN
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

    `copies` `(copy, pattern, component)` are augmented patterns. The encoder gets a random copy of
    each pattern, and the ensemble reconstructs the original.

    Each member sees a random part of the patterns. Training stops when the mean error on held-out
    patterns has not decreased for `config.patience` steps, and returns to the best state. In the
    first steps, the latents are drawn to a geodesic map of the patterns, later only to the mean of
    the members. Members, and fits with other seeds, therefore agree on the map. With a `start`,
    training continues from an earlier model, whose known latents are kept until the end.

    The state is written to the `checkpoint` every few seconds and at the end. If the checkpoint
    has a state, training resumes from it. Ctrl-C ends training early and keeps the best state. If
    the memory of a GPU runs out, training continues on the processor.

    Raises
    ------
    DataError, FormatError
        If the checkpoint belongs to another training, or is damaged.
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
    """Training on one device, or on the processor after the device has run out of memory.

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
        """Train on a device, and return the reason why training stopped."""
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
        # The high learning rate in the middle makes trained members worse at first.
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
        """Return the result of the best state."""
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
        """Return the arrays of a checkpoint: the last state, the seen patterns, and the map."""
        target = self._task.target.numpy()
        return {
            **{f.name: np.asarray(getattr(self._last, f.name)) for f in dataclasses.fields(State)},
            "seen": self._task.seen.numpy(),
            "anchor": self._task.anchor.numpy(),
            "some": target[choose_evenly(len(target), COMPARED)],
            "stopped": np.asarray(STOPPED.index(self._stopped)),
        }

    def _restore(self, found: dict[str, npt.NDArray[Any]]) -> None:
        """Restore the state from the arrays of a checkpoint."""
        some, own = found.pop("some"), self._collect_arrays()["some"]
        if not np.allclose(some, own, rtol=0, atol=1e-3 * math.sqrt(self._task.power)):
            raise DataError(
                "the basis differs from that of the checkpoint, which was written with other "
                "libraries or on another processor; resume there, or remove the checkpoint"
            )
        self._stopped = STOPPED[int(found.pop("stopped"))]
        seen, anchor = (torch.from_numpy(found.pop(name)) for name in ("seen", "anchor"))
        self._task = dataclasses.replace(self._task, seen=seen, anchor=anchor)
        self._last = State(step=int(found.pop("step")), **found)


def _align_latents(ensemble: Ensemble, target: Tensor, start: Start | None) -> Ensemble:
    """Return members in one frame: that of the patterns, or of an earlier model."""
    known = len(target if start is None else start.unseen)
    rows = slice(0, known, max(1, known // BATCH))
    if start is None:
        return align_members(ensemble, target[rows])
    return align_to_latents(ensemble, target[rows], start.latents[rows])
