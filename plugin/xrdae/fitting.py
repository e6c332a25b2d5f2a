"""The fit, step by step: patterns, preparation, basis, training, support."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from xrdae.alignment import peak_width
from xrdae.augment import COPIES, changed, is_augmented
from xrdae.autoencoder import Autoencoder
from xrdae.basis import Basis, find_basis
from xrdae.checks import training_patterns
from xrdae.config import Config
from xrdae.patterns import find_patterns
from xrdae.prepare import Preparation, find_preparation, regridder
from xrdae.support import find_support
from xrdae.training import train


def find_parts(dataset: xr.Dataset, config: Config, *, progress: bool | None) -> dict[str, Any]:
    """Return a model's parts, by the names of its attributes; see `Model.fit`."""
    patterns = find_patterns(dataset, variable=config.variable, dim=config.dim)
    intensity, labels = training_patterns(
        patterns, most=config.most_patterns, seed=config.seed, progress=progress
    )
    axis = patterns.axis.grid(config.grid, config.points)
    preparation, inputs, scale = find_preparation(
        regridder(patterns.axis, axis)(intensity),
        axis,
        scale=config.scale,
        background=config.background,
        background_options=config.background_options,
    )
    basis = find_basis(inputs, config.rank)
    inputs = basis.fill(inputs)
    coefficients = basis.project(inputs)
    copies = _copies(inputs, preparation, basis, config) if is_augmented(config) else None
    trained = train(coefficients, config, copies=copies, progress=progress)
    autoencoder = Autoencoder(preparation, basis, trained.ensemble)
    latents = autoencoder.latents(coefficients).mean(axis=0)
    error = autoencoder.error(inputs, coefficients, trained.held_out_reconstruction)
    if np.isnan(error).all():  # fewer than 8 patterns: none was held out
        decoded = autoencoder.decoded(latents).mean(axis=0)
        error = autoencoder.error(inputs, coefficients, decoded)
    history = xr.Dataset(
        {name: ("step", trained.history[name]) for name in ("loss", "held_out")},
        coords={"step": trained.history["step"]},
        attrs={"stopped": trained.stopped},
    )
    return {
        "config": config,
        "autoencoder": autoencoder,
        "support": find_support(
            autoencoder,
            inputs,
            rank=config.rank,
            latents=latents,
            error=error,
            coefficients=coefficients,
            scale=scale,
            unseen=trained.unseen,
        ),
        "labels": xr.Dataset({"latent": (("pattern", "latent_axis"), latents), **labels}),
        "history": history,
        "provenance": _provenance(),
    }


def _copies(
    inputs: npt.NDArray[np.float32], preparation: Preparation, basis: Basis, config: Config
) -> npt.NDArray[np.float32]:
    """Return coefficients `(copy, pattern, component)` of the patterns and of changed ones."""
    patterns = preparation.scaled(inputs)
    width = peak_width(patterns)
    rng = np.random.default_rng(config.seed)
    copies = [basis.project(inputs)]
    for _ in range(COPIES):
        some = changed(patterns, preparation.axis, config, width=width, rng=rng)
        copies.append(basis.project(preparation.inputs(some)[0]))
    return np.stack(copies)


def _provenance() -> dict[str, Any]:
    return {
        "xrdae": version("xrdae"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "xarray": xr.__version__,
        "python": platform.python_version(),
    }
