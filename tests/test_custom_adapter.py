"""The example of a custom adapter works once it is installed, and its absence is explained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the example adapter from its folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-W", "ignore", "-m", "pip", "install"]  # pip warns about its own code
    pip += ["--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(EXAMPLES / "custom_adapter")], check=True)
    return folder


def run(cwd, **environment):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "custom_adapter.py")],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_an_installed_adapter_gives_latents_to_the_object_of_a_host(tmp_path, installed):
    done = run(tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert "latent (40, 2)" in done.stdout
    assert float(done.stdout.split("correlate: ")[1]) > 0.9


def test_without_the_adapter_the_error_names_the_object_and_the_plugins(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("TypeError: no plugin turns a __main__.Run into a Dataset; plugins: ")
    assert "builtin" in said
    assert "inhouse" not in said


def test_an_adapter_is_about_twenty_lines():
    lines = (EXAMPLES / "custom_adapter" / "inhouse_xrdae.py").read_text().splitlines()
    assert sum(bool(line.strip()) and '"""' not in line for line in lines) <= 20
