"""The explorer of signed, transformed and other models: what it synthesizes is what Python does."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from xrdae.report import content

from .test_explorer import read_csv, same_as_python, same_at, same_pattern
from .test_kinds_of_data import SETTINGS, check


def same_between(explorer, dataset, model, pairs):
    """What the page synthesizes on ways between patterns, against Python; also the scales."""
    script = """a.map((f) => {
      const { intensity, std } = $.synthesizer.between(...f);
      return [[...intensity], [...std]];
    })"""
    for pair in pairs:
        expected = dataset.xrdae.synthesize(model, between=pair, n=3, endpoints=True)
        shown = explorer.ask(script, *[[*pair, f] for f in (0, 0.25, 0.5, 0.75, 1)])
        same_as_python(np.array(shown, dtype=float), expected, model.patterns(dataset).dim)


def small_angle(series):
    """Intensities over five decades."""
    decay = 3e4 * np.exp(-(series["two_theta"] - 20) / 4)
    weak = np.maximum((series["intensity"] - 60) / 40, 0)
    intensity = (weak + decay + 0.3).transpose("pattern", "two_theta")
    speckle = np.random.default_rng(0).uniform(1, 1.02, intensity.shape)
    return series.assign(intensity=intensity * speckle)


def difference(series):
    """Differences to most of the mean, each on a scale of its own, along a distance."""
    strength = xr.DataArray(np.linspace(1e-3, 3e-3, 24), dims="pattern")
    signed = (series["intensity"] - 0.8 * series["intensity"].mean("pattern")) * strength
    dataset = series.assign(intensity=signed.assign_attrs(long_name="G(r)"))
    dataset = dataset.drop_vars("wavelength").rename(two_theta="r")
    dataset["r"].attrs = {"units": "angstrom", "long_name": "distance"}
    return dataset


def photoelectrons(series):
    """Spectra along an energy from high to low, in each its own strength."""
    spectra = series.drop_vars("wavelength").rename(two_theta="binding_energy")
    energy = 300 - series["two_theta"].values / 3
    spectra = spectra.assign_coords(binding_energy=energy)
    spectra["binding_energy"].attrs = {"units": "eV", "long_name": "Binding energy"}
    return spectra


OTHER_MODELS = {
    "log": (small_angle, {"transform": "log"}),
    "log, common scale": (small_angle, {"transform": "log", "scale": "none"}),
    "sqrt": (lambda series: series, {"transform": "sqrt", "scale": "area"}),
    "signed": (difference, {"scale": "std"}),
    "signed, common scale": (difference, {"scale": "none", "grid": "even", "points": 260}),
    "descending": (photoelectrons, {}),
}


@pytest.mark.parametrize("kind", OTHER_MODELS)
def test_signed_transformed_and_descending_models_synthesize_as_in_python(series, shown, kind):
    make, settings = OTHER_MODELS[kind]
    dataset = make(series)
    model = dataset.xrdae.fit(**SETTINGS, **settings)
    assert model.autoencoder.preparation.signed == kind.startswith("signed")
    all_methods = {"weights": np.full(4, 0.25), "error": np.array([1, 1e-3, 1e-5])}
    vars(model)["mixture"] = dataclasses.replace(model.mixture, **all_methods)
    explorer = shown(dataset, model)
    latents = dataset.xrdae.encode(model)["latent"].values
    rng = np.random.default_rng(0)
    pairs, share = rng.integers(0, 24, (20, 2)), rng.random((20, 1))
    points = share * latents[pairs[:, 0]] + (1 - share) * latents[pairs[:, 1]]
    same_at(explorer, dataset, model, points)
    same_between(explorer, dataset, model, [(3, 4), (5, 8), (0, 23), (20, 2)])
    check(explorer, dataset, model, ((2, 21), (2, 21)))
    measured = dataset["intensity"].sortby(model.patterns(dataset).dim)
    same_pattern(explorer.shown("measured")["y"], measured[0])
    shown_low = explorer.shown("synthesized")["low"].min()
    assert (shown_low < 0) == kind.startswith("signed")
    if "grid" not in settings:
        _, blend = explorer.walked(0.5)
        same_pattern(blend, (measured[2] + measured[21]) / 2)


def test_patterns_that_a_transformed_model_holds_only_by_its_basis(series, shown, monkeypatch):
    monkeypatch.setattr(content, "MOST_VALUES", 3 * 400)
    dataset = small_angle(series)
    model = dataset.xrdae.fit(transform="log", **SETTINGS)
    explorer = shown(dataset, model)
    same_between(explorer, dataset, model, [(3, 4), (0, 23)])
    every = explorer.ask("$.usable.map((i) => [...$.synthesizer.measured(i)])")
    explorer.page.click("#group-set")
    explorer.wait("$.view.group.length === 24")
    group = explorer.shown("group")
    np.testing.assert_allclose(group["y"], np.mean(every, axis=0), rtol=1e-6)
    np.testing.assert_allclose(group["high"] - group["y"], np.std(every, axis=0), rtol=1e-3)


def test_between_ends_of_other_strengths_the_scale_runs_from_one_to_the_other(series, shown):
    strength = xr.DataArray(np.geomspace(0.01, 10, 24)[::-1], dims="pattern")
    strength = strength.isel(pattern=np.r_[0:24:2, 1:24:2])
    dataset = series.assign(intensity=series["intensity"] * strength)
    model = dataset.xrdae.fit(**SETTINGS)
    latents = dataset.xrdae.encode(model)["latent"].values
    assert np.linalg.norm(latents[23] - latents[0]) > model.mixture.reach
    explorer = shown(dataset, model)
    same_between(explorer, dataset, model, [(0, 23), (23, 0), (1, 20)])
    script = "[0, 0.25, 0.5, 0.75, 1].map((f) => $.synthesizer.between(0, 23, f).scale)"
    ends = dataset["intensity"].max("two_theta").values[[0, 23]]
    np.testing.assert_allclose(explorer.ask(script), np.linspace(*ends, 5), rtol=1e-3)


def test_an_axis_that_is_not_of_diffraction_keeps_its_name_and_its_direction(series, shown):
    dataset = photoelectrons(series)
    model = dataset.xrdae.fit(**SETTINGS)
    title = dataset.assign_attrs(title="")
    explorer = shown(title, model)
    energy = dataset["binding_energy"].values
    words = explorer.page.inner_text("body").lower()
    assert "diffraction" not in words
    assert "two_theta" not in words
    assert "wavelength" not in words
    assert "293.3 to 273.3 ev" in words
    for figure in ("pattern", "path", "positions", "relevance"):
        assert explorer.ask("$.models[a[0]].below[0].axis_label.text", figure) == (
            "Binding energy (eV)"
        )
        ends = explorer.ask("[$.models[a[0]].x_range.start, $.models[a[0]].x_range.end]", figure)
        np.testing.assert_allclose(ends, energy[[0, -1]])
    # A drag to the right zooms in, high energies stay on the left.
    explorer.page.locator("#pattern-panel").scroll_into_view_if_needed()
    script = """(() => {
      const view = Bokeh.index.get_by_id($.models[a[0]].id), box = view.el.getBoundingClientRect();
      return a[1].map((x) => [box.left + view.frame.x_scale.compute(x), box.top + 120]);
    })()"""
    explorer.drag(explorer.ask(script, "pattern", [290.0, 280.0]))
    explorer.wait("Math.abs($.models.pattern.x_range.start - 290) < 0.2")
    explorer.wait("Math.abs($.models.pattern.x_range.end - 280) < 0.2")
    explorer.ask(
        "$.models.pattern.x_range.setv({ start: a[0], end: a[1] })", *energy[[0, -1]].tolist()
    )
    # A click on a peak masks the region there.
    maps = dataset.xrdae.relevance(model)
    region = int(maps["region_center"].values.argmin())
    explorer.page.locator("#mask-text").scroll_into_view_if_needed()
    centre = float(maps["region_center"][region])
    explorer.page.mouse.click(*explorer.ask(script, "relevance", [centre])[0])
    explorer.wait("$.view.masked === a[0]", region)
    start, stop = (float(maps[f"region_{end}"][region]) for end in ("start", "stop"))
    said = explorer.page.inner_text("#mask-text")
    assert f"Replaced {stop:.5g} to {start:.5g} eV" in said
    inside = energy[(energy >= start) & (energy <= stop)]
    mask = explorer.shown("mask")["x"]
    np.testing.assert_allclose([mask.min(), mask.max()], [inside.min(), inside.max()])
    saved = read_csv(explorer.download("pattern", "csv"))
    np.testing.assert_allclose(np.array(saved["binding_energy [eV]"], float), energy)
    pinned = np.array(saved["pinned_0"], float)
    np.testing.assert_allclose(pinned, dataset["intensity"][0], rtol=1e-3, atol=0.1)


def test_channels_without_units_have_none_on_the_page(series, shown):
    dataset = series.drop_vars(["two_theta", "wavelength"]).rename(two_theta="bin")
    model = dataset.xrdae.fit(dim="bin", **SETTINGS)
    explorer = shown(dataset, model)
    assert explorer.page.inner_text("#peaks th >> nth=0") == "peak"
    assert explorer.ask("$.models.pattern.below[0].axis_label.text") == "channel"
    check(explorer, dataset, model, ((1, 22), (1, 22)))


def test_a_path_needs_two_patterns(series, model, shown):
    explorer = shown(series, model)
    explorer.page.fill("#to", "0")
    assert "two different patterns" in explorer.page.inner_text("#path-wrong")
    assert explorer.ask("$.view.to") == 23
    explorer.page.click("#from-pinned")  # 0 is the first end already
    assert explorer.page.inner_text("#path-wrong") == ""
    explorer.page.click("#to-pinned")
    assert "two different patterns" in explorer.page.inner_text("#path-wrong")
    explorer = shown(series.isel(pattern=[3]), model)
    assert "a path needs two" in explorer.page.inner_text("#path-wrong")
    assert explorer.page.is_disabled("#fraction")
    saved = read_csv(explorer.download("path", "csv"))
    np.testing.assert_allclose(np.array(saved["from_0"], float), series["intensity"][3], atol=0.1)


def test_patterns_with_a_wavelength_each_are_shown_over_q(series, shown):
    wavelength = ("pattern", np.where(np.arange(24) % 2, 1.5406, 1.54), {"units": "angstrom"})
    dataset = series.assign_coords(wavelength=wavelength)
    model = dataset.xrdae.fit(**SETTINGS)
    explorer = shown(dataset, model)
    assert explorer.ask("$.models.pattern.below[0].axis_label.text") == (
        "momentum transfer (1/angstrom)"
    )
    check(explorer, dataset, model, ((1, 22), (1, 22)))


def test_a_model_that_keeps_no_patterns_has_masks_without_verdicts(series, shown):
    model = series.xrdae.fit(**SETTINGS)
    fitted = dataclasses.replace(model.fitted, reference=None)
    old = dataclasses.replace(model, fitted=fitted)
    explorer = shown(series, old)
    assert explorer.page.locator("#peaks th").all_inner_texts() == ["peak (degree)", "relevance"]
    expected = series.xrdae.relevance(old, fill="background")["relevance"].values[0]
    np.testing.assert_allclose(explorer.shown("regions")["relevance"], expected, atol=1e-3)
    header = read_csv(explorer.download("relevance", "csv"))
    assert list(header) == [
        "region_start", "region_stop", "relevance", "latent_shift_0", "latent_shift_1"
    ]  # fmt: skip
    explorer.page.locator("#peaks button").first.click()
    assert "the point moves by" in explorer.page.inner_text("#mask-text")


def test_dips_are_followed_along_the_path_as_peaks_are(series, shown):
    dips = series.assign(intensity=-10 - series["intensity"]).isel(two_theta=slice(30, None))
    model = dips.xrdae.fit(scale="none", **SETTINGS)
    explorer = shown(dips, model)
    explorer.wait("$.source('peaks').data.x.length > 0")
    peaks = explorer.shown("peaks")
    axis = dips["two_theta"].values
    first = peaks["x"][peaks["y"] == 0]
    for place in (33.0, 45.0, 58.0, 70.0):
        assert np.abs(first - place).min() < 2 * (axis[1] - axis[0])
    assert len(first) < 8
    script = "[$.models.pattern.y_range.start, $.models.pattern.y_range.end]"
    low, high = explorer.ask(script)
    assert low < float(dips["intensity"][0].min())
    assert high > float(dips["intensity"][0].max())
