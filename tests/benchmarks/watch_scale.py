"""Work of `xrdae watch` against the number of files that it has done.

    python tests/benchmarks/watch_scale.py                      # 0, 5000 and 50 000 files done
    python tests/benchmarks/watch_scale.py --done 0 2000 --seconds 5

For each number of done files, the program makes a folder with these files and a store with their
results. It adds files that an earlier watch could not read (4 of 10 done files) and files that wait
to be complete (1 of 10). Then it watches the folder and prints the processor time of an idle tick,
the time from the end of writing a good file to its stored result, and the time to stop the watch.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae
from xrdae.live.file_rows import Arrived, find_rows
from xrdae.live.notification import Observer
from xrdae.live.results import Results
from xrdae.live.watch import Watch
from xrdae.loading.gridding import read_scans
from xrdae.simulate import alloy_series

PATIENCE = 1e6  # seconds: files that wait do so for the whole measurement
ADDED = 40  # files whose results are timed


class Timer:
    """A listener that records when events come."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    def on_results(self, rows: xr.Dataset) -> None:
        self.came |= dict.fromkeys(rows["file"].values.tolist(), time.monotonic())

    def on_skip(self, file: str, reason: str) -> None:
        self.came[file] = time.monotonic()

    def on_warning(self, message: str) -> None:
        pass


def make_rows(folder: Path, names: list[str], model: xrdae.Model) -> xr.Dataset:
    """Return results of files, all of the first file's pattern."""
    axis = model.autoencoder.preparation.axis
    one = find_rows([Arrived(names[0], (0, 0), read_scans(folder / "first.xy"), 1.0)], axis)
    one = one.merge(Observer(model).results(one), compat="override")
    states = [(folder / name).stat() for name in names]
    columns = {
        "modified": [state.st_mtime_ns for state in states],
        "size": [state.st_size for state in states],
    }
    rows = one.isel(pattern=np.zeros(len(names), int))
    rows = rows.assign({name: ("pattern", np.asarray(v)) for name, v in columns.items()})
    return rows.assign_coords(file=("pattern", np.array(names)))


def measure(folder: Path, n: int, seconds: float) -> dict[str, float]:
    """Return the figures for a number of files that are done."""
    series = alloy_series().drop_vars("wavelength")
    model = series.xrdae.fit(steps=50, members=2, progress=False)
    run, out = folder / "run", folder / "live.zarr"
    run.mkdir()
    table = zip(series["two_theta"].values, series["intensity"].values[0], strict=True)
    text = "".join(f"{x:.4f} {y:.1f}\n" for x, y in table)
    names = [f"done_{i:06d}.xy" for i in range(n)]
    for name in names:
        (run / name).write_text("done\n")
    broken = {f"broken_{i:06d}.xy": "no reader knows this content" for i in range(n * 4 // 10)}
    for name in broken:
        (run / name).write_text("words\n")
    first = ["first.xy", *names]
    (run / "first.xy").write_text(text)
    with Results(out, {}) as results:
        for at in range(0, len(first), 1000):
            results.write(make_rows(run, first[at : at + 1000], model), {})
        results.skip(broken)
    for i in range(n // 10):
        (run / f"waits_{i:06d}.xy").write_text("words\n")
    timer, stop, ticks = Timer(), threading.Event(), [0]

    def count() -> None:
        ticks[0] += 1

    with Results(out, {}) as results:
        watch = Watch(run, model, results, patience=PATIENCE, listeners=[timer])
        thread = threading.Thread(target=watch.run, args=(stop,), kwargs={"after": count})
        thread.start()
        time_files(run, timer, text, ["begin.xy"])
        time.sleep(2 + n / 2000)
        before, used = ticks[0], time.process_time()
        time.sleep(seconds)
        tick = (time.process_time() - used) / max(1, ticks[0] - before)
        waited = time_files(run, timer, text, [f"good_{i}.xy" for i in range(ADDED)])
        begin = time.monotonic()
        stop.set()
        thread.join()
        ended = time.monotonic() - begin
    return {
        "done": n,
        "idle tick, ms of processor": 1000 * tick,
        "good file to result, ms (median)": 1000 * float(np.median(waited)),
        "largest": 1000 * max(waited),
        "stop, ms": 1000 * ended,
    }


def time_files(run: Path, timer: Timer, text: str, names: list[str]) -> list[float]:
    """Return the times from the end of writing a file to its result [s]."""
    waited = []
    for name in names:
        (run / name).write_text(text)
        written = time.monotonic()
        while name not in timer.came:
            time.sleep(0.001)
        waited.append(timer.came[name] - written)
    return waited


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--done", type=int, nargs="+", default=[0, 5000, 50_000])
    parser.add_argument("--seconds", type=float, default=20.0, help="of idleness")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    for i, n in enumerate(chosen.done):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), n, chosen.seconds)
        if not i:
            print("| " + " | ".join(figures) + " |")
            print("|" + "---|" * len(figures))
        print("| " + " | ".join(f"{value:.3g}" for value in figures.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
