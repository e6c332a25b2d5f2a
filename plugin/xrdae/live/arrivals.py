"""Files of a folder that are new or changed, once they have come to rest."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Signature = tuple[int, int]  # of a file's state: time of its last change [ns], size [byte]

SETTLE = 0.05  # seconds without a change after which a file is tried
RESCAN = 2.0  # seconds between scans of the folder, for changes without an event
SHARE = 0.02  # of the time that these looks may take
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".lock", ".swp", "~")


@dataclasses.dataclass
class _Pending:
    signature: Signature
    since: float
    reason: str = ""  # why it could not be read, if it was tried


class Arrivals:
    """Files that wait to be read, and files that are finished.

    A file is ready if it has not changed for a twentieth of a second. A file that cannot be read
    waits for a change. It is tried a last time when it has not changed for `patience` seconds.
    Hidden files, and files with the ending of an unfinished copy, are ignored.

    Parameters
    ----------
    folder
        Watched folder, with all folders in it.
    done
        State of the files that were read, by their name in the folder.
    match
        Which names count, such as "*.xy".
    patience
        In seconds.
    """

    def __init__(
        self, folder: Path, done: Mapping[str, Signature], *, match: str, patience: float
    ) -> None:
        self.folder = folder
        self.patience = patience
        self._match = match
        self._done = dict(done)
        self._given_up: dict[str, int] = {}  # and when their status changed last [ns]
        self._pending: dict[str, _Pending] = {}
        self._next_scan = 0.0
        for name in self._list_names():
            self._record(name)

    @property
    def waiting(self) -> int:
        """Return how many files wait."""
        return len(self._pending)

    def record(self, paths: Iterable[str]) -> None:
        """Look at files that something happened to."""
        for path in paths:
            name = os.path.relpath(path, self.folder)
            if self._is_watched(name):
                self._record(name)

    def find_ready(self) -> Iterator[tuple[str, Signature, bool]]:
        """Yield name and state of files to be read now, and whether it is their last chance."""
        now = time.monotonic()
        if now >= self._next_scan:
            for name in [*self._list_names(), *list(self._pending)]:
                self._record(name)
            took = time.monotonic() - now
            self._next_scan = now + max(RESCAN, took / SHARE)
        # In the order in which they were written, as far as it is known.
        in_order = sorted(self._pending.items(), key=lambda item: (item[1].signature[0], item[0]))
        for name, pending in in_order:
            rest = time.monotonic() - pending.since
            if rest < (self.patience if pending.reason else SETTLE):
                continue
            self._record(name)
            if self._pending.get(name) is pending:
                yield name, pending.signature, bool(pending.reason) or rest >= self.patience

    def is_unchanged(self, name: str, signature: Signature) -> bool:
        """Tell whether a file is still in the state in which it was ready."""
        return _get_signature(self.folder / name) == signature

    def postpone(self, name: str, reason: str) -> None:
        """Wait for a file that could not be read."""
        if name in self._pending:
            self._pending[name].reason = reason

    def finish(self, name: str, signature: Signature) -> None:
        """Have done with a file in this state, which was read."""
        self._done[name] = signature
        self._pending.pop(name, None)
        self._given_up.pop(name, None)

    def give_up(self, name: str, signature: Signature) -> None:
        """Have done with a file until its content changes, or its permissions."""
        self.finish(name, signature)
        self._given_up[name] = _get_change_time(self.folder / name)

    def _record(self, name: str) -> None:
        signature = _get_signature(self.folder / name)
        if signature is None or (self._done.get(name) == signature and not self._is_mended(name)):
            self._pending.pop(name, None)
            return
        pending = self._pending.get(name)
        if pending is None or pending.signature != signature:
            self._pending[name] = _Pending(signature, time.monotonic())

    def _is_mended(self, name: str) -> bool:
        before = self._given_up.get(name)
        return before is not None and _get_change_time(self.folder / name) != before

    def _is_watched(self, name: str) -> bool:
        parts = Path(name).parts
        if not parts:  # the folder itself
            return False
        hidden = any(part.startswith(".") or part.endswith(".zarr") for part in parts)
        return (
            not hidden and not name.endswith(UNFINISHED) and fnmatch.fnmatch(parts[-1], self._match)
        )

    def _list_names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [f for f in folders if not f.startswith(".") and not f.endswith(".zarr")]
            at = os.path.relpath(folder, self.folder)
            for file in files:
                name = file if at == "." else os.path.join(at, file)
                if self._is_watched(name):
                    yield name


def _get_change_time(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


def _get_signature(path: Path) -> Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if path.is_file() else None
