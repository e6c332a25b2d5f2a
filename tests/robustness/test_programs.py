"""Nothing that it is fed makes it crash, hang or lose a pattern: the programs, at small scale."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = ("damage", "harness", "live_kills")
FILES = {path for path in Path(__file__).parent.glob("[!_]*.py") if path.stem not in HELPERS}
PROGRAMS = sorted(path for path in FILES if not path.stem.startswith("test_"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_nothing_is_lost_crashes_or_hangs(program):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, "0.02"], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip(), done.stderr
    for row in json.loads(done.stdout):
        assert row["tried"] > 0, row
        assert (row["lost"], row["crashes"], row["hangs"]) == (0, 0, 0), row
    assert done.returncode == 0, done.stderr
