"""Puts a run together from its settings, and finds where a stopped one goes on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from prx_train import data, model
from prx_train.batching import Batches, choose_batches
from prx_train.budget import Budget, parse_budget, settled
from prx_train.caching import TensorCache, TextCache
from prx_train.checkpoint import Progress, read_progress
from prx_train.checks import check
from prx_train.config import ResolvedConfig, TrainConfig, resolve
from prx_train.crew import Crew, join_crew
from prx_train.environment import environment
from prx_train.errors import ConfigError, DatasetError, Stopped
from prx_train.evaluate import Example
from prx_train.filling import Filling
from prx_train.fingerprint import fingerprint
from prx_train.hardware import found_device
from prx_train.identity import changes, identify, weight_marks
from prx_train.journal import Journal, LeftOut
from prx_train.latents import photo_latents
from prx_train.ledger import Ledger
from prx_train.optim import Average, optimizers_for, trained
from prx_train.pictures import varied_captions
from prx_train.places import Folder, find_folder
from prx_train.resuming import already_spent, book_lost, go_on, newest_checkpoint, progress_of
from prx_train.run import Run
from prx_train.schedule import Clock, Schedule, reserve_of
from prx_train.session import Say, Session
from prx_train.sharding import shard
from prx_train.storage import read_json, write_json
from prx_train.told import counted


def start_session(
    settings: TrainConfig, run: Run, clock: Clock, say: Say, stop: Callable[[], int] = lambda: 0
) -> Session:
    """Loads data, caches and model, and goes to where a stopped run stood.

    Raises:
        ConfigError: a setting differs from those the run began with.
        DatasetError: there is nothing to train on.
        ModelError: the base model or the text encoder is missing.
        BudgetError: the budget is over before training can begin.
        Stopped: `stop` said so, in this process or another.
    """
    begun = _begin(settings, run, clock, say, stop)
    config, crew = begun.config, begun.crew
    found = _prepare_in_turn(begun)
    if crew.first and not begun.progress.step:
        begun.schedule.check("reading the photos and encoding the captions")

    transformer = _transformer(config, begun.base, found.encoder.width, crew)
    session = Session(
        **vars(begun),
        run=run,
        clock=clock,
        train=found.train,
        validation=found.held_out,
        examples=[],
        encoder=found.encoder,
        texts=found.texts,
        latents=found.latents,
        transformer=transformer,
        weights=trained(transformer),
        average=Average(trained(transformer)),
        optimizers=optimizers_for(
            transformer, name=config.optimizer, learning_rate=config.learning_rate, weight_decay=config.weight_decay
        ),
        prompts=found.prompts,
        sample_size=found.train.buckets().most_common(1)[0][0],
    )
    session.examples += _examples(session, found.held_out, found.chosen)
    if session.saved is not None:
        go_on(session, session.saved)
    session.ledger.close("load", items=1, unit="checkpoints")
    return session


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """What is known of a run before anything is read: these become fields of the session."""

    config: ResolvedConfig
    folder: Folder
    say: Say
    crew: Crew
    base: model.Base
    space: model.Space
    identity: dict[str, Any]
    batches: Batches
    progress: Progress
    saved: Path | None
    journal: Journal
    ledger: Ledger
    schedule: Schedule


def _begin(settings: TrainConfig, run: Run, clock: Clock, say: Say, stop: Callable[[], int]) -> _Begun:
    """Settles the settings, and finds where the run stood and what it has spent."""
    crew = join_crew(found_device(settings.device), stop)
    say = say if crew.first else lambda text: None
    base = model.open_base(settings)
    space = base.space(crew.device)
    resolution = settings.resolution or base.default_resolution
    check(settings, base, space, crew, resolution=resolution, cache=_cache_folder(settings))
    saved = newest_checkpoint(run, crew, say)
    begun = None if saved is None else read_progress(saved)[1]
    batches = choose_batches(settings, base, space, crew, resolution=resolution, begun=begun)
    config = resolve(
        settings,
        resolution=resolution,
        shift=space.shift,
        batch_size=batches.batch_size,
        accumulate=batches.accumulate,
    )
    folder = find_folder(config.dataset, stream=config.stream)
    files = data.split_files(folder)
    found = fingerprint(folder, [*files["train"], *files["validation"]], image=config.image_column)
    identity = identify(config, found, weights=weight_marks(base.folder, base.digest_of), processes=crew.size)
    progress = progress_of(saved, identity)
    journal = Journal(say, writes=crew.first)
    clock.already = max(clock.already, already_spent(run, progress))
    ledger = Ledger(run.ledger_file, clock, journal, device=crew.device, devices=crew.devices)
    schedule = _schedule(config, clock, crew, progress)
    if crew.first:
        _note_start(run, config, crew.device, say)
        book_lost(run, ledger, clock, progress)
    return _Begun(
        config=config,
        folder=folder,
        say=say,
        crew=crew,
        base=base,
        space=space,
        identity=identity,
        batches=batches,
        progress=progress,
        saved=saved,
        journal=journal,
        ledger=ledger,
        schedule=schedule,
    )


def _note_start(run: Run, config: ResolvedConfig, device: str, say: Say) -> None:
    """Says what changed since the last start, and writes what this one runs with and on."""
    for sentence in changes(run, config):
        say(sentence)
    write_json(run.config_file, config.model_dump(mode="json"))
    write_json(run.environment_file, environment(device))


def _schedule(config: ResolvedConfig, clock: Clock, crew: Crew, progress: Progress) -> Schedule:
    """The schedule of a budget; for a replay, the other run's learning rates.

    Raises:
        ConfigError: the budget cannot be had, or the run to be replayed has not finished.
    """
    asked = parse_budget(config.budget)
    rates: tuple[float, ...] = ()
    if asked.run is not None:
        replayed = Run(asked.run)
        if not replayed.finished:
            raise ConfigError(f"config key 'budget' = {config.budget!r} names no finished run to repeat.")
        rates = tuple(float(row["lr"]) for row in replayed.metrics if "lr" in row)
        budget = Budget(amount=len(rates), unit="steps")
    else:
        price = config.price_per_hour
        begun = progress.step > 0
        budget = settled(asked, spent=clock.spent, begun=begun, devices=crew.devices, price_per_hour=price)
    schedule = Schedule(budget, clock, config.warmup, config.decay, peak=config.learning_rate, start=progress.start)
    return replace(schedule, replayed=rates, reserve=reserve_of(crew.size), decayed=progress.decayed)


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """What the data gives, encoded."""

    train: data.Split
    held_out: data.Split
    """What is validated with; the training photos where there are no others."""
    chosen: list[int]
    """The rows of `held_out` that are used."""
    prompts: tuple[str, ...]
    encoder: model.TextEncoder
    texts: TextCache
    latents: TensorCache


def _prepare_in_turn(begun: _Begun) -> _Prepared:
    """The first process does it before the others, who then find everything in the caches."""
    found, number = None, 0
    if begun.crew.first:
        try:
            found = _prepare(begun)
        except Stopped as asked:
            number = asked.number
    begun.crew.agree(number)
    return found or _prepare(begun)


def _prepare(begun: _Begun) -> _Prepared:
    config, base, space, ledger, say = begun.config, begun.base, begun.space, begun.ledger, begun.say
    encoder = base.text_encoder(begun.crew.device)
    base.check(channels=space.channels, text_width=encoder.width)
    ledger.close("load", items=1, unit="checkpoints")
    begun.crew.poll()
    train, validation = _load_data(config, base.patch_size * space.compression, begun.folder)
    ledger.close("load", items=len(train.rows) + len(validation.rows), unit="photos")
    _say_data(train, validation, say)
    begun.crew.poll()
    left_out = LeftOut(Run(config.output).left_out_file, say)
    for split in (train, validation):
        split.on_left_out = lambda row, place, reason: left_out.note(row.key, place, reason)
    held_out, chosen = _to_validate_with(config, train, validation)
    prompts = config.prompts or varied_captions([row.caption for row in held_out.rows]) or ("",)
    texts_of = [text for row in train.rows for text, _ in row.captions]
    captions = [*texts_of, *(held_out.rows[n].caption for n in chosen), *prompts, ""]
    texts = TextCache(_cache_folder(config), encoder.digest, name="text embeddings", say=say)
    watch = partial(Filling, schedule=begun.schedule, ledger=ledger, crew=begun.crew, begun=begun.progress.step > 0)
    texts.ensure(captions, encoder.encode, encoding := watch("text_cache", "captions", texts.name))
    encoding.filed(0)
    photos = [(train, n) for n in range(len(train.rows))] + [(held_out, n) for n in chosen]
    return _Prepared(
        train=train,
        held_out=held_out,
        chosen=chosen,
        prompts=prompts,
        encoder=encoder,
        texts=texts,
        latents=photo_latents(config, _cache_folder(config), space, photos, watch, say),
    )


def restore_rehearsal(session: Session) -> bool:
    """Takes over what an earlier start measured; False if there was none."""
    there = session.crew.from_first(float(session.run.rehearsal_file.is_file()))[0] > 0
    if not there or not session.crew.first:
        return there
    rehearsal = read_json(session.run.rehearsal_file)
    for part, seconds in rehearsal["seconds"].items():
        session.schedule.reserve.learn(part, seconds)
    session.schedule.pace.refer(rehearsal["step_seconds"], rehearsal["step_photos"])
    session.val_loss_before = rehearsal["val_loss_before"]
    return True


def _cache_folder(config: TrainConfig) -> Path:
    return config.cache or config.output / "cache"


def _load_data(config: ResolvedConfig, cell: int, folder: Folder) -> tuple[data.Split, data.Split]:
    """Both splits, cut to sides in whole tokens; `cell` is a token's side in pixels."""
    files = data.split_files(folder)
    train, validation = (
        data.load_split(
            files[split],
            root=folder.root,
            resolution=config.resolution,
            patch_size=cell,
            ram_limit=config.ram_limit_gb * 1e9,
            columns=data.Columns(image=config.image_column, captions=config.captions),
            fit=config.fit,
            open_groups=2 * (config.shuffle_groups or 2),
        )
        for split in ("train", "validation")
    )
    if not train.rows:
        first = f"; the first of its rows, {train.skipped[0]}" if train.skipped else ""
        raise DatasetError(f"the dataset '{config.dataset}' holds no photo that can be trained on{first}.")
    return train, validation


def _say_data(train: data.Split, validation: data.Split, say: Say) -> None:
    say(f"{counted(len(train.rows), 'photo')} to train on, {len(validation.rows)} to validate with")
    if any(row.weight != 1 for row in train.rows):
        photos = sum(row.weight for row in train.rows)
        say(f"by the column 'weight' an epoch has about {counted(round(photos), 'photo')}, some more often than others")
    for trouble in [*train.skipped, *validation.skipped]:
        say(f"skipped {trouble}")


def _to_validate_with(
    config: ResolvedConfig, train: data.Split, validation: data.Split
) -> tuple[data.Split, list[int]]:
    """A split and its rows that are used.

    A dataset without readable held-out photos is validated on photos it was trained on; better than not at all.

    Raises:
        DatasetError: no photo to train on can be decoded.
    """
    if not any(train.picture(index) is not None for index in range(len(train.rows))):
        raise DatasetError(
            f"the dataset '{config.dataset}' holds no photo that can be decoded; the first, {train.skipped[0]}."
        )
    if chosen := _chosen(validation, config.validation_photos):
        return validation, chosen
    return train, _chosen(train, config.validation_photos)


def _chosen(split: data.Split, count: int) -> list[int]:
    """The first `count` readable photos by key: keys are digests, so any run makes the same random choice."""
    ordered = sorted(range(len(split.rows)), key=lambda index: (split.rows[index].key, index))
    return list(islice((index for index in ordered if split.picture(index) is not None), count))


def _examples(session: Session, split: data.Split, chosen: Sequence[int]) -> Iterator[Example]:
    for index in chosen:
        found = session.clean_batch(split, [index], [split.picture(index)])
        if found is not None:
            row = split.rows[index]
            yield Example(key=row.key, caption=row.caption, clean=found[0][0])


def _transformer(config: ResolvedConfig, base: model.Base, text_width: int, crew: Crew) -> Any:
    """The model in training mode on the device, with adapters if they were asked for; the base is frozen then."""
    transformer = base.transformer(text_width=text_width)
    if config.lora is not None:
        transformer.requires_grad_(False)
        model.add_lora(transformer, config.lora, seed=config.seed)
    if config.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    if config.compile:
        for block in transformer.blocks:
            block.compile()
    if crew.sharding is None:
        return transformer.to(crew.device).train()
    # On a CPU evaluation is in float32, see `Session.predict`, and what is gathered serves both.
    gathered = torch.bfloat16 if crew.device.startswith("cuda") else None
    shard(transformer, crew.sharding, device=crew.device, gathered=gathered)
    return transformer.train()
