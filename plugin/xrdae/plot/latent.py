"""Pictures of the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.errors import DataError
from xrdae.plot.drawing import ENCODE, find_label, find_scale, flatten, get_axes, select_needed
from xrdae.plot.latent_axes import choose_latent_axes
from xrdae.plot.points import add_key, draw_points
from xrdae.preprocessing.subsets import choose_evenly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float = npt.NDArray[Any]

HELD = (0.95, 0.8, 0.6, 0.4, 0.2)  # part of the patterns inside each contour of the density
MOST_KERNELS = 2000  # patterns, evenly chosen, on which the density is built
ARROWS = 8
LONGEST = 5  # times as long as wide: the map of latents is drawn on one scale up to there


def draw_latent(
    dataset: xr.Dataset,
    *,
    color: str | None,
    uncertainty: bool,
    density: bool,
    path: str | bool | None,
    latent_axes: Sequence[int] | None,
    ax: Axes | None,
) -> Axes:
    """Draw the latent space; see `Plot.latent`."""
    found = select_needed(dataset, latent=ENCODE, **({"latent_std": ENCODE} if uncertainty else {}))
    labels = {name for name in (color, path) if name in dataset.variables} - set(found.variables)
    found = found.assign({name: dataset.variables[name] for name in labels})
    axes, names = choose_latent_axes(found["latent"], latent_axes, most=2, default=2)
    found = found.isel(
        latent_axis=axes
    ).compute()  # at once: lazy results have most of their graph in common
    template = found["latent"].isel(latent_axis=0, drop=True)
    latents = flatten(found["latent"], "latent_axis")
    points = _find_points(latents)
    label = None if color is None else find_label(found, color, template)
    order = _order(found, path, template, points)
    grid = _find_density(latents) if density else None
    ax = get_axes(ax)
    if grid is not None:
        _draw_density(ax, *grid, top=len(points))
    if uncertainty:
        _draw_ellipses(ax, points, flatten(found["latent_std"], "latent_axis"))
    if order is not None:
        _draw_path(ax, points[order])
    add_key(ax, draw_points(ax, points, label), label)
    if len(names) == 1:
        ax.set(xlabel=names[0], ylabel="pattern, in the order of the dataset")
    else:
        ax.set(xlabel=names[0], ylabel=names[1])
        known = points[np.isfinite(points).all(axis=1)]
        spans = np.sort(known.max(axis=0) - known.min(axis=0)) if len(known) else np.ones(2)
        if spans[1] <= LONGEST * spans[0]:
            ax.set_aspect("equal", adjustable="datalim")
    return ax


def _find_points(latents: Float) -> Float:
    """Return `(pattern, 2)`; with one latent axis the second is the order of the patterns."""
    if latents.shape[1] > 1:
        return latents
    order = np.arange(len(latents), dtype=float)
    return np.stack([latents[:, 0], np.where(np.isnan(latents[:, 0]), np.nan, order)], axis=1)


def _draw_ellipses(ax: Axes, points: Float, std: Float) -> None:
    from matplotlib.collections import EllipseCollection

    ok = np.isfinite(points).all(axis=1)
    height = std[ok, 1] if std.shape[1] > 1 else np.zeros(ok.sum())
    ellipses = EllipseCollection(
        2 * std[ok, 0], 2 * height, np.zeros(ok.sum()), units="xy", offsets=points[ok],
        offset_transform=ax.transData, facecolors="none", edgecolors="0.45", linewidths=0.6,
        zorder=1.5,
    )  # fmt: skip
    ax.add_collection(ellipses)


def _find_density(latents: Float) -> tuple[list[Float], Float, Float]:
    """Return a grid, the density on it, and the levels that enclose the fractions `HELD`."""
    import scipy.stats

    known = latents[np.isfinite(latents).all(axis=1)]
    known = known[choose_evenly(len(known), MOST_KERNELS)]
    try:
        kernel = scipy.stats.gaussian_kde(known.T)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise DataError(
            f"density= needs patterns that differ along every axis shown; these are {len(known)} "
            "with latents, on one point or line"
        ) from error
    margin = 3.5 * np.sqrt(np.diag(kernel.covariance))
    ends = zip(known.min(axis=0) - margin, known.max(axis=0) + margin, strict=True)
    grid = [np.linspace(low, high, 120) for low, high in ends]
    heights = kernel(np.stack(np.meshgrid(*grid, indexing="ij")).reshape(len(grid), -1))
    levels = np.quantile(kernel(known.T), 1 - np.array(HELD))
    return grid, heights.reshape([120] * len(grid)), levels


def _draw_density(ax: Axes, grid: list[Float], heights: Float, levels: Float, *, top: int) -> None:
    if len(grid) == 1:
        grid, heights = [*grid, np.array([-1.0, top])], np.stack([heights] * 2, axis=1)
    for i in range(2):  # the axes end at the lowest contour
        inside = np.flatnonzero((heights > levels[0]).any(axis=1 - i))
        some = np.arange(max(inside[0] - 1, 0), min(inside[-1] + 2, grid[i].size))
        grid[i], heights = grid[i][some], np.take(heights, some, axis=i)
    levels = np.unique([*levels, max(heights.max(), levels[-1]) * 1.001])
    grays = [f"{g:.2f}" for g in np.linspace(0.95, 0.72, len(levels) - 1)]
    ax.contourf(*grid, heights.T, levels=levels, colors=grays, zorder=0)


def _order(
    found: xr.Dataset, path: str | bool | None, template: xr.DataArray, points: Float
) -> npt.NDArray[np.intp] | None:
    """Return the patterns along the path, those without latents left out."""
    if path is None or path is False:
        return None
    keep = np.flatnonzero(np.isfinite(points).all(axis=1))
    if isinstance(path, str):
        values = find_scale(found, path, template).values
        keep = keep[np.isfinite(values[keep])]
        return np.asarray(keep[np.argsort(values[keep], kind="stable")])
    if template.ndim != 1:
        raise DataError(
            f"path=True follows one sample dimension; the dataset has {list(template.dims)}: give "
            "the name of a label to sort by"
        )
    return keep


def _draw_path(ax: Axes, points: Float) -> None:
    """Draw a line with arrowheads on the longest step in each of some stretches."""
    ax.plot(*points.T, color="0.35", lw=0.7, zorder=1.8)
    length = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if not length.sum() > 0:
        return
    stretch = (np.cumsum(length) / length.sum() * ARROWS * 0.999).astype(int)
    for k in np.unique(stretch):
        i = int(np.argmax(np.where(stretch == k, length, -1)))
        if length[i] == 0:
            continue
        middle = (points[i] + points[i + 1]) / 2
        style = {"arrowstyle": "-|>", "color": "0.15", "lw": 0, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", middle, points[i], arrowprops=style, zorder=2.5)
