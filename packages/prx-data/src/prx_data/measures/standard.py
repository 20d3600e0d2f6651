"""The measures that suit product photos."""

from prx_data.measures.background_columns import BackgroundColumns
from prx_data.measures.basics import Basics
from prx_data.measures.layout import Layout
from prx_data.measures.perceptual import Perceptual
from prx_data.measures.protocol import Measure


def standard_measures() -> tuple[Measure, ...]:
    """Basics, perceptual hash, background and the layout embedding; none needs weights."""
    return (Basics(), Perceptual(), BackgroundColumns(), Layout())
