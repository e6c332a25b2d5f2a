"""Model files: exact, whole or not at all, and readable by anybody."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from xrdae.analysis import verbs
from xrdae.autoencoder.fitted import Fitted
from xrdae.config import Config
from xrdae.storage import checksum

sys.path.insert(0, str(Path(__file__).with_name("models")))
from make import patterns, spectra

FORMATS = Path(__file__).with_name("models")


def given_to(path):
    """What the model of a format was fitted to."""
    return spectra() if path.stem.endswith("other") else patterns()


@pytest.fixture(scope="module")
def full(series):
    """A model with every setting away from its default and labels of several types."""
    rich = series.assign_coords(
        frame=("pattern", np.arange(series.sizes["pattern"])),
        gaps=("pattern", [np.nan, *range(series.sizes["pattern"] - 1)], {"units": "K"}),
    )
    config = Config(
        grid="log_q",
        points=150,
        background="snip",
        background_options={"max_half_window": 20},
        scale="area",
        transform="sqrt",
        rank=9,
        n_latent=3,
        members=2,
        hidden=(12, 8),
        steps=12,
        seed=5,
    )
    return xrdae.Model.fit(rich, config)


@pytest.fixture
def saved(full, tmp_path):
    full.save(tmp_path / "model.nc")
    return tmp_path / "model.nc"


def _equal(one, other):
    """Compare two parts of a model, down to every array and every type."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, xr.Dataset):
        xr.testing.assert_identical(one, other)
        assert {k: v.dtype for k, v in one.variables.items()} == {
            k: v.dtype for k, v in other.variables.items()
        }
    elif dataclasses.is_dataclass(one) and not isinstance(one, Config):
        for field in dataclasses.fields(one):
            _equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _equal(a, b)
    else:
        assert one == other


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(Fitted)])
def test_every_part_of_a_model_comes_back_exactly(full, saved, part):
    _equal(getattr(full, part), getattr(xrdae.load_model(saved), part))


def test_a_label_that_is_the_index_of_the_patterns_comes_back(series, tmp_path):
    indexed = series.assign_coords(pattern=("pattern", np.arange(24) * 0.5, {"units": "mm"}))
    model = indexed.xrdae.fit(steps=2, members=1)
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    _equal(model.labels, loaded.labels)
    xr.testing.assert_identical(indexed.xrdae.encode(loaded), indexed.xrdae.encode(model))


def test_the_default_model_comes_back_exactly(model, tmp_path):
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    for field in dataclasses.fields(Fitted):
        _equal(getattr(model, field.name), getattr(loaded, field.name))


def test_a_loaded_model_synthesizes_without_finding_its_mixture_again(
    model, series, tmp_path, monkeypatch
):
    expected = series.xrdae.synthesize(model, between=(3, 7))
    model.save(tmp_path / "model.nc")
    monkeypatch.setattr(verbs, "find_mixture", None)
    loaded = xrdae.load_model(tmp_path / "model.nc")
    found = series.xrdae.synthesize(loaded, between=(3, 7))
    xr.testing.assert_identical(found["synthesized"], expected["synthesized"])
    assert found.attrs["xrdae_mixture"] == expected.attrs["xrdae_mixture"]


def test_a_loaded_model_saves_again_to_an_equal_model(full, saved, tmp_path):
    xrdae.load_model(saved).save(tmp_path / "again.nc")
    again = xrdae.load_model(tmp_path / "again.nc")
    for field in dataclasses.fields(Fitted):
        _equal(getattr(full, field.name), getattr(again, field.name))


def test_a_model_without_a_wavelength_comes_back_without_one(series, tmp_path):
    without = series.drop_vars("wavelength").xrdae.fit(steps=2, members=2)
    without.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    assert without.autoencoder.preparation.axis.wavelength is None
    assert loaded.autoencoder.preparation.axis.wavelength is None


def test_a_label_that_is_the_index_of_its_dimension_comes_back(series, tmp_path):
    indexed = series.swap_dims(pattern="x").rename(x="temperature")
    model = indexed.xrdae.fit(steps=2, members=2)
    model.save(tmp_path / "model.nc")
    xr.testing.assert_identical(xrdae.load_model(tmp_path / "model.nc").labels, model.labels)
    assert "temperature" in model.labels


@pytest.mark.parametrize("name", ["Ti/Fe", "wt %", "temperature (K)", "größe"])
def test_a_label_of_any_name_can_be_saved(series, tmp_path, name):
    model = series.rename(x=name).xrdae.fit(steps=2, members=2)
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    np.testing.assert_array_equal(loaded.labels[name], series["x"])


def test_labels_of_half_precision_and_with_any_attributes_can_be_saved(series, tmp_path):
    values = np.arange(series.sizes["pattern"])
    attrs = {"units": "", "NAME": "a", "_FillValue": 3, "a/b": 1, " ": 2, "größe": "é" * 40_000}
    labelled = series.assign_coords(half=("pattern", values.astype("f2"), attrs))
    model = labelled.xrdae.fit(steps=2, members=2)
    model.save(tmp_path / "model.nc")
    labels = xrdae.load_model(tmp_path / "model.nc").labels
    np.testing.assert_array_equal(labels["half"], values)
    assert labels["half"].attrs == model.labels["half"].attrs
    assert labels["half"].attrs == {"units": "", "größe": "é" * 40_000}


# ---------------------------------------------------------------- what is in the file


def test_anybody_can_open_the_file_with_xarray(full, saved):
    with xr.open_datatree(saved) as tree:
        assert tree.attrs["format"] == "xrdae-model"
        assert set(tree.children) == {
            "preparation",
            "basis",
            "ensemble",
            "support",
            "mixture",
            "labels",
            "history",
        }
        np.testing.assert_array_equal(tree["basis/components"], full.autoencoder.basis.components)
        assert tree["preparation/axis"].attrs["units"] == "1/angstrom"


def test_nothing_in_the_file_can_run(saved):
    with xr.open_datatree(saved, decode_cf=False) as tree:
        for node in tree.subtree:
            for name, variable in node.variables.items():
                assert variable.dtype.kind in "iuf", (node.path, name, variable.dtype)
            for attrs in (node.attrs, *(v.attrs for v in node.variables.values())):
                for name, value in attrs.items():
                    assert isinstance(value, str | int | float | np.number), (node.path, name)


def test_loading_never_unpickles(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert xrdae.load_model(saved).n_latent == 3


# ---------------------------------------------------------------- whole or not at all


def test_a_write_that_fails_leaves_the_file_that_was_there(model, tmp_path, monkeypatch):
    target = tmp_path / "model.nc"
    model.save(target)
    before = target.read_bytes()

    def fails(self, path, **kwargs):
        path.write_bytes(b"half a file")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails)
    with pytest.raises(OSError, match="no space left"):
        model.save(target)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.nc"]


def test_a_first_write_that_fails_leaves_nothing(model, tmp_path, monkeypatch):
    def fails(self, path, **kwargs):
        path.write_bytes(b"half a file")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails)
    with pytest.raises(OSError, match="no space left"):
        model.save(tmp_path / "model.nc")
    assert list(tmp_path.iterdir()) == []


def test_saving_twice_replaces_the_file_and_leaves_only_it(model, full, tmp_path):
    target = tmp_path / "model.nc"
    model.save(target)
    full.save(str(target))
    assert xrdae.load_model(target).n_latent == full.n_latent
    assert [p.name for p in tmp_path.iterdir()] == ["model.nc"]


def test_saving_over_the_file_that_a_model_was_loaded_from_works(saved):
    loaded = xrdae.load_model(saved)
    loaded.save(saved)
    assert xrdae.load_model(saved).n_latent == loaded.n_latent


def test_saving_to_a_missing_folder_is_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        model.save(tmp_path / "missing" / "model.nc")


# ---------------------------------------------------------------- files that are no models


def _rewrite(path, change):
    with xr.open_datatree(path, decode_cf=False) as opened:
        tree = opened.load()
    changed = change(tree)
    path.unlink()
    (tree if changed is None else changed).to_netcdf(path, engine="netcdf4")
    checksum.close(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nc"):
        xrdae.load_model(tmp_path / "nowhere.nc")


def test_a_text_file_is_refused_as_a_model(tmp_path):
    path = tmp_path / "notes.nc"
    path.write_text("two_theta intensity\n1 2\n")
    with pytest.raises(xrdae.FormatError, match=r"notes\.nc.*netCDF4"):
        xrdae.load_model(path)


def test_half_a_file_is_refused_as_a_model(saved):
    saved.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(xrdae.FormatError, match=r"model\.nc"):
        xrdae.load_model(saved)


def test_a_dataset_is_refused_as_a_model(series, tmp_path):
    series.to_netcdf(tmp_path / "data.nc")
    with pytest.raises(xrdae.FormatError, match=r"data\.nc.*not an xrdae model"):
        xrdae.load_model(tmp_path / "data.nc")


@pytest.mark.parametrize("version", [6, 0, -1, 10**15, "new", 3.0, [3, 3]])
def test_a_file_of_another_version_says_to_update(saved, version):
    _rewrite(saved, lambda tree: tree.attrs.update(format_version=version))
    with pytest.raises(xrdae.FormatError, match=r"has model format .*update xrdae"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    "group", ["preparation", "basis", "ensemble", "support", "mixture", "labels", "history"]
)
def test_a_file_without_a_group_is_damaged(saved, group):
    def without(tree):
        del tree[group]

    _rewrite(saved, without)
    with pytest.raises(xrdae.FormatError, match=rf"model\.nc.*damaged.*{group}"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    ("name", "replace"),
    [
        ("basis", lambda ds: ds.isel(component=slice(0, -1))),
        ("support", lambda ds: ds.isel(latent_axis=[0])),
        ("preparation", lambda ds: ds.isel(channel=slice(0, -1))),
        ("preparation", lambda ds: ds.drop_vars("mean")),
        ("preparation", lambda ds: ds.assign_attrs(axis_kind="energy")),
        ("ensemble", lambda ds: ds.drop_vars("decoder_1_weight")),
    ],
    ids=["components", "latents", "channels", "no mean", "axis kind", "a layer"],
)
def test_parts_that_do_not_fit_together_are_damage(saved, name, replace):
    def change(tree):
        tree[name] = xr.DataTree(replace(tree[name].to_dataset()))

    _rewrite(saved, change)
    with pytest.raises(xrdae.FormatError, match="damaged"):
        xrdae.load_model(saved)


def test_settings_that_cannot_be_read_are_damage(saved):
    _rewrite(saved, lambda tree: tree.attrs.update(config='{"members": 0}'))
    with pytest.raises(xrdae.FormatError, match=r"damaged.*members=0"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 40 + "1" + "}" * 40, "[]", "1", "{"])
@pytest.mark.parametrize("name", ["config", "provenance"])
def test_json_of_another_form_is_damage(saved, name, text):
    _rewrite(saved, lambda tree: tree.attrs.update({name: text}))
    with pytest.raises(xrdae.FormatError, match=r"model\.nc.*damaged"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    "provenance", [{"versions": 1}, {"data": []}, {"updated_from": [{"command": 1}]}]
)
def test_provenance_of_another_kind_is_damage(saved, provenance):
    _rewrite(saved, lambda tree: tree.attrs.update(provenance=json.dumps(provenance)))
    with pytest.raises(xrdae.FormatError, match=r"damaged.*provenance"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("preparation/axis", np.nan),
        ("preparation/axis", 1.0),
        ("preparation/mean", np.inf),
        ("basis/components", np.nan),
        ("basis/variance", -1.0),
        ("ensemble/encoder_0_weight", np.nan),
        ("support/limits", 0.0),
        ("support/residual_scale", -1.0),
        ("support/latents", np.inf),
    ],
)
def test_numbers_that_no_model_has_are_damage(saved, name, value):
    def change(tree):
        tree[name][:] = value

    _rewrite(saved, change)
    with pytest.raises(xrdae.FormatError, match=f"damaged.*{name.rpartition('/')[2]}"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("value", [np.nan, -1.0, "1", [1.0, 2.0], 0.0])
def test_a_gain_must_be_a_positive_number(saved, value):
    _rewrite(saved, lambda tree: tree["preparation"].attrs.update(gain=value))
    with pytest.raises(xrdae.FormatError, match=r"damaged.*gain"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("names", [["latent"] * 4, ["a", "b", "c", "d"], {"latent": 1}, "latent"])
def test_names_of_labels_that_cannot_be_are_damage(saved, names):
    _rewrite(saved, lambda tree: tree["labels"].attrs.update(names=json.dumps(names)))
    with pytest.raises(xrdae.FormatError, match=r"damaged.*names"):
        xrdae.load_model(saved)


# ---------------------------------------------------------------- hostile and damaged files


def test_a_file_that_ends_early_is_refused_wherever(saved, tmp_path):
    content = saved.read_bytes()
    for count in (*range(0, len(content), 4096), len(content) - 1, len(content) - checksum.SIZE):
        (tmp_path / "cut.nc").write_bytes(content[:count])
        with pytest.raises(xrdae.FormatError, match=r"cut\.nc"):
            xrdae.load_model(tmp_path / "cut.nc")


def test_a_bit_that_flips_is_never_loaded(saved, tmp_path):
    content = saved.read_bytes()
    for at in (*range(0, len(content), 997), *range(len(content) - checksum.SIZE, len(content))):
        changed = bytearray(content)
        changed[at] ^= 1
        (tmp_path / "flipped.nc").write_bytes(changed)
        with pytest.raises(xrdae.FormatError, match=r"flipped\.nc"):
            xrdae.load_model(tmp_path / "flipped.nc")


def _forge(path, change):
    h5py = pytest.importorskip("h5py")
    path.write_bytes(path.read_bytes()[: -checksum.SIZE])
    with h5py.File(path, "r+", libver="v108") as file:
        change(file, h5py)
    checksum.close(path)


def test_a_file_that_points_to_another_one_does_not_have_it_read(saved, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(10**4, "f4").tobytes())
    secret.chmod(0)

    def external(file, h5py):
        shape = file["preparation/mean"].shape
        del file["preparation/mean"]
        file["preparation"].create_dataset("mean", shape, "f4", external=[(secret, 0, 10**4)])

    _forge(saved, external)
    with pytest.raises(xrdae.FormatError, match=r"damaged.*mean: .*lies in another file"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("kind", ["SoftLink", "ExternalLink"])
def test_links_are_not_followed(saved, tmp_path, kind):
    def link(file, h5py):
        del file["support"]
        where = ("/basis",) if kind == "SoftLink" else (FORMATS / "format_3.nc", "support")
        file["support"] = getattr(h5py, kind)(*where)

    _forge(saved, link)
    with pytest.raises(xrdae.FormatError, match=r"damaged.*'support' is a link"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("compression", [None, 9])
def test_an_array_that_declares_terabytes_is_refused(saved, compression):
    def declare(file, h5py):
        del file["basis/components"]
        file["basis"].create_dataset(
            "components", (10**6, 10**6), "f4", chunks=(1, 10**4), compression=compression
        )

    _forge(saved, declare)
    with pytest.raises(xrdae.FormatError, match=r"damaged.*components"):
        xrdae.load_model(saved)


def test_a_folder_and_a_pipe_are_refused_as_models(tmp_path):
    with pytest.raises(IsADirectoryError, match="folder"):
        xrdae.load_model(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(xrdae.FormatError, match="no regular file"):
        xrdae.load_model(tmp_path / "pipe")


def test_a_model_that_would_not_load_again_does_not_take_the_place_of_one(model, tmp_path):
    target = tmp_path / "model.nc"
    model.save(target)
    strange = xrdae.Model(dataclasses.replace(model.fitted, provenance={"versions": "none"}))
    with pytest.raises(xrdae.FormatError, match="damaged"):
        strange.save(target)
    xrdae.load_model(target)
    assert [p.name for p in tmp_path.iterdir()] == ["model.nc"]


# ---------------------------------------------------------------- files of earlier formats


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*.nc")), ids=lambda path: path.stem)
def test_a_file_of_every_format_gives_the_latents_that_it_gave(path):
    expected = np.loadtxt(path.with_suffix(".csv"), delimiter=",")
    model = xrdae.load_model(path)
    out = given_to(path).xrdae.encode(model)
    np.testing.assert_allclose(out["latent"], expected[:, :2], atol=1e-5)
    np.testing.assert_allclose(out["reconstruction_error"], expected[:, 2], rtol=1e-3)
    # Of format 1 what the basis leaves over is measured in other bins than when it was written.
    atol = 0.2 if path.stem == "format_1" else 1e-3
    np.testing.assert_allclose(out["novelty"], expected[:, 3], atol=atol)
    np.testing.assert_array_equal(out["novelty"] > 1, expected[:, 3] > 1)
    assert "xarray" in model.provenance["versions"]
    assert model.labels["x"].attrs["units"] == "Å"
    assert model.label_names() == ["Ti/Fe", "x"]


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*.nc")), ids=lambda path: path.stem)
def test_a_file_of_every_format_saves_again_as_the_present_one(path, tmp_path):
    model = xrdae.load_model(path)
    model.save(tmp_path / "again.nc")
    again = xrdae.load_model(tmp_path / "again.nc")
    for field in dataclasses.fields(Fitted):
        _equal(getattr(model, field.name), getattr(again, field.name))
    assert out_of(model, path) == out_of(again, path)


def out_of(model, path):
    """Return what a model makes of its patterns, by every step that needs its parts."""
    given = given_to(path)
    made = given.xrdae.encode(model).xrdae.relevance(model)
    made = made.merge(given.xrdae.synthesize(model, between=(0, 9)).drop_vars("x"))
    return [values.values.tolist() for values in made.data_vars.values()]


def test_files_of_an_earlier_format_need_no_seal_but_their_checksums_hold(tmp_path):
    content = bytearray((FORMATS / "format_2.nc").read_bytes())
    content[content.index(b"xrdae-model") - 3] ^= 1
    (tmp_path / "old.nc").write_bytes(content)
    with pytest.raises(xrdae.FormatError, match=r"old\.nc.*checksum"):
        xrdae.load_model(tmp_path / "old.nc")
