"""Tries cases in child processes, so that a crash, a hang or a lost pattern is seen and counted.

A program of this folder gives `main` its rows, each a `Row` and a function from a scale to cases;
run as `python NAME.py [SCALE]` it prints the rows' counts as JSON and exits 1 unless all of
`lost`, `crashes` and `hangs` are 0. Scale 1 gives the README's figures, the tests take less.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

MEMORY = 6 << 30  # what a child may allocate [B]; torch and its libraries map 3 GB
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


def serve(trial: Callable[[Any], str]) -> None:
    """Be the child: try each case that is read from standard input, and answer how it ended.

    `trial` returns "read", "refused" (with an error of ours), "survived" or "lost"; whatever else
    it raises counts as a crash.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        try:
            answer = [trial(json.loads(line)), ""]
        except BaseException:
            answer = ["crashes", traceback.format_exc()[-1500:]]
        print(json.dumps(answer), file=answers, flush=True)


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

    def ask(self, case: Any, patience: float) -> tuple[str, str]:
        """Return the case's outcome, and what there is to say of it."""
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
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


def try_in_child(row: Row, cases: Iterable[Any], *, patience: float = 60) -> Row:
    """Count how each case ends in a child: this program, run with the argument `serve`."""
    argv = [sys.executable, os.path.abspath(sys.argv[0]), "serve", row.what]
    child = None
    for case in cases:
        child = child or Child(argv)
        outcome, detail = child.ask(case, patience)
        row.count(outcome, case, detail)
        if child.process.poll() is not None or outcome == "hangs":
            child.close()
            child = None
    if child:
        child.close()
    return row


def main(rows: Callable[[float], Iterable[Row]], trials: dict[str, Callable[[Any], str]]) -> None:
    """Run a program of this folder; `trials` are by the `what` of the rows tried in a child."""
    if sys.argv[1:2] == ["serve"]:
        serve(trials[sys.argv[2]])
        return
    found = list(rows(float(sys.argv[1]) if sys.argv[1:] else 1.0))
    print(json.dumps([dataclasses.asdict(row) for row in found], indent=1))
    sys.exit(any(row.lost or row.crashes or row.hangs for row in found))
