"""What happens before and after training: validation, samples, checkpoint, export, report.

All of it is done once at the start, and measured, so that the end of the run is known to fit into the budget.
"""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from prx_train import checkpoint, model
from prx_train.budget import spoken
from prx_train.card import model_card
from prx_train.errors import DivergedError
from prx_train.evaluate import validation_loss
from prx_train.pictures import save_samples
from prx_train.report import write_report
from prx_train.sample import euler, fixed_noise, guided, sampling_times, to_uint8
from prx_train.session import Session, describe, padding
from prx_train.sharding import put_together
from prx_train.storage import is_disk_full, read_json, write_atomic, write_folder, write_json
from prx_train.told import counted


def validate(session: Session) -> float:
    """Validation loss of the averaged weights, written to the metrics."""
    before = session.clock.spent
    space = session.space
    with session.averaged():
        loss = validation_loss(
            session.predict,
            session.examples,
            seed=session.config.seed,
            kind=space.predicts,
            noise_scale=space.noise_scale,
        )
    # What is no number has another name: whoever reads the curve need not mind it.
    found = {"val_loss": loss} if math.isfinite(loss) else {"val_loss_not_finite": str(loss)}
    row = {"step": session.progress.step, "seconds": round(session.clock.spent, 3), **found}
    session.journal.append(session.run.metrics_file, row)
    session.ledger.close("validate", items=len(session.examples), unit="photos")
    session.schedule.reserve.learn("validate", session.clock.spent - before)
    return loss


def draw_samples(session: Session, name: str) -> None:
    """Draws the fixed prompts from their fixed noise: `samples/<name>.png` and single files."""
    config, space, (height, width) = session.config, session.space, session.sample_size
    seeds = [config.sample_seed + index for index in range(len(session.prompts))]
    shape = (space.channels, height // space.compression, width // space.compression)
    noise = space.noise_scale * torch.stack([fixed_noise(seed, shape) for seed in seeds]).to(session.device)
    predict = guided(
        lambda x, t: session.predict(x, t, [""] * len(x)),
        lambda x, t: session.predict(x, t, session.prompts),
        config.guidance,
    )
    times = sampling_times(config.sample_steps, shift=config.shift if session.base.folder is None else space.shift)
    with session.averaged():
        clean = euler(predict, noise, times, space.predicts)
    if not session.crew.first:
        return
    pictures = to_uint8(space.decode(clean))
    folder = session.run.samples
    files = save_samples(folder, name, pictures.numpy(), session.prompts)
    index = folder / "samples.json"
    known = read_json(index) if index.exists() else {}
    known[name] = [
        {
            "prompt": prompt,
            "seed": seed,
            "guidance": config.guidance,
            "steps": config.sample_steps,
            "height": height,
            "width": width,
            "file": file,
        }
        for prompt, seed, file in zip(session.prompts, seeds, files, strict=True)
    ]
    write_json(index, known)


def save(session: Session, *, needed: bool = False) -> None:
    """Writes a checkpoint of where the run stands; on a full disk the last one stays, and the run goes on.

    Args:
        session: The run; the first process writes for all.
        needed: A full disk is an error: there is no checkpoint yet.
    """
    if not session.crew.evaluates:
        return
    before = session.clock.spent
    clock, schedule = session.clock, session.schedule
    session.progress = replace(session.progress, seconds=clock.spent, start=schedule.start, decayed=schedule.decayed)
    try:
        checkpoint.save_checkpoint(
            session.run.checkpoints,
            session.progress,
            weights=session.weights,
            average=session.average.shadows,
            optimizers=session.optimizers,
            identity=session.identity,
            config=session.config.model_dump(mode="json"),
            keep=session.config.keep_checkpoints,
            writes=session.crew.first,
        )
    except Exception as error:
        if needed or not is_disk_full(error):
            raise
        last = checkpoint.list_checkpoints(session.run.checkpoints)[-1]
        session.say(f"step {session.progress.step}: no checkpoint, {error}; {last.name} stays, and the run goes on")
    session.ledger.close("checkpoint", items=1, unit="checkpoints")
    session.schedule.reserve.learn("checkpoint", session.clock.spent - before)


def export(session: Session, folder: Path) -> None:
    """Writes the averaged weights: a pipeline that diffusers loads without this package, or adapters alone."""
    config, first = session.config, session.crew.first
    tensors = put_together(session.average.shadows.items(), keep=first)
    if not first:
        return

    def fill(place: Path) -> None:
        if config.lora is not None:
            model.save_lora(place, tensors, config.lora)
        else:
            model.save_pipeline(
                place,
                model.with_weights(session.transformer, tensors),
                session.base,
                session.encoder,
                resolution=config.resolution,
                shift=config.shift,
            )
        write_atomic(place / "README.md", model_card(session))

    write_folder(folder, fill)


def export_folder(session: Session) -> Path:
    """Where the result of a run goes."""
    return session.run.pipeline_folder if session.config.lora is None else session.run.lora_folder


def rehearse(session: Session) -> None:
    """Does every part of the end once before the first step: the "before" half of the report, and the reserve.

    Raises:
        BudgetError: the budget is too short for what is left and one step.
        DivergedError: the loss is not finite to begin with.
        Stopped: somebody asked for an end.
    """
    if not session.crew.evaluates:
        return
    run, first = session.run, session.crew.first
    session.say(
        f"{counted(len(session.prompts), 'sample')}, a validation, a checkpoint, an export and a report to begin with"
    )
    session.val_loss_before = validate(session)
    if not math.isfinite(session.val_loss_before):
        raise DivergedError(
            f"the validation loss is {session.val_loss_before} before the first step, so nothing was trained: the "
            "model that it begins with is not finite, or photos or texts as they are encoded are not."
        )
    _check(session, "a validation")
    _timed(session, "sample_before", "sample_after", lambda: draw_samples(session, "before"), len(session.prompts))
    _check(session, "the samples")
    save(session, needed=True)
    _heed(session)
    trial = run.output / ".trial"
    _timed(session, "export", "export", lambda: export(session, trial), 1)
    if not first:
        return
    shutil.rmtree(trial)
    session.crew.poll()
    write_json(run.derived_file, describe(session))
    _timed(session, "report", "report", lambda: write_report(run.output, dataset=session.folder.path), 1)
    session.schedule.check("trying the end of the run")


def _check(session: Session, doing: str) -> None:
    """The first process alone reads the clock; and whoever takes part may have been asked to end."""
    if session.crew.first:
        session.schedule.check(doing)
    _heed(session)


def _heed(session: Session) -> None:
    """Between two parts of the rehearsal, which all processes do together if the model is sharded."""
    if session.crew.sharding:
        session.crew.agree()
    else:
        session.crew.poll()


def write_rehearsal(session: Session) -> None:
    """Notes what the rehearsal measured, for a start after a kill."""
    if not session.crew.first:
        return
    write_json(
        session.run.rehearsal_file,
        {
            "seconds": session.schedule.reserve.parts,
            "step_seconds": session.schedule.pace.seconds,
            "step_photos": session.schedule.pace.tried[0] if session.schedule.pace.tried else 0,
            "val_loss_before": session.val_loss_before,
            "held_out": session.held_out,
        },
    )


def finish(session: Session, val_loss: float) -> None:
    """The end of a run that was validated: samples, pipeline, report, and the manifest last."""
    run, progress = session.run, session.progress
    _timed(session, "sample_after", "sample_after", lambda: draw_samples(session, "after"), len(session.prompts))
    _timed(session, "export", "export", lambda: export(session, export_folder(session)), 1)
    if not session.crew.first:
        return
    write_json(run.derived_file, [*(dict(read_json(run.derived_file)) | dict(padding(session))).items()])
    _timed(session, "report", "report", lambda: write_report(run.output, dataset=session.folder.path), 1)
    write_json(
        run.manifest_file,
        {
            "budget": session.config.budget,
            "identity": session.identity,
            "steps": progress.step,
            "samples": progress.samples,
            "steps_skipped": sum("skipped" in row for row in run.metrics),
            "rollbacks": progress.rollbacks,
            "best": {"step": progress.best_step, "val_loss": progress.best_loss},
            "skipped": [*session.train.skipped],
            "seconds": round(session.clock.spent, 3),
            "val_loss_before": session.val_loss_before,
            "val_loss_after": val_loss,
        },
    )
    session.say(
        f"finished in {spoken(session.clock.spent)}: {counted(progress.step, 'step')}, validation loss "
        f"{session.val_loss_before:.3f} → {val_loss:.3f}; {run.report_file}"
    )


_UNITS = {"export": "checkpoints", "report": "pictures"}


def _timed(session: Session, stage: str, part: str, work: Callable[[], object], items: int) -> None:
    before = session.clock.spent
    work()
    session.ledger.close(stage, items=items, unit=_UNITS.get(stage, "pictures"))
    session.schedule.reserve.learn(part, session.clock.spent - before)
