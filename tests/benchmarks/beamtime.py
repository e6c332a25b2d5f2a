"""Simulated beamtime: files arrive while `xrdae watch` runs, is killed, and restarts.

    python tests/benchmarks/beamtime.py            # 2000 files, 20 a second: two minutes
    python tests/benchmarks/beamtime.py --files 60 --json

One file in a hundred stays broken. Another is half-written and completed a second later. After
half of the files, the watch is killed (SIGKILL) and restarted. The program prints how many good
files have exactly one result, whether each broken file is named, the latency from the completion of
a file to its result, and the memory of the watch.

With --page, Chromium shows the live page until the kill. The program then also prints the time from
the completion of a file to its point on the page.

The latency covers files completed while a watch was running. Files completed while no watch ran, or
while a watch was starting, wait for it. Their longest wait is printed separately.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import xarray as xr

import xrdae
from xrdae.simulate import alloy_series

WATCH = [sys.executable, "-m", "xrdae", "watch"]
PATIENCE = 3.0


class Watched:
    """A running `xrdae watch`; its output is recorded with the time of arrival."""

    def __init__(self, folder: Path, model: Path, out: Path) -> None:
        words = [str(folder), "-m", str(model), "-o", str(out), "--json"]
        self.process = subprocess.Popen(
            [*WATCH, *words, "--patience", str(PATIENCE)], stdout=subprocess.PIPE, text=True
        )
        self.results: dict[str, list[float]] = {}
        self.skipped: dict[str, str] = {}
        self.memory: list[float] = []
        self.ready = threading.Event()
        self._threads = [threading.Thread(target=t) for t in (self._listen, self._weigh)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            now, event = time.monotonic(), json.loads(line)
            if "file" in event:
                self.results.setdefault(event["file"], []).append(now)
            elif "reason" in event:
                self.skipped[event["skipped"]] = event["reason"]
            elif "page" in event:
                self.page = event["page"]
                self.ready.set()

    def _weigh(self) -> None:
        process = psutil.Process(self.process.pid)
        while self.process.poll() is None:
            try:
                self.memory.append(process.memory_info().rss / 2**20)
            except psutil.Error:
                return
            time.sleep(0.5)

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait()
        for thread in self._threads:
            thread.join()


class Browser:
    """Chromium on the live page; records when each point appears (Unix time [s])."""

    NOTE = """() => { window.came = {}; setInterval(() => {
      for (const model of Bokeh.documents[0]._all_models.values())
        if (model.type === "ColumnDataSource" && "novelty" in model.data)
          for (const file of model.data.file) window.came[file] ??= Date.now() / 1000;
    }, 20); }"""

    def __init__(self, url: str) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        self._browser = self._playwright.chromium.launch(executable_path=chromium, args=flags)
        self._page = self._browser.new_page()
        self._page.goto(url)
        self._page.wait_for_function("window.Bokeh?.documents?.[0]?.is_idle")
        self._page.evaluate(self.NOTE)

    def end(self) -> dict[str, float]:
        came: dict[str, float] = self._page.evaluate("window.came")
        self._browser.close()
        self._playwright.stop()
        return came


class Instrument(threading.Thread):
    """Instrument that writes files at a steady rate and records when each is complete."""

    def __init__(self, folder: Path, series: xr.Dataset, n: int, rate: float, seed: int) -> None:
        super().__init__()
        self.folder, self.n, self.rate = folder, n, rate
        axis, patterns = series["two_theta"].values, series["intensity"].values
        self._texts = [
            "".join(f"{x:.4f} {y:.1f}\n" for x, y in zip(axis, row, strict=True))
            for row in patterns
        ]
        kinds = random.Random(seed)
        few = max(1, n // 100)
        odd = kinds.sample(range(n), 2 * few)
        self.broken = {self.name_of(i) for i in odd[:few]}
        self.late = {self.name_of(i) for i in odd[few:]}
        self.complete: dict[str, float] = {}
        self.progress = 0

    @staticmethod
    def name_of(i: int) -> str:
        return f"scan_{i:05d}.xy"

    def run(self) -> None:
        start = time.monotonic()
        late: list[tuple[float, str, str]] = []
        for i in range(self.n):
            time.sleep(max(0.0, start + i / self.rate - time.monotonic()))
            name, text = self.name_of(i), self._texts[i % len(self._texts)]
            half = text[: len(text) // 2]
            if name in self.broken:  # cut off, or without a pattern
                self._write(name, half if i % 2 else "the disk was full\n")
            elif name in self.late:
                self._write(name, half)
                late.append((time.monotonic() + 1.0, name, text[len(half) :]))
            else:
                self._write(name, text)
                self.complete[name] = time.monotonic()
            while late and late[0][0] <= time.monotonic():
                self._finish(*late.pop(0)[1:])
            self.progress = i + 1
        for due, name, rest in late:
            time.sleep(max(0.0, due - time.monotonic()))
            self._finish(name, rest)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _finish(self, name: str, rest: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(rest)
        self.complete[name] = time.monotonic()


def beamtime(
    folder: Path, n: int, rate: float, *, page: bool = False, seed: int = 0
) -> dict[str, object]:
    """Run a beamtime and return its figures."""
    series = alloy_series()
    model = series.xrdae.fit(progress=False)
    model.save(folder / "model.nc")
    run, out = folder / "run", folder / "live.zarr"
    run.mkdir()
    instrument = Instrument(run, series, n, rate, seed)
    first = Watched(run, folder / "model.nc", out)
    first.ready.wait()
    browser = Browser(first.page) if page else None
    clock = time.time() - time.monotonic()
    instrument.start()
    while instrument.progress < n // 2 or not first.results:
        time.sleep(0.01)
    shown = browser.end() if browser else {}
    on_page = [t - clock - instrument.complete[f] for f, t in shown.items()]
    first.end(signal.SIGKILL)
    kept = set(xr.open_zarr(out)["file"].values.tolist())
    second = Watched(run, folder / "model.nc", out)
    second.ready.wait()
    restarted = time.monotonic()
    instrument.join()
    good = {instrument.name_of(i) for i in range(n)} - instrument.broken
    patient = time.monotonic() + 60 + PATIENCE
    while time.monotonic() < patient and (
        len(second.skipped) < len(instrument.broken) or not good <= kept | second.results.keys()
    ):
        time.sleep(0.1)
    second.end(signal.SIGINT)
    with xr.open_zarr(out) as kept_at_last:
        results = kept_at_last.load()
    files = results["file"].values.tolist()
    named = json.loads(results.attrs["xrdae_skipped"])
    came = {f: t[0] for each in (second, first) for f, t in each.results.items()}
    # Files of the backlog waited for the restart, until the watch had caught up.
    backlog = [came[f] for f, t in instrument.complete.items() if f in came and t < restarted]
    at_work, waited = [], [0.0]
    for file, time_complete in instrument.complete.items():
        if file in came:
            waiting = file in second.results and time_complete < max(backlog)
            (waited if waiting else at_work).append(came[file] - time_complete)
    rows = [int(f[5:10]) % series.sizes["pattern"] for f in files]
    straight = series.isel(pattern=rows).xrdae.encode(model)["latent"].values
    wrong = np.abs(results["latent"].values - straight).max()
    return {
        "files": n,
        "good": len(good),
        "results": len(files),
        "good files with exactly one result": sum(files.count(f) == 1 for f in good),
        "broken": len(instrument.broken),
        "broken files named": len(instrument.broken & set(named)),
        "others named": len(set(named) - instrument.broken),
        "half-written at first": len(instrument.late),
        "kept when killed": len(kept),
        "latents differ by at most": float(wrong),
        "latency s": _percentiles(at_work),
        **({"on the page after s": _percentiles(on_page)} if page else {}),
        "longest wait for the restart s": max(waited),
        "memory MB": [_quarters(each.memory) for each in (first, second)],
    }  # fmt: skip


def _percentiles(values: list[float]) -> dict[str, float]:
    names = ("p50", "p90", "p99", "max")
    return dict(zip(names, np.percentile(values, [50, 90, 99, 100]).tolist(), strict=True))


def _quarters(memory: list[float]) -> list[float]:
    """Return the median of each quarter."""
    return [float(np.median(part)) for part in np.array_split(np.array(memory), 4) if part.size]


def main() -> None:
    """Print the figures of a beamtime."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=20.0, help="files a second")
    parser.add_argument("--page", action="store_true", help="with Chromium on the live page")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        found = beamtime(Path(folder), chosen.files, chosen.rate, page=chosen.page)
    if chosen.json:
        print(json.dumps(found))
        return
    times = {
        name: found.pop(name) for name in ("latency s", "on the page after s") if name in found
    }
    memory = [", ".join(f"{m:.0f}" for m in quarters) for quarters in found.pop("memory MB")]
    print("| what | how many |\n|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value if isinstance(value, int) else f'{value:.3g}'} |")
    for name, values in times.items():
        words = ", ".join(f"{which} {1000 * value:.0f}" for which, value in values.items())
        print(f"| {name.removesuffix(' s')}, ms | {words} |")
    print(f"| memory, median of each quarter before and after the kill, MB | {'; '.join(memory)} |")


if __name__ == "__main__":
    assert xrdae.hookimpl  # registers ds.xrdae
    main()
