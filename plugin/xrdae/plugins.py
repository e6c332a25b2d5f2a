"""The plugin manager: built-ins and third parties come in by the entry-point group `xrdae`."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import pluggy

from xrdae import hookspecs
from xrdae.errors import warn
from xrdae.hook_returns import check_model, guard
from xrdae.provenance import merge_attrs

GROUP = "xrdae"
BUILT_IN = "builtin"


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
        return _made()


@functools.cache
def _made() -> pluggy.PluginManager:
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
    """Refuse a model that is none before any plugin sees it."""
    if "model" in arguments:
        check_model(arguments["model"])


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
    """Return model input by a plugin's own `xrdae_model_input`; None where none takes part.

    The built-in step is left out: encoding folds it into its products, so nothing as large as the
    data need be made.
    """
    built_in = manager().get_plugin(BUILT_IN)
    hook = manager().subset_hook_caller("xrdae_model_input", [built_in])
    return hook(dataset=dataset, model=model)


def latents_and_relevance(dataset: Any, model: Any) -> Any:
    """Return the results of encoding and of masking each peak, through the hooks, as one."""
    from xrdae.autoencoder.fitted import parse_once

    hook = manager().hook
    with parse_once():
        relevance = hook.xrdae_relevance(
            dataset=dataset, model=model, regions="peaks", fill="background"
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
