"""Files of a folder that are new or changed, once they have come to rest."""

from __future__ import annotations

import dataclasses
import fnmatch
import heapq
import itertools
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Signature = tuple[int, int]  # of a file's state: time of its last change [ns], size [byte]

SETTLE = 0.05  # seconds without a change after which a file is tried
RESCAN = 2.0  # seconds between scans of the folder, for changes without an event
SHARE = 0.02  # of the time that these scans may take
SLICE = 0.005  # seconds of a scan at once
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".lock", ".swp", "~")


@dataclasses.dataclass
class _Pending:
    signature: Signature
    since: float
    reason: str = ""  # why it could not be read, if it was tried

    def find_due(self, patience: float) -> float:
        """Return when it is to be read."""
        return self.since + (patience if self.reason else SETTLE)


class Arrivals:
    """Files that wait to be read, and files that are finished.

    A file is ready if it has not changed for a twentieth of a second. A file that cannot be read
    waits for a change. It is tried a last time when it has not changed for `patience` seconds.
    Hidden files, and files with the ending of an unfinished copy, are ignored. Work does not grow
    with the number of files that are finished or wait.

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
    skipped
        Files that an earlier watch could not read, and why. They are tried once more, after
        all others.
    """

    def __init__(
        self,
        folder: Path,
        done: Mapping[str, Signature],
        *,
        match: str,
        patience: float,
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.patience = patience
        self._match = match
        self._done = dict(done)
        self._given_up: dict[str, int] = {}  # and when their status changed last [ns]
        self._pending: dict[str, _Pending] = {}
        # Heaps. An entry whose file is no longer pending in this state is dropped when it comes.
        self._due: list[tuple[float, int, str, _Pending]] = []
        self._ready: list[tuple[bool, int, str, int, _Pending]] = []
        self._serial = itertools.count()
        self._scan: Iterator[str] | None = None  # that has begun
        self._scan_took = 0.0
        self._next_scan = 0.0
        for name in self._list_names():
            self._record(name)
        for name, reason in (skipped or {}).items():
            if name in self._pending:
                self._pending[name].reason = reason

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
        """Yield name and state of files to be read now, and whether it is their last chance.

        Files that were not tried come first, in the order in which they were written.
        """
        self._continue_scan()
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            *_, name, pending = heapq.heappop(self._due)
            if self._pending.get(name) is not pending:
                continue
            due = pending.find_due(self.patience)
            if due > now:  # it was tried meanwhile
                self._wait(name, pending, due)
                continue
            order = bool(pending.reason), pending.signature[0], name, next(self._serial)
            heapq.heappush(self._ready, (*order, pending))
        while self._ready:
            *_, name, _serial, pending = heapq.heappop(self._ready)
            if self._pending.get(name) is not pending:
                continue
            self._record(name)
            if self._pending.get(name) is not pending:
                continue
            rest = time.monotonic() - pending.since
            try:
                yield name, pending.signature, bool(pending.reason) or rest >= self.patience
            finally:  # not finished: its turn comes again, also after an error
                if self._pending.get(name) is pending:
                    again = time.monotonic() + SETTLE
                    self._wait(name, pending, max(pending.find_due(self.patience), again))

    def is_unchanged(self, name: str, signature: Signature) -> bool:
        """Tell whether a file is still in the state in which it was ready."""
        return _get_signature(self.folder, name) == signature

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
        self._given_up[name] = _get_change_time(self.folder, name)

    def _record(self, name: str) -> None:
        signature = _get_signature(self.folder, name)
        if signature is None or (self._done.get(name) == signature and not self._is_mended(name)):
            self._pending.pop(name, None)
            return
        pending = self._pending.get(name)
        if pending is None or pending.signature != signature:
            pending = self._pending[name] = _Pending(signature, time.monotonic())
            self._wait(name, pending, pending.find_due(self.patience))

    def _wait(self, name: str, pending: _Pending, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._serial), name, pending))

    def _continue_scan(self) -> None:
        """Look for changes without an event, at a part of the folder."""
        begin = time.monotonic()
        if self._scan is None:
            if begin < self._next_scan:
                return
            self._scan = itertools.chain(self._list_names(), list(self._pending))
            self._scan_took = 0.0
        now = begin
        for name in self._scan:
            self._record(name)
            now = time.monotonic()
            if now - begin > SLICE:
                break
        else:
            self._scan = None
        self._scan_took += now - begin
        self._next_scan = now + max(RESCAN, self._scan_took / SHARE)

    def _is_mended(self, name: str) -> bool:
        before = self._given_up.get(name)
        return before is not None and _get_change_time(self.folder, name) != before

    def _is_watched(self, name: str) -> bool:
        parts = Path(name).parts
        return bool(parts) and all(map(_is_visible, parts)) and self._is_wanted(parts[-1])

    def _is_wanted(self, file: str) -> bool:
        return not file.endswith(UNFINISHED) and fnmatch.fnmatch(file, self._match)

    def _list_names(self) -> Iterator[str]:
        """Yield the names of all watched files, one by one: the folder may be large."""
        folders = [""]
        while folders:
            at = folders.pop()
            try:
                entries = os.scandir(self.folder / at)
            except OSError:  # removed meanwhile, or may not be read
                continue
            with entries:
                for entry in entries:
                    if not _is_visible(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(os.path.join(at, entry.name))
                    elif self._is_wanted(entry.name):
                        yield os.path.join(at, entry.name)


def _is_visible(part: str) -> bool:
    return not part.startswith(".") and not part.endswith(".zarr")


def _get_change_time(folder: Path, name: str) -> int:
    try:
        return os.stat(os.path.join(folder, name)).st_ctime_ns
    except OSError:
        return 0


def _get_signature(folder: Path, name: str) -> Signature | None:
    try:
        status = os.stat(os.path.join(folder, name))
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None
