"""Learning rates for a base, on equal steps: prints one table of validation losses, and keeps the samples to look at.

    python benchmarks/learning_rate.py DATASET OUT [RATE ...] [--base prx-tiny] [--steps 100] [--batch-size N]
        [--optimizer adamw] [--lora]

DATASET is a folder that prx-data has written, with a validation split. Each rate is a run of its own in OUT, with the
same photos, noise and times; `OUT/RATE/samples/after.png` shows what it draws.
"""

import argparse
from pathlib import Path

import prx_train


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("rates", type=float, nargs="*", default=[1e-4, 3e-4, 6e-4, 1e-3])
    parser.add_argument("--base", default="prx-tiny")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--lora", action="store_true")
    options = parser.parse_args()
    print(f"{options.base}, {options.steps} steps, {options.optimizer}\n    rate  validation loss: before, half, after")
    for rate in options.rates:
        config = prx_train.TrainConfig(
            dataset=options.dataset,
            output=options.out / f"{rate:g}",
            cache=options.out / "cache",
            base=options.base,
            budget=f"{options.steps} steps",
            learning_rate=rate,
            batch_size=options.batch_size,
            optimizer=options.optimizer,
            lora=prx_train.LoraConfig() if options.lora else None,
            validate_every=f"{max(1, options.steps // 2)} steps",
            trackers=(),
        )
        run = prx_train.fit(config, say=lambda text: None)
        losses = {row["step"]: row["val_loss"] for row in run.metrics if "val_loss" in row}
        print(f"{rate:8g}  " + " ".join(f"{loss:.4f}" for loss in losses.values()), flush=True)


if __name__ == "__main__":
    main()
