"""The report: what happened to a pile of photos, as data (`report.json`) and as one page (`report.html`)."""

from prx_data.report.build import Report, build_report, clusters_shown, summary, write_report
from prx_data.report.captions import captions_shown
from prx_data.report.pictures import Gallery, Pictures, Shown, gallery

__all__ = [
    "Gallery",
    "Pictures",
    "Report",
    "Shown",
    "build_report",
    "captions_shown",
    "clusters_shown",
    "gallery",
    "summary",
    "write_report",
]
