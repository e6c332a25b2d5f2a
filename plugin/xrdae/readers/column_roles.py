"""Columns of the patterns in a table: positions, intensities and errors.

`parse_columns` takes what the user states; `named_columns` and `nameless_columns` decide.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.units import is_units
from xrdae.errors import FormatError
from xrdae.readers.column_names import ColumnNames

Float: TypeAlias = npt.NDArray[np.float64]

SETTLE = (
    "state what its columns are: columns='xye', one letter each (x positions, y intensities, e "
    "their standard deviations, s names of samples, - not used)"
)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_LABEL = re.compile(
    rf"(?:[^=]*=)?\s*(?P<number>{_NUMBER.pattern})\s*\(?(?P<units>[A-Za-z°%]{{0,6}})\)?"
)


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of one pattern.

    Attributes
    ----------
    x, y, e
        Columns of positions, intensities and (None: none) their standard deviations.
    name
        What tells the pattern from others in the table; empty for a single one.
    t
        Column of counting times; None: none.
    sample
        Column that tells the patterns in a long table apart; None: all rows are one pattern.
    """

    x: int
    y: int
    e: int | None = None
    name: str = ""
    sample: int | None = None
    t: int | None = None


def parse_columns(letters: str, n: int, heads: ColumnNames) -> list[Columns]:
    """Return the patterns in n columns whose roles are stated; see `ReadOptions.columns`.

    Raises
    ------
    FormatError
        If the number of letters differs from that of columns, or an intensity has no positions.
    """
    roles = letters
    if letters.endswith("*"):
        roles = letters[:-1] + letters[-2] * (n - len(letters) + 1)
    if len(roles) != n:
        raise FormatError(
            f"columns={letters!r} states {len(roles)} columns, but it has {n}; use one letter each"
        )
    sample = roles.find("s") if "s" in roles else None
    found: list[Columns] = []
    x: int | None = None
    for i, role in enumerate(roles):
        if role == "x":
            x = i
        elif role == "y":
            if x is None:
                x = roles.index("x")
            found.append(Columns(x, i, None, "", sample))
        elif role == "e":
            if not found or found[-1].e is not None:
                raise FormatError(f"columns={letters!r} states errors without intensities before")
            found[-1] = dataclasses.replace(found[-1], e=i)
    return name_patterns(found, heads)


def split_rows(samples: Float) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each sample, in the order in which the samples come."""
    _, first, which = np.unique(samples, return_index=True, return_inverse=True)
    return [np.flatnonzero(which == k) for k in np.argsort(first)]


def are_numbered_alike(names: Sequence[str]) -> bool:
    """Tell whether names differ by a number alone: 25, 50; x=0.1, x=0.2; d1, d2; 300K, 310K."""
    stems = {_NUMBER.sub("#", name) for name in names}
    return len(names) > 1 and len(stems) == 1 and "#" in stems.pop()


def counts_points(values: Float) -> bool:
    """Tell whether values are 0, 1, 2 ... or 1, 2, 3 ..."""
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def name_patterns(found: list[Columns], heads: ColumnNames) -> list[Columns]:
    """Return patterns with the names that tell them apart."""
    if len(found) < 2:
        return found
    for texts in (heads.names, heads.labels):
        names = [texts[one.y] for one in found] if texts else []
        if len(set(names)) == len(names) > 0 and all(names):
            return [dataclasses.replace(o, name=name) for o, name in zip(found, names, strict=True)]
    return number_patterns(found)


def number_patterns(found: list[Columns]) -> list[Columns]:
    """Return patterns that the numbers of their columns tell apart."""
    return [dataclasses.replace(one, name=f"column {one.y + 1}") for one in found]


def find_numbers(names: Sequence[str]) -> tuple[list[float], str] | None:
    """Return the numbers that names are, and their units: 25; x=0.1; 300 K. None: they are none."""
    found = [_LABEL.fullmatch(name.strip()) for name in names]
    if len(names) < 2 or not are_numbered_alike(names) or not all(found):
        return None
    units = found[0]["units"] if found[0] else ""
    return [float(one["number"]) for one in found if one], units if is_units(units) else ""


def is_monotonic(positions: Float) -> bool:
    """Tell whether positions only grow, or only fall."""
    steps = np.diff(positions[np.isfinite(positions)])
    return bool((steps > 0).all() or (steps < 0).all())


def list_names(names: Sequence[str]) -> str:
    """Return names for an error."""
    return ", ".join(repr(name) for name in names[:8])
