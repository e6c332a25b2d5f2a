"""Weights of the basis coefficients in the map, the network and the loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xrdae.autoencoder.ensemble import Ensemble

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the basis coefficients in the map, the network and the loss.

    A model keeps networks that take and give unweighted coefficients. They are trained on weighted
    ones.

    Attributes
    ----------
    values
        `(component,)`, factors of the coefficients, 0 where the network ignores a component. All
        are 1 if the variances alone weigh.
    predictability
        `(component,)`, part of the variance that the nearest patterns predict; NaN if not known.
    exponent
        How much the variances weigh: 1 alone, 0 not at all.
    """

    values: Float
    predictability: Float
    exponent: float

    @classmethod
    def equal(cls, n_component: int) -> Weights:
        """Return weights of 1, as of models of earlier formats."""
        return cls(np.ones(n_component), np.full(n_component, np.nan), 1.0)

    @property
    def are_equal(self) -> bool:
        """Whether all weights are 1."""
        return bool((self.values == 1).all())

    @property
    def places(self) -> npt.NDArray[np.intp]:
        """Components that the network uses."""
        return np.flatnonzero(self.values)

    def weigh(self, coefficients: Float) -> Float:
        """Return weighted coefficients `(..., used component)` of `(..., component)`."""
        used = coefficients[..., self.places] * self.values[self.places]
        return np.ascontiguousarray(used, dtype=np.float32)

    def weigh_predicted(self, coefficients: Float) -> Float:
        """Return the same times the predictability: noise and accidents of single samples fade.

        The predictability must be known.
        """
        return self.weigh(coefficients) * self.predictability[self.places]

    def unfold(self, ensemble: Ensemble) -> Ensemble:
        """Return networks on weighted coefficients, of networks on unweighted ones."""
        places, factors = self._as_tensors()
        (first, bias), (last, offset) = ensemble.encoder[0], ensemble.decoder[-1]
        return dataclasses.replace(
            ensemble,
            encoder=((first[:, places] / factors[:, None], bias), *ensemble.encoder[1:]),
            decoder=(
                *ensemble.decoder[:-1],
                (last[:, :, places] * factors, offset[:, :, places] * factors),
            ),
        )

    def fold(self, ensemble: Ensemble) -> Ensemble:
        """Return networks on unweighted coefficients, of networks on weighted ones.

        The components that the networks do not use are decoded to 0.
        """
        places, factors = self._as_tensors()
        (first, bias), (last, offset) = ensemble.encoder[0], ensemble.decoder[-1]
        n = self.values.size
        wide = first.new_zeros(first.shape[0], n, first.shape[2])
        wide[:, places] = first * factors[:, None]
        decoded = last.new_zeros(*last.shape[:2], n)
        decoded[:, :, places] = last / factors
        shifted = offset.new_zeros(*offset.shape[:2], n)
        shifted[:, :, places] = offset / factors
        return dataclasses.replace(
            ensemble,
            encoder=((wide, bias), *ensemble.encoder[1:]),
            decoder=(*ensemble.decoder[:-1], (decoded, shifted)),
        )

    def _as_tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            torch.from_numpy(self.places),
            torch.from_numpy(self.values[self.places].astype(np.float32)),
        )
