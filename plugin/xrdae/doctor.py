"""Check the installation: versions, extras, devices and plugins."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, entry_points, requires, version

import pluggy

from xrdae.plugins import GROUP, load

Sections = dict[str, dict[str, str]]

MISSING = "not installed"
ONLY_FOR_TESTS = {"all", "bench", "demo", "hosts", "test"}


def examine() -> tuple[Sections, list[str]]:
    """Return sections of names and values, and a list of problems."""
    manager, broken = load()
    return {
        "Versions": {"python": platform.python_version(), **_check_core()},
        "Devices": _check_devices(),
        **{f"Extra {name}": found for name, found in _check_extras().items()},
        "Plugins": _check_plugins(manager),
    }, broken


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _list_requirements() -> list[tuple[str, str]]:
    """Return the packages that this one asks for, each with its extra ("" for the core)."""
    found = []
    for text in requires("xrdae") or []:
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", text)
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name and name[0] != "xrdae":
            found.append((name[0], extra[1] if extra else ""))
    return found


def _check_core() -> dict[str, str]:
    names = ["xrdae", *(name for name, extra in _list_requirements() if not extra)]
    return {name: _find_version(name) for name in names}


def _check_extras() -> Sections:
    found: Sections = {}
    for name, extra in _list_requirements():
        if extra and extra not in ONLY_FOR_TESTS:
            found.setdefault(extra, {})[name] = _find_version(name)
    return dict(sorted(found.items()))


def _check_devices() -> dict[str, str]:
    import torch

    devices = {"cpu": f"{os.cpu_count()} processors, torch uses {torch.get_num_threads()} threads"}
    for i in range(torch.cuda.device_count()):
        devices[f"cuda:{i}"] = torch.cuda.get_device_name(i)
    return devices


def _check_plugins(manager: pluggy.PluginManager) -> dict[str, str]:
    loaded = dict(manager.list_name_plugin())
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in loaded:
            found[point.name] = f"{point.value}: broken"
        elif loaded[point.name] is None:
            found[point.name] = f"{point.value}: blocked by XRDAE_BLOCK_PLUGINS"
        else:
            found[point.name] = point.value
    return found
