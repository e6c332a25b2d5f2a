"""Waterfall plots of synthesized patterns."""

import numpy as np

from figure_helpers import words


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
