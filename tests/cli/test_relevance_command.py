"""The command `xrdae relevance`, and the table of regions."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from figure_helpers import STRUCTURES
from moving_peaks import make_series
from xrdae import DataError
from xrdae.cli import main
from xrdae.region_table import choose_watched_region
from xrdae.simulate import alloy_series


def run(*words, code=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def alloy(tmp_path_factory):
    """Folder with an alloy series of which a tenth is iron, and its model."""
    folder = tmp_path_factory.mktemp("alloy")
    ti, zr, axis = np.linspace(0, 2, 8), np.linspace(0, 0.5, 5), np.linspace(20, 80, 1000)
    series = alloy_series(ti, zr=zr, iron=0.15, two_theta=axis)
    series = series.assign_coords(
        batch=("pattern", np.where(series["ti"].values > 1, "rich", "poor"))
    )
    series.to_netcdf(folder / "data.nc")
    series.xrdae.fit(steps=100, members=2, progress=False).save(folder / "model.nc")
    return folder


def test_the_table_names_the_verdicts_the_reflections_and_the_peak_to_watch(alloy):
    words = ["relevance", alloy / "data.nc", "-m", alloy / "model.nc", "-o", alloy / "out.nc"]
    words += ["--label", "ti", "--label", "zr", "--cif", STRUCTURES / "iron.cif"]
    said = run(*words).output
    with xr.open_dataset(alloy / "out.nc") as out:
        table = out.xrdae.tabulate_relevance(phases=STRUCTURES / "iron.cif").load()
        np.testing.assert_array_equal(table["ti_r2"], out["ti_r2"])
    iron = [line for line in said.splitlines() if " 110 " in line]
    assert len(iron) == 1
    assert iron[0].split()[7] == "irrelevant"
    best = int(np.nanargmax(table["zr_r2"].where(table["zr_verdict"] == "relevant").values))
    start, stop = (float(table[f"region_{end}"][best]) for end in ("start", "stop"))
    assert f"zr: watch {start:.5g} to {stop:.5g} degree" in said
    found = json.loads(run(*words, "--json").output.splitlines()[-1])
    assert found["watch"]["zr"] == best
    assert len(found["regions"]) == table.sizes["region"]
    assert found["regions"][best]["zr_verdict"] == "relevant"
    assert found["regions"][best]["region_std"] == pytest.approx(float(table["region_std"][best]))


def test_a_reference_may_have_labels_and_categories_that_training_had_not(alloy):
    bare = xr.open_dataset(alloy / "data.nc").drop_vars(["ti", "zr", "batch"])
    bare.to_netcdf(alloy / "bare.nc")
    words = ["relevance", alloy / "bare.nc", "-m", alloy / "model.nc", "-o", alloy / "two.zarr"]
    said = run(*words, "--label", "batch", code=1).output
    assert "no numeric label 'batch'" in said
    assert "(--reference" in said
    assert not (alloy / "two.zarr").exists()
    said = run(*words, "--label", "batch", "--reference", alloy / "data.nc").output
    assert "batch: watch " in said
    assert "R2" not in said


def test_a_mask_of_a_model_that_keeps_no_patterns_has_a_table_without_verdicts(alloy, tmp_path):
    model = xrdae.load_model(alloy / "model.nc")
    object.__setattr__(model.fitted, "reference", None)
    model.save(tmp_path / "old.nc")
    words = ["relevance", alloy / "data.nc", "-m", tmp_path / "old.nc", "-o", tmp_path / "out.nc"]
    said = run(*words, code=1).output
    assert "--fill background" in said
    assert not (tmp_path / "out.nc").exists()
    said = run(*words, "--fill", "background").output
    header = next(line for line in said.splitlines() if line.split()[:1] == ["start"])
    assert header.split() == ["start", "stop", "relevance"]


def test_few_patterns_are_undecided_with_the_reason(alloy, tmp_path):
    few = xr.open_dataset(alloy / "data.nc").isel(pattern=slice(0, 6))
    few.to_netcdf(tmp_path / "few.nc")
    words = ["relevance", alloy / "data.nc", "-m", alloy / "model.nc", "-o", tmp_path / "out.nc"]
    said = run(*words, "--reference", tmp_path / "few.nc").output
    assert "undecided because" in said
    assert "irrelevant" not in said


def test_a_file_that_is_no_cif_is_an_error_before_the_result_is_written(alloy, tmp_path):
    wrong = tmp_path / "wrong.cif"
    wrong.write_text("data_nothing\n")
    words = ["relevance", alloy / "data.nc", "-m", alloy / "model.nc", "-o", tmp_path / "out.nc"]
    assert "has no atoms" in run(*words, "--cif", wrong, code=1).output
    assert not (tmp_path / "out.nc").exists()


def test_the_table_holds_means_words_and_only_the_labels_asked_for(series, model):
    assert series.identical(make_series())
    out = series.xrdae.relevance(model, label="x")
    table = out.xrdae.tabulate_relevance()
    assert table["relevance"].dims == ("region",)
    np.testing.assert_allclose(table["relevance"], out["relevance"].mean("pattern"), rtol=1e-6)
    words = {-1: "irrelevant", 0: "undecided", 1: "relevant", 2: "varies alone"}
    for name in ("relevance_verdict", "x_verdict"):
        assert table[name].values.tolist() == [words[v] for v in out[name].values.tolist()]
    frame = table.to_dataframe()
    assert list(frame.index) == list(range(out.sizes["region"]))
    assert "x_verdict" not in out.xrdae.tabulate_relevance(label=[])
    with pytest.raises(DataError, match=r"no verdicts for label 'y'.*label='y'"):
        out.xrdae.tabulate_relevance("y")
    with pytest.raises(DataError, match="no 'relevance'"):
        series.xrdae.tabulate_relevance()


def test_a_table_of_lazy_or_partly_empty_patterns_is_that_of_the_usable_ones(series, model):
    with_gap = series.assign(intensity=series["intensity"].where(series["x"] != 0))
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        out = with_gap.xrdae.relevance(model)
    table = out.xrdae.tabulate_relevance()
    assert np.isfinite(table["relevance"]).all()
    lazy = series.chunk(pattern=5).xrdae.relevance(model)
    expected = series.xrdae.relevance(model).xrdae.tabulate_relevance()
    xr.testing.assert_allclose(lazy.xrdae.tabulate_relevance(), expected, atol=1e-5)


def test_the_region_to_watch_is_relevant():
    region = xr.Dataset(
        {
            "x_verdict": ("region", ["irrelevant", "relevant", "relevant"]),
            "x_r2": ("region", [0.99, 0.5, 0.7]),
            "y_verdict": ("region", ["undecided", "irrelevant", "varies alone"]),
            "y_r2": ("region", [0.99, 0.5, 0.7]),
            "phase_verdict": ("region", ["relevant", "relevant", "undecided"]),
            "phase_change": ("region", [3.0, 5.0, 8.0]),
        }
    )
    assert choose_watched_region(region, "x") == 2
    assert choose_watched_region(region, "y") is None
    assert choose_watched_region(region, "phase") == 1
