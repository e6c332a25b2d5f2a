"""What the headers of files state, kept where it can be true."""

from __future__ import annotations

# Headers are full of zeros, -1 and 1e30 where nothing was entered; units as in METADATA_UNITS.
_BOUNDS = {
    "wavelength": (0.1, 3.0),  # lines of X-ray tubes: W K-alpha 0.21, Cr K-alpha 2.29
    "k_alpha_2": (0.1, 3.0),
    "k_alpha_ratio": (0.01, 1.0),
    "temperature": (0.01, 5000.0),
    "counting_time": (1e-6, 1e7),
    "voltage": (1.0, 1000.0),
    "current": (1e-3, 1e4),
}
_ANYWHERE = (-1e5, 1e5)


def stated(**values: float | str | None) -> dict[str, float | str]:
    """Return metadata of a scan: the values that are neither empty nor impossible."""
    kept: dict[str, float | str] = {}
    for name, value in values.items():
        if isinstance(value, str):
            if value.strip():
                kept[name] = value.strip()
        elif value is not None:
            low, high = _BOUNDS.get(name, _ANYWHERE)
            if low <= value <= high:  # false for NaN
                kept[name] = float(value)
    return kept
