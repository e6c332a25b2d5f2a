"""The programs find no lost pattern, crash or hang, at a small scale."""

import json
import os
import subprocess
import sys

import pytest

from harness import PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_finds_no_loss_crash_or_hang(program):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, program, "0.01"], capture_output=True, text=True, env=environment
    )
    assert ended.stdout.strip(), ended.stderr
    for row in json.loads(ended.stdout):
        assert row["tried"] > 0, row
        assert (row["lost"], row["crashes"], row["hangs"]) == (0, 0, 0), row
    assert ended.returncode == 0, ended.stderr
