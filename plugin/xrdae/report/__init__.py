"""The explorer: one self-contained HTML page on a dataset's patterns and its model."""

from xrdae.report.page import Report, make_report

__all__ = ["Report", "make_report"]
