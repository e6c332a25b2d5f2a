"""Laws of all plots: errors, lazy data, figures, and texts that do not overlap."""

from itertools import combinations

import matplotlib
import matplotlib.text
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot

from figure_helpers import STRUCTURES, drawn_texts, new_figure
from xrdae import DataError

CALLS = {
    "latent": ({}, r"encode\(model\)"),
    "relevance": ({}, r"relevance\(model\)"),
    "relevance_map": ({}, r"relevance\(model\)"),
    "synthesis": ({}, r"synthesize\(model, \.\.\.\)"),
    "estimate": ({"label": "x"}, r"estimate\(model, 'x'\)"),
    "map": ({}, r"encode\(model\)"),
    "novelty": ({}, r"encode\(model\)"),
    "stability": ({}, r"cluster\(model\)"),
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
        out = out.xrdae.synthesize(model, between=(0, 9), n=2).xrdae.cluster(model)
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
    "latent": lambda out, model, ax: out.xrdae.plot.latent(color="ti", ax=ax),
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
    "weights": lambda out, model, ax: out.xrdae.plot.weights(model, ax=ax),
    "quality": lambda out, model, ax: out.xrdae.plot.quality(model, ax=ax),
    "training": lambda out, model, ax: out.xrdae.plot.training(model, ax=ax),
    "estimate": lambda out, model, ax: out.xrdae.plot.estimate("ti", ax=ax),
    "map": lambda out, model, ax: out.xrdae.plot.map(x="ti", y="zr", ax=ax),
    "novelty": lambda out, model, ax: out.xrdae.plot.novelty(ax=ax),
    "stability": lambda out, model, ax: out.xrdae.cluster(model).xrdae.plot.stability(ax=ax),
}


@pytest.mark.filterwarnings("ignore:.*clusters are not stable:UserWarning")
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
