"""Damaged, forged and other files are refused as models."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.storage import checksum

FORMATS = Path(__file__).with_name("models")


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


@pytest.mark.parametrize("version", [8, 0, -1, 10**15, "new", 3.0, [3, 3]])
def test_a_file_of_another_version_says_to_update(saved, version):
    _rewrite(saved, lambda tree: tree.attrs.update(format_version=version))
    with pytest.raises(xrdae.FormatError, match=r"has model format .*update xrdae"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    "group",
    [
        "preparation",
        "basis",
        "ensemble",
        "support",
        "mixture",
        "labels",
        "history",
        "component_weights",
    ],
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
        ("reference", lambda ds: ds.isel(channel=slice(0, -1))),
        ("reference", lambda ds: ds.drop_vars("rows")),
        ("reference", lambda ds: ds.isel(kept_pattern=[1, 0])),
        ("reference", lambda ds: ds.isel(kept_pattern=[3, 3])),
        ("reference", lambda ds: ds.assign(rows=ds["rows"] - 1)),
        ("reference", lambda ds: ds.assign(rows=ds["rows"] + 1)),
        ("reference", lambda ds: ds.assign(rows=ds["rows"].astype(float))),
        ("reference", lambda ds: ds.assign(inputs=ds["inputs"][:, 0])),
    ],
    ids=[
        *("components", "latents", "channels", "no mean", "axis kind", "a layer"),
        *("kept channels", "no rows", "order", "twice", "rows before", "rows after"),
        *("rows in parts", "one channel"),
    ],
)
def test_parts_that_do_not_fit_together_are_damage(saved, name, replace):
    def change(tree):
        tree[name] = xr.DataTree(replace(tree[name].to_dataset()))

    _rewrite(saved, change)
    with pytest.raises(xrdae.FormatError, match="damaged"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    ("config", "message"),
    [('{"members": 0}', "members=0"), ('{"n_latent": "auto"}', "n_latent is 'auto', no number")],
)
def test_settings_that_cannot_be_read_are_damage(saved, config, message):
    _rewrite(saved, lambda tree: tree.attrs.update(config=config))
    with pytest.raises(xrdae.FormatError, match=rf"damaged.*{message}"):
        xrdae.load_model(saved)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 40 + "1" + "}" * 40, "[]", "1", "{"])
@pytest.mark.parametrize("name", ["config", "provenance"])
def test_json_of_another_form_is_damage(saved, name, text):
    _rewrite(saved, lambda tree: tree.attrs.update({name: text}))
    with pytest.raises(xrdae.FormatError, match=r"model\.nc.*damaged"):
        xrdae.load_model(saved)


@pytest.mark.parametrize(
    "provenance",
    [{"versions": 1}, {"data": []}, {"updated_from": [{"command": 1}]}, {"n_latent": 2}],
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
        ("reference/inputs", np.nan),
        ("reference/inputs", -np.inf),
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


@pytest.mark.parametrize("source", [".", "other.nc"])
def test_virtual_datasets_are_not_read(saved, source):
    def make_virtual(file, h5py):
        file.move("preparation/mean", "preparation/copy")
        layout = h5py.VirtualLayout(file["preparation/copy"].shape, "f4")
        layout[:] = h5py.VirtualSource(source, "preparation/copy", shape=layout.shape)
        file["preparation"].create_virtual_dataset("mean", layout)

    _forge(saved, make_virtual)
    with pytest.raises(xrdae.FormatError, match=r"damaged.*mean: .*not in one piece"):
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
    with pytest.raises(xrdae.FormatError, match="not a regular file"):
        xrdae.load_model(tmp_path / "pipe")
