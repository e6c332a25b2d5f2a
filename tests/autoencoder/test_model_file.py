"""Model files: saved, loaded, replaced, and of every format."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from make import patterns, spectra
from xrdae.analysis import model_methods
from xrdae.autoencoder.fitted import Fitted
from xrdae.config import Config

FORMATS = Path(__file__).with_name("models")


def given_to(path):
    """What the model of a format was fitted to."""
    return spectra() if path.stem.endswith("other") else patterns()


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
            _equal(_part(one, field.name), _part(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _equal(a, b)
    else:
        assert one == other


def _part(model, name):
    """Return a part of a model; the mixture is computed if there is none yet."""
    return getattr(model.fitted if name == "reference" else model, name)


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(Fitted)])
def test_every_part_of_a_model_comes_back_exactly(full, saved, part):
    _equal(_part(full, part), _part(xrdae.load_model(saved), part))


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
        _equal(_part(model, field.name), _part(loaded, field.name))


def test_a_loaded_model_synthesizes_without_finding_its_mixture_again(
    model, series, tmp_path, monkeypatch
):
    expected = series.xrdae.synthesize(model, between=(3, 7))
    model.save(tmp_path / "model.nc")
    monkeypatch.setattr(model_methods, "find_mixture", None)
    loaded = xrdae.load_model(tmp_path / "model.nc")
    found = series.xrdae.synthesize(loaded, between=(3, 7))
    xr.testing.assert_identical(found["synthesized"], expected["synthesized"])
    assert found.attrs["xrdae_mixture"] == expected.attrs["xrdae_mixture"]


def test_a_loaded_model_saves_again_to_an_equal_model(full, saved, tmp_path):
    xrdae.load_model(saved).save(tmp_path / "again.nc")
    again = xrdae.load_model(tmp_path / "again.nc")
    for field in dataclasses.fields(Fitted):
        _equal(_part(full, field.name), _part(again, field.name))


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


def test_anybody_can_open_the_file_with_xarray(full, saved):
    with xr.open_datatree(saved) as tree:
        assert tree.attrs["format"] == "xrdae-model"
        assert set(tree.children) == {
            "preparation",
            "basis",
            "ensemble",
            "support",
            "mixture",
            "component_weights",
            "labels",
            "history",
            "reference",
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


def test_a_model_that_would_not_load_again_does_not_take_the_place_of_one(model, tmp_path):
    target = tmp_path / "model.nc"
    model.save(target)
    strange = xrdae.Model(dataclasses.replace(model.fitted, provenance={"versions": "none"}))
    with pytest.raises(xrdae.FormatError, match="damaged"):
        strange.save(target)
    xrdae.load_model(target)
    assert [p.name for p in tmp_path.iterdir()] == ["model.nc"]


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
        _equal(_part(model, field.name), _part(again, field.name))
    assert out_of(model, path) == out_of(again, path)


def out_of(model, path):
    """Return what a model makes of its patterns, by every step that needs its parts."""
    given = given_to(path)
    made = given.xrdae.encode(model).xrdae.relevance(model, fill="background")
    made = made.merge(given.xrdae.synthesize(model, between=(0, 9)).drop_vars("x"))
    return [values.values.tolist() for values in made.data_vars.values()]


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*.nc")), ids=lambda path: path.stem)
def test_relevance_of_an_earlier_format_needs_a_mask_or_a_reference(path):
    given, model = given_to(path), xrdae.load_model(path)
    assert model.fitted.reference is None  # of formats 1 to 6
    for options in ({}, {"label": "x"}, {"fill": "zero", "label": "x"}):
        with pytest.raises(xrdae.DataError, match=r"keeps no .*reference=.*fill='background'"):
            given.xrdae.relevance(model, **options)
    masked = given.xrdae.relevance(model, fill="background")
    assert "relevance_verdict" not in masked
    xr.testing.assert_equal(xrdae.analyze(given, model)["relevance"], masked["relevance"])
    compared = given.xrdae.relevance(model, reference=given, label="x")
    assert compared["relevance_verdict"].dims == compared["x_verdict"].dims == ("region",)
    assert np.isfinite(compared["relevance"]).all()


def test_files_of_an_earlier_format_need_no_seal_but_their_checksums_hold(tmp_path):
    content = bytearray((FORMATS / "format_2.nc").read_bytes())
    content[content.index(b"xrdae-model") - 3] ^= 1
    (tmp_path / "old.nc").write_bytes(content)
    with pytest.raises(xrdae.FormatError, match=r"old\.nc.*checksum"):
        xrdae.load_model(tmp_path / "old.nc")
