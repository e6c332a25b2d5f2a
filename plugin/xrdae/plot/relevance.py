"""Pictures of relevance: over one pattern, and over all of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import format_title
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.patterns import Patterns
from xrdae.plot.colors import make_pale_colormap
from xrdae.plot.drawing import (
    RELEVANCE,
    add_colorbar,
    find_drawn_patterns,
    get_axes,
    get_axes_size,
    select_needed,
)
from xrdae.plot.latent_axes import choose_latent_axes
from xrdae.plot.phases import HEIGHT, Phases, Row, draw_rows, find_rows
from xrdae.plot.verdicts import (
    Verdicts,
    describe_symbols,
    draw_symbols,
    find_verdicts,
    measure_excess,
)
from xrdae.preprocessing.peaks import CONTRARY, find_contrary_regions, measure_strengths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float = npt.NDArray[Any]

LONGEST = 17.0  # points, of an arrow
ARROWS = 38.0  # points, height of their band
LINE = 13.0  # points, of a line of text
STRIP = 10.0  # points, height of a row of symbols or shades
GAP = 4.0  # points, above these rows


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """Values to draw for one pattern, or for the mean of all.

    Attributes
    ----------
    x, y
        `(point,)`, axis and intensity.
    bounds
        `(region, 2)`.
    relevance
        `(region,)`.
    shift
        `(region, 1 or 2)`, along the latent axes shown; None: not attached.
    axes
        Names of the latent axes shown.
    verdicts
        Verdicts of the regions; None: not attached.
    std
        `(region,)`, `region_std`; None: not attached.
    named
        The strong but irrelevant region and the weak but relevant region; None if missing.
    """

    x: Float
    y: Float
    bounds: Float
    relevance: Float
    shift: Float | None
    axes: list[str]
    verdicts: Verdicts | None
    std: Float | None
    named: tuple[int | None, int | None]


def draw_relevance(
    dataset: xr.Dataset,
    *,
    pattern: Mapping[str, int] | int | None,
    phases: Phases | None,
    label: str | None,
    latent_axes: Sequence[int] | None,
    ax: Axes | None,
) -> Axes:
    """Draw a pattern and its relevance; see `Plot.relevance`."""
    select_needed(dataset, relevance=RELEVANCE)
    patterns = find_drawn_patterns(dataset)
    verdicts = find_verdicts(dataset, label)
    shown = _find_shown(dataset, patterns, pattern, latent_axes, verdicts)
    rows = [] if phases is None else find_rows(phases, patterns)
    ax = get_axes(ax, size=(8.5, 4.8))
    ends = shown.x[[0, -1]]
    axis = patterns.axis
    ax.set_xlim(*(ends[::-1] if axis.kind == OTHER and axis.descending else ends))
    top = float(np.nanmax(shown.relevance, initial=0)) or 1.0
    _draw_scale(ax, top)
    if verdicts is not None:
        _add_to_title(ax, describe_symbols(verdicts))
    low, high = _draw_bands(ax, shown, rows)
    for start, stop, value in find_cells(shown.bounds, shown.relevance):
        _draw_region(ax, start, stop, low, high, value / top)
    ax.plot(shown.x, shown.y, color="black", lw=0.8)
    ax.set_yticks([t for t in ax.get_yticks() if low <= t <= high])
    intensity, count = patterns.intensity, patterns.intensity[{patterns.dim: 0}].size
    ax.set(
        xlabel=format_title(intensity[patterns.dim], patterns.dim),
        ylabel=format_title(intensity) + (f", mean of {count}" if pattern is None else ""),
    )
    return ax


def _find_shown(
    dataset: xr.Dataset,
    patterns: Patterns,
    pattern: Mapping[str, int] | int | None,
    latent_axes: Sequence[int] | None,
    verdicts: Verdicts | None,
) -> Shown:
    if latent_axes is not None:
        select_needed(dataset, latent_shift=RELEVANCE)
    results = ("relevance", "latent_shift")
    found = dataset[[name for name in results if name in dataset.variables]]
    found = found.assign(intensity_shown=patterns.intensity.variable)
    dims = list(patterns.sample_dims)
    found = found.mean(dims) if pattern is None else found.isel(patterns.position(pattern))
    found = found.compute()
    x = patterns.intensity[patterns.dim].values.astype(float)
    y = found["intensity_shown"].values.astype(float)
    bounds = np.stack([dataset["region_start"].values, dataset["region_stop"].values], axis=1)
    shift: Float | None = None
    names: list[str] = []
    if "latent_shift" in found:
        shifts = found["latent_shift"].transpose("region", "latent_axis")
        axes, names = choose_latent_axes(shifts, latent_axes, most=2, default=2)
        shift = shifts.values[:, axes]
    named: tuple[int | None, int | None] = (None, None)
    if verdicts is not None:
        strength = measure_strengths(x, y, bounds)
        excess = measure_excess(verdicts.change, strength)
        named = find_contrary_regions(strength, excess, verdicts.values)
    std = dataset["region_std"].values if "region_std" in dataset.variables else None
    return Shown(x, y, bounds, found["relevance"].values, shift, names, verdicts, std, named)


def _draw_bands(ax: Axes, shown: Shown, rows: list[Row]) -> tuple[float, float]:
    """Make room above and below the pattern, and draw the bands.

    Returns the heights between which the pattern lies.
    """
    low, high = float(np.nanmin(shown.y, initial=0)), float(np.nanmax(shown.y, initial=0))
    high = low + 1.03 * (high - low or 1.0)
    names = _find_places(ax, shown)
    lines = max((line for _, _, line in names), default=-1) + 1
    above = (ARROWS if shown.shift is not None else 4.0) + LINE * lines
    strips = STRIP * ((shown.verdicts is not None) + (shown.std is not None))
    strips += GAP if strips else 0.0
    below = strips + HEIGHT * len(rows)
    height = get_axes_size(ax)[1]
    squeeze = min(1.0, 0.6 * height / max(above + below, 1.0))
    unit = (high - low) / (height - squeeze * (above + below)) * squeeze  # a point's intensity
    ax.set_ylim(low - below * unit, high + above * unit)
    _draw_strips(ax, shown, low - GAP * unit, STRIP * unit)
    draw_rows(ax, rows, top=low - strips * unit, height=HEIGHT * unit)
    if shown.shift is not None:
        _draw_arrows(ax, shown, shown.shift, high + ARROWS / 2 * unit)
    first = high + (above - LINE * lines) * unit
    for region, x, line in names:
        inside = (shown.x >= shown.bounds[region, 0]) & (shown.x <= shown.bounds[region, 1])
        i = int(np.argmax(np.where(inside & np.isfinite(shown.y), np.abs(shown.y), -1)))
        ax.annotate(
            _name_region(shown, region),
            (shown.x[i], shown.y[i]),
            (x, first + line * LINE * unit),
            ha="center", va="bottom", fontsize=8,
            arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.7, "shrinkA": 0, "shrinkB": 1},
        )  # fmt: skip
    return low, high


def _name_region(shown: Shown, region: int) -> str:
    purpose = "" if shown.verdicts is None else shown.verdicts.purpose
    return CONTRARY[shown.named.index(region)] + purpose


def _draw_strips(ax: Axes, shown: Shown, top: float, height: float) -> None:
    """Draw a row of verdicts and a row of standard deviations below the pattern."""
    from matplotlib.collections import PolyCollection

    text: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "fontsize": 7}
    text |= {"ha": "right", "va": "center", "color": "0.3"}
    if shown.verdicts is not None:
        centers = shown.bounds.mean(axis=1)
        draw_symbols(ax, centers, shown.verdicts, top - height / 2)
        ax.text(-0.008, top - height / 2, "verdict", **text)
        top -= height
    if shown.std is not None:
        low, high = top - 0.9 * height, top - 0.1 * height
        cells = find_cells(shown.bounds, shown.std)
        corners = [[(a, low), (b, low), (b, high), (a, high)] for a, b, _ in cells]
        shares = np.array([value for *_, value in cells]) / max(float(shown.std.max()), 1e-300)
        colors = make_pale_colormap()(shares)
        ax.add_collection(PolyCollection(corners, facecolors=colors, linewidths=0))
        ax.text(-0.008, top - height / 2, "std", **text)


def _find_places(ax: Axes, shown: Shown) -> list[tuple[int, float, int]]:
    """Return the region, the position of its name, and the line of text for it."""
    low, high = sorted(ax.get_xlim())
    longest = max((len(_name_region(shown, r)) for r in shown.named if r is not None), default=0)
    size = 0.54 * 8 * longest * (high - low) / get_axes_size(ax)[0]
    regions = [region for region in shown.named if region is not None]
    x = np.array([shown.bounds[region].mean() for region in regions])
    if x.size == 2 and abs(x[1] - x[0]) < size:  # apart, each towards its side
        x = x.mean() + np.where(x == x.min(), -size / 2, size / 2)
        x += max(low + size / 2 - x.min(), 0) + min(high - size / 2 - x.max(), 0)
    x = np.clip(x, low + size / 2, high - size / 2)
    lines = np.arange(x.size) if x.size == 2 and abs(x[1] - x[0]) < 0.99 * size else 0 * x
    return [(region, float(x[i]), int(lines[i])) for i, region in enumerate(regions)]


def _draw_arrows(ax: Axes, shown: Shown, shift: Float, y: float) -> None:
    shift = np.nan_to_num(shift)
    second = shift[:, 1] if shift.shape[1] > 1 else np.zeros(len(shift))
    longest = float(np.hypot(shift[:, 0], second).max(initial=0))
    ax.quiver(
        shown.bounds.mean(axis=1), np.full(len(shift), y), shift[:, 0], second,
        angles="uv", units="inches", scale_units="inches", width=0.014, minlength=1.5,
        scale=max(longest, 1e-30) / (LONGEST / 72), color="0.15", headwidth=4, headlength=4.5,
    )  # fmt: skip
    names = [name.removeprefix("latent ") for name in shown.axes]
    axes = ", ".join(f"{arrow} {name}" for arrow, name in zip("→↑", names, strict=False))
    arrows = f"arrows: latent shift when replaced ({axes}), the longest {longest:.2g}"
    _add_to_title(ax, arrows)


def _add_to_title(ax: Axes, text: str) -> None:
    above = ax.get_title(loc="left")
    ax.set_title(f"{above}\n{text}" if above else text, loc="left", fontsize=8)


def _draw_scale(ax: Axes, top: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(0, top), make_pale_colormap())
    add_colorbar(ax, scale, "relevance: latent shift when replaced")


def _draw_region(
    ax: Axes, start: float, stop: float, low: float, high: float, share: float
) -> None:
    from matplotlib.patches import Rectangle

    box = Rectangle(
        (start, low), stop - start, high - low, color=make_pale_colormap()(share), lw=0, zorder=0.5
    )
    ax.add_patch(box)


def find_cells(bounds: Float, values: Float) -> list[tuple[float, float, float]]:
    """Return start, stop and value of what regions cover; where they overlap, their mean."""
    edges = np.unique(bounds)
    found = []
    for start, stop in itertools.pairwise(edges):
        middle = (start + stop) / 2
        here = values[(bounds[:, 0] <= middle) & (middle <= bounds[:, 1])]
        here = here[np.isfinite(here)]
        if here.size:
            found.append((float(start), float(stop), float(here.mean())))
    return found
