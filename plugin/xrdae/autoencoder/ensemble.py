"""An ensemble of small autoencoders on basis coefficients, computed as one batched network."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad, silu

from xrdae.compute.threads import Scratch

Layer = tuple[Tensor, Tensor]  # weight (member, in, out), bias (member, 1, out)


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Ensemble of autoencoders of one shape. Each layer is one `torch.baddbmm` over all members.

    Attributes
    ----------
    encoder, decoder
        Layers, with silu between them and none after the last.
    input_scale
        Factor of the coefficients before the encoder.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    input_scale: float

    @property
    def members(self) -> int:
        """Number of autoencoders."""
        return self.encoder[0][0].shape[0]

    @property
    def n_latent(self) -> int:
        """Number of latent axes."""
        return self.encoder[-1][0].shape[2]

    def encode(self, coefficients: Tensor) -> Tensor:
        """Return latents `(member, pattern, latent_axis)` of `(pattern, component)`."""
        return _run_layers(self.encoder, coefficients * self.input_scale)

    def decode(self, latent: Tensor) -> Tensor:
        """Return coefficients `(member, pattern, component)`.

        `latent` is `(pattern, latent_axis)`, the same for all members, or has a member axis.
        """
        return _run_layers(self.decoder, latent)

    def reconstruct(self, coefficients: Tensor) -> Tensor:
        """Return encoded and decoded coefficients `(member, pattern, component)`."""
        return self.decode(self.encode(coefficients))

    def reconstruct_noisy(self, coefficients: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents, and coefficients that are decoded after adding noise to the latents."""
        latent = self.encode(coefficients)
        return latent, self.decode(latent + noise)

    def to(self, device: torch.device) -> Ensemble:
        """Return the ensemble with every weight on one device."""
        return self.with_parameters([p.to(device) for p in self.parameters()])

    def parameters(self) -> list[Tensor]:
        """Return every weight and bias."""
        return [tensor for layer in (*self.encoder, *self.decoder) for tensor in layer]

    def with_parameters(self, parameters: list[Tensor]) -> Ensemble:
        """Return an ensemble with new weights, in the order of `parameters`."""
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        n = len(self.encoder)
        return Ensemble(tuple(pairs[:n]), tuple(pairs[n:]), self.input_scale)

    def transform_latents(self, matrix: Tensor, shift: Tensor) -> Ensemble:
        """Return the same autoencoders with latents `(z - shift) @ matrix`.

        The change is folded into the layers on both sides of the latents.

        Parameters
        ----------
        matrix
            `(member, latent_axis, latent_axis)`, invertible.
        shift
            `(member, 1, latent_axis)`.
        """
        weight, bias = self.encoder[-1]
        last = (weight @ matrix, (bias - shift) @ matrix)
        weight, bias = self.decoder[0]
        # `solve` returns an array in column order. Its products would be rounded differently from
        # those of the same weights read from a file.
        first = (torch.linalg.solve(matrix, weight).contiguous(), bias + shift @ weight)
        return Ensemble((*self.encoder[:-1], last), (first, *self.decoder[1:]), self.input_scale)

    def widen(self, n_component: int) -> Ensemble:
        """Return the autoencoders with more components, which they ignore and decode to 0."""
        more = n_component - self.decoder[-1][0].shape[2]
        weight, bias = self.encoder[0]
        first = (pad(weight, (0, 0, 0, more)), bias)
        weight, bias = self.decoder[-1]
        last = (pad(weight, (0, more)), pad(bias, (0, more)))
        return Ensemble((first, *self.encoder[1:]), (*self.decoder[:-1], last), self.input_scale)


def create_ensemble(
    n_component: int,
    *,
    n_latent: int,
    members: int,
    hidden: tuple[int, ...],
    input_scale: float,
    generator: torch.Generator,
) -> Ensemble:
    """Return an ensemble with random weights of variance 1/in, smaller in the last layers."""

    def layers(sizes: tuple[int, ...]) -> tuple[Layer, ...]:
        made = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            size = (0.3 if i == len(sizes) - 2 else 1.0) * n_in**-0.5
            weight = torch.randn(members, n_in, n_out, generator=generator, dtype=torch.float32)
            bias = torch.zeros(members, 1, n_out, dtype=torch.float32)
            made.append((weight * size, bias))
        return tuple(made)

    return Ensemble(
        layers((n_component, *hidden, n_latent)),
        layers((n_latent, *hidden[::-1], n_component)),
        input_scale,
    )


class StackedEnsemble:
    """Trained ensemble with the weights of all members concatenated, for speed.

    If all members take the same patterns, or if only their mean is needed, one large product
    replaces many small ones.
    """

    def __init__(self, ensemble: Ensemble, device: torch.device) -> None:
        with torch.no_grad():
            moved = ensemble.to(device)
            self.members = moved.members
            self._encoder, self._decoder = moved.encoder[1:], moved.decoder[1:-1]
            self._first = _concatenate_members(moved.encoder[0], moved.input_scale)
            self._latent = _concatenate_members(moved.decoder[0], 1.0)
            weight, bias = moved.decoder[-1]
            self._last = weight.flatten(0, 1) / self.members, bias.mean(0)

    def encode(self, coefficients: Tensor, scratch: Scratch) -> Tensor:
        """Return latents `(member, pattern, latent_axis)` of `(pattern, component)`."""
        h = self._run_hidden(self._first, self._encoder[:-1], coefficients, scratch)
        weight, bias = self._encoder[-1]
        return torch.baddbmm(bias, h, weight)

    def encode_mean(self, coefficients: Tensor, scratch: Scratch | None = None) -> Tensor:
        """Return the members' mean latents `(pattern, latent_axis)`.

        Without scratch memory the result can be differentiated.
        """
        h = self._run_hidden(self._first, self._encoder[:-1], coefficients, scratch)
        weight, bias = self._encoder[-1]
        return torch.addbmm(bias.mean(0), h, weight, alpha=1 / self.members)

    def decode_mean(self, latent: Tensor, scratch: Scratch) -> Tensor:
        """Return the members' mean `(pattern, component)` of latents `(pattern, latent_axis)`."""
        h = self._run_hidden(self._latent, self._decoder, latent, scratch)
        n, width = len(latent), h.shape[2]
        together = scratch("together", n, self.members, width, like=h)
        together.copy_(h.transpose(0, 1))
        weight, bias = self._last
        return torch.addmm(bias, together.view(n, -1), weight)

    def _run_hidden(
        self, first: Layer, layers: tuple[Layer, ...], x: Tensor, scratch: Scratch | None
    ) -> Tensor:
        """Return `(member, pattern, hidden)` after a shared first layer and further ones."""

        def out(name: str, *shape: int) -> Tensor | None:
            return scratch(name, *shape, like=x) if scratch else None

        weight, bias = first
        n = len(x)
        h = torch.addmm(bias, x, weight, out=out("first", n, weight.shape[1]))
        h = silu(h, inplace=scratch is not None)
        h = h.view(n, self.members, -1).transpose(0, 1)
        for i, (weight, bias) in enumerate(layers):
            shape = (self.members, n, weight.shape[2])
            h = torch.baddbmm(bias, h, weight, out=out(f"hidden {i}", *shape))
            h = silu(h, inplace=scratch is not None)
        return h


def _concatenate_members(layer: Layer, scale: float) -> Layer:
    """Return weight `(in, member * out)` and bias `(member * out,)` of a layer."""
    weight, bias = layer
    return (weight * scale).transpose(0, 1).flatten(1), bias.flatten()


def _run_layers(layers: tuple[Layer, ...], x: Tensor) -> Tensor:
    h = x.expand(layers[0][0].shape[0], *x.shape[-2:])  # (member, pattern, in)
    for weight, bias in layers[:-1]:
        h = silu(torch.baddbmm(bias, h, weight))  # (member, pattern, hidden)
    weight, bias = layers[-1]
    return torch.baddbmm(bias, h, weight)  # (member, pattern, out)


def as_tensor(array: npt.NDArray[Any]) -> Tensor:
    """Return a float32 tensor that shares memory with the array if possible."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
