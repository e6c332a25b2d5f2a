"""Plots of relevance: one pattern, reflections of phases, and all patterns as a map."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection, PolyCollection

from figure_helpers import STRUCTURES, annotation, new_figure, words
from xrdae import DataError
from xrdae.convention.patterns import find_patterns
from xrdae.plot.phases import find_rows, format_indices
from xrdae.plot.relevance import find_cells


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
    set_verdicts(out, "relevance_verdict", "region_change", [-1, 1, 0, 1, 2], [0, 1, 1, 3, 0])
    out.xrdae.plot.relevance(ax=ax)
    for name, region in (("strong but irrelevant", 0), ("weak but relevant", 3)):
        x, y = annotation(ax, name).xy
        assert float(start[region, 0]) <= x <= float(stop[region, 0])
        assert y == pytest.approx(height[region])


def set_verdicts(dataset, verdict, change, values, changes):
    """Replace verdicts and changes of regions."""
    dataset[verdict] = dataset[verdict].copy(data=np.array(values, np.int8))
    dataset[change] = dataset[change].copy(data=np.array(changes, float))


def find_symbols(ax):
    """Return the positions of the symbols of each verdict."""
    rows = [c for c in ax.collections if isinstance(c, PathCollection)]
    return {c.get_label(): c.get_offsets()[:, 0].tolist() for c in rows}


def test_every_region_has_the_symbol_of_its_verdict_and_a_shade_of_its_deviation(results, ax):
    out = results.isel(region=slice(0, 5)).copy()
    set_verdicts(out, "relevance_verdict", "region_change", [1, -1, 0, 2, 1], np.ones(5))
    out.xrdae.plot.relevance(ax=ax)
    a, b, c, d, e = out["region_center"].values.tolist()
    expected = {"relevant": [a, e], "irrelevant": [b], "undecided": [c], "varies alone": [d]}
    assert find_symbols(ax) == expected
    for word in ("● relevant", "○ irrelevant", "· undecided", "◆ varies alone"):
        assert word in ax.get_title(loc="left")
    polygons = (c for c in ax.collections if isinstance(c, PolyCollection))
    (shades,) = (c for c in polygons if not hasattr(c, "U"))
    lightness = shades.get_facecolor()[:, :3].sum(axis=1)
    np.testing.assert_array_equal(np.argsort(-lightness), np.argsort(out["region_std"]))


def test_with_a_label_symbols_and_names_are_those_of_its_verdicts(series, model, ax):
    out = series.xrdae.relevance(model, label="x")
    set_verdicts(out, "x_verdict", "x_change", [-1, 0, 0, 1, 0], [0, 0, 0, 10, 0])
    out.xrdae.plot.relevance(label="x", ax=ax)
    center = out["region_center"].values
    assert find_symbols(ax)["irrelevant"] == [center[0]]
    assert find_symbols(ax)["relevant"] == [center[3]]
    assert "undecided for x" in ax.get_title(loc="left")
    assert annotation(ax, "strong but irrelevant for x").xy[0] < center[1]
    with pytest.raises(DataError, match=r"no 'z_verdict'.*relevance\(model, label='z'\)"):
        out.xrdae.plot.relevance(label="z")


def test_results_without_verdicts_are_drawn_without_symbols_and_names(results, ax):
    old = results.drop_vars(["region_change", "region_std", "relevance_verdict"])
    old.xrdae.plot.relevance(ax=ax)
    old.xrdae.plot.relevance_map(ax=new_figure().add_subplot())
    assert not find_symbols(ax)
    assert len(ax.patches) == old.sizes["region"]
    assert not [t for t in words(ax) if "relevant" in t]


def test_reflections_of_phases_are_marked_at_their_angles(alloy, ax):
    out, _ = alloy
    out.xrdae.plot.relevance(phases={"bcc": STRUCTURES / "iron.cif"}, ax=ax)
    (ticks,) = (c for c in ax.collections if isinstance(c, LineCollection))
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


def test_a_relevance_map_shows_every_profile_in_the_order_of_a_label(results, ax):
    shuffled = results.isel(pattern=np.random.default_rng(0).permutation(24))
    shuffled.xrdae.plot.relevance_map(y="x", ax=ax)
    image = ax.collections[0]
    np.testing.assert_allclose(image.get_array(), results["relevance_profile"])
    edges = image.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose((edges[1:] + edges[:-1]) / 2, results["x"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("angle (degree)", "content")


def test_patterns_of_equal_labels_get_a_row_each(results, ax):
    results.xrdae.plot.relevance_map(y="z", ax=ax)
    image = ax.collections[0]
    order = np.argsort(results["z"].values, kind="stable")
    np.testing.assert_allclose(image.get_array(), results["relevance_profile"][order])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2", "3", "4"]
    assert ax.get_ylabel() == "z (mm)"


def test_several_sample_dimensions_are_stacked_in_a_relevance_map(grid, ax):
    grid.xrdae.plot.relevance_map(ax=ax)
    assert ax.collections[0].get_array().shape == (20, 200)
    assert ax.get_ylabel() == "y, u (stacked)"
