"""Describe a model, a dataset or results in short tables."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xrdae import provenance
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.names import RESULTS
from xrdae.convention.patterns import find_patterns
from xrdae.errors import DataError
from xrdae.storage.bounded_json import parse_json

if TYPE_CHECKING:
    import xarray as xr

    from xrdae.autoencoder.fitted import Fitted
    from xrdae.convention.axes import Axis
    from xrdae.preprocessing.preparation import Preparation


SHOWN_COMPONENTS = 8  # that weigh most

Sections = dict[str, dict[str, str]]


def describe_model(fitted: Fitted) -> Sections:
    """Return sections of names and values that describe a model."""
    config, parts = fitted.config, fitted.autoencoder
    axis, history = parts.preparation.axis, fitted.history
    held_out = history["held_out"]
    wavelength = "unknown" if axis.wavelength is None else f"{axis.wavelength:.6g} angstrom"
    background = config.background
    if config.background_options:
        background += f" {dict(config.background_options)}"
    ignored = ("zero_shift", "strain", "texture", "background_change")
    taught = [f"{name} {getattr(config, name):g}" for name in ignored if getattr(config, name)]
    return {
        "Model": {
            "fitted to": f"{fitted.labels.sizes['pattern']} patterns",
            "labels": ", ".join(fitted.label_names()) or "none",
            "latent axes": _describe_n_latent(fitted),
            "members": f"{parts.ensemble.members}, hidden layers {list(config.hidden)}",
            "basis": f"{parts.basis.components.shape[0]} components",
            "kept whole": _describe_reference(fitted),
            "seed": str(config.seed),
        },
        "Preprocessing": {
            "axis": f"{_describe_axis(axis)}, {axis.values[0]:.5g} to {axis.values[-1]:.5g} "
            f"{axis.units}",
            "points": f"{axis.values.size}, grid {config.grid}",
            "wavelength": wavelength if axis.kind != OTHER else "none, it is no diffraction",
            "background": background,
            "scale": _describe_scale(parts.preparation, config.transform),
            "blind to": ", ".join(taught) or "nothing in particular",
        },
        "Training": {
            "steps": f"{int(history['step'][-1])}, stopped: {history.attrs['stopped']}",
            "held-out error": f"{float(held_out.min()):.4f} of the patterns' spread"
            if np.isfinite(held_out).any()
            else "no pattern was held out",
        },
        "What the map weighs": _describe_weights(fitted),
        "Made with": fitted.provenance.get("versions", {}),
        "Provenance": {
            "fingerprint": provenance.fingerprint(fitted),
            **_describe_origin(fitted.provenance),
        },
    }


def _describe_n_latent(fitted: Fitted) -> str:
    """Return the number of latent axes, and from what it was chosen if the user asked for that."""
    choice = fitted.provenance.get("n_latent")
    if choice is None:
        return str(fitted.n_latent)
    dimension = choice.get("dimension")
    known = f"of dimension {dimension}" if dimension is not None else "of unknown dimension"
    return f"{fitted.n_latent}, chosen for {choice.get('patterns')} different patterns {known}"


def _describe_reference(fitted: Fitted) -> str:
    """Return how many training patterns a model keeps whole, for relevance."""
    if fitted.reference is None:
        return "no pattern (an earlier format): relevance needs patterns to compare, or a mask"
    return f"{len(fitted.reference.inputs)} patterns, with which relevance compares"


def _describe_weights(fitted: Fitted) -> dict[str, str]:
    """Return variance, predictability and weight of the components that weigh most."""
    weights, variance = fitted.weights, fitted.autoencoder.basis.variance
    weighted = np.square(weights.values) * variance
    parts = np.stack([variance / variance.sum(), weighted / weighted.sum()])
    rule = "by their variance alone"
    if not weights.are_equal:
        rule = f"by their variance (exponent {weights.exponent:.2g}) and their predictability"
    rows = {"components": f"{len(weights.places)} of {weights.values.size} weigh {rule}"}
    for i in np.sort(np.argsort(-parts[1], kind="stable")[:SHOWN_COMPONENTS]):
        predicted = weights.predictability[i]
        known = "" if np.isnan(predicted) else f", predicted to {predicted:.0%}"
        rows[f"component {i + 1}"] = (
            f"{parts[0, i]:.2%} of the variance{known}, {parts[1, i]:.1%} of the map"
        )
    return rows


def _describe_axis(axis: Axis) -> str:
    return f"{axis.name} (kept as it is)" if axis.kind == OTHER else axis.kind


def _describe_scale(preparation: Preparation, transform: str) -> str:
    """Return a description of the scale and the transform of intensities."""
    divided = f"each pattern divided by its {preparation.scale}"
    if preparation.scale == "none":
        divided = "all patterns divided by one number"
    if (steady := preparation.steady) is not None:
        effective = 1 / np.square(steady.weights).sum()
        divided = (
            f"each pattern divided by the content of {len(steady.weights)} steady peaks "
            f"(effective number {effective:.1f})"
        )
    return divided if transform == "none" else f"{divided}, then {transform}"


def describe_patterns(dataset: xr.Dataset) -> dict[str, str]:
    """Return names and values that describe a dataset's patterns and the results it carries."""
    names = find_pattern_names(dataset)
    found = find_patterns(dataset, variable=names["variable"], dim=names["dim"])
    axis = found.axis
    wavelength = f", wavelength {axis.wavelength:.6g} angstrom" if axis.wavelength else ""
    return {
        "patterns": f"{found.intensity.name!r}, "
        + (" x ".join(f"{dataset.sizes[d]} {d}" for d in found.sample_dims) or "1"),
        "axis": f"{found.dim}: {axis.values[0] / found.factor:.5g} to "
        f"{axis.values[-1] / found.factor:.5g} {found.units} ({axis.kind}), {axis.values.size} "
        f"points{wavelength}",
        "labels": ", ".join(sorted(found.labels())) or "none",
        **_describe_skipped(dataset),
        **_describe_results(dataset),
    }


def find_pattern_names(dataset: xr.Dataset) -> dict[str, str | None]:
    """Return variable and axis of the patterns that results of a dataset were made of."""
    steps = provenance.read_provenance(dataset.attrs)["steps"] or [{"data": {}}]
    variable, dim = (steps[-1]["data"].get(name) for name in ("variable", "dim"))
    if variable not in dataset.variables:
        return {"variable": None, "dim": dim if dim in dataset.dims else None}
    # Patterns over two_theta with a wavelength each were converted to the dimension q.
    return {"variable": variable, "dim": dim if dim in dataset[variable].dims else None}


def describe_dataset(dataset: xr.Dataset) -> Sections:
    """Return sections that describe patterns, the results they carry and how these were made."""
    made = describe_provenance(dataset)
    try:
        return {"Data": describe_patterns(dataset), **made}
    except DataError as error:
        if not made:
            raise
        return {
            "Data": {"patterns": f"not among them: {error}", **_describe_results(dataset)},
            **made,
        }


def describe_provenance(dataset: xr.Dataset) -> Sections:
    """Return sections of names and values about the provenance of a dataset's results."""
    record = provenance.read_provenance(dataset.attrs)
    sections = {}
    for i, entry in enumerate(record["steps"], 1):
        arguments = (f"{k}={json.dumps(v)}" for k, v in entry["arguments"].items() if v is not None)
        sections[f"Step {i}: {entry['step']}"] = {
            "results": ", ".join(entry["results"]),
            "arguments": ", ".join(arguments) or "none",
            "model": entry["model"],
            "model input": entry.get("model_input", "unknown"),
            **_describe_origin(entry),
            "made with": _join_items(entry.get("versions", {})),
        }
    for name, made in record["models"].items():
        sections[f"Model {name[:12]}"] = {
            "fingerprint": name,
            **_describe_origin(made),
            "made with": _join_items(made.get("versions", {})),
            "settings": _join_items(made.get("config", {})),
        }
    return sections


def _describe_origin(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return when, how and of what data a model or a result was made."""
    data = entry.get("data", {})
    files = data.get("files", [])
    if isinstance(files, dict):
        files = [files.get("first"), f"... {files.get('count')} files ...", files.get("last")]
    found = {
        "time": entry.get("time"),
        "command": entry.get("command") or "none, by Python",
        "patterns": " x ".join(f"{n} {d}" for d, n in data.get("sizes", {}).items()),
        "files": ", ".join(map(str, files)),
        "intensity": f"{data['intensity']} ({data.get('sampled')} patterns)"
        if data.get("intensity")
        else "no fingerprint: it was lazy, or live",
        **{name: data.get(name) for name in ("trained_on", "axis", "labels")},
        "updated_from": ", ".join(
            one.get("fingerprint", "unknown") for one in entry.get("updated_from", [])
        ),
    }
    return {name.replace("_", " "): value for name, value in found.items() if value}


def _join_items(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _describe_skipped(dataset: xr.Dataset) -> dict[str, str]:
    """Return which files could not be read; see `xrdae.open_patterns`."""
    try:
        skipped = dict(parse_json(dataset.attrs.get("xrdae_skipped", "{}")))
    except (TypeError, ValueError):  # not written by this package
        return {}
    some = "; ".join(f"{file}: {reason}" for file, reason in list(skipped.items())[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return {"skipped": f"{len(skipped)} files: {some}{more}"} if skipped else {}


def _describe_results(dataset: xr.Dataset) -> dict[str, str]:
    found = {}
    if any(array.chunks for array in dataset.data_vars.values() if array.name in RESULTS):
        return {"results": "lazy: computed when they are read or written"}
    if "reconstruction_error" in dataset.variables:
        error = float(dataset["reconstruction_error"].median())
        found["reconstruction error"] = f"{error:.3g} (median)"
    if "novelty" in dataset.variables:
        novelty = dataset["novelty"]
        found["novelty"] = f"above 1 for {int((novelty > 1).sum())} of {novelty.size} patterns"
    if "relevance" in dataset.variables:
        relevance = dataset["relevance"]
        mean = relevance.mean([d for d in relevance.dims if d != "region"])
        most = mean.isel(region=int(mean.values.argmax()))["region_center"]
        found["relevance"] = (
            f"{mean.size} regions, on average the most relevant at {float(most):.4g} "
            f"{most.attrs.get('units', '')}"
        )
    if "relevance_verdict" in dataset.data_vars:
        found["verdicts"] = _describe_verdicts(dataset["relevance_verdict"])
    if "synthesized" in dataset.variables:
        found["synthesized"] = f"{dataset.sizes['synthetic']} patterns"
    if "cluster" in dataset.variables and "stability" in dataset["cluster"].attrs:
        found["clusters"] = _describe_clusters(dataset["cluster"])
    for name, array in dataset.data_vars.items():
        if "cross_validation_r2" in array.attrs:
            found[str(name)] = format_cross_validation(
                array.attrs["cross_validation_r2"],
                array.attrs["cross_validation_mae"],
                array.attrs.get("units", "1"),
            )
    return found or {"results": "none yet: ds.xrdae.encode(model) adds some"}


def _describe_verdicts(verdict: xr.DataArray) -> str:
    """Return how many regions have each verdict."""
    meanings = str(verdict.attrs.get("flag_meanings", "")).split()
    flags = np.atleast_1d(verdict.attrs.get("flag_values", []))
    counts = [int((verdict == flag).sum()) for flag in flags]
    pairs = zip(counts, meanings, strict=False)  # a host may have lost attributes
    said = ", ".join(f"{count} {text.replace('_', ' ')}" for count, text in pairs if count)
    reason = str(verdict.attrs.get("undecided_because", ""))
    return f"{said or 'unknown'} ({reason.partition(':')[0]})" if reason else said or "unknown"


def _describe_clusters(cluster: xr.DataArray) -> str:
    """Return the sizes of clusters, how many patterns are between them, and their stability."""
    values, counts = np.unique(cluster.values, return_counts=True)
    sizes = dict(zip(values.tolist(), counts.tolist(), strict=True))
    inside = ", ".join(str(count) for value, count in sizes.items() if value >= 0)
    return (
        f"{sum(value >= 0 for value in sizes)} of {inside} patterns, {sizes.get(-1, 0)} between "
        f"clusters, stability {cluster.attrs['stability']:.2f}"
    )


def format_cross_validation(r2: float, mae: float, units: str) -> str:
    """Return in words how well held-out blocks of a label are estimated."""
    return f"R2 {r2:.3f}, mean absolute error {mae:.3g}{'' if units == '1' else ' ' + units}"


def format_table(rows: Mapping[str, Any], caption: str) -> str:
    """Return names and values as an HTML table."""
    left = "style='text-align: left'"
    cells = ((html.escape(str(name)), html.escape(str(value))) for name, value in rows.items())
    lines = "".join(
        f"<tr><th {left}>{name}</th><td {left}>{value}</td></tr>" for name, value in cells
    )
    return f"<table><caption {left}><b>{html.escape(caption)}</b></caption>{lines}</table>"


def format_text(sections: Sections) -> str:
    """Return sections of names and values as lines of text."""
    width = max((len(name) for rows in sections.values() for name in rows), default=0)
    lines = []
    for caption, rows in sections.items():
        lines.append(caption)
        lines += [f"  {name:<{width}}  {value}" for name, value in rows.items()]
    return "\n".join(lines)
