"""The fitted model: fit, update, save, load. `analysis.model_methods` has its other methods."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import attrs
import xarray as xr

from xrdae import describe
from xrdae.analysis.cluster import ClusterRequest, check_number, cluster_patterns
from xrdae.analysis.model_methods import ModelMethods
from xrdae.autoencoder import model_file
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.fitted import Fitted
from xrdae.autoencoder.novelty import Support
from xrdae.autoencoder.weights import Weights
from xrdae.config import Config
from xrdae.convention.patterns import Patterns, find_patterns
from xrdae.quality import Quality, find_quality
from xrdae.storage.atomic_writing import NETCDF, check_ending
from xrdae.training.fit import fit_patterns
from xrdae.training.update import update_fitted


@dataclasses.dataclass(frozen=True, eq=False)
class Model(ModelMethods):
    """A fitted autoencoder, with methods on labelled patterns.

    `Model.fit` (or `ds.xrdae.fit()`) makes one, `save` and `xrdae.load_model` keep it.

    Attributes
    ----------
    fitted
        Result of the fit. Its parts are also attributes of the model.
    config
        Settings of the fit.
    autoencoder
        Preparation, basis and ensemble.
    support
        Training patterns that the model keeps, and limits of novelty.
    labels
        `latent (pattern, latent_axis)` of the training patterns and their numeric labels.
    history
        `loss` and `held_out` along `step`: root mean squared errors, relative to the spread of
        the patterns.
    provenance
        `time`, `versions`, `command` and fingerprints of the `data`; see `xrdae.provenance`.
    weights
        Weights of the basis coefficients in the map.
    mixture
        Weights of the synthesis methods.
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
            At least 3 patterns by the convention. Patterns that the `mask` variable hides
            completely are left out.
        config
            Settings; None: the defaults.
        progress
            A progress bar; None: on a terminal only.
        checkpoint
            A file for the state of training, written every few seconds and at the end. The same
            fit (data and settings) resumes from it, and gives the same model as a fit without an
            interruption. The file is not removed; remove it after the model is saved.

        Raises
        ------
        DataError
            If the dataset is incomplete, a pattern has no usable intensity, or the checkpoint
            belongs to another fit.
        FormatError
            If the checkpoint is damaged.
        TrainingError
            If the loss is not finite.

        Examples
        --------
        >>> config = xrdae.Config(n_latent=1, members=2, steps=20)
        >>> xrdae.Model.fit(ds, config, progress=False).n_latent
        1
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
        """Return a model that is trained on further patterns, in addition to its own.

        Parameters
        ----------
        dataset
            At least 3 further patterns, on any axis that can be converted to the model's.
        config
            Settings; only those in `xrdae.training.update.FREE` may differ. None: the model's.
        inputs
            Model input of the dataset, if already computed; None: `model_input(dataset)`.
        progress, checkpoint
            As for `fit`.

        Raises
        ------
        DataError
            If the dataset cannot be converted to the model's axis, is incomplete, or has a label
            in other units than the model. If the checkpoint belongs to another update.
        ValueError
            If a setting differs that an update cannot change.
        TrainingError
            If the loss is not finite.

        Examples
        --------
        >>> more = ds.isel(pattern=slice(0, 4))
        >>> updated = model.update(more, progress=False)
        >>> model.labels.sizes["pattern"], updated.labels.sizes["pattern"]
        (12, 16)
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

    def cluster(
        self,
        dataset: xr.Dataset,
        n: int | str = "auto",
        *,
        label: str | None = None,
        reference: xr.Dataset | None = None,
        inputs: xr.DataArray | None = None,
        reference_inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Find clusters of patterns, and assign each pattern to one.

        Many partitions, in several views of the patterns, are combined: two patterns belong
        together if many partitions put them into one group; see `analysis.consensus`. At most
        2000 patterns are read to find the clusters. The others are assigned lazily.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        n
            Number of clusters. "auto": of 2 to 12, the one whose clusters two halves of the
            patterns agree on, and are separate.
        label
            Numeric label along which clusters are numbered; None: the largest is the first.
        reference
            Patterns in which clusters are found, and which have the label; None: the dataset.
        inputs, reference_inputs
            Model input of `dataset` and of `reference`, if already computed.

        Returns
        -------
        Dataset
            `cluster (...)`, CF flags: -1 between clusters, -2 without latents;
            `cluster_probability (..., cluster_axis)`; `cluster_margin (...)`, the margin to the
            next cluster over its median (below 0.7: between); `cluster_pattern (cluster_axis,
            axis)`, mean patterns on the typical scale of the training patterns. Attributes are
            described in `analysis.cluster`.

        Raises
        ------
        DataError
            If there are fewer than 10 patterns, or fewer than clusters, if all are equal, or if
            they do not have the label.

        Examples
        --------
        >>> model.cluster(phases, 2)["cluster_probability"].dims
        ('pattern', 'cluster_axis')
        """
        request = ClusterRequest(check_number(n), label, reference, reference_inputs)

        def compute(patterns: Patterns) -> xr.Dataset:
            return cluster_patterns(self._kernels, patterns, inputs, request)

        given = request.describe(self.fitted)
        return self._run("cluster", dataset, inputs, compute, **given)

    def quality(
        self, *, labels: str | Sequence[str] | None = None, progress: bool | None = None
    ) -> Quality:
        """Return how good the model is, and whether other numbers of latents would tell more.

        The figures are those of the training patterns that the model keeps (of more than 500, as
        many evenly chosen). Models of 2, 3 and 5 latents are fitted to these for comparison, with
        at most 4 members. This takes about as long as one fit, and about a second more for each
        label. No patterns are needed. The same model gives the same figures.

        Parameters
        ----------
        labels
            Name or names of numeric labels of the training patterns; None: all.
        progress
            A progress bar; None: on a terminal only.

        Returns
        -------
        Quality
            `figures`, a Dataset, and `advice` in words; see `xrdae.quality.Quality`.

        Raises
        ------
        DataError
            If the training data have no such label.
        ImportError
            If scikit-learn is not installed.

        Examples
        --------
        >>> found = model.quality(progress=False)
        >>> found.figures["label_r2"].dims, found.figures["n_latent"].values.tolist()
        (('label', 'n_latent'), [2, 3, 5])
        >>> found.advice[1]
        '12 different patterns are too few to choose the number of latents (100 are needed).'
        """
        return find_quality(self.fitted, labels, progress=progress)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a netCDF4 file; `xrdae.load_model` reads it back exactly.

        Raises
        ------
        ValueError
            If the name has the ending of another kind of file; use `.nc`.

        Examples
        --------
        >>> model.save("model.nc")
        >>> xrdae.load_model("model.nc").config == model.config
        True
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
        """Training patterns that the model keeps, and limits of novelty."""
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
        """Data, versions and settings from which the model was made."""
        return self.fitted.provenance

    @property
    def weights(self) -> Weights:
        """Weights of the basis coefficients in the map, and how they follow from the patterns."""
        return self.fitted.weights

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
        """Return the names of the training patterns' numeric labels.

        Examples
        --------
        >>> model.label_names()
        ['x']
        """
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
        Device to compute on, see `Config.device`; None: the device of the fit.

    Raises
    ------
    FormatError
        If the file is not an xrdae model, is of a newer format, or is damaged.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> model.save("model.nc")
    >>> xrdae.load_model("model.nc").label_names()
    ['x']
    """
    fitted = model_file.read_model(path)
    if device is not None:
        config = attrs.evolve(fitted.config, device=device)
        fitted = dataclasses.replace(fitted, config=config)
    return Model(fitted)
