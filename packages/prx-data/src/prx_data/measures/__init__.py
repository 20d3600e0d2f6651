"""Measures: pixels to columns. A measure knows no threshold and carries a version; see `Measure`."""

from prx_data.measures.protocol import BatchMeasure, ColumnMeasure, Measure, takes_batches, takes_columns
from prx_data.measures.standard import standard_measures

__all__ = ["BatchMeasure", "ColumnMeasure", "Measure", "standard_measures", "takes_batches", "takes_columns"]
