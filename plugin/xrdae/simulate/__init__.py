"""Simulated powder patterns with known labels: the ThMn12-type alloy series, and any CIF.

`samples` holds the public functions, `instrument` the peak widths and the background, `powder`
the effects on a pattern (texture, zero shift, noise). Reflections are in `xrdae.reflections`.
"""

from xrdae.reflections import (
    Reflections,
    alloy_structure,
    profile,
    read_structure,
    reflections,
)
from xrdae.simulate.instrument import Instrument
from xrdae.simulate.samples import alloy_series, cif_patterns

__all__ = [
    "Instrument",
    "Reflections",
    "alloy_series",
    "alloy_structure",
    "cif_patterns",
    "profile",
    "read_structure",
    "reflections",
]
