"""Settings: frozen, checked, and the same after every journey."""

from __future__ import annotations

import json
import pickle

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae.config import Config

names = st.text("abcdefghij_", min_size=1, max_size=8)
configs = st.builds(
    Config,
    variable=st.none() | names,
    dim=st.none() | names,
    grid=st.sampled_from(["data", "two_theta", "q", "d", "log_q"]),
    points=st.none() | st.integers(2, 5000),
    background=st.sampled_from(["none", "snip", "arpls"]),
    background_options=st.dictionaries(
        names, st.integers() | st.floats(allow_nan=False) | st.booleans() | names, max_size=3
    ),
    scale=st.sampled_from(["max", "area"]),
    rank=st.integers(1, 256),
    n_latent=st.integers(1, 8) | st.just("auto"),
    members=st.integers(1, 16),
    hidden=st.lists(st.integers(1, 128), min_size=1, max_size=3).map(tuple),
    steps=st.integers(1, 10_000),
    learning_rate=st.floats(1e-6, 0.5),
    latent_noise=st.floats(0, 1),
    held_out=st.floats(0, 0.9),
    patience=st.integers(1, 1000),
    seed=st.integers(0, 2**31),
)
quick = settings(max_examples=30, deadline=None)


def test_a_config_is_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Config().members = 3


def test_background_options_are_frozen_and_no_longer_the_callers():
    options = {"max_half_window": 20}
    config = Config(background="snip", background_options=options)
    options["max_half_window"] = 99
    assert config.background_options["max_half_window"] == 20
    with pytest.raises(TypeError):
        config.background_options["max_half_window"] = 1


def test_settings_are_keywords_only():
    with pytest.raises(TypeError, match="positional"):
        Config("intensity")


@quick
@given(configs)
def test_a_config_is_the_same_after_json(config):
    again = Config.from_options(json.loads(config.to_json()))
    assert again == config
    assert again.to_json() == config.to_json()


@quick
@given(configs)
def test_a_config_is_the_same_after_pickling(config):
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert isinstance(again.hidden, tuple)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("grid", "wavelength"),
        ("scale", "sum"),
        ("rank", 0),
        ("n_latent", -1),
        ("n_latent", 2.0),
        ("n_latent", "many"),
        ("members", 0),
        ("members", True),
        ("steps", 0),
        ("patience", 0),
        ("points", 1),
        ("points", 10.5),
        ("hidden", (64, 0)),
        ("hidden", (64, 1.5)),
        ("learning_rate", 0.0),
        ("learning_rate", 2.0),
        ("learning_rate", float("nan")),
        ("latent_noise", -0.1),
        ("latent_noise", float("nan")),
        ("latent_noise", float("inf")),
        ("held_out", 1.0),
        ("held_out", -0.1),
        ("held_out", float("nan")),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_value(setting, value):
    with pytest.raises(ValueError, match=setting) as caught:
        Config(**{setting: value})
    shown = value[-1] if isinstance(value, tuple) else value
    assert str(shown) in str(caught.value)


@pytest.mark.parametrize("rounds", [10**9, 2.5])
def test_a_background_that_would_not_end_is_refused(rounds):
    with pytest.raises(ValueError, match=f"background_options.*max_iter.*{rounds}"):
        Config(background="arpls", background_options={"max_iter": rounds})


@pytest.mark.parametrize(
    ("setting", "value"), [("seed", 0.5), ("seed", "1"), ("seed", -1), ("seed", 2**64)]
)
def test_a_seed_that_no_generator_takes_is_refused_by_name(setting, value):
    with pytest.raises(ValueError, match="seed"):
        Config(**{setting: value})


@pytest.mark.parametrize("value", ["lam", 5, None])
def test_background_options_must_be_a_mapping(value):
    with pytest.raises(ValueError, match=r"background_options=.*must be a mapping"):
        Config(background="arpls", background_options=value)


@pytest.mark.parametrize("value", ["64", 64])
def test_hidden_must_be_a_sequence_of_widths(value):
    with pytest.raises((TypeError, ValueError), match="hidden"):
        Config(hidden=value)


@pytest.mark.parametrize(
    ("setting", "value"), [("learning_rate", "fast"), ("latent_noise", None), ("held_out", "x")]
)
def test_a_value_of_the_wrong_type_is_refused_by_name(setting, value):
    with pytest.raises((TypeError, ValueError), match=setting):
        Config(**{setting: value})


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match="'n_latents'") as caught:
        Config.from_options({"n_latents": 3})
    for field in attrs.fields(Config):
        assert field.name in str(caught.value)


def test_fit_takes_every_setting_as_a_keyword_and_refuses_others(series):
    with pytest.raises(TypeError, match=r"'latent_dims'.*n_latent"):
        series.xrdae.fit(latent_dims=2)
    fitted = series.xrdae.fit(n_latent=3, members=2, steps=2, hidden=[8])
    assert fitted.config == Config(n_latent=3, members=2, steps=2, hidden=(8,))


def test_numpy_numbers_are_numbers():
    import numpy as np

    assert Config(rank=np.int64(5)).rank == 5
