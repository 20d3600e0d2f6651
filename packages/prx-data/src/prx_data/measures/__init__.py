"""Measures: pixels to columns. A measure knows no threshold and carries a version; see `Measure`."""

from prx_data.measures.protocol import Measure
from prx_data.measures.standard import standard_measures

__all__ = ["Measure", "standard_measures"]
