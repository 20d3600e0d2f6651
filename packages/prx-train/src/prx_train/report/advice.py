"""What to change in the next run: sentences that follow from the run's own numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from prx_train.budget import spoken
from prx_train.report.planned import STAGES

Rows = Sequence[Mapping[str, Any]]

_GAIN = 0.02  # of the validation loss: less may be chance
_FEW_EPOCHS = 3


def advice(config: Mapping[str, Any], steps: Rows, validations: Rows, ledger: Rows) -> list[str]:
    """A few sentences, the weightiest first."""
    if len(steps) < 2 or len(validations) < 2:
        return ["There are too few steps to say anything: give the next run a longer budget."]
    found = [
        *_time_or_data(validations, steps[-1]["epoch"] + 1),
        *_overhead(ledger),
        *_clipping(config, steps),
    ]
    return found or ["Nothing in the curves or in the ledger asks for a change; more time and more photos come next."]


def _time_or_data(validations: Rows, epochs: int) -> list[str]:
    values = [row["val_loss"] for row in validations]
    best = min(range(len(values)), key=values.__getitem__)
    if best < len(values) - 1 and values[-1] > (1 + _GAIN) * values[best]:
        return [
            f"Validation loss was lowest at step {validations[best]['step']} ({values[best]:.3f}) and rose to "
            f"{values[-1]:.3f} since: the model has begun to memorise, so add photos or shorten the budget."
        ]
    middle = len(values) // 2 if len(values) > 2 else 0
    gain, since = 1 - values[-1] / values[middle], validations[middle]["step"]
    seen = "once or twice" if epochs < _FEW_EPOCHS else f"about {epochs} times"
    if gain > _GAIN:
        return [
            f"Validation loss still fell by {gain:.0%} after step {since}, to {values[-1]:.3f}, and each photo was "
            f"seen {seen}: a longer budget will make better pictures from the same photos."
        ]
    changed = f"Validation loss changed by only {-gain:+.1%} after step {since}"
    if epochs < _FEW_EPOCHS:
        return [
            f"{changed}, but most photos were seen {seen}, which is too few to tell: give it several times as long "
            "before anything else is changed."
        ]
    return [
        f"{changed}, and each photo was seen {seen}: more time alone will do little; try more photos, denser captions, "
        "or a larger model."
    ]


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
        f"Only {training / total:.0%} of the time went into training; the largest other part was "
        f"'{STAGES.get(stage, stage)}' with {spoken(seconds)}, which weighs less in a longer run."
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
