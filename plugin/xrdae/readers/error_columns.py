"""Tell by its values whether a nameless column holds the standard deviations of another."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError

Float: TypeAlias = npt.NDArray[np.float64]

_SAME = 0.01  # a column this close to the counts is their baseline or a copy
_COUNTED = 4.0  # below, a count may equal its standard deviation
_FACTOR = 1.5  # of variances over counts, from point to point
_NOISE = 4.0  # factor between standard deviations and the scatter of neighbouring points
_LEAST_POINTS = 10  # to know their scatter
_LARGE = 0.3  # part of the intensity, above which smooth values are a baseline
_MOST = 0.9  # part of the points that a rule must hold for


def are_errors(intensity: Float, errors: Float, *, stated: bool = False) -> bool:
    """Tell whether values may be the standard deviations of an intensity.

    Standard deviations of counts are in proportion to the square root of the counts. Otherwise
    they are about as large as the scatter of neighbouring points.

    Parameters
    ----------
    intensity, errors
        `(point,)`.
    stated
        Whether the ending of the file says that they are. Then they are refused only if they look
        like a baseline.
    """
    known = np.isfinite(intensity)
    y, e = intensity[known], errors[known]
    if not (np.isfinite(e).all() and (e >= 0).all() and e.any()):
        return False
    counted = y > _COUNTED
    if counted.any() and (np.abs(e - y) <= _SAME * y)[counted].mean() > _MOST:
        return False
    positive = (y > 0) & (e > 0)
    noise = _estimate_noise(y)
    if stated:
        is_large = np.median(e[positive] / y[positive]) > _LARGE if positive.any() else False
        is_baseline = is_large and np.median(e) > _NOISE * noise and len(y) >= _LEAST_POINTS
        return not is_baseline or _follow_square_root(y[positive], e[positive])
    if (e == e[0]).all() or positive.sum() < 2:
        return False
    if counted.any() and (e > y)[counted].mean() > 1 - _MOST:
        return False
    if _follow_square_root(y[positive], e[positive]):
        return True
    if len(y) < _LEAST_POINTS:
        return False
    return bool(noise / _NOISE <= np.median(e) <= noise * _NOISE)


def _estimate_noise(y: Float) -> float:
    """Return the scatter of neighbouring points."""
    second = np.abs(y[:-2] - 2 * y[1:-1] + y[2:])
    return float(1.4826 * np.median(second) / np.sqrt(6)) if second.size else 0.0


def _follow_square_root(y: Float, e: Float) -> bool:
    """Tell whether values grow with the square root of others, as far as these vary."""
    ratio = e**2 / y
    typical = np.median(ratio)
    if (np.maximum(ratio / typical, typical / ratio) <= _FACTOR).mean() < _MOST:
        return False
    if y.max() < 2 * y.min():
        return bool(1 / _FACTOR <= typical <= _FACTOR)
    return bool(0.3 < np.polyfit(np.log(y), np.log(e), 1)[0] < 0.7)


def check_calculated(values: Float, advice: str) -> None:
    """Refuse columns of which one is the difference of the first two, as of a refinement.

    Parameters
    ----------
    values
        `(point, column)`, without the positions.
    advice
        End of the error.
    """
    difference = values[:, 0] - values[:, 1]
    scale = np.nanmax(np.abs(values[:, :2]), initial=0.0)
    for other in values[:, 2:].T:
        if scale and np.nanmax(np.abs(other - difference), initial=0.0) < 1e-3 * scale:
            raise FormatError(
                "one of its nameless columns is the difference of two others, as in the file of a "
                f"refinement; {advice}"
            )
