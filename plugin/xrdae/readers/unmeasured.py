"""Find the values by which files mark points that were not measured."""

from __future__ import annotations

import dataclasses

import numpy as np

from xrdae.convention.intensity_and_axis import MARKS
from xrdae.readers.scan import Scan


def mark_unmeasured(scan: Scan) -> Scan:
    """Return a scan with NaN where its intensity is a mark of points that were not measured.

    Marks are -9999 and -99999, and -1 where all other values are whole numbers from 0 on. A note
    says how many points have one.
    """
    y = scan.intensity
    if not (y < 0).any():
        return scan
    marked = np.isin(y, MARKS)
    others = y[np.isfinite(y) & (y != -1) & ~marked]
    if others.size and (others >= 0).all() and (others == np.round(others)).all():
        marked |= y == -1
    if not marked.any() or marked.all():
        return scan
    value = np.unique(y[marked])[0]
    note = f"points with an intensity of {value:g} are taken as not measured"
    errors = None if scan.errors is None else np.where(marked, np.nan, scan.errors)
    return dataclasses.replace(
        scan, intensity=np.where(marked, np.nan, y), errors=errors, notes=(*scan.notes, note)
    )
