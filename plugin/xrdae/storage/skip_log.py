"""Unreadable files of a watch and why, in a log beside the store of its results.

A change is one line at the end of the log, so that the work does not grow with the number of files.
When a watch ends, it moves the content of the log to the attribute `xrdae_skipped` of the store.
The log therefore exists only while a watch runs and after a watch was killed. It is not in the
store, because zarr warns of files that it does not know.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from xrdae.storage.atomic_writing import write_aside
from xrdae.storage.bounded_json import parse_json

ATTRIBUTE = "xrdae_skipped"


class SkipLog:
    """Log of unreadable files beside a store.

    Parameters
    ----------
    store
        Path of the store.
    """

    def __init__(self, store: Path) -> None:
        self._path = _find_path(store)
        self._size = 0  # of complete lines [byte]

    def start(self, skipped: Mapping[str, str]) -> None:
        """Write the whole log in one step."""
        content = _make_lines(skipped)
        with write_aside(self._path) as aside:
            aside.write_bytes(content)
        self._size = len(content)

    def resume(self) -> bool:
        """Go on after the last complete line. Return whether there is a log."""
        if not self._path.is_file():
            return False
        self._size = sum(map(len, _read_lines(self._path)))
        return True

    def append(self, changes: Mapping[str, str | None]) -> None:
        """Add files with reasons. None: the file is no longer unreadable.

        Raises
        ------
        OSError
            If there is no room. The log is as before, and the changes can be added again.
        """
        content = _make_lines(changes)
        with self._path.open("r+b") as file:
            file.seek(self._size)
            file.truncate()  # what an earlier attempt has left
            file.write(content)
        self._size += len(content)

    def remove(self) -> None:
        """Remove the log, after its content was moved to the store."""
        self._path.unlink(missing_ok=True)


def read_skipped(store: str | os.PathLike[str], attribute: object) -> dict[str, str]:
    """Return the unreadable files of a store with reasons.

    Parameters
    ----------
    store
        Path of the store.
    attribute
        Value of its attribute `xrdae_skipped`, which the log changes.

    Raises
    ------
    ValueError
        If the attribute is not JSON.
    """
    found = parse_json(attribute) if isinstance(attribute, str) else {}
    skipped = dict(found) if isinstance(found, dict) else {}
    for line in _read_lines(_find_path(Path(store))):
        file, reason = json.loads(line)
        if reason is None:
            skipped.pop(file, None)
        else:
            skipped[file] = reason
    return skipped


def _find_path(store: Path) -> Path:
    real = Path(os.path.realpath(store))
    return real.with_name(f".{real.name}.skipped")


def _make_lines(changes: Mapping[str, str | None]) -> bytes:
    return "".join(f"{json.dumps(change)}\n" for change in changes.items()).encode()


def _read_lines(path: Path) -> list[bytes]:
    """Return the complete lines of a log, up to one that is cut off or damaged."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError:
        return []
    for i, line in enumerate(lines):
        if not (line.endswith(b"\n") and _is_change(line)):
            return lines[:i]
    return lines


def _is_change(line: bytes) -> bool:
    try:
        change = parse_json(line)
    except ValueError:
        return False
    is_pair = isinstance(change, list) and len(change) == 2 and isinstance(change[0], str)
    return is_pair and isinstance(change[1], str | None)
