"""Autoencoder latents, peak relevance and synthesized patterns for X-ray diffraction datasets.

Importing registers the accessor `ds.xrdae`; torch is imported when a model is fitted or loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xrdae.accessor import analyze
from xrdae.errors import DataError, FormatError, TrainingError
from xrdae.hookspecs import hookimpl

if TYPE_CHECKING:
    from xrdae.config import Config
    from xrdae.loading.opening import open_patterns
    from xrdae.model import Model, load_model

__all__ = [
    "Config",
    "DataError",
    "FormatError",
    "Model",
    "TrainingError",
    "analyze",
    "hookimpl",
    "load_model",
    "open_patterns",
]

_LAZY = {
    "Config": "config",
    "Model": "model",
    "load_model": "model",
    "open_patterns": "loading.opening",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("xrdae")
    if name not in _LAZY:
        raise AttributeError(f"module 'xrdae' has no attribute {name!r}")
    return getattr(importlib.import_module(f"xrdae.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
