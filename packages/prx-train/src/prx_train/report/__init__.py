"""The report of a run: metrics, samples and ledgers to one self-contained page. Reads files, imports no torch."""

from prx_train.report.build import build_report, write_report
from prx_train.report.render import render

__all__ = ["build_report", "render", "write_report"]
