"""Plots of descending axes, categories, repeated labels and signed intensities."""

import warnings

import numpy as np
import pytest

from figure_helpers import STRUCTURES, new_figure, words
from xrdae import DataError


def test_an_axis_that_is_not_of_diffraction_is_drawn_in_its_direction(spectra):
    out, model = spectra
    out = out.xrdae.synthesize(model, between=(3, 12), n=2)
    for draw in ("relevance", "relevance_map", "synthesis"):
        ax = new_figure().add_subplot()
        getattr(out.xrdae.plot, draw)(ax=ax)
        left, right = ax.get_xlim()
        assert left > 295, draw
        assert right < 281, draw
        assert ax.get_xlabel() == "energy (eV)"


def test_profiles_of_a_descending_axis_lie_where_their_energies_are(spectra, ax):
    out, _ = spectra
    energy = out["binding_energy"].values
    out.xrdae.plot.relevance(pattern=4, ax=ax)
    x, y = ax.lines[0].get_data()
    order = np.argsort(x)
    np.testing.assert_array_equal(x[order], energy[::-1])
    np.testing.assert_array_equal(y[order], out["intensity"].values[4][::-1])
    np.testing.assert_allclose([p.get_x() for p in ax.patches], np.sort(out["region_start"]))
    ax = new_figure().add_subplot()
    out.xrdae.plot.relevance_map(ax=ax)
    image = ax.collections[0]
    middle = image.get_coordinates()[0, :, 0]
    order = np.argsort((middle[1:] + middle[:-1]) / 2)
    np.testing.assert_array_equal(
        image.get_array()[:, order], out["relevance_profile"].values[:, ::-1]
    )


@pytest.mark.parametrize("kind", ["binding_energy", "two_theta"])
def test_a_waterfall_of_a_descending_axis_shows_its_own_ends(spectra, series, model, kind, ax):
    out, fitted = (
        spectra
        if kind == "binding_energy"
        else (series.isel(two_theta=slice(None, None, -1)), model)
    )
    out = out.xrdae.synthesize(fitted, between=(2, 12), n=1)
    out.xrdae.plot.synthesis(ax=ax)
    blend, middle, first, last = (line.get_data() for line in ax.lines)
    x = out[kind].values
    measured = out["intensity"].values[[2, 12]]
    for drawn, expected in (
        (first, measured[0]),
        (last, measured[1]),
        (blend, measured.mean(axis=0)),
        (middle, out["synthesized"].values[0]),
    ):
        y = np.interp(x, *(values[np.argsort(drawn[0])] for values in drawn))
        np.testing.assert_allclose(y - y.mean(), expected - expected.mean(), atol=1e-6)
    is_inverted = ax.get_xlim()[0] > ax.get_xlim()[1]
    assert is_inverted == (kind == "binding_energy")


def test_phases_are_refused_where_there_are_no_reflections(spectra):
    with pytest.raises(DataError, match=r"binding_energy \[eV\] is none of these"):
        spectra[0].xrdae.plot.relevance(phases=STRUCTURES / "iron.cif")


@pytest.mark.parametrize(
    ("label", "names"),
    [("oxidized", ["False", "True"]), ("state", ["washed", "as_grown", "annealed"])],
)
def test_truth_values_and_flags_are_categories_with_their_names(spectra, label, names, ax):
    out, _ = spectra
    out.xrdae.plot.latent(color=label, ax=ax)
    assert words(ax) == names
    assert len(ax.figure.axes) == 1  # no colour bar
    colors = {tuple(points.get_facecolor()[0]) for points in ax.collections}
    assert len(colors) == len(names)
    with pytest.raises(DataError, match=f"'{label}' is of texts or other categories"):
        out.xrdae.plot.relevance_map(y=label)


def test_repeated_labels_along_the_patterns_do_not_move_them(spectra, ax):
    out, _ = spectra
    out.xrdae.plot.relevance_map(ax=ax)
    assert ax.get_ylabel() == "position along T"
    profile = out["relevance_profile"].values[:, ::-1]
    np.testing.assert_array_equal(ax.collections[0].get_array(), profile)
    ax = new_figure().add_subplot()
    out.xrdae.plot.novelty(ax=ax)
    usual = ax.collections[0].get_offsets()
    np.testing.assert_allclose(usual[:, 1], out["novelty"].values[usual[:, 0].astype(int)])


def test_signed_patterns_are_drawn_completely(series, ax):
    signed = series.assign(intensity=(series["intensity"] - series["intensity"].mean()) / 1e5)
    model = signed.xrdae.fit(scale="std", steps=50, members=2, progress=False)
    out = signed.xrdae.relevance(model).xrdae.synthesize(model, between=(0, 9), n=2)
    out.xrdae.plot.relevance(pattern=2, ax=ax)
    drawn = ax.lines[0].get_ydata()
    low, high = ax.get_ylim()
    assert low <= drawn.min() < 0 < drawn.max() <= high
    assert np.ptp(drawn) > 0.5 * (high - low)  # of any unit: it fills the axes
    waterfall = new_figure().add_subplot()
    out.xrdae.plot.synthesis(ax=waterfall)
    lowest = min(line.get_ydata().min() for line in waterfall.lines)
    assert waterfall.get_ylim()[0] <= lowest < 0


def test_negative_spectra_are_drawn_completely(series, ax):
    dips = series.assign(intensity=-series["intensity"])
    model = dips.xrdae.fit(scale="none", steps=50, members=2, progress=False)
    dips.xrdae.relevance(model).xrdae.plot.relevance(ax=ax)
    drawn = ax.lines[0].get_ydata()
    assert ax.get_ylim()[0] <= drawn.min()
    assert ax.get_ylim()[1] > drawn.max()


def test_an_empty_pattern_leaks_no_warning_of_numpy(spectra):
    out, model = spectra
    out = out.xrdae.synthesize(model, between=(3, 12), n=2)
    empty = out.isel(T=[7]).assign(synthesized=(out["synthesized"] * np.nan).drop_attrs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dataset in (out, empty):
            plot = dataset.xrdae.plot
            for draw in ("latent", "relevance", "relevance_map", "novelty", "synthesis"):
                axes = new_figure().add_subplot()
                getattr(plot, draw)(ax=axes)
                axes.figure.canvas.draw()
            plot.relevance(pattern=0 if dataset is empty else 7, ax=new_figure().add_subplot())
            plot.map(x="part", y="T", ax=new_figure().add_subplot())


def test_patterns_with_a_wavelength_each_are_drawn_over_q(series, ax):
    wavelength = ("pattern", np.where(np.arange(24) % 2, 1.5406, 1.54), {"units": "angstrom"})
    dataset = series.assign_coords(wavelength=wavelength)
    model = dataset.xrdae.fit(steps=50, members=2, progress=False)
    out = dataset.xrdae.encode(model).xrdae.relevance(model)
    out.xrdae.plot.relevance(pattern=3, ax=ax)
    assert ax.get_xlabel() == "momentum transfer (1/angstrom)"
    x, y = ax.lines[0].get_data()
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values) / 2) / 1.5406
    known = np.isfinite(y)
    np.testing.assert_allclose(
        y[known], np.interp(x[known], q, series["intensity"].values[3]), rtol=0.1, atol=30
    )
    out.xrdae.plot.relevance(phases=STRUCTURES / "iron.cif", ax=new_figure().add_subplot())
    out.xrdae.plot.relevance_map(y="x", ax=new_figure().add_subplot())
    out = out.xrdae.synthesize(model, between=(2, 20), n=2)
    waterfall = new_figure().add_subplot()
    out.xrdae.plot.synthesis(ax=waterfall)
    assert waterfall.get_xlabel() == "momentum transfer (1/angstrom)"
    assert len(waterfall.lines) == 2 + 2 + 2
    assert np.isfinite(waterfall.lines[4].get_ydata()).mean() > 0.9
    model.synthesize(dataset, at={"x": [0.4]}).xrdae.plot.synthesis(ax=new_figure().add_subplot())
