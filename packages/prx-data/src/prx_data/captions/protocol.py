"""What a captioner is, what it is asked, and what it answers."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["dense", "short", "template", "metadata"]
"""A paragraph; one line; made from metadata and measured columns; the user's own caption."""


@dataclass(frozen=True, kw_only=True)
class PhotoFacts:
    """What is known of a photo before anybody looks at it."""

    key: str
    metadata: Mapping[str, str]
    """The user's columns."""
    color: str
    """Measured dominant colour of the subject, in words; may be empty."""
    background: str
    """Measured background, in words; may be empty."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A text about a photo, and where it came from."""

    text: str
    kind: Kind
    source: str
    """`template`, `metadata`, or the model's name."""
    prompt_version: str
    """Version of the prompt, or of the template; empty for the user's own captions."""
    weight: float = 1.0
    """How often a trainer should use it, relative to the photo's other captions."""


def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Request:
    """One caption that is asked for."""

    facts: PhotoFacts
    kind: Kind
    prompt: str = ""
    """All of the words, the facts included."""
    seed: int = 0
    max_tokens: int = 512
    """The most that may be written."""
    content: bytes = b""
    """The photo's file; a template needs none."""
    is_wanted: Callable[[], bool] = _always
    """Asked before work on it begins: no longer, once the budget is spent. Then it gets no answer."""

    @property
    def digest(self) -> str:
        """Of what is asked, in eight hex digits: the prompt's words, facts and language included, and the length."""
        return hashlib.sha256(f"{self.max_tokens} {self.prompt}".encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a request."""

    request: Request
    kind: Kind
    """As was asked, but `metadata` where the user's own caption was found."""
    text: str = ""
    finished: bool = True
    """False if the model was stopped before it was done."""
    tokens: int = 0
    """That were read and written for it, if the captioner counts them."""
    problem: str = ""
    """Why there is no text: one sentence. Then the request may be made again another day."""


class Captioner(Protocol):
    """Writes captions for photos."""

    @property
    def source(self) -> str:
        """Who writes: the model's name, as the dataset tells it."""
        ...

    @property
    def version(self) -> str:
        """Changes when the same request may be answered otherwise; without characters that file names lack."""
        ...

    @property
    def chosen_device(self) -> str:
        """Where it works, as the ledger tells it: `cpu`, `cuda:0`, ..., or `server`."""
        ...

    def write(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One answer for each request that `is_wanted`, as they are done; more are taken as there is room for them."""
        ...
