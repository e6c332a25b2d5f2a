import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def beamstop(tmp_path_factory):
    """The example plugin, installed from its folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(EXAMPLES / "beamstop")], check=True)
    return folder


def test_a_host_with_its_own_manager_gets_latents_and_relevance(tmp_path):
    said = run("host.py", tmp_path)
    assert "builtin" in said
    assert "latent (40, 2)" in said


def test_an_installed_plugin_replaces_one_step_of_a_host_it_never_heard_of(tmp_path, beamstop):
    def relevance_of_the_first_peak(said: str) -> float:
        return float(said.split("peaks: [")[1].split()[0])

    before = run("host.py", tmp_path)
    after = run("host.py", tmp_path, PYTHONPATH=str(beamstop))
    blocked = run("host.py", tmp_path, PYTHONPATH=str(beamstop), XRDAE_BLOCK_PLUGINS="beamstop")
    assert "beamstop" in after.splitlines()[0]
    assert "beamstop" not in before.splitlines()[0]
    # The first peak lies in the shadow of the beam stop: hidden, it can move nothing.
    assert relevance_of_the_first_peak(before) > 0.01
    assert relevance_of_the_first_peak(after) == 0
    assert relevance_of_the_first_peak(blocked) == relevance_of_the_first_peak(before)
