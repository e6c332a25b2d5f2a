"""Find the wavelength of a dataset, in any units: one for all patterns or one for each."""

from __future__ import annotations

import re
from collections.abc import Hashable

import numpy as np
import xarray as xr

from xrdae.convention.units import convert_to_angstrom
from xrdae.errors import DataError, warn

LOWEST, HIGHEST = 0.01, 10.0  # angstrom; beyond, a number without units is likely in others
# K-alpha lines [angstrom, keV], which a number without units may be in nm or keV.
_LINES = {
    "Cr": (2.2910, 5.415), "Fe": (1.9374, 6.404), "Co": (1.7903, 6.930), "Cu": (1.5418, 8.048),
    "Ga": (1.3414, 9.252), "Mo": (0.7107, 17.479), "Ag": (0.5609, 22.163), "W": (0.2106, 59.318),
}  # fmt: skip
_CLOSE = 4e-3  # relative
_WITH_UNITS = re.compile(r"([-+.\d]+(?:[eE][-+]?\d+)?)\s*([^\W\d].*)")
_SET = "set ds = ds.assign_coords(wavelength=((), value, {'units': 'angstrom'}))"


def find_wavelength(
    dataset: xr.Dataset, array: xr.DataArray, dim: Hashable
) -> float | xr.Variable | None:
    """Return the wavelength [angstrom] that a dataset states.

    Parameters
    ----------
    dataset
        With a coordinate (or variable) `wavelength`, or an attribute `wavelength` or
        `wavelength_angstrom`, on itself, on the intensity or on the axis. Its units may be those
        of a length, or those of an energy of photons.
    array, dim
        The intensity and its axis.

    Returns
    -------
    float, Variable or None
        One for all, one for each pattern `(sample dims ...)`, or None if none is stated.

    Raises
    ------
    DataError
        If it is no wavelength, or not positive, or missing for some patterns.
    """
    if "wavelength" in dataset.variables and dim != "wavelength":
        coord = dataset.variables["wavelength"]
        if coord.dtype.kind not in "iuf":
            raise DataError(f"wavelength is of type {coord.dtype}, no number; {_SET}")
        units = str(coord.attrs.get("units", "")).strip()
        values = np.asarray(coord.values, dtype=np.float64)
        if np.isnan(values).all():
            return None
        distinct = np.unique(values)
        if distinct.size == 1:
            return _check_wavelength(float(distinct[0]), units)
        _check_each(coord, array, dim)
        found = [_check_wavelength(float(value), units) for value in distinct]
        each = np.asarray(found)[np.searchsorted(distinct, values)]
        if np.ptp(each) <= 1e-9 * each.max():
            return float(each.flat[0])
        return xr.Variable(coord.dims, each)
    return _find_attribute(dataset, array, dim)


def _find_attribute(dataset: xr.Dataset, array: xr.DataArray, dim: Hashable) -> float | None:
    """Return the wavelength [angstrom] of an attribute; None if the attribute is empty."""
    of_axis = array.coords[dim].attrs if dim in array.coords else {}
    for attrs in (dataset.attrs, array.attrs, of_axis):
        for name in ("wavelength", "wavelength_angstrom"):
            given = attrs.get(name)
            if given is None or (isinstance(given, str) and not given.strip()):
                continue
            units = "angstrom" if name == "wavelength_angstrom" else ""
            for key in ("wavelength_units", "wavelength_unit"):
                units = str(attrs.get(key, units)).strip()
            if isinstance(given, str) and (match := _WITH_UNITS.fullmatch(given.strip())):
                given, units = match[1], match[2]
            try:
                value = float(np.asarray(given, dtype=float).item())
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"attribute {name}={attrs[name]!r} is no wavelength in angstrom; {_SET}"
                ) from error
            return None if np.isnan(value) else _check_wavelength(value, units)
    return None


def _check_each(coord: xr.Variable, array: xr.DataArray, dim: Hashable) -> None:
    """Refuse wavelengths that are not one for each pattern."""
    if dim in coord.dims or not set(coord.dims) <= set(array.dims):
        raise DataError(
            f"wavelength lies along {list(coord.dims)}, the patterns along "
            f"{[d for d in array.dims if d != dim]}; give one for all patterns, or one for each"
        )
    missing = np.flatnonzero(np.isnan(coord.values.ravel()))
    if missing.size:
        raise DataError(
            f"wavelength is NaN for {missing.size} of {coord.size} patterns and varies between the "
            "others; set it, or leave these patterns out"
        )


def _check_wavelength(value: float, units: str) -> float:
    """Return a wavelength in angstrom; question a number without units that is unlikely one."""
    if not units:
        meant = _guess_units(value)
        outside = not LOWEST <= value <= HIGHEST
        if 0 < value < np.inf and (meant or outside):
            what = f"wavelength={value:g} has no units and would be in angstrom"
            how = f"{meant or 'it is no usual one'}; set ds.wavelength.attrs['units']"
            if outside:
                raise DataError(f"{what}, but {how}")
            warn(f"{what}: {how}")
    length = convert_to_angstrom(value, units or "angstrom")
    if length is None and value > 0:
        raise DataError(
            f"wavelength has units {units!r}, which are no length and no energy; set "
            "ds.wavelength.attrs['units'] = 'angstrom'"
        )
    if length is None or not 0 < length < np.inf:
        raise DataError(
            f"wavelength={value} {units or 'angstrom'} is not positive; set the true one"
        )
    return length


def _guess_units(value: float) -> str:
    """Return a hint at the units that a number seems to have; "" if angstrom are plausible."""
    if value <= 0:
        return ""
    for anode, (length, energy) in _LINES.items():
        if abs(10 * value - length) < _CLOSE * length:
            return f"{value:g} looks like nm ({anode} K-alpha is {length / 10:.4f} nm)"
        if abs(value - energy) < _CLOSE * energy:
            return f"{value:g} looks like keV ({anode} K-alpha is {energy:g} keV)"
    if LOWEST <= value <= HIGHEST:
        return ""
    lengths = {
        "m": value * 1e10,
        "nm": value * 10,
        "pm": value / 100,
        "keV": 12.39842 / value,
        "eV": 12398.42 / value,
    }
    likely = [units for units, length in lengths.items() if 0.05 <= length <= 3.0]
    return f"{value:g} looks like {' or '.join(likely)}" if likely else ""
