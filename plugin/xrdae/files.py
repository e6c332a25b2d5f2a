"""Files, and folders such as Zarr stores, that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside the target to write to; it takes the target's place if all goes well.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the target's folder is not there, or cannot be written to.
    IsADirectoryError
        If a file was written and the target is a folder.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(target.parent)!r} to save into")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"the folder {os.fspath(target.parent)!r} cannot be written to")
    aside = target.with_name(f".{target.name}.{os.getpid()}{threading.get_ident()}.part")
    try:
        yield aside
        if aside.is_dir():
            _replace_folder(aside, target)
        elif target.is_dir():
            raise IsADirectoryError(f"{os.fspath(target)!r} is a folder; name a file in it")
        else:
            os.replace(aside, target)
    finally:
        _remove(aside)


def _replace_folder(aside: Path, target: Path) -> None:
    """Move a folder to a place where there may be one already; that one goes last."""
    before = target.with_name(f".{target.name}.{os.getpid()}.before")
    if target.exists():
        os.replace(target, before)
    os.replace(aside, target)
    _remove(before)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
