"""Faults injected and inputs tried, and what came of them: runs all of tests/robustness.

    python tests/benchmarks/robustness.py              # the README's figures
    python tests/benchmarks/robustness.py 0.1          # a tenth of the cases
    python tests/benchmarks/robustness.py 1 faults     # one program of the folder

Every case runs in a child process. A crash is a child that died, or an error that is none of ours;
a hang is one that gave no answer within its time; patterns are lost where a result, a model or a
file that was there before is gone, half-written or wrong. Ends with 1 unless all are 0.
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

FOLDER = Path(__file__).parents[1] / "robustness"
HELPERS = ("damage", "harness")
COUNTS = ("tried", "refused", "lost", "crashes", "hangs")
HEAD = "| what | tried | refused | patterns lost | crashes | hangs |\n|---|---|---|---|---|---|"


def rows_of(program: Path, scale: str) -> list[dict[str, Any]]:
    """Return the rows that a program prints."""
    print(f"{program.stem} ...", end=" ", file=sys.stderr, flush=True)
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, program, scale],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    if not done.stdout.strip():
        raise SystemExit(f"{program} ended with {done.returncode} and printed no rows")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def line(what: str, counts: list[int]) -> str:
    """Return a row of the table."""
    return f"| {what} | " + " | ".join(f"{count:,}".replace(",", " ") for count in counts) + " |"


def main() -> None:
    """Print the table."""
    programs = {p.stem: p for p in sorted(FOLDER.glob("*.py")) if p.stem not in HELPERS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", nargs="?", default="1", help="1: the README's figures")
    parser.add_argument("programs", nargs="*", choices=[*programs, []], help="default: all")
    chosen = parser.parse_args()
    rows = [
        row for name in chosen.programs or programs for row in rows_of(programs[name], chosen.scale)
    ]
    print(HEAD)
    for kind in ("input", "fault"):
        of_kind = [row for row in rows if row["kind"] == kind]
        for row in of_kind:
            print(line(row["what"], [row[name] for name in COUNTS]))
        total = [sum(row[name] for row in of_kind) for name in COUNTS]
        print(line(f"**{kind}s, in all**", total))
    failures = [failure for row in rows for failure in row["failures"]]
    print("\n".join(failures), file=sys.stderr)
    sys.exit(any(row[name] for row in rows for name in ("lost", "crashes", "hangs")))


if __name__ == "__main__":
    main()
