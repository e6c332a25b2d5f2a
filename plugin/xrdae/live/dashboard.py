"""The newest points that a live page shows, written by one thread and read by another."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.categories import is_category
from xrdae.report.figures import ORANGE

MOST = 20_000  # points that a browser stays fluid with


@dataclasses.dataclass(frozen=True)
class Point:
    """A pattern on the live page.

    Attributes
    ----------
    row
        Its place in the store.
    serial
        Grows with every point that is put on the board.
    file, latent, novelty, novel
        Its results.
    labels
        Numbers that are known of it.
    """

    row: int
    serial: int
    file: str
    latent: tuple[float, ...]
    novelty: float
    novel: bool
    labels: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Message:
    """Message: time, text, and whether the user has to act."""

    time: datetime.datetime
    text: str
    alert: bool


class Board:
    """The newest points and messages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: dict[int, Point] = {}  # by row, in the order of their serial numbers
        self._serial = 0
        self._messages: deque[Message] = deque(maxlen=50)

    def put(self, rows: xr.Dataset, at: list[int]) -> None:
        """Put rows of the store, `at` their places; a row that was there before is replaced."""
        labels = {
            str(name): coord.values.astype(float)
            for name, coord in rows.coords.items()
            if coord.dims == ("pattern",) and coord.dtype.kind in "iuf" and not is_category(coord)
        }
        files, novelty = rows["file"].values, rows["novelty"].values
        latents, novel = rows["latent"].values, rows["novel"].values
        with self._lock:
            for i, row in enumerate(at):
                self._serial += 1
                point = Point(
                    row, self._serial, str(files[i]), tuple(map(float, latents[i])),
                    float(novelty[i]), bool(novel[i]), {n: float(v[i]) for n, v in labels.items()},
                )  # fmt: skip
                self._points.pop(row, None)
                self._points[row] = point
                if len(self._points) > MOST:
                    del self._points[next(iter(self._points))]

    def __len__(self) -> int:
        return len(self._points)

    def get_file(self, row: int) -> str | None:
        """Return the file of a row; None if the row is not among the newest."""
        point = self._points.get(row)
        return None if point is None else point.file

    def add_message(self, text: str, *, alert: bool = False) -> None:
        """Put a message."""
        with self._lock:
            self._messages.append(Message(datetime.datetime.now(), text, alert))

    def list_messages(self) -> list[Message]:
        """Return the newest messages, the newest first."""
        with self._lock:
            return list(self._messages)[::-1]

    def find_since(self, serial: int) -> list[Point]:
        """Return the points put after one with this serial number, in the order of their rows."""
        with self._lock:
            new = []
            for point in reversed(self._points.values()):
                if point.serial <= serial:
                    break
                new.append(point)
        return sorted(new, key=lambda point: point.row)


def select_needed(rows: xr.Dataset) -> xr.Dataset:
    """Return the variables of rows that a board uses."""
    found = rows[["scan", "latent", "novelty", "novel"]]
    return found.drop_vars([name for name, c in found.coords.items() if c.dims != ("pattern",)])


def name_latent_axis(axis: int) -> str:
    """Return the name of a latent axis on the page."""
    return f"latent axis {axis}"


def make_columns(points: list[Point], across: int, up: int | None, color: str) -> dict[str, Any]:
    """Return points as the columns that figures show; without `up`, novelty is."""
    novelty = [p.novelty for p in points]
    return {
        "x": [p.latent[across] for p in points],
        "y": novelty if up is None else [p.latent[up] for p in points],
        "row": [p.row for p in points],
        "file": [p.file for p in points],
        "novelty": novelty,
        "color": np.array([_find_color(p, color) for p in points], dtype=float),
        "rim": [ORANGE if p.novel else "rgba(0, 0, 0, 0)" for p in points],
    }


def _find_color(point: Point, color: str) -> float:
    """Return the number that gives a point its colour."""
    if color == "order":
        return point.row
    if color == "novelty":
        return point.novelty
    latents = {name_latent_axis(i): value for i, value in enumerate(point.latent)}
    return point.labels.get(color, latents.get(color, np.nan))
