"""Shapes of products: each kind is a function that draws with a pen and takes its proportions from a seed."""

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]
Random = np.random.Generator


class Pen:
    """Draws in coordinates from 0 to 1 within a box of the canvas, in shades of one colour."""

    def __init__(self, canvas: Image.Image, box: tuple[float, float, float, float], color: Color) -> None:
        self._drawing = ImageDraw.Draw(canvas)
        self._box = box
        self.color = color

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        left, top, width, height = self._box
        return left + x * width, top + y * height

    def shade(self, factor: float) -> Color:
        """The colour, darker below 1 and lighter above."""
        red, green, blue = (one / 255 for one in self.color)
        hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
        shaded = colorsys.hls_to_rgb(hue, min(1.0, max(0.0, light * factor + 0.02 * (factor > 1))), saturation)
        return (round(255 * shaded[0]), round(255 * shaded[1]), round(255 * shaded[2]))

    def shape(self, points: list[tuple[float, float]], factor: float = 1.0) -> None:
        """A filled outline."""
        self._drawing.polygon([self.at(*one) for one in points], fill=self.shade(factor))

    def ellipse(self, x: float, y: float, rx: float, ry: float, factor: float = 1.0) -> None:
        """A filled ellipse around a point."""
        self._drawing.ellipse((*self.at(x - rx, y - ry), *self.at(x + rx, y + ry)), fill=self.shade(factor))

    def line(self, points: list[tuple[float, float]], width: float, factor: float = 0.7) -> None:
        """A line with round joints; width in parts of the box."""
        pixels = max(1, round(width * self._box[2]))
        self._drawing.line([self.at(*one) for one in points], fill=self.shade(factor), width=pixels, joint="curve")


class Ink(Pen):
    """Draws the same in black, whatever the shade, and holes in white: a mask."""

    def shade(self, factor: float) -> Color:
        """Black, or white where the pen was set to white."""
        del factor
        return (255, 255, 255) if self.color == (255, 255, 255) else (0, 0, 0)


def _shirt(pen: Pen, random: Random, *, sleeve: float, hood: bool = False) -> None:
    shoulder, waist, drop = random.uniform(0.26, 0.32), random.uniform(0.2, 0.32), random.uniform(0.82, 1.0)
    hang = random.uniform(0.08, 0.25) + 0.28 * sleeve
    for side in (-1, 1):
        tip = (0.5 + side * (shoulder + 0.12 + 0.1 * sleeve), 0.16 + hang)
        pen.shape(
            [(0.5 + side * shoulder, 0.06), tip, (tip[0] - side * 0.13, tip[1] + 0.05), (0.5 + side * 0.2, 0.3)], 0.9
        )
    body = [(0.5 - shoulder, 0.06), (0.5 + shoulder, 0.06), (0.5 + waist, drop), (0.5 - waist, drop)]
    pen.shape(body)
    pen.ellipse(0.5, 0.06, 0.1, random.uniform(0.04, 0.08), 0.6)
    if hood:
        pen.ellipse(0.5, 0.02, 0.17, 0.09, 0.8)
        pen.shape([(0.36, 0.62), (0.64, 0.62), (0.7, 0.78), (0.3, 0.78)], 0.85)
    for y in np.arange(0.2, drop - 0.05, random.uniform(0.07, 0.2)) if random.random() < 0.4 else ():
        pen.line([(0.5 - waist, float(y)), (0.5 + waist, float(y))], random.uniform(0.015, 0.05), 1.5)
    if random.random() < 0.5:
        pen.ellipse(random.uniform(0.42, 0.58), random.uniform(0.25, 0.5), random.uniform(0.04, 0.1), 0.06, 1.5)
    for x in random.uniform(0.38, 0.62, 2):
        pen.line([(float(x), 0.5), (float(x) + 0.02, drop - 0.03)], 0.008, 0.8)


def _trousers(pen: Pen, random: Random, *, length: float) -> None:
    hip, hem, gap = random.uniform(0.2, 0.28), random.uniform(0.08, 0.17), random.uniform(0.01, 0.12)
    bottom = 0.3 + 0.7 * length
    for side in (-1, 1):
        foot = 0.5 + side * (gap + hem)
        pen.shape(
            [(0.5, 0.0), (0.5 + side * hip, 0.0), (foot + side * hem, bottom), (foot - side * hem, bottom), (0.5, 0.3)]
        )
        pen.line([(0.5 + side * hip * 0.6, 0.12), (foot, bottom)], 0.008, 0.8)
    pen.shape([(0.5 - hip, 0), (0.5 + hip, 0), (0.5 + hip, 0.06), (0.5 - hip, 0.06)], 0.75)
    if random.random() < 0.5:
        pen.line([(0.5, 0.06), (0.5, 0.25)], 0.01)


def _dress(pen: Pen, random: Random, *, top: bool) -> None:
    waist, hem, flare = random.uniform(0.12, 0.18), random.uniform(0.28, 0.48), random.uniform(0.85, 1.0)
    start = 0.42 if top else random.uniform(0.12, 0.3)
    if top:
        pen.shape([(0.36, 0.02), (0.64, 0.02), (0.5 + waist, start), (0.5 - waist, start)])
        pen.ellipse(0.5, 0.02, 0.08, random.uniform(0.05, 0.12), 0.6)
    pen.shape([(0.5 - waist, start), (0.5 + waist, start), (0.5 + hem, flare), (0.5 - hem, flare)])
    for x in np.linspace(-0.8, 0.8, int(random.integers(3, 8))):
        pen.line([(0.5 + x * waist, start + 0.04), (0.5 + x * hem, flare)], 0.008, 0.8)
    pen.shape(
        [(0.5 - waist, start - 0.03), (0.5 + waist, start - 0.03), (0.5 + waist, start), (0.5 - waist, start)], 0.7
    )


def _vessel(pen: Pen, random: Random, *, handle: bool, neck: float) -> None:
    width, top = random.uniform(0.22, 0.34), random.uniform(0.15, 0.3)
    foot = width * random.uniform(0.6, 1.05)
    if handle:
        pen.ellipse(0.5 + width, 0.58, 0.14, 0.2, 0.85)
        keep, pen.color = pen.color, (255, 255, 255)
        pen.ellipse(0.5 + width, 0.58, 0.08, 0.13)
        pen.color = keep
    pen.shape([(0.5 - width, top + neck), (0.5 + width, top + neck), (0.5 + foot, 0.97), (0.5 - foot, 0.97)])
    if neck:
        thin = width * random.uniform(0.3, 0.5)
        pen.shape([(0.5 - thin, 0.02), (0.5 + thin, 0.02), (0.5 + width, top + neck), (0.5 - width, top + neck)], 0.95)
        pen.shape([(0.5 - thin, 0.02), (0.5 + thin, 0.02), (0.5 + thin, 0.09), (0.5 - thin, 0.09)], 0.6)
    else:
        pen.ellipse(0.5, top, width, 0.06, 0.7)
    pen.shape(
        [(0.5 - 0.7 * width, 0.5), (0.5 - 0.5 * width, 0.5), (0.5 - 0.5 * foot, 0.92), (0.5 - 0.7 * foot, 0.92)], 1.35
    )
    if random.random() < 0.6:
        y = random.uniform(0.55, 0.75)
        pen.shape(
            [(0.5 - foot, y), (0.5 + foot, y), (0.5 + foot, y + 0.1), (0.5 - foot, y + 0.1)], random.uniform(0.6, 1.5)
        )


def _lamp(pen: Pen, random: Random) -> None:
    top, shade, foot = random.uniform(0.08, 0.2), random.uniform(0.24, 0.45), random.uniform(0.15, 0.3)
    middle = random.uniform(0.38, 0.55)
    pen.shape([(0.48, middle), (0.52, middle), (0.52, 0.93), (0.48, 0.93)], 0.5)
    pen.ellipse(0.5, 0.94, foot, 0.04, 0.6)
    pen.shape([(0.5 - top, 0.02), (0.5 + top, 0.02), (0.5 + shade, middle), (0.5 - shade, middle)])
    pen.shape(
        [(0.5 - 0.6 * top, 0.02), (0.5 - 0.2 * top, 0.02), (0.5 - 0.2 * shade, middle), (0.5 - 0.6 * shade, middle)],
        1.3,
    )


def _chair(pen: Pen, random: Random) -> None:
    back, seat, splay = random.uniform(0.2, 0.3), random.uniform(0.48, 0.6), random.uniform(0.0, 0.1)
    for side in (-1, 1):
        pen.line([(0.5 + side * back * 0.9, seat), (0.5 + side * (back + splay), 0.98)], 0.045, 0.6)
    pen.shape([(0.5 - back, 0.03), (0.5 + back, 0.03), (0.5 + back, seat), (0.5 - back, seat)], 0.85)
    for x in np.linspace(-0.7, 0.7, int(random.integers(2, 6))):
        pen.line([(0.5 + x * back, 0.1), (0.5 + x * back, seat - 0.04)], 0.03, random.uniform(0.6, 1.4))
    pen.shape([(0.5 - back, seat), (0.5 + back, seat), (0.56 + back, seat + 0.1), (0.44 - back, seat + 0.1)])


def _shoe(pen: Pen, random: Random) -> None:
    sole, ankle, toe = random.uniform(0.72, 0.8), random.uniform(0.28, 0.45), random.uniform(0.5, 0.62)
    pen.shape([(0.06, ankle), (0.36, ankle), (0.52, toe), (0.9, sole - 0.08), (0.95, sole), (0.05, sole)])
    pen.shape([(0.04, sole), (0.96, sole), (0.94, sole + 0.1), (0.05, sole + 0.1)], random.uniform(0.4, 1.7))
    for x in np.linspace(0.36, 0.56, int(random.integers(2, 6))):
        pen.line([(float(x), ankle + 0.1 + (x - 0.36)), (float(x) + 0.09, ankle + 0.04 + (x - 0.36))], 0.018, 1.6)
    pen.shape(
        [(0.1, sole - 0.18), (0.3, sole - 0.2), (0.26, sole - 0.06), (0.1, sole - 0.06)], random.uniform(0.6, 1.5)
    )


def _backpack(pen: Pen, random: Random) -> None:
    width, pocket = random.uniform(0.26, 0.36), random.uniform(0.5, 0.66)
    pen.ellipse(0.5, 0.06, 0.09, 0.06, 0.6)
    pen.ellipse(0.5, 0.22, width, 0.18)
    pen.shape([(0.5 - width, 0.2), (0.5 + width, 0.2), (0.54 + width, 0.95), (0.46 - width, 0.95)])
    pen.shape(
        [
            (0.5 - 0.75 * width, pocket),
            (0.5 + 0.75 * width, pocket),
            (0.5 + 0.8 * width, 0.9),
            (0.5 - 0.8 * width, 0.9),
        ],
        0.8,
    )
    pen.line([(0.5 - 0.75 * width, pocket), (0.5 + 0.75 * width, pocket)], 0.02, 0.5)
    pen.line([(0.5 - width, 0.32), (0.5 + width, random.uniform(0.28, 0.4))], 0.02, random.uniform(0.5, 1.4))


def _hat(pen: Pen, random: Random) -> None:
    brim, crown, height = random.uniform(0.36, 0.48), random.uniform(0.2, 0.28), random.uniform(0.2, 0.45)
    pen.ellipse(0.5, 0.72, brim, random.uniform(0.06, 0.12), 0.85)
    pen.ellipse(0.5, height, crown, 0.12)
    pen.shape([(0.5 - crown, height), (0.5 + crown, height), (0.53 + crown, 0.7), (0.47 - crown, 0.7)])
    pen.shape(
        [(0.47 - crown, 0.6), (0.53 + crown, 0.6), (0.53 + crown, 0.7), (0.47 - crown, 0.7)], random.uniform(0.4, 1.6)
    )


KINDS: dict[str, Callable[[Pen, Random], None]] = {
    "t-shirt": lambda pen, random: _shirt(pen, random, sleeve=0.0),
    "sweater": lambda pen, random: _shirt(pen, random, sleeve=1.0),
    "hoodie": lambda pen, random: _shirt(pen, random, sleeve=0.9, hood=True),
    "trousers": lambda pen, random: _trousers(pen, random, length=1.0),
    "shorts": lambda pen, random: _trousers(pen, random, length=0.4),
    "dress": lambda pen, random: _dress(pen, random, top=True),
    "skirt": lambda pen, random: _dress(pen, random, top=False),
    "mug": lambda pen, random: _vessel(pen, random, handle=True, neck=0.0),
    "bottle": lambda pen, random: _vessel(pen, random, handle=False, neck=0.25),
    "lamp": _lamp,
    "chair": _chair,
    "shoe": _shoe,
    "backpack": _backpack,
    "hat": _hat,
}
