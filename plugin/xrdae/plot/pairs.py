"""Draw every pair of latent axes, below a diagonal of histograms."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.plot.colors import BLUE, OKABE_ITO
from xrdae.plot.drawing import ENCODE, Label, find_label, flatten, select_needed
from xrdae.plot.latent import LONGEST, draw_latent
from xrdae.plot.latent_axes import choose_latent_axes
from xrdae.plot.points import check_categories, draw_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Float = npt.NDArray[Any]

MOST_AXES = 12  # latent axes whose panels can still be read
LARGEST = 12.0  # inches, width of a new figure
PANEL = 2.3  # inches, width of a panel in a new figure
GAP = 0.28  # inches, between two panels: numbers at their ends do not touch
TITLE_WIDTH = 26  # characters of the key's title in a line
MANY = 2000  # patterns, above which points are stored as an image in vector graphics
MARGIN = 0.06  # of the longest axis, around the points


def draw_pairs(
    dataset: xr.Dataset,
    *,
    color: str | None,
    latent_axes: Sequence[int] | None,
    fig: Figure | SubFigure | None,
) -> npt.NDArray[Any]:
    """Draw every pair of latent axes; see `Plot.pairs`."""
    found = select_needed(dataset, latent=ENCODE)
    size = found.sizes["latent_axis"]
    axes, names = choose_latent_axes(found["latent"], latent_axes, most=MOST_AXES, default=size)
    n = len(axes)
    if n == 1:
        return _draw_single(dataset, color=color, latent_axes=latent_axes, fig=fig)
    if color is not None and color in dataset.variables:
        found = found.assign({color: dataset.variables[color]})
    found = found.isel(latent_axis=axes).compute()
    template = found["latent"].isel(latent_axis=0, drop=True)
    latents = flatten(found["latent"], "latent_axis")
    label = None if color is None else find_label(found, color, template)
    if label is not None and label.kind == "text":
        check_categories(label)
    fig = _get_figure(fig, n)
    gap = min(GAP * n * fig.dpi / fig.bbox.width, 0.3)  # of a panel's width
    grid = fig.add_gridspec(n, n, hspace=gap / 2, wspace=gap)
    panels = np.full((n, n), None, dtype=object)
    drawn = None
    for i in range(n):
        for j in range(i + 1):
            ax = panels[i, j] = fig.add_subplot(grid[i, j])
            if i == j:
                _draw_histogram(ax, latents[:, i], label)
            else:
                drawn = draw_points(ax, latents[:, [j, i]], label, shrink=2 / (n + 1))
                ax.collections[-1].set_rasterized(len(latents) > MANY)
    _set_limits(panels, latents)
    _label_panels(panels, names)
    _add_key(panels, gap, drawn, label)
    return panels


def _draw_single(
    dataset: xr.Dataset,
    *,
    color: str | None,
    latent_axes: Sequence[int] | None,
    fig: Figure | SubFigure | None,
) -> npt.NDArray[Any]:
    """Draw one latent axis, which makes no pair, against the order of the patterns."""
    ax = draw_latent(
        dataset, color=color, uncertainty=False, density=False, path=None,
        latent_axes=latent_axes, ax=None if fig is None else fig.add_subplot(),
    )  # fmt: skip
    return np.array([[ax]], dtype=object)


def _get_figure(fig: Figure | SubFigure | None, n: int) -> Figure | SubFigure:
    if fig is not None:
        return fig
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'xrdae[plot]'") from error
    side = min(PANEL * n, LARGEST) + 0.6
    return pyplot.figure(figsize=(side, side), layout="compressed")


def _draw_histogram(ax: Axes, values: Float, label: Label | None) -> None:
    """Draw the distribution along one axis; patterns of each category have a part of a bar."""
    known = np.isfinite(values)
    parts, colors = [values[known]], ["0.7"]
    if label is None:
        colors = [BLUE]
    elif label.kind == "text":
        present = [*label.categories, *([""] if (label.values == "").any() else [])]
        parts = [values[known & (label.values == name)] for name in present]
        colors = [*OKABE_ITO[: len(label.categories)], "0.7"][: len(present)]
    if known.any():
        edges = np.histogram_bin_edges(values[known], bins=min(30, max(8, known.sum() // 8)))
        ax.hist(parts, bins=edges.tolist(), stacked=True, color=colors, linewidth=0)
    ax.set_yticks([])


def _set_limits(panels: npt.NDArray[Any], latents: Float) -> None:
    """Give a latent axis the same limits in all panels, and all axes one scale if possible."""
    n = len(panels)
    ends = np.array([_find_ends(latents[:, i]) for i in range(n)])  # (axis, 2)
    spans = ends[:, 1] - ends[:, 0]
    longest = spans.max() or 1.0
    if longest <= LONGEST * spans.min():
        spans[:] = longest
    spans = np.where(spans > 0, spans, longest) * (1 + 2 * MARGIN)
    limits = ends.mean(axis=1)[:, None] + np.outer(spans, [-0.5, 0.5])
    for i in range(n):
        for j in range(i + 1):
            panels[i, j].set_box_aspect(1)
            panels[i, j].set_xlim(*limits[j])
            if i != j:
                panels[i, j].set_ylim(*limits[i])


def _find_ends(values: Float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _label_panels(panels: npt.NDArray[Any], names: list[str]) -> None:
    """Name the axes at the left and at the bottom; inner panels have no numbers."""
    from matplotlib.ticker import MaxNLocator

    n = len(panels)
    for i in range(n):
        for j in range(i + 1):
            ax = panels[i, j]
            ax.tick_params(labelsize="x-small", labelbottom=i == n - 1, labelleft=j == 0)
            ax.xaxis.set_major_locator(MaxNLocator(3))
            if i != j:
                ax.yaxis.set_major_locator(MaxNLocator(3))
    for i, name in enumerate(names):
        panels[-1, i].set_xlabel(name, fontsize="small")
        panels[i, 0].set_ylabel(name if i else "patterns", fontsize="small")


def _add_key(panels: npt.NDArray[Any], gap: float, drawn: Any, label: Label | None) -> None:
    """Put one legend or colour bar into the free corner above the diagonal."""
    if label is None:
        return
    # Placed by the first panel: a layout engine would make the panels smaller for a long title.
    n = len(panels)
    block = n // 2  # panels, sides of the largest square above the diagonal
    width, height = block * (1 + gap), block * (1 + gap / 2)
    corner = panels[0, 0].inset_axes(((n - block) * (1 + gap), 1 - height, width, height))
    corner.set_axis_off()
    corner.set_in_layout(False)
    title = textwrap.fill(label.title, TITLE_WIDTH)
    style: dict[str, Any] = {"fontsize": "small", "frameon": False}
    handles, texts = panels[1, 0].get_legend_handles_labels()
    if label.kind == "text":
        texts = [textwrap.fill(text, TITLE_WIDTH) for text in texts]
        corner.legend(handles, texts, title=title, loc="upper left", **style)
        return
    bar = corner.figure.colorbar(drawn, cax=corner.inset_axes((0.1, 0.2, 0.07, 0.56)))
    label.label_axis(bar.ax.yaxis)
    bar.ax.yaxis.set_label_text("")
    bar.ax.tick_params(labelsize="x-small")
    bar.ax.yaxis.get_offset_text().set_fontsize("x-small")
    above = 18 if label.kind == "time" else 7  # points; the date stands there
    bar.ax.annotate(
        title, (0, 1), (0, above), xycoords="axes fraction", textcoords="offset points",
        va="bottom", fontsize="small",
    )  # fmt: skip
    if handles:
        below = {"loc": "upper left", "bbox_to_anchor": (0.03, 0.19)}
        corner.legend(handles, ["not known"], **below, **style)
