"""An updated model knows further patterns, and its map stays where it was."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae import provenance
from xrdae.autoencoder import novelty
from xrdae.cli import main
from xrdae.plugins import manager
from xrdae.preprocessing import subsets
from xrdae.training import update

SMALL = {"steps": 300, "members": 4, "progress": False}


def encoded(dataset, model):
    return dataset.xrdae.encode(model)


def novel(dataset, model):
    return float((encoded(dataset, model)["novelty"] > 1).mean())


def error(dataset, model):
    return float(encoded(dataset, model)["reconstruction_error"].mean())


def moved(dataset, before, after):
    """How far latents moved `(pattern,)`, over their spread; nothing is aligned."""
    was, now = (encoded(dataset, model)["latent"] for model in (before, after))
    spread = float(((was - was.mean("pattern")) ** 2).mean() ** 0.5)
    return np.linalg.norm(now - was, axis=1) / spread


def with_foreign(dataset, position, seed=1):
    """The patterns with a further peak of 5 to 15 % of the strongest, its size as label `y`."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.05, 0.15, dataset.sizes["pattern"])
    peak = 2000 * np.exp(-(((dataset["two_theta"].values - position) / 0.8) ** 2))
    counts = dataset["intensity"] + rng.poisson(size[:, None] * peak)
    return dataset.assign(intensity=counts.assign_attrs(dataset["intensity"].attrs)).assign_coords(
        y=("pattern", size, {"units": "1"})
    )


@pytest.fixture(scope="module")
def halves(simulated_series):
    """The first two thirds of a series, and the rest: compositions never met."""
    whole = simulated_series(120)
    return whole.isel(pattern=slice(80)), whole.isel(pattern=slice(80, None))


@pytest.fixture(scope="module")
def old(halves):
    return halves[0].xrdae.fit(**SMALL)


@pytest.fixture(scope="module")
def new(halves, old):
    return halves[1].xrdae.fit(update=old, progress=False)


# ---------------------------------------------------------------- the map stays


def test_known_latents_move_by_a_small_part_of_their_spread(halves, old, new):
    distance = moved(halves[0], old, new)
    assert distance.mean() < 0.03
    assert distance.max() < 0.15


def test_known_components_stay_and_come_first(old, new):
    known, extended = old.autoencoder.basis, new.autoencoder.basis
    np.testing.assert_array_equal(extended.components[: len(known.components)], known.components)
    assert len(extended.components) > len(known.components)
    product = extended.components @ extended.components.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)


def test_the_basis_never_has_more_than_twice_its_rank(halves, old):
    few = halves[0].xrdae.fit(rank=5, **SMALL)
    model = halves[1].xrdae.fit(update=few, progress=False)
    assert len(model.autoencoder.basis.components) == 10


def test_axis_and_preparation_stay_and_the_old_model_too(halves, old, new, tmp_path):
    assert new.autoencoder.preparation is old.autoencoder.preparation
    assert new.config == old.config
    before, after = tmp_path / "before.nc", tmp_path / "after.nc"
    old.save(before)
    halves[1].xrdae.fit(update=old, steps=5, progress=False)
    old.save(after)
    assert before.read_bytes() == after.read_bytes()


def test_updating_with_the_training_patterns_changes_hardly_anything(halves, old):
    known = halves[0]
    again = known.xrdae.fit(update=old, progress=False)
    assert moved(known, old, again).max() < 0.08
    assert error(known, again) < 1.05 * error(known, old)
    assert novel(known, again) <= novel(known, old) + 0.05
    assert len(again.autoencoder.basis.components) < 1.5 * len(old.autoencoder.basis.components)


# ---------------------------------------------------------------- it knows the further patterns


def test_further_patterns_are_reconstructed_nearly_as_by_a_new_fit_to_all(halves, old, new):
    known, further = halves
    fresh = xr.concat(halves, "pattern").xrdae.fit(**SMALL)
    assert error(further, new) < 1.2 * error(further, fresh) < 0.5 * error(further, old)
    assert error(known, new) < 1.2 * error(known, fresh)


def test_kinds_in_the_update_are_not_novel_and_others_are(halves, old, new, simulated_series):
    other = simulated_series(120, seed=7)
    first, last = other.isel(pattern=slice(80)), other.isel(pattern=slice(80, None))
    assert novel(last, old) > 0.5
    assert novel(last, new) <= 0.1
    assert novel(first, new) <= novel(first, old) + 0.05
    assert novel(with_foreign(other, 39), new) > 0.9


def test_a_foreign_phase_is_learnt_and_another_one_is_still_novel(simulated_series):
    known, unmet = simulated_series(120), simulated_series(120, seed=6)
    further = with_foreign(simulated_series(60, seed=3), 39, seed=3)
    again = with_foreign(simulated_series(240, seed=4), 39, seed=4)
    called = []
    for seed in range(3):
        model = known.xrdae.fit(seed=seed, **SMALL)
        updated = further.xrdae.fit(update=model, progress=False)
        assert novel(again, model) > 0.9
        assert novel(with_foreign(again, 52, seed=5), updated) > 0.9
        assert moved(known, model, updated).max() < 0.15
        called.append([novel(again, updated), novel(unmet, updated)])
    assert np.mean(called, axis=0).max() <= 0.1  # the limits of a fit vary: .05 to .15
    assert np.max(called) <= 0.2


def test_few_further_patterns_among_many_are_known_all_the_same(simulated_series):
    model = simulated_series(200).xrdae.fit(**SMALL)
    few = with_foreign(simulated_series(12, seed=3), 39, seed=3)
    updated = few.xrdae.fit(update=model, progress=False)
    again = with_foreign(simulated_series(60, seed=4), 39, seed=4)
    assert novel(again, model) > 0.9 > 0.4 > novel(again, updated)


@pytest.mark.parametrize("count", [3, 7])
def test_a_handful_of_patterns_is_enough(halves, old, count):
    some = halves[1].isel(pattern=slice(count))
    model = some.xrdae.fit(update=old, steps=60, progress=False)
    assert np.isfinite(encoded(halves[1], model).to_array()).all()


def test_held_out_patterns_of_a_member_stay_held_out(halves, old, new):
    known = len(old.support.unseen)
    np.testing.assert_array_equal(new.support.unseen[:known], old.support.unseen)
    assert new.support.unseen[known:].any()
    assert not new.support.unseen[known:].all()


# ---------------------------------------------------------------- labels, history, provenance


def test_labels_are_those_of_both_and_estimates_work_on_both(halves, new):
    whole = xr.concat(halves, "pattern")
    np.testing.assert_array_equal(new.labels["x"], whole["x"])
    assert new.labels["x"].attrs == whole["x"].attrs
    # Of known patterns only the old basis' coefficients are known: the rest of them is noise.
    away = abs(new.labels["latent"] - encoded(whole, new)["latent"].values)
    assert float(away.isel(pattern=slice(80)).max()) < 0.01
    assert float(away.isel(pattern=slice(80, None)).max()) < 1e-4
    out = whole.xrdae.estimate(new, "x")
    assert float(abs(out["x_estimate"] - whole["x"]).max()) < 0.05


def test_a_label_that_one_part_lacks_is_unknown_there(halves, old):
    further = with_foreign(halves[1], 39).drop_vars("x")
    model = further.xrdae.fit(update=old, steps=5, progress=False)
    np.testing.assert_array_equal(model.labels["x"].isnull(), np.arange(120) >= 80)
    np.testing.assert_array_equal(model.labels["y"].isnull(), np.arange(120) < 80)
    assert model.label_names() == ["x", "y"]


def test_the_history_is_that_of_the_update_and_its_origin_is_on_record(old, new):
    assert float(new.history["held_out"][0]) > float(new.history["held_out"].min())
    assert new.history.attrs["stopped"] in {"converged", "steps"}
    (before,) = new.provenance["updated_from"]
    assert before == provenance.describe_origin(old)
    assert before["data"]["trained_on"] != new.provenance["data"]["trained_on"]
    json.dumps(new.provenance)


# ---------------------------------------------------------------- everything works on it


def test_results_of_every_kind_work_on_an_updated_model(halves, new, tmp_path):
    whole = xr.concat(halves, "pattern")
    out = encoded(whole, new).xrdae.relevance(new).xrdae.reconstruct(new)
    out = out.xrdae.synthesize(new, between=(78, 82), n=3)
    for name in ("relevance", "reconstruction", "synthesized", "synthesized_std"):
        assert np.isfinite(out[name]).all(), name
    assert float(out["synthesized_novelty"].max()) < 1
    assert sum(new.mixture.weights) == pytest.approx(1)
    whole.xrdae.report(new, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 1e5


def test_saving_and_loading_an_updated_model_is_exact(halves, new, tmp_path):
    new.save(tmp_path / "new.nc")
    loaded = xrdae.load_model(tmp_path / "new.nc")
    xr.testing.assert_identical(encoded(halves[1], loaded), encoded(halves[1], new))
    xr.testing.assert_identical(loaded.labels, new.labels)
    again = halves[0].xrdae.fit(update=loaded, steps=5, progress=False)
    expected = halves[0].xrdae.fit(update=new, steps=5, progress=False)
    xr.testing.assert_identical(encoded(halves[0], again), encoded(halves[0], expected))


def test_the_same_seed_gives_the_same_update_and_another_nearly_the_same_map(halves, old, new):
    again = halves[1].xrdae.fit(update=old, progress=False)
    xr.testing.assert_identical(encoded(halves[1], again), encoded(halves[1], new))
    other = halves[1].xrdae.fit(update=old, seed=5, progress=False)
    assert other.config.seed == 5
    assert moved(halves[0], new, other).max() < 0.15


def test_patterns_in_other_units_on_another_grid_and_lazy_ones_are_taken(halves, old, new):
    further = halves[1]
    q = 4 * np.pi / 1.5406 * np.sin(np.radians(further["two_theta"].values) / 2)
    in_q = further.rename(two_theta="q").assign_coords(q=("q", q, {"units": "1/angstrom"}))
    lazy = further.chunk(pattern=7)
    for patterns, tolerance in ((in_q, 0.02), (lazy, 1e-5)):
        model = patterns.xrdae.fit(update=old, progress=False)
        found, expected = (encoded(further, m)["latent"] for m in (model, new))
        np.testing.assert_allclose(found, expected, atol=tolerance)
    fine = further.interp(two_theta=np.linspace(22, 79, 500)).astype(float)
    fine["two_theta"].attrs["units"] = "degree"
    model = fine.xrdae.fit(update=old, progress=False)
    assert moved(halves[0], old, model).max() < 0.15
    assert error(fine, model) < 0.1


def test_gaps_and_masked_patterns_are_allowed(halves, old, new):
    further = halves[1].astype(float)
    gappy = further.assign(intensity=further["intensity"].where(abs(further.two_theta - 50) > 3))
    hidden = xr.zeros_like(further["x"], bool).copy()
    hidden[0] = True
    model = gappy.assign(mask=hidden).xrdae.fit(update=old, progress=False)
    assert model.labels.sizes["pattern"] == 80 + 39
    assert moved(halves[0], old, model).max() < 0.15
    assert novel(halves[0], model) <= 0.1


@pytest.mark.parametrize(
    "settings",
    [
        {"grid": "log_q", "points": 150},
        {"background": "snip", "scale": "area"},
        {"strain": 0.002, "texture": 0.1},
        {"n_latent": 1},
        {"n_latent": 3, "held_out": 0.0},
    ],
    ids=str,
)
def test_settings_of_every_kind_hold_in_an_update(halves, settings):
    known, further = halves
    model = known.xrdae.fit(**SMALL | settings)
    # As a map, its axis in the middle.
    grid = further.drop_vars("x").coarsen(pattern=8).construct(pattern=("y", "x"))
    updated = grid.transpose("x", "two_theta", "y").xrdae.fit(update=model, progress=False)
    assert updated.config == model.config
    assert updated.labels.sizes["pattern"] == 120
    assert moved(known, model, updated).mean() < 0.1  # most where it ignores changes
    assert error(further, updated) < 0.5 * error(further, model)


def test_an_update_of_an_update_keeps_the_first_map_and_a_bounded_size(
    simulated_series, monkeypatch
):
    for module in (novelty, update):
        monkeypatch.setattr(module, "REFERENCES", 90)
    known = simulated_series(60)
    first = known.xrdae.fit(rank=12, **SMALL)
    model = first
    for i in range(5):
        further = with_foreign(simulated_series(30, seed=i), 28 + 9 * i, seed=i)
        model = further.xrdae.fit(update=model, progress=False, most_patterns=110)
    assert len(model.support.coefficients) == model.labels.sizes["pattern"] == 90
    assert len(model.autoencoder.basis.components) <= 24
    assert moved(known, first, model).mean() < 0.15
    assert novel(known, model) <= 0.1
    assert novel(with_foreign(simulated_series(30, seed=9), 28 + 9 * 4, seed=9), model) <= 0.2
    np.testing.assert_allclose(model.labels["latent"], model.support.latents)


def test_chosen_patterns_are_spread_over_the_latent_space():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(500, 2)), [[30.0, 0.0], [0.0, 30.0]]])
    chosen = subsets.choose_spread(points, 20)
    assert len(chosen) == 20
    assert {500, 501} <= set(chosen)
    np.testing.assert_array_equal(subsets.choose_spread(points[:5], 20), np.arange(5))


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    "setting", [{"n_latent": 3}, {"grid": "q"}, {"scale": "area"}, {"members": 2}, {"rank": 9}]
)
def test_settings_that_have_to_stay_are_refused(halves, old, setting):
    name, value = next(iter(setting.items()))
    with pytest.raises(ValueError, match=rf"{name}={value!r} cannot change in an update.*leave it"):
        halves[1].xrdae.fit(update=old, **setting)
    with pytest.raises(TypeError, match="unknown setting 'colour'"):
        halves[1].xrdae.fit(update=old, colour=1)


def test_patterns_that_the_model_cannot_take_are_refused(halves, old):
    further = halves[1]
    with pytest.raises(xrdae.DataError, match=r"cover.*of the model's"):
        further.sel(two_theta=slice(20, 40)).xrdae.fit(update=old)
    with pytest.raises(xrdae.DataError, match=r"2 patterns.*at least 3"):
        further.isel(pattern=[0, 1]).xrdae.fit(update=old)
    constant = further.copy(deep=True)
    constant["intensity"][4] = 7
    with pytest.raises(xrdae.DataError, match=r"pattern \{'pattern': 4\} is constant"):
        constant.xrdae.fit(update=old)


def test_a_label_in_other_units_is_refused_not_mixed(halves, old):
    percent = halves[1].assign_coords(x=halves[1]["x"].assign_attrs(units="percent"))
    with pytest.raises(xrdae.DataError, match=r"label 'x' is in 'percent', that of the model"):
        percent.xrdae.fit(update=old)


def test_ctrl_c_keeps_the_best_state_so_far(halves, old, interrupted_training):
    with pytest.warns(UserWarning, match="interrupted at step 50 of 300"):
        model = halves[1].xrdae.fit(update=old, progress=False)
    assert model.history.attrs["stopped"] == "interrupted"
    assert error(halves[1], model) < error(halves[1], old)


# ---------------------------------------------------------------- plugins and the command line


def test_a_plugin_that_replaces_the_fit_does_not_replace_the_update(halves, old, new):
    class Fits:
        @xrdae.hookimpl
        def xrdae_fit(self, dataset, config):
            raise AssertionError("a fit is no update")

    class Other:
        def __init__(self, of):
            self.of = of

        def encode(self, dataset):
            raise AssertionError("it is not asked")

    class Updates:
        @xrdae.hookimpl
        def xrdae_update(self, dataset, model):
            return Other(model)

    fits, updates = Fits(), Updates()
    manager().register(fits)
    try:
        model = halves[1].xrdae.fit(update=old, progress=False)
        manager().register(updates)
        assert halves[1].xrdae.fit(update=old).of is old
    finally:
        manager().unregister(fits)
        if manager().is_registered(updates):
            manager().unregister(updates)
    xr.testing.assert_identical(encoded(halves[1], model), encoded(halves[1], new))


def test_model_input_by_a_plugin_is_what_an_update_learns(halves, old, new):
    class Lit:
        @xrdae.hookimpl
        def xrdae_model_input(self, dataset, model):
            lit = dataset["intensity"].where(dataset["two_theta"] > 30)
            return model.model_input(dataset.assign(intensity=lit))

    plugin = Lit()
    manager().register(plugin)
    try:
        model = halves[1].xrdae.fit(update=old, progress=False)
        assert novel(halves[1], model) <= 0.1
        inputs = plugin.xrdae_model_input(halves[1], old)
    finally:
        manager().unregister(plugin)
    np.testing.assert_array_equal(model.support.scale[80:], inputs["scale"])
    assert not np.array_equal(model.support.scale[80:], new.support.scale[80:])


def test_the_command_line_updates_and_spares_the_old_model(halves, old, new, tmp_path):
    halves[1].to_netcdf(tmp_path / "further.nc")
    old.save(tmp_path / "old.nc")

    def run(*words, code=0):
        words = ["fit", tmp_path / "further.nc", "--update", tmp_path / "old.nc", *words]
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.output

    assert "patterns        120" in run("-o", tmp_path / "new.nc")
    found = xrdae.load_model(tmp_path / "new.nc")
    assert provenance.fingerprint(found) == provenance.fingerprint(new)
    kept = (tmp_path / "old.nc").read_bytes()
    assert "is also read" in run("-o", tmp_path / "old.nc", code=2)
    assert "n_latent=3 cannot change" in run("-o", tmp_path / "no.nc", "--n-latent", 3, code=1)
    assert (tmp_path / "old.nc").read_bytes() == kept
    assert not (tmp_path / "no.nc").exists()


# ---------------------------------------------------------------- measured patterns


@pytest.mark.parametrize(
    "name", ["batio3_temperature.nc", "bi_cu_v_o.nc", "molten_salt_nacl_crcl3.nc"]
)
def test_the_second_half_of_a_measured_series_joins_the_first(name, real_data):
    with xr.open_dataset(real_data(name)) as dataset:
        dataset.load()
    n = dataset.sizes["pattern"]
    held_out = np.arange(n // 2 + 2, n, 4)
    first = dataset.isel(pattern=slice(n // 2))
    rest = dataset.isel(pattern=np.setdiff1d(np.arange(n // 2, n), held_out))
    old = first.xrdae.fit(progress=False)
    new = rest.xrdae.fit(update=old, progress=False)
    distance = moved(first, old, new)
    assert distance.mean() < 0.08
    assert distance.max() < 0.2
    unseen = dataset.isel(pattern=held_out)
    assert error(unseen, new) < 0.5 * error(unseen, old)
    assert novel(unseen, new) < 0.25 < novel(unseen, old)
    assert novel(first, new) <= novel(first, old) + 0.1
