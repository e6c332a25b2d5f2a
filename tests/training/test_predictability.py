"""Weights of the coefficients: what neighbours predict weighs more than what they do not."""

import dataclasses

import numpy as np
import pytest

import xrdae
from humped_alloy import make_humped_alloy
from xrdae.analysis.estimate import find_estimator
from xrdae.autoencoder.weights import Weights
from xrdae.training import predictability, weighted_training
from xrdae.training.predictability import find_predictability, find_weights

SMALL = {"steps": 300, "members": 4, "hidden": (32, 32), "progress": False}


@pytest.fixture(scope="module")
def humped():
    return make_humped_alloy()


@pytest.fixture(scope="module")
def model(humped):
    return humped.xrdae.fit(**SMALL)


def measure(latents, label):
    return find_estimator(latents / latents.std(), label, name="label").figures["r2"]


def test_predictability_is_high_along_a_manifold_and_low_for_noise():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 300)
    known = np.stack([np.cos(angle), np.sin(angle), rng.normal(size=300)], axis=1)
    found = find_predictability(known, np.array([1.0, 1.0, 0.01]))
    assert (found[:2] > 0.95).all()
    assert found[2] < 0.1


def test_weights_neither_depend_on_units_nor_on_the_order_of_patterns():
    rng = np.random.default_rng(0)
    c = rng.normal(size=(200, 8)) * np.array([30, 3, 2, 1, 0.5, 0.2, 0.1, 0.1])
    found = find_weights(c)
    assert not found.are_equal
    np.testing.assert_allclose(find_weights(1e6 * c).values, found.values)
    np.testing.assert_allclose(find_weights(c[rng.permutation(200)]).values, found.values)
    np.testing.assert_allclose(find_weights(np.repeat(c, 2, axis=0)).values, found.values)


def test_weighting_keeps_the_size_of_the_coefficients():
    c = np.random.default_rng(0).normal(size=(400, 6)) * np.array([50, 3, 2, 1, 1, 1])
    weighted = find_weights(c).weigh(c)
    assert np.square(weighted).sum() == pytest.approx(np.square(c).sum(), rel=1e-3)


@pytest.mark.parametrize("n", [3, 9, 20])
def test_few_patterns_and_even_variances_weigh_equally(n):
    c = np.random.default_rng(n).normal(size=(n, 6)) * np.array([50, 3, 2, 1, 1, 1])
    assert find_weights(c).are_equal
    even = np.random.default_rng(n).normal(size=(200, 8))
    assert find_weights(even).are_equal


def test_equal_patterns_weigh_equally():
    assert find_weights(np.zeros((50, 1))).are_equal
    assert find_weights(np.ones((50, 3))).are_equal


def test_with_equal_weights_the_model_is_that_without(series, monkeypatch):
    expected = series.xrdae.fit(**SMALL)
    assert expected.weights.are_equal
    plain = lambda c: Weights.equal(c.shape[1])  # noqa: E731
    monkeypatch.setattr("xrdae.training.fit.find_weights", plain)
    found = series.xrdae.fit(**SMALL)
    for one, other in zip(
        expected.autoencoder.ensemble.parameters(),
        found.autoencoder.ensemble.parameters(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_weak_label_is_found_beside_a_strong_hump(humped, model, monkeypatch):
    plain = lambda c: Weights.equal(c.shape[1])  # noqa: E731
    monkeypatch.setattr("xrdae.training.fit.find_weights", plain)
    before = humped.xrdae.fit(n_latent=2, **SMALL)
    labels = {name: humped[name].values for name in ("ti", "zr")}
    was, now = (
        {name: measure(m.labels["latent"].values, label) for name, label in labels.items()}
        for m in (before, model)
    )
    assert now["ti"] > was["ti"] - 0.01
    assert now["zr"] > was["zr"] + 0.2
    assert not model.weights.are_equal


def test_networks_folded_and_unfolded_are_the_same(model):
    weights, ensemble = model.weights, model.autoencoder.ensemble
    assert 0 < len(weights.places) < weights.values.size
    again = weights.fold(weights.unfold(ensemble))
    np.testing.assert_allclose(again.encoder[0][0], ensemble.encoder[0][0], rtol=1e-5)
    used = weights.places
    last, expected = again.decoder[-1][0], ensemble.decoder[-1][0]
    np.testing.assert_allclose(last[:, :, used], expected[:, :, used], rtol=1e-5)


def test_ignored_components_do_not_move_the_latents(model):
    coefficients = model.support.coefficients[:5].copy()
    ignored = np.setdiff1d(np.arange(coefficients.shape[1]), model.weights.places)
    before = model.autoencoder.encode_coefficients(coefficients)
    coefficients[:, ignored] += 100
    np.testing.assert_array_equal(model.autoencoder.encode_coefficients(coefficients), before)


def test_the_refitted_decoder_reconstructs_held_out_patterns_better(humped, model):
    kept = weighted_training.refit_decoder
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(weighted_training, "refit_decoder", lambda ensemble, *_: ensemble)
        without = humped.xrdae.fit(**SMALL)
    assert weighted_training.refit_decoder is kept
    new = make_humped_alloy(seed=7)
    errors = [float(new.xrdae.encode(m)["reconstruction_error"].mean()) for m in (model, without)]
    assert errors[0] < errors[1]


def test_a_weighted_model_is_saved_with_its_weights(humped, model, tmp_path):
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    for field in dataclasses.fields(Weights):
        np.testing.assert_array_equal(
            getattr(loaded.weights, field.name), getattr(model.weights, field.name)
        )
    np.testing.assert_array_equal(
        humped.xrdae.encode(loaded)["latent"], humped.xrdae.encode(model)["latent"]
    )


def test_an_update_keeps_weights_and_latents(humped, model):
    half = humped.isel(pattern=slice(0, None, 2)).xrdae.fit(**SMALL)
    known = half.weights.values
    updated = half.update(humped.isel(pattern=slice(1, None, 2)), progress=False)
    np.testing.assert_array_equal(updated.weights.values[: known.size], known)
    before, after = (humped.isel(pattern=slice(0, None, 2)).xrdae.encode(m)["latent"].values
                     for m in (half, updated))  # fmt: skip
    assert np.linalg.norm(after - before, axis=1).mean() < 0.2 * before.std()


def test_new_components_get_weights_on_the_same_level():
    rng = np.random.default_rng(0)
    c = rng.normal(size=(300, 9)) * np.array([60, 4, 3, 2, 1, 0.8, 0.8, 0.5, 0.5])
    whole = find_weights(c)
    part = Weights(whole.values[:6], whole.predictability[:6], whole.exponent)
    found = predictability.extend_weights(part, c)
    np.testing.assert_array_equal(found.values[:6], part.values)
    used = np.flatnonzero((whole.values[6:] > 0) & (found.values[6:] > 0)) + 6
    np.testing.assert_allclose(np.log(found.values[used] / whole.values[used]), 0, atol=0.7)
    equal = predictability.extend_weights(Weights.equal(6), c)
    assert equal.are_equal
    assert equal.values.size == 9


def test_augmented_copies_are_weighted_too(humped):
    blind = humped.xrdae.fit(zero_shift=0.2, **SMALL)
    assert not blind.weights.are_equal
    assert np.isfinite(humped.xrdae.encode(blind)["latent"]).all()


def test_training_of_a_weighted_model_resumes(humped, interrupted_training, tmp_path, model):
    del interrupted_training
    where = tmp_path / "a.ckpt"
    with pytest.warns(UserWarning, match="interrupted"):
        humped.xrdae.fit(checkpoint=where, **SMALL)
    resumed = humped.xrdae.fit(checkpoint=where, **SMALL)
    np.testing.assert_allclose(resumed.labels["latent"], model.labels["latent"], atol=1e-4)


def test_info_tells_what_the_map_weighs(model, series):
    shown = str(model)
    assert "predictability" in shown or "What the map weighs" in model._repr_html_()
