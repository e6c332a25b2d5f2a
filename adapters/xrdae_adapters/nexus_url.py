"""Urls of NXdata, as workflows pass them around: read the patterns, write results beside them.

`file.h5::/1.1/integrate/integrated`, or as silx writes it. A file is open only while it is read or
written, never while something is computed.
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
    """Open the group (of h5py) that a url leads to.

    Parameters
    ----------
    url
        Of an NXdata, or of a group whose default plot is one. No path: the whole file.
    mode
        "r" or "r+".
    retry_timeout
        Seconds to wait for a file that somebody has locked.

    Raises
    ------
    DataError
        If the url is none, leads to no group, or the file cannot be opened.
    FileNotFoundError
        If there is no file.
    """
    import h5py
    from silx.io.url import DataUrl

    parsed = DataUrl(url)
    name = parsed.file_path()
    if not parsed.is_valid() or name is None or parsed.data_slice() is not None:
        raise DataError(
            f"nxdata_url={url!r} is no url of an NXdata; write 'file.h5::/entry/integrate/"
            "integrated', without a slice"
        )
    with _open_file(name, mode, retry_timeout) as file:
        path = parsed.data_path() or "/"
        group = file.get(path)
        if not isinstance(group, h5py.Group):
            what = "leads to nothing" if group is None else "is no group but a field"
            raise DataError(f"{path} {what} in {file.filename}, which holds {_named(file)}")
        yield group


def _named(file: Any) -> str:
    """Return the first of the NXdata in a file, in words."""
    found: list[str] = []

    def note(name: str, item: Any) -> bool | None:
        if item.attrs.get("NX_class") in ("NXdata", b"NXdata"):
            found.append(f"/{name}")
        return len(found) == 5 or None

    file.visititems(note)
    return f"the NXdata {', '.join(found)}" if found else "no NXdata"


def _open_file(path: str, mode: str, retry_timeout: float) -> Any:
    """Return an open file; wait while others have it locked."""
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
                    f"{path} cannot be opened (mode {mode!r}): it is open elsewhere, and was not "
                    f"closed within {retry_timeout:g} s; close it there, or raise retry_timeout"
                ) from error
        time.sleep(RETRY_PERIOD)


def _is_locked(error: OSError) -> bool:
    # Within a process it is HDF5 that refuses, without an error number.
    return error.errno == errno.EAGAIN or "already open" in str(error)


def read_patterns(urls: Sequence[str], *, retry_timeout: float) -> xr.Dataset:
    """Return the patterns of one or several scans as one Dataset, in memory.

    Parameters
    ----------
    urls
        One: its NXdata as it is. Several: all their patterns along `pattern`, on one grid as
        `xrdae.open_patterns` chooses it, with the coordinate `nxdata_url`.
    retry_timeout
        Seconds to wait for a file that is locked.

    Raises
    ------
    DataError, FormatError, FileNotFoundError
        If a url cannot be read, or the scans cannot share one grid.
    """
    from xrdae.plugins import to_dataset

    datasets = []
    for url in urls:
        with open_group(url, "r", retry_timeout=retry_timeout) as group:
            datasets.append(to_dataset(group).load())
    return datasets[0] if len(datasets) == 1 else _as_one(urls, datasets)


def _as_one(urls: Sequence[str], datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    from xrdae.loading.gridding import find_grid, gather, ordered, to_scans

    scans = [[ordered(scan) for scan in to_scans(dataset)] for dataset in datasets]
    names = [url for url, each in zip(urls, scans, strict=True) for _ in each]
    flat = [scan for each in scans for scan in each]
    dataset = gather(flat, {"pattern": len(flat)}, find_grid(flat, names=names))
    return dataset.assign_coords(nxdata_url=("pattern", names))


def write_result(url: str, result: xr.Dataset, *, name: str, retry_timeout: float) -> str:
    """Write a result into the entry of an NXdata, through the hook, and return the url of its plot.

    An earlier one of that name is replaced once the new one is there: running a workflow again
    neither piles up results nor moves them.

    Parameters
    ----------
    url
        Of the NXdata that the result was made of.
    result
        What a hook returned, in memory.
    name
        Of the NXprocess.
    retry_timeout
        Seconds to wait for a file that is locked.

    Raises
    ------
    DataError
        If something else has that name, or the file cannot be opened for writing.
    """
    import h5py

    from xrdae.plugins import manager
    from xrdae.readers.nexus import is_ours
    from xrdae_adapters.nexus import entry_of_h5py

    with open_group(url, "r+", retry_timeout=retry_timeout) as group:
        entry = entry_of_h5py(group)
        if name in entry and not (isinstance(entry[name], h5py.Group) and is_ours(entry[name])):
            raise DataError(
                f"{entry.name}/{name} in {entry.file.filename} is not of xrdae and stays as it "
                "is; choose another nxprocess_name"
            )
        before = set(entry)
        manager().hook.xrdae_attach(obj=group, result=result)
        added = set(entry) - before
        if len(added) != 1:  # a facility's own plugin has another place for it
            return f"{entry.file.filename}::{entry.name}"
        process = _rename(entry, added.pop(), name)
        return f"{entry.file.filename}::{process.name}/{process.attrs['default']}"


def _rename(entry: Any, old: str, new: str) -> Any:
    """Give a new group its name, in place of what had it before."""
    if new in entry:
        del entry[new]
    entry.move(old, new)
    if entry.attrs.get("default") == old:
        entry.attrs["default"] = new
    return entry[new]
