"""Decide by their names which columns are the patterns of a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import is_spectral_name
from xrdae.errors import FormatError
from xrdae.readers.axis_labels import find_label_axis
from xrdae.readers.column_names import (
    ERRORS,
    INTENSITY,
    ColumnNames,
    is_axis_name,
    is_numbered,
    is_other_axis_name,
)
from xrdae.readers.column_roles import (
    SETTLE,
    Columns,
    are_numbered_alike,
    counts_points,
    is_monotonic,
    list_names,
    name_patterns,
    split_rows,
)
from xrdae.readers.text_table import Table

Float: TypeAlias = npt.NDArray[np.float64]

_NOT_MEASURED = re.compile(
    r"(?i)calc|diff(?!ract)|bkg|backgr|(?<![a-z])bg(?![a-z])|resid|weight|mask|flag"
    r"|^norm(?![a-z])|^normali|model|(?<![a-z])fit(?![a-z])|simul|theor"
)
_COUNTERS = re.compile(
    r"(?i)^i_?[o0]+(?:_?counts)?$|^mon|monitor|^ic_?\d*$|^ion_?c\w*|^pin_?\d*$|^bpm|^pressure|^epoch|^(?:live|real|dead|count\w*|acq\w*)?[\s_-]*time"
    r"|^sec(?:ond)?s?\b|^time|attenuat|^filters?$|ring|^(?:sr)?cur(?:rent)?$|^transm|^temp(?!late)"
)
_INDEX = re.compile(r"(?i)^(?:no\.?|n|nr\.?|#|index|idx|points?|pts?|row)$|^$")
_RESOLUTION = re.compile(
    r"(?i)^(?:d|delta|sig(?:ma)?|err(?:or)?|fwhm|res\w*)[\s_(]*(?:q|r|x|2?\s*th\w*|tth)\b|^q_?(?:err|dev|std|sig)|^fwhm"
)
_LINES = re.compile(
    r"(?i)^(?:hkl|\(?h\s?k\s?l\)?|mult\w*|fwhm\b.*|rel(?:ative)?\.? ?int.*"
    r"|i\s?%|int\s?%|area\b.*|i/i[o0]|i/imax|f\^?2)$"
)
_STAGE = re.compile(  # of the treatment of one pattern
    r"(?i)(?<![a-z])(raw|corr(?:ected)?|smooth|filtered|subtr|stripped|processed|denoised|scaled)"
)
_LABEL_OF_NUMBERS = re.compile(r"(?i)temp|time|field|pressure|compos|content|conc|sample|^t\b")
_LABEL_BEHIND = re.compile(r"(?P<role>.+?)[\s_.:-]+(?P<label>[^\s_]+)")
_LABEL_BEFORE = re.compile(r"(?P<label>.+)[\s_.:-]+(?P<role>[^\s_]+)")
_FUNCTION_OF_AXIS = re.compile(r"[SFGDTRgf]\s*(?:$|[\s(\[])")  # beside q or r
_FEW_ROWS = 4  # so few values may be equal by chance
_COUNTED = 4.0  # smaller intensities may be below their standard deviations
_TIME = re.compile(
    r"(?i)(?:(?:count\w*|acq\w*|live|real|exposure)[\s_-]*)?time(?:[\s_]*per[\s_]*step)?(?:[\s_(\[].*)?$"
    r"|sec(?:ond)?s?(?:[\s_(\[].*)?$"
)
_SINGLE = re.compile(r"(?i)[es]_?\d*")


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
    _check_earlier_positions(table.values, names, x)
    if pairs := _pair_by_labels(names):
        return name_patterns(pairs, heads)
    starts = _find_repeated_axes(names, x)
    ends = [*starts[1:], len(names)]
    if len(starts) > 1 and all(b - a > 1 for a, b in zip(starts, ends, strict=True)):
        groups = zip(starts, ends, strict=True)
        found = [
            one for a, b in groups for one in _choose_ys(table.values, names, a, range(a + 1, b))
        ]
        return name_patterns(found, heads)
    others = [i for i in range(len(names)) if i != x]
    if len(names) == 2 and x == 0 and _FUNCTION_OF_AXIS.match(names[1]):
        return [Columns(0, 1)]
    _check_other_axis(names, xs, x)
    _check_corner(names[x], [names[i] for i in others])
    if {names[i].lower().replace("_", "") for i in others} == {"i0", "i1"}:
        raise FormatError(
            f"{list_names(names)} may be two patterns, or a beam before and behind; {SETTLE}"
        )
    if are_numbered_alike([names[i] for i in others]):  # labels, even if they name an axis
        return name_patterns([Columns(x, i) for i in others], heads)
    sample = _find_sample_column(table, names, x)
    rest = [i for i in others if i != sample]
    t = _find_times(table.values, names)
    found = [
        dataclasses.replace(one, sample=sample, t=t)
        for one in _choose_ys(table.values, names, x, rest)
    ]
    return name_patterns(found, heads)


def _find_times(values: Float, names: Sequence[str]) -> int | None:
    """Return the column of counting times; None: none. Times that only grow are of a clock."""
    for i, name in enumerate(names):
        if _TIME.match(name) and not is_numbered(name) and not is_monotonic(values[:, i]):
            return i
    return None


def _find_first_axis(names: Sequence[str], values: Float) -> int:
    """Return the column of positions where no name is that of a diffraction axis."""
    spectral = [i for i, name in enumerate(names[:-1]) if is_spectral_name(name) and len(name) > 1]
    candidates = [
        i
        for i, name in enumerate(names)
        if not _INDEX.match(name) or not (name or counts_points(values[:, i]))
    ]
    return (spectral or candidates or [0])[0]


def _find_repeated_axes(names: Sequence[str], x: int) -> list[int]:
    """Return the columns of positions of the same quantity, as of pairs of columns."""
    if is_axis_name(names[x]):
        axis = find_label_axis(names[x])
        return [
            i
            for i, name in enumerate(names)
            if is_axis_name(name) and find_label_axis(name) == axis
        ]
    return [i for i, name in enumerate(names) if _find_stem(name) == _find_stem(names[x])]


def _pair_by_labels(names: Sequence[str]) -> list[Columns]:
    """Return pairs of columns that labels tell: 2theta_A, 2theta_B, I_A, I_B; A_x, A_y, B_x, B_y.

    Empty unless each label has one column of positions and one of intensities.
    """
    for pattern in (_LABEL_BEHIND, _LABEL_BEFORE):
        pairs: dict[str, dict[str, int]] = {}
        for i, name in enumerate(names):
            match = pattern.fullmatch(name)
            role = match["role"].lower() if match else ""
            is_x = role == "x" or is_axis_name(role)
            if not match or not (is_x or role == "y" or INTENSITY.search(role)):
                break
            pairs.setdefault(match["label"], {})["x" if is_x else "y"] = i
        else:
            is_paired = all(set(pair) == {"x", "y"} for pair in pairs.values())
            if is_paired and 2 * len(pairs) == len(names) > 2:
                return [Columns(pair["x"], pair["y"]) for pair in pairs.values()]
    return []


def _check_earlier_positions(values: Float, names: Sequence[str], x: int) -> None:
    """Refuse two columns that may be the positions."""
    for i in range(x):
        is_number = _INDEX.match(names[i]) or _COUNTERS.search(names[i])
        if not is_number and is_monotonic(values[:, i]) and not counts_points(values[:, i]):
            raise FormatError(f"both {names[i]!r} and {names[x]!r} may be the positions; {SETTLE}")


def _check_other_axis(names: Sequence[str], axes: Sequence[int], x: int) -> None:
    """Refuse an axis of another quantity between intensities: which belong to it is not certain."""
    for i in axes:
        before = [n for n in names[x + 1 : i] if INTENSITY.search(n)]
        behind = [n for n in names[i + 1 :] if INTENSITY.search(n)]
        if i > x and before and behind:
            raise FormatError(
                f"{names[x]!r} and {names[i]!r} both stand before intensities; {SETTLE}"
            )


def _check_corner(name: str, others: Sequence[str]) -> None:
    """Refuse a first name that may be that of the numbers beside it: temperature, 25, 50."""
    if _LABEL_OF_NUMBERS.search(name) and len(others) > 1 and all(map(is_numbered, others)):
        raise FormatError(
            f"{name!r} may be the name of its first column or of the numbers behind; "
            "put the name of the axis into the first field, such as '2theta'"
        )


def _check_patterns(
    values: Float, names: Sequence[str], ys: Sequence[int], unknown: Sequence[int]
) -> None:
    """Refuse patterns of which some may be monitors, or have siblings that are not chosen."""
    if len(ys) == 1 and len(names[ys[0]]) == 1 and set(unknown) - set(ys):
        raise FormatError(
            f"{names[ys[0]]!r} may be an intensity or a sample beside "
            f"{list_names([names[i] for i in unknown])}; {SETTLE}"
        )
    stages = {found[1].lower() for i in ys if (found := _STAGE.search(names[i]))}
    if len(stages) > 1:
        raise FormatError(
            f"its columns {list_names([names[i] for i in ys])} may be the same pattern before and "
            f"after a correction; {SETTLE}"
        )
    candidates = dict.fromkeys([*ys, *unknown])
    constant = [i for i in candidates if np.ptp(values[:, i]) == 0]
    if constant and len(values) > _FEW_ROWS and len(candidates) > 1:
        raise FormatError(
            f"its column {names[constant[0]]!r} is constant, as a monitor is; {SETTLE}"
        )


def _check_errors(
    values: Float, names: Sequence[str], ys: Sequence[int], errors: Sequence[int]
) -> None:
    """Refuse columns of errors that stand before intensities of no usual name, or are larger."""
    if errors and ys and min(errors) < min(ys) and not any(INTENSITY.search(names[i]) for i in ys):
        raise FormatError(
            f"{names[min(errors)]!r} may be a sample or the errors of {names[min(ys)]!r}; {SETTLE}"
        )
    for y, e in zip(ys, errors, strict=False):
        counted = values[:, y] > _COUNTED
        if counted.any() and (values[counted, e] > values[counted, y]).mean() > 0.5:
            raise FormatError(
                f"{names[e]!r} is larger than {names[y]!r}, and can be no errors of it; {SETTLE}"
            )


def _find_stem(name: str) -> str:
    """Return the first word of a name, by which columns repeat: x of x1, 2theta of 2theta A."""
    return re.sub(r"(?<=[a-z])_?\d+$", "", (name.split() or [""])[0].lower())


def _choose_ys(values: Float, names: list[str], x: int, others: Sequence[int]) -> list[Columns]:
    """Return the patterns among the columns beside (or behind) positions."""
    kinds: dict[str, list[int]] = {}
    for i in others:
        kinds.setdefault(_find_role(names, i, x), []).append(i)
    errors = kinds.get("e", [])
    intensities, unknown = kinds.get("intensity", []), kinds.get("unknown", [])
    ys = intensities or unknown or kinds.get("not measured") or []
    single = [i for i in errors if _SINGLE.fullmatch(names[i])]
    if single and not kinds.get("intensity"):
        # S, E and W are the sides of a detector, not standard deviations.
        ys, errors = sorted([*ys, *single]), [i for i in errors if i not in single]
    if not ys:  # R beside q is a reflectivity
        ys = [i for i in kinds.get("axis", []) if i > x and not is_axis_name(names[i])][:1]
    _check_patterns(values, names, ys, unknown)
    _check_errors(values, names, ys, errors)
    if not ys:
        raise FormatError(f"none of its columns {list_names(names)} is an intensity; {SETTLE}")
    if len(ys) > 1 and kinds.get("counter") and not kinds.get("intensity"):
        raise FormatError(
            f"each of its columns {list_names([names[i] for i in ys])} may be the detector; "
            f"{SETTLE}"
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
        f"it has {len(ys)} columns of intensities {list_names([names[i] for i in ys])} and "
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


def _find_sample_column(table: Table, names: list[str], x: int) -> int | None:
    """Return the column that tells the patterns of a long table apart; None: none."""
    positions = table.values[:, x]
    if is_monotonic(positions):
        return None
    columns = sorted(table.texts) + [
        i
        for i, name in enumerate(names)
        if i != x and i not in table.texts and _find_role(names, i, x) not in ("e", "intensity")
    ]
    for i in columns:
        groups = split_rows(table.values[:, i])
        sizes = [len(rows) for rows in groups]
        if len(groups) > 1 and min(sizes) > 1 and all(is_monotonic(positions[g]) for g in groups):
            return i
    return None


def _refuse_lines(names: Sequence[str]) -> None:
    """Refuse a list of lines (indices, multiplicities, widths) and a map of points (X, Y, Z)."""
    lower = {name.strip("()").lower() for name in names}
    if {"x", "y", "z"} <= lower:
        raise FormatError(
            f"its columns {list_names(names)} are points of a map or a pole figure, not a pattern; "
            f"if not, {SETTLE}"
        )
    if {"h", "k", "l"} <= lower or any(_LINES.match(name) for name in names):
        raise FormatError(
            f"its columns {list_names(names)} are those of a list of lines, not of a measured "
            "pattern; a pattern can be calculated with xrdae.simulate"
        )
