"""Update a model with further patterns. Its axis, scale and map do not change."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.basis import Basis, extend_basis
from xrdae.autoencoder.ensemble import as_tensor
from xrdae.autoencoder.fitted import Fitted
from xrdae.autoencoder.novelty import FALSE_POSITIVES, REFERENCES, extend_support
from xrdae.autoencoder.reference_patterns import update_reference
from xrdae.autoencoder.weights import Weights
from xrdae.compute.lazy_arrays import load_patterns
from xrdae.config import AUTO, Config
from xrdae.convention.names import find_scale
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.preprocessing.scaling import check_scales
from xrdae.preprocessing.subsets import Index, choose_evenly, choose_spread
from xrdae.provenance import fingerprint, record_fit, record_update
from xrdae.training.checkpoint import Checkpoint, make_checkpoint
from xrdae.training.fit import find_held_out_error, make_augmented_copies, make_history
from xrdae.training.initialization import Start
from xrdae.training.loss import reconstruct_held_out
from xrdae.training.predictability import extend_weights
from xrdae.training.training_loop import Trained
from xrdae.training.training_set import load_training_set, locate_patterns
from xrdae.training.weighted_training import train_weighted

Float = npt.NDArray[Any]

# Settings that an update may change: those of the data and of training.
FREE = (
    "variable", "dim", "most_patterns", "steps", "learning_rate", "input_noise", "latent_noise",
    "held_out", "patience", "seed", "device",
)  # fmt: skip
FEWEST = 3  # known and further patterns, for any `Config.most_patterns`
LARGEST_BASIS = 2  # times `Config.rank`


@dataclasses.dataclass(frozen=True, eq=False)
class Further:
    """Further patterns that are added to a model.

    Attributes
    ----------
    inputs
        `(pattern, channel)`, model input; NaN where not measured.
    scale
        `(pattern,)`, scales by which their intensities were divided.
    labels
        Labels by name, each `(pattern,)`.
    made
        Their provenance.
    signed
        Whether an intensity is negative.
    """

    inputs: npt.NDArray[np.float32]
    scale: Float
    labels: Mapping[str, xr.DataArray]
    made: dict[str, Any]
    signed: bool


def update_fitted(
    known_fit: Fitted,
    patterns: Patterns,
    config: Config,
    *,
    inputs: xr.DataArray | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Fitted:
    """Train a fitted autoencoder on further patterns.

    A model keeps the coefficients, latents and labels of its training patterns. The basis is
    extended for the residual of the further patterns. The members are then trained on known and
    further patterns, and known latents are kept in place.

    Parameters
    ----------
    known_fit
        The fit to update; it is not changed.
    patterns
        At least 3 further patterns, on any axis that can be converted to the model's.
    config
        The settings; only those in `FREE` may differ from the model's. An `n_latent` of "auto" is
        the model's number.
    inputs
        Model input of the patterns, if already computed.
    progress
        A progress bar; None: on a terminal only.
    checkpoint
        See `Model.fit`.

    Raises
    ------
    DataError
        If the dataset cannot be converted to the model's axis, is incomplete, or has a label in
        other units than the model. If the checkpoint belongs to another update.
    ValueError
        If a setting differs that an update cannot change.
    TrainingError
        If the loss is not finite.
    """
    if config.n_latent == AUTO:  # chosen before; the map stays
        config = attrs.evolve(config, n_latent=known_fit.n_latent)
    _check_settings(config, known_fit.config)
    fitted = dataclasses.replace(known_fit, config=config)
    old, support = fitted.autoencoder, fitted.support
    further = _prepare_further(fitted, patterns, inputs, progress=progress)
    known = choose_spread(support.latents, max(config.most_patterns - len(further.inputs), FEWEST))
    extend = functools.partial(
        extend_basis, old.basis, most=LARGEST_BASIS * config.rank, known=len(known)
    )
    basis = extend(old.basis.fill(further.inputs))
    filled = basis.fill(further.inputs)
    added = len(basis.components) - len(old.basis.components)
    own = np.pad(support.coefficients[known], ((0, 0), (0, added)))
    coefficients = np.concatenate([own, basis.project(filled)])
    kept_in = make_checkpoint(checkpoint, config, further.made, updated_from=fingerprint(known_fit))
    weights = extend_weights(fitted.weights, coefficients)
    trained, worse = _train_on(fitted, basis, coefficients, weights, known, kept_in, progress)
    signed = old.preparation.signed or (further.signed and config.transform == "none")
    preparation = old.preparation
    if signed != preparation.signed:
        preparation = dataclasses.replace(preparation, signed=signed)
    autoencoder = Autoencoder(preparation, basis, trained.ensemble)
    latents = autoencoder.encode_coefficients(coefficients).mean(axis=0)
    kept = choose_spread(latents, REFERENCES)
    new = slice(len(known), None)
    held_out = trained.held_out_reconstruction[new]
    updated = extend_support(
        support,
        filled,
        extend=extend,
        known=known,
        kept=kept,
        latents=latents,
        error=find_held_out_error(autoencoder, filled, coefficients[new], held_out),
        worse=worse,
        coefficients=coefficients,
        scale=np.concatenate([support.scale[known], further.scale]),
        unseen=trained.unseen,
    )
    labels = _join_labels(_select_labels(fitted, known), further.labels, latents)
    reference = fitted.reference
    if reference is not None:
        count = len(support.latents)
        origin = np.concatenate([known, count + np.arange(len(filled))])[kept]
        reference = update_reference(reference, filled, origin=origin, n_known=count)
    return Fitted(
        config,
        autoencoder,
        updated,
        labels.isel(pattern=kept),
        make_history(trained),
        record_update(known_fit, further.made),
        weights,
        reference,
    )


def _check_settings(config: Config, own_config: Config) -> None:
    for field in attrs.fields(Config):
        given, own = getattr(config, field.name), getattr(own_config, field.name)
        if field.name not in FREE and given != own:
            raise ValueError(
                f"{field.name}={given!r} cannot change in an update: the model has {own!r}; leave "
                f"it out (an update takes {', '.join(FREE)}), or fit a new model"
            )


def _prepare_further(
    fitted: Fitted, patterns: Patterns, inputs: xr.DataArray | None, *, progress: bool | None
) -> Further:
    """Return further patterns, at most as many as the settings allow."""
    most = fitted.config.most_patterns
    room = max(most // 2, most - len(fitted.support.latents), FEWEST)
    intensity, labels, at = load_training_set(
        patterns,
        most=room,
        seed=fitted.config.seed,
        progress=progress,
        scale=fitted.config.scale,
    )
    _check_units(fitted.labels, labels)
    made = record_fit(patterns, intensity, labels, device=fitted.config.device)
    preparation = fitted.autoencoder.preparation
    if inputs is None:
        rows, size = preparation.find_source(patterns.axis)(intensity)
    else:
        rows = load_patterns(inputs.transpose(..., "channel"), at, progress=progress)
        rows, size = rows.astype(np.float32), np.ones(len(rows))
        if (given := find_scale(inputs)) is not None:
            size = given.transpose(*patterns.sample_dims).values[at]
    check_scales(size, intensity, scale=preparation.scale, named=locate_patterns(patterns, at))
    return Further(rows, size, labels, made, bool((intensity < 0).any()))


def _train_on(
    fitted: Fitted,
    basis: Basis,
    coefficients: Float,
    weights: Weights,
    known: Index,
    checkpoint: Checkpoint | None,
    progress: bool | None,
) -> tuple[Trained, float]:
    """Continue training; also return by which factor the error of known patterns has grown.

    `coefficients` are `(pattern, component)`, known patterns first. The error is the held-out
    error. The residual of known patterns is only known as the noise of the basis.
    """
    config, preparation = fitted.config, fitted.autoencoder.preparation
    start = Start(
        fitted.autoencoder.ensemble.widen(len(basis.components)),
        fitted.support.latents[known],
        fitted.support.unseen[known],
    )
    copies = make_augmented_copies(basis.expand(coefficients), preparation, basis, config)
    trained = train_weighted(
        coefficients,
        weights,
        config,
        copies=copies,
        start=start,
        checkpoint=checkpoint,
        progress=progress,
    )
    own, after = (rows[: len(known)] for rows in (coefficients, trained.held_out_reconstruction))
    if np.isnan(after).all():  # fewer than 8 patterns: none was held out
        return trained, 1.0
    seen = as_tensor(~start.unseen.T)
    before = reconstruct_held_out(start.ensemble, as_tensor(own), seen)
    n_component, n_channel = basis.components.shape
    left = basis.noise * (n_channel - n_component)
    was, now = (
        np.nanquantile(left + np.square(own - decoded).sum(axis=1), 1 - FALSE_POSITIVES)
        for decoded in (before, after)
    )
    return trained, float(np.sqrt(now / max(was, 1e-12)))


def _select_labels(fitted: Fitted, known: Index) -> xr.Dataset:
    """Return the labels of some of the support's patterns."""
    rows = choose_evenly(fitted.labels.sizes["pattern"], REFERENCES)
    return fitted.labels.isel(pattern=rows[known])


def _check_units(known: xr.Dataset, labels: Mapping[str, xr.DataArray]) -> None:
    for name, label in labels.items():
        own = known[name].attrs.get("units") if name in known else None
        units = label.attrs.get("units")
        if None not in (own, units) and own != units:
            raise DataError(
                f"label {name!r} is in {units!r}, that of the model in {own!r}; convert it "
                f"(and set ds[{name!r}].attrs['units'] = {own!r})"
            )


def _join_labels(
    known: xr.Dataset, labels: Mapping[str, xr.DataArray], latents: Float
) -> xr.Dataset:
    """Return latents and labels of known and of further patterns; missing labels are NaN."""
    count = known.sizes["pattern"]
    joined = xr.Dataset({"latent": (("pattern", "latent_axis"), latents)})
    for name in dict.fromkeys([*map(str, known.drop_vars("latent").data_vars), *labels]):
        values = np.full(len(latents), np.nan)
        attrs: dict[str, Any] = {}
        for rows, part in ((slice(count, None), labels), (slice(None, count), known)):
            if name in part:
                values[rows] = part[name].values
                attrs |= part[name].attrs
        joined[name] = ("pattern", values, attrs)
    return joined
