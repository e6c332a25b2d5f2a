"""The plugin manager, and the checks of what plugins are given and return."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import pluggy
import xarray as xr

from xrdae import hookspecs
from xrdae.convention.names import AXIS, MODEL_INPUT_DIM, RESULT_DIMS, RESULTS, Result
from xrdae.errors import DataError, warn
from xrdae.provenance import merge_attrs

GROUP = "xrdae"
BUILT_IN = "builtin"
_MAIN = {
    "xrdae_encode": "latent",
    "xrdae_relevance": "relevance",
    "xrdae_synthesize": "synthesized",
    "xrdae_cluster": "cluster",
}


class Manager(pluggy.PluginManager):
    """A plugin manager that checks what plugins return, and names the plugin in errors."""

    def register(self, plugin: Any, name: str | None = None) -> str | None:
        """Register a plugin; the package's own steps are not checked."""
        registered = super().register(plugin, name)
        for caller in self.get_hookcallers(plugin) or []:
            for impl in caller.get_hookimpls():
                is_step = not (impl.hookwrapper or impl.wrapper)
                if impl.plugin is plugin and is_step and registered != BUILT_IN:
                    known = name or getattr(plugin, "__name__", type(plugin).__qualname__)
                    step = guard(impl.function, caller.name, impl.argnames, str(known))
                    impl.function = step  # type: ignore[misc]
        return registered


_LOCK = threading.RLock()  # a plugin may ask for the manager while it is loaded


def manager() -> pluggy.PluginManager:
    """Return the process-wide manager, made at the first call.

    Entry points are loaded one by one: a broken one warns and is skipped. The environment variable
    `XRDAE_BLOCK_PLUGINS` holds names of entry points, separated by commas, that are not loaded.
    """
    with _LOCK:
        return _make_manager()


@functools.cache
def _make_manager() -> pluggy.PluginManager:
    pm, broken = load()
    for message in broken:
        warn(message)
    return pm


def load() -> tuple[pluggy.PluginManager, list[str]]:
    """Return a new manager, and which entry points are broken, a line each."""
    broken = []
    pm = Manager(GROUP)
    pm.add_hookspecs(hookspecs)
    for name in filter(None, os.environ.get("XRDAE_BLOCK_PLUGINS", "").split(",")):
        pm.set_blocked(name.strip())
    for point in entry_points(group=GROUP):
        if pm.is_blocked(point.name) or pm.has_plugin(point.name):
            continue
        try:
            pm.register(point.load(), name=point.name)
        except Exception as error:
            broken.append(
                f"xrdae plugin {point.name!r} ({point.value}) is skipped: "
                f"{type(error).__name__}: {error}"
            )
    pm.check_pending()
    pm.add_hookcall_monitoring(_check_arguments, lambda *_: None)
    return pm, broken


def _check_arguments(
    hook: str,  # noqa: ARG001  (pluggy gives it)
    implementations: Sequence[pluggy.HookImpl],  # noqa: ARG001
    arguments: Mapping[str, Any],
) -> None:
    """Refuse an object that is not a model, before any plugin gets it."""
    if "model" in arguments:
        check_model(arguments["model"])


def call_hook(name: str, **arguments: Any) -> Any:
    """Call a hook, and return the result of the first plugin that has one."""
    return getattr(manager().hook, name)(**arguments)


def to_dataset(obj: Any) -> Any:
    """Return a host's object as a Dataset, through the hook.

    Raises
    ------
    TypeError
        If no plugin knows the object.
    """
    dataset = manager().hook.xrdae_to_dataset(obj=obj)
    if dataset is None:
        known = sorted(name for name, plugin in manager().list_name_plugin() if plugin)
        raise TypeError(
            f"no plugin turns a {type(obj).__module__}.{type(obj).__qualname__} into a Dataset; "
            f"plugins: {', '.join(known)}"
        )
    return dataset


def model_input(dataset: Any, model: Any) -> Any:
    """Return model input from a plugin's `xrdae_model_input`; None if no plugin has one.

    The built-in step is left out: encoding folds it into its products, so nothing as large as the
    data need be made.
    """
    built_in = manager().get_plugin(BUILT_IN)
    hook = manager().subset_hook_caller("xrdae_model_input", [built_in])
    return hook(dataset=dataset, model=model)


def latents_and_relevance(
    dataset: Any, model: Any, *, regions: Any = "peaks", fill: str | None = None
) -> Any:
    """Return the results of encoding and the relevance of each region, through the hooks, as one.

    `regions` and `fill` are those of `Model.relevance`. If `fill` is None, it is "conditional".
    Models of earlier formats keep no patterns to compare regions with: it is "background".
    """
    from xrdae.autoencoder.fitted import parse_once

    hook = manager().hook
    if fill is None:
        fill = "background" if model.fitted.reference is None else "conditional"
    with parse_once():
        relevance = hook.xrdae_relevance(
            dataset=dataset,
            model=model,
            regions=regions,
            fill=fill,
            label=None,
            reference=None,
        )
        result = hook.xrdae_encode(dataset=dataset, model=model)
    return result.merge(relevance, compat="override", combine_attrs=merge_attrs)


def on_result(result: Any) -> None:
    """Tell every plugin of a live result, one by one: a failing one warns, the others are told."""
    for implementation in reversed(manager().hook.xrdae_on_result.get_hookimpls()):
        try:
            implementation.function(*[{"result": result}[n] for n in implementation.argnames])
        except Exception as error:
            warn(
                f"xrdae_on_result of plugin {implementation.plugin_name!r} failed: "
                f"{type(error).__name__}: {error}"
            )


def check_model(model: Any) -> None:
    """Refuse an object that is not a model, such as a path.

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
    """Refuse the result of a plugin's hook if its type, name or shape is wrong.

    Parameters
    ----------
    hook
        Name of the hook.
    result
        Result of the hook, not None.
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
