import dask.array
import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression

from xrdae import DataError
from xrdae.analysis.classify import Classes, find_classifier
from xrdae.analysis.logistic import fit_logistic
from xrdae.analysis.stack import list_candidates, make_folds

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def model(series):
    return series.xrdae.fit(steps=300, members=2, progress=False)


@pytest.fixture(scope="module")
def labelled(series):
    """The series with a category of two classes, poor and rich in x."""
    rich = np.where(series["x"] > 0.5, "rich in x", "poor")
    return series.assign_coords(kind=("pattern", rich.astype(object), {"long_name": "kind"}))


def make_blobs(seed, *, spread=1.0, n=150):
    """Return features `(pattern, 27)` (two latents, 25 components) and classes `(pattern,)`."""
    rng = np.random.default_rng(seed)
    positions = rng.integers(0, 3, n)
    centers = np.random.default_rng(9).normal(size=(3, 25)) * np.linspace(2, 0.1, 25)
    components = centers[positions] + spread * rng.normal(size=(n, 25)) * np.linspace(1, 0.1, 25)
    return np.concatenate([components[:, :2], components], axis=1), positions


def classify(features, positions, names=NAMES):
    candidates = list_candidates(2, np.ones(25), np.linspace(2, 0.1, 25))
    classes = Classes(names, list(range(len(names))), -1)
    return find_classifier(features, positions, classes, candidates, label="kind", seed=0)


def test_a_category_is_estimated_as_flags_with_probabilities(labelled, model):
    even, odd = (labelled.isel(pattern=slice(i, None, 2)) for i in (0, 1))
    out = odd.drop_vars("kind").xrdae.estimate(model, "kind", reference=even)
    estimate, probability = out["kind_estimate"], out["kind_probability"]
    assert estimate.attrs["flag_meanings"] == "not_estimated poor rich_in_x"
    np.testing.assert_array_equal(estimate.attrs["flag_values"], [-1, 0, 1])
    assert out["kind_class"].values.tolist() == ["poor", "rich in x"]
    np.testing.assert_allclose(probability.sum("kind_class"), 1)
    assert (probability.argmax("kind_class") == estimate).all()
    assert (out["kind_class"].values[estimate] == odd["kind"].values).mean() > 0.9
    assert 0.8 < estimate.attrs["cross_validation_balanced_accuracy"] <= 1
    assert "latents" in estimate.attrs["estimated_from"]


def test_flags_keep_their_numbers(series, model):
    attrs = {"flag_values": np.array([4, 7, 9]), "flag_meanings": "poor medium rich"}
    flags = xr.Variable("pattern", np.where(series["x"] > 0.5, 9, 4), attrs)
    out = series.xrdae.estimate(model, "kind", reference=series.assign_coords(kind=flags))
    assert out["kind_estimate"].attrs["flag_meanings"] == "not_estimated poor rich"
    assert out["kind_estimate"].attrs["flag_values"].tolist() == [-1, 4, 9]
    assert set(out["kind_estimate"].values.tolist()) == {4, 9}


def test_truth_values_are_a_category(series, model):
    reference = series.assign_coords(rich=("pattern", series["x"].values > 0.5))
    out = series.xrdae.estimate(model, "rich", reference=reference)
    assert out["rich_class"].values.tolist() == ["False", "True"]


def test_lazy_patterns_and_maps_give_the_same(labelled, model):
    plain = labelled.drop_vars("kind")
    expected = plain.xrdae.estimate(model, "kind", reference=labelled)["kind_probability"]
    lazy = plain.chunk(pattern=5).xrdae.estimate(model, "kind", reference=labelled)
    assert isinstance(lazy["kind_estimate"].data, dask.array.Array)
    np.testing.assert_allclose(lazy["kind_probability"], expected, atol=1e-5)
    index = {"y": ("pattern", np.repeat(range(4), 6)), "z": ("pattern", np.tile(range(6), 4))}
    grid = labelled.assign_coords(index).set_index(pattern=["y", "z"]).unstack("pattern")
    on_map = grid.drop_vars("kind").xrdae.estimate(model, "kind", reference=grid)
    assert on_map["kind_probability"].dims == ("y", "z", "kind_class")
    np.testing.assert_allclose(
        on_map["kind_probability"].values.reshape(24, 2), expected, atol=1e-5
    )


def test_a_pattern_that_cannot_be_encoded_has_no_class(labelled, model):
    broken = labelled.drop_vars("kind").copy(deep=True)
    broken["intensity"][3] = np.nan
    out = broken.xrdae.estimate(model, "kind", reference=labelled)
    assert int(out["kind_estimate"][3]) == -1
    assert np.isnan(out["kind_probability"][3]).all()
    assert np.isfinite(np.delete(out["kind_probability"].values, 3, axis=0)).all()


def test_unknown_classes_of_the_reference_are_left_out(labelled, model):
    some = labelled.copy(deep=True)
    some["kind"][::4] = None
    out = labelled.drop_vars("kind").xrdae.estimate(model, "kind", reference=some)
    assert out["kind_class"].values.tolist() == ["poor", "rich in x"]


def test_the_result_replaces_an_earlier_one_with_other_classes(labelled, model, tmp_path):
    plain = labelled.drop_vars("kind")
    first = plain.xrdae.estimate(model, "kind", reference=labelled)
    three = np.repeat(["a", "b", "c"], 8)
    second = first.xrdae.estimate(
        model, "kind", reference=plain.assign_coords(kind=("pattern", three))
    )
    assert second["kind_class"].values.tolist() == ["a", "b", "c"]
    second.to_netcdf(tmp_path / "out.nc")
    again = xr.load_dataset(tmp_path / "out.nc")
    np.testing.assert_array_equal(again["kind_probability"], second["kind_probability"])


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        (["a"] * 24, "same 'kind'.*'a'"),
        ([f"sample {i}" for i in range(24)], "24 classes in 24 reference patterns"),
        (["a", "b", *[None] * 22], "only 2 reference patterns"),
    ],
)
def test_labels_that_tell_nothing_are_refused(series, model, classes, match):
    reference = series.assign_coords(kind=("pattern", np.array(classes, dtype=object)))
    with pytest.raises(DataError, match=match):
        series.xrdae.estimate(model, "kind", reference=reference)


def test_without_a_reference_the_error_says_that_one_is_needed(labelled, model):
    with pytest.raises(DataError, match=r"'kind' is a category.*reference="):
        labelled.xrdae.estimate(model, "kind")


def test_a_label_of_the_name_of_the_classes_is_refused(labelled, model):
    taken = labelled.assign_coords(kind_class=("pattern", range(24)))
    with pytest.raises(DataError, match="rename"):
        taken.drop_vars("kind").xrdae.estimate(model, "kind", reference=labelled)


def test_probabilities_are_as_high_as_the_part_that_is_right():
    confident, right = [], []
    for seed in range(4):
        features, positions = make_blobs(seed, spread=2.5)
        fitted = classify(features[:100], positions[:100])
        best, probability = fitted.predict(features[100:])
        confident.append(probability.max(axis=1))
        right.append(best == positions[100:])
    confident, right = np.concatenate(confident), np.concatenate(right)
    assert 0.6 < right.mean() < 0.95
    assert confident.mean() == pytest.approx(right.mean(), abs=0.08)
    high = confident > np.median(confident)
    assert right[high].mean() > right[~high].mean() + 0.1


def test_noise_is_not_told_apart():
    features, _ = make_blobs(0, n=300)
    positions = np.random.default_rng(1).integers(0, 3, 150)
    fitted = classify(features[:150], positions)
    assert fitted.figures["balanced_accuracy"] < 0.48
    assert fitted.predict(features[150:])[1].max(axis=1).mean() < 0.6


def test_the_doubt_is_larger_with_fewer_patterns():
    features, positions = make_blobs(0, spread=0.1)
    few, many = (classify(features[:n], positions[:n]) for n in (20, 150))
    assert few.predict(features)[1].max() < many.predict(features)[1].max() < 1


def test_rare_classes_survive_the_choice_of_1000_patterns():
    features, positions = make_blobs(0, n=1300)
    positions[positions == 2] = 0
    rare = np.random.default_rng(0).choice(1300, 8, replace=False)
    positions[rare] = 2
    features[rare, :4] += 30
    best, _ = classify(features, positions).predict(features[rare])
    assert (best == 2).all()


def test_a_logistic_regression_is_that_of_scikit_learn():
    features, positions = make_blobs(0, spread=2.0)
    x, target = features[:, 2:], np.eye(3)[positions]
    fitted = fit_logistic(x, target, 1e-3)
    scaled = (x - x.mean(axis=0)) / (x - x.mean(axis=0)).std()
    other = LogisticRegression(C=1 / (1e-3 * 150), max_iter=5000, tol=1e-8).fit(scaled, positions)
    np.testing.assert_allclose(fitted.predict_mean(x), other.predict_proba(scaled), atol=2e-3)


def test_held_out_probabilities_are_those_of_a_fit_without_the_fold():
    features, positions = make_blobs(0, spread=2.0, n=60)
    x, target = features[:, 2:], np.eye(3)[positions]
    fitted = fit_logistic(x, target, 1e-2)
    fold = make_folds(60)
    held_out, _ = fitted.predict_held_out(fold)
    rest = fold != 2
    x_scaled = fitted.coordinates
    alone = fit_logistic(x_scaled[rest, :-1], target[rest], 1e-2 * fitted_size(x_scaled[rest]) ** 2)
    np.testing.assert_allclose(held_out[~rest], alone.predict_mean(x_scaled[~rest, :-1]), atol=5e-3)


def fitted_size(coordinates):
    return 1 / (coordinates[:, :-1] - coordinates[:, :-1].mean(axis=0)).std()


def test_a_confusion_table_is_drawn(labelled, model):
    out = labelled.xrdae.estimate(model, "kind", reference=labelled)
    ax = out.xrdae.plot.estimate("kind")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["poor", "rich in x"]
    counts = sum(int(t.get_text()) for t in ax.texts)
    assert counts == 24
    with pytest.raises(DataError, match="no label 'kind'"):
        out.drop_vars("kind").xrdae.plot.estimate("kind")
