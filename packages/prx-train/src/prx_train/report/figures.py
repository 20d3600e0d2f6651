"""Curves as SVG pictures, drawn without a display."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

_STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#99999a",
    "axes.labelcolor": "#444449",
    "axes.grid": True,
    "grid.color": "#e8e8e6",
    "xtick.color": "#444449",
    "ytick.color": "#444449",
    "svg.hashsalt": "prx-train",
    "svg.fonttype": "path",
    "path.simplify_threshold": 0.5,
}


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
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.2, 3.4), layout="constrained")
        axes = figure.subplots()
        thin = steps[:: max(1, len(steps) // 1500)]
        axes.plot(
            [r["step"] for r in thin], [r["loss"] for r in thin], color="#b9c6e6", lw=0.7, label="training, each step"
        )
        smooth = smoothed([row["loss"] for row in steps], max(1, len(steps) // 25))
        pairs = list(zip([r["step"] for r in steps], smooth, strict=True))[:: max(1, len(steps) // 1500)]
        axes.plot([x for x, _ in pairs], [y for _, y in pairs], color="#2f5fd0", lw=1.6, label="training, smoothed")
        if validations:
            x, y = [row["step"] for row in validations], [row["val_loss"] for row in validations]
            axes.plot(x, y, color="#c2570c", lw=1.6, marker="o", ms=4, label="validation, averaged weights")
        axes.set(xlabel="step", ylabel="mean squared velocity error")
        every = [row["loss"] for row in steps] + [row["val_loss"] for row in validations]
        if every:
            # One wild first value must not flatten the rest.
            axes.set_ylim(0, 1.15 * max(np.percentile(every, 98), max((r["val_loss"] for r in validations), default=0)))
        axes.legend(frameon=False, fontsize=9)
        return _svg(figure)


def learning_rate_curve(steps: Sequence[dict[str, Any]]) -> str:
    """The learning rate that each step took, by minutes on the run's clock, as a `data:` URI."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.2, 2.3), layout="constrained")
        axes = figure.subplots()
        thin = [*steps[:: max(1, len(steps) // 1500)], *steps[-1:]]
        axes.plot([row["seconds"] / 60 for row in thin], [row["lr"] for row in thin], color="#2c8a57", lw=1.6)
        axes.set(xlabel="minutes since the run began", ylabel="learning rate")
        axes.set_ylim(bottom=0)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return data_uri(file.getvalue(), "image/svg+xml")
