"""The explorer in a browser against Python's own numbers."""

import csv
import io
import warnings

import numpy as np
import pytest
import scipy.signal
from matplotlib.image import imread

CLOSE = 0.01  # of a pattern's maximum


@pytest.fixture
def explorer(open_explorer, report):
    return open_explorer(report)


@pytest.fixture(scope="module")
def latents(series, model):
    return series.xrdae.encode(model)["latent"].values


def same_pattern(shown, expected):
    expected = np.asarray(expected)
    largest = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(shown, expected, rtol=0, atol=CLOSE * largest)


def same_synthesis(shown, expected, row=0):
    intensity, std = (expected[name].values[row] for name in ("synthesized", "synthesized_std"))
    same_pattern(shown["y"], intensity)
    wrong = np.abs(shown["high"] - shown["y"] - std)
    assert np.nanmax(wrong) < CLOSE * np.nanmax(np.abs(intensity))


def read_csv(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def test_the_page_shows_every_pattern_at_its_latent_point(explorer, latents):
    points = explorer.shown("points")
    np.testing.assert_allclose(points["x"], latents[:, 0], atol=1e-6)
    np.testing.assert_allclose(points["y"], latents[:, 1], atol=1e-6)


def test_points_are_coloured_by_any_label(explorer, series):
    explorer.page.select_option("#color", label="x")
    np.testing.assert_allclose(explorer.shown("points")["color"], series["x"].values)
    assert explorer.ask("[$.models.mapper.low, $.models.mapper.high]") == [0, 1]
    assert explorer.ask("$.models.bar.title.text") == "content"


def test_hovering_shows_the_labels_and_a_small_pattern(explorer, series, latents):
    x, y = explorer.place(*latents[7])
    explorer.page.mouse.move(x + 3, y)
    explorer.page.mouse.move(x, y)
    card = explorer.page.locator("#hover")
    card.wait_for(state="visible")
    said = card.inner_text()
    assert "pattern 7" in said
    assert f"x: {series['x'].values[7]:.5g}" in said
    points = card.locator("polyline").get_attribute("points")
    line = np.array([pair.split(",") for pair in points.split()], float)
    top = line[line[:, 1].argmin(), 0] / 240  # of the width
    assert top == pytest.approx(series["intensity"].values[7].argmax() / 200, abs=0.01)
    explorer.page.mouse.move(x + 300, y + 500)
    card.wait_for(state="hidden")


def test_a_click_pins_the_measured_pattern(explorer, series, latents):
    explorer.page.mouse.click(*explorer.place(*latents[9]))
    explorer.wait("$.view.pinned === 9")
    shown = explorer.shown("measured")
    np.testing.assert_allclose(shown["x"], series["two_theta"])
    np.testing.assert_allclose(shown["y"], series["intensity"].values[9], rtol=1e-3, atol=0.1)
    assert explorer.page.input_value("#pinned") == "9"


def test_dragging_the_probe_synthesizes_what_python_synthesizes(explorer, series, model, latents):
    start = explorer.place(*explorer.ask("$.view.probe"))
    for target in (latents[4] + 0.02, latents[15:17].mean(axis=0)):
        explorer.drag([start, explorer.place(*target)])
        latent, shown = explorer.synthesized()
        np.testing.assert_allclose(latent, target, atol=0.05)
        same_synthesis(shown, series.xrdae.synthesize(model, latent=[latent]))
        start = explorer.place(*latent)


def same_at(explorer, dataset, model, points):
    """What the page would synthesize at latent points, against Python."""
    script = """a[0].map((z) => {
      const { intensity, std } = $.synthesizer.at(z);
      return [[...intensity], [...std]];
    })"""
    shown = np.array(explorer.ask(script, points.tolist()), dtype=float)
    with warnings.catch_warnings(action="ignore"):  # some may lie outside the data
        expected = dataset.xrdae.synthesize(model, latent=points)
    same_as_python(shown, expected, model.patterns(dataset).dim)


def same_as_python(shown, expected, dim):
    """Synthesized patterns of a page `(pattern, 2, point)` against Python's; dim is the axis."""
    expected = expected.sortby(dim)
    highest = np.abs(expected["synthesized"]).max(dim).values
    for name, found in (("synthesized", shown[:, 0]), ("synthesized_std", shown[:, 1])):
        wrong = np.nanmax(np.abs(found - expected[name].values), axis=1)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected[name]))
        assert (wrong < CLOSE * highest).all(), (name, (wrong / highest).max())


def test_anywhere_in_the_plane_the_page_synthesizes_what_python_does(
    explorer, series, model, latents
):
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(latents), (40, 2))
    share = rng.random((40, 1))
    points = share * latents[pairs[:, 0]] + (1 - share) * latents[pairs[:, 1]]
    same_at(explorer, series, model, points + 0.05 * rng.normal(size=points.shape))


def test_the_probe_reports_places_without_data(explorer, series, model):
    far = explorer.ask("[$.models.plane.x_range.start, $.models.plane.y_range.end]")
    explorer.page.mouse.click(*explorer.place(0.98 * far[0], 0.98 * far[1]))
    latent, _ = explorer.synthesized()
    with pytest.warns(UserWarning, match="outside the training data"):
        expected = series.xrdae.synthesize(model, latent=[latent])
    novelty = float(expected["synthesized_novelty"][0])
    assert novelty > 1
    said = explorer.page.inner_text("#probe-text")
    assert f"novelty {novelty:.2f}" in said
    assert "no data near" in said
    shade = explorer.ask("[...$.source('shade').data.image[0]].filter((v) => v === 1).length")
    assert 0 < shade < 8100


def test_the_slider_walks_from_one_pattern_to_another(explorer, series, model, latents):
    explorer.page.fill("#from", "2")
    explorer.page.mouse.click(*explorer.place(*latents[2]))
    explorer.page.keyboard.down("Shift")
    explorer.page.mouse.click(*explorer.place(*latents[20]))
    explorer.page.keyboard.up("Shift")
    explorer.wait("$.view.from === 2 && $.view.to === 20")
    expected = series.xrdae.synthesize(model, between=(2, 20), n=3, endpoints=True)
    ends = series["intensity"].values[[2, 20]]
    slider = explorer.page.locator("#fraction")
    for row, fraction in enumerate([0, 0.25, 0.5, 0.75, 1]):
        slider.fill(str(fraction))
        shown, blend = explorer.walked(fraction)
        same_synthesis(shown, expected, row)
        same_pattern(blend, (1 - fraction) * ends[0] + fraction * ends[1])
        here = explorer.shown("here")
        np.testing.assert_allclose(here["x"], expected["synthesized_latent"][row, 0], atol=1e-5)


def test_peaks_are_followed_along_the_path(explorer, series, model):
    explorer.wait("$.source('peaks').data.x.length > 0")
    shown = explorer.shown("peaks")
    first, last = explorer.ask("[$.view.from, $.view.to]")
    expected = series.xrdae.synthesize(model, between=(first, last), n=19, endpoints=True)
    axis = series["two_theta"].values
    for row in (0, 10, 20):
        pattern = expected["synthesized"].values[row]
        tops, _ = scipy.signal.find_peaks(pattern, prominence=0.06 * pattern.max())
        here = shown["x"][np.isclose(shown["y"], row / 20)]
        assert len(here) >= len(tops) > 3
        for top in axis[tops]:  # found to a fraction of a channel
            assert np.abs(here - top).min() < 0.6 * (axis[1] - axis[0])


def test_a_lassoed_group_has_its_mean_and_spread(explorer, series, latents):
    explorer.page.select_option("#color", label="x")
    explorer.page.check("input[value=lasso]")
    inside = latents[:, 0] > np.median(latents[:, 0])
    edge = np.median(latents[:, 0])
    margin = 0.05 * np.ptp(latents, axis=0)
    low, high = latents.min(axis=0) - margin, latents.max(axis=0) + margin
    corners = [(edge, low[1]), (high[0], low[1]), (high[0], high[1]), (edge, high[1])]
    explorer.drag([explorer.place(*corner) for corner in [*corners, corners[0]]])
    explorer.wait("$.view.group.length > 0")
    chosen = np.array(explorer.ask("$.view.group"))
    assert set(chosen) == set(np.flatnonzero(inside))
    group = series.isel(pattern=np.sort(chosen))
    shown = explorer.shown("group")
    same_pattern(shown["y"], group["intensity"].mean("pattern"))
    same_pattern(shown["high"] - shown["y"], group["intensity"].std("pattern"))
    said = explorer.page.inner_text("#group-text")
    assert f"{len(chosen)} patterns" in said
    assert f"mean {float(group['x'].mean()):.5g}" in said


FIND_PLACE = """(() => {
  const view = Bokeh.index.get_by_id($.models.relevance.id);
  const box = view.el.getBoundingClientRect();
  return [box.left + view.frame.x_scale.compute(a[0]), box.top + 100];
})()"""  # on the screen, of a position along the axis of the relevance


def test_masking_a_peak_moves_the_point_as_far_as_python_says(explorer, series, model, latents):
    maps = series.xrdae.relevance(model)
    explorer.page.fill("#pinned", "5")
    relevance = maps["relevance"].values[5]
    np.testing.assert_allclose(explorer.shown("regions")["relevance"], relevance, atol=1e-3)
    region = int(relevance.argmax())
    explorer.page.locator("#peaks button").first.click()  # the most relevant one stands first
    moved = latents[5] + maps["latent_shift"].values[5, region]
    shown = explorer.shown("masked")
    np.testing.assert_allclose([shown["x"][1], shown["y"][1]], moved, atol=1e-3)
    assert f"moves by {relevance[region]:.3g}" in explorer.page.inner_text("#mask-text")
    explorer.page.locator("#peaks button").first.click()
    assert len(explorer.shown("masked")["x"]) == 0


def test_the_table_and_the_tooltip_tell_the_verdict_of_each_peak(explorer, series, model):
    table = series.xrdae.relevance(model).xrdae.tabulate_relevance()
    rows = explorer.page.locator("#peaks tr").all_inner_texts()
    assert " ".join(rows[0].split()) == "peak (degree) relevance verdict change std excess"
    for region, center in enumerate(table["region_center"].values):
        (row,) = (row for row in rows if row.startswith(f"{center:.5g}"))
        verdict, change = row.split("\t")[2:4]
        assert verdict == table["relevance_verdict"].values[region]
        assert float(change) == pytest.approx(float(table["region_change"][region]), rel=0.01)
    explorer.page.locator("#mask-text").scroll_into_view_if_needed()
    place = explorer.ask(FIND_PLACE, float(table["region_center"][2]))
    explorer.page.mouse.move(*place)
    words = f"verdict {table['relevance_verdict'].values[2]}"
    explorer.page.get_by_text(words).wait_for()  # in the tooltip


def test_a_click_on_a_row_of_the_table_masks_its_peak(explorer):
    explorer.page.locator("#peaks tr").nth(2).locator("td").nth(1).click()
    assert explorer.ask("$.view.masked") is not None


def test_a_click_on_a_peak_masks_it(explorer, series, model):
    centre = float(series.xrdae.relevance(model)["region_center"][2])
    explorer.page.locator("#mask-text").scroll_into_view_if_needed()
    place = explorer.ask(FIND_PLACE, centre)
    explorer.page.mouse.click(*place)
    explorer.wait("$.view.masked === 2")


def test_texts_that_spreadsheets_take_for_formulas_are_guarded(explorer):
    formulas = [f"{c}cmd" for c in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"] + ["-1+1", "--1"]
    plain = ["-5", "+1.5e-3", "-1.", "a=b", "1-2", ""]
    rows = [[text, -1.5] for text in formulas + plain]
    script = "([names, rows]) => table(names, rows)"
    saved = explorer.page.evaluate(script, [["=text", "value"], rows])
    header, *saved_rows = csv.reader(io.StringIO(saved, newline=""))
    assert header == ["'=text", "value"]
    expected = [*(f"'{text}" for text in formulas), *plain]
    assert saved_rows == [[text, "-1.5"] for text in expected]


def test_shown_results_can_be_downloaded(explorer, series, model, latents):
    _, shown = explorer.synthesized()
    saved = read_csv(explorer.download("pattern", "csv"))
    np.testing.assert_allclose(np.array(saved["two_theta [degree]"], float), series["two_theta"])
    np.testing.assert_allclose(np.array(saved["synthesized"], float), shown["y"])
    pinned = np.array(saved["pinned_0"], float)
    np.testing.assert_allclose(pinned, series["intensity"].values[0], rtol=1e-3, atol=0.1)
    plane = read_csv(explorer.download("plane", "csv"))
    np.testing.assert_allclose(np.array(plane["latent_1"], float), latents[:, 1], atol=1e-6)
    np.testing.assert_allclose(np.array(plane["x"], float), series["x"])
    explorer.walked(0.5)
    path = read_csv(explorer.download("path", "csv"))
    np.testing.assert_allclose(np.array(path["linear_blend"], float), explorer.shown("blend")["y"])
    relevance = read_csv(explorer.download("relevance", "csv"))
    maps = series.xrdae.relevance(model)
    expected = maps["relevance"].values[0]
    np.testing.assert_allclose(np.array(relevance["relevance"], float), expected, atol=1e-3)
    for name in ("region_change", "region_std", "relevance_excess"):
        np.testing.assert_allclose(np.array(relevance[name], float), maps[name], rtol=1e-5)
    verdicts = maps.xrdae.tabulate_relevance()["relevance_verdict"].values.tolist()
    assert relevance["relevance_verdict"] == verdicts
    for panel in ("plane", "pattern", "path", "relevance"):
        picture = imread(explorer.download(panel, "png"), format="png")
        assert picture.shape[0] > 200
        assert picture[..., :3].std() > 0.02


def test_all_of_it_works_by_keyboard(explorer, latents):
    keys = explorer.page.keyboard
    explorer.page.focus("#plane-keys")
    before, _ = explorer.synthesized()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        keys.press(key)
    after, _ = explorer.synthesized()
    assert after[0] > before[0]
    assert after[1] > before[1]
    keys.press("Enter")
    nearest = explorer.ask("$.nearest(...$.view.probe).pattern")
    assert explorer.ask("$.view.pinned") == nearest
    keys.press("n")
    assert explorer.ask("$.view.pinned") == (nearest + 1) % len(latents)
    explorer.page.focus("#fraction")
    keys.press("ArrowRight")
    explorer.walked(0.51)
    explorer.page.locator("#peaks button").first.focus()
    keys.press("Enter")
    assert explorer.ask("$.view.masked") is not None
    explorer.page.select_option("#group-label", label="x")
    explorer.page.fill("#group-low", "0.5")
    explorer.page.focus("#group-set")
    keys.press("Enter")
    assert explorer.ask("$.view.group.length") == 12


def test_keys_of_the_browser_stay_its_own(explorer):
    explorer.page.focus("#plane-keys")
    explorer.page.keyboard.press("Control+n")
    assert explorer.ask("$.view.pinned") == 0


@pytest.mark.parametrize("field", ["pinned", "from"])
@pytest.mark.parametrize("given", ["99", "", "-1", "1.5"])
def test_a_pattern_that_is_not_there_is_refused_and_the_field_restored(explorer, field, given):
    explorer.page.fill(f"#{field}", given)
    said = explorer.page.inner_text("#pinned-text" if field == "pinned" else "#path-wrong")
    assert "number of a pattern, 0 to 23" in said
    explorer.page.keyboard.press("Tab")
    assert explorer.page.input_value(f"#{field}") == "0"


def test_a_group_may_be_chosen_by_a_label_or_be_empty(explorer):
    explorer.page.select_option("#group-label", label="x")
    explorer.page.fill("#group-low", "0.3")
    explorer.page.fill("#group-high", "0.1")
    explorer.page.click("#group-set")
    assert "No pattern" in explorer.page.inner_text("#group-text")
    explorer.page.fill("#group-high", "0.5")
    explorer.page.click("#group-set")
    assert "Group of 5 patterns" in explorer.page.inner_text("#group-text")


def test_zooming_out_greys_new_channels(explorer):
    explorer.page.check("input[value=pan]")
    wide = "$.source('shade').data.dw[0]"
    before = explorer.ask(wide)
    explorer.page.mouse.move(*explorer.place(*explorer.ask("$.view.probe")))
    explorer.page.mouse.wheel(0, 600)
    explorer.wait(f"{wide} > a[0] * 1.2", before)
    span = explorer.ask("$.models.plane.x_range.end - $.models.plane.x_range.start")
    explorer.wait(f"Math.abs({wide} - a[0]) < 1e-9", span)


def test_the_page_shows_the_figures_that_matter(explorer, model):
    said = explorer.page.inner_text("#figures-panel")
    for words in (
        "novelty above 1",
        "R2",
        "mean absolute error",
        "two_theta, 20 to 80 degree",
        "torch",
    ):
        assert words in said
    assert f"{float(model.history['held_out'].min()):.4f}" in said


def test_it_fits_a_phone_and_answers_to_touch(open_explorer, report, latents):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    explorer = open_explorer(report, **phone)
    assert explorer.ask("document.documentElement.scrollWidth") <= 390
    explorer.page.touchscreen.tap(*explorer.place(*latents[11]))
    explorer.wait("$.view.pinned === 11")
    for name in ("plane", "pattern", "path", "relevance"):
        assert explorer.ask("$.models[a[0]].inner_width", name) > 200
    assert explorer.ask("$.models.path.below[0].axis_label.text") == "two_theta (degree)"
    start = explorer.place(*explorer.ask("$.view.probe"))
    target = explorer.place(*latents[3])
    touch = explorer.page.context.new_cdp_session(explorer.page)
    for kind, share in [("Start", 0), *[("Move", k / 10) for k in range(1, 11)], ("End", None)]:
        points = [
            {"x": a + share * (b - a), "y": c + share * (d - c)}
            for (a, c), (b, d) in [(start, target)]
            if share is not None
        ]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    latent, _ = explorer.synthesized()
    np.testing.assert_allclose(latent, latents[3], atol=0.1)


def test_without_a_worker_the_page_computes_itself(chromium, report, series, model):
    from .conftest import Explorer

    context = chromium.new_context()
    context.add_init_script("window.Worker = class { constructor() { throw new Error('no') } }")
    explorer = Explorer(context.new_page()).open(report)
    latent, shown = explorer.synthesized()
    same_synthesis(shown, series.xrdae.synthesize(model, latent=[latent]))
    context.close()
    assert explorer.errors == []
