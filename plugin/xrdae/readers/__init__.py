"""Readers of instrument files: one module for each family of formats.

A reader module defines two functions. `is_mine(file)` recognises the format by its content.
`read_scans(file)` returns the scans of the file. Readers of labelled formats (netCDF, NeXus) return
a Dataset that follows the convention. `read_scans` raises `FormatError` with the reason. The
message omits the path, which `read_file` adds.

To add a format, write a module with these two functions and add its name to `MODULES`.
"""

from __future__ import annotations

import functools
import importlib
import os
from types import ModuleType

import numpy as np
import xarray as xr

from xrdae.convention.axis_kinds import UNITS
from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import Scan
from xrdae.readers.unmeasured import mark_unmeasured

# Modules are tried in this order: unmistakable content first, plain columns of numbers last.
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
    "xdi",
    "spec",
    "json_array",
    "fullprof_prf",
    "text_columns",
)
HIGHEST = {"two_theta": 180.0, "q": 1e6, "d": 1e6}  # largest physically possible position


def find_reader(file: DataFile) -> ModuleType:
    """Return the module that reads a file.

    Raises
    ------
    FormatError
        If no reader recognises the content.
    """
    for name in MODULES:
        module = _import_reader(name)
        if module.is_mine(file):
            return module
    start = file.content[:16]
    raise FormatError(
        f"no reader knows this content (it starts with {start!r}); export it as columns of "
        "2theta, intensity (.xy) or in another format that the README lists"
    )


@functools.cache
def _import_reader(name: str) -> ModuleType:
    return importlib.import_module(f"xrdae.readers.{name}")


def read_file(
    path: str | os.PathLike[str], options: ReadOptions = NOTHING_STATED
) -> list[Scan] | xr.Dataset:
    """Return the scans of a file (at least one) or its labelled Dataset.

    Raises
    ------
    FormatError
        If the file cannot be read. The message names the file and the reason.
    OSError
        If the file does not exist or permission is denied.
    """
    try:
        file = DataFile.open(path, options)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow gives inf, refused below
            reader = find_reader(file)
            if options.describes_table and reader.__name__ != f"{__name__}.text_columns":
                raise FormatError(
                    f"columns, axis and units describe tables of numbers, but this is a file of "
                    f"{reader.__name__.rpartition('.')[2]}, which states them; leave them out"
                )
            result: list[Scan] | xr.Dataset = reader.read_scans(file)
        if not isinstance(result, xr.Dataset):
            check(result)
            result = [mark_unmeasured(scan) for scan in result]
        return result
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def check(scans: list[Scan]) -> None:
    """Refuse scans that cannot be diffraction patterns.

    Raises
    ------
    FormatError
        If there is no scan or a scan is not a valid pattern.
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
            index = int(np.flatnonzero(~np.isfinite(scan.positions))[0])
            raise FormatError(f"{where}position {index} is {scan.positions[index]}")
        highest = np.abs(scan.positions).max()
        if scan.kind in HIGHEST and highest > HIGHEST[scan.kind]:
            raise FormatError(
                f"{where}positions up to {highest:.6g} are no {scan.kind} in {UNITS[scan.kind]}"
            )
        if (scan.positions == scan.positions[0]).all():
            raise FormatError(f"{where}its positions are all {scan.positions[0]:.6g}")
        if not np.isfinite(scan.intensity).any():
            raise FormatError(f"{where}no intensity is a number")
