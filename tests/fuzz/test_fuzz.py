"""What fuzzing starts from, and what it found, is read or refused; without fuzzing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
TARGETS = sorted(path.name for path in (FOLDER / "corpus").iterdir())
MOST_SECONDS = 60  # for one file

# Prints each file before it is opened, and then what came of it: the last line of a process that
# crashed or was ended by the alarm names the file.
REPLAY = f"""
import pathlib, signal, sys
folder, temporary, *targets = sys.argv[1:]
sys.path.insert(0, folder)
import law
for target in targets:
    path = pathlib.Path(temporary, target + law.SUFFIXES.get(target, ".dat"))
    for file in sorted(pathlib.Path(folder).glob(f"*/{{target}}/*")):
        signal.alarm({MOST_SECONDS})
        print(target, file, end=" ", flush=True)
        law.put(path, file.read_bytes(), target)
        print(law.outcome(path, target), flush=True)
"""


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """Outcomes by target, and what a process that ended early said; one process for all files."""
    arguments = [sys.executable, "-c", REPLAY, FOLDER, tmp_path_factory.mktemp("replay"), *TARGETS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    outcomes = {target: [] for target in TARGETS}
    for line in done.stdout.splitlines():
        target, *_, outcome = line.split()
        outcomes[target].append(outcome)
    return outcomes, f"exit code {done.returncode}\n{done.stdout[-300:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_found_is_read_or_refused(target, replayed):
    outcomes, said = replayed
    assert len(outcomes[target]) == len(list(FOLDER.glob(f"*/{target}/*"))), said
    assert set(outcomes[target]) <= {"read", "refused"}, said
    assert outcomes[target]


def test_a_reader_is_fuzzed_for_a_second(tmp_path):
    pytest.importorskip("atheris", reason="fuzzing needs the extra fuzz")
    done = subprocess.run(
        [sys.executable, FOLDER / "fuzz.py", "udf", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
