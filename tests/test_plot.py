import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from xrdae import DataError


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_latent_draws_every_pattern_in_the_colour_of_its_label(series, model, ax):
    out = series.xrdae.encode(model)
    assert out.xrdae.plot.latent(color="x", ax=ax) is ax
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets(), out["latent"].values)
    np.testing.assert_allclose(points.get_array(), series["x"].values)
    assert ax.figure.axes[1].get_ylabel() == "content"


def test_latent_draws_maps_of_any_sample_dimensions(series, model, ax):
    grid = series.isel(pattern=slice(12)).coarsen(pattern=4).construct(pattern=("y", "z"))
    out = grid.set_coords("x").xrdae.encode(model)
    out.xrdae.plot.latent(color="x", ax=ax)
    assert len(ax.collections[0].get_offsets()) == 12


def test_relevance_shades_every_region_darker_where_it_is_more_relevant(series, model, ax):
    out = series.xrdae.relevance(model)
    out.xrdae.plot.relevance(ax=ax, pattern=3)
    assert len(ax.patches) == out.sizes["region"]
    alphas = [patch.get_alpha() for patch in ax.patches]
    assert int(np.argmax(alphas)) == int(out["relevance"].isel(pattern=3).argmax("region"))
    assert ax.get_xlabel() == "angle (degree)"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), series["intensity"][3])


def test_synthesis_draws_one_line_a_synthesized_pattern(series, model, ax):
    series.xrdae.synthesize(model, between=(0, 20), n=4).xrdae.plot.synthesis(ax=ax)
    assert len(ax.lines) == 4


@pytest.mark.parametrize(
    ("kind", "call"),
    [("latent", "encode"), ("relevance", "relevance"), ("synthesis", "synthesize")],
)
def test_a_plot_without_its_result_says_which_call_attaches_it(series, kind, call):
    with pytest.raises(DataError, match=call):
        getattr(series.xrdae.plot, kind)()


def test_without_ax_there_is_a_new_figure_and_settings_stay(series, model):
    before = dict(matplotlib.rcParams)
    drawn = series.xrdae.encode(model).xrdae.plot.latent()
    assert drawn.figure is not None
    assert dict(matplotlib.rcParams) == before
    matplotlib.pyplot.close(drawn.figure)
