"""The example of a batch: images in, latents out."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyFAI", reason="pyFAI is not installed")

import h5py
from matplotlib.image import imread

import xrdae

EXAMPLE = Path(__file__).parents[2] / "examples" / "pyfai_batch.py"


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """What the example said, and the folder it wrote."""
    folder = tmp_path_factory.mktemp("batch")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr  # pyFAI itself logs there
    return done.stdout, folder


def test_latents_tell_the_composition_of_the_images(batch):
    said, folder = batch
    error = float(re.search(r"ti: mean absolute error (\S+)", said)[1])
    assert error < 2 / 29 / 4  # of the step from image to image
    assert "image 0 has axis_units, latent, " in said
    assert imread(folder / "pyfai_batch.png").shape[1] == 900


def test_the_file_of_the_batch_holds_patterns_and_latents(batch):
    _, folder = batch
    patterns = xrdae.open_patterns(folder / "alloy.h5")
    assert patterns.sizes == {"pattern": 30, "two_theta": 1000}
    assert float(patterns["wavelength"]) == pytest.approx(0.7)
    with h5py.File(folder / "alloy.h5") as file:
        assert file["entry/xrdae/latent/latent"].shape == (30, 2)
        assert np.isfinite(file["entry/xrdae/latent/latent_errors"]).all()
    assert len(list(folder.glob("*.edf"))) == 30
