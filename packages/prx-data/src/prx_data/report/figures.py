"""Charts as SVG in `data:` URIs."""

import base64
from collections.abc import Sequence
from io import BytesIO


def histogram(values: Sequence[float], *, threshold: float | None, label: str, drops_above: bool = False) -> str:
    """A histogram with a line at a threshold.

    Args:
        values: The numbers.
        threshold: Where the line stands; None for no line.
        label: Of the horizontal axis, with its unit.
        drops_above: Whether the threshold keeps what lies below it.

    Returns:
        A `data:image/svg+xml` URI; the same bytes for the same numbers.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    with mpl.rc_context({"svg.hashsalt": "prx", "font.size": 10, "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.hist(values, bins=25, range=(low, high) if high > low else None, color="#45658b", rwidth=0.92)
        if threshold is not None:
            low, high = min(low, threshold), max(high, threshold)
            axes.axvline(threshold, color="#b3322f", linewidth=1.5)
            side = "right" if drops_above else "left"
            text = f" kept {'up to' if drops_above else 'from'} {threshold:g} "
            axes.text(threshold, axes.get_ylim()[1], text, va="top", ha=side, color="#b3322f")
        if high > low:
            axes.set_xlim(low, high)
        axes.set_xlabel(label)
        axes.set_ylabel("photos")
        axes.spines[["top", "right"]].set_visible(False)
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
