"""Model files: netCDF4 through a DataTree, plain arrays and JSON; nothing in them can run."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from xrdae.autoencoder import Autoencoder
from xrdae.axes import UNITS, Axis
from xrdae.basis import Basis
from xrdae.config import Config
from xrdae.errors import FormatError
from xrdae.files import replacing
from xrdae.network import Ensemble, Layer
from xrdae.prepare import Preparation
from xrdae.support import Novelty, Support

FORMAT = "xrdae-model"
FORMAT_VERSION = 2

_ONE_BY_ONE = threading.Lock()  # the netCDF library crashes where threads meet in it


def write(
    path: str | os.PathLike[str],
    *,
    config: Config,
    autoencoder: Autoencoder,
    support: Support,
    labels: xr.Dataset,
    history: xr.Dataset,
    provenance: dict[str, Any],
) -> None:
    """Write a model's parts to a netCDF4 file: beside it first, then renamed, never half a file."""
    root = xr.Dataset(
        attrs={
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "config": config.to_json(),
            "provenance": json.dumps(provenance),
        }
    )
    parts = {**groups(autoencoder, support, labels), "/history": history}
    for dataset in parts.values():
        for variable in dataset.variables.values():
            variable.encoding = {"_FillValue": None}  # else NaN comes back as an attribute
    with replacing(path) as aside, _ONE_BY_ONE:
        xr.DataTree.from_dict({"/": root, **parts}).to_netcdf(aside, engine="netcdf4")


def groups(autoencoder: Autoencoder, support: Support, labels: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the groups of a model's file that results depend on."""
    preparation, basis, ensemble = (
        autoencoder.preparation,
        autoencoder.basis,
        autoencoder.ensemble,
    )
    axis, novelty = preparation.axis, support.novelty
    layers = {
        f"{side}_{i}_{part}": (
            (f"member_{side}_{i}_{part}", f"in_{side}_{i}_{part}", f"out_{side}_{i}_{part}"),
            tensor.numpy(),
        )
        for side in ("encoder", "decoder")
        for i, layer in enumerate(getattr(ensemble, side))
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }
    return {
        "/preparation": xr.Dataset(
            {
                "mean": ("channel", preparation.mean),
                "axis": ("channel", axis.values, {"units": axis.units}),
            },
            attrs={
                "axis_kind": axis.kind,
                "wavelength": np.nan if axis.wavelength is None else axis.wavelength,
                "gain": preparation.gain,
                "typical_scale": preparation.typical_scale,
            },
        ),
        "/basis": xr.Dataset(
            {
                "components": (("component", "channel"), basis.components),
                "variance": ("component", basis.variance),
            },
            attrs={"noise": basis.noise},
        ),
        "/ensemble": xr.Dataset(layers, attrs={"input_scale": ensemble.input_scale}),
        "/support": xr.Dataset(
            {
                "latents": (("reference", "latent_axis"), novelty.latents),
                "coefficients": (("reference", "component"), support.coefficients),
                "scale": ("reference", support.scale),
                "unseen": (("reference", "member"), support.unseen.astype(np.int8)),
                "residual_scale": ("bin", novelty.residual_scale),
                "limits": ("limit", novelty.limits),
            },
            attrs={"width": support.width, "halvings": novelty.halvings},
        ),
        "/labels": _numbered(labels),
    }


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a model's parts, by the names of `write`'s arguments.

    Raises
    ------
    FormatError
        If the file is no xrdae model, a newer one, or damaged.
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no model file {os.fspath(path)!r}")
    try:
        with _ONE_BY_ONE, xr.open_datatree(path, engine="netcdf4", decode_cf=False) as opened:
            attrs = {str(name): value for name, value in opened.attrs.items()}
            _check_format(path, attrs)
            tree = opened.load()
    except FormatError:
        raise
    except Exception as error:  # the netCDF library's own errors say nothing that helps
        raise FormatError(
            f"{os.fspath(path)!r} cannot be read as netCDF4 ({error}); give a file that "
            "model.save() wrote"
        ) from error
    try:
        return _parts(tree)
    except Exception as error:
        raise FormatError(
            f"{os.fspath(path)!r} is a damaged xrdae model ({type(error).__name__}: {error}); "
            "save it again from the model"
        ) from error


def _check_format(path: str | os.PathLike[str], attrs: dict[str, Any]) -> None:
    if attrs.get("format") != FORMAT:
        raise FormatError(
            f"{os.fspath(path)!r} is not an xrdae model (its attribute 'format' is "
            f"{attrs.get('format')!r}, not {FORMAT!r}); give a file that model.save() wrote"
        )
    version = attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{os.fspath(path)!r} has model format {version}; this xrdae reads {FORMAT_VERSION}: "
            "update xrdae, or fit the model again if the file is older than it"
        )


def _parts(tree: xr.DataTree) -> dict[str, Any]:
    config = Config.from_options(json.loads(tree.attrs["config"]))
    preparation, basis, support = (
        tree[name].to_dataset() for name in ("preparation", "basis", "support")
    )
    wavelength = float(preparation.attrs["wavelength"])
    kind = str(preparation.attrs["axis_kind"])
    if kind not in UNITS:
        raise ValueError(f"axis kind {kind!r} is not one of {list(UNITS)}")
    axis = Axis(kind, preparation["axis"].values, None if np.isnan(wavelength) else wavelength)
    autoencoder = Autoencoder(
        Preparation(
            axis=axis,
            scale=config.scale,
            background=config.background,
            background_options=dict(config.background_options),
            mean=preparation["mean"].values,
            gain=float(preparation.attrs["gain"]),
            typical_scale=float(preparation.attrs["typical_scale"]),
        ),
        Basis(basis["components"].values, basis["variance"].values, float(basis.attrs["noise"])),
        _ensemble(tree["ensemble"].to_dataset()),
    )
    n_channel, n_component = axis.values.size, basis.sizes["component"]
    ensemble, halvings = autoencoder.ensemble, int(support.attrs["halvings"])
    expected = {
        "mean": (preparation["mean"].shape, (n_channel,)),
        "components": (basis["components"].shape, (n_component, n_channel)),
        "first layer": (ensemble.encoder[0][0].shape[1], n_component),
        "last layer": (ensemble.decoder[-1][0].shape[2], n_component),
        "latents": (support["latents"].shape[1], ensemble.n_latent),
        "coefficients": (support["coefficients"].shape[1], n_component),
        "unseen": (support["unseen"].shape[1], ensemble.members),
        "residual_scale": (support["residual_scale"].shape, (n_channel >> halvings,)),
    }
    for name, (shape, wanted) in expected.items():
        if shape != wanted:
            raise ValueError(f"{name} has shape {shape}, not {wanted}")
    return {
        "config": config,
        "autoencoder": autoencoder,
        "support": Support(
            Novelty(
                support["latents"].values,
                support["residual_scale"].values,
                halvings,
                support["limits"].values,
            ),
            support["coefficients"].values,
            support["scale"].values,
            support["unseen"].values.astype(bool),
            float(support.attrs["width"]),
        ),
        "labels": _named(tree["labels"].to_dataset()),
        "history": tree["history"].to_dataset(),
        "provenance": json.loads(tree.attrs["provenance"]),
    }


def _numbered(labels: xr.Dataset) -> xr.Dataset:
    """Rename the variables: a label may have a name, such as Ti/Fe, that netCDF refuses."""
    names = [str(name) for name in labels.data_vars]
    numbered = {name: f"label_{i}" for i, name in enumerate(names)}
    return labels.rename_vars(numbered).assign_attrs(names=json.dumps(names))


def _named(labels: xr.Dataset) -> xr.Dataset:
    names = json.loads(labels.attrs.pop("names"))
    return labels.rename_vars({f"label_{i}": name for i, name in enumerate(names)})


def _ensemble(dataset: xr.Dataset) -> Ensemble:
    def layers(side: str) -> tuple[Layer, ...]:
        count = sum(str(name).startswith(f"{side}_") for name in dataset.data_vars) // 2
        return tuple(
            (
                torch.from_numpy(dataset[f"{side}_{i}_weight"].values),
                torch.from_numpy(dataset[f"{side}_{i}_bias"].values),
            )
            for i in range(count)
        )

    return Ensemble(layers("encoder"), layers("decoder"), float(dataset.attrs["input_scale"]))
