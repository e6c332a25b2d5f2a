"""The fitted model: labelled datasets in, labelled results out; arithmetic is elsewhere."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import describe
from xrdae.analysis.estimate import estimate_label, shift_of_label
from xrdae.analysis.interpolation import Mixture, find_mixture
from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.reference import find_labels, find_training_labels
from xrdae.analysis.relevance import relevance_maps
from xrdae.analysis.synthesis import Position, Request, decoded, synthesize
from xrdae.autoencoder import model_file
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.novelty import Support
from xrdae.config import Config
from xrdae.convention.apply import apply, flattened, labelled
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.names import SCALE_NAME, find_scale, set_result_attrs
from xrdae.convention.patterns import Patterns, check_dataset, find_patterns
from xrdae.fingerprint import fingerprint_patterns
from xrdae.preprocessing.empty_patterns import warn_of_empty
from xrdae.preprocessing.peaks import Regions
from xrdae.preprocessing.regridding import check_axis
from xrdae.provenance import attach_provenance
from xrdae.storage.atomic_writing import NETCDF, check_ending
from xrdae.training.fit import find_parts

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A fitted autoencoder with its axis, preparation, labels and training history.

    Make one with `Model.fit` (or `ds.xrdae.fit()`), keep it with `save` and `xrdae.load_model`.

    Attributes
    ----------
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
    """

    config: Config
    autoencoder: Autoencoder
    support: Support
    labels: xr.Dataset
    history: xr.Dataset
    provenance: dict[str, Any]

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
        options: dict[str, Any] = {"progress": progress, "checkpoint": checkpoint}
        return cls(**find_parts(dataset, config or Config(), **options))

    def model_input(self, dataset: xr.Dataset) -> xr.DataArray:
        """Return model input `(sample dims ..., channel)` on the model's axis; lazy as the data.

        NaN where not measured; the coordinate `scale` holds what each pattern was divided by. A
        pattern without a usable scale is NaN throughout (with a warning, unless it is masked or
        the data are lazy).
        """
        patterns = self.patterns(dataset)
        array = patterns.intensity
        inputs, scale = apply(
            functools.partial(flattened, self._kernels.source(patterns, None)),
            array,
            outputs=[("channel",), ()],
            sizes={"channel": self.autoencoder.preparation.mean.size},
            dtypes=[np.float32, np.float64],
        )
        warn_of_empty(scale, patterns)
        name = "xrdae_inputs"  # of no label
        scale.attrs["long_name"] = SCALE_NAME
        return labelled(array, {name: inputs}, {"scale": scale})[name].rename("inputs")

    def encode(self, dataset: xr.Dataset, *, inputs: xr.DataArray | None = None) -> xr.Dataset:
        """Encode patterns.

        Parameters
        ----------
        dataset
            Patterns by the convention, on any axis that can be brought to the model's.
        inputs
            Their model input where it is known already; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `latent` and `latent_std` (standard deviation between members), both
            `(..., latent_axis)`; `reconstruction_error (...)`, the norm of the residual over the
            norm of the pattern; `novelty (...)`, above 1 for one in twenty patterns of the
            training data's kind, and for those with a place or a phase that training never saw.
        """
        patterns = self.patterns(dataset)
        array = patterns.or_inputs(inputs)
        latent, std, error, novelty = apply(
            self._kernels.encoder(patterns, inputs),
            array,
            outputs=[("latent_axis",), ("latent_axis",), (), ()],
            sizes={"latent_axis": self.n_latent},
            dtypes=[np.float32] * 4,
        )
        warn_of_empty(latent.isel(latent_axis=0), patterns)
        found = {
            "latent": latent,
            "latent_std": std,
            "reconstruction_error": error,
            "novelty": novelty,
        }
        variables = {name: set_result_attrs(variable, name) for name, variable in found.items()}
        result = labelled(array, variables, {"latent_axis": np.arange(self.n_latent)})
        return attach_provenance(result, "encode", self, patterns, inputs=inputs)

    def reconstruct(self, dataset: xr.Dataset, *, inputs: xr.DataArray | None = None) -> xr.Dataset:
        """Return `reconstruction (..., axis)`: decoded patterns on the dataset's axis and scale.

        A background that the model subtracts is not added again. The result is NaN outside the
        model's axis and in channels that no training pattern covers. It is negative only where
        training intensities were. Patterns over two_theta with a wavelength each have it over q.
        """
        patterns = self.patterns(dataset)
        array = patterns.or_inputs(inputs)
        out, scale = apply(
            self._kernels.reconstructor(patterns, inputs),
            array,
            outputs=[(patterns.dim,), ()],
            sizes={patterns.dim: patterns.axis.values.size},
            dtypes=[np.float32] * 2,
        )
        warn_of_empty(scale, patterns)
        units = patterns.intensity.attrs.get("units", "1")
        if inputs is not None:
            given = find_scale(inputs)
            units = "1" if given is None else units
            out = out if given is None else out * given.variable
        result = labelled(
            array,
            {"reconstruction": set_result_attrs(out, "reconstruction", units)},
            {patterns.dim: patterns.intensity[patterns.dim].variable},
        )
        result = patterns.orient(result)
        return attach_provenance(result, "reconstruct", self, patterns, inputs=inputs)

    def decode(self, latent: npt.ArrayLike) -> xr.DataArray:
        """Return intensity `(..., axis)` of latents `(..., latent_axis)`, on the model's axis.

        On the typical scale of the training patterns. Negative only where training intensities
        were; NaN in channels that no training pattern covers.
        """
        return decoded(self.autoencoder, latent)

    def relevance(
        self,
        dataset: xr.Dataset,
        *,
        regions: Regions = "peaks",
        fill: str = "background",
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Mask each region of each pattern and measure how far its latent point moves.

        The scale of a pattern stays as it was before masking, so that a strong peak is not
        relevant merely because all others would be rescaled without it.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        regions
            "peaks" (of the training patterns' mean), a width in axis units (sliding windows,
            each half a width from the next), or bounds `(region, 2)` in axis units.
        fill
            What a masked region is filled with: "background" (a straight line between its ends),
            "zero" or "mean" (the training mean).
        inputs
            Model input where it is known already; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `relevance (..., region)`, the norm of `latent_shift (..., region, latent_axis)`;
            `relevance_excess` and `relevance_significance (..., region)`;
            `relevance_profile (..., axis)`, the mean relevance of the regions that hold a
            channel, zero where none does; coordinates `region_start`, `region_stop`,
            `region_center` in the axis' units. Latents of the training set have a spread of one.

        Notes
        -----
        Utimula et al., Adv. Theory Simul. (2022), doi:10.1002/adts.202200613.

        A strong region moves an untrained network's latents far too: raw relevance follows the
        energy that a mask removes. The excess is a region's share of a pattern's whole relevance,
        over its share for an untrained network, less one: 0 is what the energy explains. An
        untrained network is taken as a random map of the coefficients (untrained networks of the
        same shape gave the same order); the significance is the difference of the shares in
        standard deviations, between such maps and of noise. Compare it between regions of one
        width, narrower than what peaks move.
        """
        patterns = self.patterns(dataset)
        masking = self._kernels.masking(patterns, inputs, regions, fill)
        result = patterns.orient(relevance_maps(masking, patterns, inputs))
        warn_of_empty(result.variables["relevance"].isel(region=0), patterns)
        given: dict[str, Any] = {"regions": regions, "fill": fill}
        return attach_provenance(result, "relevance", self, patterns, inputs=inputs, **given)

    def label_shift(
        self,
        dataset: xr.Dataset,
        latent_shift: xr.DataArray,
        label: str,
        *,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Return `<label>_shift (..., region)`: a label's estimate when masked less the estimate.

        `latent_shift (..., region, latent_axis)` is that of `relevance` for the same dataset,
        `label` a numeric label of the training data, `inputs` the model input where it is known.
        """
        latents, labels = find_training_labels(self, [label], dataset)
        latent = self.encode(dataset, inputs=inputs)["latent"]
        seed = self.config.seed
        latent_shift = latent_shift.transpose(..., "region", "latent_axis")
        moved = shift_of_label(latent, latent_shift, label, latents, labels[:, 0], seed=seed)
        result, patterns = moved.to_dataset(), self.patterns(dataset)
        return attach_provenance(result, "label_shift", self, patterns, inputs=inputs, label=label)

    def synthesize(
        self,
        dataset: xr.Dataset,
        *,
        between: tuple[Position, Position] | None = None,
        n: int = 5,
        endpoints: bool = False,
        at: Mapping[str, Sequence[float]] | None = None,
        latent: npt.ArrayLike | None = None,
        extrapolate: bool = False,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Synthesize patterns between, or near, measured ones.

        A mixture of four methods: linear blending, the decoded latent point, and the patterns'
        alignment in position, as it is and denoised; see `analysis.interpolation`. The weights are
        found once a model, on training patterns that were held out, so that the result is no
        worse than blending and far better where peaks move by more than their width.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        between
            Two patterns: positions along the one sample dimension, or dicts of positions. The
            ends of the path are the measured patterns themselves.
        n
            With `between`: number of points evenly spaced strictly between them.
        endpoints
            With `between`: add both ends.
        at
            Labels and values, such as `{"temperature": [200.0, 210.0]}`: of the dataset where it
            has these labels, else of the training data. Values outside these are refused. A
            warning says where the labels do not order the patterns.
        latent
            Points `(synthetic, latent_axis)`.
        extrapolate
            With `at`: allow values outside the known labels; `synthesized_novelty` is above 1.
        inputs
            Model input where it is known already; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `synthesized (synthetic, axis)`, negative only where training intensities were, and
            `synthesized_std`, one standard deviation, which the held-out patterns confirm, in units
            of the intensity (with `at` and `latent` on the scale of the training patterns around);
            both NaN in channels that no training pattern covers;
            `synthesized_latent (synthetic, latent_axis)`; `synthesized_novelty (synthetic)`,
            above 1 outside the support of the training data; the labels as
            `synthesized_<label> (synthetic)`; the attribute `xrdae_mixture`, the weights, and with
            `between` on `synthesized` the JSON attributes `xrdae_between`, the positions of the two
            patterns, and `xrdae_fractions (synthetic)`, how far from the first to the second.
        """
        request = Request(
            between=between,
            n=n,
            endpoints=endpoints,
            at=at,
            latent=latent,
            extrapolate=extrapolate,
        )
        known = None
        if request.at is not None:
            known = find_labels(self, dataset, list(request.at), inputs=inputs)

        def input_of(position: Mapping[str, int]) -> xr.DataArray:
            if inputs is not None:
                return inputs.isel(position).compute()
            return self.model_input(dataset.isel(position)).compute()

        patterns = self.patterns(dataset)
        result = synthesize(
            self.autoencoder,
            self.support,
            self.mixture,
            patterns,
            input_of,
            request=request,
            known=known,
        )
        result = patterns.orient(result)
        given: dict[str, Any] = {"labels": list(request.at or ()), **vars(request)}
        return attach_provenance(result, "synthesize", self, patterns, inputs=inputs, **given)

    @functools.cached_property
    def mixture(self) -> Mixture:
        """How far each method of synthesis is trusted; found when it is first needed."""
        return find_mixture(self.autoencoder, self.support)

    def estimate(
        self,
        dataset: xr.Dataset,
        label: str,
        *,
        reference: xr.Dataset | None = None,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Estimate a label of each pattern from where it lies among labelled ones.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        label
            Name of a numeric label.
        reference
            Patterns with this label (NaN where it is not known); None: the training patterns.
        inputs
            Model input of `dataset` where it is known already.

        Returns
        -------
        Dataset
            `<label>_estimate (...)` and `<label>_std (...)`, one standard deviation, within
            which 68 % of labels in held-out blocks lie; as attributes of the estimate, the figures
            of this cross-validation: `cross_validation_r2`, `cross_validation_mae` [label's
            units] and `cross_validation_std_factor`.

        Raises
        ------
        DataError
            If the reference has no such numeric label, or fewer than 3 patterns with it.
        ImportError
            Without scikit-learn.
        """
        known = None
        if reference is None:
            latents, labels = find_training_labels(self, [label], dataset)
            attrs = self.labels[label].attrs
        else:
            latents, labels = find_labels(self, reference, [label], fall_back=False)
            attrs = self.patterns(reference).labels()[label].attrs
            known = fingerprint_patterns(self.patterns(reference), labels=[label])
        latent = self.encode(dataset, inputs=inputs)["latent"]
        result = estimate_label(
            latent, label, latents, labels[:, 0], attrs=attrs, seed=self.config.seed
        )
        given: dict[str, Any] = {"label": label, "reference": known}
        return attach_provenance(
            result, "estimate", self, self.patterns(dataset), inputs=inputs, **given
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a netCDF4 file; `xrdae.load_model` reads it back exactly.

        Raises
        ------
        ValueError
            If the name has the ending of another kind of file; `.nc` is the usual one.
        """
        check_ending(path, NETCDF, "a model as netCDF")
        model_file.write(path, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @property
    def n_latent(self) -> int:
        """Number of latent axes."""
        return self.autoencoder.ensemble.n_latent

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
        sections = describe.describe_model(self).items()
        return "".join(describe.format_table(rows, caption) for caption, rows in sections)

    def label_names(self) -> list[str]:
        """Return the names of the training patterns' numeric labels."""
        return sorted(set(map(str, self.labels.data_vars)) - {"latent"})

    @functools.cached_property
    def _kernels(self) -> Kernels:
        return Kernels(self.autoencoder, self.support, self.config.device)

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def patterns(self, dataset: xr.Dataset) -> Patterns:
        """Return the patterns of a dataset that the model can take, or raise DataError."""
        check_dataset(dataset)
        variable, axis = self.config.variable, self.autoencoder.preparation.axis
        names = (self.config.dim, axis.name if axis.kind == OTHER else None)
        patterns = find_patterns(
            dataset,
            variable=variable if variable in dataset.variables else None,
            dim=next((name for name in names if name in dataset.dims), None),
            onto=axis,
        )
        check_axis(patterns.axis, axis, self.autoencoder.preparation.sampling)
        return patterns


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
    model = Model(**model_file.read(path))
    if device is None:
        return model
    config = dataclasses.replace(model.config, device=device)
    return dataclasses.replace(model, config=config)
