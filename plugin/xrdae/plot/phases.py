"""Draw the reflections of known phases as ticks below a pattern."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xrdae.convention.axes import Axis
from xrdae.convention.axis_kinds import OTHER
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError
from xrdae.plot.colors import OKABE_ITO
from xrdae.plot.drawing import get_axes_size
from xrdae.reflections import StrPath, read_structure, reflections

if TYPE_CHECKING:
    from gemmi import SmallStructure
    from matplotlib.axes import Axes

Float = npt.NDArray[Any]
Phases = StrPath | Sequence[StrPath] | Mapping[str, StrPath]

HEIGHT = 25.0  # points, of a phase's row
FONT = 7.0  # points
NAMED = 8  # reflections, at most, whose indices are written
WEAKEST = 1e-3  # of the strongest reflection's intensity: weaker ones get no tick


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """The reflections of one phase in the range of a pattern.

    Attributes
    ----------
    name
        Of the phase.
    positions
        `(reflection,)`, in units of the data's axis.
    strength
        `(reflection,)`, calculated intensity.
    hkl
        `(reflection, 3)`.
    """

    name: str
    positions: Float
    strength: Float
    hkl: npt.NDArray[np.int32]


def find_rows(phases: Phases, patterns: Patterns) -> list[Row]:
    """Return one row a phase.

    Raises
    ------
    DataError
        If the axis is not one of diffraction, or it is two_theta and the wavelength is not known.
    """
    if patterns.axis.kind == OTHER:
        raise DataError(
            f"phases= marks reflections, which lie along two_theta, q or d; the axis "
            f"{patterns.axis.title} is none of these: leave phases= out"
        )
    if isinstance(phases, Mapping):
        named = {name: Path(path) for name, path in phases.items()}
    else:
        paths = [phases] if isinstance(phases, str | PathLike) else phases
        named = {Path(path).stem: Path(path) for path in paths}
    return [_make_row(name, path, patterns) for name, path in named.items()]


def _make_row(name: str, path: Path, patterns: Patterns) -> Row:
    axis = patterns.axis
    ends = axis.values[[0, -1]].copy()
    if axis.kind == "d" or ends[0] > 0:
        low, high = np.sort(axis.convert(ends, "q"))
    else:
        low, high = 0.0, float(axis.convert(ends[1], "q"))
    # Positions in q and d need no wavelength; the calculated intensities, which only choose whose
    # indices are written, take a short one where none is known.
    wavelength = axis.wavelength or min(0.7, 4 * np.pi / high * 0.99)
    wavelength = min(wavelength, 4 * np.pi / high)
    sines = np.clip(np.array([low, high]) * wavelength / (4 * np.pi), 0, 1)
    two_theta = np.degrees(2 * np.arcsin(sines))
    structure = read_structure(path)
    found = reflections(
        structure, wavelength=wavelength, two_theta_range=(two_theta[0], two_theta[1])
    )
    theta = np.arcsin(np.clip(wavelength / (2 * found.d), 0, 0.9999))
    polarization = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    strength = found.multiplicity * found.f_squared * polarization
    positions = Axis("d", found.d).convert(found.d, axis.kind, axis.wavelength) / patterns.factor
    first, last = axis.values[[0, -1]] / patterns.factor
    keep = (positions >= first) & (positions <= last)
    keep &= strength > WEAKEST * strength.max(where=keep, initial=0)
    return Row(
        name, positions[keep], strength[keep], _choose_usual_indices(found.hkl[keep], structure)
    )


def _choose_usual_indices(
    hkl: npt.NDArray[np.int32], structure: SmallStructure
) -> npt.NDArray[np.int32]:
    """Return of each reflection's equivalents the usual one: 110, not 011, and 113, not 2-13.

    It has the fewest negative indices, and of these the highest h, then k, then l.
    """
    rotations = np.array([op.rot for op in structure.spacegroup.operations().sym_ops]) // 24
    equivalents = np.einsum("rj,ojk->rok", hkl, rotations)  # (reflection, operation, 3)
    equivalents = np.concatenate([equivalents, -equivalents], axis=1)
    order = equivalents @ np.array([10**8, 10**4, 1]) - 10**12 * (equivalents < 0).sum(axis=2)
    return np.asarray(equivalents[np.arange(len(hkl)), order.argmax(axis=1)])


def format_indices(hkl: npt.NDArray[np.int32]) -> str:
    """Return Miller indices as crystallographers write them, -1 with a bar."""
    parts = [f"\\bar{{{-i}}}" if i < 0 else str(i) for i in hkl.tolist()]
    if (hkl < 0).any():
        return "$\\mathregular{" + ("\\,".join(parts)) + "}$"
    return ("\u2009" if (hkl > 9).any() else "").join(parts)


def draw_rows(ax: Axes, rows: list[Row], *, top: float, height: float) -> None:
    """Draw ticks and names of phases from a height downward, in data coordinates.

    The strongest reflections get their indices where there is room.
    """
    low, high = ax.get_xlim()
    point = (high - low) / get_axes_size(ax)[0]
    for i, (row, color) in enumerate(zip(rows, _choose_colors(len(rows)), strict=True)):
        y = top - (i + 1) * height
        ax.vlines(row.positions, y + 0.08 * height, y + 0.45 * height, color=color, lw=0.9)
        text: dict[str, Any] = {"fontsize": FONT, "color": color, "va": "bottom"}
        ax.text(low + 3 * point, y + 0.48 * height, row.name, weight="bold", **text)
        taken = [(low, low + (8 + 0.75 * FONT * len(row.name)) * point)]
        for k in np.argsort(-row.strength)[: 3 * NAMED]:
            name, x = format_indices(row.hkl[k]), float(row.positions[k])
            half = (0.35 * FONT * _count_characters(row.hkl[k]) + 2) * point
            span = (x - half, x + half)
            if span[1] > high or any(span[0] < b and a < span[1] for a, b in taken):
                continue
            ax.text(x, y + 0.48 * height, name, ha="center", **text)
            taken.append(span)
            if len(taken) > NAMED:
                break


def _count_characters(hkl: npt.NDArray[np.int32]) -> int:
    return sum(len(str(abs(i))) for i in hkl.tolist()) + 1


def _choose_colors(count: int) -> list[str]:
    dark = [c for c in OKABE_ITO if c not in ("#F0E442", "#56B4E9", "#000000")]
    return [dark[i % len(dark)] for i in range(count)]
