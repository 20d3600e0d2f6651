"""Colour science: sRGB to CIE Lab and colour differences."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels import lab

Lab = npt.NDArray[np.float32]

_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_XYZ_TO_SRGB = np.linalg.inv(_SRGB_TO_XYZ).T
_WHITE = np.array([0.95047, 1.0, 1.08883])
_ROWS_TO_SRGB: list[list[float]] = (_XYZ_TO_SRGB.T * _WHITE).tolist()
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_to_lab(pixels: npt.NDArray[np.uint8]) -> Lab:
    """From sRGB to CIE 1976 L*a*b* under D65 (IEC 61966-2-1, CIE 15).

    Args:
        pixels: uint8 of shape (..., 3).

    Returns:
        float32 of the same shape: L in [0, 100], a and b in about [-110, 110].
    """
    planes = lab.srgb_to_lab(np.ascontiguousarray(pixels).reshape(-1, 3))
    return np.ascontiguousarray(planes.T).reshape(pixels.shape)


def lightness(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """L* alone of sRGB pixels: float32 in [0, 100], of the shape without the last axis."""
    luminance = _LINEAR[pixels] @ _SRGB_TO_XYZ[1].astype(np.float32)
    light = np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, 24389 / 27 * luminance)
    return np.asarray(light, dtype=np.float32)


def lab_to_srgb(colors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """The inverse of `srgb_to_lab`, clipped to sRGB; uint8 of the same shape."""
    color = np.asarray(colors, dtype=np.float64)
    y = (color[..., 0] + 16) / 116
    f = np.stack([y + color[..., 1] / 500, y, y - color[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (116 * f - 16) * 27 / 24389) * _WHITE
    linear = np.clip(xyz @ _XYZ_TO_SRGB, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), dtype=np.uint8)


def delta_e(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """CIE76 colour difference of Lab colours, ≥ 0, over the last axis; about 2.3 is just noticeable."""
    difference = np.asarray(a, dtype=np.float32) - np.asarray(b, dtype=np.float32)
    # Several times as fast as a sum over an axis of length three.
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", difference, difference)), dtype=np.float32)


def delta_e_2000(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """CIEDE2000 colour difference of Lab colours, ≥ 0, over the last axis; 1 is about just noticeable.

    Source: Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", with all parametric factors 1.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    chroma = (np.hypot(first[..., 1], first[..., 2]) + np.hypot(second[..., 1], second[..., 2])) / 2
    G = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    C1, h1 = _polar(first, G)
    C2, h2 = _polar(second, G)
    grey = C1 * C2 == 0
    dh = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    dL, dC, dH = second[..., 0] - first[..., 0], C2 - C1, 2 * np.sqrt(C1 * C2) * np.sin(np.radians(dh) / 2)
    L, C = (first[..., 0] + second[..., 0]) / 2, (C1 + C2) / 2
    h = np.where(grey, h1 + h2, (h1 + dh / 2) % 360)
    T = 1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63)
    S_L = 1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2)
    S_C, S_H = 1 + 0.045 * C, 1 + 0.015 * C * T
    turn = 60 * np.exp(-(((h - 275) / 25) ** 2))
    R_T = -np.sin(np.radians(turn)) * 2 * np.sqrt(C**7 / (C**7 + 25.0**7))
    squares = (dL / S_L) ** 2 + (dC / S_C) ** 2 + (dH / S_H) ** 2 + R_T * (dC / S_C) * (dH / S_H)
    return np.asarray(np.sqrt(np.maximum(squares, 0)), dtype=np.float64)


def _polar(
    colors: npt.NDArray[np.float64], G: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Chroma and hue in degrees of [0, 360), with a stretched as CIEDE2000 wants it."""
    a = (1 + G) * colors[..., 1]
    return np.hypot(a, colors[..., 2]), np.degrees(np.arctan2(colors[..., 2], a)) % 360


def _cos(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.cos(np.radians(degrees)))


def hex_color(color: npt.ArrayLike) -> str:
    """A Lab colour as `#rrggbb`."""
    # One colour in plain numbers costs a tenth of what it costs in arrays of one; see `lab_to_srgb`.
    light, a, b = map(float, np.asarray(color))
    fy = (light + 16) / 116
    x, y, z = _unrooted(fy + a / 500), _unrooted(fy), _unrooted(fy - b / 200)
    linear = (to_x * x + to_y * y + to_z * z for to_x, to_y, to_z in _ROWS_TO_SRGB)
    return "#" + bytes(round(255 * _encoded(min(max(one, 0.0), 1.0))) for one in linear).hex()


def _unrooted(root: float) -> float:
    return root**3 if root > 6 / 29 else (116 * root - 16) * 27 / 24389


def _encoded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
