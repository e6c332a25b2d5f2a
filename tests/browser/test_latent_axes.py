"""The explorer of models with more than two latents, or one: which latents it shows."""

import csv

import numpy as np
import pytest

from .test_explorer import same_synthesis

SETTINGS = {"steps": 150, "members": 3, "progress": False}


@pytest.fixture(scope="module")
def model(series):
    return series.xrdae.fit(n_latent=4, **SETTINGS)


@pytest.fixture(scope="module")
def latents(series, model):
    return series.xrdae.encode(model)["latent"].values


@pytest.fixture
def explorer(series, model, shown):
    return shown(series, model)


def choose(explorer, across, up):
    explorer.page.select_option("#axis-x", label=f"latent axis {across}")
    explorer.page.select_option("#axis-y", label=f"latent axis {up}")


def chosen(explorer):
    return [explorer.page.input_value(f"#axis-{end}") for end in "xy"]


def novelty_of(model, latent):
    """Distance to the nearest training latent over the limit, as Python finds it."""
    distance = np.linalg.norm(model.support.latents - np.asarray(latent), axis=1).min()
    return distance / model.support.novelty.limits[0]


def test_everything_in_the_plane_follows_the_chosen_axes(explorer, series, model, latents):
    explorer.page.fill("#pinned", "5")
    explorer.page.fill("#from", "2")
    explorer.page.fill("#to", "20")
    explorer.page.locator("#fraction").fill("0.25")
    explorer.walked(0.25)
    explorer.page.locator("#peaks button").first.click()
    region = explorer.ask("$.view.masked")
    moved = latents[5] + series.xrdae.relevance(model)["latent_shift"].values[5, region]
    place = 0.75 * latents[2] + 0.25 * latents[20]
    probe = np.array(explorer.ask("$.view.probe"))
    for axes in ((0, 1), (3, 1), (3, 2), (0, 2)):
        choose(explorer, *axes)
        for source, expected in (
            ("points", latents),
            ("pinned", latents[[5]]),
            ("route", latents[[2, 20]]),
            ("here", place[None]),
            ("masked", np.stack([latents[5], moved])),
            ("probe", probe[None]),
        ):
            places = explorer.ask("['x', 'y'].map((k) => [...$.source(a[0]).data[k]])", source)
            np.testing.assert_allclose(places, expected[:, axes].T, atol=1e-3)
        names = "[$.models.plane.below[0].axis_label.text, $.models.plane.left[0].axis_label.text]"
        assert explorer.ask(names) == [f"latent axis {axis}" for axis in axes]
        for name, axis in zip("xy", axes, strict=True):
            ends = explorer.ask(
                "[$.models.plane[a[0]].start, $.models.plane[a[0]].end]", f"{name}_range"
            )
            assert ends[0] < latents[:, axis].min() < latents[:, axis].max() < ends[1]


def test_an_axis_that_is_chosen_twice_changes_places(explorer):
    assert chosen(explorer) == ["0", "1"]
    explorer.page.select_option("#axis-x", label="latent axis 1")
    assert chosen(explorer) == ["1", "0"]
    explorer.page.select_option("#axis-y", label="latent axis 3")
    explorer.page.select_option("#axis-y", label="latent axis 1")
    assert chosen(explorer) == ["3", "1"]
    assert explorer.ask("$.plane") == [3, 1]


def test_the_probe_takes_its_other_latents_from_the_nearest_pattern(
    explorer, series, model, latents
):
    choose(explorer, 1, 2)
    start = explorer.place(*np.array(explorer.ask("$.view.probe"))[[1, 2]])
    for pattern in (3, 17):
        target = latents[pattern] + 0.003
        explorer.drag([start, explorer.place(*target[[1, 2]])])
        latent, shown = explorer.synthesized()
        near = latents[np.linalg.norm(latents[:, [1, 2]] - latent[[1, 2]], axis=1).argmin()]
        np.testing.assert_allclose(latent[[0, 3]], near[[0, 3]], atol=1e-5)
        np.testing.assert_allclose(latent[[1, 2]], target[[1, 2]], atol=0.05)
        same_synthesis(shown, series.xrdae.synthesize(model, latent=[latent]))
        said = explorer.page.inner_text("#probe-text")
        assert f"novelty {novelty_of(model, latent):.2f}" in said
        start = explorer.place(*latent[[1, 2]])


def test_the_other_latents_stay_if_that_is_chosen(explorer):
    explorer.page.select_option("#others", label="stay")
    before = np.array(explorer.ask("$.view.probe"))
    explorer.page.focus("#plane-keys")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        explorer.page.keyboard.press(key)
    after = np.array(explorer.ask("$.view.probe"))
    assert (after[:2] > before[:2]).all()
    np.testing.assert_array_equal(after[2:], before[2:])
    choose(explorer, 2, 3)
    np.testing.assert_array_equal(explorer.ask("$.view.probe"), after)


@pytest.mark.parametrize("others", ["nearest", "probe"])
def test_grey_is_where_the_probe_would_have_no_data_near(explorer, model, latents, others):
    choose(explorer, 0, 3)
    explorer.page.select_option("#others", value=others)
    shade = explorer.ask(
        "(({ image, ...at }) => [[...image[0]].map((v) => v === 1), ...['x', 'y', 'dw', 'dh']"
        ".map((k) => at[k][0])])($.source('shade').data)"
    )
    grey, x, y, width, height = shade
    probe = np.array(explorer.ask("$.view.probe"))
    grey = np.reshape(grey, (90, 90))
    assert 0 < grey.mean() < 1
    for row, column in np.random.default_rng(0).integers(0, 90, (60, 2)):
        place = [x + (column + 0.5) / 90 * width, y + (row + 0.5) / 90 * height]
        near = latents[np.linalg.norm(latents[:, [0, 3]] - place, axis=1).argmin()]
        latent = (probe if others == "probe" else near).copy()
        latent[[0, 3]] = place
        novelty = novelty_of(model, latent)
        if abs(novelty - 1) > 1e-3:
            assert grey[row, column] == (novelty > 1)


def test_no_pattern_lies_on_grey(explorer, latents):
    for axes in ((0, 1), (2, 3)):
        choose(explorer, *axes)
        novel = "a[0].map((z) => $.synthesizer.novelty($.latentAt(z[0], z[1])) > 1)"
        assert not any(explorer.ask(novel, latents[:, axes].tolist()))


def test_a_click_takes_all_latents_of_the_pattern(explorer, latents):
    choose(explorer, 3, 2)
    explorer.page.select_option("#others", label="stay")
    explorer.page.mouse.click(*explorer.place(*latents[9][[3, 2]]))
    explorer.wait("$.view.pinned === 9")
    np.testing.assert_allclose(explorer.ask("$.view.probe"), latents[9], atol=1e-6)


def test_enter_pins_the_pattern_that_is_nearest_in_all_latents(explorer, latents):
    probe = latents[11] + 0.02
    explorer.ask("$.moveProbe(a[0]).then(() => null)", probe.tolist())
    nearest = int(np.linalg.norm(latents - probe, axis=1).argmin())
    explorer.page.focus("#plane-keys")
    explorer.page.keyboard.press("Enter")
    explorer.wait("$.view.pinned === a[0]", nearest)


def test_a_latent_that_is_not_shown_may_give_the_colour(explorer, latents):
    explorer.page.select_option("#color", label="latent axis 3")
    np.testing.assert_allclose(explorer.shown("points")["color"], latents[:, 3], atol=1e-6)
    assert explorer.ask("$.models.bar.title.text") == "latent axis 3"
    explorer.page.click("#group-set")
    assert "latent axis 3: mean" in explorer.page.inner_text("#group-text")
    with explorer.download("plane", "csv").open(newline="") as file:
        names = next(csv.reader(file))
    assert len(set(names)) == len(names)
    assert "latent_3" in names


def test_the_page_says_what_becomes_of_the_other_latents(explorer):
    said = explorer.page.inner_text("#latents-help")
    assert "Two of 4 latents are shown" in said
    assert "nearest pattern" in said


def test_one_or_two_latents_have_nothing_to_choose(series, shown):
    for n_latent in (1, 2):
        model = series.xrdae.fit(n_latent=n_latent, **SETTINGS)
        explorer = shown(series, model)
        assert not explorer.page.is_visible("#axis-x")
        assert explorer.page.locator("#latents-help").count() == 0
        assert "latent axis 0" not in explorer.page.inner_text("#color")
        label = explorer.ask("$.models.plane.left[0].axis_label?.text ?? null")
        assert label == ("latent axis 1" if n_latent == 2 else None)


def test_the_choice_fits_a_narrow_screen(series, model, open_explorer, tmp_path):
    series.xrdae.report(model, tmp_path / "report.html")
    explorer = open_explorer(tmp_path / "report.html", viewport={"width": 390, "height": 844})
    assert explorer.page.is_visible("#others")
    explorer.wait("document.documentElement.scrollWidth <= 390")
