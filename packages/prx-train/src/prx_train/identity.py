"""What makes two starts one run: its data, and every setting that changes what is learnt."""

from typing import Any

from prx_train.config import FIXED_FOR_A_RUN, TrainConfig
from prx_train.errors import ConfigError
from prx_train.run import Run
from prx_train.storage import read_json


def identify(config: TrainConfig, fingerprint: str, *, processes: int = 1) -> dict[str, Any]:
    """What must stay the same for a run to go on: the data, and every setting that changes what is learnt.

    Two processes with one batch each do what one process does with two: `accumulate` counts those of all.
    """
    settings = config.model_dump(mode="json")
    flat: dict[str, Any] = {"dataset": fingerprint}
    for key in FIXED_FOR_A_RUN:
        if isinstance(settings[key], dict):
            flat |= {f"{key}.{name}": value for name, value in settings[key].items()}
        else:
            flat[key] = settings[key]
    flat["accumulate"] *= processes
    return flat


def check_identity(now: dict[str, Any], begun: dict[str, Any]) -> None:
    """Refuses to go on with other settings.

    Raises:
        ConfigError: naming the first key that differs and both values.
    """
    order = ("dataset", *FIXED_FOR_A_RUN)
    # A table that is there on one side only, such as `lora`, has keys that the other side lacks. What was set comes
    # before what was derived from it.
    for key in sorted({*now, *begun}, key=lambda key: (order.index(key.partition(".")[0]), key)):
        if now.get(key) != begun.get(key):
            what = "is another dataset than" if key == "dataset" else f"= {now.get(key)!r} differs from"
            was = f"fingerprint {str(begun.get(key))[:12]}…" if key == "dataset" else repr(begun.get(key))
            raise ConfigError(
                f"config key '{key}' {what} the {was} this run began with; change it back or choose another output."
            )


def changes(run: Run, config: TrainConfig) -> list[str]:
    """What differs from the settings of the last start, as sentences; none for a new run."""
    if not run.config_file.is_file():
        return []
    before, now = read_json(run.config_file), config.model_dump(mode="json")
    return [
        f"changed since the last start: {key} = {now[key]!r}, was {before[key]!r}"
        for key in now
        if key in before and before[key] != now[key]
    ]
