"""Each command gives the results of Python, and errors of one line."""

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae.cli import main
from xrdae.loading.sources import write_zarr
from xrdae.provenance import fingerprint, read_provenance


@pytest.fixture(scope="module")
def files(series, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    series.to_netcdf(folder / "data.nc")
    model.save(folder / "model.nc")
    return folder


def run(*words, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def same_but_for_the_command(one: xr.Dataset, other: xr.Dataset) -> None:
    """Compare two datasets, of their provenance the last step on its model and data."""
    steps = [read_provenance(dataset.attrs)["steps"][-1] for dataset in (one, other)]
    for entry in steps:
        entry["data"].pop("files", None)
        del entry["command"], entry["arguments"]
    assert steps[0] == steps[1]
    datasets = (dataset.assign_attrs(xrdae_provenance="") for dataset in (one, other))
    xr.testing.assert_identical(*datasets)


def test_fit_writes_a_model_that_equals_one_fitted_in_python(files, series):
    said = run("fit", files / "data.nc", "-o", files / "fitted.nc", "--members", 2, "--seed", 3)
    expected = series.xrdae.fit(members=2, seed=3)
    found = xrdae.load_model(files / "fitted.nc")
    assert "patterns        24" in said
    assert found.config == expected.config
    assert fingerprint(found) == fingerprint(expected)


def test_reference_peaks_of_the_steady_scale_are_options(files):
    words = ["fit", files / "data.nc", "-o", files / "steady.nc", "--members", 2]
    regions = ["--scale-region", 28, 32, "--scale-region", 45, 55]
    run(*words, "--scale", "steady", *regions)
    config = xrdae.load_model(files / "steady.nc").config
    assert config.scale_regions == ((28.0, 32.0), (45.0, 55.0))
    said = run(*words, *regions, code=1)
    assert "has no effect with scale='max'" in said


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["encode"], lambda ds, m: ds.xrdae.encode(m)),
        (["relevance", "--fill", "zero"], lambda ds, m: ds.xrdae.relevance(m, fill="zero")),
        (["relevance", "--regions", "5"], lambda ds, m: ds.xrdae.relevance(m, regions=5.0)),
        (["cluster"], lambda ds, m: ds.xrdae.cluster(m)),
        (["cluster", "--label", "x"], lambda ds, m: ds.xrdae.cluster(m, label="x")),
        (
            ["synthesize", "--between", "3", "7", "-n", "2"],
            lambda ds, m: ds.xrdae.synthesize(m, between=(3, 7), n=2),
        ),
        (
            ["synthesize", "--between", "pattern=3", "pattern=7", "--endpoints"],
            lambda ds, m: ds.xrdae.synthesize(m, between=(3, 7), endpoints=True),
        ),
        (
            ["synthesize", "--at", "x=0.2,0.4"],
            lambda ds, m: ds.xrdae.synthesize(m, at={"x": [0.2, 0.4]}),
        ),
    ],
)
def test_a_command_writes_what_the_accessor_returns(files, series, model, words, call):
    command, *options = words
    run(command, files / "data.nc", "-m", files / "model.nc", "-o", files / "out.nc", *options)
    with xr.open_dataset(files / "out.nc") as found:
        same_but_for_the_command(found.load(), call(series, model))


def test_the_data_file_itself_may_be_the_target(files, series, model):
    series.to_netcdf(files / "own.nc")
    run("encode", files / "own.nc", "-m", files / "model.nc", "-o", files / "own.nc")
    with xr.open_dataset(files / "own.nc") as found:
        same_but_for_the_command(found.load(), series.xrdae.encode(model))


def test_a_zarr_store_is_data_too(files, series, model):
    write_zarr(series, files / "data.zarr")
    run("encode", files / "data.zarr", "-m", files / "model.nc", "-o", files / "out.nc")
    with xr.open_dataset(files / "out.nc") as found:
        np.testing.assert_allclose(found.latent, series.xrdae.encode(model).latent, atol=1e-5)


def test_info_describes_models_and_data(files):
    said = run("info", files / "model.nc")
    for words in ("two_theta, 20 to 80 degree", "24 patterns", "1.5406 angstrom", "held-out error"):
        assert words in said
    said = run("info", files / "data.nc")
    assert "'intensity', 24 pattern" in said
    assert "20 to 80 degree (two_theta), 200 points" in said
    assert "wavelength 1.5406" in said


def test_plugins_lists_the_builtin_steps():
    said = run("plugins").splitlines()
    assert "xrdae_attach, xrdae_cluster, xrdae_encode, xrdae_fit" in next(
        s for s in said if s.startswith("builtin ")
    )


@pytest.mark.parametrize(
    "command",
    ["demo", "fit", "quality", "encode", "relevance", "synthesize", "report", "info", "doctor"],
)
def test_every_command_explains_itself(command):
    assert "Usage:" in run(command, "--help")
    assert command in run("--help")


def test_errors_are_one_line_without_a_traceback_and_leave_no_file(files, series):
    series.drop_attrs().to_netcdf(files / "nounits.nc")
    said = run("fit", files / "nounits.nc", "-o", files / "never.nc", code=1)
    assert "Error: axis 'two_theta' has no units; set ds.two_theta.attrs" in said
    data, model = files / "data.nc", files / "model.nc"
    assert "is not an xrdae model" in run("encode", data, "-m", data, "-o", "x.nc", code=1)
    assert "24 positions" in run(
        "synthesize", data, "-m", model, "-o", files / "never.nc", "--between", 3, 99, code=1
    )
    (files / "notes.txt").write_text("no data")
    assert "no reader knows this content" in run(
        "fit", files / "notes.txt", "-o", files / "never.nc", code=1
    )
    assert not (files / "never.nc").exists()
    assert not list(files.glob(".*.part"))


@pytest.mark.parametrize(
    "options", [["--between", "a", "b"], ["--at", "x=one"], ["--between", "y=0,x", "y=1"]]
)
def test_unreadable_options_are_usage_errors(files, options):
    out = files / "never.nc"
    said = run(
        "synthesize", files / "data.nc", "-m", files / "model.nc", "-o", out, *options, code=2
    )
    assert options[1] in said


def test_clusters_of_a_reference_are_those_of_python(files, series, model, tmp_path):
    run(
        "cluster", files / "data.nc", "-m", files / "model.nc", "--reference", files / "data.nc",
        "-o", tmp_path / "out.nc",
    )  # fmt: skip
    expected = series.xrdae.cluster(model, reference=series)
    with xr.open_dataset(tmp_path / "out.nc") as out:
        np.testing.assert_array_equal(out["cluster"], expected["cluster"])
        assert out["cluster"].attrs["stability"] == expected["cluster"].attrs["stability"]
    said = run("info", tmp_path / "out.nc")
    assert "between clusters, stability" in said


@pytest.mark.parametrize(
    ("words", "say", "code"),
    [
        (["-n", "few"], "-n 'few' must be 'auto' or a whole number", 2),
        (["-n", "1"], "n=1 is no number of clusters", 1),
        (["--label", "zr"], "no numeric label 'zr'", 1),
    ],
)
def test_clusters_that_cannot_be_found_are_refused_in_one_line(files, tmp_path, words, say, code):
    out = tmp_path / "out.nc"
    command = ("cluster", files / "data.nc", "-m", files / "model.nc", "-o", out, *words)
    assert say in run(*command, code=code)
    assert not out.exists()
