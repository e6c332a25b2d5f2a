"""Draw the verdict of every region as a row of symbols."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.names import name_label_result
from xrdae.plot.colors import BLUE, OKABE_ITO, VERMILION
from xrdae.plot.drawing import get_axes_size, select_needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

Float = npt.NDArray[Any]

# Of each value: its name, its symbol in a line of text, matplotlib's marker, and colours.
SYMBOLS = {
    1: ("relevant", "●", "o", VERMILION, VERMILION),
    -1: ("irrelevant", "○", "o", "white", BLUE),
    2: ("varies alone", "◆", "D", OKABE_ITO[4], OKABE_ITO[4]),
    0: ("undecided", "·", ".", "0.5", "0.5"),
}
LARGEST, SMALLEST = 5.0, 1.5  # points, of a symbol


@dataclasses.dataclass(frozen=True, eq=False)
class Verdicts:
    """Verdicts of regions, and the changes on which they rest.

    Attributes
    ----------
    values
        `(region,)`, values of `relevance_verdict`.
    change
        `(region,)`, confirmed change [intensity].
    label
        The label for which regions are relevant; None: for the latents.
    """

    values: npt.NDArray[Any]
    change: Float
    label: str | None

    @property
    def purpose(self) -> str:
        """For which label regions are relevant, in words; empty for the latents."""
        return "" if self.label is None else f" for {self.label}"


def find_verdicts(dataset: xr.Dataset, label: str | None) -> Verdicts | None:
    """Return the verdicts that a dataset has; None: it has none.

    Raises
    ------
    DataError
        If there are no verdicts for a given label.
    """
    names = ["relevance_verdict", "region_change"]
    if label is not None:
        names = [name_label_result(part, label) for part in ("verdict", "change")]
        select_needed(dataset, **dict.fromkeys(names, f"relevance(model, label={label!r})"))
    elif not set(names) <= set(dataset.variables):
        return None
    verdict, change = (dataset[name].values for name in names)
    return Verdicts(verdict, change, label)


def measure_excess(change: Float, strength: Float) -> Float:
    """Return the relative change of regions over that of all regions together, less 1."""
    whole = np.linalg.norm(change) / max(float(np.linalg.norm(strength)), 1e-300)
    if whole == 0:
        return np.zeros(len(change))
    return np.asarray(change / np.maximum(strength, 1e-300) / whole - 1)


def draw_symbols(
    ax: Axes, centers: Float, verdicts: Verdicts, y: float, transform: Transform | None = None
) -> None:
    """Draw a symbol for the verdict of each region, in a row at a height.

    Symbols are smaller where regions are close.
    """
    low, high = sorted(ax.get_xlim())
    order = np.sort(centers)
    step = np.median(np.diff(order)) if order.size > 1 else high - low
    size = float(np.clip(step / (high - low) * get_axes_size(ax)[0], SMALLEST, LARGEST))
    for value, (name, _, marker, fill, edge) in SYMBOLS.items():
        chosen = verdicts.values == value
        if chosen.any():
            ax.scatter(
                centers[chosen], np.full(chosen.sum(), y), s=size**2, marker=marker, c=fill,
                edgecolors=edge, linewidths=min(0.9, size / 4), clip_on=False, zorder=4,
                transform=transform or ax.transData, label=name,
            )  # fmt: skip


def describe_symbols(verdicts: Verdicts) -> str:
    """Return the symbols that occur, and their meanings, in one line."""
    some = [f"{s} {n}" for v, (n, s, *_) in SYMBOLS.items() if (verdicts.values == v).any()]
    return ", ".join(some) + verdicts.purpose
