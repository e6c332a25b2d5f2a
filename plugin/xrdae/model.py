"""The fitted model: labelled datasets in, labelled results out; arithmetic is elsewhere."""

from __future__ import annotations

import dataclasses
import os
import platform
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from xrdae import store
from xrdae.autoencoder import BLOCK, Autoencoder, Support, find_support
from xrdae.basis import find_basis
from xrdae.config import Config
from xrdae.errors import DataError
from xrdae.estimate import gaussian_process
from xrdae.patterns import Patterns, find_patterns
from xrdae.peaks import Regions, channels, find_regions
from xrdae.prepare import check_coverage, find_preparation, regridder
from xrdae.relevance import check_fill, cover, latent_shifts
from xrdae.synthesis import Position, Request, blend, latents_at
from xrdae.training import train

Float = npt.NDArray[Any]

LATENT_NAME = "latent coordinates (autoencoder)"


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
        Versions and the like, JSON-compatible.
    """

    config: Config
    autoencoder: Autoencoder
    support: Support
    labels: xr.Dataset
    history: xr.Dataset
    provenance: dict[str, Any]

    # ------------------------------------------------------------------ fit

    @classmethod
    def fit(
        cls,
        dataset: xr.Dataset,
        config: Config | None = None,
        *,
        progress: bool | None = None,
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

        Raises
        ------
        DataError
            If the dataset lacks what is needed, or a pattern has no usable intensity.
        TrainingError
            If the loss is not finite.
        """
        config = config or Config()
        patterns = find_patterns(dataset, variable=config.variable, dim=config.dim)
        intensity, labels = _training_patterns(patterns)
        axis = patterns.axis.grid(config.grid, config.points)
        preparation, inputs, _ = find_preparation(
            regridder(patterns.axis, axis)(intensity),
            axis,
            scale=config.scale,
            background=config.background,
            background_options=config.background_options,
        )
        basis = find_basis(inputs, config.rank)
        inputs = basis.fill(inputs)
        coefficients = basis.project(inputs)
        trained = train(coefficients, config, progress=progress)
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
        labels = xr.Dataset({"latent": (("pattern", "latent_axis"), latents), **labels})
        return cls(
            config, autoencoder, find_support(latents, error), labels, history, _provenance()
        )

    # ------------------------------------------------------------------ encode

    def model_input(self, dataset: xr.Dataset) -> xr.DataArray:
        """Return model input `(sample dims ..., channel)` on the model's axis; lazy as the data.

        NaN where not measured; the coordinate `scale` holds what each pattern was divided by. A
        pattern without a positive finite intensity is NaN throughout (with a warning, unless it
        is masked or the data are lazy).
        """
        patterns = self._patterns(dataset)
        regrid = regridder(patterns.axis, self.autoencoder.preparation.axis)
        prepare = self.autoencoder.preparation.apply

        def kernel(intensity: Float) -> tuple[Float, Float]:
            shape = intensity.shape[:-1]
            inputs, scale = prepare(regrid(intensity.reshape(-1, intensity.shape[-1])))
            return inputs.reshape(*shape, -1), scale.reshape(shape)

        inputs, scale = _apply(
            kernel,
            patterns.intensity,
            dim=patterns.dim,
            outputs=[("channel",), ()],
            sizes={"channel": self.autoencoder.preparation.mean.size},
            dtypes=[np.float32, np.float64],
        )
        _warn_of_empty(scale, patterns)
        return inputs.assign_coords(scale=scale.drop_vars(list(scale.coords)))

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
            norm of the pattern; `novelty (...)`, above 1 where a pattern is farther from the
            training data than 95 % of them are from each other.
        """
        if inputs is None:
            inputs = self.model_input(dataset)

        def kernel(block: Float) -> tuple[Float, ...]:
            parts = [self.autoencoder.encode(rows) for rows in _blocks(block)]
            latent, std, error = (np.concatenate(part) for part in zip(*parts, strict=True))
            shape = block.shape[:-1]
            return (
                latent.reshape(*shape, -1),
                std.reshape(*shape, -1),
                error.reshape(shape),
                self.support.novelty(latent, error).reshape(shape),
            )

        latent, std, error, novelty = _apply(
            kernel,
            inputs.drop_vars("scale", errors="ignore"),
            dim="channel",
            outputs=[("latent_axis",), ("latent_axis",), (), ()],
            sizes={"latent_axis": self.n_latent},
            dtypes=[np.float32, np.float32, np.float64, np.float64],
        )
        return self._result(
            {
                "latent": _named(latent, LATENT_NAME),
                "latent_std": _named(std, "standard deviation of the latents between members"),
                "reconstruction_error": _named(error, "relative reconstruction error"),
                "novelty": _named(novelty, "distance from the training data; above 1: novel"),
            }
        )

    def reconstruct(self, dataset: xr.Dataset, *, inputs: xr.DataArray | None = None) -> xr.Dataset:
        """Return `reconstruction (..., axis)`: decoded patterns on the dataset's axis and scale.

        A background that the model subtracts is not added again; NaN outside the model's axis.
        """
        patterns = self._patterns(dataset)
        if inputs is None:
            inputs = self.model_input(dataset)
        back = regridder(self.autoencoder.preparation.axis, patterns.axis)

        def kernel(block: Float, scale: Float) -> Float:
            parts = [back(self.autoencoder.reconstruct(rows)) for rows in _blocks(block)]
            shape = (*block.shape[:-1], -1)
            return np.asarray(np.concatenate(parts).reshape(shape) * scale[..., None], np.float32)

        scale = inputs.coords.get("scale", xr.ones_like(inputs.isel(channel=0, drop=True)))
        (out,) = _apply(
            kernel,
            inputs.drop_vars("scale", errors="ignore"),
            scale.drop_vars("scale", errors="ignore"),
            dim="channel",
            outputs=[(patterns.dim,)],
            sizes={patterns.dim: patterns.axis.values.size},
            dtypes=[np.float32],
        )
        out = out.assign_coords({patterns.dim: patterns.intensity[patterns.dim]})
        return self._result({"reconstruction": _like(out, patterns, "reconstructed intensity")})

    def decode(self, latent: npt.ArrayLike) -> xr.DataArray:
        """Return intensity `(..., axis)` of latents `(..., latent_axis)`, on the model's axis.

        On the typical scale of the training patterns; never negative.
        """
        points = np.asarray(latent, dtype=np.float64)
        self._check_latents(points)
        decoded = self.autoencoder.decode(points.reshape(-1, self.n_latent)).mean(axis=0)
        values = np.maximum(decoded, 0) * self.autoencoder.preparation.typical_scale
        dims: tuple[Hashable, ...]
        if isinstance(latent, xr.DataArray):
            dims = latent.dims[:-1]
        else:
            dims = (
                ("synthetic",)
                if points.ndim == 2
                else tuple(f"dim_{i}" for i in range(points.ndim - 1))
            )
        axis = self.autoencoder.preparation.axis
        coords = {axis.kind: (axis.kind, axis.values, {"units": axis.units})}
        return xr.DataArray(
            values.reshape(*points.shape[:-1], -1), dims=(*dims, axis.kind), coords=coords
        )

    # ------------------------------------------------------------------ relevance

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
            `relevance_profile (..., axis)`, the mean relevance of the regions that hold a
            channel, zero where none does; coordinates `region_start`, `region_stop`,
            `region_center` in the axis' units. Latents of the training set have a spread of one.

        Notes
        -----
        Utimula et al., Adv. Theory Simul. (2022), doi:10.1002/adts.202200613.
        """
        check_fill(fill)
        patterns = self._patterns(dataset)
        axis, data_axis = self.autoencoder.preparation.axis, patterns.axis
        given = regions if isinstance(regions, str) else np.asarray(regions) * patterns.factor
        bounds = find_regions(self.autoencoder.preparation.mean, axis, data_axis, given)
        slices = channels(axis, bounds)
        if inputs is None:
            inputs = self.model_input(dataset)
        rows_at_once = max(1, 32768 // len(bounds))

        def kernel(block: Float) -> Float:
            parts = [
                latent_shifts(self.autoencoder, rows, slices, fill)
                for rows in _blocks(block, rows_at_once)
            ]
            return np.concatenate(parts).reshape(*block.shape[:-1], len(bounds), -1)

        (shift,) = _apply(
            kernel,
            inputs.drop_vars("scale", errors="ignore"),
            dim="channel",
            outputs=[("region", "latent_axis")],
            sizes={"region": len(bounds), "latent_axis": self.n_latent},
            dtypes=[np.float32],
        )
        in_data = np.sort(axis.convert(bounds, data_axis.kind, data_axis.wavelength), axis=1)
        weights = xr.DataArray(
            cover(channels(data_axis, in_data), data_axis.values.size),
            dims=("region", patterns.dim),
            coords={patterns.dim: patterns.intensity[patterns.dim]},
        )
        relevance = (shift**2).sum("latent_axis") ** 0.5
        profile = xr.dot(relevance, weights, dim="region")
        edges = {"start": in_data[:, 0], "stop": in_data[:, 1], "center": in_data.mean(axis=1)}
        result = self._result(
            {
                "relevance": _named(relevance, "shift of the latent point when masked"),
                "latent_shift": _named(shift, "latents when masked less latents"),
                "relevance_profile": _named(profile, "relevance along the axis"),
            }
        )
        return result.assign_coords(
            {
                f"region_{name}": (
                    "region",
                    values / patterns.factor,
                    {"units": patterns.units, "long_name": f"{name} of the region"},
                )
                for name, values in edges.items()
            }
        ).assign_attrs(xrdae_fill=fill)

    # ------------------------------------------------------------------ synthesis

    def synthesize(
        self,
        dataset: xr.Dataset,
        *,
        between: tuple[Position, Position] | None = None,
        n: int = 5,
        endpoints: bool = False,
        at: Mapping[str, Sequence[float]] | None = None,
        latent: npt.ArrayLike | None = None,
        inputs: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Decode points between, or near, measured patterns.

        Parameters
        ----------
        dataset
            Patterns by the convention.
        between
            Two patterns: positions along the one sample dimension, or dicts of positions. What
            the autoencoder leaves over at each end is carried along the path, so that its ends
            are the measured patterns themselves.
        n
            With `between`: number of points evenly spaced strictly between them.
        endpoints
            With `between`: add both ends.
        at
            Labels and values, such as `{"temperature": [200.0, 210.0]}`: of the dataset where it
            has these labels, else of the training data.
        latent
            Points `(synthetic, latent_axis)`.
        inputs
            Model input where it is known already; None: `model_input(dataset)`.

        Returns
        -------
        Dataset
            `synthesized (synthetic, axis)`, never negative, and `synthesized_std` (between
            members), in units of the intensity (with `at` and `latent` on the training patterns'
            median scale); `synthesized_latent (synthetic, latent_axis)`; `synthesized_novelty
            (synthetic)`, above 1 outside the support of the training data; the labels as
            `synthesized_<label> (synthetic)`.
        """
        request = Request(between=between, n=n, endpoints=endpoints, at=at, latent=latent)
        patterns = self._patterns(dataset)
        if inputs is None:
            inputs = self.model_input(dataset)
        if request.between is not None:
            points, members, scale, labels = self._between(patterns, inputs, request)
        else:
            if request.at is not None:
                points = self._latents_at(dataset, inputs, request.at)
                labels = {name: np.asarray(v, dtype=float) for name, v in request.at.items()}
            else:
                points, labels = np.asarray(request.latent, dtype=np.float64), {}
                self._check_latents(points, ndim=2)
            members = self.autoencoder.decode(points)
            scale = np.full(len(points), self.autoencoder.preparation.typical_scale)
        back = regridder(self.autoencoder.preparation.axis, patterns.axis)
        novelty = self.support.novelty(points)
        if request.between is None and (novelty > 1).any():
            warnings.warn(
                f"{int((novelty > 1).sum())} of {len(points)} points to synthesize lie outside the "
                "training data (synthesized_novelty above 1); do not trust them",
                stacklevel=2,
            )
        members = np.maximum(members, 0) * scale[:, None]
        dims = ("synthetic", patterns.dim)
        coords = {
            "synthetic": np.arange(len(points)),
            patterns.dim: patterns.intensity[patterns.dim],
        }
        decoded = xr.DataArray(back(members.mean(axis=0)), dims=dims, coords=coords)
        std = xr.DataArray(back(members.std(axis=0)), dims=dims, coords=coords)
        named = {name: xr.DataArray(values, dims="synthetic") for name, values in labels.items()}
        latents = xr.DataArray(points, dims=("synthetic", "latent_axis"))
        return self._result(
            {
                "synthesized": _like(decoded, patterns, "synthesized intensity"),
                "synthesized_std": _like(std, patterns, "standard deviation between members"),
                "synthesized_latent": _named(latents, LATENT_NAME),
                "synthesized_novelty": _named(
                    xr.DataArray(novelty, dims="synthetic"),
                    "distance from the training data; above 1: novel",
                ),
            }
            | {f"synthesized_{name}": array for name, array in named.items()}
        )

    def _between(
        self, patterns: Patterns, inputs: xr.DataArray, request: Request
    ) -> tuple[Float, Float, Float, dict[str, Float]]:
        assert request.between is not None
        indexers = [_indexers(p, patterns) for p in request.between]
        ends = [inputs.isel(indexer).compute() for indexer in indexers]
        values = np.stack([end.values for end in ends])
        for end, position in zip(values, request.between, strict=True):
            if not np.isfinite(end).any():
                raise DataError(f"pattern {position!r} has no usable intensity to start from")
        fractions = request.fractions()
        basis, preparation = self.autoencoder.basis, self.autoencoder.preparation
        filled = basis.fill(values)
        latents = self.autoencoder.latents(basis.project(filled)).mean(axis=0)
        points = blend(latents, fractions)
        residual = preparation.scaled(filled) - self.autoencoder.decode(latents)
        carried = np.stack([blend(r, fractions) for r in residual])
        members = self.autoencoder.decode(points) + carried
        scale = blend(np.array([float(end.coords.get("scale", 1.0)) for end in ends]), fractions)
        labels = {
            name: blend(np.array([float(label.isel(i)) for i in indexers]), fractions)
            for name, label in patterns.labels().items()
        }
        return points, members, scale, labels

    def _latents_at(
        self, dataset: xr.Dataset, inputs: xr.DataArray, at: Mapping[str, Sequence[float]]
    ) -> Float:
        lengths = {name: np.size(values) for name, values in at.items()}
        if not lengths or len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise DataError(f"at= takes labels with equally many values; got {lengths}")
        wanted = np.stack([np.asarray(v, dtype=float).ravel() for v in at.values()], axis=1)
        in_dataset = self._patterns(dataset).labels()
        if set(at) <= set(in_dataset):
            latents = self.encode(dataset, inputs=inputs)["latent"].values
            labels = np.stack([in_dataset[n].values.ravel() for n in at], axis=1)
        else:
            latents, labels = self._training_labels(list(at))
        latents = latents.reshape(-1, self.n_latent)
        known = np.isfinite(latents).all(axis=1) & np.isfinite(labels).all(axis=1)
        return latents_at(labels[known].astype(float), latents[known], wanted)

    # ------------------------------------------------------------------ estimate

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
            `<label>_estimate (...)` and `<label>_std (...)`, one standard deviation.

        Raises
        ------
        DataError
            If the reference has no such numeric label, or fewer than 3 patterns with it.
        ImportError
            Without scikit-learn.
        """
        if reference is None:
            latents, labels = self._training_labels([label])
            attrs = self.labels[label].attrs
        else:
            found = self._patterns(reference).labels()
            if label not in found:
                raise DataError(
                    f"the reference has no numeric label {label!r} along its sample dimensions; "
                    f"it has {sorted(found)}"
                )
            latents = self.encode(reference)["latent"].values.reshape(-1, self.n_latent)
            labels, attrs = found[label].values.reshape(-1, 1), found[label].attrs
        known = np.isfinite(latents).all(axis=1) & np.isfinite(labels[:, 0])
        if known.sum() < 3:
            raise DataError(f"only {known.sum()} reference patterns have {label!r}; 3 are needed")
        predict = gaussian_process(latents[known], labels[known, 0], seed=self.config.seed)
        latent = self.encode(dataset, inputs=inputs)["latent"]
        (out,) = _apply(
            predict, latent, dim="latent_axis", outputs=[("part",)], sizes={"part": 2},
            dtypes=[np.float64],
        )  # fmt: skip
        units = {"units": attrs["units"]} if "units" in attrs else {}
        long_name = attrs.get("long_name", label)
        return self._result(
            {
                f"{label}_estimate": out.isel(part=0).assign_attrs(
                    units, long_name=f"{long_name} (estimate)"
                ),
                f"{label}_std": out.isel(part=1).assign_attrs(
                    units, long_name=f"{long_name} (standard deviation of the estimate)"
                ),
            }
        )

    def _training_labels(self, names: list[str]) -> tuple[Float, Float]:
        for name in names:
            if name not in self.labels or name == "latent":
                known = sorted(set(map(str, self.labels.data_vars)) - {"latent"})
                raise DataError(
                    f"the training data have no numeric label {name!r}; they have {known}: give "
                    "a dataset with this label (estimate takes it as reference=)"
                )
        return self.labels["latent"].values, np.stack(
            [self.labels[name].values for name in names], axis=1
        )

    # ------------------------------------------------------------------ the rest

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a netCDF4 file; `xrdae.load_model` reads it back exactly."""
        store.write(path, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @property
    def n_latent(self) -> int:
        """Number of latent axes."""
        return self.autoencoder.ensemble.n_latent

    def __repr__(self) -> str:
        axis = self.autoencoder.preparation.axis
        names = sorted(set(map(str, self.labels.data_vars)) - {"latent"})
        return (
            f"<xrdae.Model: {axis.kind} {axis.values[0]:.4g} to {axis.values[-1]:.4g} "
            f"{axis.units} ({axis.values.size} points), "
            f"{self.autoencoder.basis.components.shape[0]} components, "
            f"{self.autoencoder.ensemble.members} members, {self.n_latent} latents, fitted to "
            f"{self.labels.sizes['pattern']} patterns, labels {names}>"
        )

    def _patterns(self, dataset: xr.Dataset) -> Patterns:
        variable, dim = self.config.variable, self.config.dim
        patterns = find_patterns(
            dataset,
            variable=variable if variable in dataset.variables else None,
            dim=dim if dim in dataset.dims else None,
        )
        check_coverage(patterns.axis, self.autoencoder.preparation.axis)
        return patterns

    def _check_latents(self, points: Float, ndim: int | None = None) -> None:
        wrong_ndim = points.ndim != ndim if ndim is not None else points.ndim < 1
        if wrong_ndim or points.shape[-1] != self.n_latent or not np.isfinite(points).all():
            raise DataError(
                f"latent= has shape {points.shape}; finite points of shape "
                f"(synthetic, {self.n_latent}) are needed"
            )

    def _result(self, variables: Mapping[str, xr.DataArray]) -> xr.Dataset:
        out = xr.Dataset(variables, attrs={"xrdae_config": self.config.to_json()})
        if "latent_axis" in out.dims:
            out = out.assign_coords(latent_axis=np.arange(self.n_latent))
        return out


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that `Model.save` wrote.

    Raises
    ------
    FormatError
        If the file is no xrdae model, a newer one, or damaged.
    FileNotFoundError
        If there is no such file.
    """
    return Model(**store.read(path))


def _apply(
    kernel: Callable[..., Any],
    *arrays: xr.DataArray,
    dim: Hashable,
    outputs: list[tuple[Hashable, ...]],
    sizes: Mapping[Hashable, int],
    dtypes: list[Any],
) -> tuple[xr.DataArray, ...]:
    """Apply a kernel along one dimension of labelled arrays, lazily where they are lazy."""
    whole = [a.chunk({dim: -1}) if a.chunks and dim in a.dims else a for a in arrays]
    out = xr.apply_ufunc(
        kernel,
        *whole,
        input_core_dims=[[dim] if dim in a.dims else [] for a in whole],
        output_core_dims=[list(dims) for dims in outputs],
        exclude_dims={dim},
        dask="parallelized",
        output_dtypes=dtypes,
        dask_gufunc_kwargs={"output_sizes": dict(sizes)},
        keep_attrs=False,
    )
    return out if isinstance(out, tuple) else (out,)


def _blocks(array: Float, size: int = BLOCK) -> list[Float]:
    """Return the patterns of `(..., channel)` a block at a time, `(pattern, channel)`."""
    flat = array.reshape(-1, array.shape[-1])
    return [flat[i : i + size] for i in range(0, max(len(flat), 1), size)]


def _named(array: xr.DataArray, long_name: str) -> xr.DataArray:
    return array.assign_attrs(units="1", long_name=long_name)


def _like(array: xr.DataArray, patterns: Patterns, long_name: str) -> xr.DataArray:
    units = patterns.intensity.attrs.get("units", "1")
    return array.assign_attrs(units=units, long_name=long_name)


def _indexers(position: Position, patterns: Patterns) -> dict[Hashable, int]:
    """Return the indexers of one pattern, checked against the sample dimensions."""
    sizes = {d: patterns.intensity.sizes[d] for d in patterns.sample_dims}
    if isinstance(position, Mapping):
        indexers = {d: int(i) for d, i in position.items()}
    elif len(sizes) == 1:
        indexers = {next(iter(sizes)): int(position)}
    else:
        raise DataError(
            f"pattern {position!r}: with sample dimensions {list(sizes)} give a dict, for example "
            f"{dict.fromkeys(map(str, sizes), 0)}"
        )
    if set(indexers) != set(sizes):
        raise DataError(f"pattern {position!r} must name each of the dimensions {list(sizes)}")
    for d, i in indexers.items():
        if not -sizes[d] <= i < sizes[d]:
            raise DataError(
                f"pattern {position!r}: {d!r} has {sizes[d]} positions, 0 to {sizes[d] - 1}"
            )
    return dict(indexers)


def _training_patterns(patterns: Patterns) -> tuple[Float, dict[str, xr.DataArray]]:
    """Return the intensities `(pattern, point)` to train on and their labels, or say what is wrong."""
    array = patterns.intensity
    shape = tuple(array.sizes[d] for d in patterns.sample_dims)
    intensity = np.asarray(array.values, dtype=np.float64).reshape(-1, array.sizes[patterns.dim])
    keep = np.ones(len(intensity), dtype=bool)
    if patterns.left_out is not None:
        keep = ~patterns.left_out.transpose(*patterns.sample_dims).values.reshape(-1)
    if keep.sum() < 3:
        raise DataError(
            f"{keep.sum()} patterns of {array.name!r} (sample dimensions {list(patterns.sample_dims)}"
            f" of sizes {list(shape)}); a fit needs at least 3"
        )
    finite = np.isfinite(intensity)
    largest = np.where(finite, intensity, -np.inf).max(axis=1)
    smallest = np.where(finite, intensity, np.inf).min(axis=1)
    problems = (
        (~finite.any(axis=1), "has no finite intensity"),
        (finite.any(axis=1) & (largest == smallest), "is constant ({value:g} everywhere)"),
        (largest <= 0, "has no positive intensity (its largest is {value:g})"),
    )
    for wrong, what in problems:
        found = np.flatnonzero(wrong & keep)
        if found.size:
            at = dict(
                zip(
                    map(str, patterns.sample_dims),
                    map(int, np.unravel_index(found[0], shape)),
                    strict=True,
                )
            )
            more = f" (and {found.size - 1} more)" if found.size > 1 else ""
            raise DataError(
                f"pattern {at}{more} {what.format(value=largest[found[0]])}; leave it out "
                "(ds.drop_isel) or hide it from the fit with a variable 'mask' that is True there"
            )
    labels = {
        name: xr.DataArray(
            label.values.reshape(-1)[keep], dims="pattern", attrs=_plain(label.attrs)
        )
        for name, label in patterns.labels().items()
        if name != "latent"
    }
    return intensity[keep], labels


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): v for k, v in attrs.items() if isinstance(v, str | int | float)}


def _warn_of_empty(scale: xr.DataArray, patterns: Patterns) -> None:
    if scale.chunks:
        return
    empty = np.isnan(scale.values)
    if patterns.left_out is not None:
        empty &= ~patterns.left_out.transpose(*scale.dims).values
    if empty.any():
        first = np.argwhere(empty)[0]
        at = dict(zip(map(str, scale.dims), map(int, first), strict=True))
        warnings.warn(
            f"{int(empty.sum())} of {empty.size} patterns have no positive finite intensity (the "
            f"first: {at}); their results are NaN",
            stacklevel=3,
        )


def _provenance() -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "xrdae": version("xrdae"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "xarray": xr.__version__,
        "python": platform.python_version(),
    }
