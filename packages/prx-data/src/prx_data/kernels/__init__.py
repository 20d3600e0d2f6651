"""The hot loops of the measures, compiled by numba; each file is one subject.

Pictures in Lab lie plane by plane here, shape (3, height, width), so that loops run over memory without gaps.
"""

from prx_data.kernels import colors, ground, history, inset, lab, lines, luma, masks, pyramid, small, straight, texture
from prx_data.kernels.compiled import compile_all, load_all

__all__ = [
    "colors",
    "compile_all",
    "ground",
    "history",
    "inset",
    "lab",
    "lines",
    "load_all",
    "luma",
    "masks",
    "pyramid",
    "small",
    "straight",
    "texture",
]
