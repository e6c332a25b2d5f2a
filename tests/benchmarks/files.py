"""Time to open a folder of text files: `python tests/benchmarks/files.py [files] [points]`.

The time is compared with `numpy.loadtxt` on the same files in a loop.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import xrdae


def main() -> None:
    n, points = (int(a) for a in (sys.argv[1:] + ["1000", "3000"][len(sys.argv) - 1 :]))
    x = np.linspace(5, 80, points)
    random = np.random.default_rng(0)
    print("| task | time | |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            rows = np.column_stack([x, random.poisson(100, points)])
            np.savetxt(Path(folder) / f"{i}.xy", rows, fmt=["%.4f", "%d"], header="2theta I")
        files = sorted(Path(folder).iterdir())

        def seconds(action) -> float:  # type: ignore[no-untyped-def]
            action()
            times = []
            for _ in range(3):
                start = time.perf_counter()
                action()
                times.append(time.perf_counter() - start)
            return float(np.median(times))

        limit = seconds(lambda: [np.loadtxt(file) for file in files])
        eager = seconds(lambda: xrdae.open_patterns(folder))
        lazy = seconds(lambda: xrdae.open_patterns(folder, chunks=100))
        read = seconds(lambda: xrdae.open_patterns(folder, chunks=100)["intensity"].compute())
    what = f"{n} xy files of {points} points"
    print(f"| open {what} | {eager:.2f} s | {eager / limit:.2f} x `numpy.loadtxt` in a loop |")
    print(f"| the same, lazily (`chunks=100`) | {lazy:.2f} s | |")
    print(f"| and read by dask's threads | {read:.2f} s | {read / limit:.2f} x |")
    print(f"\nnumpy {np.__version__}, {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
