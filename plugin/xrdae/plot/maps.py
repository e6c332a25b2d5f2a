"""Images: relevance of many patterns, and latents of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import format_title
from xrdae.errors import DataError
from xrdae.plot.colors import COLORMAP, map_two_dimensional
from xrdae.plot.drawing import (
    ENCODE,
    RELEVANCE,
    Label,
    add_colorbar,
    add_legend_above,
    find_order,
    find_scale,
    flatten,
    format_short,
    get_axes,
    is_drawn_downward,
    orient,
    select_needed,
)
from xrdae.plot.latent_axes import choose_latent_axes
from xrdae.plot.verdicts import describe_symbols, draw_symbols, find_verdicts
from xrdae.preprocessing.subsets import choose_evenly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float = npt.NDArray[Any]

MOST_ROWS = 2000  # patterns in one image: more than a picture has pixels
MOST_TEXTS = 12  # next to an image
USUAL = (0.01, 0.99)  # quantiles of a latent between which colours run
HATCH = "////"


def draw_relevance_map(dataset: xr.Dataset, *, y: str | None, ax: Axes | None) -> Axes:
    """Draw the relevance of all patterns along the axis; see `Plot.relevance_map`."""
    profile = select_needed(dataset, relevance_profile=RELEVANCE)["relevance_profile"]
    # The axis is the only dimension that relevance itself has not.
    (dim,) = set(profile.dims) - set(select_needed(dataset, relevance=RELEVANCE)["relevance"].dims)
    downward = is_drawn_downward(profile, dim)
    profile = orient(profile, dim, downward=False)
    template = profile.isel({dim: 0}, drop=True)
    label = find_order(dataset, template) if y is None else find_scale(dataset, y, template)
    order = np.argsort(label.values, kind="stable")
    order = order[np.isfinite(label.values[order])]
    order = order[choose_evenly(order.size, MOST_ROWS)]
    if not order.size:
        raise DataError(f"no pattern has a {label.title!r}")
    rows = profile.transpose(..., dim)
    if template.ndim == 1:  # of lazy results only the rows that are drawn
        values = rows.isel({template.dims[0]: order}).values
    else:
        values = flatten(rows, str(dim))[order]
    x, height = profile[dim].values.astype(float), label.values[order]
    ax = get_axes(ax, size=(8.5, 4.8))
    from matplotlib.colors import PowerNorm

    even = np.unique(height).size < height.size
    edges = np.arange(order.size + 1.0) if even else _find_edges(height)
    scale = PowerNorm(
        0.5, 0, _find_largest(values)
    )  # or one strong peak would leave the others dark
    drawn = ax.pcolormesh(_find_edges(x), edges, values, cmap=COLORMAP, norm=scale, rasterized=True)
    add_colorbar(ax, drawn, format_title(profile))
    label.label_axis(ax.yaxis)
    if even:  # patterns of equal value have a row each, labelled at the middle row
        _, first, count = np.unique(height, return_index=True, return_counts=True)
        middle, some = first + count / 2, [0]
        for i in range(1, first.size):
            if middle[i] - middle[some[-1]] >= order.size / MOST_TEXTS:
                some.append(i)
        ax.set_yticks(middle[some], label.format_texts(order[first[some]]))
    ax.set_xlabel(format_title(profile[dim], dim))
    ax.xaxis.set_inverted(downward)
    verdicts = find_verdicts(dataset, None)
    if verdicts is not None:
        centers = dataset["region_center"].values
        draw_symbols(ax, centers, verdicts, 1.02, ax.get_xaxis_transform())
        ax.set_title(describe_symbols(verdicts), loc="left", fontsize=8, pad=12)
    return ax


def draw_map(
    dataset: xr.Dataset,
    *,
    x: str | None,
    y: str | None,
    latent_axes: Sequence[int] | None,
    ax: Axes | None,
) -> Axes:
    """Draw latents over a map; see `Plot.map`."""
    latent = select_needed(dataset, latent=ENCODE)["latent"].transpose(..., "latent_axis")
    axes, names = choose_latent_axes(latent, latent_axes, most=2, default=2)
    if (x is None) != (y is None):
        raise DataError("map takes both x= and y=, or neither")
    template = latent.isel(latent_axis=0, drop=True)
    if x is None and template.ndim != 2:
        raise DataError(
            f"the patterns lie along {list(template.dims)}: give two labels, x= and y=, to put "
            "them on a map, or choose two dimensions with isel"
        )
    places = None if x is None or y is None else [find_scale(dataset, n, template) for n in (x, y)]
    values = latent.isel(latent_axis=axes).values  # (sample dims ..., 1 or 2)
    ranges = [_find_range(values[..., i]) for i in range(len(axes))]
    scaled = [(values[..., i] - a) / (b - a) for i, (a, b) in enumerate(ranges)]
    missing = np.isnan(values).any(axis=-1)
    ax = get_axes(ax)
    if places is None:
        _draw_image(ax, dataset, template, scaled, missing)
    else:
        _draw_markers(ax, places, scaled, missing)
    _draw_key(ax, names, ranges, values[~missing])
    return ax


def _draw_image(
    ax: Axes, dataset: xr.Dataset, template: xr.DataArray, scaled: list[Float], missing: Any
) -> None:
    import matplotlib
    from matplotlib.patches import Patch

    sides = [find_order(dataset, dataset[dim]) for dim in template.dims]
    color = (
        map_two_dimensional(*scaled)
        if len(scaled) == 2
        else matplotlib.colormaps[COLORMAP](scaled[0])[..., :3]
    )
    color = np.concatenate([color, ~missing[..., None]], axis=-1)
    down, right = sides
    ax.pcolormesh(
        _find_edges(right.values), _find_edges(down.values), np.nan_to_num(color), rasterized=True
    )
    right.label_axis(ax.xaxis)
    down.label_axis(ax.yaxis)
    units = [dataset[d].attrs.get("units") if d in dataset.coords else "" for d in template.dims]
    if units[0] == units[1]:  # one scale: the map keeps its shape
        ax.set_aspect("equal")
    if missing.any():
        ax.patch.set(hatch=HATCH, edgecolor="0.6", facecolor="white")
        empty = Patch(hatch=HATCH, edgecolor="0.6", facecolor="white", label="without latents")
        add_legend_above(ax, [empty])


def _draw_markers(ax: Axes, places: list[Label], scaled: list[Float], missing: Any) -> None:
    import matplotlib

    missing = missing.ravel()
    across, up = (place.values for place in places)
    color = (
        map_two_dimensional(*(s.ravel() for s in scaled))
        if len(scaled) == 2
        else matplotlib.colormaps[COLORMAP](scaled[0].ravel())[..., :3]
    )
    if missing.any():
        ax.scatter(
            across[missing], up[missing], marker="x", color="0.5", s=18, lw=0.8,
            label="without latents",
        )  # fmt: skip
        add_legend_above(ax)
    ok = ~missing
    ax.scatter(across[ok], up[ok], c=color[ok], s=36, linewidths=0.4, edgecolors="0.3")
    places[0].label_axis(ax.xaxis)
    places[1].label_axis(ax.yaxis)


def _draw_key(ax: Axes, names: list[str], ranges: list[tuple[float, float]], values: Float) -> None:
    """Draw the legend of the two-dimensional colours next to the axes."""
    import matplotlib
    from matplotlib.colorbar import make_axes
    from matplotlib.colors import Normalize

    if len(names) == 1:
        scale = matplotlib.cm.ScalarMappable(Normalize(*ranges[0]), COLORMAP)
        add_colorbar(ax, scale, names[0])
        return
    key, _ = make_axes(ax, fraction=0.22, shrink=0.35, aspect=1, anchor=(0.0, 0.5), pad=0.16)
    (a, b), (c, d) = ranges
    grid = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    key.imshow(map_two_dimensional(*grid), origin="lower", extent=(a, b, c, d), aspect="auto")
    key.set_box_aspect(1)
    key.tick_params(labelsize="x-small")
    key.set_xticks([a, b], [format_short(v) for v in (a, b)])
    key.set_yticks([c, d], [format_short(v) for v in (c, d)])
    key.set_xlabel(names[0], fontsize="small")
    key.set_ylabel(names[1], fontsize="small")
    some = values[choose_evenly(len(values), 500)]
    key.plot(
        np.clip(some[:, 0], a, b), np.clip(some[:, 1], c, d), ls="", marker=".", ms=2, mew=0,
        color="0.35",
    )  # fmt: skip


def _find_edges(centers: Float) -> Float:
    """Return the edges `(n + 1,)` of cells around their centers."""
    if centers.size == 1:
        return np.array([centers[0] - 0.5, centers[0] + 0.5])
    middle = (centers[1:] + centers[:-1]) / 2
    first, last = 2 * centers[0] - middle[0], 2 * centers[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _find_largest(values: Float) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max(initial=0)) or 1.0


def _find_range(values: Float) -> tuple[float, float]:
    """Return the ends between which colours run."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.quantile(known, USUAL)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)
