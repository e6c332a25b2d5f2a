"""Earlier place of `xrdae.preprocessing.peaks`."""

from xrdae.preprocessing.peaks import contrary, find_regions, noise_level, peak_bounds, strength

__all__ = ["contrary", "find_regions", "noise_level", "peak_bounds", "strength"]
