"""Maps of the latents over coordinates."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from figure_helpers import words
from xrdae import DataError
from xrdae.plot.colors import CORNERS, map_two_dimensional


def test_two_latents_are_a_colour_between_four_corners():
    low, high = np.array([0.0, 1.0, 0.0, 1.0, 7.0]), np.array([0.0, 0.0, 1.0, 1.0, 7.0])
    found = map_two_dimensional(low, high) * 255
    np.testing.assert_allclose(found, CORNERS[[0, 1, 2, 3, 3]])
    hexadecimal = ("#f3f3f3", "#f3b300", "#509dc2", "#1a1a1a")
    np.testing.assert_allclose(CORNERS / 255, [to_rgb(c) for c in hexadecimal])
    np.testing.assert_allclose(
        map_two_dimensional(np.array(0.5), np.array(0.5)) * 255, CORNERS.mean(0)
    )


def test_a_map_shows_both_latents_as_colours_at_the_coordinates(grid, ax):
    grid.xrdae.plot.map(ax=ax)
    (image,) = ax.collections
    latent = grid["latent"].values
    low, high = np.nanquantile(latent.reshape(-1, 2), [0.01, 0.99], axis=0)
    scaled = (latent - low) / (high - low)
    shown = image.get_array().reshape(4, 5, 4)
    known = np.isfinite(latent).all(axis=-1)
    expected = map_two_dimensional(scaled[..., 0], scaled[..., 1])
    np.testing.assert_allclose(shown[known][:, :3], expected[known], atol=1e-6)
    np.testing.assert_array_equal(shown[..., 3], known)
    edges = image.get_coordinates()
    np.testing.assert_allclose(edges[0, :, 0], np.arange(6) * 0.5 - 0.25)
    np.testing.assert_allclose(edges[:, 0, 1], np.arange(5) * 0.5 - 0.25)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width (mm)", "height (mm)")
    assert words(ax) == ["without latents"]
    key = ax.figure.axes[1]
    assert (key.get_xlabel(), key.get_ylabel()) == ("latent axis 0", "latent axis 1")
    np.testing.assert_allclose(key.get_xlim(), (low[0], high[0]))


def test_patterns_along_one_dimension_are_markers_at_two_labels(results, ax):
    results.xrdae.plot.map(x="x", y="z", ax=ax)
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets(), np.stack([results["x"], results["z"]], axis=1))
    assert len(np.unique(points.get_facecolors(), axis=0)) > 12


def test_patterns_without_latents_are_crosses_among_markers(grid, ax):
    grid.xrdae.plot.map(x="u", y="y", ax=ax)
    crosses, points = ax.collections
    np.testing.assert_allclose(crosses.get_offsets(), [[1.0, 0.5]])
    assert len(points.get_offsets()) == 19


def test_one_latent_axis_of_a_map_has_a_colour_bar(grid, ax):
    grid.xrdae.plot.map(latent_axes=(1,), ax=ax)
    assert ax.figure.axes[1].get_ylabel() == "latent axis 1"


@pytest.mark.parametrize(
    ("options", "say"),
    [
        ({}, "give two labels, x= and y="),
        ({"x": "x"}, "both x= and y="),
        ({"x": "x", "y": "batch"}, "'batch' is of texts"),
        ({"x": "x", "y": "z", "latent_axes": (0, 2)}, r"\(0, 2\): there is no axis 2"),
    ],
)
def test_what_map_cannot_draw_is_named(results, options, say):
    with pytest.raises(DataError, match=say):
        results.xrdae.plot.map(**options)
