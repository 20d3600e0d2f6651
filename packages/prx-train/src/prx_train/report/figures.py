"""Curves as SVG pictures."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prx_train.report.chart import Line, line_chart

_MOST = 1500  # points of a line


def data_uri(data: bytes, media_type: str) -> str:
    """Bytes as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def picture_uri(path: Path) -> str:
    """A PNG file as a `data:` URI."""
    return data_uri(path.read_bytes(), "image/png")


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at each place; of as many as there are at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return [float(x) for x in (sums[ends] - sums[starts]) / (ends - starts)]


def loss_curves(steps: Sequence[dict[str, Any]], validations: Sequence[dict[str, Any]]) -> str:
    """Training loss (each step and smoothed) and validation loss by step, as a `data:` URI."""
    by_step = [row["step"] for row in steps]
    losses = [row["loss"] for row in steps]
    smooth = smoothed(losses, max(1, len(steps) // 25))
    validated = [(row["step"], row["val_loss"]) for row in validations]
    thin = slice(None, None, max(1, len(steps) // _MOST))
    each = [*zip(by_step, losses, strict=True)][thin]
    mean = [*zip(by_step, smooth, strict=True)][thin]
    lines = [
        Line(points=each, color="#b9c6e6", width=0.7, label="training, each step"),
        Line(points=mean, color="#2f5fd0", label="training, smoothed"),
        Line(points=validated, color="#c2570c", dots=True, label="validation, averaged weights"),
    ]
    every = losses + [loss for _, loss in validated]
    # One wild first value must not flatten the rest.
    most = max(np.percentile(every, 98), max((loss for _, loss in validated), default=0)) if every else 0
    return _svg(
        line_chart(
            [line for line in lines if line.points],
            x_label="step",
            y_label="mean squared velocity error",
            top=1.15 * float(most) or 1.0,
            height=340,
        )
    )


def learning_rate_curve(steps: Sequence[dict[str, Any]]) -> str:
    """The learning rate that each step took, by minutes on the run's clock, as a `data:` URI."""
    thin = [*steps[:: max(1, len(steps) // _MOST)], *steps[-1:]]
    line = Line(points=[(row["seconds"] / 60, row["lr"]) for row in thin], color="#2c8a57")
    top = 1.05 * max((row["lr"] for row in thin), default=0) or 1.0
    return _svg(line_chart([line], x_label="minutes since the run began", y_label="learning rate", top=top, height=230))


def _svg(picture: str) -> str:
    return data_uri(picture.encode(), "image/svg+xml")
