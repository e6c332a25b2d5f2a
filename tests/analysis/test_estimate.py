import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor

from xrdae import DataError
from xrdae.analysis.estimate import find_estimator
from xrdae.analysis.label_process import fit_label_process
from xrdae.analysis.stack import list_candidates, make_folds


@pytest.fixture(scope="module")
def half(series):
    even = series.isel(pattern=slice(None, None, 2))
    return even.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)


def test_a_label_is_read_off_patterns_that_training_did_not_see(series, half):
    odd = series.isel(pattern=slice(1, None, 2))
    out = odd.drop_vars("x").xrdae.estimate(half, "x")
    error = (out["x_estimate"] - odd["x"].values) ** 2
    assert float(error.mean()) < 0.02 * float(odd["x"].var())
    assert (out["x_std"] > 0).all()
    assert out["x_estimate"].attrs["units"] == "1"
    assert out["x_estimate"].attrs["long_name"] == "content (estimate)"


def test_a_reference_lends_its_labels_where_it_has_them(series, half):
    reference = series.assign_coords(t=("pattern", 300 + 100 * series["x"].values, {"units": "K"}))
    reference["t"][::3] = np.nan
    out = series.xrdae.estimate(half, "t", reference=reference)
    np.testing.assert_allclose(out["t_estimate"], 300 + 100 * series["x"], atol=10)
    assert out["t_std"].attrs["units"] == "K"


def test_a_pattern_far_from_the_reference_is_less_certain(series, half):
    reference = series.isel(pattern=slice(0, 12))
    out = series.xrdae.estimate(half, "x", reference=reference)
    assert float(out["x_std"][23]) > 2 * float(out["x_std"][6])


def test_lazy_data_give_lazy_estimates(series, half):
    lazy = series.chunk(pattern=5).xrdae.estimate(half, "x")
    assert lazy["x_estimate"].chunks is not None
    expected = series.xrdae.estimate(half, "x")
    xr.testing.assert_allclose(lazy["x_estimate"].compute(), expected["x_estimate"], atol=1e-4)


def test_labels_that_are_not_there_or_not_numbers_are_named(series, half):
    with pytest.raises(DataError, match=r"no numeric label 'ti'; they have \['x'\]"):
        series.xrdae.estimate(half, "ti")
    named = series.assign_coords(phase=("pattern", ["a"] * 24))
    with pytest.raises(DataError, match=r"no numeric label 'other'.*it has \['x'\]"):
        series.xrdae.estimate(half, "other", reference=named)
    few = series.assign_coords(t=("pattern", [1.0, 2.0, *[np.nan] * 22]))
    with pytest.raises(DataError, match="only 2 reference patterns have 't'"):
        series.xrdae.estimate(half, "t", reference=few)


def test_a_gaussian_process_is_near_known_labels_and_uncertain_elsewhere():
    latents = np.linspace(0, 1, 30)[:, None]
    predict = find_estimator(latents, np.sin(4 * latents[:, 0]), name="x").predict
    near, far = predict(np.array([[0.505], [5.0]]))
    assert near[0] == pytest.approx(np.sin(4 * 0.505), abs=0.01)
    assert far[1] > 10 * near[1]
    assert np.isnan(predict(np.array([[np.nan]]))).all()


def test_many_patterns_are_estimated_in_blocks():
    latents = np.linspace(0, 1, 40)[:, None]
    predict = find_estimator(latents, latents[:, 0] ** 2, name="x").predict
    query = np.linspace(0, 1, 9000).reshape(3, 3000, 1)
    whole = predict(query)
    assert whole.shape == (3, 3000, 4)
    np.testing.assert_allclose(whole[1, 1200:1210], predict(query[1, 1200:1210]), atol=1e-9)


def test_of_many_patterns_some_are_enough():
    latents = np.linspace(0, 1, 3000)[:, None]
    predict = find_estimator(latents, latents[:, 0] ** 2, name="x").predict
    assert predict(np.array([[0.5]]))[0, 0] == pytest.approx(0.25, abs=0.01)


def test_the_figures_of_block_cross_validation_come_with_the_estimate(series, half):
    attrs = series.xrdae.estimate(half, "x")["x_estimate"].attrs
    assert 0.9 < attrs["cross_validation_r2"] <= 1
    assert 0 < attrs["cross_validation_mae"] < 0.1
    assert attrs["cross_validation_std_factor"] > 0
    assert "blocks" in attrs["cross_validation"]


def test_intervals_cover_as_many_held_out_labels_as_they_say():
    rng = np.random.default_rng(0)
    inside, within = [], []
    for _ in range(6):
        latents = rng.uniform(-2, 2, (150, 2))
        clean = np.sin(2 * latents[:, 0]) + latents[:, 1]
        labels = clean + rng.standard_t(3, 150) * 0.1
        predict = find_estimator(latents[:120], labels[:120], name="x").predict
        mean, std, low, high = predict(latents[120:]).T
        inside.append(np.abs(mean - labels[120:]) < std)
        within.append((low < labels[120:]) & (labels[120:] < high))
    assert 0.61 < np.mean(inside) < 0.77
    assert 0.91 < np.mean(within) < 0.99


def test_the_deviation_tells_which_estimates_are_bad():
    rng = np.random.default_rng(1)
    latents = rng.uniform(-2, 2, (400, 2))
    noise = np.where(latents[:, 0] > 0, 0.5, 0.02)
    labels = latents[:, 1] + noise * rng.normal(size=400)
    predict = find_estimator(latents[:200], labels[:200], name="x").predict
    mean, std = predict(latents[200:])[:, :2].T
    assert spearmanr(np.abs(mean - labels[200:]), std)[0] > 0.5


def make_features(seed, n=150):
    """Two latents and 25 components; the last component is the label of weak patterns."""
    rng = np.random.default_rng(seed)
    components = rng.normal(size=(n, 25)) * np.linspace(5, 0.5, 25)
    return np.concatenate([components[:, :2] ** 3, components], axis=1)


@pytest.mark.parametrize("truth", ["latents", "leading components", "line"])
def test_the_stack_trusts_the_method_that_fits(truth):
    features = make_features(0)
    labels = {
        "latents": np.sin(features[:, 0] / features[:, 0].std()),
        "leading components": features[:, 2] * features[:, 3],
        "line": features[:, 20:].sum(axis=1),
    }[truth]
    candidates = list_candidates(2, np.ones(25), np.square(features[:, 2:]).mean(axis=0))
    stack = find_estimator(features, labels, candidates, name="x").stack
    assert stack.weights.sum() == pytest.approx(1)
    assert (stack.weights >= 0).all()
    alone = [
        np.square(p.predict_held_out(make_folds(150))[0] - labels).mean() for p in stack.processes
    ]
    assert np.square(stack.held_out - labels).mean() < 1.05 * min(alone)


def test_held_out_estimates_are_those_of_processes_without_the_fold():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = x[:, 0] ** 2 + 0.1 * rng.normal(size=60)
    process, fold = fit_label_process(x, y, "distance"), make_folds(60)
    mean, std = process.predict_held_out(fold)
    whole = process.fitted
    for k in range(5):
        kept = fold != k
        refitted = GaussianProcessRegressor(whole.kernel_, optimizer=None, alpha=whole.alpha)
        refitted.fit(x[kept] / process.size, (y[kept] - y.mean()) / y.std())
        expected, deviation = refitted.predict(x[~kept] / process.size, return_std=True)
        np.testing.assert_allclose(mean[~kept], expected * y.std() + y.mean(), atol=1e-8)
        np.testing.assert_allclose(std[~kept], deviation * y.std(), atol=1e-8)


def test_estimates_stay_near_the_known_labels():
    x = np.linspace(0, 1, 40)[:, None]
    predict = find_estimator(x, 3 * x[:, 0], name="x").predict
    assert -0.31 < predict(np.array([[-50.0]]))[0, 0] <= predict(np.array([[50.0]]))[0, 0] < 3.31


@pytest.mark.parametrize("count", [3, 9])
def test_fewer_than_ten_labels_tell_nothing_about_the_errors(count):
    x = np.linspace(0, 1, count)[:, None]
    with pytest.raises(DataError, match=f"only {count} reference patterns have 'x'; 10 are needed"):
        find_estimator(x, x[:, 0], name="x")


def test_a_label_that_does_not_vary_is_refused(series, half):
    same = series.assign_coords(t=("pattern", np.full(24, 300.0)))
    with pytest.raises(DataError, match=r"all reference patterns have the same 't' \(300\)"):
        series.xrdae.estimate(half, "t", reference=same)


def test_the_interval_and_the_weights_come_with_the_estimate(series, half):
    out = series.xrdae.estimate(half, "x")
    assert (out["x_low"] < out["x_estimate"]).all()
    assert (out["x_estimate"] < out["x_high"]).all()
    assert out["x_low"].attrs["long_name"] == "content (lower end of the 95 % interval)"
    trusted = out["x_estimate"].attrs["estimated_from"]
    assert trusted.startswith("latents ")
    assert "line over weighted components" in trusted
