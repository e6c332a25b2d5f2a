"""Tries cases in child processes, so that a crash, a hang or a lost pattern is seen and counted.

A program of this folder gives `main` its rows, each a `Row` and a function from a scale to cases;
run as `python NAME.py [SCALE]` it prints the rows' counts as JSON and exits 1 unless all of
`lost`, `crashes` and `hangs` are 0. Scale 1 gives the README's figures, the tests take less.
"""

from __future__ import annotations

import atexit
import dataclasses
import importlib
import json
import multiprocessing
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

MEMORY = 6 << 30  # what a child may allocate [B]; torch and its libraries map 3 GB
IMPORTED = ("xrdae.model", "xrdae.live.command", "xrdae.report", "zarr", "sklearn.gaussian_process")
_PROGRAM = os.path.abspath(sys.argv[0])
FINE = ("read", "refused", "survived")  # what a case may end in, beside "lost"


@dataclasses.dataclass
class Row:
    """A line of the README's table: what was tried, how often, and how it ended."""

    what: str
    kind: str  # "input" or "fault"
    tried: int = 0
    read: int = 0
    refused: int = 0
    survived: int = 0
    lost: int = 0
    crashes: int = 0
    hangs: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def count(self, outcome: str, case: Any, detail: str = "") -> None:
        """Count a case by its outcome, a field of this class."""
        self.tried += 1
        setattr(self, outcome, getattr(self, outcome) + 1)
        if outcome not in FINE:
            self.failures.append(f"{outcome}: {case}: {detail}"[:2000])


class Failed(Exception):  # noqa: N818
    """How a case ended, "lost", "crashes" or "hangs", with what there is to say of it."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(outcome, detail)


def serve(trials: dict[str, Callable[[Any], str]]) -> None:
    """Be the child: try each row's case read from standard input, and answer how it ended.

    A trial returns "read", "refused" (with an error of ours), "survived" or "lost", or raises
    `Failed`; whatever else it raises counts as a crash.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        try:
            what, case = json.loads(line)
            answer = [trials[what](case), ""]
        except Failed as failed:
            answer = [*failed.args]
        except BaseException:
            answer = ["crashes", traceback.format_exc()[-1500:]]
        print(json.dumps(answer), file=answers, flush=True)


class Forked:
    """A fork of this process, with all that it has imported, that does some work.

    A process that forks shall not have begun threads: forks lack them, and may wait for them.

    Attributes
    ----------
    process
        Of multiprocessing; it ends as any Python does, once its threads have ended.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with this)
        self._begins, begun = os.pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self._do, args=(begun, work, arguments))
        self.process.start()
        os.close(begun)

    def _do(self, begun: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        for number in (1, 2):
            os.dup2(self._said.fileno(), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit._clear()  # what the parent will do
        os.write(begun, b"!")
        try:
            work(*arguments)
        finally:  # as Python ends, but for what multiprocessing leaves out
            threading._shutdown()
            atexit._run_exitfuncs()

    def send(self, number: int, after: float) -> None:
        """Send a signal so many seconds after the work has begun, if it is still at work."""
        os.read(self._begins, 1)
        self.process.join(after)
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)

    def end(self, patience: float = 30) -> int:
        """Return the exit code, negative for a signal; fail if there is none in time."""
        self.process.join(patience)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
            raise Failed("hangs", f"at work {patience} s after all was said; {self.said()}")
        os.close(self._begins)
        return code

    def said(self) -> str:
        """Return the last words on standard output and error."""
        self._said.seek(0)
        return self._said.read()[-1500:]


def done(work: Callable[..., Any], *arguments: Any) -> float:
    """Do something in a fork, and return the seconds that it takes; if it fails, so does the case.

    Forks do all of the work: threads that zarr, say, has begun would be missing in later ones.
    """
    begin = time.monotonic()
    fork = Forked(work, *arguments)
    if fork.end(300) != 0:
        raise Failed("lost" if "AssertionError" in fork.said() else "crashes", fork.said())
    return time.monotonic() - begin


def import_for_forks() -> None:
    """Import what forks use: once, not in each."""
    for name in IMPORTED:
        importlib.import_module(name)


class Child:
    """A process that `serve`s."""

    def __init__(self, argv: list[str]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def ask(self, what: str, case: Any, patience: float) -> tuple[str, str]:
        """Return the outcome of a row's case, and what there is to say of it."""
        try:
            self.process.stdin.write(json.dumps([what, case]) + "\n")
            self.process.stdin.flush()
            answer = self.answers.get(timeout=patience)
        except queue.Empty:
            self.process.kill()
            return "hangs", f"no answer within {patience} s"
        except BrokenPipeError:
            answer = ""
        if not answer:
            return "crashes", f"the process ended with {self.process.wait()}"
        outcome, detail = json.loads(answer)
        return outcome, detail

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


_idle: list[Child] = []  # one at most, for the next row: it takes seconds to begin


def try_in_child(row: Row, cases: Iterable[Any], *, patience: float = 60) -> Row:
    """Count how each case ends in a child: this program, run with the argument `serve`."""
    for case in cases:
        child = _idle.pop() if _idle else Child([sys.executable, _PROGRAM, "serve"])
        outcome, detail = child.ask(row.what, case, patience)
        row.count(outcome, case, detail)
        if child.process.poll() is not None or outcome == "hangs":
            child.close()
        else:
            _idle.append(child)
    return row


def main(rows: Callable[[float], Iterable[Row]], trials: dict[str, Callable[[Any], str]]) -> None:
    """Run a program of this folder; `trials` are by the `what` of the rows tried in a child."""
    if sys.argv[1:2] == ["serve"]:
        serve(trials)
        return
    # Also in the background, where a shell has its children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = list(rows(float(sys.argv[1]) if sys.argv[1:] else 1.0))
    for child in _idle:
        child.close()
    print(json.dumps([dataclasses.asdict(row) for row in found], indent=1))
    sys.exit(any(row.lost or row.crashes or row.hangs for row in found))
