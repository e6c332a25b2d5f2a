import dataclasses
import json
import re
import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import xrdae
from xrdae import describe, plugins, provenance
from xrdae.cli import main
from xrdae.convention.patterns import find_patterns
from xrdae.fingerprint import fingerprint_patterns, hash_values


def run(*words) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def steps(dataset: xr.Dataset) -> list[dict]:
    return provenance.read_provenance(dataset.attrs)["steps"]


def data_of(dataset: xr.Dataset, **options) -> dict:
    return fingerprint_patterns(find_patterns(dataset), **options)


def opened(path) -> xr.Dataset:
    with xr.open_dataset(path) as dataset:
        return dataset.load()


@pytest.fixture(scope="module")
def folder(series, tmp_path_factory):
    """A folder with data, a model and results, all of them made on the command line."""
    path = tmp_path_factory.mktemp("first")
    series.to_netcdf(path / "data.nc")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        run("fit", "data.nc", "-o", "model.nc", "--members", 2, "--seed", 3, "--background", "snip")
        run("encode", "data.nc", "-m", "model.nc", "-o", "latents.nc")
        run("relevance", "latents.nc", "-m", "model.nc", "-o", "results.nc", "--regions", 4)
    return path


def test_the_commands_in_a_result_give_the_same_model_and_result_in_another_place(
    folder, series, tmp_path
):
    results = opened(folder / "results.nc")
    record = provenance.read_provenance(results.attrs)
    made = [*record["models"].values(), *record["steps"]]
    series.to_netcdf(tmp_path / "data.nc")
    for command in (entry["command"] for entry in made):
        program, *words = shlex.split(command)
        assert program == "xrdae"
        subprocess.run([sys.executable, "-m", "xrdae", *words], cwd=tmp_path, check=True)
    model = xrdae.load_model(tmp_path / "model.nc")
    assert list(record["models"]) == [provenance.fingerprint(model)]
    assert provenance.differences(results, series, model) == []
    xr.testing.assert_identical(opened(tmp_path / "results.nc"), results)


def test_the_settings_and_data_in_a_result_tell_how_to_fit_its_model_in_python(folder, series):
    (fingerprint, made), *none = provenance.read_provenance(opened(folder / "results.nc").attrs)[
        "models"
    ].items()
    assert not none
    model = series.xrdae.fit(progress=False, **made["config"])
    assert provenance.fingerprint(model) == fingerprint
    assert model.provenance["data"]["trained_on"] == made["data"]["trained_on"]
    assert made["config"]["seed"] == 3
    assert made["config"]["background"] == "snip"
    assert made["data"]["files"] == ["data.nc"]


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        ("encode", {}),
        ("reconstruct", {}),
        ("relevance", {"regions": np.array([[24.0, 27.0], [44.0, 47.0]]), "fill": "zero"}),
        ("relevance", {"regions": 5}),
        ("synthesize", {"between": (np.int64(3), 7), "n": 2, "endpoints": True}),
        ("synthesize", {"between": ({"pattern": 3}, {"pattern": 7})}),
        ("synthesize", {"at": {"x": np.array([0.2, 0.4])}}),
        ("synthesize", {"latent": np.array([[0.1, 0.3]])}),
        ("estimate", {"label": "x"}),
    ],
)
def test_a_step_is_done_again_from_its_arguments(series, model, step, arguments):
    once = getattr(series.xrdae, step)(model, **arguments)
    (entry,) = steps(once)
    assert entry["step"] == step
    assert set(entry["results"]) == set(once.data_vars) - {"intensity"}
    again = getattr(series.xrdae, step)(model, **entry["arguments"])
    xr.testing.assert_identical(again, once)


def test_other_data_and_other_models_are_noticed(series, model):
    results = series.xrdae.encode(model)
    other = series.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False, seed=1)
    assert provenance.differences(results, series, model) == []
    (text,) = provenance.differences(results, series, other)
    assert text.startswith(f"encode: made with model {provenance.fingerprint(model)}, this is ")
    changed = series.copy(deep=True)
    changed["intensity"][5, 7] += 1
    (text,) = provenance.differences(results, changed, model)
    assert text.startswith("encode: intensity was ")
    axis = series["two_theta"]
    wider = series.assign_coords(two_theta=axis.copy(data=axis.values + 0.001))
    (text,) = provenance.differences(results, wider, model)
    assert text.startswith("encode: axis was ")
    assert len(provenance.differences(results, series[{"pattern": slice(20)}], model)) == 2


def test_any_changed_intensity_is_noticed_of_what_was_trained_on(simulated_series):
    many = simulated_series(100, 50)
    settings = {"steps": 20, "members": 1, "progress": False}
    before = many.xrdae.fit(**settings).provenance["data"]
    many["intensity"][2, 7] += 1  # between two of those chosen
    after = many.xrdae.fit(**settings).provenance["data"]
    assert (before["sampled"], before["intensity"]) == (64, after["intensity"])
    assert before["trained_on"] != after["trained_on"]
    relabelled = many.assign_coords(x=many["x"] + 1).xrdae.fit(**settings).provenance["data"]
    assert relabelled["trained_on"] == after["trained_on"]
    assert relabelled["labels"] != after["labels"]


def swapped(array: xr.DataArray) -> xr.DataArray:
    return array.copy(data=array.values.astype(array.dtype.newbyteorder(">")))


def in_radian(dataset: xr.Dataset) -> xr.Dataset:
    axis = ("two_theta", np.radians(dataset["two_theta"].values), {"units": "rad"})
    return dataset.assign_coords(two_theta=axis)


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.transpose("two_theta", "pattern"),
        lambda ds: ds.isel(two_theta=slice(None, None, -1)),
        lambda ds: ds.assign(intensity=swapped(ds["intensity"]), x=swapped(ds["x"])),
        lambda ds: ds.assign(intensity=ds["intensity"].astype(np.float32)),
        lambda ds: ds.assign(intensity=ds["intensity"].astype(np.int32)),
        lambda ds: ds.assign_coords(extra=("pattern", np.arange(24))),
        in_radian,
        lambda ds: ds.chunk(pattern=5, two_theta=40),
        lambda ds: ds.assign(mask=xr.zeros_like(ds["intensity"], bool)),
    ],
)
def test_the_fingerprint_of_data_does_not_depend_on_their_form(series, change):
    assert data_of(change(series), labels=["x"], read=True) == data_of(series, labels=["x"])


def test_the_fingerprint_of_data_survives_files(series, tmp_path):
    before = data_of(series, labels=["x"])
    series.to_netcdf(tmp_path / "data.nc")
    series.chunk(pattern=5).to_zarr(tmp_path / "data.zarr", zarr_format=2)
    for name, engine in (("data.nc", "netcdf4"), ("data.zarr", "zarr")):
        for chunks in (None, {}):
            with xr.open_dataset(tmp_path / name, engine=engine, chunks=chunks) as dataset:
                after = data_of(dataset, labels=["x"], read=True)
            assert after.pop("files", [name]) == [name]  # Zarr does not say it
            assert after == before


def test_the_fingerprint_of_a_map_does_not_depend_on_the_order_of_its_dimensions(series):
    grid = series.drop_vars("x").coarsen(pattern=6).construct(pattern=("y", "x"))
    assert data_of(grid) == data_of(grid.transpose("x", "two_theta", "y"))
    assert data_of(grid) != data_of(grid.isel(y=slice(None, None, -1)))


def test_masked_channels_are_part_of_the_fingerprint_and_hidden_values_are_not(series):
    mask = series["intensity"] > 1000
    masked = series.assign(mask=mask)
    hidden = masked.assign(intensity=masked["intensity"].where(~mask, 7.0))
    assert data_of(masked) == data_of(hidden)
    assert data_of(masked)["intensity"] != data_of(series)["intensity"]


def test_numbers_have_one_fingerprint_whatever_their_type_and_shapes_count():
    values = np.arange(6.0)
    assert (
        hash_values(values)
        == hash_values(values.astype(np.uint8))
        == hash_values(values.astype(">f4"))
    )
    assert hash_values(np.array([0.0, np.nan])) == hash_values(np.array([-0.0, -np.nan]))
    assert hash_values(values) != hash_values(values.reshape(2, 3))
    assert hash_values("a", "b") != hash_values("ab")


def test_a_model_has_one_fingerprint_in_memory_in_its_file_and_on_any_device(
    series, model, tmp_path
):
    model.save(tmp_path / "model.nc")
    found = xrdae.load_model(tmp_path / "model.nc", device="cpu")
    assert provenance.fingerprint(found) == provenance.fingerprint(model)
    other = series.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)
    assert provenance.fingerprint(other) == provenance.fingerprint(model)
    mean = model.autoencoder.preparation.mean.copy()
    mean[3] = np.nextafter(mean[3], 1)
    parts = dataclasses.replace(model.autoencoder.preparation, mean=mean)
    changed = dataclasses.replace(model.autoencoder, preparation=parts)
    moved = xrdae.Model(dataclasses.replace(model.fitted, autoencoder=changed))
    assert provenance.fingerprint(moved) != provenance.fingerprint(model)


def test_every_result_has_the_step_that_made_it_last(series, model):
    out = series.xrdae.encode(model).xrdae.estimate(model, "x").xrdae.encode(model)
    assert [entry["step"] for entry in steps(out)] == ["estimate", "encode"]
    out = out.xrdae.relevance(model, label="x").xrdae.relevance(model, regions=5)
    assert [entry["step"] for entry in steps(out)] == ["estimate", "encode", "relevance"]
    assert steps(out)[-1]["arguments"]["regions"] == 5
    out = out.drop_vars("x_std").xrdae.reconstruct(model)
    assert steps(out)[0]["results"] == ["x_estimate", "x_low", "x_high"]
    assert [entry["step"] for entry in steps(xrdae.analyze(series, model))] == [
        "encode",
        "relevance",
    ]


def test_results_of_two_models_name_both(series, model):
    other = series.xrdae.fit(steps=20, members=1, n_latent=3, progress=False)
    out = series.xrdae.encode(model).xrdae.relevance(other)
    assert steps(out)[0]["results"] == [
        "reconstruction_error",
        "novelty",
    ]  # the latents had two axes
    known = provenance.read_provenance(out.attrs)["models"]
    assert list(known) == [provenance.fingerprint(m) for m in (model, other)]
    assert [made["config"]["n_latent"] for made in known.values()] == [2, 3]
    again = out.xrdae.encode(other)
    assert list(provenance.read_provenance(again.attrs)["models"]) == [
        provenance.fingerprint(other)
    ]


def test_an_updated_model_and_its_results_name_the_models_before_it(series, simulated_series):
    models = [series.xrdae.fit(steps=20, members=1, progress=False)]
    for seed in range(1, 13):
        further = simulated_series(12, seed=seed)
        models.append(further.xrdae.fit(update=models[-1], steps=2, progress=False))
    before = models[-1].provenance["updated_from"]
    assert [one["fingerprint"] for one in before] == list(map(provenance.fingerprint, models[2:12]))
    assert before[-1]["data"] == models[-2].provenance["data"]
    again = further.xrdae.fit(update=models[-2], steps=2, progress=False)
    assert provenance.fingerprint(again) == provenance.fingerprint(models[-1])
    (made,) = provenance.read_provenance(series.xrdae.encode(again).attrs)["models"].values()
    assert made["updated_from"][-1] == {
        "fingerprint": provenance.fingerprint(models[-2]),
        "command": None,
        "trained_on": models[-2].provenance["data"]["trained_on"],
    }


def test_results_of_a_plugin_without_provenance_have_none(series, model):
    before = series.xrdae.encode(model)
    result = xr.Dataset({name: before[name] for name in ("latent", "latent_std")})
    out = plugins.manager().hook.xrdae_attach(obj=before, result=result)
    assert [e["results"] for e in steps(out)] == [["reconstruction_error", "novelty"]]
    inputs = model.model_input(series)
    (entry,) = steps(model.encode(series, inputs=inputs))
    assert entry["model_input"] == "given by a plugin or the caller"


def test_an_attribute_of_others_by_that_name_is_replaced(series, model):
    for text in ("no JSON", "[]", '{"steps": [1, {"step": "encode"}]}', 7):
        out = series.assign_attrs(xrdae_provenance=text).xrdae.encode(model)
        assert [entry["step"] for entry in steps(out)] == ["encode"]


def test_lazy_patterns_stay_lazy_and_have_no_fingerprint(series, model):
    lazy = series.chunk(pattern=10)
    (entry,), (eager,) = steps(lazy.xrdae.encode(model)), steps(series.xrdae.encode(model))
    assert (entry["data"]["intensity"], entry["data"]["sampled"]) == (None, 0)
    assert entry["data"]["axis"] == eager["data"]["axis"]
    assert provenance.differences(lazy.xrdae.encode(model), series, model) == []
    results = series.xrdae.encode(model)
    assert provenance.differences(results, lazy, model) == []

    def refuse(block):
        raise AssertionError("computed")

    raising = lazy["intensity"].data.map_blocks(refuse, dtype=float, meta=np.empty((0, 0)))
    unread = lazy.assign(intensity=(("pattern", "two_theta"), raising))
    assert unread.xrdae.encode(model).chunks


def test_provenance_of_an_appended_store_has_the_axis_but_no_patterns(series, model):
    results = series.xrdae.encode(model)
    results.attrs = provenance.generalize_provenance(results.attrs)
    assert steps(results)[0]["data"].keys() == {"variable", "dim", "axis"}
    assert provenance.differences(results, series[{"pattern": slice(5)}], model) == []
    axis = series["two_theta"]
    moved = series.assign_coords(two_theta=axis.copy(data=axis.values + 0.001))
    assert len(provenance.differences(results, moved, model)) == 1


def test_only_the_command_line_records_a_command(folder, series, model):
    made = xrdae.load_model(folder / "model.nc").provenance
    assert made["command"] == (
        "xrdae fit data.nc -o model.nc --members 2 --seed 3 --background snip"
    )
    assert model.provenance["command"] is None
    assert steps(series.xrdae.encode(model))[0]["command"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", made["time"])
    assert "time" not in json.dumps(series.xrdae.encode(model).attrs).replace("two_theta", "")


def test_info_says_how_models_and_results_were_made(folder):
    model = xrdae.load_model(folder / "model.nc")
    fingerprint = provenance.fingerprint(model)
    said = run("info", folder / "model.nc")
    assert fingerprint in said
    assert "xrdae fit data.nc -o model.nc" in said
    assert model.provenance["data"]["trained_on"] in said
    found = json.loads(run("info", folder / "model.nc", "--json"))["provenance"]
    assert found["fingerprint"] == fingerprint
    assert found["config"]["seed"] == 3
    said = run("info", folder / "results.nc")
    assert "Step 2: relevance" in said
    assert 'regions=4.0, fill="conditional"' in said
    assert said.count(fingerprint) == 3
    found = json.loads(run("info", folder / "results.nc", "--json"))["provenance"]
    assert found == provenance.read_provenance(opened(folder / "results.nc").attrs)


def test_info_says_how_results_were_made_that_are_kept_without_their_patterns(folder, tmp_path):
    opened(folder / "latents.nc").drop_vars("intensity").to_netcdf(tmp_path / "latents.nc")
    said = run("info", tmp_path / "latents.nc")
    assert "Step 1: encode" in said
    assert "no intensity" in said


def test_names_of_many_files_are_counted_and_folders_left_out(series, model):
    few = series.isel(pattern=slice(3)).assign_coords(
        file=("pattern", ["/home/me/a.xy", r"C:\data\b.xy", "https://host/c.xy?key=secret"])
    )
    assert data_of(few)["files"] == ["a.xy", "b.xy", "c.xy"]
    many = series.assign_coords(file=("pattern", [f"{i}.xy" for i in range(24)]))
    found = data_of(many)["files"]
    assert (found["count"], found["first"], found["last"]) == (24, "0.xy", "23.xy")
    assert found["sha256"] != data_of(many.isel(pattern=slice(23)))["files"]["sha256"]


def test_the_attribute_is_bounded_whatever_is_in_it(series, model, tmp_path):
    long = "x" * 1_000_000
    named = series.assign_coords(
        {long: ("pattern", series["x"].values), "file": ("pattern", [long] * 24)}
    ).assign_attrs(title="kept")
    wordy = named.xrdae.fit(steps=20, members=1, progress=False)
    with provenance.record_command(["xrdae", *[long] * 3]):
        out = named.xrdae.encode(wordy).xrdae.estimate(wordy, long)
        out = out.xrdae.relevance(wordy, regions=np.tile([24.0, 27.0], (500, 1)))
        for label in (long, "x"):
            out = out.xrdae.synthesize(wordy, at={label: [0.5] * 250})
    assert [e["step"] for e in steps(out)] == ["encode", "estimate", "relevance", "synthesize"]
    assert steps(out)[2]["arguments"]["regions"]["shape"] == [500, 2]
    for i in range(100):
        step = xr.Dataset({f"{i}_{n}": ("pattern", np.zeros(24)) for n in range(100)})
        step = provenance.attach_provenance(
            step, "estimate", wordy, wordy.patterns(series), label=str(i)
        )
        out.attrs = provenance.merge_attrs([out.attrs, step.attrs])
    assert len(out.attrs["xrdae_provenance"]) <= provenance.LARGEST
    assert steps(out)[-1]["arguments"] == {"label": "99"}
    with h5py.File(tmp_path / "small.h5", "w") as file:  # refuses attributes beyond 64 kB
        file.attrs.update(out.attrs)
        assert provenance.read_provenance(file.attrs) == provenance.read_provenance(out.attrs)


@pytest.mark.parametrize("attribute", ["xrdae_provenance", "xrdae_skipped"])
@pytest.mark.parametrize(
    "value",
    [
        "[" * 100_000,
        '{"a":' * 900 + "1" + "}" * 900,
        "{",
        5,
        "[1]",
        '{"steps": 1}',
        '{"steps": [[]]}',
        '{"models": {"a": 1}}',
        '{"models": {"a": {"data": {"files": 3}}}}',
        '{"steps": [{"step": 1, "results": 2, "arguments": 3, "model": 4, "data": 5}]}',
        '{"steps": [{"step": "a", "results": [[1]], "arguments": {}, "model": "", "data": {}}]}',
    ],
)
def test_attributes_of_other_programs_are_not_results(series, attribute, value):
    described = describe.describe_dataset(series.assign_attrs({attribute: value}))
    assert described["Data"]["results"].startswith("none yet")
