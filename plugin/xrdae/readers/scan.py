"""A pattern as a file holds it, before it is put into a Dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

Float = npt.NDArray[Any]
Metadata = Mapping[str, float | str]

# Units of what scans say of themselves; text (sample, time, title, instrument, anode) has none.
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
    """What a file says of the axis of a scan.

    Attributes
    ----------
    kind
        "two_theta", "q", "d" or "other".
    factor
        What the file's positions are multiplied by to be in the units of the kind.
    name, units, long_name
        Of an axis of kind "other", as the file has them.
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
        "other", whose positions are as `axis` says.
    positions
        `(point,)`, in the order of the file.
    intensity
        `(point,)`, NaN where the file says that nothing was measured.
    errors
        `(point,)`, one standard deviation; None: the file does not say.
    units
        Of the intensity: "counts", "counts/s" or "1" (arbitrary).
    metadata
        What the file says of the scan; see `METADATA_UNITS`.
    label_units
        Units of what else is in the metadata.
    axis
        Name and units of an axis of kind "other"; None: the kind says all.
    """

    kind: str
    positions: Float
    intensity: Float
    errors: Float | None = None
    units: str = "1"
    metadata: Metadata = dataclasses.field(default_factory=dict)
    label_units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    axis: ScanAxis | None = None
