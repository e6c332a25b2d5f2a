"""Table of the regions of a dataset: relevance, changes and verdicts, reflections, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.categories import find_category_names
from xrdae.convention.names import REGION_BOUNDS, RESULTS, name_label_result
from xrdae.errors import DataError
from xrdae.plot.drawing import RELEVANCE, find_drawn_patterns, select_needed
from xrdae.plot.phases import Row, find_rows

if TYPE_CHECKING:
    from xrdae.plot.phases import Phases

REGION_RESULTS = ("region_change", "region_std", "relevance_excess", "relevance_verdict")
LABEL_PARTS = ("change", "pvalue", "slope", "r2", "verdict")
MOST_NAMED = 4  # reflections of a region


def tabulate_relevance(
    dataset: xr.Dataset, label: str | Sequence[str] | None, phases: Phases | None
) -> xr.Dataset:
    """Return the table of regions; see `XrdaeAccessor.tabulate_relevance`."""
    relevance = select_needed(dataset, relevance=RELEVANCE)["relevance"]
    table = xr.Dataset(coords={name: dataset[name].variable for name in REGION_BOUNDS})
    if phases is not None:
        rows = find_rows(phases, find_drawn_patterns(dataset))
        bounds = np.stack([table["region_start"].values, table["region_stop"].values], axis=1)
        indices = _name_reflections(rows, bounds)
        table["hkl"] = xr.Variable("region", indices, {"long_name": "Miller indices"})
    mean = relevance.mean([d for d in relevance.dims if d != "region"], keep_attrs=True)
    mean.attrs["long_name"] = "mean relevance of the patterns"
    table["relevance"] = mean.variable.compute()
    names = [name for name in REGION_RESULTS if name in dataset.variables]
    if label is None:
        labels = find_region_labels(dataset)
    else:
        labels = [label] if isinstance(label, str) else list(label)
    for name in labels:
        if name_label_result("verdict", name) not in dataset.variables:
            raise DataError(
                f"the dataset has no verdicts for label {name!r}; attach them first: "
                f"ds.xrdae.relevance(model, label={name!r})"
            )
        parts = [name_label_result(part, name) for part in LABEL_PARTS]
        names += [part for part in parts if part in dataset.variables]
    for name in names:
        array = dataset[name].compute()
        if name.endswith(name_label_result("verdict", "")):
            words = np.char.replace(find_category_names(array).astype(str), "_", " ")
            attrs = {k: v for k, v in array.attrs.items() if not str(k).startswith("flag_")}
            array = xr.DataArray(words.astype(object), dims=array.dims, attrs=attrs)
        table[name] = array.variable
    return table


def find_region_labels(dataset: xr.Dataset) -> list[str]:
    """Return the labels with which the regions of a dataset were compared."""
    ending = name_label_result("verdict", "")
    return [
        str(name).removesuffix(ending)
        for name, array in dataset.data_vars.items()
        if str(name).endswith(ending) and name not in RESULTS and array.dims == ("region",)
    ]


def choose_watched_region(table: xr.Dataset, label: str) -> int | None:
    """Return the region from which to read a label; None if no region is relevant for it.

    Of the relevant regions it is that of largest R2 of the label from the region alone; of a
    category, that of largest change.
    """
    relevant = table[name_label_result("verdict", label)].values == "relevant"
    measure = name_label_result("r2", label)
    if measure not in table:
        measure = name_label_result("change", label)
    values = np.where(relevant, table[measure].values.astype(float), np.nan)
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def _name_reflections(rows: list[Row], bounds: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the indices of the strongest reflections in each region `(region, 2)`, as text."""
    names = np.full(len(bounds), "", dtype=object)
    for i, (start, stop) in enumerate(bounds):
        texts = []
        for row in rows:
            inside = np.flatnonzero((row.positions >= start) & (row.positions <= stop))
            order = inside[np.argsort(-row.strength[inside], kind="stable")][:MOST_NAMED]
            found = ", ".join(_format_plain(row.hkl[k]) for k in order)
            if found:
                texts.append(found if len(rows) == 1 else f"{row.name} {found}")
        names[i] = "; ".join(texts)
    return names


def _format_plain(hkl: npt.NDArray[np.int32]) -> str:
    separator = " " if (hkl > 9).any() or (hkl < 0).any() else ""
    return separator.join(str(i) for i in hkl.tolist())
