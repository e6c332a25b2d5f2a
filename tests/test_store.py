"""Model files: exact, whole or not at all, and readable by anybody."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from xrdae.config import Config


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


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(xrdae.Model)])
def test_every_part_of_a_model_comes_back_exactly(full, saved, part):
    _equal(getattr(full, part), getattr(xrdae.load_model(saved), part))


def test_the_default_model_comes_back_exactly(model, tmp_path):
    model.save(tmp_path / "model.nc")
    loaded = xrdae.load_model(tmp_path / "model.nc")
    for field in dataclasses.fields(model):
        _equal(getattr(model, field.name), getattr(loaded, field.name))


def test_a_loaded_model_saves_again_to_an_equal_model(full, saved, tmp_path):
    xrdae.load_model(saved).save(tmp_path / "again.nc")
    again = xrdae.load_model(tmp_path / "again.nc")
    for field in dataclasses.fields(full):
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


# ---------------------------------------------------------------- what is in the file


def test_anybody_can_open_the_file_with_xarray(full, saved):
    with xr.open_datatree(saved) as tree:
        assert tree.attrs["format"] == "xrdae-model"
        assert set(tree.children) == {
            "preparation",
            "basis",
            "ensemble",
            "support",
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


def test_saving_into_a_folder_that_is_not_there_says_so(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        model.save(tmp_path / "missing" / "model.nc")


# ---------------------------------------------------------------- files that are no models


def _rewrite(path, change):
    with xr.open_datatree(path, decode_cf=False) as opened:
        tree = opened.load()
    changed = change(tree)
    path.unlink()
    (tree if changed is None else changed).to_netcdf(path, engine="netcdf4")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nc"):
        xrdae.load_model(tmp_path / "nowhere.nc")


def test_a_text_file_is_no_model(tmp_path):
    path = tmp_path / "notes.nc"
    path.write_text("two_theta intensity\n1 2\n")
    with pytest.raises(xrdae.FormatError, match=r"notes\.nc.*netCDF4"):
        xrdae.load_model(path)


def test_half_a_file_is_no_model(saved):
    saved.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(xrdae.FormatError, match=r"model\.nc"):
        xrdae.load_model(saved)


def test_a_dataset_is_no_model(series, tmp_path):
    series.to_netcdf(tmp_path / "data.nc")
    with pytest.raises(xrdae.FormatError, match=r"data\.nc.*not an xrdae model"):
        xrdae.load_model(tmp_path / "data.nc")


@pytest.mark.parametrize("version", [3, 1, "new"])
def test_a_file_of_another_version_says_to_update(saved, version):
    _rewrite(saved, lambda tree: tree.attrs.update(format_version=version))
    with pytest.raises(xrdae.FormatError, match=rf"format {version}.*update xrdae"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    "group", ["preparation", "basis", "ensemble", "support", "labels", "history"]
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


def test_a_format_error_is_a_value_error():
    assert issubclass(xrdae.FormatError, ValueError)
