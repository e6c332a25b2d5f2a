"""Print the events of a watch on a terminal, or as JSON for another program."""

from __future__ import annotations

import json
import sys
from typing import Any

import xarray as xr

from xrdae.terminal import escape_control


class Console:
    """A listener of `xrdae.live.watch.Watch` that prints a line for what matters.

    Parameters
    ----------
    as_json
        A JSON object a line on the standard output, for every pattern too; else words on the
        standard error, for novel patterns only, with a count that is kept up to date on a terminal.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._counts = not as_json and sys.stderr.isatty()
        self._count = ""

    def on_results(self, rows: xr.Dataset) -> None:
        """Tell of patterns."""
        names = ("file", "scan", "latent", "novelty", "novel")
        for values in zip(*(rows[name].values.tolist() for name in names), strict=True):
            event = dict(zip(names, values, strict=True))
            if self._as_json:
                self._write(event)
            elif event["novel"]:
                self._print(f"novel: {event['file']} (novelty {event['novelty']:.2f})")

    def on_skip(self, file: str, reason: str) -> None:
        """Tell of a file that cannot be read."""
        if self._as_json:
            self._write({"skipped": file, "reason": reason})
        else:
            self._print(f"skipped: {file}: {reason}")

    def on_warning(self, message: str) -> None:
        """Print a warning."""
        if self._as_json:
            self._write({"warning": message})
        else:
            self._print(message)

    def count(self, words: str) -> None:
        """Keep a count up to date in the last line of a terminal."""
        if self._counts and words != self._count:
            self._count = words
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)

    def _print(self, line: str) -> None:
        shown = escape_control(line)  # the name of a file may control the terminal
        end = f"\n{self._count}" if self._counts else "\n"
        print(f"\r\x1b[K{shown}" if self._counts else shown, end=end, file=sys.stderr, flush=True)

    def _write(self, event: dict[str, Any]) -> None:
        print(json.dumps(event), flush=True)
