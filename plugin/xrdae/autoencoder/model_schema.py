"""Build a fit from the content of a model file, and check every name, type, shape and range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.basis import Basis
from xrdae.autoencoder.ensemble import Ensemble, Layer
from xrdae.autoencoder.fitted import METHODS, Fitted, Mixture
from xrdae.autoencoder.model_migrations import (
    WITH_MIXTURE,
    WITH_REFERENCE,
    WITH_WEIGHTS,
    Content,
    upgrade_content,
)
from xrdae.autoencoder.novelty import Novelty, Support
from xrdae.autoencoder.provenance_schema import MODEL
from xrdae.autoencoder.reference_patterns import ReferencePatterns
from xrdae.autoencoder.weights import Weights
from xrdae.config import Config
from xrdae.convention.axes import Axis
from xrdae.convention.axis_kinds import KINDS
from xrdae.convention.regridding import INTERPOLATIONS
from xrdae.preprocessing.preparation import Preparation
from xrdae.preprocessing.steady_scale import SteadyPeaks
from xrdae.preprocessing.transforms import Transform
from xrdae.storage.bounded_json import matches_schema, parse_json
from xrdae.storage.hdf5_objects import Group

# Dimensions and numpy's kinds of the arrays of each group.
ARRAYS = {
    "preparation": {"mean": ("channel", "f"), "axis": ("channel", "f")},
    "steady": {
        "channels": ("peak edge", "i"),
        "weights": ("peak", "f"),
        "levels": ("peak", "f"),
    },
    "basis": {"components": ("component channel", "f"), "variance": ("component", "f")},
    "support": {
        "latents": ("reference latent_axis", "f"),
        "coefficients": ("reference component", "f"),
        "scale": ("reference", "f"),
        "unseen": ("reference member", "i"),
        "residual_scale": ("bin", "f"),
        "limits": ("limit", "f"),
    },
    "component_weights": {"values": ("component", "f"), "predictability": ("component", "f")},
    "reference": {"inputs": ("kept_pattern channel", "f"), "rows": ("kept_pattern", "i")},
    "mixture": {"weights": ("method", "f"), "error": ("term", "f")},
    "history": {"step": ("step", "iu"), "loss": ("step", "f"), "held_out": ("step", "f")},
}
LAYERS = re.compile(r"(encoder|decoder)_\d+_(weight|bias)")
LABELS = re.compile(r"label_\d+")
# A pattern of pure background has no scale, and a channel that was never measured has no mean.
NAN_IS_A_VALUE = {"scale", "mean", "held_out", "loss", "predictability"}
LONGEST_TEXT = 1000
POSITIVE = {"residual_scale", "limits"}


def read_content(root: Group, version: int) -> Content:
    """Return the content of a file of any format, from its root group."""
    content = Content({"": dict(root.attrs)}, {}, {})
    for name in ("config", "provenance"):
        content.attrs[""][name] = parse_json(_read_entry(content.attrs[""], name))
    groups = ["preparation", "basis", "ensemble", "support", "labels", "history"]
    groups += ["mixture"] if version >= WITH_MIXTURE else []
    groups += ["component_weights"] if version >= WITH_WEIGHTS else []
    config = content.attrs[""]["config"]
    groups += ["reference"] if version >= WITH_REFERENCE and "reference" in set(root) else []
    groups += ["steady"] if isinstance(config, dict) and config.get("scale") == "steady" else []
    for name in groups:
        group = root.group(name)
        matching = {"ensemble": LAYERS, "labels": LABELS}.get(name)
        names = ARRAYS[name] if matching is None else filter(matching.fullmatch, group)
        content.attrs[name] = dict(group.attrs)
        content.arrays[name], content.array_attrs[name] = {}, {}
        for array in names:
            try:
                found = group.array(array)
                content.arrays[name][array] = found.values
                content.array_attrs[name][array] = dict(found.attrs)
            except Exception as error:
                raise ValueError(f"{name}/{array}: {error}") from error
    return content


def build_fitted(content: Content, version: int) -> Fitted:
    """Return the fit from the content of a file of any format.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the content is not valid. The message does not name the file.
    """
    content = upgrade_content(content, version)
    config, provenance = (content.attrs[""][name] for name in ("config", "provenance"))
    if not isinstance(config, dict) or not matches_schema(provenance, MODEL):
        raise ValueError("config or provenance has another structure")
    settings = Config.from_options(config)
    ensemble = _build_ensemble(content)
    _check_arrays(content, _find_sizes(content, ensemble, settings))
    preparation = _build_preparation(content, settings)
    basis, noise = content.arrays["basis"], _read_number(content, "basis", "noise", least=0)
    return Fitted(
        settings,
        Autoencoder(preparation, Basis(basis["components"], basis["variance"], noise), ensemble),
        _build_support(content),
        _build_labels(content),
        _build_history(content),
        provenance,
        _build_weights(content),
        _build_reference(content),
        _build_mixture(content),
    )


def _read_entry(attrs: Mapping[str, Any], name: str) -> Any:
    if name not in attrs:
        raise ValueError(f"there is no attribute {name!r}")
    return attrs[name]


def _read_number(content: Content, group: str, name: str, *, least: float | None = None) -> float:
    """Return an attribute that is a finite number above zero, or at least `least`."""
    value = _read_entry(content.attrs[group], name)
    if not isinstance(value, np.integer | np.floating) or not np.isfinite(value):
        raise ValueError(f"{group}: {name} is {value!r:.50}, not a number")
    if not (value > 0 if least is None else value >= least):
        raise ValueError(f"{group}: {name} is {value}, which is too small")
    return float(value)


def _read_text(content: Content, group: str, name: str) -> str:
    """Return an attribute that is a text of bounded length."""
    value = _read_entry(content.attrs[group], name)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError(f"{group}: {name} is {value!r:.50}, no short text")
    return value


def _read_flag(content: Content, group: str, name: str) -> bool:
    """Return an attribute that is 0 or 1."""
    value = _read_entry(content.attrs[group], name)
    if not isinstance(value, np.integer) or value not in (0, 1):
        raise ValueError(f"{group}: {name} is {value!r:.50}, neither 0 nor 1")
    return bool(value)


def _read_interpolation(content: Content) -> str:
    value = _read_text(content, "preparation", "interpolation")
    if value not in INTERPOLATIONS:
        raise ValueError(f"preparation: interpolation is {value!r:.50}, none of {INTERPOLATIONS}")
    return value


def _read_sampling(content: Content) -> float:
    value = _read_entry(content.attrs["preparation"], "sampling")
    if not isinstance(value, np.floating) or not value > 0:
        raise ValueError(f"preparation: sampling is {value!r:.50}, no positive number")
    return float(value)


def _find_sizes(content: Content, ensemble: Ensemble, config: Config) -> dict[str, int]:
    """Return sizes of the dimensions from the first arrays that have them."""
    components, axis = content.arrays["basis"]["components"], content.arrays["preparation"]["axis"]
    halvings = int(_read_number(content, "support", "halvings", least=0))
    n_latent = config.n_latent
    if not isinstance(n_latent, int):
        raise ValueError(f"config: n_latent is {n_latent!r}, no number")
    sizes = {
        "channel": axis.size,
        "component": components.shape[0],
        "latent_axis": n_latent,
        "member": config.members,
        "reference": content.arrays["support"]["scale"].size,
        "bin": axis.size >> min(halvings, 64),
        "limit": 3,
        "method": len(METHODS),
        "peak": _count(content, "steady", "weights"),
        "kept_pattern": _count(content, "reference", "rows"),
        "edge": 2,
        "term": 3,
        "step": content.arrays["history"]["step"].size,
    }
    if sizes["channel"] < 2 or min(sizes.values()) < 1:
        raise ValueError(f"a dimension is empty: {sizes}")
    first = [config.members, sizes["component"], n_latent]
    for side, ends in ((ensemble.encoder, first[1:]), (ensemble.decoder, first[:0:-1])):
        _check_layers(side, config.members, ends)
    return sizes


def _count(content: Content, group: str, name: str) -> int:
    """Return the length of an array of a group that a file may lack, or 1."""
    return len(content.arrays[group][name]) if group in content.arrays else 1


def _check_layers(layers: tuple[Layer, ...], members: int, ends: list[int]) -> None:
    """Check that the shapes of the layers fit to each other and to their input and output."""
    n = ends[0]
    for weight, bias in layers:
        if weight.ndim != 3 or tuple(weight.shape[:2]) != (members, n):
            raise ValueError(f"a layer has shape {tuple(weight.shape)}, not ({members}, {n}, ...)")
        n = weight.shape[2]
        if bias.shape != (members, 1, n):
            raise ValueError(f"a bias has shape {tuple(bias.shape)}, not {(members, 1, n)}")
    if n != ends[1]:
        raise ValueError(f"the last layer has {n} outputs, not {ends[1]}")


def _check_arrays(content: Content, sizes: Mapping[str, int]) -> None:
    """Check type, shape and range of the arrays."""
    for group, arrays in ARRAYS.items():
        if group not in content.arrays:  # of another scale, or of an earlier format
            continue
        for name, (dims, kinds) in arrays.items():
            values = content.arrays[group][name]
            wanted = tuple(sizes[dim] for dim in dims.split())
            if values.shape != wanted:
                raise ValueError(f"{name} has shape {values.shape}, not {wanted}")
            if values.dtype.kind not in kinds:
                raise ValueError(f"{name} is of type {values.dtype}")
            gaps = np.isnan(values) if name in NAN_IS_A_VALUE else False
            if not (np.isfinite(values) | gaps).all() or (name == "mean" and np.all(gaps)):
                raise ValueError(f"{name} has values that are not finite")
            if name in POSITIVE and not (values > 0).all():
                raise ValueError(f"{name} has values that are not positive")
    if (content.arrays["basis"]["variance"] < 0).any():
        raise ValueError("variance is negative")


def _build_preparation(content: Content, config: Config) -> Preparation:
    arrays, attrs = content.arrays["preparation"], content.attrs["preparation"]
    kind, wavelength = _read_entry(attrs, "axis_kind"), _read_entry(attrs, "wavelength")
    if kind not in KINDS:
        raise ValueError(f"axis kind {kind!r:.50} is not one of {list(KINDS)}")
    if not (np.diff(arrays["axis"]) > 0).all():
        raise ValueError("axis does not increase")
    known = not (isinstance(wavelength, np.floating) and np.isnan(wavelength))
    return Preparation(
        axis=Axis(
            kind,
            arrays["axis"],
            _read_number(content, "preparation", "wavelength") if known else None,
            name=_read_text(content, "preparation", "axis_name"),
            units=_read_text(content, "preparation", "axis_units"),
            long_name=_read_text(content, "preparation", "axis_long_name"),
            descending=_read_flag(content, "preparation", "axis_descending"),
        ),
        scale=config.scale,
        background=config.background,
        background_options=dict(config.background_options),
        mean=arrays["mean"],
        gain=_read_number(content, "preparation", "gain"),
        typical_scale=_read_number(content, "preparation", "typical_scale"),
        transform=Transform(
            config.transform,
            _read_number(content, "preparation", "transform_floor"),
        ),
        signed=_read_flag(content, "preparation", "signed"),
        sampling=_read_sampling(content),
        interpolation=_read_interpolation(content),
        steady=_build_steady(content),
    )


def _build_steady(content: Content) -> SteadyPeaks | None:
    if "steady" not in content.arrays:
        return None
    arrays = content.arrays["steady"]
    channels, weights = arrays["channels"], arrays["weights"]
    n_channel = content.arrays["preparation"]["axis"].size
    if not ((channels >= 0) & (channels <= n_channel)).all() or (np.diff(channels) <= 0).any():
        raise ValueError("steady: channels are out of their range")
    if (weights < 0).any() or not np.isclose(weights.sum(), 1):
        raise ValueError("steady: weights are out of their range")
    return SteadyPeaks(channels, weights, arrays["levels"])


def _build_ensemble(content: Content) -> Ensemble:
    arrays = content.arrays["ensemble"]

    def layers(side: str) -> tuple[Layer, ...]:
        count = sum(name.startswith(side) for name in arrays) // 2
        if not count:
            raise ValueError(f"the {side} has no layer")
        return tuple(
            (tensor(f"{side}_{i}_weight"), tensor(f"{side}_{i}_bias")) for i in range(count)
        )

    def tensor(name: str) -> torch.Tensor:
        values: npt.NDArray[Any] | None = arrays.get(name)
        if values is None or values.dtype != np.float32 or not np.isfinite(values).all():
            raise ValueError(f"{name} is missing, not of type float32, or not finite")
        return torch.from_numpy(values)

    scale = _read_number(content, "ensemble", "input_scale")
    return Ensemble(layers("encoder"), layers("decoder"), scale)


def _build_support(content: Content) -> Support:
    arrays = content.arrays["support"]
    return Support(
        Novelty(
            arrays["latents"],
            arrays["residual_scale"],
            int(_read_number(content, "support", "halvings", least=0)),
            arrays["limits"],
        ),
        arrays["coefficients"],
        arrays["scale"],
        arrays["unseen"].astype(bool),
        _read_number(content, "support", "width"),
    )


def _build_weights(content: Content) -> Weights:
    arrays = content.arrays["component_weights"]
    values, predictability = arrays["values"], arrays["predictability"]
    if (values < 0).any() or not (values > 0).any() or (predictability > 1).any():
        raise ValueError("weights: values or predictability are out of their range")
    return Weights(values, predictability, _read_number(content, "component_weights", "exponent"))


def _build_reference(content: Content) -> ReferencePatterns | None:
    if "reference" not in content.arrays:
        return None
    arrays = content.arrays["reference"]
    rows, count = arrays["rows"], len(content.arrays["support"]["scale"])
    if (np.diff(rows) <= 0).any() or rows[0] < 0 or rows[-1] >= count:
        raise ValueError("reference: rows are out of their range")
    return ReferencePatterns(arrays["inputs"].astype(np.float32, copy=False), rows)


def _build_mixture(content: Content) -> Mixture | None:
    if "mixture" not in content.arrays:
        return None
    arrays, attrs = content.arrays["mixture"], content.attrs["mixture"]
    if _read_text(content, "mixture", "methods") != " ".join(METHODS):
        raise ValueError(f"mixture: methods are {attrs['methods']!r:.50}, not {' '.join(METHODS)}")
    weights, error, reach = arrays["weights"], arrays["error"], _read_entry(attrs, "reach")
    if (weights < 0).any() or not np.isclose(weights.sum(), 1) or (error < 0).any():
        raise ValueError("mixture: weights or error are out of their range")
    if not isinstance(reach, np.floating) or not reach >= 0:
        raise ValueError(f"mixture: reach is {reach!r:.50}, no number from 0")
    return Mixture(weights, error, float(reach))


def _build_labels(content: Content) -> xr.Dataset:
    """Return the labels by their names; see `model_file`."""
    arrays, attrs = content.arrays["labels"], content.array_attrs["labels"]
    names = parse_json(_read_entry(content.attrs["labels"], "names"))
    if not matches_schema(names, [str]) or len(set(names)) != len(names) or "latent" not in names:
        raise ValueError("the labels' names have another structure")
    found = {}
    for i, name in enumerate(names):
        values = arrays.get(f"label_{i}")
        if values is None or values.ndim != 1 + (name == "latent"):
            raise ValueError(f"the label {name!r:.50} is missing or of another shape")
        dims = ("pattern", "latent_axis")[: values.ndim]
        found[name] = (dims, values, attrs[f"label_{i}"])
    rest = {name: value for name, value in content.attrs["labels"].items() if name != "names"}
    return xr.Dataset(found, attrs=rest)


def _build_history(content: Content) -> xr.Dataset:
    arrays, attrs = content.arrays["history"], content.attrs["history"]
    if not isinstance(_read_entry(attrs, "stopped"), str):
        raise ValueError("history: stopped is no text")
    found = {name: ("step", values) for name, values in arrays.items()}
    return xr.Dataset(found, attrs=attrs)
