"""The best state of an ensemble in training, and the history that leads to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from xrdae.autoencoder.ensemble import Ensemble

Float = npt.NDArray[Any]


class Best:
    """The best state so far, and the history that leads to it."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self.parameters = [p.detach().clone() for p in ensemble.parameters()]
        self._rows: list[tuple[int, float, float]] = []
        self.step, self.held_out = 0, math.inf

    def update(self, step: int, loss: float, held_out: float) -> None:
        """Look at the state of a step: keep it if its held-out error is the lowest so far."""
        if held_out < self.held_out:
            self.parameters = [p.detach().clone() for p in self._ensemble.parameters()]
        self._count(step, loss, held_out)

    def restore(self, rows: Float, parameters: list[Tensor]) -> None:
        """Go back to a history, as `rows` gives it, and to the best parameters in it."""
        for step, loss, held_out in rows:
            self._count(int(step), float(loss), float(held_out))
        self.parameters = parameters

    def _count(self, step: int, loss: float, held_out: float) -> None:
        self._rows.append((step, loss, held_out))
        if held_out < self.held_out:
            self.step, self.held_out = step, held_out

    def ensemble(self) -> Ensemble:
        """Return the ensemble in that state."""
        return self._ensemble.with_parameters(self.parameters)

    def rows(self) -> Float:
        """Return `(row, [step, loss, held_out])` of all steps that were looked at."""
        return np.array(self._rows, dtype=np.float64).reshape(-1, 3)

    def history(self) -> dict[str, Float]:
        """Return `step`, `loss` and `held_out` of all steps that were looked at."""
        table = self.rows()
        return {"step": table[:, 0].astype(int), "loss": table[:, 1], "held_out": table[:, 2]}
