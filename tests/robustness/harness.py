"""Tries cases in child processes and counts crashes, hangs and lost patterns.

The programs of this folder are `try_*.py`. Run one as `python try_NAME.py [SCALE]`. It prints the
counts of its rows as JSON, and exits with 1 unless `lost`, `crashes` and `hangs` are 0. Scale 1
gives the figures in the README; `test_programs.py` uses a smaller scale.

A program calls `main` with a function that yields its rows for a scale, and a function for each row
that tries one case. To add a program, write another `try_NAME.py`: the tests and
`tests/benchmarks/robustness.py` find it by its name.
"""

from __future__ import annotations

import atexit
import dataclasses
import importlib
import json
import multiprocessing
import os
import queue
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MEMORY = 6 << 30  # limit of a child [B]; torch and its libraries map 3 GB
IMPORTED = ("xrdae.model", "xrdae.live.command", "xrdae.report", "zarr", "sklearn.gaussian_process")
TESTS = Path(__file__).resolve().parents[1]
# pyproject.toml tells pytest the same; here it is for a program that runs by itself.
sys.path += [
    str(TESTS / folder) for folder in ("helpers", "autoencoder/models", "fuzz", "benchmarks")
]
PROGRAMS = sorted(Path(__file__).parent.glob("try_*.py"))
_PROGRAM = os.path.abspath(sys.argv[0])
FINE = ("read", "refused", "survived")  # outcomes that are no failure


@dataclasses.dataclass
class Row:
    """Row of the table in the README: what was tried, how often, and with which outcomes."""

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
        """Count a case by its outcome, which is a field of this class."""
        self.tried += 1
        setattr(self, outcome, getattr(self, outcome) + 1)
        if outcome not in FINE:
            self.failures.append(f"{outcome}: {case}: {detail}"[:2000])


class Failed(Exception):  # noqa: N818
    """Failure of a case: the outcome "lost", "crashes" or "hangs", and details."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(outcome, detail)


def serve(trials: dict[str, Callable[[Any], str]]) -> None:
    """Run as the child: read cases from standard input, try them, and answer with their outcomes.

    A trial returns "read", "refused" (with an error of xrdae), "survived" or "lost", or raises
    `Failed`. Any other exception counts as a crash.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the output of libraries out of the answers
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
    """Fork of this process, with all its imports, that calls a function.

    The process that forks must not have started threads. A fork lacks them and may wait for them.

    Attributes
    ----------
    process
        Process of multiprocessing. It ends like any Python process, once its threads have ended.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with this)
        self._start_reader, start_writer = os.pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self._run, args=(start_writer, work, arguments))
        self.process.start()
        os.close(start_writer)

    def _run(self, start_writer: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        for number in (1, 2):
            os.dup2(self._output.fileno(), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit._clear()  # the exit functions of the parent
        os.write(start_writer, b"!")
        try:
            work(*arguments)
        finally:  # end like Python; multiprocessing leaves these two calls out
            threading._shutdown()
            atexit._run_exitfuncs()

    def send(self, number: int, after: float) -> None:
        """Send a signal some seconds after the start of the work, unless it has ended."""
        os.read(self._start_reader, 1)
        self.process.join(after)
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)

    def end(self, patience: float = 30) -> int:
        """Return the exit code, negative for a signal. Raise `Failed` if the fork does not end."""
        self.process.join(patience)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
            raise Failed("hangs", f"still running after {patience} s; {self.read_output()}")
        os.close(self._start_reader)
        return code

    def read_output(self) -> str:
        """Return the last 1500 characters of standard output and error."""
        self._output.seek(0)
        return self._output.read()[-1500:]


def run_in_fork(work: Callable[..., Any], *arguments: Any) -> float:
    """Call a function in a fork and return its run time [s]. Raise `Failed` if it fails.

    All work is done in forks. Threads started here, for example by zarr, would be missing in forks.
    """
    begin = time.monotonic()
    fork = Forked(work, *arguments)
    if fork.end(300) != 0:
        output = fork.read_output()
        raise Failed("lost" if "AssertionError" in output else "crashes", output)
    return time.monotonic() - begin


def import_modules() -> None:
    """Import the modules that forks use, once instead of in each fork."""
    for name in IMPORTED:
        importlib.import_module(name)


class Child:
    """Process that runs `serve`."""

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
        """Return the outcome of a case of a row, and details."""
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


_idle: list[Child] = []  # at most one, reused by the next row because it takes seconds to start


def choose_moments(rng: random.Random, n: int) -> list[float]:
    """Return n moments from 0 to 1, one at random in each n-th of the range."""
    return [(i + rng.random()) / n for i in range(n)]


def try_in_child(row: Row, cases: Iterable[Any], *, patience: float = 60) -> Row:
    """Count the outcomes of the cases in a child: this program with the argument `serve`."""
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
    """Run a program of this folder.

    Parameters
    ----------
    rows
        Function that yields the rows of the program for a scale.
    trials
        Function that tries a case, by the `what` of its row.
    """
    if sys.argv[1:2] == ["serve"]:
        serve(trials)
        return
    # A shell makes background processes ignore Ctrl-C; restore the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    finished = list(rows(float(sys.argv[1]) if sys.argv[1:] else 1.0))
    for child in _idle:
        child.close()
    print(json.dumps([dataclasses.asdict(row) for row in finished], indent=1))
    sys.exit(any(row.lost or row.crashes or row.hangs for row in finished))
