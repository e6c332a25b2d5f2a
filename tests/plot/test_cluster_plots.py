import json
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from blobs import make_blobs
from figure_helpers import drawn_texts, new_figure
from xrdae import DataError
from xrdae.plot.clusters import find_style


@pytest.fixture(scope="module")
def clustered():
    blobs = make_blobs(3, mixed=1)
    model = blobs.xrdae.fit(steps=100, members=2, progress=False)
    return blobs.xrdae.encode(model).xrdae.cluster(model, 3)


def test_points_have_the_colour_of_their_cluster_and_are_grey_between(clustered):
    latents, _ = clustered.xrdae.plot.clusters(fig=new_figure())
    between, *clusters = latents.collections
    cluster = clustered["cluster"].values
    np.testing.assert_allclose(between.get_offsets(), clustered["latent"].values[cluster == -1])
    for number, points in enumerate(clusters):
        expected = clustered["latent"].values[cluster == number]
        np.testing.assert_allclose(points.get_offsets(), expected)
        assert tuple(points.get_facecolor()[0]) == to_rgba(find_style(number)["color"])
    assert "patterns between clusters" in latents.get_title(loc="left")


def test_mean_patterns_are_drawn_with_the_regions_that_distinguish_them(clustered):
    _, patterns = clustered.xrdae.plot.clusters(fig=new_figure())
    assert len(patterns.lines) == 3
    mean = clustered["cluster_pattern"].values
    for number, line in enumerate(patterns.lines):
        np.testing.assert_allclose(
            line.get_ydata() - line.get_ydata().min(),
            (mean[number] - mean[number].min()) / mean.max(),
            atol=1e-6,
        )
    regions = json.loads(clustered["cluster_pattern"].attrs["distinguishing_regions"])
    spans = [
        (shade.get_paths()[0].vertices[:, 0].min(), shade.get_paths()[0].vertices[:, 0].max())
        for shade in patterns.collections
    ]
    expected = [(region["start"], region["stop"]) for listed in regions for region in listed]
    np.testing.assert_allclose(spans, expected)
    counts = [int((clustered["cluster"] == j).sum()) for j in range(3)]
    ticks = [label.get_text() for label in patterns.get_yticklabels()]
    assert ticks == [f"{j} ({count})" for j, count in enumerate(counts)]


def test_styles_of_many_clusters_differ():
    styles = {tuple(find_style(number).values()) for number in range(64)}
    assert len(styles) == 64


def test_the_stability_is_that_of_the_attribute(clustered):
    ax = clustered.xrdae.plot.stability(ax=new_figure().add_subplot())
    curve = json.loads(clustered["cluster"].attrs["stability_curve"])
    drawn = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(drawn["separation"].get_ydata(), curve["separation"])
    np.testing.assert_allclose(drawn["3 clusters"].get_xdata(), [3, 3])
    (bars,) = ax.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata().astype(float), curve["stability"])


def test_the_texts_of_both_panels_do_not_overlap(clustered, monkeypatch):
    figure = new_figure(figsize=(10, 5), layout="constrained")
    clustered.xrdae.plot.clusters(fig=figure)
    texts = drawn_texts(figure, monkeypatch)
    assert len(texts) > 8
    for (one, a), (other, b) in combinations(texts, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one!r} overlaps {other!r}"


def test_one_latent_axis_is_drawn_against_the_order(clustered):
    one = clustered.isel(latent_axis=[0])
    latents, _ = one.xrdae.plot.clusters(fig=new_figure())
    assert "order" in latents.get_ylabel()


@pytest.mark.parametrize(
    ("missing", "call"),
    [("latent", r"encode\(model\)"), ("cluster", r"cluster\(model\)")],
)
def test_what_is_missing_is_named_with_its_call(clustered, missing, call):
    with pytest.raises(DataError, match=rf"no '{missing}'; attach it first: ds\.xrdae\.{call}"):
        clustered.drop_vars(missing).xrdae.plot.clusters()


def test_clusters_without_their_figures_have_no_curve(clustered):
    bare = clustered.copy()
    bare["cluster"].attrs = {}
    with pytest.raises(DataError, match="'stability_curve' of 'cluster' is missing"):
        bare.xrdae.plot.stability()
