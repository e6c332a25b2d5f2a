"""From a crystal structure to its powder reflections, and from these to a profile; arrays only.

Crystallography (scattering factors, symmetry, structure factors) is gemmi's.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gemmi import SmallStructure

Floats: TypeAlias = npt.NDArray[np.float64]
StrPath: TypeAlias = str | PathLike[str]

ENERGY_WAVELENGTH = 12398.42  # eV angstrom
# SmFe11Ti is about (8.56, 4.79). Ti widens a and leaves c nearly alone, Zr shrinks both; the
# slopes are plausible and illustrative, not refined values.
IRON_A = 2.8665  # angstrom
LATTICE_A = {"at_ti_1": 8.56, "per_ti": 0.050, "per_zr": -0.060}  # angstrom
LATTICE_C = {"at_ti_1": 4.79, "per_ti": -0.010, "per_zr": -0.060}  # angstrom


@dataclass(frozen=True, eq=False)
class Reflections:
    """The symmetry-unique reflections of one structure, as arrays.

    Parameters
    ----------
    hkl : (reflection, 3) Miller indices.
    d : (reflection,) [angstrom].
    multiplicity : (reflection,) number of equivalent lattice planes, Friedel mates counted.
    f_squared : (reflection,) [electrons^2] |F|^2, the mean of the Friedel mates.
    cos2_axis : (reflection, operation) squared cosine between the equivalents and (0, 0, 1).
    cell_volume : [angstrom^3].
    cell_mass : [dalton] mass of the unit cell's content, Z M.

    Examples
    --------
    >>> from xrdae.simulate import alloy_structure, reflections
    >>> found = reflections(alloy_structure(1, zr=0), wavelength=1.5406, two_theta_range=(20, 60))
    >>> found.hkl.shape[1], found.d.shape == found.f_squared.shape
    (3, True)
    """

    hkl: npt.NDArray[np.int32]
    d: Floats
    multiplicity: npt.NDArray[np.int64]
    f_squared: Floats
    cos2_axis: Floats
    cell_volume: float
    cell_mass: float


def reflections(
    structure: SmallStructure, *, wavelength: float, two_theta_range: tuple[float, float]
) -> Reflections:
    """List the unique, not systematically absent reflections of a structure in a range.

    `structure` has crystallographic occupancies (divided by the site symmetry), as those of
    `alloy_structure` and `read_structure`; `wavelength` [angstrom] also sets the anomalous terms
    f' and f'' (Cromer & Liberman, by gemmi); `two_theta_range` [degree] is cut to 0 .. 179.9.

    Examples
    --------
    >>> from xrdae.simulate import alloy_structure, reflections
    >>> found = reflections(alloy_structure(1, zr=0), wavelength=1.5406, two_theta_range=(20, 60))
    >>> found.hkl[found.f_squared.argmax()].tolist()
    [4, 0, 0]
    """
    gemmi = _import_gemmi()
    group = structure.spacegroup.operations()
    low, high = np.sin(np.radians(np.clip(two_theta_range, 0, 179.9)) / 2)
    dmax = wavelength / (2 * low) if low > 0 else 0.0  # in gemmi, 0 is no limit
    hkl = gemmi.make_miller_array(
        structure.cell, structure.spacegroup, wavelength / (2 * high), dmax
    )
    order = len(group.sym_ops) * len(group.cen_ops)
    orbit = len(group.sym_ops) // group.epsilon_factor_without_centering_array(hkl)
    rotations = np.array([op.rot for op in group.sym_ops]) // gemmi.Op.DEN
    to_cartesian = np.array(structure.cell.frac.mat.tolist())  # rows: a*, b*, c*
    vectors = np.einsum("rj,ojk->rok", hkl, rotations) @ to_cartesian  # (reflection, operation, 3)
    axis = to_cartesian[2]
    norms = (vectors**2).sum(-1) * (axis @ axis)
    return Reflections(
        hkl=hkl,
        d=structure.cell.calculate_d_array(hkl),
        multiplicity=np.where(group.centric_flag_array(hkl), orbit, 2 * orbit),
        f_squared=_compute_f_squared(structure, hkl, energy=ENERGY_WAVELENGTH / wavelength),
        cos2_axis=(vectors @ axis) ** 2 / norms,
        cell_volume=structure.cell.volume,
        cell_mass=order * sum(s.occ * s.element.weight for s in structure.sites),
    )


def profile(
    two_theta: Floats, *, position: Floats, area: Floats, fwhm: Floats, eta: float
) -> Floats:
    """Sum of pseudo-Voigt peaks on a grid, (two_theta,) [counts].

    `two_theta` (two_theta,), `position` and `fwhm` (reflection,) are in degree, `area`
    (reflection,) in counts*degree; `eta` is the Lorentzian share.

    Examples
    --------
    >>> from xrdae.simulate import profile
    >>> two_theta = np.linspace(29, 31, 201)
    >>> peak = {"position": np.array([30.0]), "area": np.array([5.0]), "fwhm": np.array([0.2])}
    >>> intensity = profile(two_theta, **peak, eta=0.5)
    >>> float(two_theta[intensity.argmax()])
    30.0
    """
    total = np.zeros_like(two_theta)
    for block in range(0, len(position), 256):  # bounds the memory of a large cell's thousands
        part = slice(block, block + 256)
        # (reflection, two_theta)
        x2 = (2 * (two_theta - position[part, None]) / fwhm[part, None]) ** 2
        height = area[part] / fwhm[part]
        total += (eta * 2 / np.pi * height) @ (1 / (1 + x2))
        total += ((1 - eta) * 2 * np.sqrt(np.log(2) / np.pi) * height) @ np.exp(-np.log(2) * x2)
    return total


def iron_structure() -> SmallStructure:
    """Alpha-iron, I m -3 m, a = 2.8665 angstrom."""
    gemmi = _import_gemmi()
    structure: SmallStructure = gemmi.SmallStructure()
    structure.cell.set(IRON_A, IRON_A, IRON_A, 90, 90, 90)
    structure.spacegroup = gemmi.SpaceGroup("I m -3 m")
    site = gemmi.SmallStructure.Site()
    site.label = site.type_symbol = "Fe"
    site.element = gemmi.Element("Fe")
    site.occ = 1.0
    structure.add_site(site)
    structure.setup_cell_images()
    structure.change_occupancies_to_crystallographic()
    return structure


def alloy_structure(ti: float, *, zr: float) -> SmallStructure:
    """[Sm(1-y)Zr(y)]Fe(12-x)Ti(x), ThMn12 type, I4/mmm: `ti` is x (0..4), `zr` is y (0..1).

    Ti replaces Fe on 8i, Zr replaces Sm on 2a; the atomic coordinates do not vary, the
    lattice does, by illustrative Vegard slopes (`LATTICE_A`, `LATTICE_C`).

    Examples
    --------
    >>> from xrdae.simulate import alloy_structure
    >>> alloy_structure(1.0, zr=0.1).spacegroup.hm
    'I 4/m m m'
    """
    gemmi = _import_gemmi()
    structure: SmallStructure = gemmi.SmallStructure()
    a, c = (
        p["at_ti_1"] + p["per_ti"] * (ti - 1) + p["per_zr"] * zr for p in (LATTICE_A, LATTICE_C)
    )
    structure.cell.set(a, a, c, 90, 90, 90)
    structure.spacegroup = gemmi.SpaceGroup("I 4/m m m")
    for element, fract, occupancy in (
        ("Sm", (0, 0, 0), 1 - zr),
        ("Zr", (0, 0, 0), zr),
        ("Fe", (0.25, 0.25, 0.25), 1.0),
        ("Fe", (0.275, 0.5, 0), 1.0),
        ("Fe", (0.36, 0, 0), 1 - ti / 4),
        ("Ti", (0.36, 0, 0), ti / 4),
    ):
        site = gemmi.SmallStructure.Site()
        site.label = site.type_symbol = element
        site.element = gemmi.Element(element)
        site.fract = gemmi.Fractional(*fract)
        site.occ = occupancy
        structure.add_site(site)
    structure.setup_cell_images()
    structure.change_occupancies_to_crystallographic()
    return structure


def read_structure(path: StrPath) -> SmallStructure:
    """Read the first data block of a CIF that has atoms.

    Raises ValueError for no atoms, no cell, an unknown space group, element or coordinate.

    Examples
    --------
    >>> from xrdae.simulate import read_structure
    >>> read_structure("iron.cif").spacegroup.hm
    'I m -3 m'
    """
    gemmi = _import_gemmi()
    blocks: list[SmallStructure] = [
        gemmi.make_small_structure_from_block(b) for b in gemmi.cif.read(str(path))
    ]
    structure = next((s for s in blocks if len(s.sites)), None)
    if structure is None:
        raise ValueError(f"{path} has no atoms; give a CIF with an _atom_site loop")
    if not structure.cell.is_crystal():
        raise ValueError(f"{path} has no unit cell; set _cell_length_a and its companions")
    if structure.spacegroup is None:
        raise ValueError(
            f"{path}: space group {structure.spacegroup_hm!r} not recognized; give its "
            "_space_group_symop_operation_xyz loop or _space_group_name_H-M_alt"
        )
    for site in structure.sites:
        if not np.isfinite(site.fract.tolist()).all():
            raise ValueError(f"{path}: atom {site.label!r} has no coordinates; set or remove it")
        if site.element.atomic_number == 0 or site.element.it92 is None:
            raise ValueError(
                f"{path}: atom {site.label!r} of element {site.type_symbol!r} has no "
                "scattering factor; set its _atom_site_type_symbol"
            )
    structure.change_occupancies_to_crystallographic()
    return structure


def _compute_f_squared(
    sites: SmallStructure, hkl: npt.NDArray[np.int32], *, energy: float
) -> Floats:
    """|F|^2 (reflection,) [electrons^2], the mean over Friedel mates; `energy` [eV]."""
    gemmi = _import_gemmi()
    real, with_imaginary = (gemmi.StructureFactorCalculatorX(sites.cell) for _ in range(2))
    for element in {s.element.atomic_number: s.element for s in sites.sites}.values():
        prime, second = gemmi.cromer_liberman(element.atomic_number, energy)
        real.addends.set(element, prime)
        with_imaginary.addends.set(element, prime + second)
    f, g = (
        np.array([c.calculate_sf_from_small_structure(sites, h) for h in hkl.tolist()])
        for c in (real, with_imaginary)
    )
    # F(hkl) = A + iB, F(-hkl) = A* + iB*: the cross terms cancel in the mean
    f_squared: Floats = np.abs(f) ** 2 + np.abs(g - f) ** 2
    return f_squared


def _import_gemmi() -> ModuleType:
    try:
        import gemmi
    except ImportError as error:
        raise ImportError(
            'simulating patterns needs gemmi: pip install "xrdae[simulate]"'
        ) from error
    return gemmi
