"""What fuzzing starts from, and what it found, is read or refused; without fuzzing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
REPLAY = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import law
for file in sorted(pathlib.Path(sys.argv[1]).glob(f"*/{sys.argv[2]}/*")):
    path = pathlib.Path(sys.argv[3], "a" + law.SUFFIXES.get(sys.argv[2], ".dat"))
    print(file, flush=True)
    law.put(path, file.read_bytes(), sys.argv[2])
    print(law.outcome(path, sys.argv[2]), flush=True)
"""


@pytest.mark.parametrize("target", sorted(p.name for p in (FOLDER / "corpus").iterdir()))
def test_what_fuzzing_found_is_read_or_refused(target, tmp_path):
    arguments = [sys.executable, "-c", REPLAY, FOLDER, target, tmp_path]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.returncode == 0, (done.stdout[-300:], done.stderr)
    assert {"read", "refused"} & set(done.stdout.split())


def test_a_reader_is_fuzzed_for_a_second(tmp_path):
    pytest.importorskip("atheris", reason="fuzzing needs the extra fuzz")
    done = subprocess.run(
        [sys.executable, FOLDER / "fuzz.py", "udf", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
