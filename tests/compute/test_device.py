import numpy as np
import pytest
import torch

import xrdae

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


@pytest.mark.parametrize("name", ["cuda:99", "abacus"])
def test_an_unknown_device_is_refused_with_a_list_of_devices(series, name):
    with pytest.raises(ValueError, match=rf"device='{name}' cannot be used here.*cpu.*'auto'"):
        series.xrdae.fit(device=name, progress=False)


def test_a_model_can_be_read_for_another_device(series, model, tmp_path):
    model.save(tmp_path / "model.nc")
    read = xrdae.load_model(tmp_path / "model.nc", device="cpu")
    assert read.config.device == "cpu"
    assert xrdae.load_model(tmp_path / "model.nc").config.device == "auto"
    np.testing.assert_array_equal(
        series.xrdae.encode(read)["latent"],
        series.xrdae.encode(xrdae.load_model(tmp_path / "model.nc", device="cpu"))["latent"],
    )


@NO_CUDA
def test_cuda_and_cpu_give_the_same_figures(series, model, tmp_path):
    model.save(tmp_path / "model.nc")
    one, other = (xrdae.load_model(tmp_path / "model.nc", device=d) for d in ("cpu", "cuda"))
    for method in ("encode", "relevance"):
        a, b = (getattr(series.xrdae, method)(m) for m in (one, other))
        for name in set(a.data_vars) - set(series.data_vars):
            np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-4)


@NO_CUDA
def test_a_fit_on_cuda_gives_the_same_map(series):
    maps = [
        series.xrdae.fit(device=d, steps=100, progress=False).labels["latent"].values
        for d in ("cpu", "cuda")
    ]
    assert np.abs(maps[0] - maps[1]).max() < 0.1
