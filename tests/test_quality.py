"""`model.quality()`: figures that are right for known maps, and advice that follows from them."""

import dataclasses
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from figure_helpers import new_figure
from humped_alloy import make_humped_alloy
from xrdae.analysis.map_quality import find_problem, find_trustworthiness
from xrdae.autoencoder.weights import Weights
from xrdae.cli import main
from xrdae.quality import find_quality, write_advice
from xrdae.training.comparison import reconstruct_by_pca

SMALL = {"steps": 300, "members": 4, "progress": False}


@pytest.fixture(scope="module")
def humped_model():
    return make_humped_alloy().xrdae.fit(**SMALL)


@pytest.fixture(scope="module")
def humped(humped_model):
    return humped_model.quality(progress=False)


@pytest.fixture(scope="module")
def one_parameter(simulated_series):
    return simulated_series(150).xrdae.fit(**SMALL).quality(progress=False)


def make_mixtures(n=60):
    """Mixtures of three patterns on an axis: they fill a plane."""
    rng = np.random.default_rng(0)
    two_theta = np.linspace(20, 60, 120)
    part = rng.dirichlet([1, 1, 1], n)
    pure = 100 * np.exp(-(((two_theta - np.array([[28], [40], [51]])) / 2) ** 2)) + 20
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), part @ pure)},
        {
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "a": ("pattern", part[:, 0]),
            "b": ("pattern", part[:, 1]),
        },
    )


def test_advice_names_the_label_that_more_latents_tell(humped):
    assert humped.figures.attrs["n_latent"] == 2
    r2 = humped.figures["label_r2"].sel(label="zr")
    assert r2.sel(n_latent=3) > r2.sel(n_latent=2) + 0.2
    (said,) = (sentence for sentence in humped.advice if "would tell" in sentence)
    assert said.startswith("3 latents would tell")
    assert f"zr (R2 {r2.sel(n_latent=3):.2f} instead of {r2.sel(n_latent=2):.2f})" in said
    parts = humped.figures["predicted_part"].values
    assert parts[0] < parts[1] <= 1
    assert 2 < humped.figures["dimension"] <= 3


def test_a_series_with_one_parameter_needs_no_other_number(one_parameter):
    assert "The map tells x (R2 1.00)." in one_parameter.advice
    assert not [said for said in one_parameter.advice if "latents" in said]


def test_more_latents_than_the_labels_need_are_named(simulated_series):
    found = simulated_series(150).xrdae.fit(n_latent=4, **SMALL).quality(progress=False)
    assert found.figures["n_latent"].values.tolist() == [2, 3, 4, 5]
    assert "2 latents would tell the labels as well as 4." in found.advice


def test_pca_of_a_linear_set_is_exact_and_trustworthy():
    model = make_mixtures().xrdae.fit(scale="none", **SMALL)
    figures = model.quality(labels=[], progress=False).figures
    error, trust = figures["reconstruction_error"], figures["trustworthiness"]
    assert error.sel(encoder="PCA") < 1e-3
    assert 0 < error.sel(encoder="autoencoder") < 0.3
    assert trust.sel(encoder="PCA") == pytest.approx(1, abs=1e-6)


def test_held_out_pca_never_sees_the_patterns_it_reconstructs():
    rng = np.random.default_rng(0)
    c = rng.normal(size=(40, 6)) * np.arange(6, 0, -1)
    unseen = np.zeros((40, 3), bool)
    unseen[:10, 0] = unseen[5:20, 1] = True
    found = reconstruct_by_pca(c, unseen, 2)
    assert np.isnan(found[20:]).all()
    seen = c[~unseen[:, 0]]
    axes = np.linalg.eigh(np.cov(seen.T))[1][:, -2:]
    expected = (c[:5] - seen.mean(0)) @ axes @ axes.T + seen.mean(0)
    np.testing.assert_allclose(found[:5], expected, atol=1e-9)
    c[:5] += (
        100  # changes neither the PCA that the first member's rows get, nor other members' mean
    )
    other = reconstruct_by_pca(c, unseen, 2)
    np.testing.assert_allclose(other[:5] - expected, 100 * np.ones((5, 6)) @ axes @ axes.T)


def test_copies_of_patterns_are_not_neighbours_that_count():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(50, 2))
    assert find_trustworthiness(plane, plane) == 1
    shuffled = plane[rng.permutation(50)]
    low = find_trustworthiness(plane, shuffled)
    assert low < 0.7
    twice = np.repeat(plane, 2, axis=0), np.repeat(shuffled, 2, axis=0)
    assert find_trustworthiness(*twice) == pytest.approx(low)


def test_the_same_model_from_a_file_has_the_same_quality(humped_model, humped, tmp_path):
    humped_model.save(tmp_path / "model.nc")
    again = xrdae.load_model(tmp_path / "model.nc").quality(progress=False)
    xr.testing.assert_identical(again.figures, humped.figures)
    assert again.advice == humped.advice


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([1.0] * 30, "it is the same for all patterns"),
        ([1.0] * 5 + [2.0] * 4 + [np.nan] * 21, "only 9 patterns have it"),
        ([0.0] * 29 + [1.0], "it is the same for 29 of 30 patterns"),
        (list(range(30)), ""),
    ],
)
def test_a_label_that_tells_nothing_has_its_reason(labels, problem):
    assert find_problem(np.array(labels, float)) == problem


def test_labels_that_tell_nothing_are_named_and_have_no_figure(series):
    labelled = series.assign_coords(
        same=("pattern", np.ones(24)),
        rare=("pattern", np.where(np.arange(24) < 6, np.arange(24.0), np.nan)),
    )
    found = labelled.xrdae.fit(**SMALL).quality(progress=False)
    assert np.isnan(found.figures["label_r2"].sel(label=["rare", "same"])).all()
    assert "R2 cannot be found for rare and same." in found.advice
    assert "only 6 patterns have it" in repr(found)
    assert "24 different patterns are too few to choose" in " ".join(found.advice)
    assert not [said for said in found.advice if "would tell" in said]
    assert np.isnan(found.figures["dimension"])


@pytest.mark.parametrize(
    ("options", "numbers"),
    [({"n_latent": 1}, [1, 2, 3, 5]), ({"held_out": 0.0}, [2, 3, 5]), ({"members": 1}, [2, 3, 5])],
)
def test_unusual_models_have_a_quality(series, options, numbers):
    found = series.drop_vars("x").xrdae.fit(**(SMALL | {"steps": 40} | options)).quality()
    assert found.figures["n_latent"].values.tolist() == numbers
    assert found.figures["label"].size == 0
    assert "no numeric label" in found.advice[0]
    unknown = bool(np.isnan(found.figures["reconstruction_error"]).all())
    assert unknown == ("held_out" in options)
    assert ("No pattern was held out" in " ".join(found.advice)) == unknown


def test_three_patterns_and_copies_have_a_quality(series):
    copies = series.isel(pattern=[0, 12, 23] * 4)
    for data in (series.isel(pattern=[0, 12, 23]), copies):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = data.xrdae.fit(**(SMALL | {"steps": 20})).quality(progress=False)
        assert found.figures["n_latent"].values.tolist() == [2]
        assert found.figures["different_patterns"] == 3
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["dimension"] is None


def test_a_model_without_known_predictability_has_the_same_dimension(humped_model):
    fitted = humped_model.fitted
    equal = Weights.equal(fitted.weights.values.size)
    found = find_quality(dataclasses.replace(fitted, weights=equal), [], progress=False)
    assert 1 < found.figures["dimension"] < 8


def test_an_updated_model_has_a_quality(series, model):
    updated = series.xrdae.fit(update=model, progress=False, steps=20)
    found = updated.quality(labels="x", progress=False)
    assert found.figures["label"].values.tolist() == ["x"]
    assert np.isfinite(found.figures["reconstruction_error"]).all()


def test_a_map_that_loses_neighbours_or_members_that_disagree_are_named(humped):
    worse = humped.figures.assign(
        trustworthiness=("encoder", [0.8, 0.95]),
        member_spread=0.5,
        reconstruction_error=("encoder", [0.3, 0.2]),
    )
    said = " ".join(write_advice(worse))
    assert "PCA with as many components keeps neighbours better together" in said
    assert "reconstructed worse than by PCA" in said
    assert "disagree about the map by 0.50" in said


def test_without_told_labels_the_dimension_advises(humped):
    untold = humped.figures.assign(label_r2=humped.figures["label_r2"] * 0 + 0.1, dimension=3.2)
    said = " ".join(write_advice(untold))
    assert "Maps of 2 or 3 or 5 latents do not tell ti (R2 at most 0.10) and zr" in said
    assert "vary in about 3.2 directions: try more latents than 2" in said


def test_text_and_table_show_figures_and_advice(humped):
    for shown in (repr(humped), humped._repr_html_()):
        assert "trustworthiness" in shown
        assert "2 (model): 0." in shown
        assert "150 different patterns" in shown
        assert "3 latents would tell" in shown


def test_an_unknown_label_is_refused_with_the_known_ones(model):
    with pytest.raises(xrdae.DataError, match=r"'nope'.*\['x'\]"):
        model.quality(labels=["nope"])


def test_interrupted_training_gives_no_quality(series, model, interrupted_training):
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        model.quality(progress=False)


def test_without_scikit_learn_the_error_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ImportError, match=r"quality needs scikit-learn: pip install 'xrdae\[est"):
        model.quality(progress=False)


def test_the_plot_shows_the_labels_and_the_number_of_the_model(humped, series, model):
    ax = new_figure().add_subplot()
    assert series.xrdae.plot.quality(humped, ax=ax) is ax
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_array_equal(
        lines["R² of zr"], humped.figures["label_r2"].sel(label="zr").values
    )
    assert set(lines) == {"R² of ti", "R² of zr", "variance predicted"}
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2 (model)", "3", "5"]
    assert "150 different patterns" in ax.get_title(loc="left")
    again = series.xrdae.plot.quality(model, ax=new_figure().add_subplot())
    assert "unknown, of 24" in again.get_title(loc="left")


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    return done.exit_code, done.output


def test_the_command_prints_figures_and_advice(model, tmp_path):
    path = tmp_path / "model.nc"
    model.save(path)
    code, said = run("quality", path)
    assert code == 0
    assert "24 different patterns are too few" in said
    code, said = run("quality", path, "--json", "--label", "x")
    found = json.loads(said)
    assert found["label"] == ["x"]
    assert found["model_n_latent"] == 2
    assert found["dimension"] is None
    assert found["advice"] == list(model.quality(progress=False).advice)
    code, said = run("quality", path, "--label", "nope")
    assert code == 1
    assert "no numeric label 'nope'" in said


def test_the_command_fits_with_a_number_that_is_chosen(simulated_series, tmp_path):
    data, model = tmp_path / "data.nc", tmp_path / "model.nc"
    simulated_series(110, 60).to_netcdf(data)
    words = ["fit", data, "-o", model, "--members", 1, "--json", "--n-latent"]
    code, said = run(*words, "auto")
    assert code == 0
    chosen = json.loads(said.splitlines()[-1])["latent axes"]
    assert chosen == xrdae.load_model(model).n_latent
    assert "chosen for 110 different patterns" in run("info", model)[1]
    code, said = run(*words, "several")
    assert code == 2
    assert "'several' is neither a whole number nor 'auto'" in said


def test_the_module_is_imported_only_with_a_model():
    code = "import sys, xrdae; print('xrdae.quality' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
