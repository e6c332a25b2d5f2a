"""The loop of `xrdae watch`: files that arrive become rows of a store, once each."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xarray as xr

from xrdae.errors import DataError, XrdaeError
from xrdae.live.arrivals import Arrivals
from xrdae.live.file_rows import CUT_OFF, Arrived, find_rows, read
from xrdae.live.isolated_reading import IsolatedReader, Stopped
from xrdae.live.notification import Observer
from xrdae.live.results import Results
from xrdae.provenance import generalize_provenance
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.storage.atomic_writing import FULL

if TYPE_CHECKING:
    from xrdae.model import Model

AT_ONCE = 64  # files that are encoded and kept together, when many wait
PASS = 0.5  # seconds after which new events are looked at, although files still wait
AGAIN = 1.0  # seconds after which a full disk is tried again
TICK = 10  # milliseconds in which events are gathered, and after which waiting files are looked at


class Listener(Protocol):
    """Receiver of the events of a watch."""

    def on_results(self, rows: xr.Dataset) -> None:
        """Receive patterns and their results, after they are stored."""

    def on_skip(self, file: str, reason: str) -> None:
        """Receive the name of an unreadable file that has not changed for some time."""

    def on_warning(self, message: str) -> None:
        """Receive a warning: novelty stays high, or a pattern may be incomplete."""


class Watch:
    """Encodes the files of a folder as they arrive, and keeps the results in a store.

    Parameters
    ----------
    folder
        Files of any format that `xrdae.open_patterns` knows, also in folders in it.
    model
        A fitted model.
    results
        Open store. Files that it contains are skipped unless they change.
    threshold
        Novelty above which a pattern is `novel`.
    match
        Which names count, such as "*.xy".
    patience
        Seconds without a change after which a file that cannot be read is given up, until it
        changes after all.
    listeners
        Told of every result once it is kept.
    options
        What is stated about the files.
    """

    def __init__(
        self,
        folder: Path,
        model: Model,
        results: Results,
        *,
        threshold: float = 1.0,
        match: str = "*",
        patience: float = 10.0,
        listeners: Sequence[Listener] = (),
        options: ReadOptions = NOTHING_STATED,
    ) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {str(folder)!r} to watch")
        self.folder = folder.absolute()
        self.results = results
        self._apart = IsolatedReader(options)
        self._apart.start()  # while the next steps take seconds
        kept = results.read_relevance_options()
        self._observer = Observer(model, threshold=threshold, **kept)
        typical = model.decode(np.zeros(model.n_latent)).to_dataset(name="intensity")
        self._observer.results(typical)  # the first time takes seconds
        self._preparation = model.autoencoder.preparation
        self._axis = self._preparation.axis
        self._arrivals = Arrivals(
            self.folder, results.files, match=match, patience=patience, skipped=results.skipped
        )
        self.listeners = list(listeners)
        self._fullest = results.fullest
        self._full_until = 0.0

    def status(self) -> str:
        """Return in words how far the watch is."""
        return (
            f"{len(self.results)} patterns, {self.results.novel} of them novel; "
            f"{self._arrivals.waiting} files wait to be complete, "
            f"{len(self.results.skipped)} skipped"
        )

    @property
    def skipped(self) -> dict[str, str]:
        """Return the files that were given up, and why."""
        return dict(self.results.skipped)

    def run(self, stop: threading.Event, *, after: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop` is set, calling `after` several times a second."""
        with contextlib.closing(self._apart):
            for paths in self._iterate_changes(stop):
                self._arrivals.record(paths)
                self._catch_up(stop)
                after()

    def _iterate_changes(self, stop: threading.Event) -> Iterator[list[str]]:
        """Yield the changed paths several times a second; an empty list if nothing changed."""
        import watchfiles

        while not stop.is_set():
            try:
                for changes in watchfiles.watch(
                    self.folder, watch_filter=None, debounce=2 * TICK, step=TICK, rust_timeout=TICK,
                    yield_on_timeout=True, stop_event=stop, raise_interrupt=True,
                ):  # fmt: skip
                    yield [path for _, path in changes]
            except RuntimeError:  # it cannot take a name that is no text
                yield []

    def _catch_up(self, stop: threading.Event) -> None:
        """Read, encode and keep every file that is complete by now."""
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"the folder {str(self.folder)!r} is gone; all results are kept"
            )
        if time.monotonic() < self._full_until:
            return
        try:
            self._take(stop)
        except OSError as error:  # every file that is not in the store yet waits
            if error.errno not in FULL:
                raise
            if not self._full_until:
                self._warn(f"{error}; what arrives waits for room")
            self._full_until = time.monotonic() + AGAIN
        else:
            if self._full_until:
                self._warn("there is room again")
            self._full_until = 0.0

    def _take(self, stop: threading.Event) -> None:
        some: list[Arrived] = []
        for arrived in self._find_complete(stop):
            some.append(arrived)
            if len(some) == AT_ONCE:
                self._keep(some)
                some = []
            if stop.is_set():
                break
        if some:
            self._keep(some)

    def _find_complete(self, stop: threading.Event) -> Iterator[Arrived]:
        """Yield files that were read, for some time: meanwhile others may have come."""
        end = time.monotonic() + PASS
        for name, signature, last in self._arrivals.find_ready():
            if time.monotonic() > end:
                return
            try:
                _check_name(name)
                arrived = read(
                    self._apart, self.folder, name, signature,
                    preparation=self._preparation, stop=stop,
                )  # fmt: skip
                self._check(arrived, last)
            except Stopped:
                return
            except (XrdaeError, OSError, ValueError) as error:
                reason = str(error).removeprefix(f"{self.folder / name}: ")
                if last and self._arrivals.is_unchanged(name, signature):
                    self._give_up(name, signature, reason)
                else:
                    self._arrivals.postpone(name, reason)
                continue
            if self._arrivals.is_unchanged(name, signature):
                yield arrived

    def _check(self, arrived: Arrived, last: bool) -> None:
        """Postpone a file that looks incomplete; refuse a file that has lost patterns."""
        fullest = self._fullest or 1.0
        if arrived.coverage < CUT_OFF * fullest and not last:
            raise DataError("it covers less than others: half-written?")
        before = self.results.count_scans(arrived.file)
        if len(arrived.scans) < before:
            raise DataError(
                f"it holds {len(arrived.scans)} patterns, and {before} when it was encoded; those "
                "results are kept"
            )

    def _keep(self, some: list[Arrived]) -> None:
        """Encode and store files. If that fails, do it one by one, and skip those that fail."""
        try:
            rows = self._encode(some)
            stored = rows.assign_attrs(generalize_provenance(rows.attrs))
            self.results.write(stored, [each.file for each in some])
        except OSError:  # nothing to blame on a file
            raise
        except Exception as error:  # in a plugin, or a label that cannot be stored
            if len(some) > 1:
                for each in some:
                    self._keep([each])
            else:
                reason = f"{type(error).__name__}: {error}"
                self._give_up(some[0].file, some[0].signature, reason)
            return
        self._observer.announce(rows)
        for listener in self.listeners:
            listener.on_results(rows)
        for each in some:
            self._arrivals.finish(each.file, each.signature)
            if each.coverage < CUT_OFF * self._fullest:
                self._warn(
                    f"{each.file} is accepted, although it covers {each.coverage:.0%} of the "
                    f"model's axis and others {self._fullest:.0%}: is it cut off?"
                )
            self._fullest = max(self._fullest, each.coverage)
        message = self._observer.check_drift(rows["novel"].values)
        if message is not None:
            self._warn(message)

    def _warn(self, message: str) -> None:
        for listener in self.listeners:
            listener.on_warning(message)

    def _encode(self, some: list[Arrived]) -> xr.Dataset:
        rows = find_rows(some, self._axis)
        result = self._observer.results(rows)
        whole = rows.merge(result, compat="override", join="override", combine_attrs="override")
        return whole.assign_attrs(result.attrs)

    def _give_up(self, name: str, signature: tuple[int, int], reason: str) -> None:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        self.results.skip({shown: reason})
        self._arrivals.give_up(name, signature)
        for listener in self.listeners:
            listener.on_skip(shown, reason)


def _check_name(name: str) -> None:
    """Refuse a name that a store cannot hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError("its name is not UTF-8; rename it") from None
