"""Urls of NXdata: reads the patterns of a url and writes results beside them.

Workflows pass urls such as `file.h5::/1.1/integrate/integrated`; other forms of silx are read too.
A file is open only while it is read or written, never during a computation.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrdae.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

RETRY_PERIOD = 0.1  # seconds between attempts to open a file that is locked


@contextmanager
def open_group(url: str, mode: str, *, retry_timeout: float) -> Iterator[Any]:
    """Open the h5py group of a url.

    Parameters
    ----------
    url
        Url of an NXdata, or of a group whose default plot is an NXdata. A url without a path means
        the root of the file.
    mode
        "r" or "r+".
    retry_timeout
        Seconds to wait for a locked file.

    Yields
    ------
    h5py.Group
        The group. The file is closed at the end of the block.

    Raises
    ------
    DataError
        If the url is invalid or does not lead to a group, or if the file cannot be opened.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> with open_group("scan.h5::/1.1/integrate/integrated", "r", retry_timeout=60) as group:
    ...     print(group.name)
    """
    import h5py
    from silx.io.url import DataUrl

    parsed = DataUrl(url)
    name = parsed.file_path()
    if not parsed.is_valid() or name is None or parsed.data_slice() is not None:
        raise DataError(
            f"nxdata_url={url!r} is not the url of an NXdata; write 'file.h5::/entry/integrate/"
            "integrated', without a slice"
        )
    with _open_file(name, mode, retry_timeout) as file:
        path = parsed.data_path() or "/"
        group = file.get(path)
        if not isinstance(group, h5py.Group):
            what = "does not exist" if group is None else "is a field, not a group,"
            raise DataError(f"{path} {what} in {file.filename}, which holds {_list_nxdata(file)}")
        yield group


def _list_nxdata(file: Any) -> str:
    """Return a phrase with the first NXdata groups of a file."""
    paths: list[str] = []

    def collect(name: str, item: Any) -> bool | None:
        if item.attrs.get("NX_class") in ("NXdata", b"NXdata"):
            paths.append(f"/{name}")
        return len(paths) == 5 or None

    file.visititems(collect)
    return f"the NXdata {', '.join(paths)}" if paths else "no NXdata"


def _open_file(path: str, mode: str, retry_timeout: float) -> Any:
    """Return an open file. Wait if another program has locked it."""
    import h5py

    end = time.monotonic() + retry_timeout
    while True:
        try:
            return h5py.File(path, mode)
        except OSError as error:
            if not Path(path).is_file():
                raise FileNotFoundError(f"there is no file {path!r}") from error
            if not _is_locked(error):
                raise DataError(f"{path} cannot be opened (mode {mode!r}): {error}") from error
            if time.monotonic() >= end:
                raise DataError(
                    f"{path} cannot be opened (mode {mode!r}): another program held it open for "
                    f"{retry_timeout:g} s; close it there, or raise retry_timeout"
                ) from error
        time.sleep(RETRY_PERIOD)


def _is_locked(error: OSError) -> bool:
    # For a file that is open in the same process, HDF5 gives no error number.
    return error.errno == errno.EAGAIN or "already open" in str(error)


def read_patterns(urls: Sequence[str], *, retry_timeout: float) -> xr.Dataset:
    """Return the patterns of one or several scans as one Dataset in memory.

    Parameters
    ----------
    urls
        Urls of NXdata groups.
    retry_timeout
        Seconds to wait for a locked file.

    Returns
    -------
    Dataset
        For one url, its NXdata unchanged. For several urls, all patterns along `pattern`, on the
        grid that `xrdae.open_patterns` chooses, with the coordinate `nxdata_url`.

    Raises
    ------
    DataError, FormatError, FileNotFoundError
        If a url cannot be read, or if the scans cannot share one grid.

    Examples
    --------
    >>> urls = ["a.h5::/1.1/integrate/integrated", "b.h5::/1.1/integrate/integrated"]
    >>> dataset = read_patterns(urls, retry_timeout=60)
    """
    from xrdae.plugins import to_dataset

    datasets = []
    for url in urls:
        with open_group(url, "r", retry_timeout=retry_timeout) as group:
            datasets.append(to_dataset(group).load())
    return datasets[0] if len(datasets) == 1 else _combine_scans(urls, datasets)


def _combine_scans(urls: Sequence[str], datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    from xrdae.loading.gridding import find_grid, merge_scans, sort_scan, split_dataset

    scans = [[sort_scan(scan) for scan in split_dataset(dataset)] for dataset in datasets]
    names = [url for url, each in zip(urls, scans, strict=True) for _ in each]
    flat = [scan for each in scans for scan in each]
    dataset = merge_scans(flat, {"pattern": len(flat)}, find_grid(flat, names=names))
    return dataset.assign_coords(nxdata_url=("pattern", names))


def write_result(url: str, result: xr.Dataset, *, name: str, retry_timeout: float) -> str:
    """Write a result into the entry of an NXdata and return the url of its default plot.

    The result is written through the hook `xrdae_attach`. It then replaces an earlier result with
    the same name, so a repeated workflow leaves one result at one url.

    Parameters
    ----------
    url
        Url of the NXdata with the patterns of the result.
    result
        Result of a hook, in memory.
    name
        Name of the NXprocess.
    retry_timeout
        Seconds to wait for a locked file.

    Raises
    ------
    DataError
        If a group of another program has this name, or if the file cannot be opened for writing.
    """
    import h5py

    from xrdae.plugins import manager
    from xrdae_adapters.nexus import find_h5py_entry

    with open_group(url, "r+", retry_timeout=retry_timeout) as group:
        entry = find_h5py_entry(group)
        if name in entry and not (
            isinstance(entry[name], h5py.Group) and _is_own_result(entry[name])
        ):
            raise DataError(
                f"{entry.name}/{name} in {entry.file.filename} was not written by xrdae and is "
                "not replaced; choose another nxprocess_name"
            )
        before = set(entry)
        manager().hook.xrdae_attach(obj=group, result=result)
        added = set(entry) - before
        if len(added) != 1:  # another plugin writes results to another place
            return f"{entry.file.filename}::{entry.name}"
        process = _rename_group(entry, added.pop(), name)
        return f"{entry.file.filename}::{process.name}/{process.attrs['default']}"


def _is_own_result(group: Any) -> bool:
    from xrdae.readers.hdf5_links import LinkedFiles
    from xrdae.readers.linked_objects import LinkedGroup
    from xrdae.readers.nexus_groups import is_own_result

    with LinkedFiles.lend(group.file) as files:
        return is_own_result(LinkedGroup.wrap(group, files))


def _rename_group(entry: Any, old: str, new: str) -> Any:
    """Rename a group. A group that has the new name is deleted."""
    if new in entry:
        del entry[new]
    entry.move(old, new)
    if entry.attrs.get("default") == old:
        entry.attrs["default"] = new
    return entry[new]
