"""The fitted model: fit, update, save and load it. Its verbs are in `analysis.verbs`."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import attrs
import xarray as xr

from xrdae import describe
from xrdae.analysis.verbs import Verbs
from xrdae.autoencoder import model_file
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.fitted import Fitted
from xrdae.autoencoder.novelty import Support
from xrdae.config import Config
from xrdae.convention.patterns import find_patterns
from xrdae.storage.atomic_writing import NETCDF, check_ending
from xrdae.training.fit import fit_patterns
from xrdae.training.update import update_fitted


@dataclasses.dataclass(frozen=True, eq=False)
class Model(Verbs):
    """A fitted autoencoder, with the verbs on labelled patterns.

    Make one with `Model.fit` (or `ds.xrdae.fit()`), keep it with `save` and `xrdae.load_model`.

    Attributes
    ----------
    fitted
        What the fit left behind; its parts are attributes of the model too.
    config
        The settings it was fitted with.
    autoencoder
        Preparation, basis and ensemble.
    support
        Where the training data lie.
    labels
        `latent (pattern, latent_axis)` of the training patterns and their numeric labels.
    history
        `loss` and `held_out` along `step`: root mean squared errors, relative to the spread of
        the patterns.
    provenance
        `time`, `versions`, `command` and fingerprints of the `data`, see `xrdae.provenance`.
    mixture
        How far each method of synthesis is trusted.
    """

    @classmethod
    def fit(
        cls,
        dataset: xr.Dataset,
        config: Config | None = None,
        *,
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Model:
        """Fit a model to the patterns of a dataset.

        Parameters
        ----------
        dataset
            At least 3 patterns by the convention. Patterns that the `mask` variable hides whole
            are left out.
        config
            Settings; None: the defaults.
        progress
            A progress bar; None: on a terminal only.
        checkpoint
            A file that keeps how far training is, written every few seconds and at the end. The
            same fit (data, settings) goes on from it, and gives the same model as one that was
            not interrupted. It stays: remove it once the model is saved.

        Raises
        ------
        DataError
            If the dataset lacks what is needed, or a pattern has no usable intensity, or the
            checkpoint is that of another fit.
        FormatError
            If the checkpoint is damaged.
        TrainingError
            If the loss is not finite.
        """
        config = config or Config()
        patterns = find_patterns(dataset, variable=config.variable, dim=config.dim)
        return cls(fit_patterns(patterns, config, progress=progress, checkpoint=checkpoint))

    def update(
        self,
        dataset: xr.Dataset,
        config: Config | None = None,
        *,
        inputs: xr.DataArray | None = None,
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Model:
        """Return the model trained on, so that it knows the patterns of a dataset too.

        Parameters
        ----------
        dataset
            At least 3 further patterns, on any axis that can be brought to the model's.
        config
            Settings; only those in `xrdae.training.update.FREE` may differ. None: the model's.
        inputs
            Model input of the dataset where it is known already; None: `model_input(dataset)`.
        progress, checkpoint
            As for `fit`.

        Raises
        ------
        DataError
            If the dataset cannot be brought to the model's axis, lacks what is needed, or has a
            label in other units than the model; if the checkpoint is that of another update.
        ValueError
            If a setting differs that has to stay.
        TrainingError
            If the loss is not finite.
        """
        return Model(
            update_fitted(
                self.fitted,
                self.patterns(dataset),
                config or self.config,
                inputs=inputs,
                progress=progress,
                checkpoint=checkpoint,
            )
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a netCDF4 file; `xrdae.load_model` reads it back exactly.

        Raises
        ------
        ValueError
            If the name has the ending of another kind of file; `.nc` is the usual one.
        """
        check_ending(path, NETCDF, "a model as netCDF")
        model_file.write_model(path, self._with_mixture())

    @property
    def config(self) -> Config:
        """Settings of the fit."""
        return self.fitted.config

    @property
    def autoencoder(self) -> Autoencoder:
        """Preparation, basis and ensemble."""
        return self.fitted.autoencoder

    @property
    def support(self) -> Support:
        """Where the training data lie."""
        return self.fitted.support

    @property
    def labels(self) -> xr.Dataset:
        """Latents and numeric labels of the training patterns."""
        return self.fitted.labels

    @property
    def history(self) -> xr.Dataset:
        """Errors of the training patterns and of held-out ones along `step`."""
        return self.fitted.history

    @property
    def provenance(self) -> dict[str, Any]:
        """What the model was made of, by what, and how."""
        return self.fitted.provenance

    def __repr__(self) -> str:
        axis = self.autoencoder.preparation.axis
        return (
            f"<xrdae.Model: {axis.name} {axis.values[0]:.4g} to {axis.values[-1]:.4g} "
            f"{axis.units} ({axis.values.size} points), "
            f"{self.autoencoder.basis.components.shape[0]} components, "
            f"{self.autoencoder.ensemble.members} members, {self.n_latent} latents, fitted to "
            f"{self.labels.sizes['pattern']} patterns, labels {self.label_names()}>"
        )

    def _repr_html_(self) -> str:
        sections = describe.describe_model(self.fitted).items()
        return "".join(describe.format_table(rows, caption) for caption, rows in sections)

    def label_names(self) -> list[str]:
        """Return the names of the training patterns' numeric labels."""
        return self.fitted.label_names()

    def __getstate__(self) -> dict[str, Any]:
        return {"fitted": self._with_mixture() if "mixture" in vars(self) else self.fitted}

    def _with_mixture(self) -> Fitted:
        return dataclasses.replace(self.fitted, mixture=self.mixture)


def load_model(path: str | os.PathLike[str], *, device: str | None = None) -> Model:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path
        The file.
    device
        Where it shall compute, see `Config.device`; None: as it was fitted.

    Raises
    ------
    FormatError
        If the file is no xrdae model, a newer one, or damaged.
    FileNotFoundError
        If there is no such file.
    """
    fitted = model_file.read_model(path)
    if device is not None:
        config = attrs.evolve(fitted.config, device=device)
        fitted = dataclasses.replace(fitted, config=config)
    return Model(fitted)
