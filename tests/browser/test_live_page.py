"""The live page in a real Chromium, while patterns arrive."""

import gc
import threading
import time

import numpy as np
import pytest
import xarray as xr

from xrdae.live.dashboard import Board
from xrdae.live.page import LivePage
from xrdae.live.page_document import Session
from xrdae.live.results import Results
from xrdae.live.watch import Watch

COLUMNS = """(name) => {
  for (const model of Bokeh.documents[0]._all_models.values())
    if (model.type === "ColumnDataSource" && "novelty" in model.data) return [...model.data[name]];
}"""
TITLES = """() => [...Bokeh.documents[0]._all_models.values()]
  .filter((m) => m.type === "Title").map((m) => m.text)"""


@pytest.fixture(scope="module")
def series(simulated_series):
    """A series that states no wavelength, as the files that are put do not."""
    return simulated_series().drop_vars("wavelength")


@pytest.fixture(scope="module")
def model(series):
    return series.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)


class Live:
    """A watch and its page, in a browser; errors there fail the test."""

    def __init__(self, folder, series, model):
        self.run, self.out = folder / "run", folder / "live.zarr"
        self.run.mkdir(exist_ok=True)
        self.series, self.model = series, model
        self.errors, self.requests = [], []

    def start(self, chromium, **viewport):
        self.results = Results(self.out, {})
        self.watch = Watch(self.run, self.model, self.results, patience=0.5)
        self.live = LivePage(
            self.model, self.results, status=self.watch.status, threshold=1.0, title="A <b>run</b>"
        )
        self.watch.listeners.append(self.live)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch.run, args=(self.stop,))
        self.thread.start()
        self.page = chromium.new_page(viewport={"width": 1200, "height": 1000} | viewport)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.live.url)
        ready = "window.Bokeh?.documents?.[0]?.is_idle"
        self.page.wait_for_function(f"{ready} && ({COLUMNS})('novelty') !== undefined")
        return self

    def end(self):
        self.stop.set()
        self.thread.join()
        self.page.close()
        self.live.close()
        self.results.close()

    def put(self, name, i, extra=0.0):
        values = self.series["intensity"].values[i] + extra
        table = np.column_stack([self.series["two_theta"], values])
        np.savetxt(self.run / name, table, fmt="%.6f")

    def shown(self, name):
        return self.page.evaluate(COLUMNS, name)

    def wait_for(self, n):
        self.page.wait_for_function(f"({COLUMNS})('novelty').length === {n}")


@pytest.fixture
def live(tmp_path, series, model, chromium):
    made = Live(tmp_path, series, model).start(chromium)
    yield made
    made.end()
    assert made.errors == []
    assert {url.split("/")[2] for url in made.requests} == {made.live.url.split("/")[2]}


def test_points_appear_as_files_arrive_without_a_reload(live):
    for i in range(4):
        live.put(f"p{i}.xy", i)
        live.wait_for(i + 1)
        assert live.shown("file")[i] == f"p{i}.xy"
    with xr.open_zarr(live.out, chunks=None) as kept:
        kept = kept.load()
    np.testing.assert_allclose(live.shown("x"), kept["latent"][:, 0], rtol=1e-6)
    np.testing.assert_allclose(live.shown("novelty"), kept["novelty"], rtol=1e-6)
    live.page.wait_for_function(f"({TITLES})().includes('newest: p3.xy')")
    live.page.get_by_text("4 patterns, 0 of them novel").wait_for()
    live.page.get_by_text("A <b>run</b>").wait_for()
    assert live.page.evaluate("performance.getEntriesByType('navigation').length") == 1


def test_novel_and_broken_patterns_are_marked_and_listed(live):
    x = live.series["two_theta"].values
    live.put("usual.xy", 0)
    live.wait_for(1)
    for i in range(12):
        live.put(f"new{i}.xy", i, 1500 * np.exp(-(((x - 51) / 0.5) ** 2)))
    (live.run / "<img src=x onerror=alert(1)>.xy").write_text("words")
    live.wait_for(13)
    rims = dict(zip(live.shown("file"), live.shown("rim"), strict=True))
    assert rims["usual.xy"] != rims["new0.xy"] == "#d55e00"
    live.page.get_by_text("the model no longer fits").wait_for()
    live.page.get_by_text("<img src=x onerror=alert(1)>.xy: no reader").wait_for()
    assert live.page.locator("img").count() == 0


def test_a_changed_file_moves_its_point(live):
    live.put("a.xy", 0)
    live.put("b.xy", 1)
    live.wait_for(2)
    before = live.shown("x")
    time.sleep(0.02)  # the file system's clock
    live.put("a.xy", 20)
    script = "([x, at]) => (" + COLUMNS + ")('x')[at] !== x"
    at = live.shown("file").index("a.xy")
    live.page.wait_for_function(script, arg=[before[at], at])
    assert live.shown("x")[1 - at] == before[1 - at]
    assert len(live.shown("x")) == 2


def test_a_browser_that_comes_later_and_a_later_watch_show_what_is_kept(
    tmp_path, series, model, chromium
):
    first = Live(tmp_path, series, model).start(chromium)
    for i in range(3):
        first.put(f"p{i}.xy", i)
    first.wait_for(3)
    colors = first.page.get_by_label("Colour by")
    colors.select_option("novelty")
    first.page.wait_for_function(
        f"(() => {{ const of = {COLUMNS}; return of('color')[0] === of('novelty')[0]; }})()"
    )
    first.end()
    second = Live(tmp_path, series, model).start(chromium, width=390)
    second.wait_for(3)
    assert sorted(second.shown("file")) == ["p0.xy", "p1.xy", "p2.xy"]
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert second.page.evaluate(wide)
    second.end()
    assert first.errors == second.errors == []


def test_a_point_that_is_chosen_shows_its_pattern(live):
    for i in range(3):
        live.put(f"p{i}.xy", 8 * i)
        live.wait_for(i + 1)
    live.page.evaluate(
        """() => { for (const m of Bokeh.documents[0]._all_models.values())
          if (m.type === "ColumnDataSource" && "novelty" in m.data) m.selected.indices = [1]; }"""
    )
    live.page.wait_for_function(f"({TITLES})().includes('chosen: p1.xy')")
    script = """() => { for (const m of Bokeh.documents[0]._all_models.values())
      if (m.type === "ColumnDataSource" && !("novelty" in m.data) && m.data.x.length === 200)
        return [...m.data.y]; }"""
    np.testing.assert_allclose(
        live.page.evaluate(script), live.series["intensity"].values[8], rtol=1e-4
    )


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # tornado's, of a taken port
def test_only_this_machine_is_served(live):
    assert live.live.url.startswith("http://localhost:")
    with pytest.raises(OSError, match="in use"):
        LivePage(live.model, live.results, status=str, threshold=1.0, title="", port=live.live.port)
    gc.collect()


@pytest.mark.parametrize(("n_latent", "up"), [(1, "novelty"), (3, "y")])
def test_models_of_one_and_of_three_latents_have_a_page(tmp_path, series, chromium, n_latent, up):
    model = series.xrdae.fit(n_latent=n_latent, members=2, steps=60, progress=False)
    live = Live(tmp_path, series, model).start(chromium)
    for i in range(2):
        live.put(f"p{i}.xy", i)
        live.wait_for(i + 1)
    np.testing.assert_array_equal(live.shown("y"), live.shown(up))
    if n_latent == 3:
        live.page.get_by_label("Up").select_option("latent axis 2")
        with xr.open_zarr(live.out, chunks=None) as kept:
            third = float(kept["latent"][0, 2])
        live.page.wait_for_function(f"Math.abs(({COLUMNS})('y')[0] - {third}) < 1e-6")
    live.end()
    assert live.errors == []


@pytest.fixture
def live_of_three(tmp_path, series, chromium):
    """A watch of a model with three latents, and its page."""
    model = series.xrdae.fit(n_latent=3, members=2, steps=60, progress=False)
    made = Live(tmp_path, series, model).start(chromium)
    yield made
    made.end()
    assert made.errors == []


def test_the_plane_of_three_latents_follows_the_chosen_axes(live_of_three):
    live = live_of_three
    trained = live.model.support.latents
    for i in range(3):
        live.put(f"p{i}.xy", 8 * i)
        live.wait_for(i + 1)
    with xr.open_zarr(live.out, chunks=None) as kept:
        latents = kept["latent"].values
    across, up = live.page.get_by_label("Across"), live.page.get_by_label("Up")
    shown = f"(n) => ({COLUMNS})(n)"
    for select, name, expected in (
        (across, "latent axis 1", (1, 0)),  # the two change places
        (up, "latent axis 2", (1, 2)),
        (up, "latent axis 1", (2, 1)),
    ):
        live.page.evaluate(
            """() => { for (const m of Bokeh.documents[0]._all_models.values())
              if (m.name === "plane" && m.x_range) { // as a zoom does
                m.x_range.have_updated_interactively = true;
                m.x_range.setv({ start: 50, end: 51 }); }}"""
        )
        select.select_option(name)
        live.page.wait_for_function(
            f"([x, y]) => Math.abs(({shown})('x')[1] - x) + Math.abs(({shown})('y')[1] - y) < 1e-5",
            arg=latents[1, list(expected)].tolist(),
        )
        assert [across.input_value(), up.input_value()] == [f"latent axis {i}" for i in expected]
        live.page.wait_for_function(
            """([across, up, low, high]) => {
              for (const m of Bokeh.documents[0]._all_models.values()) {
                if (m.name !== "plane" || !m.x_range) continue;
                const { below, left, x_range } = m;
                return below[0].axis_label === across && left[0].axis_label === up
                  && x_range.start <= low && x_range.end >= high; }}""",
            arg=[
                *(f"latent axis {i}" for i in expected),
                *(float(f(trained[:, expected[0]])) for f in (np.min, np.max)),
            ],
        )
        background = live.page.evaluate(
            """() => { for (const m of Bokeh.documents[0]._all_models.values())
              if (m.type === "ColumnDataSource" && !("novelty" in m.data) && m.data.x.length === 24)
                return [[...m.data.x], [...m.data.y]]; }"""
        )
        np.testing.assert_allclose(background, trained[:, expected].T, rtol=1e-6)
    live.page.get_by_label("Colour by").select_option("latent axis 0")
    live.page.wait_for_function(
        f"(z) => Math.abs(({shown})('color')[2] - z) < 1e-5", arg=float(latents[2, 0])
    )
    up.select_option("latent axis 2")  # the two change places again, and at once another choice
    across.select_option("latent axis 0")
    live.page.wait_for_function(
        f"([x, y]) => Math.abs(({shown})('x')[1] - x) + Math.abs(({shown})('y')[1] - y) < 1e-5",
        arg=latents[1, [0, 2]].tolist(),
    )
    live.page.wait_for_timeout(500)  # for a late answer
    assert [across.input_value(), up.input_value()] == ["latent axis 0", "latent axis 2"]


def test_the_profile_of_another_axis_has_its_name_and_direction(series):
    energy = ("binding_energy", np.linspace(300, 280, 200), {"units": "eV", "long_name": "energy"})
    spectra = series.rename(two_theta="binding_energy").assign_coords(binding_energy=energy)
    model = spectra.xrdae.fit(steps=20, members=2, progress=False)
    document = pytest.importorskip("bokeh.document").Document()
    bokeh_events = pytest.importorskip("bokeh.events")
    Session(document, model, None, Board(), lambda: "").begin("A run", 1.0)
    document.callbacks.trigger_event(bokeh_events.DocumentReady())
    plot = document.select_one({"name": "profile"})
    assert plot.xaxis[0].axis_label.text == "energy (eV)"
    assert plot.x_range.flipped
