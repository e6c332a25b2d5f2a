"""Pictures of synthesized patterns."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import format_title
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.plot.drawing import (
    add_legend_above,
    find_drawn_patterns,
    flatten,
    format_short,
    get_axes,
    is_drawn_downward,
    orient,
    select_needed,
    wrap_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float = npt.NDArray[Any]

STEP = 0.45  # of the highest peak, from one pattern to the next
TALLEST = 3.0  # highest peaks, from the first to the last
MOST_TEXTS = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Waterfall:
    """Lines of a waterfall plot, and their offsets.

    Attributes
    ----------
    rows
        `(synthetic,)`, in steps from the bottom.
    ends
        `(2, point)`, the measured patterns between which the others lie; None: they do not.
    top
        Row of the second end.
    behind
        `(synthetic, point)`, the linear blend of the ends, or the nearest measured patterns;
        None: not known.
    title
        Title of the texts; "" for none.
    texts
        `(synthetic,)`, the text of each line.
    end_texts
        The same of the ends.
    """

    rows: Float
    ends: Float | None
    top: float
    behind: Float | None
    title: str
    texts: list[str]
    end_texts: list[str]


def draw_synthesis(dataset: xr.Dataset, *, ax: Axes | None) -> Axes:
    """Draw a waterfall of synthesized patterns; see `Plot.synthesis`."""
    source = {"synthesized": "synthesize(model, ...)"}
    found = select_needed(dataset, **source)["synthesized"].compute()
    (dim,) = (d for d in found.dims if d != "synthetic")
    downward = is_drawn_downward(found, dim)
    found = orient(found, dim, downward=downward)  # from left to right
    values, x = found.transpose("synthetic", dim).values, found[dim].values
    fall = _make_waterfall(dataset, found, downward=downward)
    known = values[np.isfinite(values)]
    height = float(np.ptp(known)) if known.size else 0.0
    height = height or 1.0
    step = height * min(STEP, TALLEST / max(fall.top, 1.0))
    ax = get_axes(ax, size=(8.5, 5.2))
    import matplotlib

    if fall.behind is not None:
        dashed = {"color": "0.35", "ls": (0, (3, 1.5)), "label": "linear blend of the ends"}
        solid = {"color": "0.6", "label": "nearest measured pattern"}
        style: dict[str, Any] = dashed if fall.ends is not None else solid
        for pattern, row in zip(fall.behind, fall.rows, strict=True):
            ax.plot(x, pattern + row * step, lw=0.8, **style)
            style["label"] = None
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(values)))
    for i, (pattern, row) in enumerate(zip(values, fall.rows, strict=True)):
        label = "synthesized" if i == 0 else None
        ax.plot(x, pattern + row * step, color=colors[i], lw=0.9, label=label)
    if fall.ends is not None:
        for pattern, row in zip(fall.ends, (0.0, fall.top), strict=True):
            label = "measured" if row == 0 else None
            ax.plot(x, pattern + row * step, color="black", lw=0.9, label=label)
    ax.set(
        xlabel=format_title(found[dim], dim), ylabel=format_title(found) + ", shifted", yticks=[]
    )
    ax.margins(x=0, y=0.02)
    ax.xaxis.set_inverted(downward)
    _draw_texts(ax, fall, values, step)
    add_legend_above(ax)
    return ax


def _draw_texts(ax: Axes, fall: Waterfall, values: Float, step: float) -> None:
    """Write the text of each line at its right end."""
    rows, texts, levels = list(fall.rows), list(fall.texts), [_find_last(p) for p in values]
    if fall.ends is not None:
        inner = [i for i, row in enumerate(rows) if 0 < row < fall.top]
        rows = [0.0, *(rows[i] for i in inner), fall.top]
        texts = [fall.end_texts[0], *(texts[i] for i in inner), fall.end_texts[1]]
        levels = [_find_last(fall.ends[0]), *(levels[i] for i in inner), _find_last(fall.ends[1])]
    if not fall.title:
        return
    every = -(-(len(rows) - 1) // (MOST_TEXTS - 1)) or 1
    some = slice(None, None, every)
    side = ax.secondary_yaxis("right")
    at = [row * step + level for row, level in zip(rows, levels, strict=True)]
    side.set_yticks(at[some], texts[some])
    side.tick_params(labelsize="small", length=2)
    side.set_ylabel(wrap_text(fall.title))


def _find_last(pattern: Float) -> float:
    """Return the typical intensity at the right end of a pattern."""
    tail = pattern[-max(1, pattern.size // 50) :]
    return float(np.median(tail[np.isfinite(tail)])) if np.isfinite(tail).any() else 0.0


def _make_waterfall(dataset: xr.Dataset, found: xr.DataArray, *, downward: bool) -> Waterfall:
    patterns = _find_measured(dataset)
    if patterns is None or "xrdae_between" not in found.attrs:
        rows = np.arange(found.sizes["synthetic"], dtype=float)
        title, texts, _ = _format_texts(dataset)
        behind = None if patterns is None else _find_nearest(dataset, patterns, downward=downward)
        return Waterfall(rows, None, rows[-1], behind, title, texts, [])
    positions = json.loads(found.attrs["xrdae_between"])
    fractions = np.array(json.loads(found.attrs["xrdae_fractions"]))
    step = float(np.diff([*fractions[fractions < 1], 1.0]).min(initial=1.0))
    intensity = orient(patterns.intensity, patterns.dim, downward=downward)
    ends = np.stack([intensity.isel(patterns.position(p)).values.astype(float) for p in positions])
    behind = (1 - fractions[:, None]) * ends[0] + fractions[:, None] * ends[1]
    labels = patterns.labels()
    title, texts, name = _format_texts(dataset, set(labels))
    if name is not None:
        end_texts = [
            format_short(float(labels[name].isel(patterns.position(p)))) for p in positions
        ]
    else:
        title, texts = "part of the way", [format_short(f) for f in fractions]
        end_texts = ["0", "1"]
    return Waterfall(fractions / step, ends, 1 / step, behind, title, texts, end_texts)


def _find_measured(dataset: xr.Dataset) -> Patterns | None:
    """Return the measured patterns; None if the dataset has only synthesized patterns."""
    try:
        patterns = find_drawn_patterns(dataset)
    except DataError:
        return None
    return None if "synthetic" in patterns.intensity.dims else patterns


def _format_texts(
    dataset: xr.Dataset, among: set[str] | None = None
) -> tuple[str, list[str], str | None]:
    """Return title, texts and name of the first label that varies, or of the latent point."""
    # A dimension's coordinate comes last: it may only count the patterns.
    for variable in sorted(map(str, dataset.variables), key=lambda v: v[12:] in dataset.dims):
        name = variable.removeprefix("synthesized_")
        if name in (variable, "novelty") or dataset[variable].dims != ("synthetic",):
            continue
        values = dataset[variable].values.astype(float)
        if np.ptp(values) > 0 and (among is None or name in among):
            return format_title(dataset[variable], name), [format_short(v) for v in values], name
    if "synthesized_latent" not in dataset.variables:
        return "", [""] * dataset.sizes["synthetic"], None
    points = flatten(dataset["synthesized_latent"], "latent_axis")
    return "latent point", [", ".join(f"{v:.2f}" for v in point) for point in points], None


def _find_nearest(dataset: xr.Dataset, patterns: Patterns, *, downward: bool) -> Float | None:
    """Return the measured pattern whose latents are nearest to each synthesized one's."""
    if not {"latent", "synthesized_latent"} <= set(dataset.variables):
        return None
    latents = flatten(
        dataset["latent"].transpose(*patterns.sample_dims, "latent_axis"), "latent_axis"
    )
    wanted = flatten(dataset["synthesized_latent"], "latent_axis")
    known = np.flatnonzero(np.isfinite(latents).all(axis=1))
    if not known.size or latents.shape[1] != wanted.shape[1]:
        return None
    distance = np.linalg.norm(latents[known][None] - wanted[:, None], axis=2)
    which = known[distance.argmin(axis=1)]
    places = np.unravel_index(which, [patterns.intensity.sizes[d] for d in patterns.sample_dims])
    at = {
        d: xr.DataArray(i, dims="synthetic")
        for d, i in zip(patterns.sample_dims, places, strict=True)
    }
    rows = orient(patterns.intensity.isel(at), patterns.dim, downward=downward)
    return rows.transpose("synthetic", patterns.dim).values.astype(float)
