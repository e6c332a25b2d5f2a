"""Earlier place and names of `xrdae.preprocessing.peaks`."""

from xrdae.preprocessing.peaks import estimate_noise as noise_level
from xrdae.preprocessing.peaks import find_contrary_regions as contrary
from xrdae.preprocessing.peaks import find_peak_bounds as peak_bounds
from xrdae.preprocessing.peaks import find_regions
from xrdae.preprocessing.peaks import measure_strengths as strength

__all__ = ["contrary", "find_regions", "noise_level", "peak_bounds", "strength"]
