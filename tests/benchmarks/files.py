"""Time to read text files, and files of hostile content.

    python tests/benchmarks/files.py            # 1000 files of 3000 points
    python tests/benchmarks/files.py 0          # hostile content alone

First the time to open a folder of text files, compared with `numpy.loadtxt` on the same files in a
loop. Then the time to read, or to refuse, a file of each kind of hostile content, at sizes that
double. To compare with an earlier commit, set PYTHONPATH to its package. The program ends with 1 if
the time of a kind grows clearly faster than the size of its file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import xrdae
from hostile_content import HOSTILE, HOSTILE_LABELS
from xrdae.readers import read_file

SMALLEST = 2**15  # bytes
DOUBLINGS = 5
MORE = 2  # doublings of a kind that looks steep
ENOUGH = 8.0  # seconds; a kind that takes longer is not doubled again
LEAST = 0.02  # seconds; shorter times are those of the machine
STEEPEST = 1.4  # power of the size; linear is 1, quadratic is 2


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="?", type=int, default=1000)
    parser.add_argument("points", nargs="?", type=int, default=3000)
    options = parser.parse_args()
    if options.files:
        with tempfile.TemporaryDirectory() as folder:
            time_folder(Path(folder), options.files, options.points)
    print(f"\nnumpy {np.__version__}, {os.cpu_count()} cores.\n")
    with tempfile.TemporaryDirectory() as folder:
        steep = time_hostile(Path(folder))
    if steep:
        sys.exit(f"the time of these kinds grows faster than their size: {'; '.join(steep)}")


def time_folder(folder: Path, n: int, points: int) -> None:
    """Print the time to open a folder of text files."""
    x = np.linspace(5, 80, points)
    random = np.random.default_rng(0)
    for i in range(n):
        rows = np.column_stack([x, random.poisson(100, points)])
        np.savetxt(folder / f"{i}.xy", rows, fmt=["%.4f", "%d"], header="2theta I")
    files = sorted(folder.iterdir())
    limit = find_median(lambda: [np.loadtxt(file) for file in files])
    eager = find_median(lambda: xrdae.open_patterns(folder))
    lazy = find_median(lambda: xrdae.open_patterns(folder, chunks=100))
    read = find_median(lambda: xrdae.open_patterns(folder, chunks=100)["intensity"].compute())
    what = f"{n} xy files of {points} points"
    print("| task | time | |\n|---|---|---|")
    print(f"| open {what} | {eager:.2f} s | {eager / limit:.2f} x `numpy.loadtxt` in a loop |")
    print(f"| the same, lazily (`chunks=100`) | {lazy:.2f} s | |")
    print(f"| and read by dask's threads | {read:.2f} s | {read / limit:.2f} x |")


def find_median(action: Callable[[], object]) -> float:
    """Return the median time of three runs after a first one [s]."""
    action()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def time_hostile(folder: Path) -> list[str]:
    """Print times of all kinds of hostile content. Return the kinds that are not linear."""
    print("| kind | bytes | seconds at doubled sizes | s/MB at the last | power |")
    print("|---|---|---|---|---|")
    steep = []
    for kind, (suffix, make) in HOSTILE.items():
        if not time_kind(kind, make, lambda content, s=suffix: read(folder / f"a{s}", content)):
            steep.append(kind)
    for kind, make in HOSTILE_LABELS.items():
        if not time_kind(kind, make, lambda content: read_table(folder, content)):
            steep.append(kind)
    return steep


def time_kind(
    kind: str, make: Callable[[int], bytes], action: Callable[[bytes], Callable[[], object]]
) -> bool:
    """Print the times of a kind at sizes that double. Return whether they are linear."""
    sizes: list[int] = []
    times: list[float] = []
    power = 0.0
    for doubling in range(DOUBLINGS + 1 + MORE):
        # A machine under load is slow at times: what looks steep must be so at larger sizes, too.
        if doubling > DOUBLINGS and power < STEEPEST:
            break
        content = make(SMALLEST * 2**doubling)
        attempt = action(content)
        sizes.append(len(content))
        times.append(min(time_once(attempt) for _ in range(2 if sum(times) < 1 else 1)))
        power = find_power(sizes, times)
        if times[-1] > ENOUGH:
            break
    seconds = " ".join(f"{t:.3f}" for t in times)
    print(
        f"| {kind} | {sizes[0]} to {sizes[-1]} | {seconds} | {times[-1] / sizes[-1] * 1e6:.2f} | "
        f"{power:.2f} |",
        flush=True,
    )
    return power < STEEPEST


def find_power(sizes: list[int], times: list[float]) -> float:
    """Return the power of the size with which the time grows, over the last two doublings."""
    first = max(len(times) - 3, 0)
    if times[-1] < LEAST or first == len(times) - 1:
        return 0.0 if times[-1] < ENOUGH else np.inf
    start = max(times[first], LEAST / 4)
    return float(np.log(times[-1] / start) / np.log(sizes[-1] / sizes[first]))


def time_once(attempt: Callable[[], object]) -> float:
    """Return the time of one run [s], whatever it ends with: earlier commits have other errors."""
    start = time.process_time()
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        attempt()
    return time.process_time() - start


def read(path: Path, content: bytes) -> Callable[[], object]:
    """Return what reads a file of a content."""
    path.write_bytes(content)
    return lambda: read_file(path)


def read_table(folder: Path, content: bytes) -> Callable[[], object]:
    """Return what reads a table of labels."""
    from xrdae.loading.label_table import read_labels

    (folder / "labels.csv").write_bytes(content)
    return lambda: read_labels(folder / "labels.csv", ["a"])


if __name__ == "__main__":
    main()
