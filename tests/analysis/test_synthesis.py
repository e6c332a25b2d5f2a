import json

import numpy as np
import pytest

from xrdae import DataError
from xrdae.analysis.labels_to_latents import interpolate_latents
from xrdae.analysis.request import Request


def test_points_lie_evenly_and_strictly_between_the_ends(series, model):
    out = series.xrdae.synthesize(model, between=(2, 20), n=3)
    assert out["synthesized"].dims == ("synthetic", "two_theta")
    ends = series["x"].values[[2, 20]]
    expected = ends[0] + (ends[1] - ends[0]) * np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(out["synthesized_x"], expected)
    assert out["synthesized_x"].attrs == series["x"].attrs
    latent = series.xrdae.encode(model)["latent"].values[[2, 20]]
    np.testing.assert_allclose(out["synthesized_latent"][1], latent.mean(axis=0), atol=1e-5)


def test_one_point_is_the_middle_and_end_points_can_be_added(series, model):
    assert series.xrdae.synthesize(model, between=(0, 5), n=1).sizes["synthetic"] == 1
    out = series.xrdae.synthesize(model, between=(0, 5), n=1, endpoints=True)
    np.testing.assert_allclose(out["synthesized_x"], series["x"].values[[0, 0, 5]] * 0.5
                               + series["x"].values[[0, 5, 5]] * 0.5)  # fmt: skip


def test_positions_may_be_dicts_and_negative(series, model):
    one = series.xrdae.synthesize(model, between=(0, -1))
    other = series.xrdae.synthesize(model, between=({"pattern": 0}, {"pattern": 23}))
    np.testing.assert_array_equal(one["synthesized"], other["synthesized"])


def test_the_result_names_its_end_patterns_and_fractions(series, model):
    out = series.xrdae.synthesize(model, between=(2, {"pattern": -1}), n=3, endpoints=True)
    attrs = out["synthesized"].attrs
    assert json.loads(attrs["xrdae_between"]) == [{"pattern": 2}, {"pattern": 23}]
    assert json.loads(attrs["xrdae_fractions"]) == [0, 0.25, 0.5, 0.75, 1]
    again = out.xrdae.synthesize(model, at={"x": [0.3]})
    assert "xrdae_between" not in again["synthesized"].attrs


def test_a_pattern_in_between_is_nearer_to_the_truth_than_either_end(series, model):
    out = series.xrdae.synthesize(model, between=(4, 10), n=1)["synthesized"].values[0]
    truth = series["intensity"].values

    def distance(a):
        return np.linalg.norm(a - truth[7])

    assert distance(out) < 0.5 * min(distance(truth[4]), distance(truth[10]))


def test_labels_ask_for_patterns_and_measured_labels_give_measured_latents(series, model):
    wanted = series["x"].values[[3, 15]]
    out = series.xrdae.synthesize(model, at={"x": wanted})
    expected = series.xrdae.encode(model)["latent"].values[[3, 15]]
    np.testing.assert_allclose(out["synthesized_latent"], expected, atol=1e-4)
    np.testing.assert_allclose(out["synthesized_x"], wanted)


def test_a_dataset_without_the_label_uses_that_of_the_training_data(series, model):
    bare = series.drop_vars("x")
    one = bare.xrdae.synthesize(model, at={"x": [0.3]})
    other = series.xrdae.synthesize(model, at={"x": [0.3]})
    np.testing.assert_allclose(one["synthesized"], other["synthesized"], rtol=1e-3, atol=1e-2)
    with pytest.raises(DataError, match=r"no numeric label 'temperature'; they have \['x'\]"):
        bare.xrdae.synthesize(model, at={"temperature": [300.0]})


def test_points_outside_the_training_data_are_flagged(series, model):
    with pytest.warns(UserWarning, match="1 of 2 points .* outside the training data"):
        out = series.xrdae.synthesize(model, latent=[[0.0, 0.0], [9.0, 9.0]])
    assert float(out["synthesized_novelty"][1]) > 1


def test_uncertainty_is_least_at_the_measured_ends(series, model):
    std = series.xrdae.synthesize(model, between=(2, 20), n=3, endpoints=True)["synthesized_std"]
    mean = std.mean("two_theta").values
    assert (mean > 0).all()
    assert (mean[[0, -1]] < mean[1:-1].min()).all()


def test_a_second_result_replaces_the_first(series, model):
    out = series.xrdae.synthesize(model, between=(2, 20), n=3)
    again = out.xrdae.synthesize(model, between=(2, 20), n=5)
    assert again.sizes["synthetic"] == 5
    regions = again.xrdae.relevance(model).xrdae.relevance(model, regions=10.0)
    assert regions["relevance"].shape == (24, regions.sizes["region"])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "got none"),
        ({"between": (1, 2), "latent": [[0, 0]]}, "'between', 'latent'"),
        ({"between": (1, 2, 3)}, "must name two patterns"),
        ({"between": (1, 2), "n": 0}, "n=0"),
        ({"at": {}}, "must be a dict of labels"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(request_, words):
    with pytest.raises(DataError, match=words):
        Request(**request_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"between": (0, 24)}, "pattern 24: 'pattern' has 24 positions, 0 to 23"),
        ({"between": ({"y": 0}, {"y": 1})}, "must name each of the dimensions"),
        ({"latent": [[0.0, 0.0, 0.0]]}, r"shape \(1, 3\)"),
        ({"latent": [[0.0, np.nan]]}, "finite points"),
        ({"at": {"x": []}}, "equally many values"),
    ],
)
def test_places_that_are_not_there_are_named(series, model, options, words):
    with pytest.raises(DataError, match=words):
        series.xrdae.synthesize(model, **options)


def test_equal_labels_are_averaged_and_one_value_alone_is_refused():
    latents = np.array([[0.0], [2.0], [5.0]])
    found = interpolate_latents(np.array([[1.0], [1.0], [2.0]]), latents, np.array([[1.0], [1.5]]))
    np.testing.assert_allclose(found, [[1.0], [3.0]], atol=1e-9)
    with pytest.raises(DataError, match="the same labels"):
        interpolate_latents(np.ones((3, 1)), latents, np.array([[1.0]]))


def test_labels_outside_the_known_ones_are_refused_unless_they_are_asked_for(series, model):
    heated = series.assign_coords(T=("pattern", np.linspace(300, 600, 24), {"units": "K"}))
    for value in (4000.0, 299.0):
        with pytest.raises(DataError, match=rf"'T': {value:g}.*outside.*300 to 600.*extrapolate"):
            heated.xrdae.synthesize(model, at={"T": [400.0, value]})
    with pytest.warns(UserWarning, match="1 of 2 points .* outside the training data"):
        out = heated.xrdae.synthesize(model, at={"T": [400.0, 4000.0]}, extrapolate=True)
    novelty = out["synthesized_novelty"].values
    assert novelty[0] < 1 < novelty[1]
    with pytest.raises(DataError, match="extrapolate=True allows labels outside"):
        heated.xrdae.synthesize(model, between=(0, 1), extrapolate=True)


def test_a_combination_of_labels_that_no_patterns_surround_is_refused(series, model):
    x = np.linspace(0, 1, 24)
    two = series.assign_coords(a=("pattern", x), b=("pattern", 1 - x))
    assert two.xrdae.synthesize(model, at={"a": [0.5], "b": [0.5]}).sizes["synthetic"] == 1
    with pytest.raises(DataError, match=r"outside the known combinations.*'a' from 0 to 1"):
        two.xrdae.synthesize(model, at={"a": [0.9], "b": [0.9]})
    with pytest.warns(UserWarning, match="outside"):
        out = two.xrdae.synthesize(model, at={"a": [0.9], "b": [0.9]}, extrapolate=True)
    assert (out["synthesized_novelty"] > 1).all()


def test_labels_that_do_not_order_the_patterns_are_announced(series, model):
    shuffled = np.random.default_rng(0).permutation(np.linspace(300, 600, 24))
    mixed = series.assign_coords(T=("pattern", shuffled))
    with pytest.warns(UserWarning, match="not ordered along 'T'"):
        mixed.xrdae.synthesize(model, at={"T": [400.0]})
    classes = series.assign_coords(run=("pattern", np.tile([1.0, 2.0], 12)))
    with pytest.warns(UserWarning, match="not ordered along 'run'"):
        classes.xrdae.synthesize(model, at={"run": [1.5]})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"between": (3, 3)}, "names one pattern twice"),
        ({"between": (3, -21)}, "names one pattern twice"),
        ({"between": (0.5, 2)}, "pattern 0.5 is not a position"),
        ({"between": (True, 2)}, "pattern True is not a position"),
        ({"between": ({"pattern": 1.0}, 2)}, "pattern 1.0 is not a position"),
        ({"between": 3}, "must name two patterns"),
        ({"between": (0, 3), "n": True}, "n=True"),
        ({"between": (0, 3), "n": 1.5}, "n=1.5"),
        ({"at": {"x": [np.nan]}}, "must be finite"),
        ({"at": {"x": ["much"]}}, "no list of numbers"),
        ({"latent": "here"}, "no array of numbers"),
    ],
)
def test_requests_that_mean_nothing_are_refused(series, model, request_, words):
    with pytest.raises(DataError, match=words):
        series.xrdae.synthesize(model, **request_)


def test_the_scale_runs_from_one_end_to_the_other(series, model):
    """Whatever the training patterns around have: their scale is up to ten times another."""
    top = series["intensity"].max("two_theta")
    factor = 10.0 ** np.random.default_rng(0).uniform(0, 1, 24)
    wild = series.assign(intensity=series["intensity"] / top * 100 * factor[:, None])
    fitted = wild.xrdae.fit(steps=100, members=2, progress=False)
    ends = wild["intensity"].max("two_theta").values
    for first, last in ((0, 23), (2, 20), (3, 9)):
        out = wild.xrdae.synthesize(fitted, between=(first, last), n=7)["synthesized"]
        low, high = sorted(ends[[first, last]])
        assert float(out.max("two_theta").min()) > 0.4 * low  # peaks that move apart are lower
        assert float(out.max("two_theta").max()) < 1.1 * high
