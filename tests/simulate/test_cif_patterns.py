"""Mixtures of phases from CIFs, and refused arguments."""

import sys

import numpy as np
import pytest
import xarray as xr

from crystals import BARE, CU_KA1, write_cif
from xrdae import simulate

pytest.importorskip("gemmi")


def test_mixture_is_the_sum_of_its_phases_by_weight(tmp_path):
    paths = [write_cif(tmp_path, "halite"), write_cif(tmp_path, "silicon")]
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
    paths = [write_cif(tmp_path, "halite"), write_cif(tmp_path, "silicon")]
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
        [write_cif(tmp_path, "halite"), write_cif(tmp_path, "iron")], fractions=[[0.3, 0.7]]
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
        simulate.cif_patterns(write_cif(tmp_path, "iron"), fractions=fractions)


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
    text = write_cif(tmp_path, "iron").read_text()
    assert old in text
    path = write_cif(tmp_path, "iron", text=text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        simulate.cif_patterns(path)


def test_no_cif_at_all_is_refused():
    with pytest.raises(ValueError, match="paths is empty"):
        simulate.cif_patterns([])


def test_missing_gemmi_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(ImportError, match=r"xrdae\[simulate\]"):
        simulate.alloy_series([1], zr=[0])
