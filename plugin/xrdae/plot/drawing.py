"""Shared parts of all plots: axes, legends, colour bars, and labels of the patterns."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import describe
from xrdae.convention.apply_kernel import format_title
from xrdae.convention.axes import Axis as PatternAxis
from xrdae.convention.axis_kinds import OTHER, UNITS, find_axis_kind, find_named_kind
from xrdae.convention.categories import find_category_names, is_category, order_categories
from xrdae.convention.patterns import Patterns, find_patterns
from xrdae.errors import DataError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colorbar import Colorbar

Float = npt.NDArray[Any]

ENCODE = "encode(model)"
RELEVANCE = "relevance(model)"
WIDTH = 38  # characters in a line of a label


@dataclasses.dataclass(frozen=True, eq=False)
class Label:
    """A label of every pattern.

    Attributes
    ----------
    values
        `(pattern,)`, numbers (NaN where not known) or names of categories ("" where not known);
        times are days, as matplotlib counts them.
    title
        Its name and units.
    kind
        "number", "time" or "text"; "text" is any category, see `xrdae.convention.categories`.
    categories
        The names of categories that occur, in order.
    """

    values: Float
    title: str
    kind: str
    categories: tuple[str, ...] = ()

    def label_axis(self, axis: Axis) -> None:
        """Give an axis along which this label runs its title, and dates where they are dates."""
        axis.set_label_text(wrap_text(self.title))
        if self.kind == "time":
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator()  # type: ignore[no-untyped-call]
            axis.set_major_locator(locator)
            axis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]

    def format_texts(self, which: npt.NDArray[np.intp]) -> list[str]:
        """Return the values of some patterns as texts."""
        values = self.values[which]
        if self.kind == "time":
            from matplotlib.dates import num2date

            dates = num2date(values)  # type: ignore[no-untyped-call]
            return [f"{date:%Y-%m-%d %H:%M}" for date in dates]
        return [v if self.kind == "text" else format_short(v) for v in values]


def get_axes(ax: Axes | None, *, size: tuple[float, float] | None = None) -> Axes:
    """Return the given axes, or those of a new figure with a size in inches."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'xrdae[plot]'") from error
    return pyplot.figure(figsize=size, layout="constrained").add_subplot()


def select_needed(dataset: xr.Dataset, **sources: str) -> xr.Dataset:
    """Return variables with their coordinates.

    `sources` are their names, and the calls that attach them.
    """
    for name, source in sources.items():
        if name not in dataset.variables:
            raise DataError(f"the dataset has no {name!r}; attach it first: ds.xrdae.{source}")
    return dataset[list(sources)]


def flatten(array: xr.DataArray, *last: str) -> Float:
    """Return `(pattern, *last)`: the sample dimensions in one."""
    values = array.transpose(..., *last).values
    return np.asarray(values.reshape(-1, *(array.sizes[d] for d in last)))


def find_drawn_patterns(dataset: xr.Dataset) -> Patterns:
    """Return the patterns that the model was applied to.

    Patterns over two_theta with a wavelength each are brought to the q of the results that the
    dataset carries.
    """
    names = describe.find_pattern_names(dataset)
    variable, dim = names["variable"], names["dim"]
    if variable is not None and dim not in dataset[variable].dims:
        names["dim"] = None
    has_q = "q" in dataset.dims and "q" in dataset.coords
    onto = PatternAxis("q", np.sort(dataset["q"].values.astype(float))) if has_q else None
    return find_patterns(dataset, **names, onto=onto)


def is_drawn_downward(array: xr.DataArray, dim: Hashable) -> bool:
    """Tell whether pictures run from the highest position along an axis to the lowest.

    An axis that is not one of diffraction is drawn in the direction in which it came.
    """
    coord = array[dim]
    values = coord.values
    if values.size < 2 or not values[0] > values[-1]:
        return False
    units = str(coord.attrs.get("units", "")).strip()
    if not units:
        return find_named_kind(dim) not in UNITS
    long_name = str(coord.attrs.get("long_name", ""))
    return find_axis_kind(dim, units, long_name=long_name, values=values).kind == OTHER


def orient(array: xr.DataArray, dim: Hashable, *, downward: bool) -> xr.DataArray:
    """Return an array whose positions along an axis rise, or fall."""
    values = array[dim].values
    falls = values.size > 1 and bool(values[0] > values[-1])
    return array if falls == downward else array.isel({dim: slice(None, None, -1)})


def find_label(dataset: xr.Dataset, name: str, template: xr.DataArray) -> Label:
    """Return a label, or a result, of every pattern of the template `(sample dims ...)`.

    Raises
    ------
    DataError
        If there is no such label, or it is not numbers, times or texts.
    """
    if name not in dataset.variables and name not in dataset.dims:
        known = [str(n) for n, v in dataset.variables.items() if set(v.dims) <= set(template.dims)]
        raise DataError(
            f"the dataset has no {name!r} along {list(template.dims)}; it has {sorted(known)}"
        )
    label = dataset[name]
    if not set(label.dims) <= set(template.dims):
        raise DataError(
            f"{name!r} lies along {list(label.dims)}, the patterns along {list(template.dims)}"
        )
    label = label.broadcast_like(template).transpose(*template.dims)
    values, title = label.values.ravel(), format_title(label, name)
    if is_category(label):
        texts = find_category_names(label)
        return Label(texts.ravel(), title, "text", tuple(order_categories(label, texts)))
    if values.dtype.kind in "iuf":
        return Label(values.astype(float), title, "number")
    if values.dtype.kind == "M":
        from matplotlib.dates import date2num

        days: Any = date2num(values)  # type: ignore[no-untyped-call]
        return Label(np.asarray(days), title, "time")
    if values.dtype.kind == "m":
        seconds = np.where(np.isnat(values), np.nan, values / np.timedelta64(1, "s"))
        return Label(seconds, f"{title} (s)", "number")
    raise DataError(f"label {name!r} is of type {values.dtype}: neither numbers, times nor texts")


def find_scale(dataset: xr.Dataset, name: str, template: xr.DataArray) -> Label:
    """Return a label that can be put along an axis: not one of categories."""
    label = find_label(dataset, name, template)
    if label.kind == "text":
        raise DataError(
            f"label {name!r} is of texts or other categories, which have no order; give one of "
            "numbers"
        )
    return label


def find_order(dataset: xr.Dataset, template: xr.DataArray) -> Label:
    """Return the label along the patterns: the coordinate of the sample dimension, or positions.

    A coordinate that turns round or repeats would move the patterns: then positions are taken.
    """
    dims = [str(d) for d in template.dims]
    if len(dims) == 1 and dims[0] in dataset.coords:
        label = find_label(dataset, dims[0], template)
        if label.kind != "text":
            steps = np.diff(label.values)
            if (steps > 0).all() or (steps < 0).all():
                return label
    title = f"position along {dims[0]}" if len(dims) == 1 else f"{', '.join(dims)} (stacked)"
    return Label(np.arange(template.size, dtype=float), title, "number")


def format_short(value: float) -> str:
    """Return a number with three digits, or with all digits before the point."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "−")  # the minus sign of tick labels


def wrap_text(text: str) -> str:
    """Return a text in lines that fit next to an axis."""
    return textwrap.fill(text, WIDTH)


def add_colorbar(ax: Axes, drawn: Any, label: Label | str) -> Colorbar:
    """Add a colour bar with its label."""
    bar = ax.figure.colorbar(drawn, ax=ax)
    if isinstance(label, str):
        bar.set_label(wrap_text(label))
    else:
        label.label_axis(bar.ax.yaxis)
    return bar


def add_legend_above(ax: Axes, handles: Sequence[Artist] | None = None) -> None:
    """Put a legend of short names in one line over the axes, where it hides nothing."""
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False,
        fontsize="small", borderaxespad=0.2, borderpad=0.2, columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def add_legend_beside(ax: Axes, title: str) -> None:
    """Put a legend on the right of the axes, or inside where no layout would make room for it."""
    if ax.figure.get_layout_engine() is None:
        ax.legend(title=title, fontsize="small", framealpha=0.8)
    else:
        ax.legend(title=title, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def get_axes_size(ax: Axes) -> tuple[float, float]:
    """Return width and height of the axes in points, before any layout."""
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi
