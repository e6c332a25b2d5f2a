"""Read files in a separate process, so that no file stops or ends a watch.

As a program (`python -m xrdae.live.isolated_reading`) it is that process: paths in, scans out.

The process is no prison. It runs with the rights of the user, and a file that takes it over can do
what the user can. It protects the watch from crashes, from endless loops and from want of memory.
What it sends can build scans and nothing else, so that its answers run no code in the watch.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Any

from xrdae.errors import DataError, FormatError, XrdaeError
from xrdae.loading.gridding import read_scans
from xrdae.readers import MODULES
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import Scan

SECONDS = 10.0  # for any file; files of instruments take a hundredth
SLOWEST = 4 * 2**20  # bytes a second; columns of text take 14 MB a second on one core
STARTING = 60.0  # seconds, in which a process must have imported what it needs
GRACE = 5.0  # seconds after which a process ends itself, if the watch was killed meanwhile
LOOK = 0.05  # seconds after which a waiting watch looks whether it shall stop
NEVER = threading.Event()
READY = "ready"

# Without -P, a file such as `numpy.py` in the current folder would be imported.
COMMAND = [sys.executable, "-P", "-m", "xrdae.live.isolated_reading"]
ERRORS: dict[str, type[Exception]] = {"data": DataError, "format": FormatError, "os": OSError}
_NUMPY = (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
_SENT = {(f"numpy.{core}.{module}", name) for core in ("core", "_core") for module, name in _NUMPY}
_SENT |= {("numpy", "ndarray"), ("numpy", "dtype")}
_SENT |= {("xrdae.readers.scan", "Scan"), ("xrdae.readers.scan", "ScanAxis")}


class Stopped(Exception):  # noqa: N818  (no error)
    """The watch shall end, and does not wait for a file."""


def find_limit(size: int) -> float:
    """Return the seconds after which the reading of a file is ended.

    Parameters
    ----------
    size
        Of the file [byte].

    Examples
    --------
    >>> find_limit(100_000) < 11
    True
    """
    return SECONDS + size / SLOWEST


class IsolatedReader:
    """Reads files in a child process, which is kept for the next file.

    Libraries of formats are made for files that they wrote. Damaged files can crash them, or send
    them in a circle that no exception ends.

    Parameters
    ----------
    options
        What is stated about the files.
    """

    def __init__(self, options: ReadOptions = NOTHING_STATED) -> None:
        self._options = options
        self._child: _Child | None = None

    def start(self) -> None:
        """Start the child process, unless it runs. It takes a second until it can read."""
        if self._child is not None and not self._child.is_running:
            self.close()
        if self._child is None:
            self._child = _Child()

    def read(self, path: Path, stop: threading.Event = NEVER) -> list[Scan]:
        """Return the scans of a file, with increasing positions.

        Raises
        ------
        FormatError, DataError, OSError
            If it cannot be read, or reading it crashes or takes longer than `find_limit`.
        Stopped
            If `stop` is set before the file is read.
        """
        limit = find_limit(path.stat().st_size)
        self.start()
        assert self._child is not None  # as started
        try:
            answer = self._child.ask((str(path), self._options, limit), limit, stop)
        except Stopped:
            self.close()
            raise
        except TimeoutError:
            self.close()
            self.start()  # for the next file
            raise FormatError(
                f"{path}: reading it took more than {limit:.0f} s; it is damaged, or too large for "
                "this computer"
            ) from None
        except (OSError, pickle.UnpicklingError) as error:
            self.close()
            self.start()
            raise FormatError(
                f"{path}: reading it crashed a library or took all memory; it is damaged"
            ) from error
        if answer[0] in ERRORS:
            raise ERRORS[answer[0]](*answer[1])
        scans: list[Scan] = answer[1]
        return scans

    def close(self) -> None:
        """End the child process at once."""
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """Running child process, and a thread that receives its answers."""

    def __init__(self) -> None:
        # The same modules as here. Ctrl-C in the terminal is for the watch, not for the child.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # What libraries print may come from the file, and control the terminal.
        errors = None if os.environ.get("XRDAE_TRACEBACK") else subprocess.DEVNULL
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            env=environment, start_new_session=True,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        listener = threading.Thread(
            target=_listen, args=(self._process.stdout, self._answers), daemon=True
        )
        listener.start()
        self._ready = False
        self.end = weakref.finalize(self, _end, self._process, listener)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, question: Any, limit: float, stop: threading.Event) -> Any:
        """Return the answer to a question.

        Raises
        ------
        EOFError, OSError, pickle.UnpicklingError
            If the process ends, or sends something else.
        TimeoutError
            If there is no answer after some seconds.
        Stopped
            If `stop` is set before there is one.
        """
        if not self._ready:
            self._receive(STARTING, stop)
            self._ready = True
        assert self._process.stdin is not None  # as asked for
        _send(question, self._process.stdin)
        return self._receive(limit, stop)

    def _receive(self, limit: float, stop: threading.Event) -> Any:
        end = time.monotonic() + limit
        while True:
            try:
                answer = self._answers.get(timeout=LOOK)
            except queue.Empty:
                if stop.is_set():
                    raise Stopped from None
                if time.monotonic() > end:
                    raise TimeoutError from None
                continue
            if answer is None:
                raise pickle.UnpicklingError("the process has ended")
            return answer


class _ScanUnpickler(pickle.Unpickler):
    """Unpickler of scans; see "Restricting Globals" in the documentation of pickle."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _SENT:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a scan")
        return super().find_class(module, name)


def _listen(stream: IO[bytes], answers: queue.SimpleQueue[Any]) -> None:
    """Receive answers; None means that there are no more."""
    try:
        while True:
            answers.put(_ScanUnpickler(stream).load())
    except Exception:  # what a crashing process has written may raise any
        answers.put(None)


def _end(process: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    process.kill()
    process.wait()
    listener.join()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError):  # a question that nobody received
            stream.close()


def serve() -> None:
    """Be the child, until there is nothing more to read."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    for name in MODULES:
        importlib.import_module(f"xrdae.readers.{name}")
    _send((READY, None), answers)
    while True:
        try:
            path, options, limit = pickle.load(questions)
        except EOFError:
            return
        # Ends this process without a traceback, even if the library is busy.
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(limit + GRACE, exit=True, file=nowhere)
            _send(_answer(Path(path), options), answers)
            faulthandler.cancel_dump_traceback_later()


def _answer(path: Path, options: ReadOptions) -> tuple[str, Any]:
    """Return "scans" and the scans of a file, or a kind of error and its arguments."""
    try:
        return "scans", read_scans(path, options)
    except OSError as error:
        known = error.errno is not None
        return "os", (error.errno, error.strerror, error.filename) if known else (str(error),)
    except XrdaeError as error:
        return "data" if isinstance(error, DataError) else "format", (str(error),)
    except MemoryError:
        return "format", (f"{path}: it needs more memory than there is",)
    except Exception as error:  # a fault of a reader: it shall not end the watch
        return "format", (f"{path}: {type(error).__name__}: {error}",)


def _send(value: object, to: IO[bytes]) -> None:
    pickle.dump(value, to, protocol=5)
    to.flush()


if __name__ == "__main__":
    serve()
