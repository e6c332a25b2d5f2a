"""From measured intensities to latents and their companions, in one pass over the data."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.autoencoder import Autoencoder
from xrdae.devices import find_device
from xrdae.labelled import flattened
from xrdae.network import Stacked, as_tensor
from xrdae.prepare import Source
from xrdae.support import Novelty, binned, neighbours
from xrdae.threads import Scratch, by_blocks

Float = npt.NDArray[Any]

BLOCK = 1024  # patterns at a time: with their intermediate results they fit the cache
BLOCK_ON_DEVICE = 16384
ROWS = 8  # products work on so many at once
SMALLEST = 1e-12  # scale whose squares float32 holds well


@dataclasses.dataclass(frozen=True, eq=False)
class Folded:
    """Preparation, basis and novelty folded into few arrays on one device.

    Attributes
    ----------
    ensemble
        The autoencoders.
    minus_mean
        `(channel,)`, added to scaled intensity.
    components
        `(channel, component)`, over the gain.
    bin_scale
        `(bin,)`, one over the gain and over the usual size of the residual in a bin.
    bin_components
        `(component, bin)`, the binned basis over that size.
    """

    ensemble: Stacked
    minus_mean: Tensor
    components: Tensor
    bin_scale: Tensor
    bin_components: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Encoder:
    """All that encoding needs, small enough to be sent to every worker.

    Attributes
    ----------
    autoencoder, novelty
        Of the model.
    source
        Of the patterns.
    device
        See `Config.device`.
    """

    autoencoder: Autoencoder
    novelty: Novelty
    source: Source
    device: str

    def __call__(self, intensity: Float) -> tuple[Float, ...]:
        """Encode patterns `(..., point)`, NaN where not measured.

        Returns
        -------
        tuple
            `latent` and `latent_std` `(..., latent_axis)`, `reconstruction_error` and `novelty`
            `(...,)`; see `Model.encode`.
        """
        on_device = self._folded.components.device.type != "cpu"
        size = BLOCK_ON_DEVICE if on_device else BLOCK
        return flattened(lambda rows: by_blocks(self._encode, rows, size), intensity)

    @torch.no_grad()
    def _encode(self, rows: Float) -> tuple[Float, ...]:
        n = len(rows)
        if n % ROWS:  # else rounding would depend on how many patterns come together
            rows = np.concatenate([rows, np.repeat(rows[-1:], -n % ROWS, axis=0)])
        x, scale, norm = self._complete(rows)
        f, gain, scratch = self._folded, self.autoencoder.preparation.gain, self._scratch
        inverse = 1 / scale
        y = scratch("centred", *x.shape, like=x)  # not yet over the gain
        torch.addcmul(f.minus_mean, x, inverse[:, None], out=y)
        coefficients = scratch("coefficients", len(x), f.components.shape[1], like=x)
        torch.mm(y, f.components, out=coefficients)
        members = f.ensemble.encode(coefficients, scratch)
        mean = members.mean(0)
        std = (members - mean).square_().mean(0).sqrt_()
        # The basis is orthonormal: what it leaves over and what the network does add up.
        whole, followed = (_power(a) for a in (y, coefficients))
        left = (whole / gain**2 - followed).clamp(min=0)
        lost = _power(coefficients - f.ensemble.decode_mean(mean, scratch))
        error = gain * (left + lost).sqrt() / (norm * inverse)
        bins = y
        for i in range(self.novelty.halvings):  # `binned`, without new memory
            half = scratch(f"bins {i}", len(x), bins.shape[1] // 2, like=x)
            bins = torch.add(*neighbours(bins), out=half)
        bins *= f.bin_scale
        bins.addmm_(coefficients, f.bin_components, alpha=-1)
        size = bins.square_().square_().mean(1).pow_(0.25)
        latent, spread, relative, residual = (
            part[:n].cpu().numpy() for part in (mean, std, error, size)
        )
        return latent, spread, relative, self.novelty(latent, relative, residual).astype(np.float32)

    def _complete(self, rows: Float) -> tuple[Tensor, Tensor, Tensor]:
        """Return intensities without gaps `(pattern, channel)`, their scales and their norms.

        A pattern that nothing can be said of has the scale NaN.
        """
        preparation, basis = self.autoencoder.preparation, self.autoencoder.basis
        if self.source.regrid is None:
            x = preparation.scaled(basis.fill(np.asarray(rows, np.float32)))
            return self._measured(x, np.ones(len(x), np.float32))
        x = preparation.without_background(self.source.regrid(rows))
        t, scale, norm = self._measured(x)
        plain = torch.isfinite(norm) & (scale > SMALLEST) & (scale < 1 / SMALLEST)
        if plain.all():
            return t, scale, norm
        # Gaps, nothing positive, or out of the range of float32 squares: prepared one by one.
        odd = ~plain.cpu().numpy()
        inputs, _ = preparation.inputs(x[odd])
        whole, size = t.cpu().numpy().copy(), scale.cpu().numpy()
        whole[odd], size[odd] = preparation.scaled(basis.fill(inputs)), 1
        return self._measured(whole, size)

    def _measured(self, x: Float, scale: Float | None = None) -> tuple[Tensor, Tensor, Tensor]:
        device = self._folded.components.device
        with np.errstate(over="ignore"):
            t = as_tensor(x).to(device)
        if scale is not None:
            size = torch.from_numpy(scale).to(device)
        else:
            size = t.amax(1) if self.autoencoder.preparation.scale == "max" else t.mean(1)
        return t, size, torch.linalg.vector_norm(t, dim=1)

    @functools.cached_property
    def _folded(self) -> Folded:
        preparation, basis = self.autoencoder.preparation, self.autoencoder.basis
        device = find_device(self.device)
        usual, gain = self.novelty.residual_scale, preparation.gain
        arrays = (
            -preparation.mean,
            basis.components.T / gain,
            1 / (gain * usual),
            binned(basis.components, self.novelty.halvings) / usual,
        )
        tensors = (torch.tensor(np.ascontiguousarray(a, np.float32)) for a in arrays)
        return Folded(Stacked(self.autoencoder.ensemble, device), *(t.to(device) for t in tensors))

    @functools.cached_property
    def _scratch(self) -> Scratch:
        return Scratch()

    def __getstate__(self) -> dict[str, Any]:
        # What is folded is made anew where it is needed, on a device that is there.
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _power(rows: Tensor) -> Tensor:
    power: Tensor = torch.linalg.vector_norm(rows, dim=1).square()
    return power
