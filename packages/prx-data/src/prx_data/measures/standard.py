"""The measures that suit product photos."""

from prx_data.measures.background_columns import BackgroundColumns
from prx_data.measures.basics import Basics
from prx_data.measures.borders import Borders
from prx_data.measures.layout import Layout
from prx_data.measures.perceptual import Perceptual
from prx_data.measures.protocol import Measure
from prx_data.measures.resolution import Resolution


def standard_measures(*, text: bool = False) -> tuple[Measure, ...]:
    """Basics, resolution, borders, perceptual hash, background and the layout embedding; none needs weights.

    Args:
        text: Whether to look for text too, see `prx_data.measures.text`: that takes far longer than all others.
    """
    standard = (Basics(), Resolution(), Borders(), Perceptual(), BackgroundColumns(), Layout())
    if not text:
        return standard
    from prx_data.measures.text import Text  # a process that looks for none starts without it

    return (*standard, Text())
