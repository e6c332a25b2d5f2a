"""Many files as one lazy Dataset: a file is read when its patterns are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.errors import DataError, FormatError, warn
from xrdae.loading.gridding import (
    Grid,
    Gridder,
    find_grid,
    make_axis_coordinate,
    read_scans,
    restore_direction,
    warn_of_notes,
)
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import METADATA_UNITS, Scan

Float = npt.NDArray[Any]

TRIED = 100  # files; the first of these that can be read defines the layout of all others


def open_lazily(
    files: Sequence[Path],
    *,
    grid: npt.ArrayLike | None,
    errors: str,
    chunks: int,
    options: ReadOptions = NOTHING_STATED,
) -> xr.Dataset:
    """Return a lazy Dataset of files that are like the first; see `open_patterns`."""
    import dask.array as da

    first, name = _read_first(files, errors, options)
    warn_of_notes(first)
    chosen = find_grid(first, grid)
    n_point = chosen.axis.values.size
    stated = {name for scan in first for name in scan.metadata} - {"wavelength"}
    numbers = [name for name in METADATA_UNITS if name in stated]
    paths = da.from_array(np.array([str(path) for path in files]), chunks=chunks)  # type: ignore[no-untyped-call]
    packed = da.map_blocks(  # type: ignore[no-untyped-call]
        _read_block,
        paths,
        grid=chosen,
        n_scan=len(first),
        numbers=numbers,
        errors=errors,
        options=options,
        new_axis=[1, 2],
        chunks=(paths.chunks[0], (len(first),), (2 * n_point + len(numbers),)),
        meta=np.empty((0, 0, 0)),
    )
    dims: tuple[str, ...] = ("pattern", "scan")
    if len(first) == 1:
        packed, dims = packed[:, 0], ("pattern",)
    attrs = {"units": first[0].units}
    variables = {"intensity": ((*dims, chosen.axis.name), packed[..., :n_point], attrs)}
    if any(scan.errors is not None for scan in first):
        spread = packed[..., n_point : 2 * n_point]
        variables["intensity_errors"] = ((*dims, chosen.axis.name), spread, attrs)
    coords: dict[str, Any] = make_axis_coordinate(chosen)
    for i, number in enumerate(numbers):
        values = packed[..., 2 * n_point + i]
        coords[number] = (dims, values, {"units": METADATA_UNITS[number]})
    if chosen.axis.kind == "two_theta" and chosen.axis.wavelength is not None:
        coords["wavelength"] = ((), chosen.axis.wavelength, {"units": "angstrom"})
    dataset = xr.Dataset(variables, coords, {"xrdae_grid": f"{chosen.choice}, of {name}"})
    return restore_direction(dataset, chosen.axis)


def _read_first(files: Sequence[Path], errors: str, options: ReadOptions) -> tuple[list[Scan], str]:
    """Return the scans of the first file that can be read, and its name."""
    reason: Exception | None = None
    for path in files[:TRIED]:
        try:
            return read_scans(path, options), path.name
        except (FormatError, OSError) as error:
            if errors == "raise":
                raise
            reason = reason or error
    n = min(TRIED, len(files))
    raise FormatError(f"none of the first {n} files can be read: {reason}") from reason


def _lacks_wavelength(scan: Scan, grid: Grid) -> bool:
    needed = "two_theta" in (scan.kind, grid.axis.kind)
    return needed and "wavelength" not in scan.metadata


def _read_block(
    paths: npt.NDArray[np.str_],
    grid: Grid,
    n_scan: int,
    numbers: Sequence[str],
    errors: str,
    options: ReadOptions,
) -> Float:
    """Return `(file, scan, [intensity, errors, numbers of the header])`, NaN where not readable."""
    gridder = Gridder(grid)
    n_point = grid.axis.values.size
    packed = np.full((len(paths), n_scan, 2 * n_point + len(numbers)), np.nan)
    for row, path in zip(packed, paths, strict=True):
        try:
            scans = read_scans(Path(path), options)
            if len(scans) != n_scan:
                raise FormatError(f"{path}: it holds {len(scans)} scans, the first file {n_scan}")
            if grid.axis.wavelength and any(_lacks_wavelength(scan, grid) for scan in scans):
                raise FormatError(f"{path}: it states no wavelength, as the first file does")
            on_grid = [gridder(scan) for scan in scans]
        except (FormatError, DataError, OSError) as error:
            if errors == "raise":
                raise
            warn(f"{error}; its patterns are NaN")
            continue
        for out, scan, (intensity, spread) in zip(row, scans, on_grid, strict=True):
            out[:n_point] = intensity
            out[n_point : 2 * n_point] = np.nan if spread is None else spread
            out[2 * n_point :] = [float(scan.metadata.get(name, np.nan)) for name in numbers]
    return packed
