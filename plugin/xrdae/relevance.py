"""Relevance: how far the latent point moves when a region of the pattern is masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder import Autoencoder
from xrdae.errors import DataError
from xrdae.labelled import apply, blocks, named
from xrdae.patterns import Patterns
from xrdae.peaks import Regions, channels, find_regions

Float = npt.NDArray[Any]

FILLS = ("background", "zero", "mean")
ROWS = 32768  # masked patterns that are encoded at a time


def mask_change(scaled: Float, mean: Float, region: tuple[int, int], fill: str) -> Float:
    """Return `(pattern, channel of the region)`: what masking adds to the scaled intensity.

    Parameters
    ----------
    scaled
        `(pattern, channel)`, scaled intensity; its scale stays when a region is masked.
    mean
        `(channel,)`, the training mean of it.
    region
        First channel and the one after the last.
    fill
        "background": the straight line between the region's end channels; "zero"; "mean".
    """
    start, stop = region
    inside = scaled[:, start:stop]
    if fill == "zero":
        return -inside
    if fill == "mean":
        return np.asarray(mean[start:stop] - inside)
    along = np.linspace(0, 1, stop - start, dtype=inside.dtype)
    ends = inside[:, :1], inside[:, -1:]
    return np.asarray(ends[0] + (ends[1] - ends[0]) * along - inside)


def latent_shifts(
    autoencoder: Autoencoder, inputs: Float, regions: npt.NDArray[np.intp], fill: str
) -> Float:
    """Return the shifts of the mean latent, `(pattern, region, latent_axis)`.

    Masking changes the basis coefficients by the region's few channels alone, so this costs
    about one encoding of all patterns, not one a region; it is exact.

    Parameters
    ----------
    autoencoder
        The autoencoder.
    inputs
        `(pattern, channel)`, model input, NaN where not measured.
    regions
        `(region, 2)`, first channel and the one after the last.
    fill
        See `mask_change`.
    """
    basis, preparation = autoencoder.basis, autoencoder.preparation
    measured = np.isfinite(inputs)
    filled = basis.fill(np.asarray(inputs, dtype=np.float32))
    coefficients = basis.project(filled)  # (pattern, component)
    scaled = preparation.scaled(filled)
    masked = np.empty((len(filled), len(regions), coefficients.shape[1]), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        change = mask_change(scaled, preparation.mean, (start, stop), fill)
        change = change * measured[:, start:stop]  # what is not measured cannot be masked
        step = change @ basis.components[:, start:stop].T
        masked[:, i] = coefficients + step / np.float32(preparation.gain)
    whole = autoencoder.latents(coefficients).mean(axis=0)  # (pattern, latent_axis)
    moved = autoencoder.latents(masked.reshape(-1, masked.shape[2])).mean(axis=0)
    return np.asarray(moved.reshape(*masked.shape[:2], -1) - whole[:, None])


def cover(regions: npt.NDArray[np.intp], n_channel: int) -> Float:
    """Return weights `(region, channel)` that spread relevance over the axis.

    A channel in several regions gets their mean, one in none gets zero.
    """
    inside = np.zeros((len(regions), n_channel), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        inside[i, start:stop] = 1
    return np.asarray(inside / np.maximum(inside.sum(axis=0), 1))


def relevance_maps(
    autoencoder: Autoencoder,
    patterns: Patterns,
    inputs: xr.DataArray,
    *,
    regions: Regions,
    fill: str,
) -> xr.Dataset:
    """Return the relevance maps of labelled model input; see `Model.relevance`."""
    if fill not in FILLS:
        raise DataError(f"fill={fill!r} is not known; choose one of {FILLS}")
    axis, data_axis = autoencoder.preparation.axis, patterns.axis
    given = regions if isinstance(regions, str) else np.asarray(regions) * patterns.factor
    bounds = find_regions(autoencoder.preparation.mean, axis, data_axis, given)
    slices = channels(axis, bounds)
    rows_at_once = max(1, ROWS // len(bounds))

    def kernel(block: Float) -> Float:
        parts = [
            latent_shifts(autoencoder, rows, slices, fill) for rows in blocks(block, rows_at_once)
        ]
        return np.concatenate(parts).reshape(*block.shape[:-1], len(bounds), -1)

    (shift,) = apply(
        kernel,
        inputs,
        dim="channel",
        outputs=[("region", "latent_axis")],
        sizes={"region": len(bounds), "latent_axis": autoencoder.ensemble.n_latent},
        dtypes=[np.float32],
    )
    in_data = np.sort(axis.convert(bounds, data_axis.kind, data_axis.wavelength), axis=1)
    weights = xr.DataArray(
        cover(channels(data_axis, in_data), data_axis.values.size),
        dims=("region", patterns.dim),
        coords={patterns.dim: patterns.intensity[patterns.dim]},
    )
    relevance = (shift**2).sum("latent_axis", skipna=False) ** 0.5
    profile = xr.dot(relevance, weights, dim="region")
    edges = {"start": in_data[:, 0], "stop": in_data[:, 1], "center": in_data.mean(axis=1)}
    return xr.Dataset(
        {
            "relevance": named(relevance, "shift of the latent point when masked"),
            "latent_shift": named(shift, "latents when masked less latents"),
            "relevance_profile": named(profile, "relevance along the axis"),
        },
        attrs={"xrdae_fill": fill},
    ).assign_coords(
        {
            f"region_{name}": (
                "region",
                values / patterns.factor,
                {"units": patterns.units, "long_name": f"{name} of the region"},
            )
            for name, values in edges.items()
        }
    )
