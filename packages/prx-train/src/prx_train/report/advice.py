"""What to change in the next run: sentences that follow from the run's own numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from prx_train.budget import spoken

Rows = Sequence[Mapping[str, Any]]


def advice(config: Mapping[str, Any], steps: Rows, validations: Rows, ledger: Rows) -> list[str]:
    """A few sentences, the weightiest first."""
    if len(steps) < 2 or len(validations) < 2:
        return ["There are too few steps to say anything: give the next run a longer budget."]
    found = [
        *_time_or_data(validations),
        *_epochs(steps),
        *_overhead(ledger),
        *_clipping(config, steps),
    ]
    return found or ["Nothing in the curves or in the ledger asks for a change; more time and more photos come next."]


def _time_or_data(validations: Rows) -> list[str]:
    values = [row["val_loss"] for row in validations]
    best = min(range(len(values)), key=values.__getitem__)
    if best < len(values) - 1 and values[-1] > 1.02 * values[best]:
        return [
            f"Validation loss was lowest at step {validations[best]['step']} ({values[best]:.3f}) and rose to "
            f"{values[-1]:.3f} since: the model has begun to memorise, so add photos or shorten the budget."
        ]
    middle = values[len(values) // 2] if len(values) > 2 else values[0]
    gain = 1 - values[-1] / middle
    since = validations[len(values) // 2 if len(values) > 2 else 0]["step"]
    if gain > 0.02:
        return [
            f"Validation loss still fell by {gain:.0%} after step {since}, to {values[-1]:.3f}: a longer budget will "
            "make better pictures from the same photos."
        ]
    return [
        f"Validation loss changed by only {-gain:+.1%} after step {since}: more time alone will do little; "
        "try more photos, denser captions, or a larger model."
    ]


def _epochs(steps: Rows) -> list[str]:
    epochs = steps[-1]["epoch"] + 1
    if epochs < 3:
        return [
            f"Training was in epoch {epochs} when it ended: most photos were seen once or twice; give it more time."
        ]
    if epochs > 100:
        return [f"Each photo was seen about {epochs} times: more photos would help more than more time."]
    return []


def _overhead(ledger: Rows) -> list[str]:
    total = sum(row["seconds"] for row in ledger)
    training = sum(row["seconds"] for row in ledger if row["stage"] == "train")
    others: dict[str, float] = {}
    for row in ledger:
        if row["stage"] != "train":
            others[row["stage"]] = others.get(row["stage"], 0.0) + row["seconds"]
    if not others or training / total > 0.8:
        return []
    stage, seconds = max(others.items(), key=lambda item: item[1])
    return [
        f"Only {training / total:.0%} of the time went into training; the largest other part was '{stage}' with "
        f"{spoken(seconds)}, which weighs less in a longer run."
    ]


def _clipping(config: Mapping[str, Any], steps: Rows) -> list[str]:
    late = steps[len(steps) // 2 :]
    share = sum(row["grad_norm"] > config["clip_grad"] for row in late) / len(late)
    if share < 0.5:
        return []
    return [
        f"In the second half {share:.0%} of the steps were cut to the gradient norm {config['clip_grad']:g}: "
        "try a lower learning rate or a larger batch."
    ]
