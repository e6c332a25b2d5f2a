"""Every pair of latent axes, and the choice of the axes that a plot shows."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot

from figure_helpers import TIMES, drawn_texts, new_figure, words
from xrdae import DataError


def make_latents(n, patterns=24):
    """Latents with labels; axis 0 varies the most, and pattern 3 has no latents."""
    latent = np.random.default_rng(0).normal(size=(patterns, n)) / (1 + 0.3 * np.arange(n))
    latent[3] = np.nan
    where = ("pattern", np.arange(patterns))
    return xr.Dataset(
        {"latent": (("pattern", "latent_axis"), latent)},
        {
            "latent_axis": np.arange(n),
            "x": ("pattern", where[1] / 10, {"long_name": "Ti content of the film", "units": "1"}),
            "part": ("pattern", np.where(where[1] < 5, np.nan, where[1])),
            "batch": ("pattern", np.array(["north, a long name", "south", "west"])[where[1] % 3]),
            "place": ("pattern", np.array(["", "left", "right"])[where[1] % 3]),
            "time": ("pattern", np.resize(TIMES, patterns)),
            "number": ("pattern", [f"s{i}" for i in range(patterns)]),
        },
    )


def points_of(ax):
    """The places of all points in the axes, in the order in which they were drawn."""
    return np.concatenate([np.ma.filled(c.get_offsets(), np.nan) for c in ax.collections])


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_every_pair_is_drawn_once_below_the_histograms(n):
    dataset = make_latents(n)
    latent = dataset["latent"].values
    axes = dataset.xrdae.plot.pairs(color="x", fig=new_figure())
    assert axes.shape == (n, n)
    for i in range(n):
        for j in range(n):
            if j > i:
                assert axes[i, j] is None
            elif i == j:
                counts = [bar.get_height() for bar in axes[i, i].patches]
                assert sum(counts) == 23
                assert axes[i, i].get_xlim() == axes[-1, i].get_xlim()
            else:
                np.testing.assert_allclose(points_of(axes[i, j]), latent[:, [j, i]])
                (points,) = axes[i, j].collections
                np.testing.assert_allclose(points.get_array(), dataset["x"])
    assert [ax.get_xlabel() for ax in axes[-1]] == [f"latent axis {i}" for i in range(n)]
    assert [ax.get_ylabel() for ax in axes[1:, 0]] == [f"latent axis {i}" for i in range(1, n)]


def test_all_panels_have_one_scale_unless_an_axis_is_much_longer():
    dataset = make_latents(3)
    axes = dataset.xrdae.plot.pairs(fig=new_figure())
    spans = [np.ptp(ax.get_xlim()) for ax in axes[-1]] + [np.ptp(axes[2, 0].get_ylim())]
    np.testing.assert_allclose(spans, spans[0])
    dataset["latent"] = dataset["latent"] * xr.DataArray([1.0, 1.0, 0.01], dims="latent_axis")
    axes = dataset.xrdae.plot.pairs(fig=new_figure())
    low, high = axes[2, 0].get_ylim()
    assert high - low < 2 * np.ptp(dataset["latent"][:, 2].dropna("pattern").values)


def test_categories_share_the_bars_and_have_one_legend():
    dataset = make_latents(3)
    figure = new_figure()
    axes = dataset.xrdae.plot.pairs(color="place", fig=figure)
    heights = {}
    for bar in axes[0, 0].patches:
        color = bar.get_facecolor()
        heights[color] = heights.get(color, 0) + bar.get_height()
    assert sorted(heights.values()) == [7, 8, 8]  # pattern 3 has no latents
    legends = [ax.get_legend() for ax in (*figure.axes, *axes[0, 0].child_axes)]
    (legend,) = (legend for legend in legends if legend is not None)
    assert [text.get_text() for text in legend.get_texts()] == ["(none)", "left", "right"]
    drawn = {tuple(c.get_facecolor()[0]) for c in axes[1, 0].collections}
    assert {tuple(color[:3]) for color in drawn} >= {tuple(color[:3]) for color in heights} - {
        (0.7, 0.7, 0.7)
    }


def test_patterns_of_which_the_label_is_not_known_are_hollow():
    dataset = make_latents(3)
    axes = dataset.xrdae.plot.pairs(color="part", fig=new_figure())
    hollow, known = axes[2, 1].collections
    assert len(hollow.get_offsets()) == 5
    assert len(hollow.get_facecolors()) == 0
    np.testing.assert_allclose(known.get_array(), np.arange(5, 24))
    (corner,) = axes[0, 0].child_axes
    assert words(corner) == ["not known"]


@pytest.mark.parametrize("given", [True, False])
def test_a_single_latent_axis_is_drawn_against_the_order(given):
    dataset = make_latents(1)
    figure = new_figure() if given else None
    axes = dataset.xrdae.plot.pairs(color="x", fig=figure)
    assert axes.shape == (1, 1)
    known = np.arange(24) != 3
    np.testing.assert_allclose(points_of(axes[0, 0])[known, 1], np.arange(24)[known])
    if given:
        assert axes[0, 0].figure is figure
    else:
        pyplot.close(axes[0, 0].figure)


def test_chosen_axes_keep_their_numbers_and_their_order():
    dataset = make_latents(5)
    axes = dataset.xrdae.plot.pairs(latent_axes=(4, 1, 2), fig=new_figure())
    assert [ax.get_xlabel() for ax in axes[-1]] == [f"latent axis {i}" for i in (4, 1, 2)]
    np.testing.assert_allclose(points_of(axes[2, 0]), dataset["latent"].values[:, [4, 2]])
    part = dataset.isel(latent_axis=[1, 3])
    axes = part.xrdae.plot.pairs(fig=new_figure())
    assert [ax.get_xlabel() for ax in axes[-1]] == ["latent axis 1", "latent axis 3"]


def test_maps_and_lazy_latents_are_drawn_and_stay_as_they_are(grid):
    lazy = grid.chunk(y=2)
    eager, drawn = (d.xrdae.plot.pairs(color="x", fig=new_figure()) for d in (grid, lazy))
    np.testing.assert_allclose(points_of(drawn[1, 0]), points_of(eager[1, 0]))
    assert len(points_of(drawn[1, 0])) == 20
    assert lazy["latent"].chunks is not None


def test_repeated_labels_and_a_single_pattern_are_drawn():
    dataset = make_latents(3).isel(pattern=[5, 5, 5]).swap_dims(pattern="x")
    axes = dataset.xrdae.plot.pairs(color="x", fig=new_figure())
    assert len(points_of(axes[2, 0])) == 3
    axes = dataset.isel(x=[0]).xrdae.plot.pairs(fig=new_figure())
    axes[0, 0].figure.canvas.draw()
    low, high = axes[2, 0].get_xlim()
    assert low < float(dataset["latent"][0, 0]) < high


def test_patterns_without_any_latents_leave_the_panels_empty():
    dataset = make_latents(3).isel(pattern=[3])
    axes = dataset.xrdae.plot.pairs(color="x", fig=new_figure())
    axes[0, 0].figure.canvas.draw()
    assert np.isnan(points_of(axes[1, 0])).all()


def test_a_subfigure_is_filled_and_the_rest_of_the_figure_stays():
    figure = new_figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subfigures(1, 2)
    other = left.add_subplot()
    before = pyplot.get_fignums()
    axes = make_latents(3).xrdae.plot.pairs(color="x", fig=right)
    figure.canvas.draw()
    assert left.axes == [other]
    assert all(ax.figure is right for ax in axes[np.tril_indices(3)])
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("color", [None, "x", "part", "time", "batch", "place"])
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_no_text_of_the_panels_overlaps_another_or_is_cut(n, color, monkeypatch):
    axes = make_latents(n).xrdae.plot.pairs(color=color)
    figure = axes[0, 0].figure
    figure.canvas.draw()
    texts = drawn_texts(figure, monkeypatch)
    pyplot.close(figure)
    assert len(texts) >= 3 * n
    for text, box in texts:
        inside = figure.bbox.padded(1)
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1, f"{text!r} is cut"  # noqa: PT018
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1, f"{text!r} is cut"  # noqa: PT018
    for (one, a), (other, b) in combinations(texts, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one!r} overlaps {other!r}"


def test_many_categories_and_no_latents_are_refused(series):
    with pytest.raises(DataError, match="24 different texts; at most 8"):
        make_latents(3).xrdae.plot.pairs(color="number")
    with pytest.raises(DataError, match=r"attach it first: ds\.xrdae\.encode\(model\)"):
        series.xrdae.plot.pairs()
    with pytest.raises(DataError, match="shows 1 to 12 latent axes, not 13; choose some of 0, 1"):
        make_latents(13).xrdae.plot.pairs()


WRONG_AXES = [
    ((0, 3), r"latent_axes=\(0, 3\): there is no axis 3; the dataset has the latent axes 0, 1, 2"),
    ((-1, 0), "there is no axis -1"),
    ((1, 1), "repeats an axis; the dataset has the latent axes 0, 1, 2"),
    ((), "one or two latent axes, not 0|1 to 12 latent axes, not 0"),
    (2, r"give a tuple such as \(0, 2\)"),
    ((0, 0.5), "not the numbers of axes"),
    ("01", "not the numbers of axes"),
]


@pytest.fixture(scope="module")
def three(series):
    """The series with latents and relevance along three latent axes."""
    model = series.xrdae.fit(n_latent=3, steps=60, members=2, progress=False)
    return series.xrdae.encode(model).xrdae.relevance(model).compute()


@pytest.mark.parametrize(("wrong", "say"), WRONG_AXES)
@pytest.mark.parametrize("kind", ["latent", "relevance", "map", "pairs"])
def test_axes_that_do_not_exist_are_refused_by_every_plot(three, kind, wrong, say):
    labels = {"x": "x", "y": "x"} if kind == "map" else {}
    with pytest.raises(DataError, match=say):
        getattr(three.xrdae.plot, kind)(latent_axes=wrong, **labels)


@pytest.mark.parametrize("kind", ["latent", "relevance", "map"])
def test_three_axes_at_once_are_left_to_pairs(three, kind):
    labels = {"x": "x", "y": "x"} if kind == "map" else {}
    with pytest.raises(DataError, match="shows one or two latent axes, not 3"):
        getattr(three.xrdae.plot, kind)(latent_axes=(0, 1, 2), **labels)


def test_latent_shows_the_chosen_axes_with_their_ellipses(three, ax):
    three.xrdae.plot.latent(latent_axes=(2, 0), uncertainty=True, path=True, ax=ax)
    ellipses, points = sorted(ax.collections, key=lambda c: c.get_zorder())
    np.testing.assert_allclose(points.get_offsets(), three["latent"].values[:, [2, 0]])
    np.testing.assert_allclose(ellipses.get_widths(), 2 * three["latent_std"][:, 2], rtol=1e-5)
    np.testing.assert_allclose(ellipses.get_heights(), 2 * three["latent_std"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(
        np.transpose(ax.lines[0].get_data()), three["latent"].values[:, [2, 0]]
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latent axis 2", "latent axis 0")


def test_latent_shows_one_chosen_axis_against_the_order(three, ax):
    three.xrdae.plot.latent(latent_axes=(2,), ax=ax)
    expected = np.stack([three["latent"].values[:, 2], np.arange(24)], axis=1)
    np.testing.assert_allclose(points_of(ax), expected)
    assert ax.get_xlabel() == "latent axis 2"


def test_the_arrows_of_relevance_lie_along_the_chosen_axes(three, ax):
    three.xrdae.plot.relevance(latent_axes=(2, 1), ax=ax)
    (arrows,) = (c for c in ax.collections if hasattr(c, "U"))
    shift = three["latent_shift"].mean("pattern").values[:, [2, 1]]
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], axis=1), shift, rtol=1e-5)
    assert "(→ axis 2, ↑ axis 1)" in ax.get_title(loc="left")
    with pytest.raises(DataError, match=r"no 'latent_shift'; attach it first"):
        three.drop_vars("latent_shift").xrdae.plot.relevance(latent_axes=(2, 1))


def test_the_key_of_a_map_names_the_chosen_axes(three, ax):
    three.assign_coords(y=("pattern", np.arange(24) % 5)).xrdae.plot.map(
        x="x", y="y", latent_axes=(1, 2), ax=ax
    )
    key = ax.figure.axes[1]
    assert (key.get_xlabel(), key.get_ylabel()) == ("latent axis 1", "latent axis 2")
