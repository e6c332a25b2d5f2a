"""Files, and folders such as Zarr stores, that are written completely or not at all.

Our own, because atomicwrites is no longer maintained, and neither it nor `tempfile` knows folders.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import itertools
import os
import platform
import re
import shutil
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LITTLE = 2**20  # bytes: with fewer left, that is why the netCDF library failed
MOMENT = 0.05  # seconds in which most threads end that an error has left running
_leftovers: deque[Path] = deque(maxlen=100)  # of errors: a running thread may write them again
_HERE = f"{zlib.crc32(platform.node().encode()):08x}"  # another machine may share the folder
_COUNT = itertools.count()
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h
NETCDF = (".nc", ".nc4", ".cdf", ".netcdf", ".h5", ".hdf5")  # endings of netCDF files


def check_ending(path: str | os.PathLike[str], endings: Sequence[str], what: str) -> None:
    """Refuse to write a file under a name that says it is of another kind.

    Parameters
    ----------
    path
        Where it shall be written.
    endings
        Of names that such a file may have.
    what
        The kind of the file, in words.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    name = Path(path).name
    if not name.lower().endswith(tuple(endings)):
        raise ValueError(
            f"{os.fspath(path)!r} would hold {what}; let its name end in {' or '.join(endings[:2])}"
        )


@contextmanager
def write_aside(path: str | os.PathLike[str], *, tidy: bool = True) -> Iterator[Path]:
    """Yield a path beside the target to write to, and move it to the target after the block.

    If the block raises, the target stays as it was.

    Parameters
    ----------
    path
        The target.
    tidy
        Remove parts that a killed process has left beside the target. This looks at every file of
        the folder.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the target's folder is not there, or cannot be written to.
    IsADirectoryError
        If a file was written and the target is a folder.
    OSError
        If there is no room, or the file system fails; it says what to do.
    """
    target = Path(path)
    check_folder(target)
    if tidy:
        _remove_parts_of_killed_processes(target)
    aside = target.with_name(f".{target.name}.{_HERE}.{os.getpid()}.{next(_COUNT)}.part")
    try:
        yield aside
        _move(aside, target)
    except BaseException as error:
        explained = _explain(error, target)
        _delete(aside)
        time.sleep(MOMENT)
        _leftovers.append(aside)
        _delete_leftovers()
        if explained is None:
            raise
        raise explained from error


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise FileNotFoundError or PermissionError where nothing can be written beside a path."""
    parent = Path(path).parent
    if not parent.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(parent)!r} to save into")
    if not os.access(parent, os.W_OK):
        raise PermissionError(f"the folder {os.fspath(parent)!r} cannot be written to")


def _explain(error: BaseException, target: Path) -> OSError | None:
    """Return an error that says why writing failed and what to do; None: the error says it itself.

    Whatever has happened, the netCDF library raises a RuntimeError that says "HDF error", or
    "Permission denied" on a full disk.
    """
    code = error.errno if isinstance(error, OSError) else None
    of_netcdf = isinstance(error, RuntimeError) and str(error).startswith("NetCDF: ")
    free = shutil.disk_usage(target.parent).free if target.parent.is_dir() else LITTLE
    if code in FULL or ((of_netcdf or code == errno.EACCES) and free < LITTLE):
        code = code if code in FULL else errno.ENOSPC
        what = f"there is no room for it ({free} bytes are free)"
    elif of_netcdf:
        code, what = errno.EIO, f"the netCDF library failed ({error})"
    else:
        return None
    return OSError(
        code, f"{os.fspath(target)!r} could not be written: {what}; make room, or name another "
        "place. What was there before is as it was"
    )  # fmt: skip


def _move(aside: Path, target: Path) -> None:
    if target.is_dir() and not aside.is_dir():
        raise IsADirectoryError(f"{os.fspath(target)!r} is a folder; name a file in it")
    if not (aside.is_dir() and target.exists()):  # os.replace takes only files and empty folders
        os.replace(aside, target)
    elif _exchange(aside, target):
        _delete(aside)
    else:
        before = _name_earlier(target)
        os.replace(target, before)
        os.replace(aside, target)
        _delete(before)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step, and tell whether the system can.

    Python has no function for it, and a kill between two renamings would leave nothing in place.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return rename(*paths, _RENAME_EXCHANGE) == 0  # type: ignore[no-any-return]


def _name_earlier(target: Path) -> Path:
    """Return where a folder is while another one takes its place."""
    return target.with_name(f".{target.name}.before")


def _remove_parts_of_killed_processes(target: Path) -> None:
    _delete_leftovers()
    before = _name_earlier(target)
    if before.exists():  # killed in `_move`
        _delete(before) if target.exists() else os.replace(before, target)
    part = re.compile(rf"\.{re.escape(target.name)}\.{_HERE}\.(\d+)\.\d+\.part")
    for path in target.parent.iterdir():
        found = part.fullmatch(path.name)
        if found and not _runs(int(found[1])):
            _delete(path)


def _runs(pid: int) -> bool:
    """Tell whether a process runs; True where the system does not say."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


@atexit.register
def _delete_leftovers() -> None:
    for path in list(_leftovers):  # another thread may add one
        _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
