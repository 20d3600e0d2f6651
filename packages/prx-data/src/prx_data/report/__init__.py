"""The report: what happened to a pile of photos, as data (`report.json`) and as one page (`report.html`)."""

from prx_data.report.build import Report, build_report, summary, write_report
from prx_data.report.pictures import Gallery, Pictures, gallery

__all__ = ["Gallery", "Pictures", "Report", "build_report", "gallery", "summary", "write_report"]
