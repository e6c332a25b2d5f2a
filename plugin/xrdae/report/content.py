"""Collect the content of the explorer from a dataset and its model, through the hooks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder.fitted import METHODS, parse_once
from xrdae.convention.apply_kernel import format_title
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.categories import find_category_names, is_category, order_categories
from xrdae.convention.patterns import Patterns
from xrdae.convention.regridding import make_regridder
from xrdae.errors import DataError
from xrdae.model import Model
from xrdae.plugins import manager
from xrdae.preprocessing.empty_patterns import silence_empty_warnings
from xrdae.preprocessing.peaks import CONTRARY, find_contrary_regions, measure_strengths
from xrdae.report.packing import quantize

Float = npt.NDArray[Any]

MOST_PATTERNS = 20_000  # points that the page stays fluid with
MOST_VALUES = 4_000_000  # intensities that go into the page as they were measured
REGION_RESULTS = ("region_change", "region_std", "relevance_excess")


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """Content of the page.

    Attributes
    ----------
    header
        Names, units and numbers, JSON-compatible.
    arrays
        Large arrays, by name.
    """

    header: dict[str, Any]
    arrays: dict[str, Float]


def find_content(dataset: xr.Dataset, model: Model) -> Content:
    """Return the content of the page for a dataset; see `xrdae.report.make_report`.

    Raises
    ------
    DataError
        If no pattern has usable intensity.
    """
    with parse_once():
        return _find_content(dataset, model)


def _find_content(dataset: xr.Dataset, model: Model) -> Content:
    patterns, hook = model.patterns(dataset), manager().hook
    if not patterns.sample_dims:
        dataset = dataset.expand_dims("pattern")
        patterns = model.patterns(dataset)
    sizes = {d: dataset.sizes[d] for d in patterns.sample_dims}
    steps = _find_steps(sizes)
    if max(steps.values()) > 1:
        dataset = dataset.isel({d: slice(None, None, step) for d, step in steps.items()})
        patterns = model.patterns(dataset)
    encoded = hook.xrdae_encode(dataset=dataset, model=model)
    encoded = encoded.transpose(*patterns.sample_dims, ...).compute()
    flat = _Flat(patterns)
    latent, novelty = flat(encoded["latent"]), flat(encoded["novelty"])
    if not np.isfinite(latent).all(axis=1).any():
        raise DataError("no pattern has usable intensity: there is nothing to show")
    with silence_empty_warnings():  # encoding has warned of them
        maps = hook.xrdae_relevance(
            dataset=dataset,
            model=model,
            regions="peaks",
            # Models of earlier formats keep no patterns to compare regions with.
            fill="background" if model.fitted.reference is None else "conditional",
            label=None,
            reference=None,
        )
        inputs = hook.xrdae_model_input(dataset=dataset, model=model)
    maps, inputs = (part.transpose(*patterns.sample_dims, ...).compute() for part in (maps, inputs))
    scale = inputs.coords.get("scale")
    scales = np.ones(len(latent)) if scale is None else flat(scale)
    labels, values = _find_labels(patterns, _select_results(dataset, patterns, encoded))
    axis = patterns.axis.values / patterns.factor
    shift = flat(maps["latent_shift"])
    arrays = {
        "axis": axis,
        "latent": latent,
        "latent_std": flat(encoded["latent_std"]),
        "scale": scales,
        **_load_intensities(patterns, model, flat(inputs), scales, novelty),
        **{f"label.{i}": flat(value) for i, value in enumerate(values)},
        **quantize("latent_shift", shift.reshape(len(shift), -1)),
        **quantize("relevance", flat(maps["relevance"])),
        **{name: maps[name].values for name in REGION_RESULTS if name in maps},
        "region_start": maps["region_start"].values,
        "region_stop": maps["region_stop"].values,
        **_export_engine(model, patterns),
    }
    preparation = model.autoencoder.preparation
    header = {
        "axis": format_title(patterns.intensity[patterns.dim], patterns.dim),
        "axis_name": str(patterns.dim),
        "axis_units": "" if patterns.units == "1" else patterns.units,
        "descending": patterns.axis.kind == OTHER and patterns.axis.descending,
        "intensity": format_title(patterns.intensity, "intensity"),
        "dims": [str(d) for d in sizes],
        "sizes": list(sizes.values()),
        "shape": [dataset.sizes[d] for d in sizes],
        "steps": list(steps.values()),
        "labels": labels,
        "verdicts": _name_verdicts(maps),
        "notes": _make_notes(axis, patterns, maps),
        "points": axis.size,
        "n_latent": model.n_latent,
        "gain": preparation.gain,
        "transform": dataclasses.asdict(preparation.transform),
        "signed": preparation.signed,
        "width": model.support.width,
        "novelty_limit": float(model.support.novelty.limits[0]),
        "reach": min(model.mixture.reach, 1e30),
        "methods": list(METHODS),
    }
    return Content(header, arrays)


@dataclasses.dataclass(frozen=True, eq=False)
class _Flat:
    """From an array on the sample dimensions to one on `pattern`: `(pattern, ...)`."""

    patterns: Patterns

    def __call__(self, array: xr.DataArray) -> Float:
        dims = self.patterns.sample_dims
        return np.asarray(array.values).reshape(-1, *array.shape[len(dims) :])


def _find_steps(sizes: dict[Hashable, int]) -> dict[Hashable, int]:
    """Return by what step to go along each dimension, so that the page stays fluid."""
    steps = dict.fromkeys(sizes, 1)
    while math.prod(-(-n // steps[d]) for d, n in sizes.items()) > MOST_PATTERNS:
        steps[max(sizes, key=lambda d: sizes[d] / steps[d])] += 1
    return steps


def _load_intensities(
    patterns: Patterns, model: Model, inputs: Float, scale: Float, novelty: Float
) -> dict[str, Float]:
    """Return coefficients of all patterns, and as many measured patterns as there is room for.

    If there is no room for all, the patterns of largest novelty are kept, since the residual of the
    others is small. `kept (pattern,)` is the row in `measured (row, point)`, or -1.
    `prepared (row, channel)` is scaled and transformed intensity on the model's axis. It is left
    out if it differs from the measured intensity only by its scale.
    """
    autoencoder = model.autoencoder
    room = max(1, MOST_VALUES // (patterns.axis.values.size + inputs.shape[1]))
    which = np.sort(np.argsort(-np.nan_to_num(novelty, nan=-1), kind="stable")[:room])
    kept = np.full(novelty.size, -1)
    kept[which] = np.arange(which.size)
    dims = patterns.sample_dims
    at = np.unravel_index(which, [patterns.intensity.sizes[d] for d in dims])
    rows = {d: xr.DataArray(index, dims="row") for d, index in zip(dims, at, strict=True)}
    measured = patterns.intensity.isel(rows).transpose("row", patterns.dim).values.astype(float)
    measured[~np.isfinite(measured)] = np.nan
    filled = autoencoder.basis.fill(inputs.astype(np.float32))
    preparation = autoencoder.preparation
    prepared = preparation.restore_scale(filled[which])
    largest = np.abs(measured).max(where=np.isfinite(measured), initial=0.0)
    as_measured = (
        preparation.transform.name == "none"
        and prepared.shape == measured.shape
        and np.allclose(prepared * scale[which, None], measured, rtol=1e-5, atol=1e-5 * largest)
    )
    return {
        "kept": kept,
        **quantize("measured", measured),
        **({} if as_measured else quantize("prepared", prepared)),
        **quantize("coefficients", autoencoder.basis.project(filled)),
    }


def _select_results(dataset: xr.Dataset, patterns: Patterns, encoded: xr.Dataset) -> xr.Dataset:
    """Return results that colour the points: novelty, error, and clusters that are attached."""
    found = encoded[["novelty", "reconstruction_error"]]
    cluster = dataset.get("cluster")
    if cluster is None or set(cluster.dims) != set(patterns.sample_dims):
        return found
    return found.assign(cluster=cluster.transpose(*patterns.sample_dims).variable.compute())


def _find_labels(
    patterns: Patterns, results: xr.Dataset
) -> tuple[list[dict[str, Any]], list[xr.DataArray]]:
    """Return names and kinds of the patterns' labels, and their values on the sample dimensions.

    Times are milliseconds since 1970, durations seconds; categories are
    positions among their names. Labels without any value are left out.
    """
    template = patterns.intensity.isel({patterns.dim: 0}, drop=True)
    found, values = [], []
    for name, coord in [
        *template.coords.items(),
        *results.items(),
    ]:
        if not coord.dims or not set(coord.dims) <= set(patterns.sample_dims):
            continue
        units = str(coord.attrs.get("units", "1"))
        label: dict[str, Any] = {
            "name": str(name),
            "title": format_title(coord, name),
            "units": "" if units in ("1", "") else f" {units}",
        }
        array = coord.broadcast_like(template).transpose(*patterns.sample_dims)
        if array.dtype.kind in "mM":
            milliseconds = array.values.astype(f"{array.dtype.kind}8[ms]")
            data = np.where(np.isnat(milliseconds), np.nan, milliseconds.astype(np.int64))
            label["kind"] = "time"
            if array.dtype.kind == "m":
                data = data / 1000
                label |= {"kind": "number", "title": f"{name} (s)", "units": " s"}
        elif array.dtype.kind in "iuf" and not is_category(array):
            label["kind"], data = "number", array.values.astype(np.float64)
        else:
            texts = find_category_names(array)
            names = order_categories(array, texts)
            places = {"": np.nan} | {text: i for i, text in enumerate(names)}
            data = np.array([places[text] for text in texts.ravel()]).reshape(texts.shape)
            label |= {"kind": "text", "categories": names, "units": ""}
        if not np.isfinite(data).any():
            continue
        found.append(label)
        values.append(array.copy(data=data))
    return found, values


def _name_verdicts(maps: xr.Dataset) -> list[str]:
    """Return the verdict of each region in words; none if a mask of an earlier model has none."""
    if "relevance_verdict" not in maps:
        return []
    return [name.replace("_", " ") for name in find_category_names(maps["relevance_verdict"])]


def _make_notes(axis: Float, patterns: Patterns, maps: xr.Dataset) -> dict[int, str]:
    """Return the contrary regions by their verdicts; see `find_contrary_regions`."""
    if "relevance_verdict" not in maps:
        return {}
    mean = patterns.intensity.mean(patterns.sample_dims, dtype=np.float64).values
    bounds = np.stack([maps["region_start"].values, maps["region_stop"].values], axis=1)
    found = find_contrary_regions(
        measure_strengths(axis, mean, bounds),
        maps["relevance_excess"].values,
        maps["relevance_verdict"].values,
    )
    return {i: words for i, words in zip(found, CONTRARY, strict=True) if i is not None}


def _export_engine(model: Model, patterns: Patterns) -> dict[str, Float]:
    """Return the arrays for synthesis in the page: decoder, basis, training patterns, mixture."""
    autoencoder, support = model.autoencoder, model.support
    back = make_regridder(autoencoder.preparation.axis, patterns.axis).weights
    arrays: dict[str, Float] = {
        "mean": autoencoder.preparation.whole_mean,
        "unknown": np.flatnonzero(np.isnan(autoencoder.preparation.mean)),
        **quantize("components", autoencoder.basis.components),
        "reference": support.latents,
        "reference_scale": support.scale,
        **quantize("reference_coefficients", support.coefficients),
        "mixture": model.mixture.weights,
        "mixture_error": model.mixture.error,
    }
    for i, (weight, bias) in enumerate(autoencoder.ensemble.decoder):
        arrays |= {f"decoder.{i}.weight": weight.numpy(), f"decoder.{i}.bias": bias.numpy()}
    if back is not None:
        columns = back.T.tocsr()  # a row for each point of the data
        arrays |= {
            "back.start": columns.indptr,
            "back.channel": columns.indices,
            "back.weight": columns.data.astype(np.float32),
        }
    return arrays
