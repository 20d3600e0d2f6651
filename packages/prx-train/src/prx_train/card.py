"""The card of what a run exports: how to draw with it, and what it is."""

from prx_train.session import Session
from prx_train.told import counted

_PIPELINE = """---
library_name: diffusers
pipeline_tag: text-to-image
---

# A PRX model {space}

Trained for {steps} on {photos} at about {resolution}×{resolution} pixels{start}.

```python
import torch
from diffusers import {pipeline}

pipe = {pipeline}.from_pretrained("path/to/this/folder")
image = pipe(
    {prompt!r},
    height={height},
    width={width},
    num_inference_steps={sample_steps},
    guidance_scale={guidance},
    generator=torch.Generator().manual_seed(0),
    use_resolution_binning=False,
).images[0]
image.save("picture.png")
```

- `use_resolution_binning=False`: the pipeline's own aspect-ratio bins are not those it was trained with.
- With guidance the pipeline takes one prompt a call; give prompts one after another.
- Sides must be multiples of {cell} pixels; {width}×{height} (width×height) is the shape it saw most.
- A prompt is cut off after {tokens} tokens.
"""

_ADAPTERS = """---
library_name: diffusers
tags:
- lora
base_model: {base}
---

# Adapters for a PRX model

Trained for {steps} on {photos} at about {resolution}×{resolution} pixels{start}.

```python
from diffusers import {pipeline}
from prx_train import load_lora

pipe = load_lora({pipeline}.from_pretrained({base!r}), "path/to/this/folder")
image = pipe({prompt!r}, height={height}, width={width}, use_resolution_binning=False).images[0]
image.save("picture.png")
```

`prx-train merge RUN FOLDER` writes a plain pipeline that diffusers loads by itself.
"""


def model_card(session: Session) -> str:
    """The README of a pipeline, or of adapters."""
    config, base = session.config, session.base
    height, width = session.sample_size
    return (_PIPELINE if config.lora is None else _ADAPTERS).format(
        space="in latents" if base.is_latent else "in pixel space",
        pipeline="PRXPipeline" if base.is_latent else "PRXPixelPipeline",
        base=config.base,
        start=f", from {config.base}" if config.base else "",
        steps=counted(session.progress.step, "step"),
        photos=counted(len(session.train.rows), "photo"),
        resolution=config.resolution,
        prompt=session.prompts[0],
        height=height,
        width=width,
        sample_steps=config.sample_steps,
        guidance=config.guidance,
        cell=base.patch_size * session.space.compression,
        tokens=session.encoder.max_tokens,
    )
