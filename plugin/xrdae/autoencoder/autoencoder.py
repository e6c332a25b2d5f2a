"""Preparation, basis and ensemble as one autoencoder on arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xrdae.autoencoder.basis import Basis
from xrdae.autoencoder.ensemble import Ensemble, as_tensor
from xrdae.preprocessing.preparation import Preparation

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Autoencoder:
    """Preparation, basis and ensemble as one autoencoder on arrays.

    Attributes
    ----------
    preparation, basis, ensemble
        The three stages.
    """

    preparation: Preparation
    basis: Basis
    ensemble: Ensemble

    @torch.no_grad()
    def encode_coefficients(self, coefficients: Float) -> Float:
        """Return latents `(member, pattern, latent_axis)` of `(pattern, component)`."""
        return np.asarray(self.ensemble.encode(as_tensor(coefficients)).numpy())

    @torch.no_grad()
    def decode_coefficients(self, latents: Float) -> Float:
        """Return coefficients `(member, pattern, component)` of `(pattern, latent_axis)`."""
        return np.asarray(self.ensemble.decode(as_tensor(latents)).numpy())

    def decode(self, latents: Float) -> Float:
        """Return scaled and transformed intensity `(member, pattern, channel)`, also below 0."""
        return self.preparation.restore_scale(self.basis.expand(self.decode_coefficients(latents)))

    def find_error(self, inputs: Float, coefficients: Float, decoded: Float) -> Float:
        """Return the relative reconstruction error `(pattern,)` of complete model input.

        The basis is orthonormal, so the squared residuals of basis and network add up.
        """
        left = (
            _sum_squares(inputs) - _sum_squares(coefficients) + _sum_squares(coefficients - decoded)
        )
        whole = _sum_squares(self.preparation.restore_scale(inputs))
        gain = self.preparation.gain
        return np.asarray(gain * np.sqrt(np.maximum(left, 0) / np.maximum(whole, 1e-30)))

    def reconstruct(self, inputs: Float) -> Float:
        """Return the reconstruction `(pattern, channel)` in scaled and transformed intensity.

        Negative only if training patterns were; NaN in channels that none of them covers.
        """
        filled = self.basis.fill(np.asarray(inputs, dtype=np.float32))
        latents = self.encode_coefficients(self.basis.project(filled)).mean(axis=0)
        decoded = self.decode_coefficients(latents).mean(axis=0)
        found = self.preparation.restore_scale(self.basis.expand(decoded))
        return self.preparation.clip_negative(self.preparation.hide_unmeasured(found))


def _sum_squares(array: Float) -> Float:
    return np.asarray(np.square(array).sum(axis=-1, dtype=np.float64))
