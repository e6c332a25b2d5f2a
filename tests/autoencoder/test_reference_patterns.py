"""Patterns that a model keeps whole are chosen evenly, in order, from those of the support."""

import dataclasses

import numpy as np
import pytest

import xrdae
from xrdae.autoencoder.reference_patterns import (
    MOST_PATTERNS,
    choose_reference,
    find_most_patterns,
    update_reference,
)

FAST = {"steps": 3, "members": 2, "hidden": (4,), "rank": 6, "progress": False}


def make_inputs(n, first=0, channels=4):
    """Return inputs `(pattern, channel)` that tell their pattern: its number."""
    return np.repeat(np.arange(first, first + n, dtype=np.float32)[:, None], channels, axis=1)


def make_known(n):
    return choose_reference(make_inputs(n), np.arange(n))


@pytest.mark.parametrize("n", [1, 2, 10, 299, 300, 301, 2000])
def test_at_most_300_patterns_are_kept_evenly_and_in_order(n):
    kept = np.arange(n)[::-1]  # the support may have any order
    reference = choose_reference(make_inputs(n), kept)
    assert len(reference.rows) == min(n, MOST_PATTERNS)
    assert (np.diff(reference.rows) > 0).all()
    np.testing.assert_array_equal(reference.inputs[:, 0], kept[reference.rows])
    assert reference.rows[0] == 0
    assert np.diff(reference.rows).max(initial=0) <= n / len(reference.rows) + 1


def test_fewer_patterns_of_very_many_channels_are_kept():
    assert find_most_patterns(2000) == MOST_PATTERNS
    assert find_most_patterns(2**17) == 64
    assert find_most_patterns(2**30) == 10


@pytest.mark.parametrize(("n_known", "n_further"), [(5, 3), (250, 250), (300, 10), (2000, 400)])
def test_known_and_further_patterns_are_kept_in_proportion(n_known, n_further):
    known, further = make_known(n_known), make_inputs(n_further, n_known)
    origin = np.arange(n_known + n_further)
    updated = update_reference(known, further, origin=origin, n_known=n_known)
    assert len(updated.rows) == min(MOST_PATTERNS, len(known.rows) + n_further)
    assert (np.diff(updated.rows) > 0).all()
    np.testing.assert_array_equal(updated.inputs[:, 0], origin[updated.rows])
    part = (updated.inputs[:, 0] >= n_known).mean()
    assert part == pytest.approx(n_further / (n_known + n_further), abs=0.01)


def test_patterns_that_the_support_drops_are_dropped():
    known, further = make_known(20), make_inputs(10, 20)
    origin = np.array([25, 3, 22, 19, 0, 29])  # any order
    updated = update_reference(known, further, origin=origin, n_known=20)
    np.testing.assert_array_equal(updated.rows, np.arange(6))
    np.testing.assert_array_equal(updated.inputs[:, 0], origin)
    only = update_reference(known, further, origin=np.array([21, 28]), n_known=20)
    np.testing.assert_array_equal(only.inputs[:, 0], [21, 28])


def test_an_update_of_an_update_keeps_the_first_patterns():
    reference, n_known = make_known(200), 200
    for _ in range(10):
        further = make_inputs(100, n_known)
        origin = np.arange(n_known + 100)
        reference = update_reference(reference, further, origin=origin, n_known=n_known)
        n_known += 100
        np.testing.assert_array_equal(reference.inputs[:, 0], origin[reference.rows])
    assert len(reference.rows) == MOST_PATTERNS
    assert (reference.inputs[:, 0] < 200).sum() == pytest.approx(50, abs=5)


def find_residual(model):
    """Return the largest difference of kept patterns from the coefficients of their rows.

    Known patterns have coefficients of the first components only: an update adds components.
    """
    fitted, first = model.fitted, slice(FAST["rank"])
    found = fitted.autoencoder.basis.project(fitted.reference.inputs)[:, first]
    expected = fitted.support.coefficients[fitted.reference.rows][:, first]
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_rows_point_to_the_patterns_of_the_support(simulated_series, tmp_path):
    whole = simulated_series(60)
    known, further = whole.isel(pattern=slice(40)), whole.isel(pattern=slice(40, None))
    model = known.xrdae.fit(**FAST)
    assert find_residual(model) < 1e-5
    updated = further.xrdae.fit(update=model, progress=False)
    assert find_residual(updated) < 1e-5
    updated.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    np.testing.assert_array_equal(loaded.fitted.reference.rows, np.arange(60))
    labels = loaded.labels["x"].values[loaded.fitted.reference.rows]
    np.testing.assert_allclose(np.sort(labels), np.sort(whole["x"]))
    result = whole.xrdae.relevance(updated, label="x")
    assert result["relevance_verdict"].attrs["reference"] == "60 training patterns"


def test_a_gap_is_filled_in_kept_patterns(series):
    gap = series.where((series["two_theta"] < 50) | (series["two_theta"] > 52))
    model = gap.isel(pattern=slice(0, None, 2)).xrdae.fit(**FAST)
    assert np.isfinite(model.fitted.reference.inputs).all()


def test_a_model_without_kept_patterns_stays_so(series):
    model = series.xrdae.fit(**FAST)
    old = xrdae.Model(dataclasses.replace(model.fitted, reference=None))
    updated = series.isel(pattern=slice(5)).xrdae.fit(update=old, progress=False)
    assert updated.fitted.reference is None
