"""Draw the quality of a model: history of training, estimates, novelty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.apply_kernel import format_title
from xrdae.convention.categories import find_category_names
from xrdae.errors import DataError
from xrdae.plot.colors import BLUE, MARKERS, OKABE_ITO, VERMILION
from xrdae.plot.drawing import (
    ENCODE,
    add_legend_above,
    add_legend_beside,
    find_order,
    find_scale,
    flatten,
    get_axes,
    select_needed,
    wrap_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xrdae.model import Model
    from xrdae.quality import Quality

Float = npt.NDArray[Any]

MOST_COMPONENTS = 24  # drawn
LONGEST_NAME = 24  # characters of a label in the legend
WIDE = 30.0  # largest novelty over the limit, above which the axis is logarithmic


def draw_training(model: Model, *, ax: Axes | None) -> Axes:
    """Draw how a model was trained; see `Plot.training`."""
    history = model.history
    step, held_out = history["step"].values, history["held_out"].values
    ax = get_axes(ax)
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.plot(step, history["loss"].values, color=BLUE, lw=1, label="loss, trained on")
    if np.isfinite(held_out).any():
        ax.plot(step, held_out, color=VERMILION, lw=1, ls="--", label="error, held out")
        best = int(np.nanargmin(held_out))
        ax.plot(
            step[best], held_out[best], color="black", marker="o", ms=5, ls="",
            label=f"best: {held_out[best]:.3g} at step {step[best]}",
        )  # fmt: skip
        ax.axvline(step[best], color="0.6", lw=0.8, ls=":", zorder=0)
    ax.set(xlabel="step", ylabel="error over the patterns' spread", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.02)
    add_legend_above(ax)
    return ax


def draw_weights(model: Model, *, ax: Axes | None) -> Axes:
    """Draw what the map of a model weighs; see `Plot.weights`."""
    weights, variance = model.fitted.weights, model.autoencoder.basis.variance
    weighted = np.square(weights.values) * variance
    n = min(MOST_COMPONENTS, len(variance))
    number = np.arange(1, n + 1)
    ax = get_axes(ax)
    parts = {"variance": (variance, "0.7", -0.2), "weighted, in the map": (weighted, BLUE, 0.2)}
    for label, (values, color, offset) in parts.items():
        ax.bar(number + offset, (values / values.sum())[:n], 0.4, color=color, label=label)
    known = np.isfinite(weights.predictability[:n])
    if known.any():
        ax.plot(
            number[known], weights.predictability[:n][known], color=VERMILION, marker="o", ms=4,
            ls="", label="predicted by neighbours",
        )  # fmt: skip
    ax.set(xlabel="component of the basis", ylabel="part", ylim=(0, 1.02))
    add_legend_above(ax)
    return ax


def draw_quality(quality: Quality, *, ax: Axes | None) -> Axes:
    """Draw R2 of labels over the number of latents; see `Plot.quality`."""
    figures = quality.figures
    numbers, r2 = figures["n_latent"].values, figures["label_r2"].values
    own = int(np.flatnonzero(numbers == figures.attrs["n_latent"])[0])
    usable = np.flatnonzero(np.isfinite(r2).all(axis=1))
    change = r2[usable].max(axis=1, initial=-np.inf) - r2[usable, own]
    drawn = usable[np.sort(np.argsort(-change, kind="stable")[: len(MARKERS)])]
    place = np.arange(len(numbers))  # evenly spaced
    ax = get_axes(ax)
    ax.axvspan(own - 0.25, own + 0.25, color="0.92", lw=0, zorder=0)
    for color, marker, i in zip(OKABE_ITO, MARKERS, drawn, strict=False):
        name = str(figures["label"].values[i])
        name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        ax.plot(place, r2[i], color=color, marker=marker, ms=5, lw=1.2, label=f"R² of {name}")
    ax.plot(
        place, figures["predicted_part"].values, color="0.5", lw=1.2, ls="--",
        label="variance predicted",
    )  # fmt: skip
    ax.set_xticks(place, [f"{n} (model)" if i == own else str(n) for i, n in enumerate(numbers)])
    ax.set(xlabel="number of latents", ylabel="R², or part of the weighted variance")
    ax.set_xlim(-0.4, len(numbers) - 0.6)
    ax.set_ylim(min(0.0, float(r2[drawn].min(initial=0.0))) - 0.02, 1.04)
    left = len(usable) - len(drawn)
    ax.set_title(_describe_map(figures), fontsize="small", loc="left")
    add_legend_beside(ax, f"{left} more labels not drawn" if left else "")
    return ax


def _describe_map(figures: xr.Dataset) -> str:
    """Return the figures of the map in two lines."""
    (error, by_pca), (trust, of_pca) = (
        figures[name].values for name in ("reconstruction_error", "trustworthiness")
    )
    held_out = f"error held out {error:.3f} (PCA {by_pca:.3f})"
    if np.isnan(error):
        held_out = "no pattern held out"
    dimension = float(figures["dimension"])
    known = "unknown" if np.isnan(dimension) else f"{dimension:.1f}"
    return (
        f"{held_out}, trustworthiness {trust:.3f} (PCA {of_pca:.3f})\n"
        f"dimension {known}, of {int(figures['different_patterns'])} different patterns"
    )


def draw_estimate(dataset: xr.Dataset, label: str, *, ax: Axes | None) -> Axes:
    """Draw estimates against a label; see `Plot.estimate`."""
    if f"{label}_probability" in dataset.variables:
        return _draw_confusion(dataset, label, ax)
    call = f"estimate(model, {label!r})"
    names = {f"{label}_estimate": call, f"{label}_std": call}
    found = select_needed(dataset, **names)
    found = found.assign(
        {label: dataset.variables[label]} if label in dataset.variables else {}
    ).compute()
    estimate = found[f"{label}_estimate"]
    truth = find_scale(found, label, estimate)
    y, std = flatten(estimate), flatten(found[f"{label}_std"])
    known = np.isfinite(truth.values) & np.isfinite(y)
    if not known.any():
        raise DataError(f"no pattern has both {label!r} and an estimate of it")
    x, y, std = truth.values[known], y[known], std[known]
    ax = get_axes(ax, size=(5.6, 5.2))
    ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
    ax.plot(ends, ends, color="0.4", lw=0.9, ls="--", zorder=1)
    ax.errorbar(
        x, y, std, ls="", marker="o", ms=4, mew=0.3, mec="white", color=BLUE, ecolor="0.6",
        elinewidth=0.8, zorder=2,
    )  # fmt: skip
    ax.set_title(_format_figures(found, label, x, y), loc="left", fontsize="small")
    ax.set(xlabel=wrap_text(truth.title), ylabel=wrap_text(format_title(estimate)))
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def _draw_confusion(dataset: xr.Dataset, label: str, ax: Axes | None) -> Axes:
    """Draw how many patterns of each class have each class as estimate."""
    call = f"estimate(model, {label!r}, reference=...)"
    found = select_needed(dataset, **{f"{label}_estimate": call, f"{label}_probability": call})
    if label not in dataset.variables:
        raise DataError(f"the dataset has no label {label!r} to compare its estimate with")
    found = found.assign({label: dataset.variables[label]}).compute()
    estimate = found[f"{label}_estimate"]
    names = [str(name) for name in found[f"{label}_class"].values]
    true = find_category_names(found[label].broadcast_like(estimate).transpose(*estimate.dims))
    guess = found[f"{label}_probability"].transpose(..., f"{label}_class").values
    known = np.isfinite(guess).all(axis=-1) & (true != "")
    if not known.any():
        raise DataError(f"no pattern has both {label!r} and an estimate of it")
    rows = sorted(
        set(true[known]), key=lambda n: (n not in names, names.index(n) if n in names else n)
    )
    counts = np.zeros((len(rows), len(names)), dtype=int)
    for name, best in zip(true[known], guess[known].argmax(axis=-1), strict=True):
        counts[rows.index(name), best] += 1
    part = counts / counts.sum(axis=1, keepdims=True)
    ax = get_axes(ax, size=(5.6, 5.2))
    ax.imshow(part, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        if count:
            ax.text(
                j,
                i,
                str(count),
                ha="center",
                va="center",
                color="white" if part[i, j] > 0.6 else "black",
            )
    ax.set_xticks(
        range(len(names)), [wrap_text(n) for n in names], rotation=45 if len(names) > 4 else 0
    )
    ax.set_yticks(range(len(rows)), [wrap_text(n) for n in rows])
    accuracy = estimate.attrs.get("cross_validation_balanced_accuracy")
    if accuracy is not None:
        title = f"balanced accuracy of held-out blocks: {accuracy:.2f}"
        ax.set_title(title, loc="left", fontsize="small")
    title = format_title(found[label], label)
    ax.set(xlabel=wrap_text(f"{title} (estimate)"), ylabel=wrap_text(title))
    return ax


def _format_figures(found: xr.Dataset, label: str, x: Float, y: Float) -> str:
    """Return R2 and mean absolute error of these patterns, and of held-out blocks."""
    units = found[label].attrs.get("units", "1")
    unit = "" if units in ("1", "") else f" {units}"
    spread = float(np.square(x - x.mean()).sum())
    r2 = 1 - float(np.square(y - x).sum()) / spread if spread > 0 else np.nan
    lines = [f"these {x.size} patterns: R² {r2:.4f}, MAE {np.abs(y - x).mean():.3g}{unit}"]
    attrs = found[f"{label}_estimate"].attrs
    if "cross_validation_r2" in attrs:
        mae = attrs["cross_validation_mae"]
        lines.append(f"held-out blocks: R² {attrs['cross_validation_r2']:.4f}, MAE {mae:.3g}{unit}")
    return "\n".join(lines)


def draw_novelty(dataset: xr.Dataset, *, x: str | None, ax: Axes | None) -> Axes:
    """Draw novelty; see `Plot.novelty`."""
    found = select_needed(dataset, novelty=ENCODE)
    if x is not None and x in dataset.variables:
        found = found.assign({x: dataset.variables[x]})
    found = found.compute()
    novelty = found["novelty"]
    along = find_order(found, novelty) if x is None else find_scale(found, x, novelty)
    values = flatten(novelty)
    ax = get_axes(ax)
    novel, unknown = values > 1, np.isnan(values)
    usual = ~novel & ~unknown
    style: dict[str, Any] = {"s": 18, "linewidths": 0.3, "edgecolors": "white"}
    ax.scatter(
        along.values[usual], values[usual], color=BLUE, label=f"usual ({usual.sum()})", **style
    )
    ax.scatter(
        along.values[novel], values[novel], color=VERMILION, marker="^",
        label=f"novel ({novel.sum()})", **(style | {"s": 30}),
    )  # fmt: skip
    ax.axhline(1, color="0.2", lw=0.9, ls="--", label="limit")
    if unknown.any():
        ax.plot([], [], ls="", label=f"without latents: {unknown.sum()}")
    if values[~unknown].max(initial=0) > WIDE:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    along.label_axis(ax.xaxis)
    ax.set_ylabel("novelty")
    add_legend_above(ax)
    return ax
