import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

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
    assert not done.stderr  # no warning that a reader would have to explain
    return done.stdout


def numbers(said: str, start: str) -> list[float]:
    """The numbers in the one line that starts so."""
    (line,) = (line for line in said.splitlines() if line.startswith(start))
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?![\d)])", line.removeprefix(start))]


def assert_is_a_picture(path: Path) -> None:
    assert path.stat().st_size < 150_000
    picture = imread(path)[..., :3]
    assert picture.shape[1] == 900
    assert picture.std() > 0.05  # not blank
    edges = np.concatenate([picture[[0, -1]].reshape(-1, 3), picture[:, [0, -1]].reshape(-1, 3)])
    assert (edges == 1).all()  # nothing is cut


@pytest.fixture(scope="module")
def beamstop(tmp_path_factory):
    """The example plugin, installed from its folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-W", "ignore", "-m", "pip", "install"]  # pip warns of its own parts
    pip += ["--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(EXAMPLES / "beamstop")], check=True)
    return folder


def test_a_host_with_its_own_manager_gets_latents_and_relevance(tmp_path):
    said = run("host.py", tmp_path)
    assert "builtin" in said
    assert "latent (40, 2)" in said
    assert_is_a_picture(tmp_path / "host.png")


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


def test_the_alloy_series_gives_composition_and_its_relevant_peaks(tmp_path):
    said = run("alloy_series.py", tmp_path)
    for label, step in (("ti", 2 / 14), ("zr", 0.5 / 9)):
        r2, error = numbers(said, f"{label}: R2")
        assert r2 > 0.98
        assert error < step / 4  # of the series
    (alloy,) = numbers(said, "(321) of the alloy: replacing it moves a latent point by")
    (iron,) = numbers(said, "(110) of iron: replacing it moves a latent point by")
    assert alloy > 5 * iron
    assert "(321) of the alloy: replacing it moves" in said.split("verdict relevant")[0]
    assert "verdict irrelevant" in said.split("(110) of iron")[1]
    assert_is_a_picture(tmp_path / "alloy_series.png")
    page = (tmp_path / "alloy_series.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html")


def test_the_heating_run_gives_the_temperature_and_finds_the_oxide(tmp_path):
    said = run("heating_run.py", tmp_path)
    (error,) = numbers(said, "temperature: mean absolute error")
    assert error < 1100 / 79  # kelvin from one pattern of the run to the next
    *usual, oxidized = numbers(said, "novelty of two usual patterns and an oxidized one:")
    assert len(usual) == 2
    assert oxidized > max(1.5, *usual)
    assert_is_a_picture(tmp_path / "heating_run.png")


def test_the_composition_library_gives_weight_fractions(tmp_path):
    said = run("composition_library.py", tmp_path)
    for phase in ("corundum", "fluorite", "zincite"):
        r2, error = numbers(said, f"{phase}: R2")
        assert r2 > 0.9
        assert error < 10  # weight percent from one mixture to the next
    assert_is_a_picture(tmp_path / "composition_library.png")


def test_the_spatial_map_finds_the_inclusion_and_little_else(tmp_path):
    said = run("spatial_map.py", tmp_path)
    found, whole = numbers(said, "inclusion:")
    assert found == whole
    assert numbers(said, "elsewhere:")[0] < 10  # percent, of which 5 are expected
    assert_is_a_picture(tmp_path / "spatial_map.png")


def test_pair_distribution_functions_show_the_transition_beyond_the_bonds(tmp_path):
    said = run("pdf_transition.py", tmp_path)
    assert said.startswith("<xrdae.Model: r 1.52 to 11.96 angstrom")  # an r, never a d
    error, pca = numbers(said, "temperature: mean absolute error")
    assert error < min(4, pca)  # kelvin, of 16 from one pattern to the next
    by = "held-out G(r) by"
    (two_latents,) = numbers(said, f"{by} xrdae, 2 latents: error")
    assert two_latents < numbers(said, f"{by} PCA, 2 components: error")[0]
    assert two_latents < 1.05 * numbers(said, f"{by} linear blending: error")[0]
    novel = numbers(said, "novel patterns at (K):")
    assert novel == [732, 764]  # within the jump, for which nothing stands
    *_, bonds = numbers(said, "masking the Mn-O bonds, 1.5 to 2.5 angstrom,")
    *_, far = numbers(said, "masking 9.5 to 10.5 angstrom")
    assert far > 5 * bonds
    assert_is_a_picture(tmp_path / "pdf_transition.png")


def test_the_raman_series_gives_composition_and_temperature(tmp_path):
    said = run("raman_series.py", tmp_path)
    assert "axis: raman_shift 90.0 to 849.0 1/cm" in said  # a Raman shift, never a q
    for label, most in (("rutile", 3), ("temperature", 20)):  # percent, kelvin
        error, *pca = numbers(said, f"{label}: mean absolute error")
        assert error < min(most, 1.2 * pca[0])
    start, stop, *_ = numbers(said, "relevance 1:")
    assert start < 144 < stop  # the strongest band of anatase
    assert_is_a_picture(tmp_path / "raman_series.png")


def test_the_picture_of_every_example_lies_beside_it():
    for path in EXAMPLES.glob("*.py"):
        if path.stem != "custom_adapter":
            assert_is_a_picture(EXAMPLES / "pictures" / f"{path.stem}.png")
