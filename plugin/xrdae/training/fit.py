"""Fit a model step by step: training set, preparation, basis, ensemble, support."""

from __future__ import annotations

import math
import os
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.basis import Basis, find_basis
from xrdae.autoencoder.fitted import Fitted
from xrdae.autoencoder.novelty import find_support
from xrdae.autoencoder.reference_patterns import choose_reference
from xrdae.autoencoder.weights import Weights
from xrdae.config import AUTO, Config
from xrdae.convention.axes import Axis
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.patterns import Patterns
from xrdae.convention.regridding import find_sampling, make_regridder
from xrdae.errors import DataError, warn
from xrdae.preprocessing.alignment import measure_peak_width
from xrdae.preprocessing.preparation import Preparation, find_preparation
from xrdae.preprocessing.subsets import choose_evenly
from xrdae.provenance import record_fit
from xrdae.training.augmentation import COPIES, augment_patterns, is_augmented
from xrdae.training.checkpoint import make_checkpoint
from xrdae.training.dimension import FEWEST, find_dimension
from xrdae.training.predictability import find_weights
from xrdae.training.training_loop import Trained
from xrdae.training.training_set import load_training_set, locate_patterns
from xrdae.training.weighted_training import train_weighted


def fit_patterns(
    patterns: Patterns,
    config: Config,
    *,
    progress: bool | None,
    checkpoint: str | os.PathLike[str] | None,
) -> Fitted:
    """Fit preparation, basis and ensemble to patterns; see `Model.fit`."""
    intensity, labels, at = load_training_set(
        patterns,
        most=config.most_patterns,
        seed=config.seed,
        progress=progress,
        scale=config.scale,
    )
    origin = record_fit(patterns, intensity, labels, device=config.device)
    check_settings(config, patterns.axis)
    axis = patterns.axis.make_grid(config.grid, config.points)
    preparation, inputs, scale = find_preparation(
        make_regridder(patterns.axis, axis, "cubic")(intensity),
        axis,
        scale=config.scale,
        scale_regions=config.scale_regions,
        data_axis=patterns.axis,
        transform=config.transform,
        sampling=find_sampling(patterns.axis, axis),
        background=config.background,
        background_options=config.background_options,
        named=locate_patterns(patterns, at),
    )
    basis = find_basis(inputs, config.rank, rounding=preparation.rounding)
    check_n_latent(config.n_latent, basis, len(inputs))
    inputs = basis.fill(inputs)
    coefficients = basis.project(inputs)
    copies = make_augmented_copies(inputs, preparation, basis, config)
    weights = find_weights(coefficients)
    if config.n_latent == AUTO:
        config, origin["n_latent"] = choose_n_latent(config, weights, coefficients)
    kept_in = make_checkpoint(checkpoint, config, origin)
    trained = train_weighted(
        coefficients, weights, config, copies=copies, checkpoint=kept_in, progress=progress
    )
    autoencoder = Autoencoder(preparation, basis, trained.ensemble)
    latents = autoencoder.encode_coefficients(coefficients).mean(axis=0)
    error = find_held_out_error(autoencoder, inputs, coefficients, trained.held_out_reconstruction)
    support = find_support(
        autoencoder,
        inputs,
        rank=config.rank,
        latents=latents,
        error=error,
        coefficients=coefficients,
        scale=scale,
        unseen=trained.unseen,
    )
    known = xr.Dataset({"latent": (("pattern", "latent_axis"), latents), **labels})
    kept = choose_evenly(len(inputs), len(support.latents))
    reference = choose_reference(inputs, kept)
    history = make_history(trained)
    return Fitted(config, autoencoder, support, known, history, origin, weights, reference)


def check_settings(config: Config, axis: Axis) -> None:
    """Refuse settings of diffraction for patterns along another kind of axis."""
    if axis.kind == OTHER and config.strain:
        raise DataError(
            f"strain={config.strain} is a change of the lattice, but the axis {axis.title} is not "
            "a diffraction axis; set strain=0 (zero_shift shifts patterns along any axis)"
        )


def choose_n_latent(
    config: Config, weights: Weights, coefficients: npt.NDArray[np.float32]
) -> tuple[Config, dict[str, Any]]:
    """Return the settings with the number of latent axes for "auto", and a record for provenance.

    The number is the dimension, rounded up, of the coefficients `(pattern, component)`, weighted as
    in the map and by what neighbours predict of them.
    """
    found = find_dimension(weights.weigh_predicted(coefficients))
    n_latent = found.choose_n_latent(find_most_latents(coefficients.shape[1], len(coefficients)))
    if not found.is_known:
        warn(
            f"{found.n_pattern} different patterns are too few to choose the number of latent axes "
            f"(n_latent='auto' needs {FEWEST}); the model has {n_latent}"
        )
    dimension = round(found.value, 4) if math.isfinite(found.value) else None
    record = {"asked": AUTO, "dimension": dimension, "patterns": found.n_pattern}
    return attrs.evolve(config, n_latent=n_latent), record


def find_most_latents(n_component: int, n_pattern: int) -> int:
    """Return the largest number of latent axes that so many components and patterns support."""
    return max(2, min(n_component, n_pattern - 1))


def check_n_latent(n_latent: int | str, basis: Basis, n_pattern: int) -> None:
    """Refuse more latent axes than the training patterns have directions."""
    most = find_most_latents(len(basis.components), n_pattern)
    if isinstance(n_latent, int) and n_latent > most:
        raise DataError(
            f"n_latent={n_latent} is more than the data support: the {n_pattern} training patterns "
            f"differ in {len(basis.components)} directions (components of the basis, at most "
            f"rank=); choose n_latent of at most {most}"
        )


def find_held_out_error(
    autoencoder: Autoencoder,
    inputs: npt.NDArray[np.float32],
    coefficients: npt.NDArray[np.float32],
    decoded: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """Return the held-out error `(pattern,)`; NaN where all members saw the pattern.

    With fewer than 8 patterns, none is held out, and all members give the error.
    """
    error = autoencoder.find_error(inputs, coefficients, decoded)
    if np.isnan(error).all():
        latents = autoencoder.encode_coefficients(coefficients).mean(axis=0)
        error = autoencoder.find_error(
            inputs, coefficients, autoencoder.decode_coefficients(latents).mean(axis=0)
        )
    return error


def make_history(trained: Trained) -> xr.Dataset:
    """Return `loss` and `held_out` along `step`, and the reason why training stopped."""
    return xr.Dataset(
        {name: ("step", trained.history[name]) for name in ("loss", "held_out")},
        coords={"step": trained.history["step"]},
        attrs={"stopped": trained.stopped},
    )


def make_augmented_copies(
    inputs: npt.NDArray[np.float32], preparation: Preparation, basis: Basis, config: Config
) -> npt.NDArray[np.float32] | None:
    """Return coefficients `(copy, pattern, component)` of the patterns and of augmented copies.

    Return None if the settings ask for no augmentation.
    """
    if not is_augmented(config):
        return None
    patterns = preparation.transform.undo(preparation.restore_scale(inputs))
    width = measure_peak_width(patterns)
    rng = np.random.default_rng(config.seed)
    copies = [basis.project(inputs)]
    for _ in range(COPIES):
        some = augment_patterns(patterns, preparation.axis, config, width=width, rng=rng)
        copies.append(basis.project(preparation.scale_and_center(some)[0]))
    return np.stack(copies)
