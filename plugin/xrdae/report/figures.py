"""The explorer's figures: Bokeh models with empty sources that the page fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from xrdae.report.content import Content

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#777777"
FEW = 5000  # patterns that a canvas draws as soon as WebGL has started
CATEGORIES = [
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#000000",
]


def make_document(content: Content) -> Any:
    """Return a Bokeh document of the roots `plane`, `pattern`, `path`, `positions`, `relevance`.

    When the page is ready it calls `startExplorer` (explorer.js) with the models by their names.
    """
    from bokeh.document import Document
    from bokeh.events import DocumentReady
    from bokeh.models import CustomJS, Range1d

    header, axis = content.header, content.arrays["axis"]
    low, high = float(axis[0]), float(axis[-1])
    start, end = (high, low) if header["descending"] else (low, high)
    shared = Range1d(start, end, bounds=(low, high), reset_start=start, reset_end=end)
    made: dict[str, Any] = {}
    _add_plane(made, *content.arrays["latent"].shape)
    _add_pattern(made, header, shared)
    _add_path(made, header, shared)
    _add_relevance(made, header, shared)
    document = Document()
    for name in ("plane", "pattern", "path", "positions", "relevance"):
        document.add_root(made[name])
    document.js_on_event(
        DocumentReady, CustomJS(args={"models": made}, code="startExplorer(models)")
    )
    return document


def _make_source(made: dict[str, Any], name: str, *columns: str) -> Any:
    from bokeh.models import ColumnDataSource

    made[f"{name}_source"] = ColumnDataSource({column: [] for column in columns})
    return made[f"{name}_source"]


def _make_figure(made: dict[str, Any], name: str, *, x: str, y: str, **options: Any) -> Any:
    from bokeh.models import PlainText
    from bokeh.plotting import figure

    settings = {"height": 320, "sizing_mode": "stretch_width"}
    made[name] = plot = figure(name=name, **settings | options)
    # Labels come from data files: plain text, never TeX or HTML.
    plot.xaxis.axis_label, plot.yaxis.axis_label = PlainText(text=x), PlainText(text=y)
    plot.axis.axis_label_text_font_style = "normal"
    plot.toolbar.logo = None
    return plot


def _make_profile(
    made: dict[str, Any], name: str, header: dict[str, Any], shared: Any, **y: Any
) -> Any:
    """Return a figure along the axis, which all of them share."""
    from bokeh.models import BoxZoomTool, PanTool, ResetTool, WheelZoomTool

    options = {"y": header["intensity"]} | y
    plot = _make_figure(
        made, name, x=header["axis"], x_range=shared, tools="", toolbar_location="above", **options
    )
    plot.window_axis = "x"  # intensities fill the height, also of a part
    zoom = BoxZoomTool(dimensions="width")
    made.setdefault("zooms", []).append(zoom)
    plot.add_tools(PanTool(), zoom, WheelZoomTool(dimensions="width"), ResetTool())
    plot.toolbar.active_drag = zoom
    return plot


def _add_legend(plot: Any) -> None:
    plot.legend.click_policy = "hide"
    plot.legend.background_fill_alpha = 0.7
    plot.legend.padding = plot.legend.margin = 4
    plot.legend.label_text_font_size = "11px"


def _add_plane(made: dict[str, Any], n_pattern: int, n_latent: int) -> None:
    from bokeh.models import (
        BasicTicker,
        ColorBar,
        CustomJS,
        CustomJSTickFormatter,
        HoverTool,
        LassoSelectTool,
        LinearColorMapper,
        PanTool,
        Range1d,
        WheelZoomTool,
    )  # fmt: skip
    from bokeh.palettes import Viridis256

    plot = _make_figure(
        made, "plane", x="latent axis 0", y="latent axis 1", height=460, tools="",
        toolbar_location=None, x_range=Range1d(), y_range=Range1d(),
        output_backend="webgl" if n_pattern > FEW else "canvas",
    )  # fmt: skip
    if n_latent == 1:  # points on a line; numbers that take no room upset Bokeh's layout
        plot.yaxis.axis_label, plot.yaxis.major_label_text_color = None, "white"
        plot.yaxis.major_tick_line_color = plot.yaxis.minor_tick_line_color = None
        plot.ygrid.visible = False
    shade = _make_source(made, "shade", "image", "x", "y", "dw", "dh")
    shade.data = {"image": [np.full((90, 90), np.nan, np.float32)]} | {
        column: [1.0] for column in ("x", "y", "dw", "dh")
    }
    nothing = LinearColorMapper(["#ececf0"], nan_color="rgba(0, 0, 0, 0)")
    plot.image("image", "x", "y", "dw", "dh", source=shade, color_mapper=nothing)
    plot.grid.level = "underlay"
    made["mapper"] = LinearColorMapper(Viridis256, nan_color="#bbbbbb")
    made["viridis"], made["categories"] = list(Viridis256), CATEGORIES
    points = plot.scatter(
        "x", "y", source=_make_source(made, "points", "x", "y", "color"), size=7, line_color=None,
        fill_color={"field": "color", "transform": made["mapper"]}, fill_alpha=0.85,
        nonselection_fill_alpha=0.15,
    )  # fmt: skip
    # One formatter for all kinds of labels, since a colour bar keeps its first formatter.
    words = CustomJSTickFormatter(code="return window.onTick?.(tick) ?? '00000'")
    bar = ColorBar(
        color_mapper=made["mapper"], width=12, title_standoff=6, padding=4, margin=4,
        ticker=BasicTicker(), formatter=words,
    )  # fmt: skip
    plot.add_layout(bar, "right")
    made["bar"] = bar
    # Moving glyphs have a separate level, so that the points are not painted again.
    above = {"level": "overlay"}
    route = _make_source(made, "route", "x", "y")
    plot.line("x", "y", source=route, color="black", line_width=1.5, line_dash="dashed", **above)
    here = _make_source(made, "here", "x", "y")
    plot.scatter("x", "y", source=here, size=10, marker="square", color="black", **above)
    masked = _make_source(made, "masked", "x", "y")
    plot.line("x", "y", source=masked, color=ORANGE, line_width=2, **above)
    plot.scatter("x", "y", source=masked, color=ORANGE, marker="x", size=9, line_width=2, **above)
    pinned = _make_source(made, "pinned", "x", "y")
    ring = {"fill_color": None, "line_color": "black", "line_width": 2}
    plot.scatter("x", "y", source=pinned, size=15, **ring, **above)
    probe = _make_source(made, "probe", "x", "y", "color")
    rim = {"fill_color": "color", "line_color": "white", "line_width": 2}
    plot.scatter("x", "y", source=probe, size=19, marker="diamond", **rim, **above)
    lasso, pan, wheel = LassoSelectTool(renderers=[points]), PanTool(), WheelZoomTool()
    hover = HoverTool(
        renderers=[points], tooltips=None, callback=CustomJS(code="window.onHover?.(cb_data)")
    )
    plot.add_tools(lasso, pan, wheel, hover)
    plot.toolbar.active_drag = plot.toolbar.active_scroll = None
    made |= {"lasso": lasso, "pan": pan, "wheel": wheel}
    for event in ("panstart", "pan", "panend", "tap", "doubletap"):
        plot.js_on_event(event, CustomJS(code="window.onPlane?.(cb_obj)"))


def _draw_line(plot: Any, source: Any, **options: Any) -> None:
    plot.line("x", "y", source=source, **options)


def _draw_band(plot: Any, source: Any, color: str, label: str) -> None:
    plot.varea(
        "x", "low", "high", source=source, fill_color=color, fill_alpha=0.2, legend_label=label
    )


def _add_pattern(made: dict[str, Any], header: dict[str, Any], shared: Any) -> None:
    plot = _make_profile(made, "pattern", header, shared, height=460)
    group = _make_source(made, "group", "x", "y", "low", "high")
    probe = _make_source(made, "synthesized", "x", "y", "low", "high")
    _draw_band(plot, group, BLUE, "group: mean, spread")
    _draw_line(plot, group, color=BLUE, line_dash="dashed", legend_label="group: mean, spread")
    _draw_line(
        plot, _make_source(made, "measured", "x", "y"), color="black", legend_label="pinned pattern"
    )
    _draw_band(plot, probe, ORANGE, "synthesized at the probe")
    _draw_line(plot, probe, color=ORANGE, line_width=1.5, legend_label="synthesized at the probe")
    _add_legend(plot)


def _add_path(made: dict[str, Any], header: dict[str, Any], shared: Any) -> None:
    from bokeh.models import Range1d

    plot = _make_profile(made, "path", header, shared)
    ends = (("from", GREY, "solid"), ("to", PURPLE, "solid"))
    for name, color, dash in ends:
        source = _make_source(made, name, "x", "y")
        _draw_line(plot, source, color=color, line_dash=dash, line_alpha=0.7, legend_label=name)
    between = _make_source(made, "between", "x", "y", "low", "high")
    _draw_line(
        plot, _make_source(made, "blend", "x", "y"), color="black", line_dash="dashed",
        legend_label="linear blend",
    )  # fmt: skip
    _draw_band(plot, between, ORANGE, "synthesized")
    _draw_line(plot, between, color=ORANGE, line_width=1.5, legend_label="synthesized")
    _add_legend(plot)
    track = _make_profile(
        made, "positions", header, shared, height=240, y="way along the path",
        y_range=Range1d(-0.03, 1.03),
    )  # fmt: skip
    peaks = _make_source(made, "peaks", "x", "y")
    track.scatter("x", "y", source=peaks, size=5, color=ORANGE)
    _draw_line(track, _make_source(made, "fraction", "x", "y"), color="black", line_dash="dashed")


def _add_relevance(made: dict[str, Any], header: dict[str, Any], shared: Any) -> None:
    from bokeh.models import ColorBar, CustomJS, HoverTool, LinearColorMapper, PlainText
    from bokeh.palettes import Cividis256

    plot = _make_profile(made, "relevance", header, shared)
    plot.toolbar.active_drag = None
    made["shift"] = mapper = LinearColorMapper(Cividis256[::-1], low=0, high=1)
    columns = ("left", "right", "bottom", "top", "relevance", "alpha", "words")
    regions = _make_source(made, "regions", *columns)
    boxes = plot.quad(
        "left", "right", "top", "bottom", source=regions, line_color=None, fill_alpha="alpha",
        fill_color={"field": "relevance", "transform": mapper},
    )  # fmt: skip
    lines = '<div style="white-space: pre-line">@words</div>'
    plot.add_tools(HoverTool(renderers=[boxes], tooltips=lines))
    pattern = plot.line(
        "x", "y", source=_make_source(made, "pattern_again", "x", "y"), color="black"
    )
    plot.y_range.renderers = [pattern]  # not the regions, which are as high as the highest peak
    _draw_line(plot, _make_source(made, "mask", "x", "y"), color=ORANGE, line_width=3)
    bar = ColorBar(
        color_mapper=mapper, width=12, padding=4, margin=4, title=PlainText(text="shift")
    )
    plot.add_layout(bar, "right")
    for event in ("tap", "doubletap"):
        plot.js_on_event(event, CustomJS(code="window.onRelevance?.(cb_obj)"))
