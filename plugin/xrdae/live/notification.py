"""The eyes on what arrives: latents, relevance and novelty of it, alerts, and drift."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import plugins
from xrdae.preprocessing.empty_patterns import silence_empty_warnings

if TYPE_CHECKING:
    from xrdae.model import Model
    from xrdae.preprocessing.peaks import Regions

RECENT = 20  # patterns; of the model's own kind one of them is novel
TOO_MANY = RECENT // 2  # of which novel: one chance in a hundred million


class Observer:
    """Encodes arriving patterns, notifies plugins, and detects that the data leave the model.

    Parameters
    ----------
    model
        A fitted model.
    threshold
        Novelty above which a pattern is `novel`.
    regions, fill
        See `Model.relevance`; by default those of `xrdae.analyze`.
    """

    def __init__(
        self,
        model: Model,
        *,
        threshold: float = 1.0,
        regions: Regions = "peaks",
        fill: str | None = None,
    ) -> None:
        self.model = model
        self.threshold = threshold
        self._options: dict[str, Any] = {"regions": regions, "fill": fill}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._drifting = False

    def results(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return what `xrdae.analyze` attaches, and `novel (...)`, True above the threshold.

        A pattern without usable intensity has NaN latents and is not novel.
        """
        with silence_empty_warnings():
            found = plugins.latents_and_relevance(dataset, self.model, **self._options)
            result: xr.Dataset = found.compute()
        attrs = {"long_name": f"novelty above {self.threshold:g}"}
        return result.assign(novel=(result["novelty"] > self.threshold).assign_attrs(attrs))

    def announce(self, result: xr.Dataset) -> None:
        """Tell every plugin that has the hook `xrdae_on_result`; a failing one warns."""
        plugins.on_result(result)

    def check_drift(self, novel: npt.NDArray[np.bool_]) -> str | None:
        """Return a message with advice if novelty stays high; otherwise None.

        It stays high when half of the last twenty patterns are novel, where one in twenty is
        usual. The message comes again only after novelty was usual in between.

        Parameters
        ----------
        novel
            `(pattern,)`, of the patterns that came next.
        """
        message = None
        for value in novel:
            self._recent.append(bool(value))
            count = sum(self._recent)
            if self._drifting and count <= TOO_MANY // 2:
                self._drifting = False
            elif not self._drifting and count >= TOO_MANY:
                self._drifting = True
                message = (
                    f"{count} of the last {len(self._recent)} patterns are novel, where one in "
                    f"{RECENT} is usual: the model no longer fits what is measured; teach it what "
                    "is new: xrdae fit DATA --update MODEL -o NEW_MODEL"
                )
        return message
