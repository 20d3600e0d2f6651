"""A line chart as an SVG picture, written out by hand.

matplotlib would keep a cache of fonts outside the run's folder, and takes a second of the budget to import.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 820, 94, 18, 34, 48  # pixels
_INK, _GRID, _AXIS = "#444449", "#e8e8e6", "#99999a"
_FONT = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" font-size="13"'
_ROUND = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points that are joined, from left to right."""

    points: Sequence[Point]
    color: str
    width: float = 1.6
    dots: bool = False
    label: str = ""
    """In the legend; without it the line is in none."""


def line_chart(lines: Sequence[Line], *, x_label: str, y_label: str, top: float, height: int) -> str:
    """An SVG picture of lines over a vertical axis from 0 to `top`; what lies outside is cut off.

    Args:
        lines: In the order in which they are drawn, each over those before it.
        x_label: What the points' first numbers are, with their unit.
        y_label: What their second numbers are.
        top: Upper end of the vertical axis, > 0.
        height: Of the picture, which is 820 wide, in pixels.
    """
    found = [x for line in lines for x, _ in line.points] or [0.0]
    margin = 0.03 * (max(found) - min(found)) or 0.5
    left, right = min(found) - margin, max(found) + margin
    bottom = height - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (x - left) / (right - left) * (_WIDTH - _RIGHT - _LEFT)

    def up(y: float) -> float:
        return bottom - y / top * (bottom - _TOP)

    parts = [f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>']
    for y, text in _ticks(0.0, top, most=max(2, height // 60)):
        parts.append(_stroke((_LEFT, up(y)), (_WIDTH - _RIGHT, up(y)), _GRID))
        parts.append(_text(_LEFT - 8, up(y) + 4, text, "end"))
    whole = all(isinstance(x, int) for x in found)
    for x, text in _ticks(left, right, most=10, least=1.0 if whole else 0.0):
        parts.append(_stroke((across(x), _TOP), (across(x), bottom), _GRID))
        parts.append(_text(across(x), bottom + 18, text, "middle"))
    parts.append(_stroke((_LEFT, _TOP), (_LEFT, bottom), _AXIS))
    parts.append(_stroke((_LEFT, bottom), (_WIDTH - _RIGHT, bottom), _AXIS))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, height - 10, x_label, "middle"))
    middle = (_TOP + bottom) / 2
    parts.append(f'<g transform="rotate(-90 16 {middle:.1f})">{_text(16, middle, y_label, "middle")}</g>')
    box = f'x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _RIGHT - _LEFT}" height="{bottom - _TOP}"'
    parts.append(f'<clipPath id="plot"><rect {box}/></clipPath><g clip-path="url(#plot)">')
    parts += [_drawn(line, [(across(x), up(y)) for x, y in line.points]) for line in lines]
    parts += ["</g>", *_legend([line for line in lines if line.label])]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'{_FONT} fill="{_INK}">\n{body}\n</svg>\n'
    )


def _ticks(low: float, high: float, *, most: int, least: float = 0.0) -> list[tuple[float, str]]:
    """Round numbers between two, `least` apart or more, with their names: at most so many and one more."""
    rough = max((high - low) / most, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _ROUND if power * factor >= 0.999 * rough)
    decimals = max(0, -math.floor(math.log10(step)) + (abs(step / power - 2.5) < 1e-6))
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    texts = (f"{n * step:,.{decimals}f}" if decimals < 7 else f"{n * step:.2g}" for n in numbers)
    return [(n * step, text) for n, text in zip(numbers, texts, strict=True)]


def _drawn(line: Line, places: Sequence[Point]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="{line.width}"/>'
    if line.dots or len({*places}) == 1:  # one point alone makes no line
        drawn += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.color}"/>' for x, y in places)
    return drawn


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, x = [], _LEFT + 4.0
    for line in lines:
        parts.append(_stroke((x, 18), (x + 24, 18), line.color, max(line.width, 1.2)))
        parts.append(_text(x + 30, 22, line.label, "start"))
        x += 64 + 7 * len(line.label)
    return parts


def _stroke(start: Point, end: Point, color: str, width: float = 1.0) -> str:
    places = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {places} stroke="{color}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
