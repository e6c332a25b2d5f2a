"""The optimizer of an ensemble, its schedule, its state, and the best parameters so far."""

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

MOMENTS = ("exp_avg", "exp_avg_sq")  # names in the state of torch's Adam


class Best:
    """Best state so far, and the history of training."""

    def __init__(self, ensemble: Ensemble, parameters: list[Tensor]) -> None:
        self._ensemble, self._current = ensemble, parameters
        self.parameters = [p.detach().clone() for p in parameters]
        self._rows: list[tuple[int, float, float]] = []
        self.step, self.held_out = 0, math.inf

    def update(self, step: int, loss: float, held_out: float) -> None:
        """Record a step, and keep its state if the held-out error is the lowest so far."""
        if held_out < self.held_out:
            self.parameters = [p.detach().clone() for p in self._current]
        self._record(step, loss, held_out)

    def restore(self, rows: Float, parameters: list[Tensor]) -> None:
        """Restore a history, as `rows` returns it, and its best parameters."""
        for step, loss, held_out in rows:
            self._record(int(step), float(loss), float(held_out))
        self.parameters = parameters

    def _record(self, step: int, loss: float, held_out: float) -> None:
        self._rows.append((step, loss, held_out))
        if held_out < self.held_out:
            self.step, self.held_out = step, held_out

    def make_ensemble(self) -> Ensemble:
        """Return the ensemble in the best state."""
        return self._ensemble.with_parameters(self.parameters)

    def make_table(self) -> Float:
        """Return `(row, [step, loss, held_out])` of all recorded steps."""
        return np.array(self._rows, dtype=np.float64).reshape(-1, 3)

    def make_history(self) -> dict[str, Float]:
        """Return `step`, `loss` and `held_out` of all recorded steps."""
        table = self.make_table()
        return {"step": table[:, 0].astype(int), "loss": table[:, 1], "held_out": table[:, 2]}


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """State of an optimization at the beginning of a step.

    Attributes
    ----------
    parameters, best, first_moment, second_moment
        `(value,)`, float32: the present and the best parameters of all members, and the
        optimizer's moments.
    history
        `(row, [step, loss, held_out])`.
    generator
        `(byte,)`, uint8, the state of the random numbers.
    step
        Number of the next step.
    """

    parameters: Float
    best: Float
    first_moment: Float
    second_moment: Float
    history: Float
    generator: Float
    step: int


class Optimization:
    """Optimization of the parameters of an ensemble.

    Parameters
    ----------
    ensemble
        The ensemble, on the device where it is trained.
    config
        See `Config`.
    generator
        Generator of all random numbers.
    """

    def __init__(self, ensemble: Ensemble, config: Config, generator: torch.Generator) -> None:
        self._parameters = [p.detach().requires_grad_(True) for p in ensemble.parameters()]
        self.ensemble, self.generator = ensemble.with_parameters(self._parameters), generator
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=config.learning_rate, betas=(0.9, 0.99), fused=True
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=config.learning_rate,
            total_steps=max(config.steps, 20),  # torch divides by the length of the warm-up less 1
            pct_start=0.1,
        )
        self.best = Best(self.ensemble, self._parameters)
        self.step = 0

    def descend(self, loss: Tensor) -> None:
        """Take one step of gradient descent on a loss."""
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        self.step += 1

    def copy_state(self) -> State:
        """Return the state for `restore`, as a copy that later steps do not change."""
        known = self._optimizer.state
        first, second = (
            [known[p][name] if p in known else torch.zeros_like(p) for p in self._parameters]
            for name in MOMENTS
        )
        return State(
            parameters=_join_values(self._parameters),
            best=_join_values(self.best.parameters),
            first_moment=_join_values(first),
            second_moment=_join_values(second),
            history=self.best.make_table(),
            generator=self.generator.get_state().numpy().copy(),
            step=self.step,
        )

    def restore(self, state: State) -> None:
        """Restore the state of an optimization with the same settings."""
        self.step = state.step
        self.generator.set_state(torch.from_numpy(state.generator.astype(np.uint8)))
        self.best.restore(state.history, self._split_values(state.best))
        with torch.no_grad():
            for own, given in zip(
                self._parameters, self._split_values(state.parameters), strict=True
            ):
                own.copy_(given)
        if not state.step:
            return
        moments = (self._split_values(state.first_moment), self._split_values(state.second_moment))
        states = [
            {"step": torch.tensor(float(state.step)), **dict(zip(MOMENTS, pair, strict=True))}
            for pair in zip(*moments, strict=True)
        ]
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": dict(enumerate(states)), "param_groups": groups})
        before = {"last_epoch": state.step - 1, "_step_count": max(state.step, 2)}
        self._schedule.load_state_dict(self._schedule.state_dict() | before)
        self._schedule.step()  # sets rate and momentum from the number of the step

    def _split_values(self, values: Float) -> list[Tensor]:
        """Split a flat array into tensors with the shapes of the parameters."""
        sizes = [p.numel() for p in self._parameters]
        parts = torch.split(torch.from_numpy(values.astype(np.float32)), sizes)
        return [
            part.view(p.shape).to(p.device, copy=True)
            for part, p in zip(parts, self._parameters, strict=True)
        ]


def _join_values(tensors: list[Tensor]) -> Float:
    return np.asarray(torch.cat([t.detach().flatten() for t in tensors]).cpu().numpy())
