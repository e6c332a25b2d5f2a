"""The explorer on data of other kinds: what it shows is still what Python says."""

import warnings

import numpy as np
import pytest
import xarray as xr

from xrdae.report import content

from .test_explorer import same_at, same_pattern, same_synthesis

SETTINGS = {"steps": 200, "members": 3, "progress": False}


def check(explorer, dataset, model, between):
    """The probe, and half-way between two patterns, against Python; `between` also by position."""
    flat, positions = between
    axis = model.patterns(dataset).dim
    explorer.page.focus("#plane-keys")
    for _ in range(2):
        explorer.page.keyboard.press("ArrowRight")
    latent, probe = explorer.synthesized()
    with warnings.catch_warnings(action="ignore"):  # the point may lie outside the data
        expected = dataset.xrdae.synthesize(model, latent=[latent])
    same_synthesis(probe, expected.sortby(axis))
    explorer.page.fill("#from", str(flat[0]))
    explorer.page.fill("#to", str(flat[1]))
    explorer.wait("$.view.between.from === a[0] && $.view.between.to === a[1]", *flat)
    middle, _ = explorer.walked(0.5)
    expected = dataset.xrdae.synthesize(model, between=positions, n=1)
    same_synthesis(middle, expected.sortby(axis))


def test_a_map_on_another_axis_with_gaps_and_another_grid(simulated_series, shown):
    series = simulated_series(24, 400)
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"]) / 2) / 1.5406
    dataset = series.assign_coords(two_theta=10 * q).rename(two_theta="q")
    dataset["q"].attrs = {"units": "1/nm", "long_name": "momentum transfer"}
    dataset = dataset.isel(q=slice(None, None, -1))
    dataset["mask"] = ("q", (dataset["q"].values > 30) & (dataset["q"].values < 32))
    grid = dataset.isel(pattern=slice(24)).coarsen(pattern=6).construct(pattern=("y", "z"))
    grid = grid.set_coords("x").transpose("q", "z", "y")
    model = grid.xrdae.fit(grid="log_q", **SETTINGS)
    explorer = shown(grid, model)
    assert explorer.ask("$.header.dims") == ["z", "y"]
    assert explorer.ask("$.models.pattern.below[0].axis_label.text") == "momentum transfer (1/nm)"
    z, y = divmod(3, grid.sizes["y"])
    explorer.page.fill("#pinned", "3")
    assert explorer.page.inner_text("#pinned-text").startswith(f"z {z}, y {y}")
    pattern = grid["intensity"].isel(z=z, y=y).sortby("q")
    pattern = pattern.where(~grid["mask"].sortby("q").values)
    same_pattern(np.nan_to_num(explorer.shown("measured")["y"], nan=-1), pattern.fillna(-1))
    last = {"z": grid.sizes["z"] - 1, "y": 1}
    to = last["z"] * grid.sizes["y"] + 1
    check(explorer, grid, model, ((3, to), ({"z": z, "y": y}, last)))


@pytest.mark.parametrize("n_latent", [1, 3])
def test_one_latent_axis_or_three(series, shown, n_latent):
    model = series.xrdae.fit(n_latent=n_latent, **SETTINGS)
    explorer = shown(series, model)
    latents = series.xrdae.encode(model)["latent"].values
    if n_latent == 3:
        explorer.page.select_option("#axis-y", label="latent axis 2")
        np.testing.assert_allclose(explorer.shown("points")["y"], latents[:, 2], atol=1e-6)
    explorer.page.mouse.click(*explorer.place(latents[6, 0], latents[6, 2] if n_latent == 3 else 0))
    explorer.wait("$.view.pinned === 6")
    check(explorer, series, model, ((1, 22), (1, 22)))


def test_a_background_is_taken_off_where_the_model_does_so(series, shown):
    model = series.xrdae.fit(background="snip", scale="area", **SETTINGS)
    explorer = shown(series, model)
    np.testing.assert_allclose(explorer.shown("measured")["y"], series["intensity"][0], atol=0.1)
    check(explorer, series, model, ((2, 9), (2, 9)))


def test_a_page_is_thinned_with_a_note(series, model, shown, monkeypatch):
    monkeypatch.setattr(content, "MOST_PATTERNS", 12)
    monkeypatch.setattr(content, "MOST_VALUES", 3 * 400)
    explorer = shown(series, model)
    assert explorer.ask("$.count") == 12
    assert "every 2th of 24" in explorer.page.inner_text("header")
    assert explorer.ask("$.data.kept.values.filter((row) => row >= 0).length") == 3
    projected = explorer.ask("$.data.kept.values.findIndex((row) => row < 0)")
    explorer.page.fill("#pinned", str(projected))
    said = explorer.page.inner_text("#pinned-text")
    assert f"pattern {2 * projected}" in said
    assert "as the basis holds it" in said
    inputs = model.model_input(series.isel(pattern=[2 * projected]))
    held = model.autoencoder.basis.expand(model.autoencoder.basis.project(inputs.values))
    expected = model.autoencoder.preparation.restore_scale(held)[0] * float(inputs["scale"][0])
    same_pattern(explorer.shown("measured")["y"], expected)
    # A group of both kinds: its spread is that of all of them.
    every = explorer.ask("$.usable.map((i) => [...$.synthesizer.measured(i)])")
    explorer.page.click("#group-set")
    explorer.wait("$.view.group.length === 12")
    group = explorer.shown("group")
    np.testing.assert_allclose(group["y"], np.mean(every, axis=0), rtol=1e-6)
    np.testing.assert_allclose(group["high"] - group["y"], np.std(every, axis=0), atol=1e-3)


def bar_labels(explorer):
    """The words that are drawn beside the colour bar."""
    explorer.page.wait_for_timeout(300)  # until it is drawn anew
    script = """[...Bokeh.index.get_by_id($.models.plane.id).children()].flatMap((view) => {
      if (view.model !== $.models.bar) return [];
      const axis = view.axis_view ?? view._axis_view;
      const { items } = axis.compute_labels(axis.tick_coords.major[axis.dimension]);
      return items.map((item) => item.text);
    })"""
    return set(explorer.ask(script))


def test_texts_times_and_patterns_without_intensity(series, model, shown):
    intensity = series["intensity"].copy()
    intensity[4] = np.nan
    time = np.datetime64("2026-01-02T03:04:05", "ns") + np.arange(24) * np.timedelta64(1, "m")
    names = [f"a sample with a long name, number {i}" for i in range(24)]
    dataset = series.assign(intensity=intensity).assign_coords(
        sample=("pattern", names),
        phase=("pattern", np.array(["cubic", "tetragonal"])[np.arange(24) // 12]),
        time=("pattern", time),
    )
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        explorer = shown(dataset, model)
    explorer.page.select_option("#color", label="phase")
    assert explorer.ask("$.models.mapper.palette.length") == 2
    assert bar_labels(explorer) == {"", "cubic", "tetragonal"}
    explorer.page.select_option("#color", label="sample")  # more than there are distinct colours
    assert explorer.ask("new Set($.models.mapper.palette).size") == 24
    assert explorer.ask("$.models.plane.inner_width") > 250
    explorer.page.select_option("#color", label="x")  # no name of a text stays at the numbers
    assert {"0", "1"} <= bar_labels(explorer)
    assert explorer.ask("$.models.plane.inner_width") > 430
    explorer.page.select_option("#group-label", label="phase")
    explorer.page.select_option("#group-text-value", label="tetragonal")
    explorer.page.click("#group-set")
    assert "Group of 12 patterns" in explorer.page.inner_text("#group-text")
    explorer.page.select_option("#color", label="phase")
    assert "tetragonal (12)" in explorer.page.inner_text("#group-text")
    explorer.page.select_option("#color", label="time")
    assert "2026-01-02T03:16:05 to" in explorer.page.inner_text("#group-text")
    explorer.page.fill("#pinned", "7")
    labels = explorer.page.inner_text("#pinned-labels")
    assert "2026-01-02T03:11:05" in labels
    assert "cubic" in labels
    explorer.page.fill("#pinned", "4")
    assert "no usable intensity" in explorer.page.inner_text("#pinned-text")
    assert explorer.ask("$.view.pinned") == 7


def test_truth_values_and_flags_are_categories(series, model, shown):
    dataset = series.assign_coords(
        magnetic=("pattern", np.arange(24) % 6 == 0),
        phase=("pattern", np.arange(24) // 12 * 5, {
            "flag_values": [0, 5], "flag_meanings": "tetragonal cubic",
        }),
    )  # fmt: skip
    explorer = shown(dataset, model)
    for label, names in (
        ("magnetic", {"", "False", "True"}),
        ("phase", {"", "tetragonal", "cubic"}),
    ):
        explorer.page.select_option("#color", label=label)
        assert explorer.ask("$.models.mapper.palette.length") == 2
        assert bar_labels(explorer) == names
    assert explorer.ask("[$.models.mapper.palette[0], $.source('points').data.color[0]]") == (
        ["#0072b2", 0]
    )
    explorer.page.select_option("#color", label="magnetic")
    explorer.page.select_option("#group-label", label="phase")
    explorer.page.select_option("#group-text-value", label="tetragonal")
    explorer.page.click("#group-set")
    assert "magnetic: False (10), True (2)" in explorer.page.inner_text("#group-text")
    explorer.page.fill("#pinned", "6")
    pinned = explorer.page.inner_text("#pinned-labels")
    assert "True" in pinned
    assert "tetragonal" in pinned
    explorer.walked(0.5)
    said = explorer.page.inner_text("#path-text")
    assert said.startswith("x 0.5")
    assert "magnetic" not in said
    assert "phase" not in said


def test_a_single_pattern_can_be_looked_at(series, model, shown):
    explorer = shown(series.isel(pattern=3), model)
    np.testing.assert_allclose(explorer.shown("measured")["y"], series["intensity"][3], atol=0.1)


def test_nothing_in_a_data_file_runs_or_becomes_markup(series, model, shown):
    attack = "</script><img src=x onerror='window.hacked=1'><b>$$\\\\alpha$$"
    dataset = series.rename(x=attack).assign_attrs(title=attack)
    dataset[attack].attrs = {"long_name": attack, "units": attack}
    dataset["intensity"].attrs["long_name"] = attack
    dataset = dataset.assign_coords(sample=("pattern", [attack + str(i % 2) for i in range(24)]))
    explorer = shown(dataset, model)
    for label in (attack, "sample"):
        explorer.page.select_option("#color", label=label)
    explorer.page.mouse.move(*explorer.place(*explorer.ask("$.synthesizer.latent(3)")))
    explorer.page.mouse.move(*explorer.place(*explorer.ask("$.synthesizer.latent(4)")))
    explorer.page.locator("#hover").wait_for(state="visible")
    assert explorer.ask("window.hacked") is None
    assert explorer.page.locator("img, main b").count() == 0
    assert attack in explorer.page.inner_text("h1")


@pytest.mark.parametrize(
    ("name", "n_latent"), [("batio3_temperature", 2), ("bi_cu_v_o", 2), ("al_li_fe_sim", 3)]
)
def test_real_series(real_data, shown, name, n_latent):
    with xr.open_dataset(real_data(f"{name}.nc")) as opened:
        dataset = opened.load()
    model = dataset.xrdae.fit(progress=False, n_latent=n_latent)
    explorer = shown(dataset, model)
    check(explorer, dataset, model, ((3, 5), (3, 5)))
    last = dataset.sizes["pattern"] - 1
    check(explorer, dataset, model, ((0, last), (0, last)))
    latents = dataset.xrdae.encode(model)["latent"].values
    rng = np.random.default_rng(0)
    pairs, share = rng.integers(0, last + 1, (25, 2)), rng.random((25, 1))
    points = share * latents[pairs[:, 0]] + (1 - share) * latents[pairs[:, 1]]
    same_at(explorer, dataset, model, points)
    explorer.page.set_viewport_size({"width": 390, "height": 844})
    explorer.wait("document.documentElement.scrollWidth <= 390")  # once it is laid out anew


def test_twenty_thousand_patterns_can_be_pinned_and_probed(series, model, shown):
    many = series.isel(pattern=np.arange(20_000) % 24)
    many["intensity"] = many["intensity"] + np.random.default_rng(0).poisson(
        5, many["intensity"].shape
    )
    explorer = shown(many, model)
    assert len(explorer.shown("points")["x"]) == 20_000
    latent, probe = explorer.synthesized()
    same_synthesis(probe, series.xrdae.synthesize(model, latent=[latent]))
    explorer.page.fill("#pinned", "19999")
    same_pattern(explorer.shown("measured")["y"], many["intensity"][19_999])


def test_a_notebook_shows_the_page_in_a_frame_and_it_works_there(series, model, chromium, tmp_path):
    from .conftest import Explorer

    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><body>{series.xrdae.report(model)._repr_html_()}")
    context = chromium.new_context()
    page = context.new_page()
    explorer = Explorer(page)
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for()
    frame.locator("#pinned").fill("8")
    assert "pattern 8" in frame.locator("#pinned-text").inner_text()
    context.close()
    assert explorer.errors == []
