"""Plots of training, estimates and novelty."""

import dataclasses

import numpy as np

import xrdae
from figure_helpers import words


def test_training_shows_the_history_and_its_best_step(series, model, ax):
    series.xrdae.plot.training(model, ax=ax)
    loss, held_out, best, _ = ax.lines
    np.testing.assert_array_equal(loss.get_ydata(), model.history["loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), model.history["held_out"])
    history = np.stack([model.history["step"], model.history["held_out"]], axis=1)
    np.testing.assert_allclose(best.get_xydata(), history[[history[:, 1].argmin()]])
    assert ax.get_yscale() == "log"


def test_a_training_without_held_out_patterns_shows_the_loss(series, ax):
    small = series.isel(pattern=slice(5)).xrdae.fit(steps=20, members=2, progress=False)
    history = small.history.assign(held_out=small.history["held_out"] * np.nan)
    without = xrdae.Model(dataclasses.replace(small.fitted, history=history))
    series.xrdae.plot.training(without, ax=ax)
    assert len(ax.lines) == 1


def test_estimate_draws_estimates_against_the_label_with_their_figures(results, ax):
    results.xrdae.plot.estimate("x", ax=ax)
    (bars,) = ax.containers
    points, _, (ranges,) = bars.lines
    np.testing.assert_allclose(points.get_xdata(), results["x"])
    np.testing.assert_allclose(points.get_ydata(), results["x_estimate"])
    size = [np.ptp(s[:, 1]) / 2 for s in ranges.get_segments()]
    np.testing.assert_allclose(size, results["x_std"])
    text = ax.get_title(loc="left")
    held_out = results["x_estimate"].attrs
    assert f"MAE {held_out['cross_validation_mae']:.3g}" in text
    assert f"R² {held_out['cross_validation_r2']:.4f}" in text
    assert f"MAE {float(abs(results['x_estimate'] - results['x']).mean()):.3g}" in text
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("content", "content (estimate)")


def test_novelty_marks_and_counts_what_is_above_the_limit(results, ax):
    values = np.full(24, 0.5)
    values[[3, 7]] = 2, 3
    values[9] = np.nan
    results.assign(novelty=("pattern", values)).xrdae.plot.novelty(x="x", ax=ax)
    usual, novel = ax.collections
    x = results["x"].values
    np.testing.assert_allclose(novel.get_offsets(), [[x[3], 2], [x[7], 3]])
    assert len(usual.get_offsets()) == 21
    assert words(ax) == ["usual (21)", "novel (2)", "limit", "without latents: 1"]
    assert ax.get_yscale() == "linear"
    assert list(ax.lines[0].get_ydata()) == [1, 1]


def test_novelty_far_above_the_limit_takes_a_logarithmic_axis(results, ax):
    values = np.linspace(0.5, 200, 24)
    results.assign(novelty=("pattern", values)).xrdae.plot.novelty(x="time", ax=ax)
    assert ax.get_yscale() == "log"
