"""Fine-tunes adapters (LoRA) on a PRX model, within a budget, and draws a picture with them.

python examples/finetune_lora.py DATASET [BASE] [BUDGET] [PROMPT]
"""

import sys
from pathlib import Path

from prx_train import LoraConfig, TrainConfig, fit, load

DEFAULTS = ("prx-tiny", "5m", "a photo of a red hoodie, on a plain white background")


def main(dataset: str, *given: str) -> None:
    """Train, draw, and say where both are."""
    base, budget, prompt = (*given, *DEFAULTS[len(given) :])
    output = Path("runs/lora")
    run = fit(
        TrainConfig(dataset=Path(dataset), output=output, base=base, budget=budget, lora=LoraConfig(rank=16)),
    )
    pipeline = load(output)  # the base with the adapters on it, a plain diffusers pipeline
    side = pipeline.config.default_sample_size
    pipeline(prompt, height=side, width=side, use_resolution_binning=False).images[0].save(output / "sample.png")
    print(output / "sample.png", run.report_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
