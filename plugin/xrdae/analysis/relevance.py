"""Relevance maps: shifts of the latent point when a region of the pattern is masked."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.ensemble import StackedEnsemble, as_tensor
from xrdae.autoencoder.fitted import Fitted
from xrdae.compute.device import find_device
from xrdae.compute.threads import Scratch, compute_by_blocks
from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import describe_results
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.preprocessing.peaks import Regions, estimate_noise, find_channels, find_regions
from xrdae.preprocessing.preparation import Source
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

FILLS = ("background", "zero", "mean")
SIGNED = 0.05  # negative values of the mean, relative to its largest, that count as noise
BLOCK = 8192  # masked patterns in a block
MASKED = 2048  # masked patterns encoded together; they fit a core's cache


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Regions of about the same width, and the change of coefficients from masking them.

    Attributes
    ----------
    regions
        `(region,)`, positions among all regions.
    columns
        `(region, width)`, their channels; short regions are padded with channels of weight 0.
    ends
        `(2, region)`, first and last channel.
    components
        `(region, width, component)`, the basis in the regions, 0 in padding.
    ramps
        `(2, region, width, component)`, the basis times a line that falls from 1 to 0, and
        times a line that rises from 0 to 1.
    """

    regions: Tensor
    columns: Tensor
    ends: Tensor
    components: Tensor
    ramps: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """Kernel that masks every region of patterns and encodes them.

    Attributes
    ----------
    autoencoder
        The fitted autoencoder.
    source
        Conversion of the patterns to model input.
    regions
        `(region, 2)`, first channel and the one after the last.
    bounds
        `(region, 2)`, start and stop in units of the data's axis.
    cover
        `(region, point)`, weights that spread relevance over the data's axis.
    fill
        Fill of masked regions; see `Model.relevance`.
    noise
        Standard deviation of the noise in a channel of model input.
    weights
        `(component,)`, factors of the coefficients that the network was trained on.
    device
        See `Config.device`.
    """

    autoencoder: Autoencoder
    source: Source
    regions: npt.NDArray[np.intp]
    bounds: Float
    cover: Float
    fill: str
    noise: float
    weights: Float
    device: str

    def __call__(self, rows: Float) -> tuple[Float, ...]:
        """Mask and encode patterns `(pattern, point)`.

        Returns
        -------
        tuple
            Latent shifts `(pattern, region, latent_axis)`; relevance, its excess and its
            significance, each `(pattern, region)`; the profile `(pattern, point)`.
        """
        size = max(1, BLOCK // len(self.regions))
        return compute_by_blocks(self._mask_rows, rows, size)

    @torch.no_grad()
    def _mask_rows(self, rows: Float) -> tuple[Float, ...]:
        inputs, _ = self.source(rows)
        coefficients, steps = self.find_steps(inputs)
        shift = self.find_shifts(coefficients, steps)
        measured = torch.from_numpy(np.isfinite(inputs)).to(coefficients.device)
        noise = self.noise * self._find_sensitivity(coefficients, measured)
        steps *= as_tensor(self.weights).to(steps.device)
        relevance, removed = (torch.linalg.vector_norm(a, dim=2) for a in (shift, steps))
        excess, significance = compare_shares(relevance, removed, noise, shift.shape[2])
        profile = relevance @ self._cover
        found = (shift, relevance, excess, significance, profile)
        return tuple(part.cpu().numpy() for part in found)

    @torch.no_grad()
    def find_steps(self, inputs: Float) -> tuple[Tensor, Tensor]:
        """Return coefficients `(pattern, component)`, and their change from masking each region.

        The change is `(pattern, region, component)`. Only the few channels of a region change, so
        this costs about one encoding of all patterns, and not one for each region. It is exact.
        Channels that were not measured are not masked.

        Parameters
        ----------
        inputs
            `(pattern, channel)`, model input, NaN where not measured.
        """
        mean, groups, components = self._arrays
        filled = as_tensor(self.autoencoder.basis.fill(inputs)).to(mean.device)
        coefficients = filled @ components
        measured = torch.from_numpy(np.isfinite(inputs)).to(mean.device).float()
        whole = bool((measured == 1).all())
        level = filled if self.fill == "mean" else filled + mean
        lost = level if whole else level * measured
        steps = filled.new_empty(len(filled), len(self.regions), components.shape[1])
        for group in groups:
            change = -torch.bmm(_select_windows(lost, group), group.components)
            if self.fill == "background":
                for end, ramp in zip(group.ends, group.ramps, strict=True):
                    if whole:
                        height = ramp.sum(1)[:, None]  # (region, 1, component)
                    else:
                        height = torch.bmm(_select_windows(measured, group), ramp)
                    change += level[:, end].T[:, :, None] * height
            steps[:, group.regions] = change.transpose(0, 1)
        return coefficients, steps

    @torch.no_grad()
    def find_shifts(self, coefficients: Tensor, steps: Tensor) -> Tensor:
        """Return the shift of the latents `(pattern, region, latent_axis)`; see `find_steps`."""
        encode, scratch = self._ensemble.encode_mean, self._scratch
        masked = (coefficients[:, None] + steps).flatten(0, 1)
        after = torch.cat([encode(some, scratch) for some in torch.split(masked, MASKED)])
        before = encode(coefficients, scratch)
        return after.view(*steps.shape[:2], -1) - before[:, None]

    def _find_sensitivity(self, coefficients: Tensor, measured: Tensor) -> Tensor:
        """Return the shift `(pattern, region)` of the latents from unit white noise in a region.

        It is the root mean square to first order: the norm of the encoder's derivative with
        respect to the channels of the region.
        """
        with torch.enable_grad():
            c = coefficients.clone().requires_grad_()
            latent = self._ensemble.encode_mean(c)
            slopes = [torch.autograd.grad(axis.sum(), c, retain_graph=True)[0] for axis in latent.T]
        _, _, components = self._arrays
        power = sum((slope @ components.T).square() for slope in slopes)
        return torch.as_tensor((power * measured) @ self._inside).sqrt()

    @functools.cached_property
    def _device(self) -> torch.device:
        return find_device(self.device)

    @functools.cached_property
    def _ensemble(self) -> StackedEnsemble:
        return StackedEnsemble(self.autoencoder.ensemble, self._device)

    @functools.cached_property
    def _arrays(self) -> tuple[Tensor, list[Group], Tensor]:
        """Return mean over gain `(channel,)`, groups, and the basis `(channel, component)`."""
        preparation, device = self.autoencoder.preparation, self._device
        mean = torch.from_numpy(preparation.whole_mean / np.float32(preparation.gain)).to(device)
        components = torch.from_numpy(self.autoencoder.basis.components.T.copy()).to(device)
        width = np.diff(self.regions, axis=1).ravel()
        size = np.ceil(np.log2(width))
        return (
            mean,
            [self._make_group(np.flatnonzero(size == k), components) for k in set(size)],
            components,
        )

    def _make_group(self, which: npt.NDArray[np.intp], components: Tensor) -> Group:
        start, stop = self.regions[which].T
        along = np.arange((stop - start).max())
        columns = start[:, None] + along
        counts = columns < stop[:, None]  # (region, width)
        rising = along / np.maximum(stop - start - 1, 1)[:, None]
        lines = np.stack([1 - rising, rising]) * counts  # (2, region, width)
        last = np.minimum(columns, stop[:, None] - 1)

        def tensor(array: Float) -> Tensor:
            return torch.from_numpy(array).to(components.device)

        basis = components[tensor(last)] * tensor(counts[:, :, None])
        ramps = basis * tensor(lines[:, :, :, None].astype(np.float32))
        ends = tensor(np.stack([start, stop - 1]))
        return Group(tensor(which), tensor(last), ends, basis, ramps)

    @functools.cached_property
    def _inside(self) -> Tensor:
        """Return `(channel, region)`, one where the channel is in the region."""
        channel = np.arange(self.autoencoder.preparation.mean.size)[:, None]
        inside = (channel >= self.regions[:, 0]) & (channel < self.regions[:, 1])
        return torch.from_numpy(inside.astype(np.float32)).to(self._device)

    @functools.cached_property
    def _cover(self) -> Tensor:
        return as_tensor(self.cover).to(self._device)

    @functools.cached_property
    def _scratch(self) -> Scratch:
        return Scratch()

    def __getstate__(self) -> dict[str, Any]:
        # The tensors are computed again in the other process, on its device.
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _select_windows(rows: Tensor, group: Group) -> Tensor:
    """Return `(region, pattern, width)` of `(pattern, channel)`."""
    columns = group.columns
    return rows[:, columns.flatten()].view(len(rows), *columns.shape).transpose(0, 1)


def compare_shares(
    relevance: Tensor, removed: Tensor, noise: Tensor, n_latent: int
) -> tuple[Tensor, Tensor]:
    """Return the excess of relevance over that of an untrained network, and its significance.

    Both compare shares, the fraction of a pattern's total relevance in a region. An untrained
    network is a random map of the weighted coefficients. On average, it moves the latent point in
    proportion to the distance that masking moves these. The difference between such maps is the
    spread of the norm of a random vector with as many entries as there are latent axes.

    Parameters
    ----------
    relevance
        `(pattern, region)`, shift of the latent point.
    removed
        `(pattern, region)`, shift of the coefficients.
    noise
        `(pattern, region)`, shift of the latent point from noise in the region.
    n_latent
        Number of latent axes.

    Returns
    -------
    tuple
        Both `(pattern, region)`. The excess is the share of relevance over the share of the shift
        of coefficients, minus one. The significance is the difference of the two shares in
        standard deviations of random maps and noise. Both are 0 if masking changes nothing.
    """
    whole, all_removed = (a.sum(1, keepdim=True).clamp(min=1e-30) for a in (relevance, removed))
    share, expected = relevance / whole, removed / all_removed
    mean = math.sqrt(2) * math.exp(math.lgamma((n_latent + 1) / 2) - math.lgamma(n_latent / 2))
    spread = torch.hypot(expected * math.sqrt(n_latent / mean**2 - 1), noise / whole)
    nothing = removed == 0
    excess = torch.where(nothing, 0, share / expected - 1)
    significance = torch.where(nothing, 0, (share - expected) / spread)
    return excess, significance


def find_cover(regions: npt.NDArray[np.intp], n_channel: int) -> Float:
    """Return weights `(region, channel)` that spread relevance over the axis.

    A channel in several regions gets their mean, and a channel in no region gets 0.
    """
    inside = np.zeros((len(regions), n_channel), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        inside[i, start:stop] = 1
    return np.asarray(inside / np.maximum(inside.sum(axis=0), 1))


def find_masking(
    fitted: Fitted, source: Source, patterns: Patterns, *, regions: Regions, fill: str
) -> Masking:
    """Return the kernel that masks the regions; see `Model.relevance`."""
    if fill not in FILLS:
        raise DataError(f"fill={fill!r} is not known; choose one of {FILLS}")
    autoencoder, support = fitted.autoencoder, fitted.support
    preparation, basis = autoencoder.preparation, autoencoder.basis
    if hasattr(regions, "magnitude"):
        raise DataError(
            f"regions={regions!r:.80} is a quantity; give numbers in {patterns.units!r}, the units "
            "of the axis"
        )
    given = regions if isinstance(regions, str) else np.asarray(regions) * patterns.factor
    mean = preparation.whole_mean
    if preparation.signed and -mean.min() > SIGNED * mean.max():
        mean = np.abs(mean - np.median(mean))  # dips are peaks too
    bounds = find_regions(mean, preparation.axis, patterns.axis, given)
    # White noise: in the residual of the basis, and, from second differences, in its components.
    some = choose_evenly(len(support.coefficients), 20)
    followed = estimate_noise(support.reconstruct_patterns(autoencoder, some)) / preparation.gain
    noise = float(np.sqrt(basis.noise + followed**2))
    axis = preparation.axis
    in_data = np.sort(axis.convert(bounds, patterns.axis.kind, patterns.axis.wavelength), axis=1)
    return Masking(
        autoencoder,
        source,
        find_channels(axis, bounds),
        in_data,
        find_cover(find_channels(patterns.axis, in_data), patterns.axis.values.size),
        fill,
        noise,
        fitted.weights.values,
        fitted.config.device,
    )


def find_relevance(masking: Masking, patterns: Patterns, inputs: xr.DataArray | None) -> xr.Dataset:
    """Return the relevance maps of patterns, or of their model input; see `Model.relevance`.

    The axis is increasing, as in `Patterns`, even if that of the dataset is not.
    """
    array, n_latent = patterns.choose_inputs(inputs), masking.autoencoder.ensemble.n_latent
    shift, relevance, excess, significance, profile = apply_kernel(
        masking,
        array,
        outputs=[("region", "latent_axis"), *[("region",)] * 3, (patterns.dim,)],
        sizes={
            "region": len(masking.regions),
            "latent_axis": n_latent,
            patterns.dim: patterns.axis.values.size,
        },
        dtypes=[np.float32] * 5,
    )
    start, stop = masking.bounds.T / patterns.factor
    edges = {"region_start": start, "region_stop": stop, "region_center": (start + stop) / 2}
    results = {
        "relevance": relevance,
        "relevance_excess": excess,
        "relevance_significance": significance,
        "latent_shift": shift,
        "relevance_profile": profile,
    }
    bounds = {name: xr.Variable("region", values) for name, values in edges.items()}
    described = describe_results({**results, **bounds}, patterns.units)
    coords: dict[Hashable, Any] = {
        patterns.dim: patterns.intensity[patterns.dim].variable,
        "latent_axis": np.arange(n_latent),
    }
    coords.update({name: described.pop(name) for name in edges})
    return attach_coords(array, described, coords)
