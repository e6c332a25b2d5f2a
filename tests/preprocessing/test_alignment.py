import numpy as np
import pytest

from xrdae.preprocessing.alignment import (
    average_aligned,
    find_displacements,
    measure_peak_width,
    resample_patterns,
)

CHANNELS = np.arange(600.0)


def peaks(*centres, width=6.0):
    sigma = width / 2.355
    shape = [np.exp(-0.5 * ((CHANNELS - c) / sigma) ** 2) for c in centres]
    return np.sum(shape, axis=0) + 0.02


@pytest.mark.parametrize("width", [4.0, 8.0, 20.0])
@pytest.mark.parametrize("moved", [0.3, 2.0, 1.5])
def test_peaks_that_moved_by_more_than_their_width_are_found(width, moved):
    step = moved * width
    reference = peaks(100, 220, 400, width=width)
    pattern = peaks(100 + step, 220 + step / 2, 400, width=width)
    (u,) = find_displacements(reference[None], pattern[None], width)
    np.testing.assert_allclose(u[[100, 220, 400]], [step, step / 2, 0], atol=0.05 * width)


def test_noise_alone_moves_a_peak_by_a_fraction_of_its_width():
    rng = np.random.default_rng(0)
    one, other = (rng.poisson(1000 * peaks(100, 300)) / 1000 for _ in range(2))
    (u,) = find_displacements(one[None], other[None], 6.0)
    assert np.abs(u[[100, 300]]).max() < 0.5


def test_the_mean_of_two_peaks_lies_between_them_and_is_as_high():
    ends = np.stack([peaks(100, 300), peaks(112, 296)])
    (mean,) = average_aligned(ends[None], np.array([[0.5, 0.5]]), ends[:1], 6.0)
    np.testing.assert_allclose(mean, peaks(106, 298), atol=0.03)
    blended = ends.mean(axis=0)
    truth = peaks(106, 298)
    assert np.linalg.norm(mean - truth) < 0.1 * np.linalg.norm(blended - truth)


def test_width_is_the_full_width_at_half_maximum():
    for width in (5.0, 9.0, 15.0):
        assert measure_peak_width(peaks(100, 300, width=width)[None]) == pytest.approx(
            width, rel=0.05
        )
    assert measure_peak_width(np.ones((1, 50))) > 0


def test_resampling_keeps_the_height_of_narrow_peaks():
    (moved,) = resample_patterns(peaks(100.5, width=4.0)[None], CHANNELS[None] + 0.5)
    np.testing.assert_allclose(moved[90:110], peaks(100, width=4.0)[90:110], atol=3e-3)
