"""Fit and encode of data larger than memory: a Zarr store on a dask cluster.

Run `python tests/benchmarks/scale.py [--gb 20] [--workers 2] [--folder DIR]`. The program writes
the store to DIR and removes it at the end. The store holds simulated alloy patterns of random
composition with counting noise (float32, default compression of zarr). The program prints these
figures for 1/20, 1/4 and all of the store: the time of fit and of encode (into memory, and to a
Zarr store), the rate of encode over the rate of `da.sum` on the same store and workers, and the
peak memory of a worker. It then prints the exponent of time over size. "GB" counts the uncompressed
float32 values.
"""

from __future__ import annotations

import argparse
import platform
import resource
import shutil
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import distributed
import numpy as np
import torch
import xarray as xr
import zarr

import xrdae  # noqa: F401  (registers ds.xrdae)
from xrdae.simulate import alloy_series

POINTS, ROWS = 2000, 8192
TWO_THETA = np.linspace(20, 100, POINTS)


def make_store(path: Path, gigabytes: float) -> xr.Dataset:
    """Write the store chunk by chunk and return it as a lazy Dataset."""
    blocks = max(20, round(gigabytes * 1e9 / (ROWS * POINTS * 4)))
    grid = alloy_series(np.linspace(0, 2, 60), zr=np.linspace(0, 0.5, 40), two_theta=TWO_THETA,
                        noise=False)["intensity"].values.astype(np.float32)  # fmt: skip

    def block(grid, block_info=None) -> np.ndarray:
        rng = np.random.default_rng(block_info[None]["chunk-location"][0])
        expected = grid[rng.integers(len(grid), size=ROWS)]
        noise = rng.standard_normal(expected.shape, dtype=np.float32) * np.sqrt(expected)
        return np.maximum(np.rint(expected + noise), 0).astype(np.float32)

    data = da.map_blocks(
        block,
        dask.delayed(grid),
        chunks=((ROWS,) * blocks, (POINTS,)),
        dtype=np.float32,
        meta=np.empty((0, 0), "f4"),
    )
    ds = xr.Dataset(
        {"intensity": (("pattern", "two_theta"), data, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", TWO_THETA, {"units": "degree"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
        },
    )
    ds.to_zarr(path, mode="w", consolidated=False)
    return xr.open_zarr(path, consolidated=False)


def seconds(action) -> tuple[float, object]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(part: xr.Dataset, out: Path, client: distributed.Client) -> dict[str, float]:
    size = part["intensity"].nbytes / 1e9
    summing, _ = seconds(lambda: float(part["intensity"].data.sum().compute()))
    fitting, model = seconds(lambda: part.xrdae.fit(progress=False))

    results = part.xrdae.encode(model).drop_vars("intensity")
    encoding, _ = seconds(results.compute)
    streaming, _ = seconds(lambda: results.to_zarr(out, mode="w", consolidated=False))
    memory = max(client.run(peak).values()) / 1e6
    return {"GB": size, "sum": summing, "fit": fitting, "encode": encoding, "stream": streaming,
            "memory": memory}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="2GB", help="limit of a worker")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    dask.config.set({"distributed.worker.memory.terminate": False})
    try:
        with (
            distributed.LocalCluster(n_workers=given.workers, threads_per_worker=1,
                                     memory_limit=given.memory, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):  # fmt: skip
            ds = make_store(folder / "patterns.zarr", given.gb)
            stored = sum(f.stat().st_size for f in (folder / "patterns.zarr").rglob("*"))
            chunks = ds.sizes["pattern"] // ROWS
            client.restart()
            measure(ds.isel(pattern=slice(ROWS)), folder / "latents.zarr", client)  # imports
            rows = []
            for part in (chunks // 20, chunks // 4, chunks):
                some = ds.isel(pattern=slice(part * ROWS))
                rows.append(measure(some, folder / "latents.zarr", client))
    finally:
        shutil.rmtree(folder)
    print(f"\npython {platform.python_version()}, torch {torch.__version__}, dask "
          f"{dask.__version__}, zarr {zarr.__version__}; {given.workers} workers of one thread; "
          f"{stored / 1e9:.1f} GB on disk\n")  # fmt: skip
    print("| size (GB) | sum (s) | fit (s) | encode (s) | its rate / sum's | encode to Zarr (s) | "
          "peak (GB) |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        figures = (r["sum"] / r["encode"], r["stream"], r["memory"])
        print(f"| {r['GB']:.1f} | {r['sum']:.1f} | {r['fit']:.1f} | {r['encode']:.1f} | "
              "{:.2f} | {:.1f} | {:.2f} |".format(*figures))  # fmt: skip
    first, last = rows[0], rows[-1]
    growth = (last["fit"] + last["encode"]) / (first["fit"] + first["encode"])
    exponent = np.log(growth) / np.log(last["GB"] / first["GB"])
    print(f"\nexponent of fit + encode over size: {exponent:.2f}")


if __name__ == "__main__":
    main()
