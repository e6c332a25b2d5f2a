"""Draw patterns as points in the colours of a label, and the key to these colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError
from xrdae.plot.colors import BLUE, MARKERS, OKABE_ITO
from xrdae.plot.drawing import Label, add_colorbar, add_legend_above, add_legend_beside, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

Float = npt.NDArray[Any]


def check_categories(label: Label) -> None:
    """Refuse more categories than colours.

    Raises
    ------
    DataError
        If the label has too many categories.
    """
    if len(label.categories) > len(OKABE_ITO):
        raise DataError(
            f"label {label.title!r} has {len(label.categories)} different texts; at most "
            f"{len(OKABE_ITO)} can be told apart by colour and marker: join some of them"
        )


def draw_points(
    ax: Axes, points: Float, label: Label | None, *, shrink: float = 1.0
) -> PathCollection | None:
    """Draw points `(pattern, 2)` without a key.

    Returns
    -------
    matplotlib.collections.PathCollection or None
        The points whose colours need a colour bar, if any.
    """
    size = shrink * (22 if len(points) <= 500 else 12 if len(points) <= 5000 else 4)
    style: dict[str, Any] = {"s": size, "linewidths": 0.3, "edgecolors": "#00000080", "zorder": 2}
    if label is None:
        ax.scatter(points[:, 0], points[:, 1], color=BLUE, **style)
        return None
    if label.kind == "text":
        _draw_categories(ax, points, label, style)
        return None
    unknown = np.isnan(label.values)
    if unknown.any():
        hollow = style | {"edgecolors": "0.5", "facecolors": "none", "linewidths": 0.7}
        ax.scatter(*points[unknown].T, label=f"without {label.title}", **hollow)
    known = ~unknown
    x, y = points[known].T
    return ax.scatter(x, y, c=label.values[known], cmap="viridis", **style)


def _draw_categories(ax: Axes, points: Float, label: Label, style: dict[str, Any]) -> None:
    check_categories(label)
    unknown = label.values == ""
    if unknown.any():
        ax.scatter(*points[unknown].T, label="(none)", **(style | {"color": "0.7", "marker": "."}))
    for category, color, marker in zip(label.categories, OKABE_ITO, MARKERS, strict=False):
        here = points[label.values == category]
        ax.scatter(*here.T, color=color, marker=marker, label=category, **style)


def add_key(ax: Axes, drawn: PathCollection | None, label: Label | None) -> None:
    """Add the legend or the colour bar of points to their axes."""
    if label is None:
        return
    if label.kind == "text":
        add_legend_beside(ax, wrap_text(label.title))
        return
    if np.isnan(label.values).any():
        add_legend_above(ax)
    add_colorbar(ax, drawn, label)
