"""Laws of the simulated patterns, and their agreement with textbook powder lines."""

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import trapezoid

pytest.importorskip("gemmi")

import gemmi

from xrdae import simulate

CU_KA1 = 1.5406  # angstrom
BARE = simulate.Instrument(background=())
GAUSS = simulate.Instrument(background=(), eta=0.0)
CRYSTALS = {
    # name: (space group, a [angstrom], atoms)
    "halite": ("F m -3 m", 5.6402, (("Na", 0.0), ("Cl", 0.5))),
    "iron": ("I m -3 m", 2.8665, (("Fe", 0.0),)),
    "silicon": ("F d -3 m:1", 5.4300, (("Si", 0.0),)),
    "caesium_chloride": ("P m -3 m", 4.1230, (("Cs", 0.0), ("Cl", 0.5))),
}


def cif(folder: Path, name: str, *, text: str | None = None) -> Path:
    group, a, atoms = CRYSTALS[name]
    lengths = "".join(f"_cell_length_{axis} {a}\n" for axis in "abc")
    angles = "".join(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma"))
    loop = "loop_\n_atom_site_label\n_atom_site_type_symbol\n" + "".join(
        f"_atom_site_fract_{axis}\n" for axis in "xyz"
    )
    rows = "".join(f"{element}1 {element} {x} {x} {x}\n" for element, x in atoms)
    path = folder / f"{name}.cif"
    path.write_text(
        text or f"data_{name}\n{lengths}{angles}_space_group_name_H-M_alt '{group}'\n{loop}{rows}"
    )
    return path


def columns(dataset: xr.Dataset) -> dict[tuple[int, int, int], int]:
    """Columns by their indices without order and sign: for cubic crystals."""
    hkl = np.sort(np.abs(np.stack([dataset[m].values for m in "hkl"])), axis=0)
    return {tuple(map(int, v)): j for j, v in enumerate(hkl.T)}


def relative(dataset: xr.Dataset) -> dict[tuple[int, int, int], float]:
    areas = dataset["reflection_intensity"].values[0]
    return {hkl: 100 * areas[j] / np.nanmax(areas) for hkl, j in columns(dataset).items()}


@pytest.fixture(scope="module")
def series() -> xr.Dataset:
    return simulate.alloy_series(noise=False, instrument=BARE)


def test_default_series_is_150_patterns_of_2000_points_in_the_convention():
    dataset = simulate.alloy_series()
    assert dataset["intensity"].dims == ("pattern", "two_theta")
    assert dataset["intensity"].shape == (150, 2000)
    assert dataset["intensity"].dtype == dataset["intensity_errors"].dtype == np.float32
    assert float(dataset["wavelength"]) == CU_KA1
    units = {name: variable.attrs.get("units") for name, variable in dataset.variables.items()}
    assert units["intensity"] == units["intensity_errors"] == "counts"
    assert units["two_theta"] == units["reflection_position"] == "degree"
    assert units["wavelength"] == "angstrom"
    assert units["ti"] == units["zr"] == "1"
    assert all(isinstance(value, str | int | float) for value in dataset.attrs.values())
    assert "10.1002/adts.202200613" in dataset.attrs["source"]


def test_body_centring_extinguishes_reflections_of_odd_index_sum(series):
    assert series.sizes["reflection"] > 30
    assert not ((series["h"] + series["k"] + series["l"]) % 2).any()


def test_positions_obey_braggs_law_of_the_lattice(series):
    inverse_d2 = (series["h"] ** 2 + series["k"] ** 2) / series["lattice_a"] ** 2
    inverse_d2 = inverse_d2 + series["l"] ** 2 / series["lattice_c"] ** 2
    expected = 2 * np.degrees(np.arcsin(CU_KA1 / 2 * np.sqrt(inverse_d2)))
    difference = (series["reflection_position"] - expected).transpose("pattern", "reflection")
    assert float(abs(difference).max()) < 1e-9


def test_reflections_off_the_grid_are_nan_and_the_others_on_it(series):
    position = series["reflection_position"].values
    inside = np.isfinite(position)
    assert ((position[inside] >= 20) & (position[inside] <= 80)).all()
    assert inside.any(axis=0).all()
    assert (inside == np.isfinite(series["reflection_intensity"].values)).all()


def test_ti_expands_and_zr_contracts_the_lattice():
    a = simulate.alloy_series([0, 1], zr=[0, 0.5], noise=False)["lattice_a"].values
    assert a[2] > a[0]
    assert a[1] < a[0]
    assert a[2] == pytest.approx(8.56)


def test_peaks_of_the_default_series_move_by_more_than_their_width(series):
    position = (
        series["reflection_position"]
        .where(series["reflection_position"] > 40)
        .dropna("reflection", how="any")
    )
    move = (position.max("pattern") - position.min("pattern")).values
    width = simulate.Instrument().fwhm(position.mean("pattern").values)
    assert (move > width).all()


def test_crossed_gives_the_grid_and_not_crossed_one_pattern_a_pair():
    grid = simulate.alloy_series([0, 1], zr=[0, 0.1, 0.2])
    assert grid["ti"].values.tolist() == [0, 0, 0, 1, 1, 1]
    assert grid["zr"].values.tolist() == [0, 0.1, 0.2] * 2
    pairs = simulate.alloy_series([0, 1], zr=[0, 0.2], crossed=False, noise=False)
    assert pairs["ti"].values.tolist() == [0, 1]
    alone = simulate.alloy_series([1], zr=[0.2], noise=False)
    xr.testing.assert_allclose(
        pairs["intensity"][1], alone["intensity"][0].assign_coords(pattern=1)
    )


def test_one_ti_site_out_of_four_is_the_8i_occupancy():
    structure = simulate.alloy_structure(1.0, zr=0.25)
    mass = 2 * (0.75 * 150.36 + 0.25 * 91.224 + 11 * 55.845 + 47.867)
    listed = simulate.reflections(structure, wavelength=CU_KA1, two_theta_range=(20, 80))
    assert listed.cell_mass == pytest.approx(mass, rel=1e-4)


def test_intensity_scales_with_counts():
    few, many = (
        simulate.alloy_series([1], zr=[0], counts=counts, noise=False) for counts in (1e3, 7e3)
    )
    np.testing.assert_allclose(many["intensity"], 7 * few["intensity"], rtol=1e-5)
    np.testing.assert_allclose(many["reflection_intensity"], 7 * few["reflection_intensity"])


def test_strongest_peak_has_the_counts_asked_for_wherever_the_grid_s_points_fall():
    for start in (20.0, 20.01, 20.02):
        grid = np.linspace(start, start + 60, 30_001)
        options = {"two_theta": grid, "noise": False}
        fine = simulate.alloy_series([1], zr=[0.25], instrument=GAUSS, **options)
        assert float(fine["intensity"].max()) == pytest.approx(10_000, rel=1e-3)
        few = {**options, "two_theta": grid[::30]}
        coarse = simulate.alloy_series([1], zr=[0.25], instrument=GAUSS, **few)
        np.testing.assert_allclose(
            coarse["intensity"], fine["intensity"].sel(two_theta=grid[::30]), rtol=1e-5
        )


def test_same_seed_gives_the_same_counts_and_another_seed_others():
    one, same, other = (simulate.alloy_series([1], zr=[0], seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(one, same)
    assert (one["intensity"] != other["intensity"]).any()


def test_noise_is_poisson_about_the_noise_free_pattern():
    compositions = {"zr": np.zeros(400), "crossed": False, "counts": 400.0}
    truth = simulate.alloy_series(np.ones(400), noise=False, **compositions)["intensity"][0]
    noisy = simulate.alloy_series(np.ones(400), seed=1, **compositions)["intensity"]
    assert (noisy == noisy.round()).all()
    sigma = np.sqrt(truth / 400)
    assert float(abs((noisy.mean("pattern") - truth) / sigma).max()) < 6
    assert float((noisy.var("pattern") / truth).mean()) == pytest.approx(1, abs=0.02)


def test_errors_are_the_root_of_the_counts_and_at_least_one():
    dataset = simulate.alloy_series([1], zr=[0], counts=20.0)
    expected = np.sqrt(np.maximum(dataset["intensity"], 1))
    np.testing.assert_allclose(dataset["intensity_errors"], expected, rtol=1e-6)
    assert float(dataset["intensity"].min()) == 0


def test_area_of_an_isolated_peak_is_its_reflection_intensity(tmp_path):
    grid = np.linspace(40, 50, 4001)  # iron: 110 alone, at 44.67
    options = {"two_theta": grid, "noise": False, "instrument": GAUSS}
    dataset = simulate.cif_patterns(cif(tmp_path, "iron"), **options)
    area = trapezoid(dataset["intensity"].values[0].astype(float), grid)
    assert dataset["reflection_intensity"].values.ravel() == pytest.approx(area, rel=1e-5)


def test_pseudo_voigt_has_unit_area_and_its_width():
    grid = np.linspace(-400, 500, 900_001)
    for eta in (0.0, 0.4, 1.0):
        peak = simulate.profile(
            grid, position=np.array([50.0]), area=np.ones(1), fwhm=np.array([0.5]), eta=eta
        )
        assert trapezoid(peak, grid) == pytest.approx(1, abs=1e-3)
        above = grid[peak >= peak.max() / 2]
        assert above[-1] - above[0] == pytest.approx(0.5, abs=3e-3)


def test_zero_shift_moves_every_peak_by_that_amount():
    step = 0.03
    options = {"two_theta": 20 + step * np.arange(2001), "noise": False, "instrument": BARE}
    dataset = simulate.alloy_series(
        [1, 1], zr=[0, 0], crossed=False, zero_shift=[0, 5 * step], **options
    )
    plain, shifted = dataset["reflection_position"].values
    both = np.isfinite(plain) & np.isfinite(shifted)
    np.testing.assert_allclose((shifted - plain)[both], 5 * step, atol=1e-9)
    plain, shifted = dataset["intensity"].values
    np.testing.assert_allclose(shifted[5:], plain[:-5], rtol=1e-3, atol=1)


def test_texture_of_one_changes_nothing_and_less_than_one_favours_the_axis():
    plain = simulate.alloy_series([1, 1, 1], zr=[0, 0, 0], crossed=False, noise=False)
    textured = simulate.alloy_series(
        [1, 1, 1], zr=[0, 0, 0], crossed=False, noise=False, texture=[1, 0.7, 1.4]
    )
    np.testing.assert_array_equal(plain["intensity"][0], textured["intensity"][0])
    areas = dict(zip(zip(*(textured[m].values for m in "hkl"), strict=True),
                     textured["reflection_intensity"].values.T, strict=True))  # fmt: skip
    axial = areas[(0, 0, 2)] / areas[(4, 0, 0)]
    # March-Dollase by hand: r^-3 along the axis, r^(3/2) across it
    np.testing.assert_allclose(axial / axial[0], np.array([1, 0.7, 1.4]) ** -4.5)


def test_texture_keeps_the_intensity_of_all_directions_together():
    cosine = np.linspace(0, 1, 20_001)
    for r in (0.6, 1.5):
        march = (r**2 * cosine**2 + (1 - cosine**2) / r) ** -1.5
        assert trapezoid(march, cosine) == pytest.approx(1, abs=1e-6)


def test_debye_waller_attenuates_by_the_textbook_factor():
    ratio = [
        simulate.alloy_series([1], zr=[0], noise=False, b_iso=b)["reflection_intensity"].values[0]
        for b in (0.0, 1.0)
    ]
    dataset = simulate.alloy_series([1], zr=[0], noise=False)
    theta = np.radians(dataset["reflection_position"].values[0]) / 2
    expected = np.exp(-2 * (np.sin(theta) / CU_KA1) ** 2)
    measured = ratio[1] / ratio[0]
    np.testing.assert_allclose(measured / measured[0], expected / expected[0], rtol=1e-9)


def test_structure_factor_of_iron_is_two_atoms_in_phase(tmp_path):
    listed = simulate.reflections(
        simulate.read_structure(cif(tmp_path, "iron")), wavelength=CU_KA1, two_theta_range=(1, 140)
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
        simulate.read_structure(cif(tmp_path, "caesium_chloride")),
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
        cif(tmp_path, name), noise=False, b_iso=1.0 if name == "halite" else 0.5
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
    dataset = simulate.cif_patterns(cif(tmp_path, "silicon"), noise=False)
    position, simulated = dataset["reflection_position"].values[0], relative(dataset)
    assert columns(dataset).keys() == lines.keys()
    for hkl, (two_theta, intensity) in lines.items():
        assert position[columns(dataset)[hkl]] == pytest.approx(two_theta, abs=0.01)
        assert simulated[hkl] == pytest.approx(intensity, rel=0.03)


def test_lines_forbidden_by_the_diamond_glide_or_by_chance_are_not_listed(tmp_path):
    assert (0, 0, 2) not in relative(simulate.cif_patterns(cif(tmp_path, "silicon")))
    assert (2, 2, 2) not in relative(simulate.cif_patterns(cif(tmp_path, "silicon")))


def test_mixture_is_the_sum_of_its_phases_by_weight(tmp_path):
    paths = [cif(tmp_path, "halite"), cif(tmp_path, "silicon")]
    fractions = [[1, 0], [0, 1], [2, 2], [3, 1]]
    dataset = simulate.cif_patterns(paths, fractions=fractions, noise=False, instrument=BARE)
    np.testing.assert_allclose(dataset["weight_fraction"][2:], [[0.5, 0.5], [0.75, 0.25]])
    areas, phase = dataset["reflection_intensity"], dataset["phase"]
    halite, silicon = (areas.where(phase == p).sum("reflection") for p in ("halite", "silicon"))
    ratio = (halite / silicon).values
    assert ratio[3] / ratio[2] == pytest.approx(3)
    assert halite[1] == silicon[0] == 0
    assert bool(areas[0].where(phase == "silicon", drop=True).isnull().all())
    # each part keeps its own shape
    np.testing.assert_allclose(
        (areas[2] / areas[0]).where(phase == "halite").dropna("reflection").values,
        float(halite[2] / halite[0]),
    )


def test_equal_weights_scatter_by_one_over_zmv(tmp_path):
    paths = [cif(tmp_path, "halite"), cif(tmp_path, "silicon")]
    dataset = simulate.cif_patterns(paths, fractions=[[1, 1]], noise=False)
    areas, phase = dataset["reflection_intensity"][0], dataset["phase"]
    strongest = {p: float(areas.where(phase == p).max()) for p in ("halite", "silicon")}
    predicted = {}
    for path in paths:
        one = simulate.reflections(
            simulate.read_structure(path), wavelength=CU_KA1, two_theta_range=(20, 80)
        )
        theta = np.arcsin(CU_KA1 / (2 * one.d))
        factor = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
        predicted[path.stem] = (one.multiplicity * one.f_squared * factor).max() / (
            one.cell_mass * one.cell_volume
        )
    assert strongest["halite"] / strongest["silicon"] == pytest.approx(
        predicted["halite"] / predicted["silicon"]
    )


def test_both_kinds_of_dataset_survive_netcdf(tmp_path):
    mixtures = simulate.cif_patterns(
        [cif(tmp_path, "halite"), cif(tmp_path, "iron")], fractions=[[0.3, 0.7]]
    )
    for name, dataset in (("alloy", simulate.alloy_series([0, 2], zr=[0])), ("mix", mixtures)):
        dataset.to_netcdf(tmp_path / f"{name}.nc")
        with xr.open_dataset(tmp_path / f"{name}.nc") as read:
            xr.testing.assert_identical(read.load(), dataset)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ti": [5.0]}, "ti holds 5.0"),
        ({"ti": [-0.1]}, "ti holds -0.1"),
        ({"zr": [1.2]}, "zr holds 1.2"),
        ({"zr": [np.nan]}, "zr holds nan"),
        ({"ti": []}, "ti has shape"),
        ({"ti": [1, 2], "zr": [0], "crossed": False}, "ti has 2 values and zr 1"),
        ({"two_theta": [30, 20]}, "not increasing"),
        ({"two_theta": [30]}, "not increasing"),
        ({"two_theta": [0, 20]}, "between 0 and 180"),
        ({"two_theta": [20, 180]}, "between 0 and 180"),
        ({"two_theta": [20.0, 20.01, 20.02]}, "pattern 0 has no reflection"),
        ({"wavelength": 0.0}, "wavelength is 0.0"),
        ({"counts": -1.0}, "counts is -1.0"),
        ({"b_iso": -1.0}, "b_iso is -1.0"),
        ({"texture": 0.0}, "March-Dollase"),
        ({"zero_shift": [0.1, 0.2, 0.3]}, "zero_shift has 3 values for 150 patterns"),
        ({"instrument": simulate.Instrument(w=-1.0)}, "raise w"),
        ({"instrument": simulate.Instrument(background=(0.1, 1.0))}, "falls to"),
    ],
)
def test_arguments_out_of_range_are_named_with_their_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate.alloy_series(**arguments)


def test_lorentzian_share_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match=r"eta is 1\.5"):
        simulate.Instrument(eta=1.5)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ([[1, 1]], r"shape \(1, 2\); give \(pattern, 1\)"),
        ([1], "give"),
        ([[1], [-1]], r"fractions\[1\] is \[-1\.0\]"),
        ([[0]], "not all 0"),
    ],
)
def test_fractions_that_do_not_fit_the_phases_are_refused(tmp_path, fractions, message):
    with pytest.raises(ValueError, match=message):
        simulate.cif_patterns(cif(tmp_path, "iron"), fractions=fractions)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_cell_length_a 2.8665", "_cell_length_a ?", "no unit cell"),
        ("Fe1 Fe 0.0 0.0 0.0", "Fe1 Fe ? ? ?", "'Fe1' has no coordinates"),
        ("Fe1 Fe", "Q1 Q", "no scattering factor"),
        ("I m -3 m", "Q m", "not recognized"),
        ("_atom_site_", "_other_", "no atoms"),
    ],
)
def test_cif_that_lacks_something_is_refused_with_what_to_set(tmp_path, old, new, message):
    text = cif(tmp_path, "iron").read_text()
    assert old in text
    path = cif(tmp_path, "iron", text=text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        simulate.cif_patterns(path)


def test_no_cif_at_all_is_refused():
    with pytest.raises(ValueError, match="paths is empty"):
        simulate.cif_patterns([])


def test_missing_gemmi_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(ImportError, match=r"xrdae\[simulate\]"):
        simulate.alloy_series([1], zr=[0])


def test_iron_adds_its_lines_and_nothing_that_depends_on_the_composition():
    dataset = simulate.alloy_series([0.5, 1.5], zr=[0.2], iron=0.2, noise=False)
    of_iron = dataset.isel(reflection=np.flatnonzero(dataset["phase"].values == 1))
    np.testing.assert_allclose(of_iron["reflection_position"][0, 0], 44.67, atol=0.02)
    assert np.ptp(of_iron["reflection_position"].values, axis=0).max() == 0
    with pytest.raises(ValueError, match="iron is 1"):
        simulate.alloy_series([1], zr=[0], iron=1.0)
