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

MOMENTS = ("exp_avg", "exp_avg_sq")  # as torch's Adam calls them


class Best:
    """The best state so far, and the history that leads to it."""

    def __init__(self, ensemble: Ensemble, parameters: list[Tensor]) -> None:
        self._ensemble, self._current = ensemble, parameters
        self.parameters = [p.detach().clone() for p in parameters]
        self._rows: list[tuple[int, float, float]] = []
        self.step, self.held_out = 0, math.inf

    def update(self, step: int, loss: float, held_out: float) -> None:
        """Look at the state of a step: keep it if its held-out error is the lowest so far."""
        if held_out < self.held_out:
            self.parameters = [p.detach().clone() for p in self._current]
        self._record(step, loss, held_out)

    def restore(self, rows: Float, parameters: list[Tensor]) -> None:
        """Go back to a history, as `rows` gives it, and to the best parameters in it."""
        for step, loss, held_out in rows:
            self._record(int(step), float(loss), float(held_out))
        self.parameters = parameters

    def _record(self, step: int, loss: float, held_out: float) -> None:
        self._rows.append((step, loss, held_out))
        if held_out < self.held_out:
            self.step, self.held_out = step, held_out

    def make_ensemble(self) -> Ensemble:
        """Return the ensemble in that state."""
        return self._ensemble.with_parameters(self.parameters)

    def make_table(self) -> Float:
        """Return `(row, [step, loss, held_out])` of all steps that were looked at."""
        return np.array(self._rows, dtype=np.float64).reshape(-1, 3)

    def make_history(self) -> dict[str, Float]:
        """Return `step`, `loss` and `held_out` of all steps that were looked at."""
        table = self.make_table()
        return {"step": table[:, 0].astype(int), "loss": table[:, 1], "held_out": table[:, 2]}


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """All that an optimization goes on from, at the beginning of a step.

    Attributes
    ----------
    parameters, best, first_moment, second_moment
        `(value,)`, float32: the members' parameters one after another, as they are and as they
        were best, and the optimizer's moments of them.
    history
        `(row, [step, loss, held_out])`.
    generator
        `(byte,)`, uint8, the state of the random numbers.
    step
        The step that comes next.
    """

    parameters: Float
    best: Float
    first_moment: Float
    second_moment: Float
    history: Float
    generator: Float
    step: int


class Optimization:
    """Parameters of an ensemble under way to better ones.

    Parameters
    ----------
    ensemble
        On the device where it is trained.
    config
        See `Config`.
    generator
        Of all random numbers from here on.
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
            total_steps=max(config.steps, 20),  # torch divides by the length of the ascent, less 1
            pct_start=0.1,
        )
        self.best = Best(self.ensemble, self._parameters)
        self.step = 0

    def descend(self, loss: Tensor) -> None:
        """Take the next step, down the slope of a loss."""
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        self.step += 1

    def copy_state(self) -> State:
        """Return all that `restore` needs; it does not change with further steps."""
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
        """Go on from a state, which one of the same settings has been in."""
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
        self._schedule.step()  # rate and momentum follow from the number of the step

    def _split_values(self, values: Float) -> list[Tensor]:
        """Return values one after another as tensors like the parameters."""
        sizes = [p.numel() for p in self._parameters]
        parts = torch.split(torch.from_numpy(values.astype(np.float32)), sizes)
        return [
            part.view(p.shape).to(p.device, copy=True)
            for part, p in zip(parts, self._parameters, strict=True)
        ]


def _join_values(tensors: list[Tensor]) -> Float:
    return np.asarray(torch.cat([t.detach().flatten() for t in tensors]).cpu().numpy())
