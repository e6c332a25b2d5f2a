"""Figures that pyplot does not know, and the texts in them."""

from pathlib import Path

import matplotlib
import matplotlib.text
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"


TIMES = np.datetime64("2024-01-01T10:00", "ns") + np.arange(24) * np.timedelta64(7, "m")


def new_figure(**options) -> Figure:
    """A figure that can be rendered, and that pyplot does not know."""
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


def words(ax) -> list[str]:
    """What is written in the axes, and in its legend."""
    legend = ax.get_legend()
    return [t.get_text() for t in (*ax.texts, *(legend.get_texts() if legend else ()))]


def annotation(ax, text: str):
    (found,) = (t for t in ax.texts if t.get_text() == text)
    return found


def drawn_texts(figure, monkeypatch) -> list[tuple[str, object]]:
    """The texts that a figure draws, with the boxes that they fill."""
    found = []
    draw = matplotlib.text.Text.draw

    def recorded(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            box = matplotlib.text.Text.get_window_extent(text, renderer)
            found.append((text.get_text(), box))
        return draw(text, renderer, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(matplotlib.text.Text, "draw", recorded)
        figure.canvas.draw()
    return found
