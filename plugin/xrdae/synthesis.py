"""Earlier place of `xrdae.analysis.synthesis`."""

from xrdae.analysis.synthesis import Request

__all__ = ["Request"]
