"""Checkpoints: the state of a training in a netCDF4 file, from which training can resume."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.config import Config
from xrdae.errors import DataError, FormatError, warn
from xrdae.storage import checksum
from xrdae.storage.atomic_writing import check_folder, write_aside
from xrdae.storage.hdf5_foreign import check_self_contained
from xrdae.storage.netcdf import ONE_BY_ONE

FORMAT = "xrdae-checkpoint"
FORMAT_VERSION = 1
EVERY = 5.0  # least number of seconds between two writes
MOST_TEXT = 2**20  # characters of a file's attributes; a few thousand are written

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclasses.dataclass
class Checkpoint:
    """Checkpoint file of a training.

    Attributes
    ----------
    path
        The file.
    identity
        Everything that the training depends on. The checkpoint of another training is refused.
    """

    path: str | os.PathLike[str]
    identity: dict[str, str]
    _written: float = -math.inf
    _failed: bool = False

    def write(self, arrays: Arrays, *, now: bool = False) -> None:
        """Write a state, if `now` is set or if the last write was some seconds ago.

        The first write must succeed. If a later one fails, for example on a full disk, a warning
        is issued and training continues.
        """
        if not now and time.monotonic() - self._written < EVERY:
            return
        try:
            self._write_file(arrays)
        except OSError as error:
            if self._written == -math.inf:
                raise
            if not self._failed:
                warn(f"training goes on, but {error}")
            self._failed = True
        self._written = time.monotonic()

    def _write_file(self, arrays: Arrays) -> None:
        dataset = xr.Dataset(
            {
                name: (tuple(f"{name}_{i}" for i in range(values.ndim)), values)
                for name, values in arrays.items()
            },
            attrs={
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "identity": json.dumps(self.identity),
            },
        )
        encoding = {name: {"_FillValue": None} for name in arrays}
        with write_aside(self.path) as aside:
            with ONE_BY_ONE:
                dataset.to_netcdf(aside, engine="netcdf4", encoding=encoding)
            checksum.close(aside)

    def read(self, like: Arrays) -> dict[str, npt.NDArray[Any]] | None:
        """Return the state in the file; None if there is no file yet.

        Parameters
        ----------
        like
            A state of the same training. The file's arrays must have its shapes and types, except
            `history`, which may have any length.

        Raises
        ------
        DataError
            If the file is the checkpoint of another training.
        FormatError
            If the file is not a checkpoint, or damaged.
        FileNotFoundError, PermissionError
            If the folder of the file does not exist, or cannot be written to.
        """
        check_folder(self.path)
        if not Path(self.path).exists():
            return None
        try:
            self._check_checksum()  # the HDF5 library hangs on some damaged files
            with ONE_BY_ONE, xr.open_dataset(self.path, engine="netcdf4", decode_cf=False) as held:
                self._check_identity(held.attrs)
                found = _read_arrays(held, like)
        except (DataError, FormatError):
            raise
        except Exception as error:  # errors of the netCDF library do not help the user
            raise FormatError(
                f"{os.fspath(self.path)!r} is not a checkpoint, or is damaged "
                f"({type(error).__name__}: {error}); remove it to train from the start, or name "
                "another file"
            ) from error
        self._written = time.monotonic()
        return found

    def _check_checksum(self) -> None:
        with open(self.path, "rb") as stream:
            if not checksum.check(stream, os.fstat(stream.fileno()).st_size):
                raise ValueError("its checksum does not match")
        check_self_contained(self.path)

    def _check_identity(self, attrs: Mapping[Any, Any]) -> None:
        path = os.fspath(self.path)
        if attrs.get("format") != FORMAT or attrs.get("format_version") != FORMAT_VERSION:
            raise FormatError(
                f"{path!r} is not a checkpoint that this xrdae reads (format "
                f"{attrs.get('format')!r}, version {attrs.get('format_version')!r}); name another "
                "file"
            )
        if len(attrs["identity"]) > MOST_TEXT:
            raise ValueError("its identity is too long")
        theirs = json.loads(attrs["identity"])
        differ = [n for n, value in self.identity.items() if theirs.get(n) != value]
        if differ or len(theirs) != len(self.identity):
            what = differ[0] if differ else "what it was updated from"
            raise DataError(
                f"{path!r} is the checkpoint of another fit ({what} is "
                f"{theirs.get(what)}, not {self.identity.get(what)}); name another file, or remove "
                "it to train from the start"
            )


def _read_arrays(opened: xr.Dataset, like: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file. An array is read only if its shape and type are as expected."""
    found = {}
    for name, own in like.items():
        variable = opened.variables[name]
        shape = (*variable.shape[:1], *own.shape[1:]) if name == "history" else own.shape
        if variable.shape != shape or variable.dtype != own.dtype:
            raise ValueError(
                f"{name} is {variable.dtype} {variable.shape}, not {own.dtype} {shape}"
            )
        if name == "history" and variable.shape[0] > MOST_TEXT:
            raise ValueError(f"{name} has {variable.shape[0]} rows")
        found[name] = np.asarray(variable.values)
    return found


def make_checkpoint(
    path: str | os.PathLike[str] | None, config: Config, made: Mapping[str, Any], **others: str
) -> Checkpoint | None:
    """Return the checkpoint of a training; None if there is no path.

    Parameters
    ----------
    path
        The file.
    config
        Settings of the fit; `device` is ignored.
    made
        Provenance of the fit. Axis and intensities of its data are compared.
    **others
        Further fingerprints.
    """
    if path is None:
        return None
    settings = json.loads(config.to_json())
    del settings["device"]
    named = {f"setting {name!r}": json.dumps(value) for name, value in settings.items()}
    data = {name: str(made["data"][name]) for name in ("axis", "trained_on")}
    return Checkpoint(path, named | data | others)
