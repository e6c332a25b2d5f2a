"""The data of a command: files of any known format, patterns of names, Zarr stores, a list."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrdae.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")


def open_data(
    paths: Sequence[str], *, lazy: bool = True, progress: bool | None = None
) -> xr.Dataset:
    """Open what a command was given as one Dataset.

    Parameters
    ----------
    paths
        A netCDF file or Zarr store (lazily) by the convention; else what `xrdae.open_patterns`
        takes: files, folders, patterns such as "run42/*.xrdml". "-" is a list of these on the
        standard input, one a line.
    lazy
        Compute what is in a Zarr store chunk by chunk (dask).
    progress
        Show a bar while files are read; None: on a terminal only.

    Raises
    ------
    DataError
        If the list on the standard input is empty.
    FileNotFoundError, FormatError
        See `xrdae.open_patterns`.
    """
    import xarray as xr

    import xrdae.accessor  # noqa: F401  (registers ds.xrdae)
    from xrdae.opening import open_patterns

    names = [name for path in paths for name in (_listed() if path == "-" else [path])]
    one = Path(names[0]) if len(names) == 1 else None
    if one is not None and _is_zarr(one):
        return xr.open_dataset(one, engine="zarr", chunks={} if lazy else None)
    if one is not None and one.is_file() and _starts_as_netcdf(one):
        dataset = xr.open_dataset(one)
        if dataset.data_vars:
            return dataset
        dataset.close()  # groups only: NeXus
    return open_patterns(names[0] if one is not None else names, progress=progress)


def write_zarr(dataset: xr.Dataset, path: Path, **options: Any) -> None:
    """Write a Zarr store of format 2, of which every reader knows the consolidated metadata.

    `options` are those of `Dataset.to_zarr`. Encodings are dropped: texts do not fit theirs.
    """
    dataset.drop_encoding().to_zarr(path, zarr_format=2, consolidated=True, **options)


def stem(paths: Sequence[str]) -> str:
    """Return a name for what is made of the data: that of the first file or folder."""
    return Path(paths[0]).resolve().stem.strip("*?.-_ ") or "patterns"


def _listed() -> list[str]:
    names = [line.strip() for line in sys.stdin if line.strip()]
    if not names:
        raise DataError("'-' is a list of paths on the standard input, but nothing came")
    return names


def _is_zarr(path: Path) -> bool:
    return any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))


def _starts_as_netcdf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith(NETCDF)
