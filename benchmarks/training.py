"""The trainer against the bare model and against a plain accelerate loop: prints one table of ratios from one run.

    python benchmarks/training.py DATASET [--steps 240] [--segment 4]

DATASET is a folder that prx-data has written, or any Parquet with the columns image and caption. All three train the
same model (default size, 64 px) on the same batches in one process, in turns of a few steps, so that whatever else the
machine does falls on all of them:

- `prx_train.fit` as it is: clock, order, pictures, noise, losses, clipping, AdamW, average, metrics; no checkpoint and
  no validation falls into the time.
- bare: forwards, backwards, clipping and AdamW on tensors that are there already. Once for the first epoch, in which
  the trainer decodes photos beside, and once for the later ones, in which it finds them in memory.
- plain: the loop of diffusers' example scripts: a DataLoader that decodes, resizes and crops with Pillow, the
  text encoder in every step, noise, loss, `accelerator.backward`, clipping, AdamW. Once with the text encoder, once
  without (its embeddings are there already).

A ratio is the other's time by the trainer's, of all turns together: above 1 the trainer is the faster one. Single turns
differ by several percent whoever has them: it takes many.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import accelerate
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import prx_train
from prx_train import model
from prx_train.caching import padded
from prx_train.decoding import cropped
from prx_train.hardware import has_bf16
from prx_train.objective import losses, noisy
from prx_train.session import Session, as_signal


class Rows(Dataset[tuple[Tensor, str]]):
    """Pictures and captions as an example script has them, in the order of the trainer's batches."""

    def __init__(self, session: Session, rows: list[int]) -> None:
        self.session, self.rows = session, rows
        self.files = [self._bytes(row) for row in rows]

    def _bytes(self, row: int) -> bytes:
        place = self.session.train.rows[row].place
        return bytes(self.session.train._group(place)[place[2]]["bytes"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        row = self.session.train.rows[self.rows[index]]
        image = Image.open(io.BytesIO(self.files[index])).convert("RGB")
        return as_signal(cropped(image, row.size)[None].copy())[0], row.caption


class Rivals(prx_train.Callback):
    """Trains the others in turns between the trainer's own."""

    def __init__(self, segment: int, count: int) -> None:
        self.segment, self.count = segment, count
        self.times: dict[str, list[float]] = {"prx_train.fit": [], "bare": [], "plain": [], "plain, text cached": []}
        self.waiting: list[float] = []
        self.decoding: list[bool] = []
        self._turn = time.perf_counter()

    def on_start(self, training: prx_train.Training) -> None:
        """Builds them."""
        session = training.session
        self.photos = session.config.batch_size * session.batches_per_step
        self.steps = self._steps(session)
        self._turn = time.perf_counter()

    def on_step(self, training: prx_train.Training, row: Any) -> None:
        """Gives each its turn after the trainer's."""
        self.waiting.append(row["data_seconds"])
        if row["step"] % self.segment:
            return
        self.decoding.append(row["epoch"] == 0)
        self.times["prx_train.fit"].append((time.perf_counter() - self._turn) / self.segment)
        rivals = list(self.steps.items())
        # There and back: whoever comes after another finds the processor's caches full of other things.
        for name, run in rivals if len(self.decoding) % 2 else reversed(rivals):
            began = time.perf_counter()
            for _ in range(self.segment):
                run()
            self.times[name].append((time.perf_counter() - began) / self.segment)
        self._turn = time.perf_counter()

    def _steps(self, session: Session) -> dict[str, Callable[[], object]]:
        batches = [batch.rows for epoch in range(50) for batch in session.order().epoch(epoch)][: self.count]
        return {
            "bare": _bare(session, batches),
            "plain": _plain(session, batches, cached=False),
            "plain, text cached": _plain(session, batches, cached=True),
        }


def _bare(session: Session, batches: list[tuple[int, ...]]) -> Callable[[], object]:
    network, optimizer = _copy(session)
    ready = []
    for rows in batches:
        found = session.clean_batch(session.train, rows, [session.train.picture(row) for row in rows])
        assert found is not None
        x0, eps, t = found[0], torch.randn_like(found[0]), torch.rand(len(rows))
        text, mask = padded([session.texts[session.train.rows[row].caption] for row in rows])
        ready.append((x0, eps, t, noisy(x0, eps, t), text, mask))
    stream = iter(ready)

    def run() -> None:
        x0, eps, t, x_t, text, mask = next(stream)
        losses(_predict(network, x_t, t, text, mask), x0, eps, t).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def _plain(session: Session, batches: list[tuple[int, ...]], *, cached: bool) -> Callable[[], object]:
    network, optimizer = _copy(session)
    accelerator = accelerate.Accelerator()
    rows = [row for batch in batches for row in batch]
    loader: Any = DataLoader(Rows(session, rows), batch_sampler=ranges(batches))
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    stream = iter(loader)

    def run() -> None:
        pixels, captions = next(stream)
        if cached:
            text, mask = padded([session.texts[caption] for caption in captions])
        else:
            text, mask = padded(session.encoder.encode(captions))
        eps, t = torch.randn_like(pixels), torch.rand(len(pixels)).sigmoid()
        loss = losses(_predict(network, noisy(pixels, eps, t), t, text, mask), pixels, eps, t).mean()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return run


def ranges(batches: list[tuple[int, ...]]) -> list[list[int]]:
    """Batches as ranges into their concatenation."""
    starts = accumulate((len(batch) for batch in batches), initial=0)
    return [list(range(start, start + len(batch))) for start, batch in zip(starts, batches, strict=False)]


def _predict(network: Any, *inputs: Tensor) -> Tensor:
    """In the type that the trainer computes in."""
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16("cpu")):
        return model.predict(network, *inputs).float()


def _copy(session: Session) -> tuple[Any, torch.optim.Optimizer]:
    network = model.new_transformer(session.config.model, text_width=session.encoder.width, seed=0).train()
    return network, torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--segment", type=int, default=4)
    options = parser.parse_args()
    rivals = Rivals(options.segment, options.steps)
    with tempfile.TemporaryDirectory() as name:
        config = prx_train.TrainConfig(
            dataset=options.dataset,
            output=Path(name) / "run",
            budget=f"{options.steps} steps",
            checkpoint_every="100000 steps",
            validate_every="100000 steps",
            device="cpu",
            base=None,
            trackers=(),
        )
        prx_train.fit(config, callbacks=[rivals], say=lambda text: None)
    # The first turn warms everybody up.
    shown = {**rivals.times, "bare, first epoch": rivals.times["bare"], "bare, later": rivals.times["bare"]}
    chosen = {"bare, first epoch": (True,), "bare, later": (False,)}
    steps: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for label, times in shown.items():
        turns = [
            (other, own)
            for other, own, decoding in zip(times, rivals.times["prx_train.fit"], rivals.decoding, strict=True)
            if decoding in chosen.get(label, (True, False))
        ][1:]
        if turns:
            steps[label] = sum(other for other, _ in turns) / len(turns)
            ratios[label] = steps[label] * len(turns) / sum(own for _, own in turns)
    print(f"{options.steps} steps of {rivals.photos} photos at 64 px      s a step   ratio")
    for label, seconds in steps.items():
        print(f"  {label:<38} {seconds:8.4f} {ratios[label]:7.3f}")
    print(f"  waiting for pictures, share of a step  {median(rivals.waiting) / steps['prx_train.fit']:8.4f}")


if __name__ == "__main__":
    main()
