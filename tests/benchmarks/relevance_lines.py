"""Powder lines of made-up crystal structures, for `relevance_series.py`.

A structure is a crystal system and a seed. The seed draws the cell and the structure factors. It
does not depend on the product's code.

- Lines: all reflections of the cell in the range, one line for each set of equivalent planes (the
  Laue group is the holohedry of the system). Multiplicities are counted.
- Structure factor: F = A + B s. A is that of the atoms that stay. B s is that of the site whose
  occupation changes. Both are random numbers of either sign (Wilson's statistics) that decay with
  the angle. B is 0 for two lines in ten, and for the strongest and the third strongest line.
- Area: multiplicity times Lorentz and polarization factor times F squared. Areas are divided by
  the largest intensity of the lines' sum, with s = 1.
- Special axis: the reciprocal axis that the strain changes, and that preferred orientation favours:
  c* (cubic, tetragonal, hexagonal), b* (orthorhombic, monoclinic), a* (triclinic). Lines whose
  index along it is 0 do not move. A cubic cell becomes tetragonal.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

WAVELENGTH = 1.5406  # angstrom
RANGE = (20.0, 80.0)  # degree
ETA = 0.3  # Lorentzian share of a line
DECAY = 1.5  # angstrom^2, mean square displacement and form factor
WEAKEST = 0.02  # area of a line, over the largest
SUBSTITUTED = 0.8  # size of B over that of A
OCCUPATION = (0.5, 1.5)  # s at x = 0 and x = 1

CELLS = {  # lengths [angstrom] and angles [degree], lowest and highest
    "cubic": ((8.0, 9.6),),
    "tetragonal": ((5.4, 6.4), (7.2, 8.6)),
    "hexagonal": ((5.4, 6.4), (7.4, 8.8)),
    "orthorhombic": ((4.6, 5.2), (5.6, 6.2), (6.6, 7.4)),
    "monoclinic": ((4.4, 5.0), (4.0, 4.5), (5.4, 6.2), (95.0, 108.0)),
    "triclinic": ((3.4, 3.8), (4.0, 4.4), (4.6, 5.0), (95.0, 104.0), (92.0, 100.0), (94.0, 106.0)),
}
SPECIAL = {"orthorhombic": 1, "monoclinic": 1, "triclinic": 0}  # 2 for the others


@dataclass(frozen=True)
class Structure:
    """Crystal system and seed of a made-up structure."""

    name: str
    system: str
    seed: int


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of a structure.

    Attributes
    ----------
    members
        For each line the equivalent planes `(member, 3)`.
    metric
        `(3, 3)` [1/angstrom^2], of the reciprocal cell.
    special
        Index of the special axis.
    weights
        `(line,)`, area of a line with F = 1.
    fixed, changing
        `(line,)`, A and B.
    """

    members: list[Array]
    metric: Array
    special: int
    weights: Array
    fixed: Array
    changing: Array

    def find_positions(self, strain: Array) -> Array:
        """Return two_theta `(pattern, line)` for relative strains `(pattern,)` along the axis."""
        hkl = np.array([planes[0] for planes in self.members], dtype=float)
        stretched = np.repeat(hkl[None], len(strain), axis=0)  # (pattern, line, 3)
        stretched[..., self.special] /= 1 + strain[:, None]
        return _find_two_theta(stretched, self.metric)

    def measure_areas(self, occupation: Array) -> Array:
        """Return areas `(pattern, line)` for occupations s `(pattern,)`."""
        return self.weights * np.square(self.fixed + self.changing * occupation[:, None])

    def orient(self, march: Array) -> Array:
        """Return March and Dollase's factors `(pattern, line)` for parameters r `(pattern,)`."""
        axis = np.eye(3)[self.special]
        factors = []
        for planes in self.members:
            squares = np.einsum("mi,ij,mj->m", planes, self.metric, planes)
            cosine2 = (
                (planes @ self.metric @ axis) ** 2 / squares / self.metric[(self.special,) * 2]
            )
            base = march[:, None] ** 2 * cosine2 + (1 - cosine2) / march[:, None]
            factors.append((base**-1.5).mean(axis=1))
        return np.stack(factors, axis=1)


def list_lines(structure: Structure, *, split: bool = False) -> Lines:
    """Return the lines of a structure; `split`: those of the cubic system as tetragonal ones."""
    rng = np.random.default_rng([17, structure.seed])
    lengths, angles = _draw_cell(structure.system, rng)
    metric = _make_metric(lengths, angles)
    most = np.ceil(lengths.max() * 2 / WAVELENGTH).astype(int)
    indices = np.array(
        [hkl for hkl in itertools.product(range(-most, most + 1), repeat=3) if any(hkl)]
    )
    angle = _find_two_theta(indices.astype(float), metric)
    indices = indices[(angle > RANGE[0] + 0.5) & (angle < RANGE[1] - 0.5)]
    drawn = {
        key: rng.normal(size=3)
        for key in sorted({_name_line(structure.system, hkl) for hkl in indices})
    }
    system = "tetragonal" if split and structure.system == "cubic" else structure.system
    lines: dict[tuple[int, ...], list[Array]] = {}
    for hkl in indices:
        lines.setdefault(_name_line(system, hkl), []).append(hkl)
    members = [np.array(planes) for planes in lines.values()]
    random = np.array([drawn[_name_line(structure.system, planes[0])] for planes in members])
    two_theta = _find_two_theta(np.array([planes[0] for planes in members], dtype=float), metric)
    theta = np.radians(two_theta) / 2
    decay = np.exp(-DECAY * (np.sin(theta) / WAVELENGTH) ** 2)
    lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    weights = np.array([len(planes) for planes in members]) * lorentz
    changing = SUBSTITUTED * random[:, 1] * (np.abs(random[:, 2]) > 0.253) * decay  # 0 for 20 %
    fixed = random[:, 0] * decay
    strong = np.argsort(-weights * (fixed + changing) ** 2)
    for line in strong[[0, 2]]:
        fixed[line], changing[line] = fixed[line] + changing[line], 0.0
    found = Lines(members, metric, SPECIAL.get(system, 2), weights, fixed, changing)
    areas = found.measure_areas(np.array([1.0, *OCCUPATION]))
    kept = np.flatnonzero(areas.max(axis=0) > WEAKEST * areas[0].max())
    size = draw_lines(np.linspace(*RANGE, 6001), two_theta, areas[:1]).max()
    return Lines(
        [members[k] for k in kept],
        metric,
        found.special,
        weights[kept] / size,
        fixed[kept],
        changing[kept],
    )


def measure_widths(two_theta: Array) -> Array:
    """Return the full width at half maximum [degree] of lines at `two_theta`."""
    return 0.12 + 0.1 * np.tan(np.radians(two_theta) / 2)


def draw_lines(axis: Array, positions: Array, areas: Array) -> Array:
    """Return the sum of pseudo-Voigt lines `(pattern, channel)`.

    `axis` is `(channel,)`; `positions` is `(pattern, line)` or `(line,)`; `areas` is
    `(pattern, line)`.
    """
    if positions.ndim == 1:
        shapes = np.stack([_draw_line(axis, p) for p in positions])
        return areas @ shapes
    total = np.zeros((len(areas), len(axis)))
    for position, area in zip(positions.T, areas.T, strict=True):
        still = np.ptp(position) == 0
        shape = _draw_line(axis, position[0]) if still else _draw_line(axis, position[:, None])
        total += area[:, None] * shape
    return total


def _draw_line(axis: Array, position: Array | float) -> Array:
    width = measure_widths(position)
    u2 = ((axis - position) / width) ** 2
    gauss = np.sqrt(4 * np.log(2) / np.pi) * np.exp(-4 * np.log(2) * u2)
    lorentz = 2 / np.pi / (1 + 4 * u2)
    return ((1 - ETA) * gauss + ETA * lorentz) / width


def _draw_cell(system: str, rng: np.random.Generator) -> tuple[Array, Array]:
    drawn = [rng.uniform(*limits) for limits in CELLS[system]]
    right = [90.0, 90.0, 90.0]
    if system == "cubic":
        lengths, angles = drawn * 3, right
    elif system == "tetragonal":
        lengths, angles = [drawn[0], drawn[0], drawn[1]], right
    elif system == "hexagonal":
        lengths, angles = [drawn[0], drawn[0], drawn[1]], [90.0, 90.0, 120.0]
    elif system == "monoclinic":
        lengths, angles = drawn[:3], [90.0, drawn[3], 90.0]
    else:
        lengths, angles = drawn[:3], drawn[3:] or right
    return np.array(lengths), np.array(angles)


def _make_metric(lengths: Array, angles: Array) -> Array:
    cosines = np.cos(np.radians(angles))
    direct = np.outer(lengths, lengths)
    for (i, j), cosine in zip(((1, 2), (0, 2), (0, 1)), cosines, strict=True):
        direct[i, j] *= cosine
        direct[j, i] *= cosine
    return np.linalg.inv(direct)


def _find_two_theta(hkl: Array, metric: Array) -> Array:
    """Return two_theta `(...,)` [degree] of planes `(..., 3)`; 180 where there is no reflection."""
    inverse2 = np.einsum("...i,ij,...j->...", hkl, metric, hkl)
    return 2 * np.degrees(np.arcsin(np.minimum(np.sqrt(inverse2) * WAVELENGTH / 2, 1.0)))


def _name_line(system: str, hkl: Array) -> tuple[int, ...]:
    """Return a name that equivalent planes have in common."""
    h, k, l = (int(index) for index in hkl)  # noqa: E741  (the field's letters)
    if system == "cubic":
        return tuple(sorted((abs(h), abs(k), abs(l))))
    if system == "tetragonal":
        return (*sorted((abs(h), abs(k))), abs(l))
    if system == "hexagonal":
        return (*sorted((abs(h), abs(k), abs(h + k))), abs(l))
    if system == "orthorhombic":
        return abs(h), abs(k), abs(l)
    if system == "monoclinic":
        return max((h, abs(k), l), (-h, abs(k), -l))
    return max((h, k, l), (-h, -k, -l))
