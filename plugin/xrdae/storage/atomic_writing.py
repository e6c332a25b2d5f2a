"""Files, and folders such as Zarr stores, that are written whole or not at all."""

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LITTLE = 2**20  # bytes: with fewer left, that is why the netCDF library failed
MOMENT, LONGEST = 0.05, 600  # seconds that a thread may write on after an error
_abandoned: dict[Path, float] = {}  # what writings that failed may yet write, and since when
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
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside the target to write to; it takes the target's place if all goes well.

    What a process that was killed has left beside the target is removed.

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
    _tidy(target)
    aside = target.with_name(f".{target.name}.{_HERE}.{os.getpid()}.{next(_COUNT)}.part")
    try:
        _delete(aside)
        yield aside
        if aside.is_dir():
            _replace_folder(aside, target)
        elif target.is_dir():
            raise IsADirectoryError(f"{os.fspath(target)!r} is a folder; name a file in it")
        else:
            os.replace(aside, target)
    except BaseException as error:
        reason = _reason(error, target)
        _delete(aside)
        _abandon(aside)
        if reason is None:
            raise
        raise reason from error
    _remove(aside)  # a folder that was there before


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise FileNotFoundError or PermissionError where nothing can be written beside a path."""
    parent = Path(path).parent
    if not parent.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(parent)!r} to save into")
    if not os.access(parent, os.W_OK):
        raise PermissionError(f"the folder {os.fspath(parent)!r} cannot be written to")


def _reason(error: BaseException, target: Path) -> OSError | None:
    """Return an error that says what to do where writing failed, None where nothing is to add.

    The netCDF library says no more than "HDF error", in a RuntimeError, whatever has happened, or
    "Permission denied" where there is no room to begin a file.
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


def _replace_folder(aside: Path, target: Path) -> None:
    """Move a folder to a place where there may be one already; that one goes last."""
    if target.exists() and _exchange(aside, target):
        return
    before = target.with_name(f".{target.name}.before")
    if target.exists():
        os.replace(target, before)
    os.replace(aside, target)
    _remove(before)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step, and tell whether the system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # no Linux
        return False
    places = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return rename(*places, _RENAME_EXCHANGE) == 0  # type: ignore[no-any-return]


def _tidy(target: Path) -> None:
    """Remove what processes of this machine that are gone have left beside the target."""
    _remove_abandoned()
    before = target.with_name(f".{target.name}.before")
    if before.is_dir():  # killed between two renamings
        _remove(before) if target.exists() else os.replace(before, target)
    begun = re.compile(rf"\.{re.escape(target.name)}\.{_HERE}\.(\d+)\.\d+\.part")
    for left in target.parent.iterdir():
        found = begun.fullmatch(left.name)
        if found and not _runs(int(found[1])):
            _remove(left)


def _runs(pid: int) -> bool:
    """Tell whether there is a process of this number; so it seems where nobody can say."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _remove(path: Path) -> None:
    _delete(path)
    if path.exists():
        _abandon(path)


def _abandon(path: Path) -> None:
    """Remove what threads that an error has left at work write on for a moment, now and later."""
    _abandoned[path] = time.monotonic()
    time.sleep(MOMENT)
    _remove_abandoned()


@atexit.register
def _remove_abandoned() -> None:
    for path, since in list(_abandoned.items()):  # another thread may add one
        with suppress(OSError):
            _delete(path)
        if time.monotonic() > since + LONGEST:
            _abandoned.pop(path, None)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
