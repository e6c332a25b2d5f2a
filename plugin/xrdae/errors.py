"""What can go wrong, by who can mend it, and warnings that point at the caller's own line."""

from __future__ import annotations

import sys
import warnings

_INSIDE = {"xrdae", "xrdae_adapters", "pluggy", "dask", "contextlib", "torch"}


class XrdaeError(Exception):
    """Base of every error that xrdae raises on purpose."""


class DataError(XrdaeError, ValueError):
    """The dataset lacks information, or contradicts itself. The message says what to set."""


class FormatError(XrdaeError, ValueError):
    """A file cannot be read: of no known format, damaged, or a newer model."""


class TrainingError(XrdaeError, RuntimeError):
    """Training cannot go on (a loss that is not finite)."""


def warn(message: str) -> None:
    """Issue a warning at the line that called the package, also from inside hooks."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE
