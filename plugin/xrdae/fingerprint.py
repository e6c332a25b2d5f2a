"""Fingerprints: SHA-256 of numbers and texts, independent of type and byte order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xrdae.convention.apply_kernel import convert_to_texts
from xrdae.preprocessing.subsets import choose_evenly

if TYPE_CHECKING:
    from xrdae.autoencoder.fitted import Fitted
    from xrdae.convention.patterns import Patterns

LONGEST = 1_000  # characters of an argument, a setting or a command
LONGEST_NAME = 100
MOST_VALUES = 200  # of an array that is an argument
MOST_NAMES = 8  # of files
SAMPLED = 64  # patterns: about a millisecond
_SAMPLED_VALUES = 2**18
_BLOCK = 2**18  # values converted together
_SETTINGS_OF_A_PLACE = {"device"}  # settings that do not change the result


def hash_values(*parts: Any) -> str:
    """Return the SHA-256 of texts and numeric arrays, as hexadecimal digits.

    Numbers count as 64-bit floats, all NaN and both zeros as one; shapes count.
    """
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(f"text {len(part)} ".encode() + part.encode("utf-8", "surrogatepass"))
            continue
        values = np.asarray(part)
        found.update(f"array {values.shape} ".encode())
        flat = values.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK].astype("<f8") + 0.0
            block[np.isnan(block)] = np.nan
            found.update(block.data)
    return found.hexdigest()


def shorten_name(name: Hashable) -> str:
    """Return a name of at most a hundred characters, which a long one's fingerprint ends."""
    text = str(name)
    if len(text) <= LONGEST_NAME:
        return text
    return f"{text[: LONGEST_NAME - 20]}...{hash_values(text)[:16]}"


def shorten_names(names: Iterable[Hashable]) -> list[str]:
    """Return each name by `shorten_name`."""
    return [shorten_name(name) for name in names]


def compact_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return each argument by `compact_argument`."""
    return {name: compact_argument(value) for name, value in arguments.items()}


def compact_argument(value: Any) -> Any:
    """Return an argument as JSON, or its fingerprint and size if the JSON is long."""
    if isinstance(value, np.ndarray | xr.DataArray) and value.size > MOST_VALUES:
        return {"sha256": hash_values(value), "shape": list(value.shape)}
    plain = _to_plain(value)
    text = json.dumps(plain)
    if len(text) <= LONGEST:
        return plain
    return {"sha256": hash_values(text), "characters": len(text)}


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | xr.DataArray):
        return np.asarray(value).tolist()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def fingerprint_patterns(
    patterns: Patterns, *, labels: Collection[str] = (), read: bool = False
) -> dict[str, Any]:
    """Return what patterns are known again by.

    Parameters
    ----------
    patterns
        Patterns by the convention.
    labels
        Names of labels that are used too, where there are.
    read
        Read patterns also where they are lazy.

    Returns
    -------
    dict
        `variable`, `dim`, `sizes`; `axis`, the fingerprint of kind, positions (to 1e-8 of the
        kind's own units) and wavelength; `intensity`, that of `sampled` evenly chosen patterns with
        NaN where the mask is, None where they are lazy; `labels`; `files`, their names
        without folders, where the dataset tells. Fingerprints (SHA-256) do not depend on chunks,
        number types, byte order, the order of dimensions, or the format of a file; they do on
        the order of patterns. Uncertainties and patterns between those chosen are not covered.
    """
    array, axis = patterns.intensity, patterns.axis
    lazy = array.chunks is not None and not read
    intensity, sampled = (None, 0) if lazy else _hash_intensity(array)
    found = {
        "variable": shorten_name(array.name),
        "dim": shorten_name(patterns.dim),
        "sizes": {shorten_name(d): array.sizes[d] for d in sorted(array.dims, key=str)},
        "axis": hash_values(axis.kind, np.round(axis.values, 8), np.round(axis.wavelength or 0, 8)),
        "intensity": intensity,
        "sampled": sampled,
    }
    if labels:
        known = patterns.labels()
        found["labels"] = _hash_labels({name: known[name] for name in labels if name in known})
    files = _find_files(array)
    return found | ({"files": files} if files else {})


def _hash_intensity(array: xr.DataArray) -> tuple[str, int]:
    """Return the fingerprint of evenly chosen patterns of `(..., point)`, and how many these are.

    Up to 64, fewer of more than 4096 points. Patterns count in the order of the other
    dimensions' names.
    """
    dims = sorted(array.dims[:-1], key=str)
    shape = [array.sizes[d] for d in dims]
    most = max(1, min(SAMPLED, _SAMPLED_VALUES // array.sizes[array.dims[-1]]))
    chosen = choose_evenly(int(np.prod(shape)), most)
    at = np.unravel_index(chosen, shape) if dims else ()
    indexers = {d: xr.Variable(dims[0], i) for d, i in zip(dims, at, strict=True)}
    return hash_values(array.variable.isel(indexers).values), len(chosen)


def _hash_labels(labels: Mapping[str, xr.DataArray]) -> str:
    """Return the fingerprint of labels by name, along dimensions in the order of their names."""
    parts: list[Any] = []
    for name, label in sorted(labels.items()):
        parts += [name, label.transpose(*sorted(label.dims, key=str)).values]
    return hash_values(*parts)


def fingerprint_fitted(fitted: Fitted) -> str:
    """Return the fingerprint of a model's content, without history, provenance and device."""
    from xrdae.autoencoder.model_file import make_groups

    config = json.loads(fitted.config.to_json())
    parts: list[Any] = [json.dumps({k: config[k] for k in config if k not in _SETTINGS_OF_A_PLACE})]
    for path, dataset in make_groups(fitted).items():
        parts += [path, json.dumps(dataset.attrs, sort_keys=True, default=float)]
        for name, variable in sorted(dataset.variables.items(), key=lambda v: str(v[0])):
            parts += [str(name), variable.values]
    return hash_values(*parts)


def _find_files(array: xr.DataArray) -> dict[str, Any] | list[str]:
    """Return the names of the files of the patterns, or a summary of many files."""
    coord = array.coords.get("file")
    if coord is not None and coord.chunks is None:
        names = convert_to_texts(np.ravel(coord.values)).tolist()
    else:
        names = [str(array.encoding["source"])] if "source" in array.encoding else []
    if len(names) <= MOST_NAMES:
        return [_drop_folder(name) for name in names]
    ends = {"first": _drop_folder(names[0]), "last": _drop_folder(names[-1])}
    return {"count": len(names), **ends, "sha256": hash_values("\n".join(names))}


def _drop_folder(name: str) -> str:
    """Return the name of a file without its folder, and without a key in its address."""
    return shorten_name(name.split("?")[0].replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
