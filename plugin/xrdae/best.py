"""The best state of an ensemble in training, and the history that leads to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.network import Ensemble

Float = npt.NDArray[Any]


class Best:
    """The best state so far, and the history that leads to it."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._state = [p.detach().clone() for p in ensemble.parameters()]
        self._rows: list[tuple[int, float, float]] = []
        self.step, self.held_out = 0, math.inf

    def update(self, step: int, loss: float, held_out: float) -> None:
        """Look at the state of a step: keep it if its held-out error is the lowest so far."""
        self._rows.append((step, loss, held_out))
        if held_out < self.held_out:
            self.step, self.held_out = step, held_out
            self._state = [p.detach().clone() for p in self._ensemble.parameters()]

    def ensemble(self) -> Ensemble:
        """Return the ensemble in that state."""
        return self._ensemble.with_parameters(self._state)

    def history(self) -> dict[str, Float]:
        """Return `step`, `loss` and `held_out` of all steps that were looked at."""
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 3)
        return {"step": table[:, 0].astype(int), "loss": table[:, 1], "held_out": table[:, 2]}
