"""A plan in words, and beside what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from prx_train.budget import spoken

Block = dict[str, Any]

STAGES = {
    "load": "reading photos and model",
    "text_cache": "encoding captions",
    "latent_cache": "encoding photos",
    "sample_before": "samples before training",
    "rehearse": "trying a step",
    "train": "training",
    "validate": "validation",
    "checkpoint": "checkpoints",
    "sample_after": "samples after training",
    "export": "exporting the pipeline",
    "report": "writing the report",
    "lost": "work lost when the run was killed",
    "end": "the end: samples, export and report",
}
"""Stages of the ledger in words."""


def plan_text(plan: Mapping[str, Any]) -> str:
    """A plan for a terminal."""
    memory = plan["memory_bytes"]
    lines = [
        f"budget      {plan['budget']}: {spoken(plan['seconds'])}"
        + ("" if plan["cost"] is None else f", {plan['cost']:,.2f} for {_devices(plan['devices'])}"),
        f"steps       {plan['steps']:,} of {plan['step_seconds']:.3g} s each",
        f"photos      {plan['photos']:,}, {plan['epochs']:,.1f} epochs",
        f"tokens      {plan['image_tokens']:,} of pictures, {plan['text_tokens']:,} of text",
        f"memory      {memory / 1e9:.2f} GB",
        "",
        "where the time will go",
    ]
    total = sum(plan["stages"].values()) or 1.0
    for name, seconds in plan["stages"].items():
        lines.append(f"  {STAGES.get(name, name):<36} {seconds / total:>5.0%}  {spoken(seconds)}")
    lines += ["", "of a step"]
    lines += [f"  {name:<36} {share:>5.0%}" for name, share in plan["step_parts"].items()]
    if plan["faster"]:
        lines += ["", "what would make it faster", *(f"  {sentence}" for sentence in plan["faster"])]
    return "\n".join(lines)


def planned_and_real(plan: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], ledger: Sequence[Block]) -> Block:
    """A table of what was planned and what came of it."""
    spent = sum(float(row["seconds"]) for row in ledger)
    training = sum(float(row["seconds"]) for row in ledger if row["stage"] == "train")
    planned = sum(plan["stages"].values())
    rows = [
        ["steps", f"{plan['steps']:,}", f"{len(steps):,}", _change(len(steps), plan["steps"])],
        [
            "photos seen",
            f"{plan['photos']:,}",
            f"{steps[-1]['samples']:,}",
            _change(steps[-1]["samples"], plan["photos"]),
        ],
        [
            "a step, everything in training included",
            f"{plan['step_seconds']:.3g} s",
            f"{training / len(steps):.3g} s",
            _change(training / len(steps), plan["step_seconds"]),
        ],
        ["wall clock", spoken(planned), spoken(spent), _change(spent, planned)],
        [
            "share of training",
            f"{plan['stages']['train'] / (planned or 1):.0%}",
            f"{training / (spent or 1):.0%}",
            "",
        ],
    ]
    return {
        "kind": "table",
        "caption": "Planned from measured steps at the start, and what came of it.",
        "header": ["what", "planned", "real", "difference"],
        "rows": rows,
    }


def _change(real: float, planned: float) -> str:
    return f"{real / planned - 1:+.0%}" if planned else ""


def _devices(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"
