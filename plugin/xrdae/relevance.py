"""Relevance: how far the latent point moves when a region of the pattern is masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder import Autoencoder, encode_with
from xrdae.errors import DataError
from xrdae.labelled import apply, blocks, named
from xrdae.network import Ensemble
from xrdae.patterns import Patterns
from xrdae.peaks import Regions, channels, find_regions, noise_level
from xrdae.support import Support

Float = npt.NDArray[Any]

FILLS = ("background", "zero", "mean")
NOISE_DRAWS = 4
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


def masked_coefficients(
    autoencoder: Autoencoder, inputs: Float, regions: npt.NDArray[np.intp], fill: str
) -> tuple[Float, Float]:
    """Return basis coefficients before `(pattern, component)` and after masking.

    The latter are `(pattern, region, component)`. Masking changes them by the region's few
    channels alone, so this costs about one encoding of all patterns, not one a region; it is exact.

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
    coefficients = basis.project(filled)
    scaled = preparation.scaled(filled)
    masked = np.empty((len(filled), len(regions), coefficients.shape[1]), dtype=np.float32)
    for i, (start, stop) in enumerate(regions):
        change = mask_change(scaled, preparation.mean, (start, stop), fill)
        change = change * measured[:, start:stop]  # what is not measured cannot be masked
        step = change @ basis.components[:, start:stop].T
        masked[:, i] = coefficients + step / np.float32(preparation.gain)
    return coefficients, masked


def shifts(
    encode: Callable[[Float], Float], coefficients: Float, moved: Float
) -> npt.NDArray[np.float32]:
    """Return how far the latents move, `(member, pattern, region, latent_axis)`.

    `encode` takes coefficients `(pattern, component)` to `(member, pattern, latent_axis)`.
    """
    before = encode(coefficients)
    after = encode(moved.reshape(-1, moved.shape[2]))
    return np.asarray(after.reshape(len(after), *moved.shape[:2], -1) - before[:, :, None])


def compared(relevance: Float, null: Float, noise: Float) -> tuple[Float, ...]:
    """Return the excess of relevance over that of untrained networks, and its significance.

    Both compare shares: the part that a region has of a pattern's whole relevance.

    Parameters
    ----------
    relevance
        `(pattern, region)`.
    null
        `(network, pattern, region)`, shifts by the same masks, thus by the same removed
        energy, in untrained networks of the same shape.
    noise
        `(pattern, region)`, shifts by noise in the region.

    Returns
    -------
    tuple
        Both `(pattern, region)`: the share over the untrained networks' mean share, less one; and
        the difference of the shares in standard deviations (between untrained networks, and of
        noise).
    """
    whole = relevance.sum(axis=1, keepdims=True)
    all_null = null.sum(axis=2, keepdims=True)
    empty = (whole == 0) | (all_null == 0).any(axis=0)  # nothing to mask in any region
    share = relevance / np.where(empty, 1, whole)
    expected = null / np.where(all_null == 0, 1, all_null)
    mean = expected.mean(axis=0)
    spread = np.sqrt(expected.var(axis=0) + np.square(noise / np.where(empty, 1, whole)))
    comparable = ~empty & (mean > 0)
    excess = np.where(comparable, share / np.where(mean > 0, mean, 1) - 1, 0.0)
    known = comparable & (spread > 0)
    significance = np.where(known, (share - mean) / np.where(spread > 0, spread, 1), 0.0)
    unmeasured = np.isnan(relevance)
    return tuple(np.where(unmeasured, np.nan, values) for values in (excess, significance))


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
    support: Support,
    untrained: Ensemble,
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
    blurs = _noise_in(autoencoder, support, slices)
    rows_at_once = max(1, ROWS // len(bounds))

    def mean_latents(coefficients: Float) -> Float:
        return np.asarray(autoencoder.latents(coefficients).mean(axis=0, keepdims=True))

    def random_latents(coefficients: Float) -> Float:
        return encode_with(untrained, coefficients)

    def rows_kernel(rows: Float) -> tuple[Float, ...]:
        before, masked = masked_coefficients(autoencoder, rows, slices, fill)
        (shift,) = shifts(mean_latents, before, masked)
        relevance = np.linalg.norm(shift, axis=-1)
        null = np.linalg.norm(shifts(random_latents, before, masked), axis=-1)
        noise = [
            np.linalg.norm(shifts(mean_latents, before, before[:, None] + blur)[0], axis=-1)
            for blur in blurs
        ]
        excess, significance = compared(relevance, null, np.sqrt(np.square(noise).mean(axis=0)))
        return shift, excess.astype(np.float32), significance.astype(np.float32)

    def kernel(block: Float) -> tuple[Float, ...]:
        parts = [rows_kernel(rows) for rows in blocks(block, rows_at_once)]
        whole = (np.concatenate(part) for part in zip(*parts, strict=True))
        return tuple(np.reshape(w, (*block.shape[:-1], *w.shape[1:])) for w in whole)

    shift, excess, significance = apply(
        kernel,
        inputs,
        dim="channel",
        outputs=[("region", "latent_axis"), ("region",), ("region",)],
        sizes={"region": len(bounds), "latent_axis": autoencoder.ensemble.n_latent},
        dtypes=[np.float32] * 3,
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
            "relevance_excess": named(excess, "relevance over that in untrained networks, less 1"),
            "relevance_significance": named(
                significance, "standard deviations of relevance above that in untrained networks"
            ),
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


def _noise_in(autoencoder: Autoencoder, support: Support, regions: npt.NDArray[np.intp]) -> Float:
    """Return coefficients `(draw, region, component)` of noise in each region.

    White noise: what the basis leaves over, and, from the scatter of second differences, what it
    follows.
    """
    basis, preparation = autoencoder.basis, autoencoder.preparation
    some = np.arange(len(support.latents))[:: max(1, len(support.latents) // 20)]
    followed = noise_level(support.patterns(autoencoder, some)) / preparation.gain
    sigma = np.sqrt(basis.noise + followed**2)
    draws = np.random.default_rng(0).normal(0, sigma, (NOISE_DRAWS, basis.components.shape[1]))
    blurs = [draws[:, a:b] @ basis.components[:, a:b].T for a, b in regions]
    return np.stack(blurs, axis=1).astype(np.float32)
