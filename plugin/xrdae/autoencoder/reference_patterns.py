"""Training patterns that a model keeps whole, to compare their regions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

MOST_PATTERNS = 300
MOST_VALUES = 2**23  # 32 MB


@dataclasses.dataclass(frozen=True, eq=False)
class ReferencePatterns:
    """Training patterns that a model keeps whole.

    Attributes
    ----------
    inputs
        `(pattern, channel)`, model input without gaps.
    rows
        `(pattern,)`, their positions among the patterns of the support.
    """

    inputs: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


def choose_reference(inputs: Float, kept: npt.NDArray[np.integer[Any]]) -> ReferencePatterns:
    """Choose training patterns to keep whole, evenly.

    Parameters
    ----------
    inputs
        `(pattern, channel)`, model input of all training patterns.
    kept
        `(reference,)`, which of them the support keeps.
    """
    rows = choose_evenly(len(kept), find_most_patterns(inputs.shape[1]))
    return ReferencePatterns(
        np.ascontiguousarray(inputs[kept[rows]], np.float32), rows.astype(np.int64)
    )


def update_reference(
    known: ReferencePatterns, further: Float, *, origin: npt.NDArray[np.integer[Any]], n_known: int
) -> ReferencePatterns:
    """Choose from known and further patterns, in proportion to their numbers.

    Parameters
    ----------
    known
        The patterns that were kept.
    further
        `(pattern, channel)`, model input of further training patterns.
    origin
        `(reference,)`, where each pattern of the new support comes from: its position in the old
        support, or `n_known` and more for further patterns.
    n_known
        Number of patterns of the old support.
    """
    place = {int(source): row for row, source in enumerate(origin)}
    old = np.array([i for i, row in enumerate(known.rows) if int(row) in place], dtype=np.intp)
    new = np.array([i for i in range(len(further)) if n_known + i in place], dtype=np.intp)
    most = find_most_patterns(further.shape[1])
    part = len(new) / max(len(origin), 1)
    old = old[choose_evenly(len(old), max(0, most - round(part * most)))] if len(old) else old
    new = new[choose_evenly(len(new), most - len(old))] if len(new) else new
    rows = [place[int(known.rows[i])] for i in old] + [place[n_known + int(i)] for i in new]
    inputs = np.concatenate([known.inputs[old], further[new]]).astype(np.float32)
    order = np.argsort(rows)
    return ReferencePatterns(inputs[order], np.array(rows, dtype=np.int64)[order])


def find_most_patterns(n_channel: int) -> int:
    """Return how many patterns of so many channels are kept at most."""
    return int(min(MOST_PATTERNS, max(10, MOST_VALUES // n_channel)))
