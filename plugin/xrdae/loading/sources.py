"""The data of a command: files of any known format, patterns of names, Zarr stores, a list."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrdae.errors import DataError, FormatError
from xrdae.storage import checksum

if TYPE_CHECKING:
    import xarray as xr


def open_data(
    paths: Sequence[str], *, lazy: bool = True, progress: bool | None = None, **reading: Any
) -> xr.Dataset:
    """Open the arguments of a command as one Dataset.

    Parameters
    ----------
    paths
        A netCDF file or Zarr store (lazily) by the convention, or any paths that
        `xrdae.open_patterns` takes: files, folders, globs such as "run42/*.xrdml". "-" reads a
        list of these from standard input, one on each line.
    lazy
        Compute a Zarr store chunk by chunk (dask).
    progress
        Show a progress bar while files are read; None: on a terminal only.
    reading
        Arguments of `xrdae.open_patterns` that say what the files do not.

    Raises
    ------
    DataError
        If the list on the standard input is empty.
    FileNotFoundError, FormatError
        See `xrdae.open_patterns`.
    """
    from xrdae.loading.opening import open_patterns
    from xrdae.storage.netcdf import is_netcdf
    from xrdae.storage.zarr_metadata import is_store

    names = [
        name for path in paths for name in (_read_paths_from_stdin() if path == "-" else [path])
    ]
    one = Path(names[0]) if len(names) == 1 else None
    if any(reading.get(name) is not None for name in ("columns", "axis", "units")):
        return open_patterns(names[0] if one is not None else names, progress=progress, **reading)
    if one is not None and is_store(one):
        return _open_with_named_errors(one, lambda: _open_store(one, lazy=lazy))
    if one is not None and one.is_file() and is_netcdf(one):
        dataset = _open_with_named_errors(one, lambda: _open_netcdf(one))
        if dataset.data_vars:
            return dataset
        dataset.close()  # NeXus: groups only, or links
    return open_patterns(names[0] if one is not None else names, progress=progress, **reading)


def write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a netCDF4 file with a checksum at its end, by which `open_data` detects damage."""
    dataset.to_netcdf(path, engine="netcdf4")
    checksum.close(path)


def write_zarr(dataset: xr.Dataset, path: Path, **options: Any) -> None:
    """Write a Zarr store of format 2, whose consolidated metadata every reader knows.

    `options` are passed to `Dataset.to_zarr`; `encoding` may set chunks. The encodings of the
    variables are dropped, since those of texts are not valid in Zarr. Each chunk has a checksum
    (Zstandard's).
    """
    written = dataset.drop_encoding()
    encoding = options.pop("encoding", {})
    packed = {
        name: encoding.get(name, {}) | _choose_compressor() for name in map(str, written.variables)
    }
    written.to_zarr(path, encoding=packed, zarr_format=2, consolidated=True, **options)


def _choose_compressor() -> dict[str, Any]:
    import numcodecs
    import zarr

    key = "compressor" if zarr.__version__.startswith("2.") else "compressors"
    return {key: numcodecs.Zstd(checksum=True)}


def name_data(paths: Sequence[str]) -> str:
    """Return a name for results from the data: that of the first file or folder."""
    return Path(paths[0]).resolve().stem.strip("*?.-_ ") or "patterns"


def _read_paths_from_stdin() -> list[str]:
    names = [line.strip() for line in sys.stdin if line.strip()]
    if not names:
        raise DataError("'-' reads a list of paths from standard input, but the list is empty")
    return names


def _open_store(path: Path, *, lazy: bool) -> xr.Dataset:
    import xarray as xr

    from xrdae.storage.netcdf import load_small
    from xrdae.storage.skip_log import ATTRIBUTE, read_skipped
    from xrdae.storage.zarr_metadata import check_store

    check_store(path)
    consolidated = (path / ".zmetadata").is_file() and not (path / "zarr.json").exists()
    dataset = xr.open_dataset(
        path, engine="zarr", chunks={} if lazy else None, consolidated=consolidated
    )
    stated = dataset.attrs.get(ATTRIBUTE)
    with suppress(ValueError):  # not written by this package
        if (skipped := read_skipped(path, stated)) or stated:
            dataset.attrs[ATTRIBUTE] = json.dumps(skipped)
    return dataset if lazy else load_small(dataset)


def _open_netcdf(path: Path) -> xr.Dataset:
    """Open a netCDF file; return an empty Dataset for HDF5 with links, which may be NeXus."""
    import xarray as xr

    from xrdae.storage.hdf5_foreign import ForeignBytesError
    from xrdae.storage.netcdf import load_small, open_netcdf

    try:
        return load_small(open_netcdf(path))
    except ForeignBytesError:  # the readers follow links by their rules, or refuse them
        return xr.Dataset()


def _open_with_named_errors(path: Path, open_it: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Open a file or store; errors name it."""
    try:
        return open_it()
    except PermissionError:
        raise
    except Exception as error:  # the libraries raise errors of any type
        raise FormatError(
            f"{os.fspath(path)}: it cannot be read ({error}); write or copy it again"
        ) from error
