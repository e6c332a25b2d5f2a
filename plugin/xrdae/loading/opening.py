"""Open instrument files as one Dataset on one grid."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import natsort
import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import readers
from xrdae.convention.names import RESERVED
from xrdae.convention.patterns import find_patterns
from xrdae.errors import DataError, FormatError, warn
from xrdae.loading.gridding import (
    find_grid,
    merge_scans,
    read_scans,
    sort_scan,
    split_dataset,
    warn_of_notes,
)
from xrdae.loading.label_table import read_labels
from xrdae.loading.lazy_files import open_lazily
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import Scan

PathLike = str | os.PathLike[str]

MOST_THREADS = 8
TAKEN = {"file", "intensity", "intensity_errors", "mask", "two_theta", "q", "d"} | RESERVED
NO_MATCH = "no file matches {!r} (brackets in names: glob.escape)"


def open_patterns(
    paths: PathLike | Iterable[PathLike],
    *,
    labels: PathLike | None = None,
    columns: str | None = None,
    axis: str | None = None,
    units: str | None = None,
    grid: npt.ArrayLike | None = None,
    errors: Literal["warn", "raise"] = "warn",
    chunks: int | None = None,
    trust_links: bool = False,
    progress: bool | None = None,
) -> xr.Dataset:
    """Open files of diffraction patterns as one Dataset.

    Parameters
    ----------
    paths
        One file, a folder, a glob such as "run42/*.xrdml", or several of these. The content
        determines the format; the README lists the formats. Several files are sorted naturally
        (2 before 10) unless they are listed one by one.
    labels
        A CSV table with a row for each file. The column `file` (or else the first column) holds
        file names, with or without folder and ending. The other columns become coordinates; a
        header "T [K]" gives units.
    columns
        What the columns of a table of numbers are, one letter for each: `x` positions, `y`
        intensities, `e` standard deviations of the intensities before them, `s` names of samples,
        `-` not used. A `*` at the end repeats the last letter. For example "xye", "-xy" or "xy*".
        None: the file tells.
    axis
        Quantity of the positions in a table of numbers: "two_theta", "q", "d", or the name of
        another quantity, such as "energy". None: the file tells.
    units
        Units of the positions in a table of numbers, for example "degree" or "1/nm". None: the
        file tells.
    grid
        `(point,)`, positions to which all patterns are regridded, in the units of the axis. None:
        the positions of the files if all agree. Otherwise an evenly spaced grid over the union of
        their ranges, with the median of their steps, in q if wavelengths or kinds differ. The
        attribute `xrdae_grid` describes the grid.
    errors
        What to do with files that cannot be read. "warn": skip them, and issue one warning with
        names and reasons, which are also in the attribute `xrdae_skipped` (JSON). "raise": raise
        an error at the first.
    chunks
        Number of files in a lazy chunk (dask). The first file then determines the grid, its kind,
        the number of scans in a file, and the numbers in the headers. Other files are regridded
        to that grid. A file that does not fit is NaN, with a warning when it is read. Header
        numbers are lazy too; header texts are not read. None: read everything now.
    trust_links
        Follow links and virtual datasets of HDF5 files to files outside of their folder. Raw
        storage of HDF5 and virtual datasets with missing sources are refused in any case.
    progress
        Show a progress bar; None: on a terminal only.

    Returns
    -------
    xarray.Dataset
        `intensity`, and `intensity_errors` (one standard deviation) if the files have errors.
        Dimensions are `(axis,)` for one file, `(scan, axis)` for one file with several scans, and
        `(pattern, ...)` for several files. If the files have different numbers of scans, each
        scan is a `pattern`. Coordinates: the axis (`two_theta` [degree], `q` [1/angstrom],
        `d` [angstrom], or another axis in the units of the files; the axis of a single NeXus file
        keeps its units), `file`, and metadata (`wavelength` [angstrom], `temperature` [K],
        `counting_time` [s], `time` in UTC if the file has a time zone, `sample` ...).

    Raises
    ------
    FormatError
        If a file cannot be read and `errors="raise"`, or if no file can be read.
    FileNotFoundError
        If a path or glob leads to no file.
    DataError
        If the files cannot share one grid, or the table of labels does not fit.

    Examples
    --------
    >>> for i in range(3):
    ...     rows = np.stack([[20.0, 20.5, 21.0], [i, 9, 1]], axis=1)
    ...     np.savetxt(f"scan_{i}.xy", rows, header="two_theta intensity")
    >>> found = xrdae.open_patterns("scan_*.xy")
    >>> found["intensity"].dims, found["file"].values.tolist()
    (('pattern', 'two_theta'), ['scan_0.xy', 'scan_1.xy', 'scan_2.xy'])
    """
    if errors not in ("warn", "raise"):
        raise ValueError(f"errors={errors!r} is not known; choose 'warn' or 'raise'")
    if chunks is not None and chunks < 1:
        raise ValueError(f"chunks={chunks} must be a number of files, at least 1")
    options = ReadOptions(columns=columns, axis=axis, units=units, trust_links=trust_links)
    files, one = find_files(paths)
    if labels is not None and not one:  # the table may be in the folder of the files
        files = [file for file in files if file != Path(labels).absolute()]
    if one:
        dataset = read_dataset(files[0], grid, options)
        names = np.array(files[0].name)
        return _attach_labels(dataset.assign_coords(file=names), labels, [files[0].name], ())
    if chunks is not None:
        dataset = open_lazily(files, grid=grid, errors=errors, chunks=chunks, options=options)
        names = _name_files(files)
        dataset = dataset.assign_coords(file=("pattern", names))
        return _attach_labels(dataset, labels, names.tolist(), ("pattern",))
    found, reasons = _read_all(files, options, errors=errors, progress=progress)
    _report_unreadable(reasons, len(files))
    counts = [len(scans) for _, scans in found]
    scans = [scan for _, each in found for scan in each]
    warn_of_notes(scans)
    names = _name_files([path for path, _ in found])
    of_scans = np.repeat(names, counts)
    if len(set(counts)) == 1:
        sizes = {"pattern": len(found)} | ({"scan": counts[0]} if counts[0] > 1 else {})
    else:
        sizes, names = {"pattern": len(scans)}, of_scans
    dataset = merge_scans(scans, sizes, find_grid(scans, grid, names=of_scans.tolist()))
    dataset = dataset.assign_coords(file=("pattern", names))
    if reasons:
        dataset.attrs["xrdae_skipped"] = json.dumps(reasons)
    return _attach_labels(dataset, labels, names.tolist(), ("pattern",))


def read_dataset(
    path: Path, grid: npt.ArrayLike | None = None, options: ReadOptions = NOTHING_STATED
) -> xr.Dataset:
    """Return one file as a Dataset without a dimension for files; NeXus data stay lazy."""
    found = readers.read_file(path, options)
    if isinstance(found, xr.Dataset):
        return found if grid is None else _regrid_dataset(found, grid)
    scans = [sort_scan(scan) for scan in found]
    warn_of_notes(scans)
    sizes = {"scan": len(scans)} if len(scans) > 1 else {}
    return merge_scans(scans, sizes, find_grid(scans, grid))


def find_files(paths: PathLike | Iterable[PathLike]) -> tuple[list[Path], bool]:
    """Return the files that paths, folders and patterns lead to, and whether it was one path."""
    if isinstance(paths, str | os.PathLike):
        path = os.path.abspath(os.path.expanduser(os.fspath(paths)))
        if os.path.isdir(path):
            entries = [p for p in Path(path).iterdir() if p.is_file() and p.name[0] != "."]
            return _sort_files(entries, f"the folder {path!r} holds no file"), False
        if os.path.exists(path) or not glob.has_magic(path):
            if not os.path.exists(path):
                raise FileNotFoundError(f"there is no file {path!r}")
            return [Path(path)], True
        matches = map(Path, glob.glob(path, recursive=True))
        return _sort_files([p for p in matches if p.is_file()], NO_MATCH.format(path)), False
    files = [file for path in paths for file in find_files(path)[0]]
    if not files:
        raise FileNotFoundError("the list of files is empty")
    return files, False


def _sort_files(files: list[Path], reason: str) -> list[Path]:
    if not files:
        raise FileNotFoundError(reason)
    # The inner sort orders names that differ only in case or leading zeros.
    return natsort.natsorted(sorted(files, key=str), key=str, alg=natsort.ns.IGNORECASE)


def _read_all(
    files: Sequence[Path], options: ReadOptions, *, errors: str, progress: bool | None
) -> tuple[list[tuple[Path, list[Scan]]], dict[str, str]]:
    """Return the scans of each file that can be read, and why the others cannot."""
    from tqdm import tqdm

    def attempt(path: Path) -> list[Scan] | Exception:
        try:
            return read_scans(path, options)
        except (FormatError, OSError) as error:
            if errors == "raise":
                raise
            return error

    found: list[tuple[Path, list[Scan]]] = []
    reasons: dict[str, str] = {}
    hidden = not (sys.stderr.isatty() if progress is None else progress)
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        results = pool.map(attempt, files)
        try:
            for path, scans in tqdm(
                zip(files, results, strict=True), "open", len(files), unit="file", disable=hidden
            ):
                if isinstance(scans, Exception):
                    reasons[str(path)] = str(scans).removeprefix(f"{path}: ")
                else:
                    found.append((path, scans))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found, reasons


def _report_unreadable(reasons: dict[str, str], n: int) -> None:
    """Warn once about the files that cannot be read; raise an error if no file can be read."""
    if not reasons:
        return
    some = "; ".join(f"{path}: {reason}" for path, reason in list(reasons.items())[:5])
    more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    if len(reasons) == n:
        raise FormatError(f"none of {n} files can be read: {some}{more}")
    warn(f"{len(reasons)} of {n} files cannot be read and are left out: {some}{more}")


def _name_files(files: Sequence[Path]) -> npt.NDArray[np.str_]:
    """Return the files' names, with folders if two names are equal."""
    names = [path.name for path in files]
    if len(set(names)) < len(names):
        common = os.path.commonpath([path.absolute().parent for path in files])
        names = [os.path.relpath(path.absolute(), common) for path in files]
    return np.array(names)


def _attach_labels(
    dataset: xr.Dataset, labels: PathLike | None, names: Sequence[str], dims: tuple[str, ...]
) -> xr.Dataset:
    if labels is None:
        return dataset
    columns = read_labels(labels, names)
    for name in columns:
        if name in TAKEN or name in dataset.data_vars or name in dataset.dims:
            raise DataError(
                f"{os.fspath(labels)}: a label cannot be called {name!r}, which is a name of xrdae "
                "or of the data; rename the column"
            )
    return dataset.assign_coords(
        {
            name: (dims, values if dims else values[0], attrs)
            for name, (values, attrs) in columns.items()
        }
    )


def _regrid_dataset(dataset: xr.Dataset, grid: npt.ArrayLike) -> xr.Dataset:
    scans = split_dataset(dataset)
    dims = find_patterns(dataset).sample_dims
    sizes = {str(d): dataset.sizes[d] for d in dims}
    new = merge_scans([sort_scan(scan) for scan in scans], sizes, find_grid(scans, grid))
    kept = {
        n: c for n, c in dataset.coords.items() if n not in new.coords and set(c.dims) <= set(dims)
    }
    return new.assign_coords(kept)
