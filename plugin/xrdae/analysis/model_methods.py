"""Methods of a fitted model on labelled patterns. The arithmetic is in the other modules."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import xarray as xr

from xrdae.analysis.estimate import estimate_label
from xrdae.analysis.kernel_cache import Kernels
from xrdae.analysis.known_labels import find_known_latents
from xrdae.analysis.label_reference import AnyReference, find_reference, find_training_reference
from xrdae.analysis.latents import find_latents, find_model_input, find_reconstruction
from xrdae.analysis.path_ends import prepare_ends
from xrdae.analysis.relevance import CONDITIONAL
from xrdae.analysis.relevance_results import RelevanceRequest, compute_relevance
from xrdae.analysis.request import Position, Request
from xrdae.analysis.synthesis import decode_latents, synthesize
from xrdae.analysis.synthesis_methods import find_mixture
from xrdae.autoencoder.fitted import Fitted, Mixture
from xrdae.convention.patterns import Patterns
from xrdae.fingerprint import fingerprint_patterns
from xrdae.preprocessing.empty_patterns import warn_about_empty_patterns
from xrdae.preprocessing.peaks import Regions
from xrdae.provenance import attach_provenance

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class ModelMethods:
    """Methods of a fitted model on labelled patterns, which `xrdae.Model` inherits.

    Attributes
    ----------
    fitted
        Result of the fit.
    """

    fitted: Fitted

    def model_input(self, dataset: xr.Dataset) -> xr.DataArray:
        """Return model input `(sample dims ..., channel)` on the model's axis.

        It is NaN where not measured, and lazy if the data are lazy. The coordinate `scale` is the
        number by which each pattern was divided. A pattern without a usable scale is NaN, with a
        warning, unless it is masked or the data are lazy.

        Examples
        --------
        >>> model.model_input(ds).dims
        ('pattern', 'channel')
        """
        patterns = self.patterns(dataset)
        kernel = self._kernels.find_source(patterns, None)
        return find_model_input(kernel, patterns, self.fitted.autoencoder.preparation.mean.size)

    def encode(self, dataset: xr.Dataset, *, inputs: xr.DataArray | None = None) -> xr.Dataset:
        """Encode patterns.

        Parameters
        ----------
        dataset
            Patterns by the convention, on any axis that can be converted to the model's.
        inputs
            Their model input, if already computed; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `latent` and `latent_std` (standard deviation between members), both
            `(..., latent_axis)`; `reconstruction_error (...)`, the norm of the residual over the
            norm of the pattern; `novelty (...)`. The novelty is above 1 for one in twenty patterns
            of the kind of the training data, and for patterns outside of them, for instance with
            a new phase.

        Examples
        --------
        >>> result = model.encode(ds)
        >>> result["latent"].sizes["latent_axis"], result["novelty"].dims
        (2, ('pattern',))
        """
        return self._run("encode", dataset, inputs, lambda found: self._encode(found, inputs))

    def reconstruct(self, dataset: xr.Dataset, *, inputs: xr.DataArray | None = None) -> xr.Dataset:
        """Return `reconstruction (..., axis)`: decoded patterns on the dataset's axis and scale.

        A background that the model subtracts is not added again. The result is NaN outside the
        model's axis and in channels that no training pattern covers. It is negative only if
        training intensities were. For patterns over two_theta that have a wavelength each, the
        axis is q.

        Examples
        --------
        >>> model.reconstruct(ds)["reconstruction"].shape
        (12, 200)
        """

        def compute(patterns: Patterns) -> xr.Dataset:
            kernel = self._kernels.find_reconstructor(patterns, inputs)
            return find_reconstruction(kernel, patterns, inputs)

        return self._run("reconstruct", dataset, inputs, compute)

    def decode(self, latent: npt.ArrayLike) -> xr.DataArray:
        """Return intensity `(..., axis)` of latents `(..., latent_axis)`, on the model's axis.

        It is on the typical scale of the training patterns, negative only if training intensities
        were, and NaN in channels that no training pattern covers.

        Examples
        --------
        >>> model.decode([[0.0, 0.0], [1.0, 0.0]]).shape
        (2, 200)
        """
        return decode_latents(self.fitted.autoencoder, latent)

    def relevance(
        self,
        dataset: xr.Dataset,
        *,
        regions: Regions = "peaks",
        fill: str = CONDITIONAL,
        label: str | Sequence[str] | None = None,
        reference: xr.Dataset | None = None,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Replace each region of each pattern, and compute the shift of its latent point.

        The scale of a pattern is that before. A strong peak is therefore not relevant only because
        all others would be rescaled.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        regions
            "peaks" (of the mean of the training patterns), a width in axis units (sliding windows
            in steps of half a width), or bounds `(region, 2)` in axis units.
        fill
            What replaces a region: "conditional" (what the rest of other patterns implies for it),
            or a mask: "background" (a straight line between its ends), "zero" or "mean" (the
            training mean).
        label
            Name or names of labels with which regions are compared too: numeric labels of the
            training data, or numeric labels and categories of the reference.
        reference
            Patterns with which regions are compared; None: training patterns that the model keeps,
            at most 300.
        inputs
            Model input, if already computed; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `relevance (..., region)`, the mean size of the shift for eight reference patterns (of a
            mask: the norm of the shift); `latent_shift (..., region, latent_axis)`, the mean shift;
            `relevance_profile (..., axis)`, the mean relevance of the regions that contain a
            channel, or 0; coordinates `region_start`, `region_stop`, `region_center` in units of
            the axis. The root mean square of the latents of the training set is one.

            Of the reference patterns together, each `(region)`: `region_change` [intensity], the
            root mean square of the change that the rest of the pattern confirms; `region_std`
            [intensity], the standard deviation; `relevance_excess`, the relative change over that
            of the pattern, less 1; `relevance_significance`, standard errors below half (negative)
            or above twice (positive) of what the strength of the region predicts;
            `relevance_verdict`, CF flags -1 irrelevant, 0 undecided, 1 relevant, 2 varies_alone.

            With a label: `<label>_change` [intensity], `<label>_pvalue` (a permutation test) and
            `<label>_verdict`. For numbers: `<label>_slope`, the relative change of the region's
            content per unit of the label; `<label>_r2`, R2 of the label estimated from the region
            alone; and, for labels of the training data, `<label>_shift (..., region)`, the shift of
            the label's estimate from the latents.

        Raises
        ------
        DataError
            If regions are not valid, the label is not known, fewer than 10 reference patterns have
            it or all have the same, or if the model keeps no training patterns (files of formats
            up to 6) and there is no reference.

        Notes
        -----
        The masks are those of Utimula et al., Adv. Theory Simul. (2022),
        doi:10.1002/adts.202200613. A mask measures how much is there: a strong region moves the
        latents of an untrained network far, too. See `analysis.region_change` for the change.

        Examples
        --------
        >>> result = model.relevance(ds, regions=[[28, 32], [50, 55]])
        >>> result["relevance_verdict"].values.tolist()  # the first region has the peak
        [1, 0]
        """
        labels = [label] if isinstance(label, str) else list(label or ())

        def compute(patterns: Patterns) -> xr.Dataset:
            request = RelevanceRequest(regions, fill, labels, reference)
            result = compute_relevance(self._kernels, patterns, inputs, request)
            warn_about_empty_patterns(result.variables["relevance"].isel(region=0), patterns)
            return result

        given: dict[str, Any] = {
            "regions": regions,
            "fill": fill,
            "label": label,
            "reference": None,
        }
        if reference is not None:
            given["reference"] = fingerprint_patterns(self.patterns(reference), labels=labels)
        return self._run("relevance", dataset, inputs, compute, **given)

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

        The result is a mixture of four methods: linear blending, the decoded latent point, the
        mean of aligned patterns, and this mean denoised; see `analysis.synthesis_methods`. The
        weights are computed once for a model from held-out training patterns. The result is then
        no worse than blending, and far better if peaks move by more than their width.

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
            Labels and values, such as `{"temperature": [200.0, 210.0]}`. The known labels are
            those of the dataset, or, if it lacks them, of the training data. Values outside the
            known labels are refused. If the labels do not order the patterns, a warning is issued.
        latent
            Points `(synthetic, latent_axis)`.
        extrapolate
            With `at`: allow values outside the known labels; `synthesized_novelty` is above 1.
        inputs
            Model input, if already computed; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `synthesized (synthetic, axis)`, negative only if training intensities were, and
            `synthesized_std`, one standard deviation, calibrated on held-out patterns. Both are in
            units of the intensity (with `at` and `latent` on the scale of nearby training
            patterns), and NaN in channels that no training pattern covers.
            `synthesized_latent (synthetic, latent_axis)`; `synthesized_novelty (synthetic)`,
            above 1 outside the support of the training data; the labels as
            `synthesized_<label> (synthetic)`. The attribute `xrdae_mixture` holds the weights. With
            `between`, `synthesized` has the JSON attributes `xrdae_between`, the positions of the
            two patterns, and `xrdae_fractions (synthetic)`, the fractions of the path from the
            first to the second.

        Examples
        --------
        >>> result = model.synthesize(ds, at={"x": [0.25, 0.35]})
        >>> result["synthesized"].dims, result["synthesized_x"].values.tolist()
        (('synthetic', 'two_theta'), [0.25, 0.35])
        """
        request = Request(
            between=between,
            n=n,
            endpoints=endpoints,
            at=at,
            latent=latent,
            extrapolate=extrapolate,
        )

        def compute(patterns: Patterns) -> xr.Dataset:
            known = ends = None
            if request.at is not None:
                known = find_known_latents(
                    self.fitted,
                    patterns,
                    list(request.at),
                    dataset,
                    lambda found: self._encode(found, inputs),
                )
            if request.between is not None:
                ends = prepare_ends(self._kernels, patterns, inputs, request.find_ends(patterns))
            return synthesize(self.fitted, self.mixture, patterns, request, ends=ends, known=known)

        labels = list(request.at or ())
        return self._run("synthesize", dataset, inputs, compute, labels=labels, **vars(request))

    def estimate(
        self,
        dataset: xr.Dataset,
        label: str,
        *,
        reference: xr.Dataset | None = None,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Estimate a label of each pattern from labelled patterns.

        Several methods are combined: Gaussian processes over the latents, over the 20 leading basis
        components and over weighted components, and a straight line over these. Their weights are
        those that estimate held-out patterns best; see `analysis.stack`.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        label
            Name of a numeric label, or, with `reference`, of a category (text, truth values or CF
            flags).
        reference
            Patterns with this label (NaN or None where it is not known); None: the training
            patterns.
        inputs
            Model input of `dataset`, if already computed.

        Returns
        -------
        Dataset
            `<label>_estimate (...)`; `<label>_std (...)`, one standard deviation, which covers
            68 % of the labels in held-out blocks; `<label>_low` and `<label>_high (...)`, the ends
            of the 95 % interval. The attributes of the estimate are the figures of this
            cross-validation: `cross_validation_r2`, `cross_validation_mae` [label's units],
            `cross_validation_std_factor` and `cross_validation_std_factor_95`, and
            `estimated_from`, the weights of the methods. Of a category: `<label>_estimate (...)`
            as CF flags, and `<label>_probability (..., <label>_class)`, calibrated on held-out
            blocks; the figures are `cross_validation_balanced_accuracy`,
            `cross_validation_accuracy` and `cross_validation_log_loss`.

        Raises
        ------
        DataError
            If the reference has no such label, if fewer than 10 patterns have it, if it is the
            same for all, or if a category has fewer than 3 patterns a class on average.
        ImportError
            Without scikit-learn.

        Examples
        --------
        >>> result = model.estimate(ds, "x")
        >>> result["x_estimate"].dims, result["x_std"].dims
        (('pattern',), ('pattern',))
        """
        given: dict[str, Any] = {"label": label, "reference": None}
        if reference is None:
            found: AnyReference = find_training_reference(self.fitted, label, dataset)
        else:
            known = self.patterns(reference)
            found = find_reference(self._kernels, known, label, reference)
            given["reference"] = fingerprint_patterns(known, labels=[label])
        estimator = found.find_estimator(self.fitted, label)

        def compute(patterns: Patterns) -> xr.Dataset:
            kernel = self._kernels.find_features(patterns, inputs)
            array = patterns.choose_inputs(inputs)
            return estimate_label(array, label, kernel, estimator, attrs=found.attrs)

        return self._run("estimate", dataset, inputs, compute, **given)

    @functools.cached_property
    def mixture(self) -> Mixture:
        """Weights of the synthesis methods, computed here if no file held them."""
        return self.fitted.mixture or find_mixture(self.fitted)

    @property
    def n_latent(self) -> int:
        """Number of latent axes."""
        return self.fitted.n_latent

    def patterns(self, dataset: xr.Dataset) -> Patterns:
        """Return the patterns of a dataset that the model can take, or raise DataError."""
        return self.fitted.find_patterns(dataset)

    @functools.cached_property
    def _kernels(self) -> Kernels:
        return Kernels(self.fitted)

    def _run(
        self,
        step: str,
        dataset: xr.Dataset,
        inputs: xr.DataArray | None,
        compute: Callable[[Patterns], xr.Dataset],
        **arguments: Any,
    ) -> xr.Dataset:
        """Find the patterns of a dataset, compute a result, and attach its provenance."""
        patterns = self.patterns(dataset)
        result = patterns.orient(compute(patterns))
        return attach_provenance(result, step, self.fitted, patterns, inputs=inputs, **arguments)

    def _encode(self, patterns: Patterns, inputs: xr.DataArray | None) -> xr.Dataset:
        kernel = self._kernels.find_encoder(patterns, inputs)
        return find_latents(kernel, patterns, inputs, self.n_latent)
