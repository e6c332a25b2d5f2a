import dataclasses
import warnings
from itertools import combinations
from pathlib import Path

import matplotlib
import matplotlib.text
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.dates import date2num
from matplotlib.figure import Figure

import xrdae
from xrdae import DataError
from xrdae.convention.patterns import find_patterns
from xrdae.plot.colors import CORNERS, map_two_dimensional
from xrdae.plot.phases import find_rows, format_indices
from xrdae.plot.relevance import find_cells
from xrdae.simulate import alloy_series

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"
TIMES = np.datetime64("2024-01-01T10:00", "ns") + np.arange(24) * np.timedelta64(7, "m")


def new_figure(**options) -> Figure:
    """A figure that can be rendered, and that pyplot does not know."""
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


@pytest.fixture
def ax():
    return new_figure(layout="constrained").add_subplot()


@pytest.fixture(scope="module")
def results(series, model):
    """The series with all results, and labels of several kinds."""
    labelled = series.assign_coords(
        z=("pattern", np.arange(24) % 5, {"units": "mm"}),
        time=("pattern", TIMES),
        batch=("pattern", [["north", "south", "west"][i % 3] for i in range(24)]),
        number=("pattern", [f"s{i}" for i in range(24)]),
    )
    out = labelled.xrdae.encode(model).xrdae.relevance(model)
    return out.xrdae.estimate(model, "x")


@pytest.fixture(scope="module")
def grid(series, model):
    """A map of 4 x 5 patterns with results; the one at (1, 2) is empty."""
    empty = xr.DataArray(np.arange(24) == 7, dims="pattern")
    patterns = series.assign(intensity=series["intensity"].where(~empty))
    out = patterns.isel(pattern=slice(20)).coarsen(pattern=5).construct(pattern=("y", "u"))
    out = out.set_coords("x").assign_coords(
        y=("y", [0.0, 0.5, 1.0, 1.5], {"units": "mm", "long_name": "height"}),
        u=("u", np.arange(5) * 0.5, {"units": "mm", "long_name": "width"}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return out.xrdae.encode(model).xrdae.relevance(model).xrdae.estimate(model, "x").compute()


@pytest.fixture(scope="module")
def alloy():
    """A small alloy series with all results, and its model."""
    series = alloy_series(
        np.linspace(0, 2, 6),
        zr=np.linspace(0, 0.5, 5),
        iron=0.15,
        two_theta=np.linspace(20, 80, 1000),
    )
    model = series.xrdae.fit(steps=300, members=4, progress=False)
    out = series.xrdae.encode(model).xrdae.relevance(model).xrdae.estimate(model, "ti")
    return out, model


def words(ax) -> list[str]:
    """What is written in the axes, and in its legend."""
    legend = ax.get_legend()
    return [t.get_text() for t in (*ax.texts, *(legend.get_texts() if legend else ()))]


def annotation(ax, text: str):
    (found,) = (t for t in ax.texts if t.get_text() == text)
    return found


# -- latent


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
    grid.xrdae.plot.latent(color="x", uncertainty=True, density=True, clusters=2, path="x", ax=ax)
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


def test_clusters_are_numbered_from_left_to_right_and_outlined_at_two_sigma(ax):
    rng = np.random.default_rng(0)
    centers = np.array([[4.0, 0.0], [0.0, 0.0], [2.0, 3.0]])
    latent = np.concatenate([c + 0.2 * rng.normal(size=(200, 2)) for c in centers])
    dataset = xr.Dataset({"latent": (("pattern", "latent_axis"), latent)})
    dataset.xrdae.plot.latent(clusters=3, ax=ax)
    assert words(ax) == ["1", "2", "3"]
    places = np.array([text.get_position() for text in ax.texts])
    np.testing.assert_allclose(places, centers[[1, 2, 0]], atol=0.05)
    for outline in ax.patches:
        assert outline.width == pytest.approx(0.8, rel=0.2)
        assert outline.height == pytest.approx(0.8, rel=0.2)


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
    dataset.xrdae.plot.latent(uncertainty=True, density=True, clusters=2, path=True, ax=ax)
    points = max(ax.collections, key=lambda c: c.get_zorder())
    np.testing.assert_allclose(points.get_offsets()[:, 1], np.arange(9))
    assert "order" in ax.get_ylabel()
    assert [w for w in words(ax) if w] == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "say"),
    [
        ({"color": "number"}, "24 different texts; at most 8"),
        ({"color": "nothing"}, "no 'nothing' along .*'batch'"),
        ({"color": "relevance"}, r"'relevance' lies along \['pattern', 'region'\]"),
        ({"path": "batch"}, "'batch' is of texts"),
        ({"clusters": 25}, "clusters=25 for 24 patterns"),
    ],
)
def test_what_latent_cannot_draw_is_named(results, options, say):
    with pytest.raises(DataError, match=say):
        results.xrdae.plot.latent(**options)


def test_a_density_of_one_point_is_refused(results):
    with pytest.raises(DataError, match="differ along every axis"):
        results.isel(pattern=[0]).xrdae.plot.latent(density=True)


# -- relevance


def test_relevance_shades_every_region_darker_where_it_is_more_relevant(series, results, ax):
    results.xrdae.plot.relevance(ax=ax, pattern=3)
    relevance = results["relevance"].isel(pattern=3).values
    assert len(ax.patches) == results.sizes["region"]
    lightness = np.array([np.sum(patch.get_facecolor()[:3]) for patch in ax.patches])
    np.testing.assert_array_equal(np.argsort(-lightness), np.argsort(relevance))
    np.testing.assert_allclose([p.get_x() for p in ax.patches], results["region_start"])
    assert ax.get_xlabel() == "angle (degree)"
    assert ax.get_ylabel() == "intensity (counts)"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), series["intensity"][3])
    bar = ax.figure.axes[1]
    assert bar.get_ylim() == pytest.approx((0, relevance.max()))


def test_without_a_pattern_the_mean_of_all_is_drawn(series, results, ax):
    results.xrdae.plot.relevance(ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), series["intensity"].mean("pattern"))
    assert "mean of 24" in ax.get_ylabel()
    (arrows,) = (c for c in ax.collections if hasattr(c, "U"))
    shift = results["latent_shift"].mean("pattern")
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], axis=1), shift, rtol=1e-5)
    np.testing.assert_allclose(arrows.X, results["region_center"])
    longest = np.linalg.norm(shift, axis=1).max()
    assert f"{longest:.2g}" in ax.get_title(loc="left")


def test_a_pattern_of_a_map_is_a_dict_of_positions(grid, ax):
    grid.xrdae.plot.relevance(pattern={"y": 2, "u": -1}, ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), grid["intensity"][2, -1])
    with pytest.raises(DataError, match="give a dict"):
        grid.xrdae.plot.relevance(pattern=3)
    with pytest.raises(DataError, match="'y' has 4 positions"):
        grid.xrdae.plot.relevance(pattern={"y": 4, "u": 0})


def test_an_empty_pattern_is_drawn_without_shades(grid, ax):
    grid.xrdae.plot.relevance(pattern={"y": 1, "u": 2}, ax=ax)
    ax.figure.canvas.draw()
    assert not ax.patches


def test_where_regions_overlap_their_mean_is_drawn():
    bounds = np.array([[0.0, 2.0], [1.0, 3.0], [5.0, 6.0]])
    found = find_cells(bounds, np.array([1.0, 3.0, np.nan]))
    assert found == [(0, 1, 1), (1, 2, 2), (2, 3, 3)]


def test_contrary_regions_are_named_where_they_are(results, ax):
    out = results.isel(region=slice(0, 5)).copy()
    height = np.array([5.0, 1.0, 3.0, 2.0, 4.0])
    start, stop = (out[f"region_{end}"].values[:, None] for end in ("start", "stop"))
    angle = out["two_theta"].values
    pattern = (height[:, None] * ((angle > start + 1) & (angle < stop - 1))).sum(axis=0)
    out["intensity"] = out["intensity"] * 0 + xr.DataArray(pattern, dims="two_theta")
    out["relevance_excess"] = out["relevance_excess"] * 0 + xr.DataArray(
        [-0.5, 0.2, 0.1, 0.9, 0.3], dims="region"
    )
    out.xrdae.plot.relevance(ax=ax)
    for name, region in (("strong but irrelevant", 0), ("weak but relevant", 3)):
        x, y = annotation(ax, name).xy
        assert float(start[region, 0]) <= x <= float(stop[region, 0])
        assert y == pytest.approx(height[region])


def test_reflections_of_phases_are_marked_at_their_angles(alloy, ax):
    out, _ = alloy
    out.xrdae.plot.relevance(phases={"bcc": STRUCTURES / "iron.cif"}, ax=ax)
    (ticks,) = (c for c in ax.collections if not hasattr(c, "U"))
    found = [segment[0][0] for segment in ticks.get_segments()]
    d = 2.8665 / np.sqrt([2, 4])
    np.testing.assert_allclose(found, 2 * np.degrees(np.arcsin(1.5406 / 2 / d)), atol=1e-6)
    assert {"bcc", "110", "200"} <= set(words(ax))
    assert annotation(ax, "110").get_position()[0] == pytest.approx(found[0])
    assert ticks.get_segments()[0][1][1] < 0  # below the pattern


def test_on_two_theta_phases_need_the_wavelength_and_on_q_and_d_they_do_not(series, results):
    bare = results.drop_vars("wavelength")
    with pytest.raises(DataError, match="needs the wavelength"):
        bare.xrdae.plot.relevance(phases=STRUCTURES / "iron.cif")
    d = 2.8665 / np.sqrt(2)
    for kind, values, expected in (("q", np.linspace(1, 6, 200), 2 * np.pi / d),
                                   ("d", np.linspace(1, 6, 200), d)):  # fmt: skip
        units = {"q": "1/angstrom", "d": "angstrom"}[kind]
        patterns = xr.Dataset(
            {"intensity": (("pattern", kind), series["intensity"].values)},
            {kind: (kind, values, {"units": units})},
        )
        (row,) = find_rows(STRUCTURES / "iron.cif", find_patterns(patterns))
        np.testing.assert_array_equal(row.hkl[np.argmax(row.strength)], [1, 1, 0])
        assert row.positions[np.argmax(row.strength)] == pytest.approx(expected)


def test_indices_below_zero_have_a_bar():
    assert format_indices(np.array([1, 0, 4])) == "104"
    assert format_indices(np.array([1, -1, 2])) == r"$\mathregular{1\,\bar{1}\,2}$"


# -- relevance_map


def test_a_relevance_map_shows_every_profile_in_the_order_of_a_label(results, ax):
    shuffled = results.isel(pattern=np.random.default_rng(0).permutation(24))
    shuffled.xrdae.plot.relevance_map(y="x", ax=ax)
    (image,) = ax.collections
    np.testing.assert_allclose(image.get_array(), results["relevance_profile"])
    edges = image.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose((edges[1:] + edges[:-1]) / 2, results["x"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("angle (degree)", "content")


def test_patterns_of_equal_labels_get_a_row_each(results, ax):
    results.xrdae.plot.relevance_map(y="z", ax=ax)
    (image,) = ax.collections
    order = np.argsort(results["z"].values, kind="stable")
    np.testing.assert_allclose(image.get_array(), results["relevance_profile"][order])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2", "3", "4"]
    assert ax.get_ylabel() == "z (mm)"


def test_several_sample_dimensions_are_stacked_in_a_relevance_map(grid, ax):
    grid.xrdae.plot.relevance_map(ax=ax)
    assert ax.collections[0].get_array().shape == (20, 200)
    assert ax.get_ylabel() == "y, u (stacked)"


# -- synthesis


def test_synthesis_draws_the_ends_the_blends_and_the_synthesized_from_bottom_to_top(
    series, model, ax
):
    out = series.xrdae.synthesize(model, between=(2, 20), n=3)
    out.xrdae.plot.synthesis(ax=ax)
    lines = [line.get_ydata() for line in ax.lines]
    assert len(lines) == 3 + 3 + 2
    blends, synthesized, ends = lines[:3], lines[3:6], lines[6:]
    measured = series["intensity"].values[[2, 20]]
    step = (ends[1] - measured[1]).mean() / 4
    np.testing.assert_allclose(ends[0], measured[0])
    np.testing.assert_allclose(ends[1], measured[1] + 4 * step)
    for i in range(3):
        f = (i + 1) / 4
        blend = (1 - f) * measured[0] + f * measured[1]
        np.testing.assert_allclose(blends[i], blend + (i + 1) * step)
        np.testing.assert_allclose(synthesized[i], out["synthesized"][i] + (i + 1) * step)
    assert words(ax) == ["linear blend of the ends", "synthesized", "measured"]
    assert [ax.lines[i].get_linestyle() for i in (0, 3, 6)] == ["--", "-", "-"]
    side = ax.child_axes[0]
    x = np.linspace(series["x"].values[2], series["x"].values[20], 5)
    assert [t.get_text() for t in side.get_yticklabels()] == [f"{v:.3g}" for v in x]
    assert side.get_ylabel() == "content"


def test_with_end_points_these_lie_on_the_measured_ends(series, model, ax):
    series.xrdae.synthesize(model, between=(0, 20), n=1, endpoints=True).xrdae.plot.synthesis(ax=ax)
    first, last = ax.lines[3].get_ydata(), ax.lines[5].get_ydata()
    np.testing.assert_allclose(first, ax.lines[6].get_ydata(), atol=300)
    np.testing.assert_allclose(last, ax.lines[7].get_ydata(), atol=300)


def test_without_labels_the_text_is_the_part_of_the_way(series, model, ax):
    series.drop_vars("x").xrdae.synthesize(model, between=(0, 20), n=3).xrdae.plot.synthesis(ax=ax)
    side = ax.child_axes[0]
    assert [t.get_text() for t in side.get_yticklabels()] == ["0", "0.25", "0.5", "0.75", "1"]


def test_at_labels_the_nearest_measured_pattern_lies_behind(series, model, ax):
    x = series["x"].values
    out = series.xrdae.encode(model).xrdae.synthesize(model, at={"x": [x[3] + 1e-3, x[15]]})
    out.xrdae.plot.synthesis(ax=ax)
    nearest, synthesized = ax.lines[:2], ax.lines[2:]
    for i, position in enumerate((3, 15)):
        offset = synthesized[i].get_ydata() - out["synthesized"].values[i]
        np.testing.assert_allclose(nearest[i].get_ydata() - offset, series["intensity"][position])
    assert words(ax) == ["nearest measured pattern", "synthesized"]


def test_synthesized_patterns_alone_can_be_drawn(series, model, ax):
    model.synthesize(series, between=(0, 20), n=12).xrdae.plot.synthesis(ax=ax)
    assert len(ax.lines) == 12
    assert len(ax.child_axes[0].get_yticks()) <= 10


# -- training, estimate, novelty


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


# -- map


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
        ({"x": "x", "y": "z", "latent_axes": (0, 2)}, r"\(0, 2\) are no one or two of 2"),
    ],
)
def test_what_map_cannot_draw_is_named(results, options, say):
    with pytest.raises(DataError, match=say):
        results.xrdae.plot.map(**options)


# -- all of them


CALLS = {
    "latent": ({}, r"encode\(model\)"),
    "relevance": ({}, r"relevance\(model\)"),
    "relevance_map": ({}, r"relevance\(model\)"),
    "synthesis": ({}, r"synthesize\(model, \.\.\.\)"),
    "estimate": ({"label": "x"}, r"estimate\(model, 'x'\)"),
    "map": ({}, r"encode\(model\)"),
    "novelty": ({}, r"encode\(model\)"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_plot_without_its_result_says_which_call_attaches_it(series, kind):
    options, call = CALLS[kind]
    with pytest.raises(DataError, match=rf"attach it first: ds\.xrdae\.{call}"):
        getattr(series.xrdae.plot, kind)(**options)


@pytest.mark.parametrize("kind", CALLS)
def test_lazy_results_look_like_those_in_memory_and_stay_lazy(series, model, kind):
    options = CALLS[kind][0] | ({"x": "x", "y": "z"} if kind == "map" else {})
    pictures = []
    for patterns in (series, series.chunk(pattern=5)):
        out = patterns.assign_coords(z=("pattern", np.arange(24) % 5))
        out = out.xrdae.encode(model).xrdae.relevance(model).xrdae.estimate(model, "x")
        out = out.xrdae.synthesize(model, between=(0, 9), n=2)
        ax = new_figure().add_subplot()
        getattr(out.xrdae.plot, kind)(ax=ax, **options)
        ax.figure.canvas.draw()
        pictures.append(np.asarray(ax.figure.canvas.buffer_rgba()).astype(int))
    assert out["latent"].chunks is not None
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.5


def test_without_ax_there_is_a_new_figure_and_settings_stay(series, model):
    before = dict(matplotlib.rcParams)
    drawn = series.xrdae.encode(model).xrdae.plot.latent()
    assert drawn.figure is not None
    assert dict(matplotlib.rcParams) == before
    pyplot.close(drawn.figure)


def test_with_ax_pyplot_knows_of_no_figure(grid, ax):
    before = pyplot.get_fignums()
    grid.xrdae.plot.map(ax=ax)
    grid.xrdae.plot.novelty(ax=new_figure().add_subplot())
    assert pyplot.get_fignums() == before


def test_the_dataset_is_not_changed(results):
    before = results.copy(deep=True)
    results.xrdae.plot.latent(color="x", ax=new_figure().add_subplot())
    results.xrdae.plot.relevance(ax=new_figure().add_subplot())
    xr.testing.assert_identical(results, before)


PICTURES = {
    "latent": lambda out, model, ax: out.xrdae.plot.latent(color="ti", clusters=3, ax=ax),
    "latent by text": lambda out, model, ax: out.assign_coords(
        name=("pattern", np.where(out["ti"] > 1, "much titanium in this sample", "little"))
    ).xrdae.plot.latent(color="name", density=True, ax=ax),
    "relevance": lambda out, model, ax: out.xrdae.plot.relevance(
        phases=[STRUCTURES / "alloy.cif", STRUCTURES / "iron.cif"], ax=ax
    ),
    "relevance of one": lambda out, model, ax: out.xrdae.plot.relevance(
        pattern=4, phases=STRUCTURES / "corundum.cif", ax=ax
    ),
    "relevance_map": lambda out, model, ax: out.xrdae.plot.relevance_map(y="ti", ax=ax),
    "synthesis": lambda out, model, ax: out.xrdae.synthesize(
        model, between=(0, 29), n=5
    ).xrdae.plot.synthesis(ax=ax),
    "many synthesized": lambda out, model, ax: out.xrdae.synthesize(
        model, between=(0, 29), n=30
    ).xrdae.plot.synthesis(ax=ax),
    "training": lambda out, model, ax: out.xrdae.plot.training(model, ax=ax),
    "estimate": lambda out, model, ax: out.xrdae.plot.estimate("ti", ax=ax),
    "map": lambda out, model, ax: out.xrdae.plot.map(x="ti", y="zr", ax=ax),
    "novelty": lambda out, model, ax: out.xrdae.plot.novelty(ax=ax),
}


def drawn_texts(figure, monkeypatch) -> list[tuple[str, object]]:
    """The texts that a figure draws, with the boxes that they fill."""
    found = []
    draw = matplotlib.text.Text.draw

    def recorded(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            box = matplotlib.text.Text.get_window_extent(text, renderer)
            found.append((text.get_text(), box))
        return draw(text, renderer, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(matplotlib.text.Text, "draw", recorded)
        figure.canvas.draw()
    return found


@pytest.mark.parametrize("layout", ["constrained", None])
@pytest.mark.parametrize("name", PICTURES)
def test_no_text_overlaps_another_or_is_cut(alloy, name, layout, monkeypatch):
    figure = new_figure(figsize=(7, 5), layout=layout)
    PICTURES[name](*alloy, figure.add_subplot())
    figure.canvas.draw()
    texts = drawn_texts(figure, monkeypatch)
    assert len(texts) > 5
    for text, box in texts:
        inside = figure.bbox.padded(1)
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1, f"{text!r} is cut"  # noqa: PT018
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1, f"{text!r} is cut"  # noqa: PT018
    for (one, a), (other, b) in combinations(texts, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one!r} overlaps {other!r}"


def test_a_picture_of_a_map_has_no_overlapping_texts_either(grid, monkeypatch):
    figure = new_figure(layout="constrained")
    grid.xrdae.plot.map(ax=figure.add_subplot())
    texts = drawn_texts(figure, monkeypatch)
    for (one, a), (other, b) in combinations(texts, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one!r} overlaps {other!r}"


# -- axes that are not of diffraction, categories, order, signs


@pytest.fixture(scope="module")
def spectra():
    """Photoelectron spectra that run from high to low energies, with categories, and all results.

    The labels along the sample dimension go up and down again; one spectrum is empty.
    """
    energy, part = np.linspace(296.0, 280.0, 161), np.linspace(0, 1, 21)
    centre = np.array([284.8, 289.0, 293.0]) + np.array([0.2, 0.5, 0.9]) * part[:, None]
    height = np.array([1.0, 0.5, 0.3]) * (1 + np.array([0.0, 0.8, -0.5]) * part[:, None])
    shape = np.exp(-(((energy - centre[..., None]) / 0.5) ** 2))
    counts = np.random.default_rng(0).poisson(1e3 * (height[..., None] * shape).sum(1) + 20.0)
    intensity = counts.astype(float)
    intensity[7] = np.nan
    dataset = xr.Dataset(
        {"intensity": (("T", "binding_energy"), intensity, {"units": "counts"})},
        {
            "binding_energy": ("binding_energy", energy, {"units": "eV", "long_name": "energy"}),
            "T": ("T", 300.0 + 10 * np.minimum(np.arange(21), np.arange(21)[::-1]), {"units": "K"}),
            "part": ("T", part),
            "oxidized": ("T", part > 0.5),
            "state": ("T", np.arange(21) % 3 * 4 - 1, {
                "flag_values": [-1, 3, 7], "flag_meanings": "washed as_grown annealed",
            }),
        },
    )  # fmt: skip
    whole = dataset.isel(T=np.arange(21) != 7)
    model = whole.xrdae.fit(steps=100, members=3, progress=False)
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        out = dataset.xrdae.encode(model).xrdae.relevance(model)
    return out.compute(), model


def test_an_axis_that_is_not_of_diffraction_is_drawn_in_its_direction(spectra):
    out, model = spectra
    out = out.xrdae.synthesize(model, between=(3, 12), n=2)
    for draw in ("relevance", "relevance_map", "synthesis"):
        ax = new_figure().add_subplot()
        getattr(out.xrdae.plot, draw)(ax=ax)
        left, right = ax.get_xlim()
        assert left > 295, draw
        assert right < 281, draw
        assert ax.get_xlabel() == "energy (eV)"


def test_profiles_of_a_descending_axis_lie_where_their_energies_are(spectra, ax):
    out, _ = spectra
    energy = out["binding_energy"].values
    out.xrdae.plot.relevance(pattern=4, ax=ax)
    x, y = ax.lines[0].get_data()
    order = np.argsort(x)
    np.testing.assert_array_equal(x[order], energy[::-1])
    np.testing.assert_array_equal(y[order], out["intensity"].values[4][::-1])
    np.testing.assert_allclose([p.get_x() for p in ax.patches], np.sort(out["region_start"]))
    ax = new_figure().add_subplot()
    out.xrdae.plot.relevance_map(ax=ax)
    (image,) = ax.collections
    middle = image.get_coordinates()[0, :, 0]
    order = np.argsort((middle[1:] + middle[:-1]) / 2)
    np.testing.assert_array_equal(
        image.get_array()[:, order], out["relevance_profile"].values[:, ::-1]
    )


@pytest.mark.parametrize("kind", ["binding_energy", "two_theta"])
def test_a_waterfall_of_a_descending_axis_shows_its_own_ends(spectra, series, model, kind, ax):
    out, fitted = (
        spectra
        if kind == "binding_energy"
        else (series.isel(two_theta=slice(None, None, -1)), model)
    )
    out = out.xrdae.synthesize(fitted, between=(2, 12), n=1)
    out.xrdae.plot.synthesis(ax=ax)
    blend, middle, first, last = (line.get_data() for line in ax.lines)
    x = out[kind].values
    measured = out["intensity"].values[[2, 12]]
    for drawn, expected in (
        (first, measured[0]),
        (last, measured[1]),
        (blend, measured.mean(axis=0)),
        (middle, out["synthesized"].values[0]),
    ):
        y = np.interp(x, *(values[np.argsort(drawn[0])] for values in drawn))
        np.testing.assert_allclose(y - y.mean(), expected - expected.mean(), atol=1e-6)
    is_inverted = ax.get_xlim()[0] > ax.get_xlim()[1]
    assert is_inverted == (kind == "binding_energy")


def test_phases_are_refused_where_there_are_no_reflections(spectra):
    with pytest.raises(DataError, match=r"binding_energy \[eV\] is none of these"):
        spectra[0].xrdae.plot.relevance(phases=STRUCTURES / "iron.cif")


@pytest.mark.parametrize(
    ("label", "names"),
    [("oxidized", ["False", "True"]), ("state", ["washed", "as_grown", "annealed"])],
)
def test_truth_values_and_flags_are_categories_with_their_names(spectra, label, names, ax):
    out, _ = spectra
    out.xrdae.plot.latent(color=label, ax=ax)
    assert words(ax) == names
    assert len(ax.figure.axes) == 1  # no colour bar
    colors = {tuple(points.get_facecolor()[0]) for points in ax.collections}
    assert len(colors) == len(names)
    with pytest.raises(DataError, match=f"'{label}' is of texts or other categories"):
        out.xrdae.plot.relevance_map(y=label)


def test_repeated_labels_along_the_patterns_do_not_move_them(spectra, ax):
    out, _ = spectra
    out.xrdae.plot.relevance_map(ax=ax)
    assert ax.get_ylabel() == "position along T"
    profile = out["relevance_profile"].values[:, ::-1]
    np.testing.assert_array_equal(ax.collections[0].get_array(), profile)
    ax = new_figure().add_subplot()
    out.xrdae.plot.novelty(ax=ax)
    usual = ax.collections[0].get_offsets()
    np.testing.assert_allclose(usual[:, 1], out["novelty"].values[usual[:, 0].astype(int)])


def test_signed_patterns_are_drawn_completely(series, ax):
    signed = series.assign(intensity=(series["intensity"] - series["intensity"].mean()) / 1e5)
    model = signed.xrdae.fit(scale="std", steps=50, members=2, progress=False)
    out = signed.xrdae.relevance(model).xrdae.synthesize(model, between=(0, 9), n=2)
    out.xrdae.plot.relevance(pattern=2, ax=ax)
    drawn = ax.lines[0].get_ydata()
    low, high = ax.get_ylim()
    assert low <= drawn.min() < 0 < drawn.max() <= high
    assert np.ptp(drawn) > 0.5 * (high - low)  # of any unit: it fills the axes
    waterfall = new_figure().add_subplot()
    out.xrdae.plot.synthesis(ax=waterfall)
    lowest = min(line.get_ydata().min() for line in waterfall.lines)
    assert waterfall.get_ylim()[0] <= lowest < 0


def test_negative_spectra_are_drawn_completely(series, ax):
    dips = series.assign(intensity=-series["intensity"])
    model = dips.xrdae.fit(scale="none", steps=50, members=2, progress=False)
    dips.xrdae.relevance(model).xrdae.plot.relevance(ax=ax)
    drawn = ax.lines[0].get_ydata()
    assert ax.get_ylim()[0] <= drawn.min()
    assert ax.get_ylim()[1] > drawn.max()


def test_an_empty_pattern_leaks_no_warning_of_numpy(spectra):
    out, model = spectra
    out = out.xrdae.synthesize(model, between=(3, 12), n=2)
    empty = out.isel(T=[7]).assign(synthesized=(out["synthesized"] * np.nan).drop_attrs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dataset in (out, empty):
            plot = dataset.xrdae.plot
            for draw in ("latent", "relevance", "relevance_map", "novelty", "synthesis"):
                axes = new_figure().add_subplot()
                getattr(plot, draw)(ax=axes)
                axes.figure.canvas.draw()
            plot.relevance(pattern=0 if dataset is empty else 7, ax=new_figure().add_subplot())
            plot.map(x="part", y="T", ax=new_figure().add_subplot())


def test_patterns_with_a_wavelength_each_are_drawn_over_q(series, ax):
    wavelength = ("pattern", np.where(np.arange(24) % 2, 1.5406, 1.54), {"units": "angstrom"})
    dataset = series.assign_coords(wavelength=wavelength)
    model = dataset.xrdae.fit(steps=50, members=2, progress=False)
    out = dataset.xrdae.encode(model).xrdae.relevance(model)
    out.xrdae.plot.relevance(pattern=3, ax=ax)
    assert ax.get_xlabel() == "momentum transfer (1/angstrom)"
    x, y = ax.lines[0].get_data()
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values) / 2) / 1.5406
    known = np.isfinite(y)
    np.testing.assert_allclose(
        y[known], np.interp(x[known], q, series["intensity"].values[3]), rtol=0.1, atol=30
    )
    out.xrdae.plot.relevance(phases=STRUCTURES / "iron.cif", ax=new_figure().add_subplot())
    out.xrdae.plot.relevance_map(y="x", ax=new_figure().add_subplot())
    out = out.xrdae.synthesize(model, between=(2, 20), n=2)
    waterfall = new_figure().add_subplot()
    out.xrdae.plot.synthesis(ax=waterfall)
    assert waterfall.get_xlabel() == "momentum transfer (1/angstrom)"
    assert len(waterfall.lines) == 2 + 2 + 2
    assert np.isfinite(waterfall.lines[4].get_ydata()).mean() > 0.9
    model.synthesize(dataset, at={"x": [0.4]}).xrdae.plot.synthesis(ax=new_figure().add_subplot())
