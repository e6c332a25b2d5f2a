"""A real Chromium, driven as a person uses it."""

import shutil

import numpy as np
import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Explorer:
    """A report that is open in a browser."""

    def __init__(self, page):
        self.page = page
        self.errors, self.requests = [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path):
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready]")
        return self

    def ask(self, script, *arguments):
        """What an expression in the page is; `$` is the explorer."""
        argument = list(arguments)
        return self.page.evaluate(
            f"(a) => {{ const $ = window.explorer; return {script}; }}", argument
        )

    def shown(self, source):
        """The columns of numbers that a figure shows."""
        script = (
            "Object.fromEntries(Object.entries($.source(a[0]).data).map(([k, v]) => [k, [...v]]))"
        )
        columns = self.ask(script, source).items()
        return {k: np.array(v, dtype=float) for k, v in columns if k != "words"}

    def place(self, x, y):
        """The place on the screen of a point in the latent plane."""
        self.page.locator("#plane-keys").scroll_into_view_if_needed()
        script = """(() => {
          const { frame } = Bokeh.index.get_by_id($.models.plane.id);
          const box = document.querySelector("#plane-keys").getBoundingClientRect();
          return [box.left + frame.x_scale.compute(a[0]), box.top + frame.y_scale.compute(a[1])];
        })()"""
        return self.ask(script, float(x), float(y))

    def drag(self, places):
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=4)
        mouse.up()

    def wait(self, script, *arguments):
        condition = f"(a) => {{ const $ = window.explorer; return {script}; }}"
        self.page.wait_for_function(condition, arg=list(arguments))

    def synthesized(self):
        """The probe's latent point, and what is shown for it once it is there."""
        self.page.evaluate("new Promise((done) => setTimeout(done, 100))")  # pending events first
        self.wait("$.view.found?.latent.every((v, i) => v === $.view.probe[i])")
        return np.array(self.ask("$.view.probe")), self.shown("synthesized")

    def walked(self, fraction):
        self.wait("$.view.between?.fraction === a[0]", fraction)
        return self.shown("between"), self.shown("blend")["y"]

    def download(self, panel, kind):
        with self.page.expect_download() as waiting:
            self.page.click(f".downloads[data-panel={panel}] button[data-kind={kind}]")
        return waiting.value.path()


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_explorer(chromium):
    """From a path and options of the browser to an open explorer; errors there fail the test."""
    opened = []

    def open_one(path, **options):
        context = chromium.new_context(**{"viewport": {"width": 1300, "height": 900}} | options)
        opened.append((context, Explorer(context.new_page())))
        return opened[-1][1].open(path)

    yield open_one
    for context, explorer in opened:
        context.close()
        assert explorer.errors == []
        # A worker's code is a blob in the page's own memory.
        assert {url.partition(":")[0] for url in explorer.requests} <= {"file", "blob"}
        assert sum(url.startswith("file:") for url in explorer.requests) == 1


@pytest.fixture(scope="session")
def report(series, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    series.xrdae.report(model, path)
    return path


@pytest.fixture
def shown(open_explorer, tmp_path):
    """From a dataset and a model to its open explorer."""

    def show(dataset, model):
        dataset.xrdae.report(model, tmp_path / "report.html")
        return open_explorer(tmp_path / "report.html")

    return show
