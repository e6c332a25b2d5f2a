import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae import demo
from xrdae.cli import main


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Folder and output of the demo; of one that has run where XRDAE_DEMO names its folder."""
    if finished := os.environ.get("XRDAE_DEMO"):
        return Path(finished), Path(finished, "output.txt").read_text()
    folder = tmp_path_factory.mktemp("demo")
    done = CliRunner().invoke(main, ["demo", "-o", str(folder)])
    assert done.exit_code == 0, done.output
    return folder, done.output


def figure(said: str, name: str) -> float:
    (line,) = (line for line in said.splitlines() if line.startswith(name))
    return float(line.removeprefix(name).split()[0])


def test_composition_is_read_off_two_latents_of_patterns_that_training_did_not_see(shown):
    _, said = shown
    assert figure(said, "R2 of Ti content, held out") >= 0.95
    assert figure(said, "R2 of Zr content, held out") >= 0.95


def test_synthesis_beats_linear_blending_where_peaks_move(shown):
    assert figure(shown[1], "synthesis error / linear blending") < 0.5


def test_the_demo_finds_a_strong_irrelevant_peak_of_iron_and_a_weak_relevant_one(shown):
    folder, said = shown
    with xr.open_dataset(folder / "results.nc") as results:
        found = demo.find_contrary_peaks(results)
    strong, weak = found["strong but irrelevant"], found["weak but relevant"]
    iron = [44.67, 65.02]  # degree, Cu K-alpha 1
    assert any(strong.start < line < strong.stop for line in iron)
    assert (strong.verdict, weak.verdict) == ("irrelevant", "relevant")
    assert strong.strength >= 0.75
    assert strong.sensitivity < 0.1  # known from the simulation
    assert weak.strength <= 0.5
    assert weak.sensitivity > 0.7
    assert strong.text() in said
    assert weak.text() in said


def test_without_verdicts_of_a_contrary_peak_the_demo_finds_none(shown):
    folder, _ = shown
    with xr.open_dataset(folder / "results.nc") as results:
        verdict = results["relevance_verdict"]
        undecided = results.assign(relevance_verdict=verdict.copy(data=np.zeros_like(verdict)))
        found = demo.find_contrary_peaks(undecided)
    assert found == {"strong but irrelevant": None, "weak but relevant": None}


def test_the_demo_writes_results_a_model_and_pictures_that_are_not_blank(shown):
    folder, _ = shown
    from matplotlib.image import imread

    for name in ("latent.png", "relevance.png", "synthesis.png"):
        assert imread(folder / name)[..., :3].std() > 0.05, name
    assert "Simulated powder patterns" in (folder / "report.html").read_text()
    model = xrdae.load_model(folder / "model.nc")
    with xr.open_dataset(folder / "results.nc") as results:
        assert results.sizes["pattern"] == 150
        again = results.load().xrdae.encode(model)
        np.testing.assert_allclose(again["latent"], results["latent"], atol=1e-5)
    with xr.open_dataset(folder / "synthesized.nc") as synthesized:
        assert synthesized.sizes["synthetic"] == 9
        assert float(synthesized["synthesized"].min()) >= 0


def test_r_squared_is_one_for_the_truth_and_zero_for_the_mean():
    truth = xr.DataArray([1.0, 2.0, 4.0], dims="pattern")
    assert demo.compute_r_squared(truth, truth) == 1
    assert demo.compute_r_squared(truth, xr.full_like(truth, float(truth.mean()))) == pytest.approx(
        0
    )
