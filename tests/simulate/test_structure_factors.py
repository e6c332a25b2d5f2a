"""Structure factors and relative intensities against published values."""

import gemmi
import numpy as np
import pytest
import xarray as xr

from crystals import CU_KA1, write_cif
from xrdae import simulate

pytest.importorskip("gemmi")


def columns(dataset: xr.Dataset) -> dict[tuple[int, int, int], int]:
    """Columns by their indices without order and sign: for cubic crystals."""
    hkl = np.sort(np.abs(np.stack([dataset[m].values for m in "hkl"])), axis=0)
    return {tuple(map(int, v)): j for j, v in enumerate(hkl.T)}


def relative(dataset: xr.Dataset) -> dict[tuple[int, int, int], float]:
    areas = dataset["reflection_intensity"].values[0]
    return {hkl: 100 * areas[j] / np.nanmax(areas) for hkl, j in columns(dataset).items()}


def test_structure_factor_of_iron_is_two_atoms_in_phase(tmp_path):
    listed = simulate.reflections(
        simulate.read_structure(write_cif(tmp_path, "iron")),
        wavelength=CU_KA1,
        two_theta_range=(1, 140),
    )
    assert not (listed.hkl.sum(1) % 2).any()
    # multiplicity and h^2 + k^2 + l^2 of the lines of a body-centred cubic lattice
    lines = {(12, 2), (6, 4), (24, 6), (12, 8), (24, 10), (8, 12)}
    squares = (2.8665 / listed.d) ** 2
    assert {*zip(listed.multiplicity.tolist(), squares.round(6).tolist(), strict=True)} == lines
    iron = gemmi.Element("Fe")
    prime, second = gemmi.cromer_liberman(26, 12398.42 / CU_KA1)
    for d, f_squared in zip(listed.d, listed.f_squared, strict=True):
        form = iron.it92.calculate_sf(1 / (4 * d * d)) + prime
        assert f_squared == pytest.approx(4 * (form**2 + second**2), rel=1e-5)


def test_structure_factor_of_caesium_chloride_adds_and_subtracts_its_ions(tmp_path):
    listed = simulate.reflections(
        simulate.read_structure(write_cif(tmp_path, "caesium_chloride")),
        wavelength=CU_KA1,
        two_theta_range=(1, 80),
    )
    energy = 12398.42 / CU_KA1
    for hkl, d, f_squared in zip(listed.hkl, listed.d, listed.f_squared, strict=True):
        cs, cl = (
            gemmi.Element(e).it92.calculate_sf(1 / (4 * d * d))
            + complex(*gemmi.cromer_liberman(gemmi.Element(e).atomic_number, energy))
            for e in ("Cs", "Cl")
        )
        assert f_squared == pytest.approx(abs(cs + (-1) ** int(hkl.sum()) * cl) ** 2, rel=1e-5)


def test_f_squared_of_a_polar_crystal_is_the_mean_of_its_friedel_mates(tmp_path):
    zinc_blende = gemmi.SmallStructure()
    zinc_blende.cell.set(5.4093, 5.4093, 5.4093, 90, 90, 90)
    zinc_blende.spacegroup = gemmi.SpaceGroup("F -4 3 m")
    for element, x in (("Zn", 0.0), ("S", 0.25)):
        site = gemmi.SmallStructure.Site()
        site.label, site.element, site.occ = element, gemmi.Element(element), 1.0
        site.fract = gemmi.Fractional(x, x, x)
        zinc_blende.add_site(site)
    zinc_blende.setup_cell_images()
    zinc_blende.change_occupancies_to_crystallographic()
    listed = simulate.reflections(zinc_blende, wavelength=CU_KA1, two_theta_range=(25, 30))
    assert listed.multiplicity.tolist() == [8]
    zn, s = (
        gemmi.Element(e).it92.calculate_sf(1 / (4 * listed.d[0] ** 2))
        + complex(*gemmi.cromer_liberman(gemmi.Element(e).atomic_number, 12398.42 / CU_KA1))
        for e in ("Zn", "S")
    )
    mates = [16 * abs(zn + s * 1j**n) ** 2 for n in (3, -3)]
    assert listed.f_squared[0] == pytest.approx(np.mean(mates), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        # Measured peak heights of ICDD 5-628 (halite), 27-1402 (silicon), 6-696 (iron), Cu K-alpha;
        # ours are areas without absorption, hence the tolerance.
        ("halite", {(1, 1, 1): 13, (0, 0, 2): 100, (0, 2, 2): 55, (2, 2, 2): 15, (0, 0, 4): 6}),
        ("silicon", {(1, 1, 1): 100, (0, 2, 2): 55, (1, 1, 3): 30, (0, 0, 4): 6, (1, 3, 3): 11}),
        ("iron", {(0, 1, 1): 100, (0, 0, 2): 20}),
    ],
)
def test_relative_intensities_agree_with_the_powder_files(tmp_path, name, lines):
    dataset = simulate.cif_patterns(
        write_cif(tmp_path, name), noise=False, b_iso=1.0 if name == "halite" else 0.5
    )
    simulated = relative(dataset)
    for hkl, textbook in lines.items():
        assert simulated[hkl] == pytest.approx(textbook, rel=0.45, abs=4), hkl


def test_silicon_agrees_with_the_pattern_that_powdercell_calculates(tmp_path):
    # PowderCell 2.0, Cu K-alpha 1, fixed slit, rigid atoms, no anomalous terms (ours has them)
    lines = {
        (1, 1, 1): (28.447, 100.0),
        (0, 2, 2): (47.311, 67.10),
        (1, 1, 3): (56.133, 39.94),
        (0, 0, 4): (69.144, 10.70),
        (1, 3, 3): (76.392, 16.19),
    }
    dataset = simulate.cif_patterns(write_cif(tmp_path, "silicon"), noise=False)
    position, simulated = dataset["reflection_position"].values[0], relative(dataset)
    assert columns(dataset).keys() == lines.keys()
    for hkl, (two_theta, intensity) in lines.items():
        assert position[columns(dataset)[hkl]] == pytest.approx(two_theta, abs=0.01)
        assert simulated[hkl] == pytest.approx(intensity, rel=0.03)


def test_lines_forbidden_by_the_diamond_glide_or_by_chance_are_not_listed(tmp_path):
    assert (0, 0, 2) not in relative(simulate.cif_patterns(write_cif(tmp_path, "silicon")))
    assert (2, 2, 2) not in relative(simulate.cif_patterns(write_cif(tmp_path, "silicon")))
