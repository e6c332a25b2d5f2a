"""Memory and time of fit, encode, estimate and cluster of 10 000 patterns of 2000 points.

Run `python tests/benchmarks/memory.py [patterns]`. Each step runs in a process of its own, on a
netCDF file of float32, once loaded into memory and once lazily by dask. The program prints the
largest resident memory, that of the process before the step (with all modules loaded, and the data
where they are in memory), and the seconds. `estimate` has 1000 reference patterns.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae
from xrdae.simulate import alloy_series

POINTS = 2000
STEPS = ("fit", "encode", "estimate", "cluster")


def write_series(path: Path, n: int) -> None:
    """Write simulated alloys of random composition."""
    rng = np.random.default_rng(0)
    grid = alloy_series(np.linspace(0, 2, 40), zr=np.linspace(0, 0.5, 25),
                        two_theta=np.linspace(20, 100, POINTS), noise=False)  # fmt: skip
    chosen = grid.isel(pattern=rng.integers(grid.sizes["pattern"], size=n))
    counts = chosen["intensity"].values
    for start in range(0, n, 1000):
        counts[start : start + 1000] = rng.poisson(counts[start : start + 1000])
    series = chosen.assign(intensity=(("pattern", "two_theta"), counts.astype(np.float32)))
    series.to_netcdf(path, encoding={"intensity": {"chunksizes": (500, POINTS)}})


def measure_step(step: str, lazy: bool, data: Path, model_path: Path) -> None:
    """Run a step, and print the memory in MB before and at most, and the seconds."""
    warnings.filterwarnings("ignore", category=UserWarning)
    series = xr.open_dataset(data, chunks={"pattern": 500}) if lazy else xr.load_dataset(data)
    model = xrdae.load_model(model_path) if step != "fit" else None
    import sklearn.gaussian_process  # noqa: F401
    import torch  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    if step == "fit":
        series.xrdae.fit(progress=False).save(model_path)
    elif step == "encode":
        series.xrdae.encode(model)["latent"].compute()
    elif step == "estimate":
        reference = series.isel(pattern=slice(0, 1000)).compute()
        series.xrdae.estimate(model, "ti", reference=reference)["ti_estimate"].compute()
    else:
        series.xrdae.cluster(model)["cluster"].compute()
    seconds = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(before // 1024, most // 1024, f"{seconds:.1f}")


def main() -> None:
    if len(sys.argv) > 2:
        step, lazy, data, model_path = sys.argv[1:]
        measure_step(step, lazy == "lazy", Path(data), Path(model_path))
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"{n} patterns of {POINTS} points\n")
    print("| step, data | MB before | MB at most | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        data, model_path = Path(folder) / "series.nc", Path(folder) / "model.nc"
        write_series(data, n)
        for step in STEPS:
            for how in ("memory", "lazy"):
                command = [sys.executable, __file__, step, how, str(data), str(model_path)]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                print(f"| {step}, {how} | " + " | ".join(out.split()) + " |", flush=True)


if __name__ == "__main__":
    main()
