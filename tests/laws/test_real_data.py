"""The whole path on measured patterns, with no argument and nothing prepared by hand."""

import functools

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae.cli import main

NAMES = ["batio3_temperature.nc", "bi_cu_v_o.nc", "molten_salt_nacl_crcl3.nc"]


@functools.cache
def fitted(path):
    with xr.open_dataset(path) as dataset:
        dataset.load()
    return dataset, dataset.xrdae.fit()


@pytest.mark.parametrize("name", NAMES)
def test_fit_encode_relevance_and_synthesize_work_and_survive_a_file(name, real_data, tmp_path):
    dataset, model = fitted(real_data(name))
    before = dataset.copy(deep=True)
    out = dataset.xrdae.encode(model).xrdae.reconstruct(model).xrdae.relevance(model)
    out = out.xrdae.synthesize(model, between=(3, 7))
    for variable in ("latent", "relevance", "relevance_profile", "synthesized", "synthesized_std"):
        assert np.isfinite(out[variable]).all(), variable
    assert float(out["synthesized"].min()) >= 0
    assert float(out["reconstruction_error"].mean()) < 0.2
    assert float((out["novelty"] > 1).mean()) < 0.25
    xr.testing.assert_identical(dataset, before)
    for variable in dataset.variables:
        xr.testing.assert_identical(out[variable].variable, dataset[variable].variable)
    assert dataset.attrs.items() <= out.attrs.items()
    out.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as again:
        xr.testing.assert_identical(again.load(), out)
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    xr.testing.assert_identical(dataset.xrdae.encode(loaded), dataset.xrdae.encode(model))


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_gives_the_same(name, real_data, tmp_path):
    path = real_data(name)
    dataset, model = fitted(path)

    def run(*words):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        with xr.open_dataset(words[words.index("-o") + 1]) as written:
            return written.load()

    done = CliRunner().invoke(main, ["fit", str(path), "-o", str(tmp_path / "model.nc")])
    assert done.exit_code == 0, done.output
    options = ["-m", tmp_path / "model.nc", "-o", tmp_path / "out.nc"]
    encoded = run("encode", path, *options)
    np.testing.assert_allclose(encoded["latent"], dataset.xrdae.encode(model)["latent"], atol=1e-4)
    assert np.isfinite(run("relevance", path, *options)["relevance"]).all()
    assert run("synthesize", path, *options, "--between", 3, 7).sizes["synthetic"] == 5


def test_neighbours_of_a_heating_run_lie_close_together(real_data):
    dataset, model = fitted(real_data("batio3_temperature.nc"))
    latent = dataset.xrdae.encode(model)["latent"].values[np.argsort(dataset["temperature"].values)]
    steps = np.linalg.norm(np.diff(latent, axis=0), axis=1)
    distances = np.linalg.norm(latent[:, None] - latent[None], axis=2)
    assert np.median(steps) < 0.2 * np.median(distances)


def test_temperature_is_read_off_two_latents(real_data):
    dataset, model = fitted(real_data("batio3_temperature.nc"))
    reference = dataset.isel(pattern=slice(None, None, 2))
    left = dataset.isel(pattern=slice(1, None, 2))
    out = left.xrdae.estimate(model, "temperature", reference=reference)
    assert float(abs(out["temperature_estimate"] - left["temperature"]).mean()) < 10
    assert out["temperature_estimate"].attrs["units"] == "K"
