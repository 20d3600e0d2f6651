"""Captions that were paid for, in the workspace: one file for each captioner, one line for each answer.

A line is written as soon as its answer is there, so that a killed process loses what was in flight and no more; half a
line that it left is passed over, and what follows begins on a line of its own.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from prx_data.captions.protocol import Answer
from prx_data.errors import ConfigError
from prx_data.storage import append_line, told_if_unwritable


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An answer, as it was given."""

    text: str
    finished: bool
    tokens: int


Place = tuple[str, str, str, int]
"""Key of the photo, version of the prompt, digest of the request, seed: another fact, language or length is asked for
anew."""


class CaptionStore:
    """The answers of one captioner."""

    def __init__(self, folder: Path, version: str) -> None:
        """Read what is there.

        Args:
            folder: `captions` in the workspace.
            version: The captioner's.

        Raises:
            ConfigError: A line is of another format.
        """
        self.path = folder / f"{version}.jsonl"
        self.answers: dict[Place, Stored] = {}
        self._run, self._begun = secrets.token_hex(4), monotonic()
        self._last: dict[str, float] = {}
        self.tokens = 0
        self._mend()
        for number, line in enumerate(self.path.read_bytes().splitlines() if self.path.exists() else (), start=1):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            try:
                self._take(row)
            except (KeyError, TypeError) as error:
                raise ConfigError(
                    f"Line {number} of {str(self.path)!r} is no answer of a captioner as this version of prx-data "
                    "keeps it: move the file away and run again, and what is in it is asked for again."
                ) from error

    def _take(self, row: Mapping[str, Any]) -> None:
        stored = Stored(text=row["text"], finished=row["finished"], tokens=row["tokens"])
        self.answers.setdefault((row["key"], row["prompt"], row["request"], row["seed"]), stored)
        self.tokens += stored.tokens
        self._last[row["run"]] = max(self._last.get(row["run"], 0.0), row["at"])

    def _mend(self) -> None:
        """End a line that a kill cut short."""
        if not self.path.exists():
            return
        with told_if_unwritable(self.path.parent), self.path.open("rb+") as file:
            if file.seek(0, 2):
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def add(self, answer: Answer, prompt_version: str) -> None:
        """Keep an answer, on disk before this returns."""
        request = answer.request
        place = (request.facts.key, prompt_version, request.digest, request.seed)
        self._last[self._run] = monotonic() - self._begun
        row = {
            "key": place[0],
            "prompt": place[1],
            "request": place[2],
            "seed": place[3],
            "text": answer.text,
            "finished": answer.finished,
            "tokens": answer.tokens,
            "run": self._run,
            "at": round(self._last[self._run], 3),
        }
        append_line(self.path, row)
        self.tokens += answer.tokens
        self.answers[place] = Stored(text=answer.text, finished=answer.finished, tokens=answer.tokens)

    @property
    def seconds(self) -> float:
        """Time that all runs took: earlier ones from their beginnings to their last answers, this one to now."""
        return sum(last for run, last in self._last.items() if run != self._run) + monotonic() - self._begun
