"""The law of every reader, and of `load_model`: a file is read, or refused with a reason."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import xarray as xr

import structure
import xrdae
from xrdae.convention.patterns import find_patterns

CORPUS, FOUND = (Path(__file__).with_name(name) for name in ("corpus", "found"))
# An ending for each target where the content does not tell the reader all; the others need none.
SUFFIXES = {"text_columns": ".xye", "rigaku_raw": ".raw", "netcdf": ".nc", "model": ".nc"}
# Of archives the members are fuzzed, parted by zeros: else nothing gets past the checksums.
MEMBERS = {
    "brml": [
        "Experiment0/RawData0.xml",
        "Experiment0/RawData1.xml",
        "Experiment0/DataContainer.xml",
    ],
    "rasx": [
        "Data0/Profile0.txt",
        "Data0/MesurementConditions0.xml",
        "Data1/Profile0.txt",
        "Data1/MesurementConditions0.xml",
    ],
}


def put(path: Path, content: bytes, target: str) -> None:
    """Write the file that a target makes of fuzzed bytes: mostly these."""
    if target == "nexus_structure":
        structure.write(path, content)
        return
    if target in MEMBERS and not content.startswith(b"PK"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            for name, member in zip(MEMBERS[target], content.split(b"\0"), strict=False):
                opened.writestr(name, member)
        content = archive.getvalue()
    path.write_bytes(content)


def outcome(path: Path, target: str) -> str:
    """Return whether a file is "read" or "refused"; whatever else comes of it is raised.

    A warning for the user is no fault; one of numpy or of Python is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        try:
            if target == "model":
                xrdae.load_model(path)
                return "read"
            dataset = xrdae.open_patterns(path)
        except xrdae.FormatError:
            return "refused"
        except xrdae.DataError:  # several patterns that cannot share a grid
            return "refused"
        return _patterns(dataset)


def _patterns(dataset: xr.Dataset) -> str:
    """Look at the patterns as every step does; netCDF and NeXus may hold something else."""
    try:
        patterns = find_patterns(dataset)
    except xrdae.DataError:
        return "refused"
    assert patterns.axis.values.shape == (patterns.intensity.shape[-1],)
    try:
        patterns.intensity.load()
    except OSError:  # data of NeXus are read only here, and HDF5 says so where they are damaged
        return "refused"
    return "read"
