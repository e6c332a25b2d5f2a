"""Relevance maps: shifts of the latent point when a region of the pattern is masked."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from xrdae.analysis.conditional import Conditional
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.ensemble import StackedEnsemble, as_tensor
from xrdae.autoencoder.fitted import Fitted
from xrdae.compute.device import find_device
from xrdae.compute.threads import Scratch, compute_by_blocks
from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import describe_results
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.preprocessing.peaks import Regions, find_channels, find_regions
from xrdae.preprocessing.preparation import Source

Float = npt.NDArray[Any]

CONDITIONAL = "conditional"
MASKS = ("background", "zero", "mean")
FILLS = (CONDITIONAL, *MASKS)
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
    cover
        `(region, point)`, weights that spread relevance over the data's axis.
    fill
        Fill of masked regions; see `Model.relevance`.
    device
        See `Config.device`.
    """

    autoencoder: Autoencoder
    source: Source
    regions: npt.NDArray[np.intp]
    cover: Float
    fill: str
    device: str

    def __call__(self, rows: Float) -> tuple[Float, ...]:
        """Mask and encode patterns `(pattern, point)`.

        Returns
        -------
        tuple
            Latent shifts `(pattern, region, latent_axis)`; relevance, their norm
            `(pattern, region)`; the profile `(pattern, point)`.
        """
        size = max(1, BLOCK // len(self.regions))
        return compute_by_blocks(self._mask_rows, rows, size)

    @torch.no_grad()
    def _mask_rows(self, rows: Float) -> tuple[Float, ...]:
        inputs, _ = self.source(rows)
        coefficients, steps = self.find_steps(inputs)
        shift = self.find_shifts(coefficients, steps)
        relevance = torch.linalg.vector_norm(shift, dim=2)
        profile = relevance @ self._cover
        return tuple(part.cpu().numpy() for part in (shift, relevance, profile))

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


@dataclasses.dataclass(frozen=True, eq=False)
class Bounds:
    """Regions of relevance.

    Attributes
    ----------
    channels
        `(region, 2)`, first channel of the model's axis and the one after the last.
    in_data
        `(region, 2)`, start and stop in the units of the kind of the data's axis.
    cover
        `(region, point)`, weights that spread relevance over the data's axis.
    """

    channels: npt.NDArray[np.intp]
    in_data: Float
    cover: Float


def find_cover(regions: npt.NDArray[np.intp], n_channel: int) -> Float:
    """Return weights `(region, channel)` that spread relevance over the axis.

    A channel in several regions gets their mean, and a channel in no region gets 0.
    """
    inside = np.zeros((len(regions), n_channel), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        inside[i, start:stop] = 1
    return np.asarray(inside / np.maximum(inside.sum(axis=0), 1))


def find_bounds(fitted: Fitted, patterns: Patterns, regions: Regions) -> Bounds:
    """Return the regions that are asked for; see `Model.relevance`."""
    preparation = fitted.autoencoder.preparation
    if hasattr(regions, "magnitude"):
        raise DataError(
            f"regions={regions!r:.80} is a quantity; give numbers in {patterns.units!r}, the units "
            "of the axis"
        )
    given = regions if isinstance(regions, str) else np.asarray(regions) * patterns.factor
    mean = preparation.whole_mean
    if preparation.signed and -mean.min() > SIGNED * mean.max():
        mean = np.abs(mean - np.median(mean))  # dips are peaks too
    axis = preparation.axis
    bounds = find_regions(mean, axis, patterns.axis, given)
    in_data = np.sort(axis.convert(bounds, patterns.axis.kind, patterns.axis.wavelength), axis=1)
    cover = find_cover(find_channels(patterns.axis, in_data), patterns.axis.values.size)
    return Bounds(find_channels(axis, bounds), in_data, cover)


def find_relevance(
    kernel: Masking | Conditional,
    bounds: Bounds,
    patterns: Patterns,
    inputs: xr.DataArray | None,
) -> xr.Dataset:
    """Return the relevance maps of patterns, or of their model input; see `Model.relevance`.

    The axis is increasing, as in `Patterns`, even if that of the dataset is not.
    """
    array, n_latent = patterns.choose_inputs(inputs), kernel.autoencoder.ensemble.n_latent
    shift, relevance, profile = apply_kernel(
        kernel,
        array,
        outputs=[("region", "latent_axis"), ("region",), (patterns.dim,)],
        sizes={
            "region": len(bounds.channels),
            "latent_axis": n_latent,
            patterns.dim: patterns.axis.values.size,
        },
        dtypes=[np.float32] * 3,
    )
    start, stop = bounds.in_data.T / patterns.factor
    edges = {"region_start": start, "region_stop": stop, "region_center": (start + stop) / 2}
    results = {"relevance": relevance, "latent_shift": shift, "relevance_profile": profile}
    variables = {name: xr.Variable("region", values) for name, values in edges.items()}
    described = describe_results({**results, **variables}, patterns.units)
    coords: dict[Hashable, Any] = {
        patterns.dim: patterns.intensity[patterns.dim].variable,
        "latent_axis": np.arange(n_latent),
    }
    coords.update({name: described.pop(name) for name in edges})
    return attach_coords(array, described, coords)
