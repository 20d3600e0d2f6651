"""What is done when training goes wrong: a return to a good checkpoint, and sentences for what nothing can be done."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from prx_train import checkpoint
from prx_train.config import TrainConfig
from prx_train.errors import DivergedError, ResourceError
from prx_train.run import Run
from prx_train.session import Session
from prx_train.stages import validate
from prx_train.storage import is_disk_full, read_json

SKIPPED_IN_A_ROW = 5
"""So many steps without a finite loss and gradient lead back to the last checkpoint."""
MOST_ROLLBACKS = 3
"""After so many returns the run stops."""


class Watch:
    """Counts steps that were skipped, and returns to a good checkpoint when there are several in a row."""

    def __init__(self) -> None:
        self.skipped = 0
        """So many in a row, up to the last step."""
        self._barren = 0

    def saw(self, session: Session, *, finite: bool) -> None:
        """Notes how a step went.

        Raises:
            DivergedError: there were too many returns already.
        """
        if finite:
            self.skipped = self._barren = 0
            return
        self.skipped += 1
        if self.skipped == SKIPPED_IN_A_ROW:
            _roll_back(session, older=self._barren)
            self.skipped, self._barren = 0, self._barren + 1


def _roll_back(session: Session, *, older: int) -> None:
    """Takes weights, average and optimizers from a checkpoint and halves the learning rate.

    Neither the step nor the place in the data goes back: the clock does not either, and other photos come next.
    `older` counts the checkpoints to pass over, because returning to them led to no finite step.
    """
    progress = session.progress
    if progress.rollbacks >= MOST_ROLLBACKS:
        raise DivergedError(
            f"the loss or the gradient was not finite in {SKIPPED_IN_A_ROW} steps in a row at step {progress.step}, "
            f"after {progress.rollbacks} returns to earlier checkpoints at ever lower learning rates: look at the "
            f"skipped rows of '{session.run.metrics_file}', and start again with a lower learning_rate or clip_grad."
        )
    found, crew = 0, session.crew
    if crew.first:
        saved = checkpoint.list_checkpoints(session.run.checkpoints)
        found = checkpoint.newest_sound(saved[: max(len(saved) - older, 1)], session.say)
    found = int(crew.from_first(found)[0])
    chosen = checkpoint.checkpoint_path(session.run.checkpoints, found)
    checkpoint.load_checkpoint(
        chosen, weights=session.weights, average=session.average.shadows, optimizers=session.optimizers
    )
    session.progress = replace(progress, rate_scale=progress.rate_scale / 2, rollbacks=progress.rollbacks + 1)
    session.say(
        f"step {progress.step}: {SKIPPED_IN_A_ROW} steps in a row without a finite loss and gradient; back to the "
        f"weights of step {found}, at {session.progress.rate_scale:g} of the learning rate"
    )
    row = {"step": progress.step, "seconds": round(session.clock.spent, 3), "back_to": found}
    session.journal.append(session.run.metrics_file, row)


def last_validation(session: Session) -> float:
    """The validation loss at the end; where it is not finite, the weights of an earlier checkpoint take its place.

    Raises:
        DivergedError: no checkpoint has weights with a finite loss.
    """
    if math.isfinite(loss := validate(session)):
        return loss
    if session.crew.sharding:
        session.crew.wait()  # until the first process has written the last checkpoint
    end, best = session.progress.step, session.progress.best_step
    listed = checkpoint.list_checkpoints(session.run.checkpoints)
    sound = [path for path in listed if checkpoint.damage_of(path) is None]
    saved = {checkpoint.read_progress(path)[0].step: path for path in sound}
    for step in sorted(saved.keys() - {end}, key=lambda step: (step == best, step), reverse=True):
        checkpoint.load_checkpoint(
            saved[step], weights=session.weights, average=session.average.shadows, optimizers=session.optimizers
        )
        if math.isfinite(found := validate(session)):
            session.say(
                f"the validation loss after step {end} is {loss}: the weights of step {step}, the best that are left, "
                f"are exported instead, with {found:.4f}"
            )
            return found
    raise DivergedError(
        f"the validation loss after step {end} is {loss}, with every checkpoint that is left: nothing was exported; "
        f"look at '{session.run.metrics_file}', and start again with a lower learning_rate or clip_grad."
    )


@contextmanager
def told(config: TrainConfig) -> Iterator[None]:
    """Says in a sentence that memory or disk space ran out.

    Raises:
        ResourceError: one of them did.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise ResourceError(_memory_sentence(config)) from error
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise ResourceError(
            f"'{config.output}' cannot be written: {error}; free some space, and the same command goes on from the "
            "last checkpoint."
        ) from error


def _memory_sentence(config: TrainConfig) -> str:
    ways = []
    run = Run(config.output)
    chosen = read_json(run.config_file) if run.config_file.is_file() else {}
    size = config.batch_size or chosen.get("batch_size")
    if size is not None and size > 1:
        in_turn = config.accumulate or (chosen.get("accumulate") if config.batch_size is None else None) or 1
        ways.append(f"batch_size = {size // 2} with accumulate = {2 * in_turn}")
    if not config.gradient_checkpointing:
        ways.append("gradient_checkpointing = true")
    if config.base is not None and config.lora is None:
        ways.append("a table [lora]")
    ways.append("a smaller resolution")
    at = f" at {config.resolution} pixels" if config.resolution else ""
    batches = f" with batches of {size}" if size is not None else ""
    return f"memory ran out{batches}{at}; set {', or '.join(ways)}."
