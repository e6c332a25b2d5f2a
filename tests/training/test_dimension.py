"""The dimension of the patterns, and the number of latents that is chosen from it."""

import warnings

import attrs
import numpy as np
import pytest

import xrdae
import xrdae.provenance
from humped_alloy import make_humped_alloy
from xrdae.training.dimension import FEWEST, Dimension, find_dimension

SMALL = {"steps": 60, "members": 2, "hidden": (16,), "progress": False}


def embed(flat, *, noise, channels=30):
    """Points on a curved surface in many channels, with noise relative to their spread."""
    rng = np.random.default_rng(1)
    d = flat.shape[1]
    curved = flat @ rng.normal(size=(d, channels)) + 0.3 * np.sin(
        2 * flat @ rng.normal(size=(d, channels))
    )
    return curved + noise * curved.std() * rng.normal(size=curved.shape)


@pytest.mark.parametrize(("dimension", "noise"), [(1, 0.002), (2, 0.02), (3, 0.02), (4, 0.02)])
@pytest.mark.parametrize("n", [150, 600])
def test_the_dimension_of_a_curved_surface_with_noise_is_found(dimension, noise, n):
    flat = np.random.default_rng(0).uniform(size=(n, dimension))
    found = find_dimension(embed(flat, noise=noise))
    assert found.value == pytest.approx(dimension, abs=0.15 * dimension + 0.2)
    assert found.n_pattern == n


@pytest.fixture(scope="module")
def surface():
    return embed(np.random.default_rng(0).uniform(size=(200, 3)), noise=0.01)


def test_order_copies_units_and_missing_patterns_do_not_change_the_dimension(surface):
    expected = find_dimension(surface)
    order = np.random.default_rng(0).permutation(200)
    missing = np.full((1, surface.shape[1]), np.nan)
    nearly = surface * (1 + 1e-7)  # copies up to rounding
    for same in (
        surface[order],
        1e9 * surface,
        np.repeat(surface, 3, axis=0),
        np.concatenate([surface, missing, nearly]),
    ):
        found = find_dimension(same)
        assert found.value == pytest.approx(expected.value, rel=1e-4)
        assert found.n_pattern == expected.n_pattern == 200


@pytest.mark.parametrize("points", [np.zeros((0, 4)), np.ones((300, 4)), np.eye(5), np.eye(120)])
def test_without_enough_different_distances_the_dimension_is_not_known(points):
    found = find_dimension(points)
    assert np.isnan(found.value)
    assert not found.is_known
    assert found.choose_n_latent(10) == 2


@pytest.mark.parametrize(
    ("value", "n", "most", "expected"),
    [(2.4, 150, 9, 3), (0.8, 150, 9, 2), (8.8, 150, 9, 6), (4.5, 150, 3, 3), (4.5, 99, 9, 2)],
)
def test_the_number_of_latents_is_the_dimension_rounded_up_within_bounds(value, n, most, expected):
    assert Dimension(value, n).choose_n_latent(most) == expected


@pytest.fixture(scope="module")
def humped():
    return make_humped_alloy()


@pytest.fixture(scope="module")
def chosen(humped):
    return humped.xrdae.fit(n_latent="auto", **SMALL)


def test_a_fit_with_auto_is_the_fit_with_the_number_it_chooses(humped, chosen, tmp_path):
    assert chosen.n_latent == chosen.config.n_latent == 3
    same = humped.xrdae.fit(n_latent=3, **SMALL)
    assert xrdae.provenance.fingerprint(same) == xrdae.provenance.fingerprint(chosen)
    np.testing.assert_array_equal(same.labels["latent"], chosen.labels["latent"])
    chosen.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    asked = loaded.provenance["n_latent"]
    assert asked["asked"] == "auto"
    assert asked["patterns"] == 150
    assert 2 < asked["dimension"] <= 3
    assert "n_latent" not in same.provenance
    assert "3, chosen for 150 different patterns of dimension 2." in loaded._repr_html_()


def test_an_update_keeps_the_number_of_latents(humped, chosen):
    config = attrs.evolve(chosen.config, n_latent="auto", steps=10)
    updated = chosen.update(humped.isel(pattern=slice(0, 20)), config, progress=False)
    assert updated.n_latent == updated.config.n_latent == 3
    again = humped.isel(pattern=slice(0, 20)).xrdae.fit(update=chosen, n_latent="auto")
    assert again.n_latent == 3


def test_a_checkpoint_of_auto_goes_on_with_the_number_it_chose(humped, tmp_path):
    path = tmp_path / "run.ckpt.nc"
    first = humped.xrdae.fit(n_latent="auto", checkpoint=path, **SMALL)
    again = humped.xrdae.fit(n_latent="auto", checkpoint=path, **SMALL)
    assert xrdae.provenance.fingerprint(first) == xrdae.provenance.fingerprint(again)
    with pytest.raises(xrdae.DataError, match="n_latent"):
        humped.xrdae.fit(n_latent=2, checkpoint=path, **SMALL)


def test_few_patterns_choose_two_latents_with_a_warning(humped):
    few = humped.isel(pattern=slice(0, FEWEST - 1))
    with pytest.warns(UserWarning, match="99 different patterns are too few.*the model has 2"):
        assert few.xrdae.fit(n_latent="auto", **SMALL).n_latent == 2
    copies = few.isel(pattern=np.arange(300) % 40)
    with pytest.warns(UserWarning, match="40 different patterns"):
        assert copies.xrdae.fit(n_latent="auto", **SMALL).n_latent == 2


def test_detector_gaps_and_masked_patterns_do_not_stop_the_choice(humped):
    gaps = humped["intensity"].where(humped["two_theta"] < 60)
    gaps[{"pattern": slice(0, None, 3), "two_theta": slice(40, 50)}] = np.nan
    hidden = np.arange(150) % 30 == 0
    data = humped.assign(intensity=gaps, mask=("pattern", hidden))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = data.xrdae.fit(n_latent="auto", **SMALL)
    assert model.provenance["n_latent"]["patterns"] == 145
    assert 2 <= model.n_latent <= 6
