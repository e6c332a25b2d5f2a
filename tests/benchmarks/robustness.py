"""Runs all programs of tests/robustness and prints the outcomes of faults and damaged inputs.

    python tests/benchmarks/robustness.py                # the figures in the README
    python tests/benchmarks/robustness.py 0.1            # a tenth of the cases
    python tests/benchmarks/robustness.py 1 try_kills    # one program of the folder

Every case runs in a child process. A crash is a child that dies, or an exception that xrdae does
not define. A hang is a child that does not answer in time. Patterns are lost if a result, a model
or an existing file is missing, incomplete or wrong. The exit code is 1 unless all three are 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "robustness"))
from harness import PROGRAMS

COUNTS = ("tried", "refused", "lost", "crashes", "hangs")
HEAD = "| what | tried | refused | patterns lost | crashes | hangs |\n|---|---|---|---|---|---|"


def run_program(program: Path, scale: str) -> list[dict[str, Any]]:
    """Run a program and return its rows."""
    print(f"{program.stem} ...", end=" ", file=sys.stderr, flush=True)
    begin = time.monotonic()
    ended = subprocess.run(
        [sys.executable, program, scale],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    if not ended.stdout.strip():
        raise SystemExit(f"{program} ended with {ended.returncode} and printed no rows")
    rows: list[dict[str, Any]] = json.loads(ended.stdout)
    return rows


def format_row(what: str, counts: list[int]) -> str:
    """Return a row of the table."""
    return f"| {what} | " + " | ".join(f"{count:,}".replace(",", " ") for count in counts) + " |"


def main() -> None:
    """Print the table."""
    programs = {program.stem: program for program in PROGRAMS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", nargs="?", default="1", help="1: the figures in the README")
    parser.add_argument("programs", nargs="*", choices=[*programs, []], help="default: all")
    options = parser.parse_args()
    names = options.programs or programs
    rows = [row for name in names for row in run_program(programs[name], options.scale)]
    print(HEAD)
    for kind in ("input", "fault"):
        kind_rows = [row for row in rows if row["kind"] == kind]
        for row in kind_rows:
            print(format_row(row["what"], [row[name] for name in COUNTS]))
        total = [sum(row[name] for row in kind_rows) for name in COUNTS]
        print(format_row(f"**{kind}s, in all**", total))
    failures = [failure for row in rows for failure in row["failures"]]
    print("\n".join(failures), file=sys.stderr)
    sys.exit(any(row[name] for row in rows for name in ("lost", "crashes", "hangs")))


if __name__ == "__main__":
    main()
