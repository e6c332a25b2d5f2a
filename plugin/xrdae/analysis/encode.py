"""Encode intensities: latents, their standard deviation, error and novelty, in one pass."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.ensemble import StackedEnsemble, as_tensor
from xrdae.autoencoder.novelty import Novelty, bin_channels, bin_in_scratch
from xrdae.compute.device import find_device
from xrdae.compute.threads import Scratch, compute_by_blocks
from xrdae.preprocessing.preparation import Preparation, Source
from xrdae.preprocessing.scaling import STEEPEST
from xrdae.preprocessing.transforms import Transform

Float = npt.NDArray[Any]

BLOCK = 1024  # patterns in a block; with intermediate results they fit the cache
BLOCK_ON_DEVICE = 16384
ROWS = 8  # patterns that a matrix product processes together
SMALLEST = 1e-12  # least scale whose square is accurate in float32
FARTHEST = 1e8  # largest binned residual over its scale; float32 holds its fourth power


@dataclasses.dataclass(frozen=True, eq=False)
class Folded:
    """Preparation, basis and novelty, combined into few arrays on one device.

    Attributes
    ----------
    ensemble
        The autoencoders.
    minus_mean
        `(channel,)`, added to scaled intensity.
    components
        `(channel, component)`, over the gain.
    bin_scale
        `(bin,)`, one over the gain and over the residual scale of the bin.
    bin_components
        `(component, bin)`, the binned basis over the residual scale.
    """

    ensemble: StackedEnsemble
    minus_mean: Tensor
    components: Tensor
    bin_scale: Tensor
    bin_components: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Encoder:
    """Kernel that encodes patterns. It is small enough to be sent to every worker.

    Attributes
    ----------
    autoencoder, novelty
        Autoencoder and limits of novelty of the model.
    source
        Conversion of the patterns to model input.
    device
        See `Config.device`.
    """

    autoencoder: Autoencoder
    novelty: Novelty
    source: Source
    device: str

    def __call__(self, rows: Float) -> tuple[Float, ...]:
        """Encode patterns `(pattern, point)`, NaN where not measured.

        Returns
        -------
        tuple
            `latent` and `latent_std` `(pattern, latent_axis)`, `reconstruction_error` and
            `novelty` `(pattern,)`; see `Model.encode`.
        """
        on_device = self._folded.components.device.type != "cpu"
        size = BLOCK_ON_DEVICE if on_device else BLOCK
        return compute_by_blocks(self._encode, rows, size)

    @torch.no_grad()
    def _encode(self, rows: Float) -> tuple[Float, ...]:
        n = len(rows)
        if n % ROWS:  # or rounding would depend on the number of patterns
            rows = np.concatenate([rows, np.repeat(rows[-1:], -n % ROWS, axis=0)])
        f, gain, scratch = self._folded, self.autoencoder.preparation.gain, self._scratch
        y, norm = self._center(rows)
        coefficients = scratch("coefficients", len(y), f.components.shape[1], like=y)
        torch.mm(y, f.components, out=coefficients)
        members = f.ensemble.encode(coefficients, scratch)
        mean = members.mean(0)
        std = (members - mean).square_().mean(0).sqrt_()
        # The basis is orthonormal, so the squared residuals of basis and network add up.
        whole, followed = (_sum_squares(a) for a in (y, coefficients))
        left = (whole / gain**2 - followed).clamp(min=0)
        lost = _sum_squares(coefficients - f.ensemble.decode_mean(mean, scratch))
        error = gain * (left + lost).sqrt() / norm
        bins = bin_in_scratch(y, self.novelty.halvings, scratch)
        bins *= f.bin_scale
        bins.addmm_(coefficients, f.bin_components, alpha=-1)
        size = bins.clamp_(-FARTHEST, FARTHEST).square_().square_().mean(1).pow_(0.25)
        latent, spread, relative, residual = (
            part[:n].cpu().numpy() for part in (mean, std, error, size)
        )
        return latent, spread, relative, self.novelty(latent, relative, residual).astype(np.float32)

    def _center(self, rows: Float) -> tuple[Tensor, Tensor]:
        """Return centred patterns without gaps `(pattern, channel)`, and the norms of the patterns.

        Both are scaled intensities, not yet divided by the gain. Unusable patterns are NaN.
        """
        preparation, device = self.autoencoder.preparation, self._folded.components.device
        if self.source.regrid is None:
            return self._center_inputs(np.asarray(rows, np.float32))
        x = preparation.subtract_background(self.source.regrid(rows))
        with np.errstate(over="ignore"):
            t = as_tensor(x).to(device)
        size = _find_scale(t, x, preparation)
        y, inverse = self._scratch("centred", *t.shape, like=t), 1 / size
        if preparation.transform.name == "none":
            norm = torch.linalg.vector_norm(t, dim=1) * inverse
            torch.addcmul(self._folded.minus_mean, t, inverse[:, None], out=y)
        else:
            torch.mul(t, inverse[:, None], out=y)
            _transform(y, preparation.transform)
            norm = torch.linalg.vector_norm(y, dim=1)
            y += self._folded.minus_mean
        plain = torch.isfinite(norm) & (size > SMALLEST) & (size < 1 / SMALLEST) & (norm < STEEPEST)
        if preparation.delicate or not plain.all():
            # Patterns with gaps, without positive values, or beyond float32 squares: one by one.
            odd = torch.ones_like(plain) if preparation.delicate else ~plain
            inputs, _ = preparation.scale_and_center(x[odd.cpu().numpy()])
            y[odd], norm[odd] = self._center_inputs(inputs)
        return y, norm

    def _center_inputs(self, inputs: Float) -> tuple[Tensor, Tensor]:
        """Return the same of model input `(pattern, channel)`."""
        preparation, device = self.autoencoder.preparation, self._folded.components.device
        filled = self.autoencoder.basis.fill(inputs)
        norm = np.linalg.norm(preparation.restore_scale(filled), axis=1)
        y = as_tensor(filled * np.float32(preparation.gain)).to(device)
        return y, as_tensor(norm).to(device)

    @functools.cached_property
    def _folded(self) -> Folded:
        preparation, basis = self.autoencoder.preparation, self.autoencoder.basis
        device = find_device(self.device)
        usual, gain = self.novelty.residual_scale, preparation.gain
        arrays = (
            -preparation.whole_mean,
            basis.components.T / gain,
            1 / (gain * usual),
            bin_channels(basis.components, self.novelty.halvings) / usual,
        )
        tensors = (torch.tensor(np.ascontiguousarray(a, np.float32)) for a in arrays)
        return Folded(
            StackedEnsemble(self.autoencoder.ensemble, device), *(t.to(device) for t in tensors)
        )

    @functools.cached_property
    def _scratch(self) -> Scratch:
        return Scratch()

    def __getstate__(self) -> dict[str, Any]:
        # The combined arrays are computed again in the other process, on its device.
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _find_scale(rows: Tensor, patterns: Float, preparation: Preparation) -> Tensor:
    """Return the scale of each pattern, as in `scaling.scale_patterns`.

    `rows` and `patterns` `(pattern, channel)` are the same, on the device and not.
    """
    if preparation.steady is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            return as_tensor(preparation.steady.measure_scales(patterns)).to(rows)
    if preparation.scale == "max":
        return rows.amax(1)
    if preparation.scale == "area":
        return rows.mean(1)
    if preparation.scale == "std":
        return rows.std(1, correction=0)
    return rows.new_full((len(rows),), preparation.typical_scale)


def _transform(rows: Tensor, transform: Transform) -> None:
    """Transform scaled intensities in place, as in `Transform.apply`."""
    if transform.name == "sqrt":
        rows.clamp_(min=0).sqrt_()
    else:
        rows.clamp_(min=transform.floor).div_(transform.floor).log_()


def _sum_squares(rows: Tensor) -> Tensor:
    power: Tensor = torch.linalg.vector_norm(rows, dim=1).square()
    return power
