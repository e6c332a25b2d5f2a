"""Read an arrived file, and convert its scans to rows on the model's axis."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from xrdae.convention.axes import Axis
from xrdae.convention.names import RESERVED
from xrdae.convention.regridding import check_axis
from xrdae.errors import DataError
from xrdae.live.arrivals import Signature
from xrdae.live.isolated_reading import IsolatedReader
from xrdae.loading.gridding import Grid, make_axis, merge_scans
from xrdae.preprocessing.preparation import Preparation
from xrdae.preprocessing.scaling import UNSIGNED
from xrdae.readers.scan import Scan

CUT_OFF = 0.95  # least coverage, relative to the largest so far; a file with less may be incomplete

OUR_NAMES = RESERVED | {
    "pattern", "file", "scan", "modified", "size", "coverage", "intensity", "intensity_errors",
    "novel",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Arrived:
    """A file that was read.

    Attributes
    ----------
    file
        Its name in the folder.
    signature
        Time of its last change [ns since 1970] and size [byte].
    scans
        Its patterns.
    coverage
        The part of the model's axis that the least of them covers.
    """

    file: str
    signature: Signature
    scans: list[Scan]
    coverage: float


def read(
    apart: IsolatedReader,
    folder: Path,
    file: str,
    signature: Signature,
    *,
    preparation: Preparation,
    stop: threading.Event,
) -> Arrived:
    """Read a file whose patterns can be converted to the model's axis.

    Raises
    ------
    DataError
        If they cannot: no wavelength, too little of the axis.
    FormatError, OSError
        If it cannot be read.
    Stopped
        If `stop` is set before it is read.
    """
    scans = apart.read(folder / file, stop)
    coverage = 1.0
    for scan in scans:
        measured = np.isfinite(scan.intensity)
        if preparation.scale in UNSIGNED and not (scan.intensity[measured] > 0).any():
            raise DataError("no intensity is positive")
        covered = check_axis(make_axis(scan), preparation.axis, preparation.sampling)
        coverage = min(coverage, covered)
    return Arrived(file, signature, scans, coverage)


def _drop_reserved_names(scan: Scan) -> Scan:
    """Return a scan without labels whose names are reserved for rows."""
    labels = {name: value for name, value in scan.metadata.items() if name not in OUR_NAMES}
    return dataclasses.replace(scan, metadata=labels)


def find_rows(arrived: Sequence[Arrived], axis: Axis) -> xr.Dataset:
    """Return the patterns of files as rows along `pattern`, with all that is known of each.

    `file`, `scan`, `modified` [ns since 1970], `size` [byte], `coverage`, and what the files say.
    """
    scans = [_drop_reserved_names(scan) for each in arrived for scan in each.scans]
    ascending = dataclasses.replace(axis, descending=False)  # in the order of the model's channels
    sizes, grid = {"pattern": len(scans)}, Grid(ascending, "the model's axis")
    dataset = merge_scans(scans, sizes, grid, units_matter=False)
    labels = {}
    for name, coord in dataset.coords.items():
        if (
            name == "wavelength"
        ):  # the axis has one wavelength, for which the patterns were converted
            continue
        if not coord.dims:
            labels[name] = coord.variable.set_dims({"pattern": len(scans)}).copy()
    stated = {
        "file": [each.file for each in arrived for _ in each.scans],
        "scan": [i for each in arrived for i in range(len(each.scans))],
        "modified": [each.signature[0] for each in arrived for _ in each.scans],
        "size": [each.signature[1] for each in arrived for _ in each.scans],
        "coverage": [each.coverage for each in arrived for _ in each.scans],
    }
    attrs = {
        "modified": {"long_name": "last change of the file, ns since 1970"},
        "size": {"long_name": "size of the file in byte"},
        "coverage": {"long_name": "part of the model's axis that the file covers"},
    }
    own = {
        name: xr.Variable("pattern", np.array(values), attrs.get(name, {}))
        for name, values in stated.items()
    }
    dataset = dataset.drop_vars("wavelength", errors="ignore")
    dataset = dataset.assign_coords({**labels, "file": own.pop("file")}).assign(own)
    if axis.kind == "two_theta" and axis.wavelength is not None:
        dataset = dataset.assign_coords(wavelength=((), axis.wavelength, {"units": "angstrom"}))
    return dataset
