import json
import pickle

import dask
import numpy as np
import pytest
import torch
import xarray as xr

from xrdae.convention.apply_kernel import apply_kernel

distributed = pytest.importorskip("distributed")

RESULTS = {"latent", "latent_std", "reconstruction_error", "novelty"}


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process of one thread."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def long(simulated_series):
    return simulated_series(300)


@pytest.mark.parametrize("method", ["encode", "relevance", "reconstruct"])
@pytest.mark.parametrize("chunks", [{"pattern": 77}, {"pattern": 100, "two_theta": 64}], ids=str)
def test_in_memory_in_threads_and_on_a_cluster_the_results_are_the_same(
    cluster, long, model, method, chunks
):
    eager = getattr(long.xrdae, method)(model)
    lazy = getattr(long.chunk(chunks).xrdae, method)(model)
    results = [lazy.compute(scheduler=s) for s in ("threads", "synchronous")]
    with cluster.as_current():
        results.append(lazy.compute())
    for result in results:
        for name in set(eager.data_vars) - set(long.data_vars):
            size = max(1.0, float(np.abs(eager[name]).max()))
            np.testing.assert_allclose(result[name], eager[name], rtol=0, atol=1e-6 * size)


def test_a_fit_on_a_cluster_gives_the_same_model(cluster, long):
    few = {"steps": 20, "members": 2, "most_patterns": 100, "progress": False}
    with cluster.as_current():
        there = long.chunk(pattern=50).xrdae.fit(**few)
    here = long.xrdae.fit(**few)
    np.testing.assert_array_equal(there.labels["latent"], here.labels["latent"])


def test_the_model_is_one_key_of_the_graph_whatever_the_number_of_chunks(long, model):
    def size(chunk):
        lazy = long.chunk(pattern=chunk).xrdae.encode(model)["latent"]
        graph = dict(lazy.data.__dask_graph__())
        return [len(pickle.dumps(graph[key])) for key in graph if "Encoder" in str(key)]

    (whole,), (cut,) = size(300), size(10)
    assert whole == cut > 10_000


def test_a_task_uses_one_thread_and_leaves_the_setting_as_it_was():
    before = torch.get_num_threads()

    def kernel(block):
        return np.full(block.shape[:-1], torch.get_num_threads())

    array = xr.DataArray(np.zeros((20, 4)), dims=("pattern", "two_theta")).chunk(pattern=2)
    (threads,) = apply_kernel(kernel, array, outputs=[()], sizes={}, dtypes=[int])
    assert (threads.compute(scheduler="threads") == 1).all()
    assert torch.get_num_threads() == before


def test_results_have_the_chunks_of_the_patterns(long, model):
    for chunks in ({"pattern": 40}, {"pattern": 40, "two_theta": 32}):
        result = long.chunk(chunks).xrdae.encode(model)
        assert result["latent"].chunksizes["pattern"] == (40,) * 7 + (20,)


def test_chunks_along_the_axis_are_rechunked_to_a_bounded_size(model, simulated_series):
    series = simulated_series(300).chunk(pattern=300, two_theta=10)
    with dask.config.set({"array.chunk-size": "50kB"}):
        latent = series.xrdae.encode(model)["latent"]
    assert max(latent.variable.chunksizes["pattern"]) * 200 * 8 <= 50_000


def counted(series, chunk):
    """The series in chunks, and the list of those that have been read."""
    read = []

    def block(array, block_info=None):
        if array.size:
            read.append(block_info[None]["chunk-location"])
        return array

    lazy = series["intensity"].chunk(pattern=chunk)
    data = lazy.data.map_blocks(block, dtype=lazy.dtype, meta=np.empty((0, 0)))
    return series.assign(intensity=lazy.copy(data=data)), read


@pytest.mark.parametrize("most", [50, 10_000])
def test_a_fit_reads_every_chunk_at_most_once(long, most):
    lazy, read = counted(long, 20)
    with dask.config.set(scheduler="synchronous"):
        lazy.xrdae.fit(steps=2, members=2, most_patterns=most, progress=False)
    assert len(read) == len(set(read)) == 15


def test_encoding_reads_every_chunk_once(long, model):
    lazy, read = counted(long, 20)
    with dask.config.set(scheduler="synchronous"):
        lazy.xrdae.encode(model).drop_vars("intensity").compute()
    assert len(read) == len(set(read)) == 15


def test_of_many_patterns_a_fit_takes_some_spread_over_all(long):
    model = long.xrdae.fit(steps=2, members=2, most_patterns=30, progress=False)
    x = model.labels["x"].values
    assert len(x) == 30
    assert (np.histogram(x, bins=30, range=(0, 1))[0] == 1).all()
    assert json.loads(model.config.to_json())["most_patterns"] == 30


def test_a_map_in_chunks_gives_the_model_of_the_map_in_memory(long):
    rows = long.assign_coords(pattern=np.arange(300)).drop_vars("x")
    grid = rows.coarsen(pattern=20).construct(pattern=("y", "x")).drop_vars("pattern")
    few = {"steps": 5, "members": 2, "most_patterns": 60, "progress": False}
    eager, lazy = grid.xrdae.fit(**few), grid.chunk(y=4, x=7).xrdae.fit(**few)
    np.testing.assert_array_equal(eager.labels["latent"], lazy.labels["latent"])
    assert eager.labels.sizes["pattern"] == 60


def test_results_stream_into_a_zarr_store_region_by_region(long, model, tmp_path):
    store = tmp_path / "store.zarr"
    long.chunk(pattern=50).to_zarr(store, consolidated=False)
    stored = xr.open_zarr(store, consolidated=False)
    results = stored.xrdae.encode(model)[sorted(RESULTS)].drop_vars(["wavelength", "x"])
    results.to_zarr(tmp_path / "out.zarr", compute=False, consolidated=False)
    for start in (0, 100, 200):
        part = stored.isel(pattern=slice(start, start + 100)).xrdae.encode(model)
        part = part[sorted(RESULTS)].drop_vars(["wavelength", "x", "latent_axis"])
        where = {"pattern": slice(start, start + 100)}
        part.to_zarr(tmp_path / "out.zarr", region=where, consolidated=False)
    written = xr.open_zarr(tmp_path / "out.zarr", consolidated=False)
    expected = long.xrdae.encode(model)
    for name in RESULTS:
        np.testing.assert_allclose(written[name], expected[name], rtol=0, atol=1e-5)


def test_results_stream_from_many_netcdf_files_into_one(long, model, tmp_path):
    for i in range(3):
        part = long.isel(pattern=slice(100 * i, 100 * i + 100))
        part.to_netcdf(tmp_path / f"part{i}.nc")
    paths = sorted(tmp_path.glob("part*.nc"))
    with xr.open_mfdataset(
        paths, combine="nested", concat_dim="pattern", data_vars="minimal", coords="minimal",
        compat="override", join="override",
    ) as files:  # fmt: skip
        files.xrdae.encode(model).drop_vars("intensity").to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as written:
        np.testing.assert_allclose(
            written["latent"], long.xrdae.encode(model)["latent"], rtol=0, atol=1e-6
        )


def test_progress_of_reading_is_shown(long, capsys):
    few = {"steps": 2, "members": 2, "progress": True}
    with dask.config.set(scheduler="threads"):
        long.chunk(pattern=50).xrdae.fit(**few)
    assert "read: 100%" in capsys.readouterr().err


def test_progress_of_reading_on_a_cluster_is_shown(cluster, long, capsys):
    with cluster.as_current():
        long.chunk(pattern=50).xrdae.fit(steps=2, members=2, progress=True)
    assert "100% Completed" in capsys.readouterr().out
