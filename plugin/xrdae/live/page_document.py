"""Document of the live page in one browser."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xrdae.convention.axis_kinds import OTHER
from xrdae.live.dashboard import MOST, Board, Message, Point, make_columns, name_latent_axis
from xrdae.report.figures import BLUE, FEW, ORANGE

if TYPE_CHECKING:
    from xrdae.live.results import Results
    from xrdae.model import Model

EVERY = 300  # milliseconds between updates
NEWEST_EVERY = 1.0  # seconds between shown patterns, if none is selected
GREY = "#c8ccd4"
# Without its own icon, browsers ask for one at an address without the token.
TEMPLATE = """{% block preamble %}
    <link rel="icon" href="data:,">
    <meta name="referrer" content="no-referrer">
{% endblock %}"""
# Two selects of axes change places when the same axis is chosen in both.
SWAP = """
const before = cb_obj.before ?? first;
cb_obj.before = cb_obj.value;
if (other.value === cb_obj.value) other.value = before;
"""
FLOWING = {"flex-wrap": "wrap"}  # side by side where there is room


class Session:
    """What one browser shows.

    The document has nothing but its title before the browser has connected, so that a request
    for the page costs a few kilobytes.
    """

    def __init__(
        self,
        document: Any,
        model: Model,
        results: Results,
        board: Board,
        status: Callable[[], str],
    ) -> None:
        self._document, self._model, self._results = document, model, results
        self._board, self._status = board, status
        self._serial, self._last_row = 0, -1
        self._chosen: int | None = None  # row whose pattern is shown; None: the newest
        self._shown: int | None = None
        self._shown_at = -NEWEST_EVERY
        self._across = 0
        self._up = 1 if model.n_latent > 1 else None  # None: novelty
        self._color = "order"
        self._connected = False

    def begin(self, title: str, threshold: float) -> None:
        """Show the title, and build the rest of the page once the browser has connected."""
        from bokeh.events import DocumentReady
        from bokeh.layouts import column
        from bokeh.models import Div

        self._threshold = threshold
        self._document.title = title
        self._document.template = TEMPLATE
        heading = Div(text=title, render_as_text=True, styles={"font-size": "1.3rem"})
        self._page = column(heading, sizing_mode="stretch_width")
        self._document.add_root(self._page)
        self._document.on_event(DocumentReady, self._connect)

    def _connect(self, _event: Any) -> None:
        """Show data, and look for news from now on. Browsers are ready more than once."""
        if self._connected:
            return
        self._connected = True
        # A canvas draws few points with less work, above all without a graphics card.
        self._drawn_by = "webgl" if len(self._board) > FEW else "canvas"
        self._build()
        self._update()
        self._document.add_periodic_callback(self._update, EVERY)

    def _build(self) -> None:
        from bokeh.layouts import row
        from bokeh.models import ColumnDataSource, Div, Select

        self._points = ColumnDataSource(make_columns([], 0, 0, "order"))
        self._pattern = ColumnDataSource({"x": [], "y": []})
        self._words = Div(text="", render_as_text=True, name="status")
        self._news = Div(text="", name="messages")
        latents = self._list_latent_axes() if self._model.n_latent > 2 else []
        options = ["order", "novelty", *latents]
        self._select = Select(title="Colour by", value="order", options=options)
        self._select.on_change("value", self._recolor)
        self._points.selected.on_change("indices", self._choose)
        controls = [self._select, *self._make_axis_selects()]
        figures = [self._make_plane(), self._make_track(self._threshold)]
        wide = {"sizing_mode": "stretch_width"}
        self._page.children = [
            *self._page.children,
            self._words,
            row(*controls, styles=FLOWING, **wide),
            row(*figures, styles=FLOWING, **wide),
            self._make_profile(),
            self._news,
        ]

    def _make_axis_selects(self) -> list[Any]:
        """Return what chooses two of more than two latent axes."""
        from bokeh.models import CustomJS, DataRange1d, Select

        if self._model.n_latent < 3:
            return []
        names = self._list_latent_axes()
        across = Select(title="Across", value=names[0], options=names)
        up = Select(title="Up", value=names[1], options=names)

        def turn(_attr: str, _old: str, _new: str) -> None:
            self._across, self._up = names.index(across.value), names.index(up.value)
            self._plane_figure.xaxis.axis_label = across.value
            self._plane_figure.yaxis.axis_label = up.value
            plot = self._plane_figure
            plot.x_range, plot.y_range = DataRange1d(), DataRange1d()  # or a zoom would stay
            self._training.data = self._find_background()
            self._reload()

        for select, other in ((across, up), (up, across)):
            select.on_change("value", turn)
            # In the browser: from here a value would come too late for a quick choice.
            swap = CustomJS(args={"other": other, "first": select.value}, code=SWAP)
            select.js_on_change("value", swap)
        return [across, up]

    def _list_latent_axes(self) -> list[str]:
        return [name_latent_axis(i) for i in range(self._model.n_latent)]

    def _find_background(self) -> dict[str, Any]:
        latents = self._model.support.latents
        if self._up is None:
            return {"x": [], "y": []}
        return {"x": latents[:, self._across], "y": latents[:, self._up]}

    def _make_plane(self) -> Any:
        from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper
        from bokeh.palettes import Viridis256
        from bokeh.plotting import figure

        self._plane_figure = plot = figure(
            height=420, min_width=320, sizing_mode="stretch_width", name="plane",
            title="grey: training patterns; orange rim: novel",
            x_axis_label=name_latent_axis(self._across),
            y_axis_label="novelty" if self._up is None else name_latent_axis(self._up),
            tools="pan,wheel_zoom,box_zoom,tap,reset", output_backend=self._drawn_by,
        )  # fmt: skip
        self._training = ColumnDataSource(self._find_background())
        plot.scatter("x", "y", source=self._training, size=5, color=GREY)
        mapper = LinearColorMapper(Viridis256, nan_color="#bbbbbb")
        points = plot.scatter(
            "x", "y", source=self._points, size=8, line_color="rim", line_width=2,
            fill_color={"field": "color", "transform": mapper},
            nonselection_fill_alpha=0.5, nonselection_line_alpha=0.5,
        )  # fmt: skip
        plot.add_layout(ColorBar(color_mapper=mapper, width=12), "right")
        # Bokeh escapes the value of @file.
        tips = [("file", "@file"), ("pattern", "@row"), ("novelty", "@novelty{0.00}")]
        plot.add_tools(HoverTool(renderers=[points], tooltips=tips))
        plot.toolbar.logo = None
        return plot

    def _make_track(self, threshold: float) -> Any:
        from bokeh.models import HoverTool, Span
        from bokeh.plotting import figure

        plot = figure(
            height=420, min_width=320, sizing_mode="stretch_width", name="track",
            title="novelty: one in twenty of the model's kind is above the line",
            x_axis_label="pattern", y_axis_label="novelty",
            tools="pan,wheel_zoom,box_zoom,tap,reset", output_backend=self._drawn_by,
        )  # fmt: skip
        points = plot.scatter(
            "row", "novelty", source=self._points, size=6, fill_color=BLUE, line_color="rim",
            line_width=2,
        )  # fmt: skip
        plot.add_layout(Span(location=threshold, dimension="width", line_color=ORANGE))
        plot.add_tools(HoverTool(renderers=[points], tooltips=[("file", "@file")]))
        plot.toolbar.logo = None
        return plot

    def _make_profile(self) -> Any:
        from bokeh.models import PlainText
        from bokeh.plotting import figure

        axis = self._model.autoencoder.preparation.axis
        words = (axis.long_name if axis.kind == OTHER else "") or axis.name
        units = "" if axis.units in ("1", "") else f" ({axis.units})"
        plot = figure(
            height=260, sizing_mode="stretch_width", name="profile", title="waiting for a pattern",
            x_axis_label=PlainText(text=words + units), y_axis_label="intensity",
            tools="pan,xwheel_zoom,xbox_zoom,reset",
        )  # fmt: skip
        plot.x_range.flipped = axis.kind == OTHER and axis.descending
        plot.line("x", "y", source=self._pattern, color="black")
        plot.toolbar.logo = None
        self._profile_figure = plot
        return plot

    def _update(self) -> None:
        """Show what is new."""
        self._words.text = self._status()
        news = "".join(map(_make_item, self._board.list_messages()))
        self._news.text = f"<ul>{news}</ul>" if news else ""
        new = self._board.find_since(self._serial)
        if new:
            self._add(new)
        self._draw_pattern()

    def _add(self, new: list[Point]) -> None:
        if new[0].row <= self._last_row:  # a file that was there before
            self._reload()
        else:
            self._mark(new)
            self._points.stream(self._make_columns(new), rollover=MOST)
        labels = sorted({name for point in new for name in point.labels})
        options = list(dict.fromkeys([*self._select.options, *labels]))
        if options != self._select.options:
            self._select.options = options

    def _mark(self, points: list[Point]) -> None:
        self._serial = max([self._serial, *(point.serial for point in points)])
        self._last_row = max([self._last_row, *(point.row for point in points)])

    def _make_columns(self, points: list[Point]) -> dict[str, Any]:
        return make_columns(points, self._across, self._up, self._color)

    def _reload(self) -> None:
        self._shown = None
        points = self._board.find_since(0)
        self._mark(points)
        self._points.data = self._make_columns(points)

    def _recolor(self, _attr: str, _old: str, new: str) -> None:
        self._color = new
        self._reload()

    def _choose(self, _attr: str, _old: list[int], new: list[int]) -> None:
        self._chosen = int(self._points.data["row"][new[0]]) if new else None
        self._draw_pattern()

    def _draw_pattern(self) -> None:
        row = self._last_row if self._chosen is None else self._chosen
        if row == self._shown or row < 0:
            return
        now = time.monotonic()
        if self._chosen is None and now - self._shown_at < NEWEST_EVERY:
            return
        self._shown, self._shown_at = row, now
        which = "newest" if self._chosen is None else "chosen"
        axis = self._model.autoencoder.preparation.axis.values
        self._pattern.data = {"x": axis, "y": self._results.read_intensity(row)}
        # A selected point may have been dropped from the newest points.
        name = self._board.get_file(row) or f"pattern {row}"
        self._profile_figure.title.text = f"{which}: {name}"


def _make_item(message: Message) -> str:
    style = " style='color: #a3320b; font-weight: 600'" if message.alert else ""
    return f"<li{style}>{message.time:%H:%M:%S} {html.escape(message.text)}</li>"
