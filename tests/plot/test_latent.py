"""Plots of the latent points."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.dates import date2num

from figure_helpers import TIMES, words
from xrdae import DataError


def test_latent_draws_every_pattern_in_the_colour_of_its_label(series, model, ax):
    out = series.xrdae.encode(model)
    assert out.xrdae.plot.latent(color="x", ax=ax) is ax
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets(), out["latent"].values)
    np.testing.assert_allclose(points.get_array(), series["x"].values)
    assert ax.figure.axes[1].get_ylabel() == "content"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latent axis 0", "latent axis 1")


def test_a_result_may_give_the_colour(results, ax):
    results.xrdae.plot.latent(color="novelty", ax=ax)
    np.testing.assert_array_equal(ax.collections[0].get_array(), results["novelty"])


def test_times_are_coloured_as_dates(results, ax):
    results.xrdae.plot.latent(color="time", ax=ax)
    np.testing.assert_allclose(ax.collections[0].get_array(), date2num(TIMES))
    ax.figure.canvas.draw()
    assert "10:30" in [t.get_text() for t in ax.figure.axes[1].get_yticklabels()]


def test_texts_are_categories_of_different_colours_and_markers(results, ax):
    results.xrdae.plot.latent(color="batch", ax=ax)
    assert words(ax) == ["north", "south", "west"]
    assert ax.get_legend().get_title().get_text() == "batch"
    assert len({tuple(c.get_facecolor()[0]) for c in ax.collections}) == 3
    assert len({len(c.get_paths()[0].vertices) for c in ax.collections}) == 3
    south = results["latent"].values[1::3]
    np.testing.assert_allclose(ax.collections[1].get_offsets(), south)


def test_patterns_whose_label_is_not_known_are_drawn_without_colour(results, ax):
    x = results["x"].where(results["x"] > 0.2)
    results.assign_coords(x=x).xrdae.plot.latent(color="x", ax=ax)
    hollow, coloured = ax.collections
    assert len(hollow.get_offsets()) == int(x.isnull().sum())
    np.testing.assert_allclose(coloured.get_array(), x.dropna("pattern"))
    assert "without content" in words(ax)


def test_latent_draws_maps_of_any_sample_dimensions_and_leaves_empty_patterns_out(grid, ax):
    grid.xrdae.plot.latent(color="x", uncertainty=True, density=True, path="x", ax=ax)
    (points,) = (c for c in ax.collections if c.get_array() is not None and c.get_zorder() == 2)
    shown = np.ma.masked_invalid(points.get_offsets())
    assert shown.shape == (20, 2)
    assert not np.isfinite(np.ma.getdata(shown)[7]).any()


def test_ellipses_have_the_size_of_the_standard_deviation(results, ax):
    results.xrdae.plot.latent(uncertainty=True, ax=ax)
    ellipses = ax.collections[0]
    np.testing.assert_allclose(ellipses.get_widths(), 2 * results["latent_std"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(ellipses.get_heights(), 2 * results["latent_std"][:, 1], rtol=1e-5)
    np.testing.assert_allclose(ellipses.get_offsets(), results["latent"])


def test_density_lies_behind_the_patterns_and_most_of_them_in_it(alloy, ax):
    alloy[0].xrdae.plot.latent(density=True, ax=ax)
    contours, points = sorted(ax.collections, key=lambda c: c.get_zorder())
    held = np.mean(
        [any(p.contains_point(x) for p in contours.get_paths()) for x in points.get_offsets()]
    )
    assert 0.9 <= held <= 1


def test_a_path_goes_through_the_patterns_in_order_with_arrows_in_its_direction(results, ax):
    latent = results["latent"].values
    results.isel(pattern=slice(None, None, -1)).xrdae.plot.latent(path="x", ax=ax)
    np.testing.assert_allclose(np.transpose(ax.lines[0].get_data()), latent)
    arrows = [t for t in ax.texts if t.arrow_patch is not None]
    assert len(arrows) >= 4
    for arrow in arrows:
        start, tip = np.array(arrow.get_position()), np.array(arrow.xy)
        i = int(np.abs(latent - start).sum(axis=1).argmin())
        np.testing.assert_allclose(tip, (latent[i] + latent[i + 1]) / 2, atol=1e-6)


def test_a_path_in_the_order_of_the_dataset_needs_one_sample_dimension(results, grid, ax):
    results.xrdae.plot.latent(path=True, ax=ax)
    np.testing.assert_allclose(np.transpose(ax.lines[0].get_data()), results["latent"])
    with pytest.raises(DataError, match="one sample dimension"):
        grid.xrdae.plot.latent(path=True)


def test_one_latent_axis_is_drawn_against_the_order(ax):
    latent = np.sin(np.arange(9.0))[:, None]
    dataset = xr.Dataset({"latent": (("pattern", "latent_axis"), latent)})
    dataset["latent_std"] = dataset["latent"] * 0 + 0.1
    dataset.xrdae.plot.latent(uncertainty=True, density=True, path=True, ax=ax)
    points = max(ax.collections, key=lambda c: c.get_zorder())
    np.testing.assert_allclose(points.get_offsets()[:, 1], np.arange(9))
    assert "order" in ax.get_ylabel()


@pytest.mark.parametrize(
    ("options", "say"),
    [
        ({"color": "number"}, "24 different texts; at most 8"),
        ({"color": "nothing"}, "no 'nothing' along .*'batch'"),
        ({"color": "relevance"}, r"'relevance' lies along \['pattern', 'region'\]"),
        ({"path": "batch"}, "'batch' is of texts"),
    ],
)
def test_what_latent_cannot_draw_is_named(results, options, say):
    with pytest.raises(DataError, match=say):
        results.xrdae.plot.latent(**options)


def test_a_density_of_one_point_is_refused(results):
    with pytest.raises(DataError, match="differ along every axis"):
        results.isel(pattern=[0]).xrdae.plot.latent(density=True)
