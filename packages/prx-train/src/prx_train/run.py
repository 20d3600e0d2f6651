"""The folder of a run: what lies where, and what can be done with it afterwards."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prx_train.alone import LOCK
from prx_train.errors import ConfigError
from prx_train.storage import read_json, read_jsonl, sweep, unwritable

_STALE = 3600.0  # seconds: what is older was left by a process that was killed


@dataclass(frozen=True)
class Run:
    """A run's folder, finished or not."""

    output: Path
    stopped: int = 0
    """What `stop` said where it ended this start of the run: a signal's number, or 1 for a plain yes."""

    @property
    def config_file(self) -> Path:
        """The settings of the last start, as JSON; marks the folder as a run's."""
        return self.output / "config.json"

    @property
    def environment_file(self) -> Path:
        """Versions and device of the last start."""
        return self.output / "environment.json"

    @property
    def derived_file(self) -> Path:
        """What was derived from the settings, the data and the machine."""
        return self.output / "derived.json"

    @property
    def rehearsal_file(self) -> Path:
        """How long each part of the end took when it was tried at the start."""
        return self.output / "rehearsal.json"

    @property
    def plan_file(self) -> Path:
        """What the budget was reckoned to buy."""
        return self.output / "plan.json"

    @property
    def trial_folder(self) -> Path:
        """What a plan tries; left there by one that was killed."""
        return self.output / ".plan"

    @property
    def metrics_file(self) -> Path:
        """One JSON line for each step and each validation."""
        return self.output / "metrics.jsonl"

    @property
    def ledger_file(self) -> Path:
        """Where the time went."""
        return self.output / "ledger.jsonl"

    @property
    def clock_file(self) -> Path:
        """Seconds that the run has spent, written down every second."""
        return self.output / "spent.txt"

    @property
    def left_out_file(self) -> Path:
        """One JSON line for each row whose picture turned out to be broken: `key`, `place` and `reason`."""
        return self.output / "left_out.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The last checkpoints, and that of the lowest validation loss."""
        return self.output / "checkpoints"

    @property
    def samples(self) -> Path:
        """Pictures before and after training, and `samples.json`."""
        return self.output / "samples"

    @property
    def pipeline_folder(self) -> Path:
        """What `diffusers.PRXPixelPipeline.from_pretrained` loads."""
        return self.output / "pipeline"

    @property
    def lora_folder(self) -> Path:
        """The adapters of a run that trained adapters; `load_lora` puts them on the base."""
        return self.output / "lora"

    @property
    def report_file(self) -> Path:
        """The report, one self-contained page."""
        return self.output / "report.html"

    @property
    def manifest_file(self) -> Path:
        """Written last: a run that has it is finished."""
        return self.output / "run.json"

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.manifest_file.is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """Steps, samples, seconds, budget and validation losses of a finished run; {} before."""
        return dict(read_json(self.manifest_file)) if self.finished else {}

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`: steps have `loss`, validations `val_loss`."""
        return read_jsonl(self.metrics_file)

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """The rows of `ledger.jsonl`."""
        return read_jsonl(self.ledger_file)

    def pipeline(self, device: str = "cpu") -> Any:
        """The trained `diffusers` pipeline, with its adapters on; call it with `use_resolution_binning=False`.

        Raises:
            ModelError: the run has not exported one yet.
        """
        from prx_train.model import load

        return load(self.output, device)


def open_run(output: Path) -> Run:
    """Makes the folder of a run, or opens it.

    Raises:
        ConfigError: it cannot be written to, or holds something that is no run.
    """
    run = Run(output)
    if reason := unwritable(output):
        raise ConfigError(f"config key 'output' = '{output}' cannot be written to: {reason}.")
    planned = {run.plan_file.name, run.clock_file.name, "cache", run.trial_folder.name, LOCK}
    # Another process of the same run may be at this very place: what it has half written is nothing foreign.
    others = [path.name for path in output.iterdir() if not path.match(".*.tmp")]
    sweep(output, older_than=_STALE)
    if not run.config_file.exists() and not planned.issuperset(others):
        raise ConfigError(f"config key 'output' = '{output}' is a folder of something else, not empty and not a run.")
    return run
