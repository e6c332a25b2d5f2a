"""Training: it ends for a reason, keeps the best state, and touches nothing of the caller's."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import torch

import xrdae
from xrdae.config import Config
from xrdae.training import training_loop as loop
from xrdae.training.initialization import split_held_out

FEW = Config(steps=40, members=3, hidden=(16,), patience=1000)


@pytest.fixture(scope="module")
def coefficients():
    t = np.linspace(0, 1, 30)
    rng = np.random.default_rng(0)
    curve = np.stack([np.cos(3 * t), np.sin(3 * t), t**2, t], axis=1)
    return curve - curve.mean(axis=0) + 0.01 * rng.standard_normal(curve.shape)


def _parameters(trained):
    return [p.numpy() for p in trained.ensemble.parameters()]


# ---------------------------------------------------------------- failure


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error_with_step_and_value(
    coefficients, monkeypatch, value
):
    loss, steps = loop.compute_loss, []

    def broken(*args):
        steps.append(len(steps))
        return loss(*args) * (value if len(steps) == 8 else 1.0)

    monkeypatch.setattr(loop, "compute_loss", broken)
    with pytest.raises(xrdae.TrainingError, match=rf"loss is {value} at step 7") as caught:
        loop.train(coefficients, FEW)
    assert f"learning_rate={FEW.learning_rate}" in str(caught.value)


def test_ctrl_c_keeps_the_best_state_and_warns(series, interrupted_training):
    with pytest.warns(UserWarning, match=r"interrupted at step 50 of 800.*best state so far"):
        model = series.xrdae.fit()
    assert model.history.attrs["stopped"] == "interrupted"
    assert int(model.history["step"].max()) == 50
    assert np.isfinite(series.xrdae.encode(model)["latent"]).all()
    # The best state is one that was trained: better than no training at all.
    untrained = series.xrdae.fit(steps=1)
    error = series.xrdae.encode(model)["reconstruction_error"].mean()
    assert float(error) < float(series.xrdae.encode(untrained)["reconstruction_error"].mean())


def test_ctrl_c_at_the_first_step_still_gives_a_model(series, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "compute_loss", interrupted)
    with pytest.warns(UserWarning, match="interrupted at step 0"):
        model = series.xrdae.fit()
    assert np.isfinite(series.xrdae.encode(model)["latent"]).all()


# ---------------------------------------------------------------- when it stops


def test_training_stops_when_the_held_out_error_no_longer_falls(coefficients):
    trained = loop.train(coefficients, Config(steps=5000, patience=50, members=3))
    assert trained.stopped == "converged"
    steps, held_out = trained.history["step"], trained.history["held_out"]
    assert steps[-1] < 5000
    assert steps[-1] - steps[held_out.argmin()] == 50


def test_training_without_a_reason_to_stop_uses_every_step(coefficients):
    trained = loop.train(coefficients, FEW)
    assert trained.stopped == "steps"
    assert trained.history["step"].tolist() == [0, 10, 20, 30, 40]


def test_the_state_that_is_kept_is_the_best_one(coefficients, monkeypatch):
    errors, calls = loop.compute_errors, []

    def worse_later(*args):
        calls.append([p.detach().clone() for p in args[0].parameters()])
        return errors(*args)[0], [5.0, 1.0, 3.0, 2.0, 4.0][len(calls) - 1]

    monkeypatch.setattr(loop, "compute_errors", worse_later)
    monkeypatch.setattr(loop, "align_members", lambda ensemble, sample: ensemble)
    trained = loop.train(coefficients, FEW)
    for kept, then in zip(trained.ensemble.parameters(), calls[1], strict=True):
        assert torch.equal(kept, then)


def test_the_error_falls_while_training(model):
    loss = model.history["loss"].values
    assert loss[-1] < 0.5 * loss[0]
    # Overall, not step by step: each quarter is better than the one before.
    quarters = [part.mean() for part in np.array_split(loss, 4)]
    assert quarters == sorted(quarters, reverse=True)


def test_history_is_labelled_and_finite(model):
    assert set(model.history.data_vars) == {"loss", "held_out"}
    assert model.history["loss"].dims == ("step",)
    assert np.isfinite(model.history["loss"]).all()
    assert np.isfinite(model.history["held_out"]).all()
    assert model.history.attrs["stopped"] in {"converged", "steps"}


# ---------------------------------------------------------------- progress


def _fit(series, progress):
    return series.xrdae.fit(steps=3, members=2, progress=progress)


def test_progress_none_is_silent_where_stderr_is_no_terminal(series, capfd):
    _fit(series, None)
    assert capfd.readouterr() == ("", "")


def test_progress_none_shows_a_bar_on_a_terminal(series, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _fit(series, None)
    assert "fit" in terminal.getvalue()


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False)])
def test_progress_true_shows_a_bar_anywhere_and_false_nowhere(series, capsys, progress, shown):
    _fit(series, progress)
    out, err = capsys.readouterr()
    assert ("fit" in err) == shown
    assert out == ""


# ---------------------------------------------------------------- few patterns


@pytest.mark.parametrize(
    "rows",
    [[0, 10, 20], [0, 0, 0, 20, 20, 20], [0, 20, 20], list(range(8)), [*range(24), 3, 3]],
    ids=["three", "duplicates", "two kinds", "eight", "some twice"],
)
def test_few_and_duplicate_patterns_train_to_finite_results(series, rows):
    some = series.isel(pattern=rows)
    model = some.xrdae.fit(steps=60, members=3)
    out = some.xrdae.encode(model).xrdae.reconstruct(model).xrdae.relevance(model)
    for name in set(out.data_vars) - set(some.data_vars):
        assert np.isfinite(out[name]).all(), name
    np.testing.assert_allclose(
        np.diff(out["latent"].values[np.argsort(rows)], axis=0)[np.diff(np.sort(rows)) == 0],
        0,
        atol=1e-4,
    )
    error = np.abs(out["reconstruction"] - some["intensity"]).mean() / some["intensity"].mean()
    assert float(error) < 0.5


def test_two_patterns_are_too_few(series):
    with pytest.raises(xrdae.DataError, match=r"2 patterns.*at least 3"):
        series.isel(pattern=[0, 1]).xrdae.fit()


# ---------------------------------------------------------------- the latents' frame


def test_members_agree_on_the_training_data(series, model):
    encoded = series.xrdae.encode(model)
    assert float(encoded["latent_std"].mean()) < 0.1 * float(encoded["latent"].std())


def test_latents_of_the_training_data_are_centred_with_a_spread_of_one(series, model):
    latent = series.xrdae.encode(model)["latent"]
    np.testing.assert_allclose(latent.mean("pattern"), 0, atol=1e-3)
    assert float((latent**2).mean() ** 0.5) == pytest.approx(1, abs=1e-2)
    spread = latent.std("pattern").values
    assert (np.diff(spread) <= 1e-6).all()  # the principal axes, largest first
    covariance = np.cov(latent.values.T)
    assert abs(covariance[0, 1]) < 1e-3


def test_the_training_labels_hold_the_latents_that_encoding_gives(series, model):
    np.testing.assert_allclose(
        model.labels["latent"], series.xrdae.encode(model)["latent"], atol=1e-4
    )


def test_each_member_leaves_out_its_own_patterns(coefficients):
    config = Config(members=5, held_out=0.2)
    seen = split_held_out(30, config, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_array_equal((seen == 0).sum(axis=1), 6)
    assert len(np.unique(seen, axis=0)) > 1


def test_more_patterns_than_a_batch_train_and_place_every_pattern(coefficients, monkeypatch):
    monkeypatch.setattr(loop, "BATCH", 8)
    trained = loop.train(coefficients, FEW)
    assert all(np.isfinite(p).all() for p in _parameters(trained))
    assert trained.held_out_reconstruction.shape == coefficients.shape
    loss = trained.history["loss"]
    assert loss[-1] < loss[0]


# ---------------------------------------------------------------- what is the caller's


def test_training_leaves_the_global_random_states_alone(coefficients):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    loop.train(coefficients, FEW)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_training_leaves_torch_settings_alone(coefficients):
    def settings():
        return (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = settings()
    loop.train(coefficients, FEW)
    assert settings() == before


def test_training_does_not_depend_on_the_global_random_state(coefficients):
    torch.manual_seed(1)
    one = _parameters(loop.train(coefficients, FEW))
    torch.manual_seed(2)
    other = _parameters(loop.train(coefficients, FEW))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_does_not_depend_on_the_callers_default_dtype(coefficients):
    expected = _parameters(loop.train(coefficients, FEW))
    torch.set_default_dtype(torch.float64)
    try:
        found = _parameters(loop.train(coefficients, FEW))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_training_works_where_the_caller_has_switched_gradients_off(coefficients, context):
    with context():
        trained = loop.train(coefficients, FEW)
    assert trained.history["loss"][-1] < trained.history["loss"][0]


def test_a_trained_model_needs_no_gradients(coefficients):
    trained = loop.train(coefficients, FEW)
    assert not any(p.requires_grad for p in trained.ensemble.parameters())
