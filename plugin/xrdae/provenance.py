"""Provenance of models and results: data, versions, settings and steps, as plain JSON.

A model keeps its own. A dataset keeps one attribute, `xrdae_provenance`: a JSON object with the
`steps` that made its results, in order, and the `models` that these name.
"""

from __future__ import annotations

import functools
import json
import platform
import shlex
import weakref
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae.autoencoder.provenance_schema import MODEL, STEP
from xrdae.fingerprint import (
    LONGEST,
    compact_argument,
    compact_arguments,
    fingerprint_fitted,
    fingerprint_patterns,
    hash_values,
    shorten_names,
)
from xrdae.storage.bounded_json import matches_schema, parse_json

if TYPE_CHECKING:
    from xrdae.autoencoder.fitted import Fitted, HasFitted
    from xrdae.convention.patterns import Patterns

ATTRIBUTE = "xrdae_provenance"
LARGEST = 32_000  # characters of the attribute; HDF5 allows 64 kB
MOST_UPDATES = 10  # whose models are remembered
MOST_RESULTS = 50  # that are named of a step
_KEYS = {"step", "results", "arguments", "model", "data"}
PACKAGES = ("xrdae", "numpy", "scipy", "torch", "xarray")

_command: ContextVar[str | None] = ContextVar("xrdae_command", default=None)
_known: weakref.WeakKeyDictionary[Fitted, tuple[str, dict[str, Any]]] = weakref.WeakKeyDictionary()


@contextmanager
def record_command(words: Sequence[str]) -> Iterator[None]:
    """Record a command in the provenance of everything that is made in the block."""
    token = _command.set(_shorten_text(shlex.join(words), LONGEST))
    try:
        yield
    finally:
        _command.reset(token)


def record_fit(
    patterns: Patterns, trained_on: Any, labels: Collection[str], *, device: str
) -> dict[str, Any]:
    """Return the provenance of a model that is fitted now.

    Parameters
    ----------
    patterns
        What was given.
    trained_on
        Intensities of them `(pattern, point)` that are trained on, in order.
    labels
        Names of their labels.
    device
        See `Config.device`.

    Returns
    -------
    dict
        `time`, `versions`, `command` (None: Python) and `data`: what `fingerprint_patterns`
        returns, and `trained_on`, the fingerprint of all intensities that were trained on. The
        settings, such as seed and preprocessing, are in the model's `config`.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": find_versions(device),
        "command": _command.get(),
        "data": {
            **fingerprint_patterns(patterns, labels=labels),
            "trained_on": hash_values(trained_on),
        },
    }


def record_update(fitted: Fitted, made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of an updated model; `made` is that of the further patterns.

    `updated_from` is that of the models before it, the last ones, each with its fingerprint and
    settings.
    """
    own = describe_origin(fitted)
    return {**made, "updated_from": [*own.pop("updated_from", []), own][-MOST_UPDATES:]}


def attach_provenance(
    result: xr.Dataset,
    step: str,
    model: Fitted | HasFitted,
    patterns: Patterns,
    *,
    inputs: xr.DataArray | None = None,
    labels: Collection[str] = (),
    **arguments: Any,
) -> xr.Dataset:
    """Return a result with provenance in its attribute.

    There is no time in it: the same step gives the same result.

    Parameters
    ----------
    result
        Result of the step.
    step
        Its name.
    model, patterns
        Model and patterns of the step.
    inputs
        The model input, where a plugin or the caller gave it.
    labels
        Names of the patterns' labels that were used.
    **arguments
        Of the step; a long one is kept as its fingerprint and size.
    """
    fitted = _get_fitted(model)
    fingerprint, record = _find_record(fitted)
    entry = {
        "step": step,
        "results": shorten_names(list(result.data_vars)[:MOST_RESULTS]),
        "arguments": compact_arguments(arguments),
        "model": fingerprint,
        "model_input": "built in" if inputs is None else "given by a plugin or the caller",
        "data": fingerprint_patterns(patterns, labels=labels),
        "versions": find_versions(fitted.config.device),
        "command": _command.get(),
    }
    return result.assign_attrs({ATTRIBUTE: _to_json([entry], {fingerprint: record})})


def fingerprint(model: Fitted | HasFitted) -> str:
    """Return the SHA-256 of a model: settings but the device, arrays, training labels.

    Examples
    --------
    >>> from xrdae.provenance import fingerprint
    >>> model.save("model.nc")
    >>> fingerprint(xrdae.load_model("model.nc")) == fingerprint(model)
    True
    """
    return _find_record(_get_fitted(model))[0]


def describe_origin(model: Fitted | HasFitted) -> dict[str, Any]:
    """Return a model's own provenance with its `fingerprint` and its `config`."""
    fitted = _get_fitted(model)
    config = json.loads(fitted.config.to_json())
    return {"fingerprint": fingerprint(fitted), **fitted.provenance, "config": config}


def read_provenance(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `steps` and `models` from a dataset's attributes; empty if there are none.

    Examples
    --------
    >>> from xrdae.provenance import read_provenance
    >>> made = read_provenance(ds.xrdae.encode(model).attrs)
    >>> [step["step"] for step in made["steps"]]
    ['encode']
    """
    if ATTRIBUTE not in attrs:
        return {"steps": [], "models": {}}
    try:
        record = parse_json(attrs[ATTRIBUTE])
        steps, models = record.get("steps", []), record.get("models", {})
    except (AttributeError, ValueError):  # not written by this package
        return {"steps": [], "models": {}}
    is_ours = (
        matches_schema(steps, [STEP])
        and isinstance(models, dict)
        and matches_schema([*models.values()], [MODEL])
    )
    whole = [entry for entry in steps if entry.keys() >= _KEYS] if is_ours else []
    return {"steps": whole, "models": models if is_ours else {}}


def merge_attrs(
    attrs: Sequence[Mapping[Any, Any]],
    context: Any = None,  # noqa: ARG001  (from xarray)
) -> dict[Any, Any]:
    """Return attributes in one, where the later ones count; of provenance, all steps.

    A result that is made anew belongs to its last step alone. xarray takes this function as
    `combine_attrs`.
    """
    found: dict[Any, Any] = {}
    steps: list[dict[str, Any]] = []
    models: dict[str, Any] = {}
    for given in attrs:
        found |= given
        record = read_provenance(given)
        models |= record["models"]
        anew = {name for entry in record["steps"] for name in entry["results"]}
        steps = [*_drop_results(anew, steps), *record["steps"]]
    return found | ({ATTRIBUTE: _to_json(steps, models)} if steps else {})


def prune_provenance(attrs: Mapping[Any, Any], names: Collection[Hashable]) -> dict[Any, Any]:
    """Return attributes whose provenance tells of results of these names only."""
    if ATTRIBUTE not in attrs:
        return dict(attrs)
    record, there = read_provenance(attrs), set(shorten_names(names))
    gone = {name for entry in record["steps"] for name in entry["results"]} - there
    steps = _drop_results(gone, record["steps"])
    others = {name: value for name, value in attrs.items() if name != ATTRIBUTE}
    return others | ({ATTRIBUTE: _to_json(steps, record["models"])} if steps else {})


def generalize_provenance(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes that are valid for any patterns on this axis.

    For results that more are appended to.
    """
    record = read_provenance(attrs)
    steps = [
        entry | {"data": {k: entry["data"][k] for k in ("variable", "dim", "axis")}}
        for entry in record["steps"]
    ]
    return {**attrs, ATTRIBUTE: _to_json(steps, record["models"])}


def differences(results: xr.Dataset, dataset: xr.Dataset, model: Fitted | HasFitted) -> list[str]:
    """Return in words where data and model differ from those that results were made of.

    Of results of lazy patterns only sizes and axis are compared, of live ones only the axis.

    Parameters
    ----------
    results
        A dataset with results.
    dataset
        Patterns by the convention; 64 of them are read where they are lazy.
    model
        A fitted model.

    Examples
    --------
    >>> from xrdae.provenance import differences
    >>> differences(ds.xrdae.encode(model), ds, model)
    []
    """
    found = []
    patterns = _get_fitted(model).find_patterns(dataset)
    here, data = fingerprint(model), fingerprint_patterns(patterns, read=True)
    for entry in read_provenance(results.attrs)["steps"]:
        if entry["model"] != here:
            found.append(f"{entry['step']}: made with model {entry['model']}, this is {here}")
        found += [
            f"{entry['step']}: {part} was {entry['data'][part]}, is {data[part]}"
            for part in ("sizes", "axis", "intensity")
            if entry["data"].get(part) not in (None, data[part])
        ]
    return found


@functools.cache
def find_versions(device: str) -> dict[str, str]:
    """Return the versions on which results depend, and the name of the device."""
    import torch

    from xrdae.compute.device import find_device

    place = find_device(device)
    cuda = place.type == "cuda"
    what = torch.cuda.get_device_name(place) if cuda else torch.backends.cpu.get_cpu_capability()
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{place.type} ({what})",
    }


def _get_fitted(model: Fitted | HasFitted) -> Fitted:
    return model.fitted if hasattr(model, "fitted") else model


def _find_record(fitted: Fitted) -> tuple[str, dict[str, Any]]:
    """Return a model's fingerprint and its record for results, computed once for a model."""
    if fitted not in _known:
        # Without the time: the same fit and step give the same result.
        made = {name: part for name, part in fitted.provenance.items() if name != "time"}
        made["config"] = json.loads(fitted.config.to_json())
        before = made.pop("updated_from", [])
        short = {
            name: compact_arguments(part) if isinstance(part, dict) else compact_argument(part)
            for name, part in made.items()
        }
        if before:
            short["updated_from"] = [
                {"fingerprint": one["fingerprint"], "command": one.get("command")}
                | {"trained_on": one.get("data", {}).get("trained_on")}
                for one in before
            ]
        _known[fitted] = (fingerprint_fitted(fitted), short)
    return _known[fitted]


def _to_json(steps: list[dict[str, Any]], models: Mapping[str, Any]) -> str:
    """Return the attribute; the oldest steps go where it would get too long."""
    while True:
        used = {entry["model"]: models.get(entry["model"], {}) for entry in steps}
        text = json.dumps({"steps": steps, "models": used})
        if len(text) <= LARGEST or len(steps) < 2:
            return text
        steps = steps[1:]


def _drop_results(names: set[str], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left = [e | {"results": [name for name in e["results"] if name not in names]} for e in steps]
    return [entry for entry in left if entry["results"]]


def _shorten_text(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    part = most // 2 - 30
    return f"{text[:part]} ... {len(text) - 2 * part} characters ... {text[-part:]}"


# Names that plugins and notebooks use.
read = read_provenance
stamped = attach_provenance
