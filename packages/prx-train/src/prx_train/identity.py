"""What makes two starts one run: its data, the base's weights, and every setting that changes what is learnt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prx_train.config import FIXED_FOR_A_RUN, TrainConfig
from prx_train.errors import ConfigError
from prx_train.run import Run
from prx_train.storage import checksum, digest, read_json

_PARTS = {
    "transformer": ("transformer",),
    "text encoder": ("text_encoder", "tokenizer"),
    "autoencoder": ("vae",),
}
"""What of a pipeline changes what is learnt, and the folders that it lies in."""
_ORDER = ("dataset", *FIXED_FOR_A_RUN, "weights")


def identify(
    config: TrainConfig, fingerprint: str, *, weights: dict[str, str] | None = None, processes: int = 1
) -> dict[str, Any]:
    """What must stay the same for a run to go on: the data, the weights, and every setting that changes what is learnt.

    Two processes with one batch each do what one process does with two: `accumulate` counts those of all.

    Args:
        config: The settings.
        fingerprint: Of the dataset.
        weights: As `weight_marks` finds them.
        processes: That train together.
    """
    settings = config.model_dump(mode="json")
    flat: dict[str, Any] = {"dataset": fingerprint}
    for key in FIXED_FOR_A_RUN:
        if isinstance(settings[key], dict):
            flat |= {f"{key}.{name}": value for name, value in settings[key].items()}
        else:
            flat[key] = settings[key]
    if flat["accumulate"] is not None:
        flat["accumulate"] *= processes
    return flat | {f"weights.{part}": mark for part, mark in (weights or {}).items()}


def weight_marks(pipeline: Path | None, digest_of: Callable[[Path], str]) -> dict[str, str]:
    """A digest of each part of a pipeline whose weights a run starts from or trains with; {} for a new model.

    Of the files and nothing else: the same on every device. What a library notes of itself in a configuration when it
    saves it, such as its version, does not count.

    Args:
        pipeline: Its folder.
        digest_of: SHA-256 of a file. What the caches are named after is read by it too, and so only once; the
            transformer, which no cache depends on, by a checksum that is faster.
    """
    if pipeline is None:
        return {}
    marks = {}
    for part, folders in _PARTS.items():
        files = [file for folder in folders for file in sorted((pipeline / folder).glob("*")) if file.is_file()]
        kept = [file for file in files if file.suffix in {".safetensors", ".json", ".model", ".txt"}]
        if kept:
            read = checksum if part == "transformer" else digest_of
            marks[part] = digest(*(text for file in kept for text in (file.name, _mark(file, read))))[:32]
    return marks


def _mark(file: Path, read: Callable[[Path], str]) -> str:
    if file.name != "config.json":
        return read(file)
    settings = read_json(file)
    return repr(sorted((k, v) for k, v in settings.items() if not k.endswith(("_version", "_name_or_path"))))


def check_identity(now: dict[str, Any], begun: dict[str, Any]) -> None:
    """Refuses to go on with other settings.

    Raises:
        ConfigError: naming the first key that differs and both values.
    """
    # A table that is there on one side only, such as `lora`, has keys that the other side lacks. What was set comes
    # before what was derived from it.
    for key in sorted({*now, *begun}, key=lambda key: (_ORDER.index(key.partition(".")[0]), key)):
        if now.get(key) != begun.get(key):
            raise ConfigError(
                f"config key {_difference(key, now.get(key), begun.get(key))} this run began with; change it back or "
                "choose another output."
            )


def _difference(key: str, now: object, begun: object) -> str:
    table, _, name = key.partition(".")
    if table == "dataset":
        return f"'dataset' is another dataset than the fingerprint {str(begun)[:12]}…"
    if table == "weights":
        return f"'base' holds another {name} than the one with digest {str(begun)[:12]}…"
    return f"'{key}' = {now!r} differs from the {begun!r}"


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
