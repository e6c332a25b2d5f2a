"""Readers of what instruments write: a module a family of formats, found by content.

A reader module has `is_mine(file)` and `read(file)`, which returns the file's scans or, where the
format is labelled already (NeXus), a Dataset by the convention. It raises `FormatError` with the
reason, without the path. One more format is one more module, named below.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import UNITS
from xrdae.errors import FormatError
from xrdae.readers.datafile import DataFile
from xrdae.readers.scan import Scan

# Asked in this order: those with unmistakable content first, columns of numbers last.
MODULES = (
    "netcdf",
    "nexus",
    "rasx",
    "brml",
    "bruker_raw",
    "rigaku_raw",
    "xrdml",
    "pdcif",
    "ras",
    "uxd",
    "udf",
    "philips_rd",
    "cpi",
    "mdi",
    "rigaku_asc",
    "stoe_raw",
    "gsas",
    "json_array",
    "columns",
)
HIGHEST = {"two_theta": 180.0, "q": 1e6, "d": 1e6}  # positions that can be


def find_reader(file: DataFile) -> ModuleType:
    """Return the module that reads a file.

    Raises
    ------
    FormatError
        If none knows the content.
    """
    for name in MODULES:
        module = importlib.import_module(f"xrdae.readers.{name}")
        if module.is_mine(file):
            return module
    start = file.content[:16]
    raise FormatError(
        f"no reader knows this content (it starts with {start!r}); export it as columns of "
        "2theta, intensity (.xy) or in another format that the README lists"
    )


def read(path: str | os.PathLike[str]) -> list[Scan] | xr.Dataset:
    """Return the scans of a file, at least one, or a Dataset of it.

    Raises
    ------
    FormatError
        If it cannot be read; the message names the file and the reason.
    OSError
        If it is not there or may not be read.
    """
    try:
        file = DataFile.open(path)
        with np.errstate(over="ignore", invalid="ignore"):  # damaged numbers, refused as infinite
            found: list[Scan] | xr.Dataset = find_reader(file).read(file)
        if not isinstance(found, xr.Dataset):
            check(found)
        return found
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def check(scans: list[Scan]) -> None:
    """Refuse what no pattern can be, whichever reader found it.

    Raises
    ------
    FormatError
        If a scan is none.
    """
    if not scans:
        raise FormatError("it holds no pattern")
    for i, scan in enumerate(scans):
        where = f"scan {i + 1} of {len(scans)}: " if len(scans) > 1 else ""
        n = len(scan.positions)
        if n < 2:
            raise FormatError(f"{where}it has {n} point; a pattern needs at least 2")
        shapes = {
            np.shape(a) for a in (scan.positions, scan.intensity, scan.errors) if a is not None
        }
        if shapes != {(n,)}:
            raise FormatError(f"{where}it has {n} positions but intensities of shape {shapes}")
        if not np.isfinite(scan.positions).all():
            at = int(np.flatnonzero(~np.isfinite(scan.positions))[0])
            raise FormatError(f"{where}position {at} is {scan.positions[at]}")
        highest = np.abs(scan.positions).max()
        if scan.kind in HIGHEST and highest > HIGHEST[scan.kind]:
            raise FormatError(
                f"{where}positions up to {highest:.6g} are no {scan.kind} in {UNITS[scan.kind]}"
            )
        if (scan.positions == scan.positions[0]).all():
            raise FormatError(f"{where}its positions are all {scan.positions[0]:.6g}")
        if not np.isfinite(scan.intensity).any():
            raise FormatError(f"{where}no intensity is a number")
