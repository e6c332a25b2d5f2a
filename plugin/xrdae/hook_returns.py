"""What hooks must return: a plugin that returns something else is named in the error."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import xarray as xr

from xrdae.convention.names import AXIS, MODEL_INPUT_DIM, RESULT_DIMS, RESULTS, Result
from xrdae.errors import DataError

_MAIN = {
    "xrdae_encode": "latent",
    "xrdae_relevance": "relevance",
    "xrdae_synthesize": "synthesized",
}


def check_model(model: Any) -> None:
    """Refuse what is no model, such as the path of one.

    Raises
    ------
    TypeError
        With the way to a model.
    """
    if isinstance(model, str | os.PathLike):
        raise TypeError(
            f"model={os.fspath(model)!r} is a path; load the model first: "
            f"xrdae.load_model({os.fspath(model)!r})"
        )
    if isinstance(model, type) or not hasattr(model, "encode"):
        raise TypeError(
            f"model={model!r:.80} is no model but a {type(model).__name__}; fit one "
            "(ds.xrdae.fit()), or read one with xrdae.load_model(path)"
        )


def check_return(hook: str, result: Any, given: Mapping[str, Any], plugin: str) -> None:
    """Refuse what a plugin returned from a hook if it is of a wrong type, name or shape.

    Parameters
    ----------
    hook
        Name of the hook.
    result
        What was returned, not None.
    given
        The arguments that the plugin took.
    plugin
        Its name.

    Raises
    ------
    TypeError
        If the type is wrong.
    DataError
        If names, dimensions or sizes are wrong.
    """
    where = f"plugin {plugin!r} returned from its {hook} "
    if hook in ("xrdae_fit", "xrdae_update"):
        if isinstance(result, str) or not hasattr(result, "encode"):
            raise TypeError(f"{where}a {type(result).__name__}, which is no model")
        return
    wanted = xr.DataArray if hook == "xrdae_model_input" else xr.Dataset
    if hook not in (*_MAIN, "xrdae_to_dataset", "xrdae_model_input"):
        return
    if not isinstance(result, wanted):
        raise TypeError(f"{where}a {type(result).__name__}; it must be an xarray.{wanted.__name__}")
    if hook == "xrdae_to_dataset":
        return
    dataset, model = given.get("dataset"), given.get("model")
    if isinstance(result, xr.DataArray):
        _check_model_input(result, model, where)
        _check_sizes(result, "model input", dataset, where)
        return
    main = _MAIN[hook]
    if main not in result.data_vars:
        raise DataError(f"{where}a Dataset without {main!r}; it has {list(result.data_vars)}")
    samples = _find_sample_dims(dataset, model)
    n_latent = getattr(model, "n_latent", None)
    for name, array in result.data_vars.items():
        if str(name) in RESULTS:
            _check_result(array, RESULTS[str(name)], samples, n_latent, where)
        if hook != "xrdae_synthesize":
            _check_sizes(array, str(name), dataset, where)


def _find_sample_dims(dataset: Any, model: Any) -> tuple[Hashable, ...]:
    """Return the sample dimensions of the patterns that a plugin was given; () if not known."""
    try:
        return tuple(model.patterns(dataset).sample_dims)
    except (AttributeError, DataError, TypeError):  # a facility's own model, or kind of data
        return ()


def _check_result(
    array: xr.DataArray,
    result: Result,
    samples: tuple[Hashable, ...],
    n_latent: int | None,
    where: str,
) -> None:
    """Refuse a result that lacks a dimension, or is of no numbers, or of other latent axes."""
    needed = [d for d in result.dims if d != AXIS] + (list(samples) if result.per_pattern else [])
    missing = [d for d in needed if d not in array.dims]
    if missing:
        raise DataError(
            f"{where}{array.name!r} along {list(array.dims)}; it must have {missing[0]!r} too"
        )
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where}{array.name!r} of type {array.dtype}; it must be real numbers")
    found = array.sizes.get("latent_axis", n_latent)
    if n_latent is not None and found != n_latent:
        raise DataError(f"{where}{array.name!r} with {found} latent axes; the model has {n_latent}")


def _check_model_input(array: xr.DataArray, model: Any, where: str) -> None:
    if MODEL_INPUT_DIM not in array.dims:
        raise DataError(
            f"{where}an array along {list(array.dims)}; it must have {MODEL_INPUT_DIM!r} too"
        )
    preparation = getattr(getattr(model, "autoencoder", None), "preparation", None)
    if preparation is not None and array.sizes[MODEL_INPUT_DIM] != preparation.mean.size:
        raise DataError(
            f"{where}{array.sizes[MODEL_INPUT_DIM]} channels; the model has {preparation.mean.size}"
        )


def _check_sizes(array: xr.DataArray, name: str, dataset: Any, where: str) -> None:
    """Refuse dimensions that the patterns do not have, and sizes that are not theirs."""
    if not isinstance(dataset, xr.Dataset):
        return
    for d, size in array.sizes.items():
        if d in dataset.sizes and d not in RESULT_DIMS and dataset.sizes[d] != size:
            raise DataError(
                f"{where}{name!r} with {size} positions along {d!r}; the patterns have "
                f"{dataset.sizes[d]}"
            )
        if d not in (*dataset.sizes, *RESULT_DIMS, MODEL_INPUT_DIM, "q"):
            raise DataError(
                f"{where}{name!r} along {d!r}, a dimension that the patterns do not have; they "
                f"have {list(dataset.sizes)}"
            )


def guard(
    call: Callable[..., Any], hook: str, names: tuple[str, ...], plugin: str
) -> Callable[..., Any]:
    """Return an implementation whose errors name the plugin, and whose result is checked."""

    def guarded(*arguments: Any) -> Any:
        try:
            result = call(*arguments)
        except Exception as error:
            error.add_note(f"raised by the plugin {plugin!r} in its {hook}")
            raise
        if result is not None:
            check_return(hook, result, dict(zip(names, arguments, strict=True)), plugin)
        return result

    return guarded
