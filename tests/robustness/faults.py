"""Faults of memory and plugins, shared by `try_failing_steps.py` and `test_faults.py`.

Each `check_...` function causes a fault and asserts that xrdae reports or survives it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from xrdae import plugins
from xrdae.analysis.conditional import Conditional
from xrdae.analysis.encode import Encoder
from xrdae.autoencoder.autoencoder import Autoencoder

FIT = {"steps": 60, "members": 2, "hidden": (8,), "progress": False}
# Kernels that receive blocks of patterns, by the method that calls them.
KERNELS = {
    "encode": (Encoder, "_center"),
    "relevance": (Conditional, "_replace_rows"),
    "reconstruct": (Autoencoder, "reconstruct"),
}
# A call that reaches each hook.
CALLS: dict[str, Callable[[xr.Dataset, Any], Any]] = {
    "xrdae_to_dataset": lambda ds, model: ds.xrdae.encode(model),
    "xrdae_model_input": lambda ds, model: ds.xrdae.reconstruct(model),
    "xrdae_fit": lambda ds, model: ds.xrdae.fit(**FIT),
    "xrdae_update": lambda ds, model: ds.xrdae.fit(update=model, progress=False),
    "xrdae_encode": lambda ds, model: ds.xrdae.encode(model),
    "xrdae_relevance": lambda ds, model: ds.xrdae.relevance(model),
    "xrdae_synthesize": lambda ds, model: ds.xrdae.synthesize(model, between=(3, 7)),
    "xrdae_attach": lambda ds, model: xrdae.analyze(ds, model),
    "xrdae_on_result": lambda ds, model: plugins.on_result(ds.xrdae.encode(model)),
}


@contextlib.contextmanager
def record_warnings() -> Iterator[list[str]]:
    """Yield a list that holds the texts of the warnings after the block."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(warning.message) for warning in caught]


def check_memory_limit(series: xr.Dataset, model: Any, what: str, limit: int) -> None:
    """Let memory run out for blocks of more than `limit` patterns, and compare the results.

    The kernel raises the exception that torch raises for a GPU. With a limit of 0, the method must
    raise a MemoryError.
    """
    owner, name = KERNELS[what]
    expected = getattr(series.xrdae, what)(model)
    kernel = getattr(owner, name)

    def run_out_of_memory(self: Any, block: Any) -> Any:
        if len(block) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return kernel(self, block)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, run_out_of_memory)
        if limit == 0:
            with pytest.raises(MemoryError, match="memory has run out for a single pattern"):
                getattr(series.xrdae, what)(model)
            return
        result = getattr(series.xrdae, what)(model)
    for name in set(result.data_vars) - set(series.data_vars):
        size = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(result[name], expected[name], rtol=0, atol=5e-6 * size)


@contextlib.contextmanager
def register_failing_plugin(hook: str, error: type[Exception]) -> Iterator[None]:
    """Register a plugin 'unlucky' whose hook raises an error with the text "no such luck"."""

    class FailingPlugin:
        pass

    def fail(self: Any) -> None:
        raise error("no such luck")

    setattr(FailingPlugin, hook, xrdae.hookimpl(fail))
    plugin = FailingPlugin()
    plugins.manager().register(plugin, name="unlucky")
    try:
        yield
    finally:
        plugins.manager().unregister(plugin)


def check_failing_plugin(
    series: xr.Dataset, model: Any, hook: str, error: type[Exception] = ZeroDivisionError
) -> None:
    """Let a hook of a plugin fail, and check that the error names the plugin and the hook.

    A failure of `xrdae_on_result` must be a warning.
    """
    before = series.copy(deep=True)
    with register_failing_plugin(hook, error):
        if hook == "xrdae_on_result":
            with record_warnings() as messages:
                CALLS[hook](series, model)
            assert len(messages) == 1, messages
            assert "xrdae_on_result of plugin 'unlucky' failed" in messages[0], messages
            return
        with pytest.raises(error, match="no such luck") as caught:
            CALLS[hook](series, model)
    assert caught.value.__notes__ == [f"raised by the plugin 'unlucky' in its {hook}"]
    xr.testing.assert_identical(series, before)
