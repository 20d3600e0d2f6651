"""The shapes that PRX's pipelines draw in."""

from collections.abc import Mapping, Sequence

from diffusers.pipelines.prx.pipeline_prx import ASPECT_RATIO_BINS


def published_bins(resolution: int) -> Mapping[str, Sequence[int]] | None:
    """The bins of PRX at 256, 512 and 1024: height / width, rounded, to (height, width) in pixels; None elsewhere."""
    found: Mapping[str, Sequence[int]] | None = ASPECT_RATIO_BINS.get(resolution)
    return found
