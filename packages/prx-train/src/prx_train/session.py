"""Everything a run works with, put together from its settings; and where a stopped run goes on."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prx_train import checkpoint, data, model
from prx_train.budget import Budget, Clock, Schedule, parse_budget, spoken
from prx_train.caching import TextCache, padded
from prx_train.checkpoint import Progress
from prx_train.config import FIXED_FOR_A_RUN, TrainConfig
from prx_train.errors import ConfigError, DatasetError
from prx_train.evaluate import Example
from prx_train.ledger import Ledger, booked
from prx_train.optim import optimizers_for
from prx_train.pictures import varied_captions
from prx_train.run import Run
from prx_train.storage import read_json, write_json, write_jsonl

Say = Callable[[str], None]


@dataclass
class Session:
    """The objects of a run while it runs."""

    config: TrainConfig
    run: Run
    say: Say
    device: str
    clock: Clock
    schedule: Schedule
    ledger: Ledger
    train: data.Split
    examples: list[Example]
    encoder: model.TextEncoder
    texts: TextCache
    transformer: Any
    average: Any
    optimizers: tuple[torch.optim.Optimizer, ...]
    identity: dict[str, Any]
    progress: Progress
    prompts: tuple[str, ...]
    sample_size: tuple[int, int]
    held_out: bool
    """Whether `examples` were kept out of training."""
    val_loss_before: float | None = None

    def text(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embeddings (B, L, D) and mask (B, L) of captions, on the device."""
        text, mask = padded([self.texts[caption] for caption in captions])
        return text.to(self.device), mask.to(self.device)

    def predict(self, x_t_BCHW: Tensor, t_B: Tensor, captions: Sequence[str]) -> Tensor:
        """The averaged model's x̂, on the device."""
        text, mask = self.text(captions)
        return model.predict_clean(self.average, x_t_BCHW.to(self.device), t_B.to(self.device), text, mask)


def pixels(split: data.Split, index: int) -> Tensor:
    """One photo as float32 in [-1, 1], shape CHW."""
    return torch.from_numpy(split.picture(index).copy()).permute(2, 0, 1).float() / 127.5 - 1


def start_session(config: TrainConfig, run: Run, clock: Clock, say: Say) -> Session:
    """Loads data, text embeddings and model, and goes to where a stopped run stood.

    Raises:
        ConfigError: a setting differs from those the run began with.
        DatasetError: there is nothing to train on.
        ModelError: the base model or the text encoder is missing.
        BudgetError: the budget is over before training can begin.
    """
    device = _device(config)
    files = data.split_files(config.dataset)
    identity = identify(config, data.fingerprint(config.dataset, [*files["train"], *files["validation"]]))
    saved, progress = _last_checkpoint(run, identity)
    write_json(run.config_file, config.model_dump(mode="json"))
    clock.already = _already_spent(run, progress)
    ledger = Ledger(run.ledger_file, clock, device=device)
    _book_lost(run, ledger, clock, progress)
    schedule = Schedule(parse_budget(config.budget), clock, config.warmup, config.decay, start=progress.start)

    train, validation = _load_data(config, files)
    ledger.close("load", items=len(train.rows) + len(validation.rows), unit="photos")
    _say_data(train, validation, say)
    # A dataset without held-out photos is validated on photos it was trained on; better than not at all.
    examples = _examples(validation if validation.rows else train, config.validation_photos)
    prompts = config.prompts or varied_captions([row.caption for row in (validation.rows or train.rows)]) or ("",)
    captions = [*(row.caption for row in train.rows), *(example.caption for example in examples), *prompts, ""]
    encoder, texts = _encode(config, run, captions, device, ledger)
    if not progress.step:
        schedule.check("reading the photos and encoding the captions")

    transformer = model.transformer_for(config, text_width=encoder.width).to(device)
    optimizers = optimizers_for(
        transformer, name=config.optimizer, learning_rate=config.learning_rate, weight_decay=config.weight_decay
    )
    session = Session(
        config=config,
        run=run,
        say=say,
        device=device,
        clock=clock,
        schedule=schedule,
        ledger=ledger,
        train=train,
        examples=examples,
        encoder=encoder,
        texts=texts,
        transformer=transformer.train(),
        average=model.averaged_copy(transformer),
        optimizers=optimizers,
        identity=identity,
        progress=progress,
        prompts=prompts,
        sample_size=train.buckets().most_common(1)[0][0],
        held_out=bool(validation.rows),
    )
    if saved is not None:
        _resume(session, saved)
    ledger.close("load", items=1, unit="checkpoints")
    return session


def _encode(
    config: TrainConfig, run: Run, captions: Sequence[str], device: str, ledger: Ledger
) -> tuple[model.TextEncoder, TextCache]:
    """The text encoder, and the embeddings of all that it will be asked for."""
    encoder = model.load_text_encoder(config, device)
    texts = TextCache(config.cache or run.output / "cache", encoder.digest)
    ledger.close("text_cache", items=texts.ensure(captions, encoder.encode), unit="captions")
    return encoder, texts


def _device(config: TrainConfig) -> str:
    found = torch.cuda.is_available()
    if config.device == "cuda" and not found:
        raise ConfigError("config key 'device' = 'cuda' cannot be used: no CUDA device was found.")
    return config.device if config.device != "auto" else "cuda" if found else "cpu"


def _last_checkpoint(run: Run, identity: dict[str, Any]) -> tuple[Path | None, Progress]:
    saved = checkpoint.list_checkpoints(run.checkpoints)
    if not saved:
        return None, Progress()
    progress, begun = checkpoint.read_progress(saved[-1])
    check_identity(identity, begun)
    return saved[-1], progress


def _examples(split: data.Split, count: int) -> list[Example]:
    """The first `count` photos by key: keys are digests, so this is a random choice that any run makes alike."""
    chosen = sorted(range(len(split.rows)), key=lambda index: (split.rows[index].key, index))[:count]
    return [
        Example(key=split.rows[index].key, caption=split.rows[index].caption, pixels=pixels(split, index))
        for index in chosen
    ]


def _resume(session: Session, saved: Path) -> None:
    checkpoint.load_checkpoint(saved, model=session.transformer, average=session.average, optimizers=session.optimizers)
    # What came after the checkpoint will be trained again, and must not be on record twice.
    step = session.progress.step
    write_jsonl(session.run.metrics_file, [row for row in session.run.metrics if row["step"] <= step])
    session.say(f"{session.run.output}: going on after step {step}")


def identify(config: TrainConfig, fingerprint: str) -> dict[str, Any]:
    """What must stay the same for a run to go on: the data, and every setting that changes what is learnt."""
    settings = config.model_dump(mode="json")
    flat: dict[str, Any] = {"dataset": fingerprint}
    for key in FIXED_FOR_A_RUN:
        if isinstance(settings[key], dict):
            flat |= {f"{key}.{name}": value for name, value in settings[key].items()}
        else:
            flat[key] = settings[key]
    return flat


def check_identity(now: dict[str, Any], begun: dict[str, Any]) -> None:
    """Refuses to go on with other settings.

    Raises:
        ConfigError: naming the first key that differs and both values.
    """
    for key in now:
        if now[key] != begun.get(key):
            what = "is another dataset than" if key == "dataset" else f"= {now[key]!r} differs from"
            was = f"fingerprint {str(begun.get(key))[:12]}…" if key == "dataset" else repr(begun.get(key))
            raise ConfigError(
                f"config key '{key}' {what} the {was} this run began with; change it back or choose another output."
            )


def describe(session: Session) -> list[tuple[str, str]]:
    """What was derived rather than set, as (name, value with unit)."""
    parameters = sum(parameter.numel() for parameter in session.transformer.parameters())
    buckets = session.train.buckets()
    shapes = ", ".join(f"{w}×{h}: {count}" for (h, w), count in buckets.most_common(6))
    rest = f" and {len(buckets) - 6} shapes more" if len(buckets) > 6 else ""
    height, width = session.sample_size
    length = max(len(tensor) for tensor in session.texts.loaded.values())
    return [
        ("device", f"{session.device}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"),
        ("model", f"{parameters / 1e6:.1f} M parameters"),
        ("photos to train on", f"{len(session.train.rows)}"),
        (
            "photos to validate with",
            f"{len(session.examples)}, {'held out' if session.held_out else 'trained on too, as none are held out'}",
        ),
        ("photos that could not be read", f"{len(session.train.skipped)}"),
        ("shapes in pixels (width×height: photos)", shapes + rest),
        ("samples", f"{width}×{height} pixels, the most common shape"),
        ("longest caption", f"{length} tokens"),
    ]


def _load_data(config: TrainConfig, files: dict[str, list[Any]]) -> tuple[data.Split, data.Split]:
    patch = model.patch_size_of(config)
    if config.resolution % patch:
        raise ConfigError(f"config key 'resolution' = {config.resolution} is no multiple of the patch size {patch}.")
    train, validation = (
        data.load_split(
            files[split], resolution=config.resolution, patch_size=patch, ram_limit=config.ram_limit_gb * 1e9
        )
        for split in ("train", "validation")
    )
    if not train.rows:
        raise DatasetError(f"the dataset '{config.dataset}' holds no photo that can be trained on.")
    return train, validation


def _say_data(train: data.Split, validation: data.Split, say: Say) -> None:
    say(f"{len(train.rows)} photos to train on, {len(validation.rows)} to validate with")
    for trouble in [*train.skipped, *validation.skipped]:
        say(f"skipped {trouble}")


def _already_spent(run: Run, progress: Progress) -> float:
    """Seconds of earlier starts, work that was lost with a kill included: it took its time all the same."""
    last = max((float(row["seconds"]) for row in run.metrics), default=0.0)
    return max(progress.seconds, last, booked(run.ledger_file))


def _book_lost(run: Run, ledger: Ledger, clock: Clock, progress: Progress) -> None:
    lost = clock.already - booked(run.ledger_file)
    if lost > 0.01:
        steps = max((row["step"] for row in run.metrics), default=0) - progress.step
        ledger.book("lost", lost, items=max(steps, 0), unit="steps")


def restore_rehearsal(session: Session) -> bool:
    """Takes over what an earlier start measured; False if there was none."""
    if not session.run.rehearsal_file.is_file():
        return False
    rehearsal = read_json(session.run.rehearsal_file)
    for part, seconds in rehearsal["seconds"].items():
        session.schedule.reserve.learn(part, seconds)
    session.schedule.pace.learn(rehearsal["step_seconds"])
    session.val_loss_before = rehearsal["val_loss_before"]
    return True


def every(text: str | None, budget: Budget, parts: int) -> Budget:
    """The interval between two checkpoints or validations: as set, or the budget in so many parts."""
    if text is not None:
        return parse_budget(text)
    if budget.unit == "steps":
        return Budget(amount=max(1, budget.amount // parts), unit="steps")
    return Budget(amount=budget.amount / parts, unit="seconds")


def interval_text(interval: Budget) -> str:
    """An interval in words."""
    return f"every {int(interval.amount)} steps" if interval.unit == "steps" else f"every {spoken(interval.amount)}"
