"""Charts as SVG in `data:` URIs."""

import base64
from collections.abc import Sequence
from io import BytesIO


def histogram(values: Sequence[float], *, threshold: float | None, label: str) -> str:
    """A histogram of numbers in [0, 1] with a line at a threshold.

    Args:
        values: The numbers.
        threshold: Where the line stands; None for no line.
        label: Of the horizontal axis, with its unit.

    Returns:
        A `data:image/svg+xml` URI; the same bytes for the same numbers.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "prx", "font.size": 10, "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.hist(values, bins=25, range=(0, 1), color="#45658b", rwidth=0.92)
        if threshold is not None:
            axes.axvline(threshold, color="#b3322f", linewidth=1.5)
            axes.text(threshold, axes.get_ylim()[1], f" kept from {threshold:g}", va="top", color="#b3322f")
        axes.set_xlim(0, 1)
        axes.set_xlabel(label)
        axes.set_ylabel("photos")
        axes.spines[["top", "right"]].set_visible(False)
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
