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


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """One pattern of a file.

    Attributes
    ----------
    kind
        "two_theta" [degree], "q" [1/angstrom] or "d" [angstrom]; positions are in these units.
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
    """

    kind: str
    positions: Float
    intensity: Float
    errors: Float | None = None
    units: str = "1"
    metadata: Metadata = dataclasses.field(default_factory=dict)
    label_units: Mapping[str, str] = dataclasses.field(default_factory=dict)
