import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrdae.autoencoder.basis import find_basis

SHAPES = [(30, 200), (200, 30)]


def low_rank(n, p, *, rank=4, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    size = np.arange(rank, 0, -1)
    signal = (rng.normal(size=(n, rank)) * size) @ rng.normal(size=(rank, p))
    return (signal + noise * rng.normal(size=(n, p))).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_basis_is_that_of_the_singular_value_decomposition(shape):
    x = low_rank(*shape)
    basis = find_basis(x, 4)
    _, values, vectors = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(np.abs(basis.components @ vectors[:4].T), np.eye(4), atol=1e-4)
    np.testing.assert_allclose(basis.variance * shape[0], values[:4] ** 2, rtol=1e-4)
    left = (values[4:] ** 2).sum() / (shape[0] * (shape[1] - 4))
    assert basis.noise == pytest.approx(left, rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_components_are_orthonormal_and_signed_by_their_largest_entry(shape):
    components = find_basis(low_rank(*shape), 10).components
    np.testing.assert_allclose(components @ components.T, np.eye(10), atol=1e-5)
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(10), largest] > 0).all()


def test_there_are_no_more_components_than_patterns_channels_or_directions():
    assert len(find_basis(low_rank(5, 40), 64).components) == 5
    assert len(find_basis(low_rank(40, 5), 64).components) == 5
    assert len(find_basis(low_rank(20, 40, rank=3, noise=0), 64).components) == 3


def test_patterns_that_are_all_equal_still_have_a_finite_basis():
    basis = find_basis(np.zeros((5, 40), np.float32), 8)
    assert basis.components.shape == (1, 40)
    np.testing.assert_allclose(np.linalg.norm(basis.components), 1, rtol=1e-6)


def test_projecting_and_expanding_keeps_what_lies_in_the_basis():
    x = low_rank(30, 200, noise=0)
    basis = find_basis(x, 4)
    np.testing.assert_allclose(basis.expand(basis.project(x)), x, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), gap=st.integers(1, 100))
def test_missing_channels_are_inferred_from_the_measured_ones(seed, gap):
    x = low_rank(40, 200)
    basis = find_basis(x, 4)
    holes = x.copy()
    missing = np.random.default_rng(seed).choice(200, gap, replace=False)
    holes[3, missing] = np.nan
    filled = basis.fill(holes)
    assert np.abs(filled - x)[3, missing].max() < 0.2  # the signal's spread is about five
    np.testing.assert_array_equal(np.delete(filled[3], missing), np.delete(x[3], missing))
    np.testing.assert_array_equal(np.delete(filled, 3, axis=0), np.delete(x, 3, axis=0))


def test_a_pattern_without_any_measured_channel_stays_unknown():
    x = low_rank(30, 50)
    basis = find_basis(x, 4)
    x[2] = np.nan
    assert np.isnan(basis.fill(x)[2]).all()


def test_complete_patterns_are_not_copied():
    x = low_rank(30, 50)
    assert find_basis(x, 4).fill(x) is x
