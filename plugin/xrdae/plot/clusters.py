"""Draw clusters: latents and mean patterns, and how stable clusters are by their number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import format_title
from xrdae.errors import DataError
from xrdae.plot.colors import BLUE, MARKERS, OKABE_ITO, VERMILION
from xrdae.plot.drawing import (
    ENCODE,
    add_legend_above,
    flatten,
    get_axes,
    is_drawn_downward,
    select_needed,
    wrap_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Float = npt.NDArray[Any]

CLUSTER = "cluster(model)"
STEP = 1.1  # between mean patterns, over the largest intensity
LIMIT = 0.5  # of the stability, below which clusters are not trusted


def draw_clusters(dataset: xr.Dataset, *, fig: Figure | SubFigure | None) -> npt.NDArray[Any]:
    """Draw latents and mean patterns of clusters; see `Plot.clusters`."""
    found = select_needed(dataset, latent=ENCODE, cluster=CLUSTER, cluster_pattern=CLUSTER)
    found = found.compute()
    if fig is None:
        ax = get_axes(None, size=(10, 4.6))
        fig = ax.figure
        ax.remove()
    left, right = fig.subplots(1, 2, width_ratios=(2, 3))
    cluster = flatten(found["cluster"])
    _draw_latents(left, flatten(found["latent"], "latent_axis"), cluster)
    counts = [(cluster == j).sum() for j in range(found.sizes["cluster_axis"])]
    _draw_patterns(right, found["cluster_pattern"], counts)
    return np.array([left, right])


def find_style(number: int) -> dict[str, Any]:
    """Return colour and marker of a cluster. They differ for up to 64 clusters."""
    n = len(OKABE_ITO)
    return {"color": OKABE_ITO[number % n], "marker": MARKERS[(number + number // n) % n]}


def _draw_latents(ax: Axes, latents: Float, cluster: Float) -> None:
    if latents.shape[1] == 1:
        latents = np.stack([latents[:, 0], np.arange(len(latents))], axis=1)
        ax.set_ylabel("pattern, in the order of the dataset")
    else:
        ax.set_ylabel("latent axis 1")
    ax.set_xlabel("latent axis 0")
    size: dict[str, Any] = {"s": 22 if len(latents) <= 500 else 8, "linewidths": 0.3}
    between = latents[cluster == -1, :2]
    x, y = between.T
    ax.scatter(x, y, color="0.65", marker=".", label="between", **size)
    for number in range(max(int(cluster.max(initial=-1)), -1) + 1):
        x, y = latents[cluster == number, :2].T
        ax.scatter(x, y, label=str(number), **(size | find_style(number)))
    ax.set_title(f"{len(between)} patterns between clusters: grey", loc="left", fontsize="small")


def _draw_patterns(ax: Axes, pattern: xr.DataArray, counts: list[Any]) -> None:
    """Draw mean patterns above each other, with the regions that distinguish each."""
    dim = next(d for d in pattern.dims if d != "cluster_axis")
    pattern = pattern.transpose("cluster_axis", dim)
    x, values = pattern[dim].values, pattern.values.astype(float)
    top = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    regions = json.loads(pattern.attrs.get("distinguishing_regions", "[]"))
    for number, row in enumerate(values):
        base, color = STEP * number, find_style(number)["color"]
        for region in regions[number] if number < len(regions) else ():
            ax.fill_between(
                [region["start"], region["stop"]], base, base + 1, color=color, alpha=0.2, lw=0
            )
        ax.plot(x, row / top + base, color=color, lw=0.9)
    ticks = STEP * np.arange(len(values))
    ax.set_yticks(ticks, [f"{number} ({count})" for number, count in enumerate(counts)])
    ax.set(xlabel=wrap_text(format_title(pattern[dim], dim)), ylabel="cluster (patterns)")
    ax.margins(x=0)
    if is_drawn_downward(pattern, dim):
        ax.invert_xaxis()
    ax.set_title("mean patterns; shaded: where a cluster differs", loc="left", fontsize="small")


def draw_stability(dataset: xr.Dataset, *, ax: Axes | None) -> Axes:
    """Draw stability and separation by the number of clusters; see `Plot.stability`."""
    found = select_needed(dataset, cluster=CLUSTER, cluster_pattern=CLUSTER)
    attrs = found["cluster"].attrs
    if "stability_curve" not in attrs:
        raise DataError(
            "the attribute 'stability_curve' of 'cluster' is missing; attach clusters again: "
            f"ds.xrdae.{CLUSTER}"
        )
    curve = json.loads(attrs["stability_curve"])
    ax = get_axes(ax)
    from matplotlib.ticker import MaxNLocator

    ax.errorbar(
        curve["n"], curve["stability"], curve["stability_error"], color=BLUE, marker="o", ms=5,
        lw=1, capsize=2, label="stability",
    )  # fmt: skip
    ax.plot(
        curve["n"], curve["separation"], color=VERMILION, marker="s", ms=4, lw=1, ls="--",
        label="separation",
    )  # fmt: skip
    number = found.sizes["cluster_axis"]
    ax.axvline(number, color="0.4", lw=0.9, ls=":", label=f"{number} clusters")
    ax.axhline(LIMIT, color="0.7", lw=0.8, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="number of clusters", ylabel="stability, separation", ylim=(None, 1.05))
    add_legend_above(ax)
    return ax
