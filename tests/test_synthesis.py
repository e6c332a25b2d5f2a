import json

import numpy as np
import pytest

from xrdae import DataError
from xrdae.label_order import latents_at
from xrdae.synthesis import Request


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


def test_the_result_says_between_which_patterns_and_how_far(series, model):
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
        ({"at": {}}, "at= is empty"),
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
    found = latents_at(np.array([[1.0], [1.0], [2.0]]), latents, np.array([[1.0], [1.5]]))
    np.testing.assert_allclose(found, [[1.0], [3.0]], atol=1e-9)
    with pytest.raises(DataError, match="the same labels"):
        latents_at(np.ones((3, 1)), latents, np.array([[1.0]]))
