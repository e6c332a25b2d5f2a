"""What latents shall not depend on: changes of a pattern that say nothing about the material."""

import numpy as np
import pytest

from xrdae.config import Config
from xrdae.convention.axes import Axis
from xrdae.training.augmentation import augment_patterns

SMALL = {"steps": 300, "members": 4, "hidden": (32, 32), "progress": False}
CHANGES = [{"zero_shift": 0.3}, {"strain": 0.01}, {"texture": 0.3}, {"background_change": 0.3}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_an_encoder_trained_for_it_moves_far_less_by_a_change_of_that_kind(series, change):
    patterns = series["intensity"].values
    axis = Axis("two_theta", series["two_theta"].values, 1.5406)
    some = augment_patterns(
        patterns / patterns.max(), axis, Config(**change), width=5, rng=np.random.default_rng(9)
    )
    disturbed = series.copy(data={"intensity": some * patterns.max()})

    def shift(model):
        z = [d.xrdae.encode(model)["latent"].values for d in (series, disturbed)]
        return np.sqrt(((z[0] - z[1]) ** 2).mean())

    plain = series.xrdae.fit(**SMALL)
    taught = series.xrdae.fit(**SMALL, **change)
    assert shift(taught) < 0.5 * shift(plain)
    found = series.xrdae.estimate(taught, "x")["x_estimate"]
    assert np.corrcoef(found, series["x"])[0, 1] > 0.97


def test_a_strained_lattice_has_its_reflections_at_larger_d():
    for kind, values, expected in (
        ("q", np.linspace(1, 5, 4001), 3 / 1.01),
        ("d", np.linspace(1, 5, 4001), 3 * 1.01),
        ("two_theta", np.linspace(10, 120, 11001), 59.3466),  # sin(30 degree) / 1.01
    ):
        centre = 60.0 if kind == "two_theta" else 3.0
        peak = np.exp(-(((values - centre) / 0.05) ** 2))[None]
        rng = type("One", (), {"uniform": lambda *_: np.ones((1, 1))})()
        moved = augment_patterns(
            peak, Axis(kind, values, None), Config(strain=0.01), width=5, rng=rng
        )
        assert values[moved[0].argmax()] == pytest.approx(expected, abs=6e-3)


def test_nothing_asked_for_changes_nothing():
    patterns = np.random.default_rng(0).random((3, 50))
    axis = Axis("q", np.linspace(1, 5, 50), None)
    same = augment_patterns(patterns, axis, Config(), width=5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(same, patterns)
