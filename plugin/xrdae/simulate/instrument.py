"""Peak widths and background of a diffractometer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xrdae.reflections import Floats


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Peak shape and background of a diffractometer; the defaults describe a laboratory instrument.

    Parameters
    ----------
    u, v, w : Caglioti's widths [degree^2], FWHM^2 = u tan^2(theta) + v tan(theta) + w;
        Caglioti, Paoletti & Ricci, Nucl. Instrum. 3 (1958) 223.
    eta : Lorentzian share of the pseudo-Voigt, 0 to 1.
    background : (order,) Chebyshev coefficients over the grid's range, as fractions of the
        counts at the strongest peak; () is none.

    Examples
    --------
    >>> from xrdae.simulate import Instrument
    >>> Instrument(w=0.04, u=0.0, v=0.0).fwhm(np.array([30.0, 60.0]))
    array([0.2, 0.2])
    """

    u: float = 0.010
    v: float = -0.005
    w: float = 0.0144
    eta: float = 0.4
    background: tuple[float, ...] = (0.03, -0.015, 0.006)

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; give a Lorentzian share from 0 to 1")

    def fwhm(self, two_theta: Floats) -> Floats:
        """Full width at half maximum [degree] at `two_theta` (any dims) [degree].

        Raises ValueError if u, v, w give no positive width.
        """
        tan = np.tan(np.radians(two_theta) / 2)
        squared = self.u * tan**2 + self.v * tan + self.w
        if np.any(squared <= 0):
            raise ValueError(
                f"u={self.u}, v={self.v}, w={self.w} give a width of "
                f"{squared.min():.3g} degree^2 (<= 0) in this range; raise w"
            )
        return np.sqrt(squared)


LABORATORY = Instrument()


def compute_background(instrument: Instrument, *, grid: Floats, counts: float) -> Floats:
    """Return the background (two_theta) [counts]; `counts` is the strongest peak's height."""
    x = 2 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1
    background: Floats = np.polynomial.chebyshev.chebval(x, instrument.background or (0.0,))
    if background.min() < 0:
        raise ValueError(
            f"background {instrument.background} falls to {background.min():.3g} in the range; "
            "raise its first coefficient"
        )
    return counts * background
