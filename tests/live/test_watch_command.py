"""The command `xrdae watch`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def on_the_command_line(run):
    """Start `xrdae watch` and end it with a signal."""
    run.model.save(run.folder.parent / "model.nc")
    started = []

    def start(*words):
        command = [
            sys.executable, "-m", "xrdae", "watch", run.folder, "-m",
            run.folder.parent / "model.nc", "-o", run.out, "--no-page", *words,
        ]  # fmt: skip
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_command_runs_until_it_is_ended(run, on_the_command_line):
    process = on_the_command_line("--json", "--patience", "0.5")
    run.put("p0.xy", run.text(0))
    event = json.loads(process.stdout.readline())
    assert event["file"] == "p0.xy"
    latent = run.series.isel(pattern=0).xrdae.encode(run.model)["latent"]
    np.testing.assert_allclose(event["latent"], latent, atol=1e-4)
    run.put("bad\x1b[2J.xy", "words")
    event = json.loads(process.stdout.readline())
    assert event["skipped"] == "bad\x1b[2J.xy"
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    assert json.loads(said)["results"] == 1
    process = on_the_command_line("--patience", "0.5")
    lines = [process.stderr.readline() for _ in range(2)]
    assert lines[0].startswith("Warning: no peak is steady for certain")  # of the model: once
    assert lines[1].startswith(r"skipped: bad\x1b[2J.xy")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert "1 patterns, 0 of them novel; 0 files wait to be complete, 1 skipped" in said


def test_a_store_of_another_threshold_or_without_its_ending_is_refused(run, on_the_command_line):
    process = on_the_command_line("--json")
    run.put("p0.xy", run.text(0))
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate()
    process = on_the_command_line("--threshold", "2")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "xrdae_threshold is '1', not '2'" in errors
    run.out = run.folder / "live"
    process = on_the_command_line()
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "does not end in .zarr" in errors


def test_a_small_beamtime_keeps_every_good_file_once_and_names_every_broken_one():
    program = Path(__file__).parents[1] / "benchmarks" / "beamtime.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, "--files", "60", "--json"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["good"] == found["results"] == found["good files with exactly one result"] == 59
    assert found["broken"] == found["broken files named"] == 1
    assert found["others named"] == 0
    assert found["half-written at first"] == 1
    assert 0 < found["kept when killed"] < 59
    assert found["latents differ by at most"] < 2e-3
    assert found["latency s"]["p50"] > 0
