"""Counting times that differ between the points of a scan."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError

Float: TypeAlias = npt.NDArray[np.float64]

_SAME_TIME = 0.01  # relative; the clocks of instruments vary by less


def divide_by_times(intensity: Float, times: Float, units: str) -> tuple[Float, str, float | None]:
    """Return intensities that the counting time of each point does not change.

    Parameters
    ----------
    intensity
        `(point,)`, in `units`.
    times
        `(point,)` or longer [s], or one for all points, or empty (not known).
    units
        "counts", "counts/s" or "1".

    Returns
    -------
    tuple
        Intensities, their units, and the counting time that all points share [s]. Counts become
        counts per second if the points share none. Points without time and counts are NaN.

    Raises
    ------
    FormatError
        If the times are not those of the points, or if they differ and the units are not known.
    """
    if times.size < 2 or not times.any():  # zeros: not recorded
        return intensity, units, float(times[0]) if times.size else None
    if times.size < intensity.size:
        raise FormatError(f"it has {times.size} counting times for {intensity.size} intensities")
    times = times[: intensity.size]
    is_measured = np.isfinite(intensity) & ~((times == 0) & (intensity == 0))
    known = times[is_measured]
    if not (np.isfinite(known) & (known > 0)).all():
        raise FormatError(
            "the counting times of some of its points are not positive; export it with counts per "
            "second"
        )
    intensity = np.where(is_measured, intensity, np.nan)
    middle = float(np.median(known)) if known.size else 0.0
    if (np.abs(known - middle) <= _SAME_TIME * middle).all():
        return intensity, units, middle or None
    if units == "counts/s":
        return intensity, units, None
    if units != "counts":
        raise FormatError(
            "its counting time varies, but it does not say whether its intensities are counts or "
            "counts per second; export it with counts per second"
        )
    return np.divide(intensity, times, out=intensity, where=is_measured), "counts/s", None
