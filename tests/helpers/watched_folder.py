"""A folder that is watched, and a listener of its events."""

import threading
import time

import numpy as np
import xarray as xr

from xrdae.live.results import Results
from xrdae.live.watch import Watch

PATIENCE = 0.6


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.files, self.skipped, self.messages = [], {}, []

    def on_results(self, rows):
        self.files += rows["file"].values.tolist()

    def on_skip(self, file, reason):
        self.skipped[file] = reason

    def on_warning(self, message):
        self.messages.append(message)


class Run:
    """A folder that is watched, with the series whose patterns are written into it."""

    def __init__(self, folder, series, model):
        self.folder, self.series, self.model = folder / "run", series, model
        self.out = folder / "live.zarr"
        self.folder.mkdir()
        self.heard = Heard()

    def text(self, i):
        table = np.column_stack([self.series["two_theta"], self.series["intensity"][i]])
        return "".join(f"{x:.6f} {y:.1f}\n" for x, y in table)

    def put(self, name, text):
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def watch(self, until, *, seconds=60, **options):
        """Watch until a condition on the watch holds."""
        stop = threading.Event()
        end = time.monotonic() + seconds
        self.heard = Heard()

        def after():
            if until() or time.monotonic() > end:
                stop.set()

        with Results(self.out, {}) as results:
            options = {"patience": PATIENCE, "listeners": [self.heard]} | options
            Watch(self.folder, self.model, results, **options).run(stop, after=after)
        assert time.monotonic() < end, (self.heard.files, self.heard.skipped)

    def content(self):
        with xr.open_zarr(self.out, chunks=None) as found:
            return found.load()
