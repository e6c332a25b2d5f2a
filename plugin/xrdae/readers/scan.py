"""A scan of a file: positions, intensities and metadata, before gridding."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

Float = npt.NDArray[Any]
Metadata = Mapping[str, float | str]

# Units of the metadata of scans. Texts (sample, time, title, instrument, anode) have none.
# `time` is the start of the scan, ISO 8601 as the file has it; `wavelength` is that of K-alpha 1
# where the file tells the two apart, then `k_alpha_2` and `k_alpha_ratio` (2 over 1) may be there.
METADATA_UNITS = {
    "wavelength": "angstrom",
    "k_alpha_2": "angstrom",
    "k_alpha_ratio": "1",
    "temperature": "K",
    "counting_time": "s",
    "omega": "degree",
    "chi": "degree",
    "phi": "degree",
    "x": "mm",
    "y": "mm",
    "z": "mm",
    "voltage": "kV",
    "current": "mA",
}


@dataclasses.dataclass(frozen=True)
class ScanAxis:
    """Axis of a scan.

    Attributes
    ----------
    kind
        "two_theta", "q", "d" or "other".
    factor
        Factor from the file's positions to the units of the kind.
    name, units, long_name
        Name, units and description of an axis of kind "other", from the file.
    descending
        Whether its positions ran down in the file.
    """

    kind: str
    factor: float = 1.0
    name: str = ""
    units: str = ""
    long_name: str = ""
    descending: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """One pattern of a file.

    Attributes
    ----------
    kind
        "two_theta" [degree], "q" [1/angstrom] or "d" [angstrom], in which the positions are; or
        "other", described by `axis`.
    positions
        `(point,)`, in the order of the file.
    intensity
        `(point,)`, NaN where the file marks points as not measured.
    errors
        `(point,)`, one standard deviation; None: the file does not say.
    units
        Of the intensity: "counts", "counts/s" or "1" (arbitrary).
    metadata
        Metadata of the scan; see `METADATA_UNITS`.
    label_units
        Units of other metadata.
    axis
        Name and units of an axis of kind "other"; None: the kind says all.
    notes
        What a reader assumed or left out, about which users are warned.
    """

    kind: str
    positions: Float
    intensity: Float
    errors: Float | None = None
    units: str = "1"
    metadata: Metadata = dataclasses.field(default_factory=dict)
    label_units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    axis: ScanAxis | None = None
    notes: tuple[str, ...] = ()
