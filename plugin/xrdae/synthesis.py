"""Earlier place of `xrdae.analysis.synthesis`."""

from xrdae.analysis.request import Request

__all__ = ["Request"]
