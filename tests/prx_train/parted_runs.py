"""What test_faults.py starts in several processes: runs one after the other, some of which end after a step."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import prx_train

from .conftest import Counting


def train(settings: dict[str, Any]) -> None:
    """One run."""
    steps, last, rank = Counting(), settings.pop("last", None), int(os.environ["RANK"])
    run = prx_train.fit(
        prx_train.TrainConfig(**settings),
        started_at=time.monotonic() - rank,  # the processes' clocks differ
        callbacks=[steps],
        stop=lambda: last is not None and steps.done >= last,
        say=lambda text: None,
    )
    assert rank or run.finished == (last is None)


if __name__ == "__main__":
    for one in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        train(one)
