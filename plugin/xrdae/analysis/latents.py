"""Compute model input, latents and reconstructions of labelled patterns with a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import SCALE_NAME, describe_results, find_scale
from xrdae.convention.patterns import Patterns
from xrdae.preprocessing.empty_patterns import warn_about_empty_patterns


def find_model_input(kernel: Any, patterns: Patterns, n_channel: int) -> xr.DataArray:
    """Return model input `(..., channel)` of patterns; see `Model.model_input`."""
    array = patterns.intensity
    inputs, scale = apply_kernel(
        kernel,
        array,
        outputs=[("channel",), ()],
        sizes={"channel": n_channel},
        dtypes=[np.float32, np.float64],
    )
    warn_about_empty_patterns(scale, patterns)
    name = "xrdae_inputs"  # no label has this name
    scale.attrs["long_name"] = SCALE_NAME
    return attach_coords(array, {name: inputs}, {"scale": scale})[name].rename("inputs")


def find_latents(
    kernel: Any, patterns: Patterns, inputs: xr.DataArray | None, n_latent: int
) -> xr.Dataset:
    """Return latents of patterns, or of their model input; see `Model.encode`."""
    array = patterns.choose_inputs(inputs)
    latent, std, error, novelty = apply_kernel(
        kernel,
        array,
        outputs=[("latent_axis",), ("latent_axis",), (), ()],
        sizes={"latent_axis": n_latent},
        dtypes=[np.float32] * 4,
    )
    warn_about_empty_patterns(latent.isel(latent_axis=0), patterns)
    results = {
        "latent": latent,
        "latent_std": std,
        "reconstruction_error": error,
        "novelty": novelty,
    }
    return attach_coords(array, describe_results(results), {"latent_axis": np.arange(n_latent)})


def find_reconstruction(kernel: Any, patterns: Patterns, inputs: xr.DataArray | None) -> xr.Dataset:
    """Return the reconstruction of patterns, or of their model input; see `Model.reconstruct`."""
    array = patterns.choose_inputs(inputs)
    out, scale = apply_kernel(
        kernel,
        array,
        outputs=[(patterns.dim,), ()],
        sizes={patterns.dim: patterns.axis.values.size},
        dtypes=[np.float32] * 2,
    )
    warn_about_empty_patterns(scale, patterns)
    units = patterns.intensity.attrs.get("units", "1")
    if inputs is not None:
        given = find_scale(inputs)
        units = "1" if given is None else units
        out = out if given is None else out * given.variable
    return attach_coords(
        array,
        describe_results({"reconstruction": out}, units),
        {patterns.dim: patterns.intensity[patterns.dim].variable},
    )
