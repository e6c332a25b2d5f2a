"""Write and read model files: netCDF4 with arrays and JSON, and no executable content."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xrdae.autoencoder.basis import Basis
from xrdae.autoencoder.ensemble import Ensemble
from xrdae.autoencoder.fitted import METHODS, Fitted, Mixture
from xrdae.autoencoder.model_migrations import VERSION
from xrdae.autoencoder.model_schema import build_fitted, read_content
from xrdae.autoencoder.novelty import Support
from xrdae.autoencoder.reference_patterns import ReferencePatterns
from xrdae.autoencoder.weights import Weights
from xrdae.errors import FormatError
from xrdae.preprocessing.preparation import Preparation
from xrdae.preprocessing.steady_scale import SteadyPeaks
from xrdae.storage import checksum
from xrdae.storage.atomic_writing import write_aside
from xrdae.storage.hdf5_file import File
from xrdae.storage.hdf5_objects import Group
from xrdae.storage.netcdf import ONE_BY_ONE

FORMAT = "xrdae-model"
LARGEST = 8 * 2**30  # bytes of a file; a basis of 512 components of 10^6 channels has 2 GB


def write_model(path: str | os.PathLike[str], fitted: Fitted) -> None:
    """Write a fit with its mixture to a netCDF4 file, completely or not at all."""
    root = xr.Dataset(
        attrs={
            "format": FORMAT,
            "format_version": VERSION,
            "config": fitted.config.to_json(),
            "provenance": json.dumps(fitted.provenance),
        }
    )
    assert fitted.mixture is not None
    groups = {
        **make_groups(fitted),
        "/component_weights": _make_weights(fitted.weights),
        "/mixture": _make_mixture(fitted.mixture),
        "/history": fitted.history,
    }
    if fitted.reference is not None:
        groups["/reference"] = _make_reference(fitted.reference)
    for dataset in groups.values():
        for variable in dataset.variables.values():
            variable.encoding = {"_FillValue": None}  # or NaN would be read as an attribute
    with write_aside(path) as aside:
        with ONE_BY_ONE:
            xr.DataTree.from_dict({"/": root, **groups}).to_netcdf(aside, engine="netcdf4")
        checksum.close(aside)
        read_model(aside)  # before it replaces an older file


def make_groups(fitted: Fitted) -> dict[str, xr.Dataset]:
    """Return the groups of a model's file that its fingerprint covers.

    The history is not a result. The mixture follows from the rest, the networks contain the
    weights, and the reference patterns are training patterns.
    """
    preparation = fitted.autoencoder.preparation
    return {
        "/preparation": _make_preparation(preparation),
        **({} if preparation.steady is None else {"/steady": _make_steady(preparation.steady)}),
        "/basis": _make_basis(fitted.autoencoder.basis),
        "/ensemble": _make_ensemble(fitted.autoencoder.ensemble),
        "/support": _make_support(fitted.support),
        "/labels": _number_labels(fitted.labels),
    }


def _make_preparation(preparation: Preparation) -> xr.Dataset:
    axis = preparation.axis
    return xr.Dataset(
        {
            "mean": ("channel", preparation.mean),
            "axis": ("channel", axis.values, {"units": axis.units}),
        },
        attrs={
            "axis_kind": axis.kind,
            "axis_name": axis.name,
            "axis_units": axis.units,
            "axis_long_name": axis.long_name,
            "axis_descending": int(axis.descending),
            "transform_floor": preparation.transform.floor,
            "signed": int(preparation.signed),
            "sampling": preparation.sampling,
            "interpolation": preparation.interpolation,
            "wavelength": np.nan if axis.wavelength is None else axis.wavelength,
            "gain": preparation.gain,
            "typical_scale": preparation.typical_scale,
        },
    )


def _make_steady(steady: SteadyPeaks) -> xr.Dataset:
    return xr.Dataset(
        {
            "channels": (("peak", "edge"), steady.channels),
            "weights": ("peak", steady.weights),
            "levels": ("peak", steady.levels),
        }
    )


def _make_basis(basis: Basis) -> xr.Dataset:
    return xr.Dataset(
        {
            "components": (("component", "channel"), basis.components),
            "variance": ("component", basis.variance),
        },
        attrs={"noise": basis.noise},
    )


def _make_ensemble(ensemble: Ensemble) -> xr.Dataset:
    layers = {
        f"{side}_{i}_{part}": (
            (f"member_{side}_{i}_{part}", f"in_{side}_{i}_{part}", f"out_{side}_{i}_{part}"),
            tensor.numpy(),
        )
        for side in ("encoder", "decoder")
        for i, layer in enumerate(getattr(ensemble, side))
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }
    return xr.Dataset(layers, attrs={"input_scale": ensemble.input_scale})


def _make_support(support: Support) -> xr.Dataset:
    novelty = support.novelty
    return xr.Dataset(
        {
            "latents": (("reference", "latent_axis"), novelty.latents),
            "coefficients": (("reference", "component"), support.coefficients),
            "scale": ("reference", support.scale),
            "unseen": (("reference", "member"), support.unseen.astype(np.int8)),
            "residual_scale": ("bin", novelty.residual_scale),
            "limits": ("limit", novelty.limits),
        },
        attrs={"width": support.width, "halvings": novelty.halvings},
    )


def _make_weights(weights: Weights) -> xr.Dataset:
    return xr.Dataset(
        {
            "values": ("component", weights.values),
            "predictability": ("component", weights.predictability),
        },
        attrs={"exponent": weights.exponent},
    )


def _make_reference(reference: ReferencePatterns) -> xr.Dataset:
    return xr.Dataset(
        {
            "inputs": (("kept_pattern", "channel"), reference.inputs),
            "rows": ("kept_pattern", reference.rows),
        }
    )


def _make_mixture(mixture: Mixture) -> xr.Dataset:
    return xr.Dataset(
        {
            "weights": ("method", mixture.weights),
            "error": ("term", mixture.error),
        },
        attrs={"methods": " ".join(METHODS), "reach": mixture.reach},
    )


def read_model(path: str | os.PathLike[str]) -> Fitted:
    """Read a model file.

    Raises
    ------
    FormatError
        If the file is not an xrdae model, is of a newer format, or is damaged.
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or if it cannot be read.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no model file {os.fspath(path)!r}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder; give a file in it")
    if not Path(path).is_file():  # a pipe would hang
        raise FormatError(f"{os.fspath(path)!r} is not a regular file; copy it to a regular file")
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > LARGEST:
            raise FormatError(
                f"{os.fspath(path)!r} has {size / 2**30:.1f} GB, but a model has at most "
                f"{LARGEST / 2**30:.0f} GB; give a file that model.save() wrote"
            )
        sealed = checksum.check(stream, size)
        if sealed is False:
            raise FormatError(
                f"{os.fspath(path)!r} is damaged: its content is not what model.save() wrote (its "
                "SHA-256 differs); copy it again, or save it again from the model"
            )
        try:
            file = File(stream, size, checked=not sealed)
            root = Group(file, file.root)
            attrs = root.attrs
        except Exception as error:
            raise FormatError(
                f"{os.fspath(path)!r} cannot be read as netCDF4 ({error}); give a file that "
                "model.save() wrote"
            ) from error
        version = _check_version(path, attrs, sealed=bool(sealed))
        try:
            return build_fitted(read_content(root, version), version)
        except Exception as error:  # also of unforeseen content
            raise FormatError(
                f"{os.fspath(path)!r} is a damaged xrdae model ({type(error).__name__}: {error}); "
                "save it again from the model"
            ) from error


def _check_version(path: str | os.PathLike[str], attrs: dict[str, Any], *, sealed: bool) -> int:
    """Return the format number of a file, or refuse it."""
    if str(attrs.get("format")) != FORMAT:  # may be an array
        raise FormatError(
            f"{os.fspath(path)!r} is not an xrdae model (its attribute 'format' is "
            f"{attrs.get('format')!r:.50}, not {FORMAT!r}); give a file that model.save() wrote"
        )
    version = attrs.get("format_version")
    if not isinstance(version, np.integer) or not 1 <= version <= VERSION:
        raise FormatError(
            f"{os.fspath(path)!r} has model format {version!s:.50}; this xrdae reads 1 to "
            f"{VERSION}: update xrdae"
        )
    if version == VERSION and not sealed:
        raise FormatError(
            f"{os.fspath(path)!r} is damaged: its last line, the SHA-256 of the rest, is missing "
            "(it was cut off, or written again by another program); copy it again, or save it "
            "again from the model"
        )
    return int(version)


def _number_labels(labels: xr.Dataset) -> xr.Dataset:
    """Return the labels with numbers as names, since netCDF refuses some names, such as Ti/Fe.

    A label named `pattern` is the index of the others. In the file, it is a variable like them.
    """
    names = [str(name) for name in (*labels.data_vars, *labels.coords)]
    numbered = {name: f"label_{i}" for i, name in enumerate(names)}
    renamed = labels.drop_indexes(list(labels.xindexes)).rename_vars(numbered).reset_coords()
    half = {name: a.astype(np.float32) for name, a in renamed.items() if a.dtype == np.float16}
    return renamed.assign(half).assign_attrs(names=json.dumps(names))  # netCDF has no float16
