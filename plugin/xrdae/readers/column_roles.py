"""Decide which columns of a table are positions, intensities and errors: its patterns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import is_spectral_name
from xrdae.convention.units import is_units
from xrdae.errors import FormatError
from xrdae.readers.column_names import (
    ERRORS,
    INTENSITY,
    ColumnNames,
    is_axis_name,
    is_other_axis_name,
)
from xrdae.readers.error_columns import are_errors, check_calculated
from xrdae.readers.text_table import Table

Float: TypeAlias = npt.NDArray[np.float64]

SETTLE = (
    "state what its columns are: columns='xye', one letter each (x positions, y intensities, e "
    "their standard deviations, s names of samples, - not used)"
)
_NOT_MEASURED = re.compile(r"(?i)calc|diff(?!ract)|bkg|backgr|resid|weight|mask|flag|^norm")
_COUNTERS = re.compile(
    r"(?i)^i_?[o0]$|^mon|monitor|^ic_?\d*$|^epoch|^(?:live|real|dead|count\w*|acq\w*)?[\s_-]*time"
    r"|^sec(?:ond)?s?\b|^time|attenuat|^filters?$|ring|^(?:sr)?cur(?:rent)?$|^transm|^temp(?!late)"
)
_INDEX = re.compile(r"(?i)^(?:no\.?|n|nr\.?|#|index|idx|points?|pts?|row)$|^$")
_RESOLUTION = re.compile(
    r"(?i)^(?:d|delta|sig(?:ma)?|err(?:or)?|fwhm|res\w*)[\s_(]*(?:q|r|x|2?\s*th\w*|tth)\b|^q_?(?:err|dev|std|sig)|^fwhm"
)
_LINES = re.compile(r"(?i)^(?:hkl|\(?h\s?k\s?l\)?|mult\w*|fwhm\b.*|rel\.? ?int.*|i/i[o0]|i/imax)$")
_SINGLE = re.compile(r"(?i)[es]_?\d*")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_LABEL = re.compile(
    rf"(?:[^=]*=)?\s*(?P<number>{_NUMBER.pattern})\s*\(?(?P<units>[A-Za-z°%]{{0,6}})\)?"
)
_MOST_STEP = 20  # times the median; a longer first step begins with a label
_LEAST_ROWS_OF_COUNTING = 20  # fewer rows that count 1, 2, 3 may be positions


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of one pattern.

    Attributes
    ----------
    x, y, e
        Columns of positions, intensities and (None: none) their standard deviations.
    name
        What tells the pattern from others in the table; empty for a single one.
    sample
        Column that tells the patterns in a long table apart; None: all rows are one pattern.
    """

    x: int
    y: int
    e: int | None = None
    name: str = ""
    sample: int | None = None


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
    return _name_patterns(found, heads)


def choose_by_names(table: Table, heads: ColumnNames) -> list[Columns]:
    """Return the patterns in columns that have names.

    Raises
    ------
    FormatError
        If the names leave it open which columns are the patterns, or are those of a list of lines.
    """
    names = heads.names
    _refuse_lines(names)
    xs = [i for i, name in enumerate(names) if is_axis_name(name)]
    x = xs[0] if xs else _find_first_axis(names, table.values)
    starts = [i for i, name in enumerate(names) if _find_stem(name) == _find_stem(names[x])]
    ends = [*starts[1:], len(names)]
    if len(starts) > 1 and all(b - a > 1 for a, b in zip(starts, ends, strict=True)):
        groups = zip(starts, ends, strict=True)
        found = [one for a, b in groups for one in _choose_ys(names, a, range(a + 1, b))]
        return _name_patterns(found, heads)
    others = [i for i in range(len(names)) if i != x]
    if {names[i].lower().replace("_", "") for i in others} == {"i0", "i1"}:
        raise FormatError(
            f"{_list(names)} may be two patterns, or a beam before and behind; {SETTLE}"
        )
    if _are_numbered_alike([names[i] for i in others]):  # labels, even if they name an axis
        return _name_patterns([Columns(x, i) for i in others], heads)
    sample = _find_sample_column(table, names, x)
    rest = [i for i in others if i != sample]
    found = [dataclasses.replace(one, sample=sample) for one in _choose_ys(names, x, rest)]
    return _name_patterns(found, heads)


def _find_first_axis(names: Sequence[str], values: Float) -> int:
    """Return the column of positions where no name is that of a diffraction axis."""
    spectral = [i for i, name in enumerate(names[:-1]) if is_spectral_name(name) and len(name) > 1]
    candidates = [
        i
        for i, name in enumerate(names)
        if not _INDEX.match(name) or not (name or _counts(values[:, i]))
    ]
    return (spectral or candidates or [0])[0]


def _find_stem(name: str) -> str:
    """Return the first word of a name, by which columns repeat: x of x1, 2theta of 2theta A."""
    return re.sub(r"(?<=[a-z])_?\d+$", "", (name.split() or [""])[0].lower())


def _choose_ys(names: list[str], x: int, others: Sequence[int]) -> list[Columns]:
    """Return the patterns among the columns beside (or behind) positions."""
    kinds: dict[str, list[int]] = {}
    for i in others:
        kinds.setdefault(_find_role(names, i, x), []).append(i)
    errors = kinds.get("e", [])
    ys = kinds.get("intensity") or kinds.get("unknown") or kinds.get("not measured") or []
    single = [i for i in errors if _SINGLE.fullmatch(names[i])]
    if single and not kinds.get("intensity"):
        # S, E and W are the sides of a detector, not standard deviations.
        ys, errors = sorted([*ys, *single]), [i for i in errors if i not in single]
    if not ys:  # R beside q is a reflectivity
        ys = [i for i in kinds.get("axis", []) if i > x and not is_axis_name(names[i])][:1]
    if not ys:
        raise FormatError(f"none of its columns {_list(names)} is an intensity; {SETTLE}")
    if len(ys) > 1 and kinds.get("counter") and not kinds.get("intensity"):
        raise FormatError(
            f"each of its columns {_list([names[i] for i in ys])} may be the detector; {SETTLE}"
        )
    if not errors:
        return [Columns(x, i) for i in ys]
    if len(errors) == 1 and len(ys) == 1:
        return [Columns(x, ys[0], errors[0])]
    follows = {max((i for i in ys if i < e), default=-1): e for e in errors}
    if len(errors) == len(ys):
        pairs = follows if set(follows) == set(ys) else dict(zip(ys, errors, strict=True))
        return [Columns(x, i, pairs[i]) for i in ys]
    if len(ys) == 1:
        return [Columns(x, ys[0], errors[0])]
    raise FormatError(
        f"it has {len(ys)} columns of intensities {_list([names[i] for i in ys])} and "
        f"{len(errors)} of errors; {SETTLE}"
    )


def _find_role(names: list[str], i: int, x: int) -> str:
    name = names[i]
    if name.lower() in ("x", "y") and {"x", "y"} <= {n.lower() for n in names[:x] + names[x + 1 :]}:
        return "axis"  # a position on the sample
    if not name or (_INDEX.match(name) and i < x):
        return "empty"
    if _RESOLUTION.search(name):
        return "resolution"
    if ERRORS.search(name) and not INTENSITY.fullmatch(name):
        return "e"
    if is_axis_name(name):
        return "axis"
    if _COUNTERS.search(name):
        return "counter"
    if _NOT_MEASURED.search(name):
        return "not measured"
    if INTENSITY.search(name):
        return "intensity" if i > x else "empty"
    if is_other_axis_name(name):
        return "axis"
    return "unknown" if i > x else "empty"  # a column before the positions numbers the points


def _are_numbered_alike(names: Sequence[str]) -> bool:
    """Tell whether names differ by a number alone: 25, 50; x=0.1, x=0.2; d1, d2; 300K, 310K."""
    stems = {_NUMBER.sub("#", name) for name in names}
    return len(names) > 1 and len(stems) == 1 and "#" in stems.pop()


def _find_sample_column(table: Table, names: list[str], x: int) -> int | None:
    """Return the column that tells the patterns of a long table apart; None: none."""
    positions = table.values[:, x]
    if _is_monotonic(positions):
        return None
    columns = sorted(table.texts) + [
        i
        for i, name in enumerate(names)
        if i != x and i not in table.texts and _find_role(names, i, x) not in ("e", "intensity")
    ]
    for i in columns:
        groups = split_rows(table.values[:, i])
        sizes = [len(rows) for rows in groups]
        if len(groups) > 1 and min(sizes) > 1 and all(_is_monotonic(positions[g]) for g in groups):
            return i
    return None


def split_rows(samples: Float) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each sample, in the order in which the samples come."""
    _, first, which = np.unique(samples, return_index=True, return_inverse=True)
    return [np.flatnonzero(which == k) for k in np.argsort(first)]


def choose_without_names(table: Table, suffix: str) -> list[Columns]:
    """Return the patterns in columns without names.

    Raises
    ------
    FormatError
        If the numbers leave it open which columns are the patterns.
    """
    values = table.values
    numbers = [i for i in range(values.shape[1]) if i not in table.texts]
    sample = min(table.texts, default=None)
    if len(numbers) > 2 and _counts(values[:, numbers[0]]) and _is_monotonic(values[:, numbers[1]]):
        numbers.pop(0)
    n = len(numbers)
    if n == 1:
        raise FormatError(f"it has one column of numbers; {SETTLE}")
    x, *ys = numbers
    if sample is not None:
        if n > 3:
            raise FormatError(f"its {n} columns of numbers have no names; {SETTLE}")
    elif n > 3 and not _is_monotonic(values[:, x]):
        raise FormatError(
            f"its {n} columns have no names and the first does not run in one direction; put "
            f"a line with their names above, such as '# 2theta intensity sigma', or {SETTLE}"
        )
    if n > 2:
        _check_first_row(values[:, numbers])
    if n % 2 == 0 and n > 2 and all(_is_monotonic(values[:, i]) for i in numbers[::2]):
        return _number([Columns(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)])
    if n == 2:
        return [Columns(x, ys[0], sample=sample)]
    y, second = values[:, ys[0]], values[:, ys[1]]
    if n == 3:
        if not second[np.isfinite(second)].any():  # all zero: not known
            return [Columns(x, ys[0], sample=sample)]
        if are_errors(y, second, stated=suffix in {".xye", ".fxye"}):
            return [Columns(x, ys[0], ys[1], sample=sample)]
        raise FormatError(
            "its third column has no name, and its values do not look like standard deviations of "
            f"the second; {SETTLE}"
        )
    if are_errors(y, second):
        raise FormatError(
            f"its {n} columns have no names, and the third looks like standard deviations of the "
            f"second; {SETTLE}"
        )
    check_calculated(values[:, ys], SETTLE)
    return _number([Columns(x, i) for i in ys])


def _check_first_row(values: Float) -> None:
    """Refuse a first row that may be labels of the columns, far from the next position."""
    steps = np.diff(values[:, 0])
    if len(steps) < 3:
        return
    usual = float(np.median(steps[1:]))
    if usual and not 0 < steps[0] / usual < _MOST_STEP:
        raise FormatError(
            "its first row may name the columns, since its position is far from the next; put a "
            f"name into its first field, such as '2theta', or {SETTLE}"
        )


def _counts(values: Float) -> bool:
    """Tell whether values are 0, 1, 2 ... or 1, 2, 3 ..."""
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def check_counting(positions: Float) -> None:
    """Refuse positions of no name that only number the points."""
    if len(positions) >= _LEAST_ROWS_OF_COUNTING and _counts(positions):
        raise FormatError(
            f"its first column counts from {positions[0]:g} to {positions[-1]:g}, which are "
            "numbers of points rather than angles; state what it is: axis='two_theta' or another "
            "name, and units=..."
        )


def _refuse_lines(names: Sequence[str]) -> None:
    """Refuse a list of lines (indices, multiplicities, widths) and a map of points (X, Y, Z)."""
    lower = {name.strip("()").lower() for name in names}
    if {"x", "y", "z"} <= lower:
        raise FormatError(
            f"its columns {_list(names)} are points of a map or a pole figure, not a pattern; "
            f"if not, {SETTLE}"
        )
    if {"h", "k", "l"} <= lower or any(_LINES.match(name) for name in names):
        raise FormatError(
            f"its columns {_list(names)} are those of a list of lines, not of a measured pattern; "
            "a pattern can be calculated with xrdae.simulate"
        )


def _name_patterns(found: list[Columns], heads: ColumnNames) -> list[Columns]:
    """Return patterns with the names that tell them apart."""
    if len(found) < 2:
        return found
    for texts in (heads.names, heads.labels):
        names = [texts[one.y] for one in found] if texts else []
        if len(set(names)) == len(names) > 0 and all(names):
            return [dataclasses.replace(o, name=name) for o, name in zip(found, names, strict=True)]
    return _number(found)


def _number(found: list[Columns]) -> list[Columns]:
    return [dataclasses.replace(one, name=f"column {one.y + 1}") for one in found]


def find_numbers(names: Sequence[str]) -> tuple[list[float], str] | None:
    """Return the numbers that names are, and their units: 25; x=0.1; 300 K. None: they are none."""
    found = [_LABEL.fullmatch(name.strip()) for name in names]
    if len(names) < 2 or not _are_numbered_alike(names) or not all(found):
        return None
    units = found[0]["units"] if found[0] else ""
    return [float(one["number"]) for one in found if one], units if is_units(units) else ""


def _is_monotonic(positions: Float) -> bool:
    steps = np.diff(positions[np.isfinite(positions)])
    return bool((steps > 0).all() or (steps < 0).all())


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:8])
