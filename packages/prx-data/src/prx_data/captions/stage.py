"""The captions of the photos that are kept: most useful first, within a budget, checked, asked again, or replaced."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from prx_data.captions.agreement import Agreement
from prx_data.captions.checks import Failure
from prx_data.captions.prompts import Prompt
from prx_data.captions.protocol import Answer, Caption, Captioner, PhotoFacts, Request
from prx_data.captions.settings import Asking
from prx_data.captions.store import CaptionStore, Place, Stored
from prx_data.captions.template import Template
from prx_data.errors import CaptionError
from prx_data.progress import progress, tracked
from prx_data.reading import read_many
from prx_data.told import counted

_READ_TOGETHER = 64
"""Photos that are read at a time: those of one row group are decoded together."""


@dataclass(frozen=True, kw_only=True)
class PhotoCaptions:
    """All captions of one photo."""

    captions: tuple[Caption, ...]
    """The first is the default."""
    failure: str | None = None
    """Why the default is not what was asked for, in words."""

    @property
    def default(self) -> Caption:
        """The one to train on, if only one is used."""
        return self.captions[0]

    @property
    def short(self) -> Caption:
        """The shortest kind that there is: a model's short one, else the template's or the user's own."""
        kinds = {one.kind: one for one in self.captions}
        return next((kinds[kind] for kind in ("short", "template", "metadata") if kind in kinds), self.default)


@dataclass(frozen=True, kw_only=True)
class PhotoToCaption:
    """A photo that is kept."""

    facts: PhotoFacts
    locator: str
    """Where to read it, see `prx_data.reading`."""
    cluster: int
    cleanliness: float
    """In [0, 1]."""
    weight: float = 1.0
    """How much it is to be trained on."""


def most_useful_first(photos: Iterable[PhotoToCaption]) -> list[PhotoToCaption]:
    """The order in which a budget is spent.

    The best photo of every cluster, then the second best of each, and so on: whatever the budget buys shows as many
    kinds of things as it can. Within a cluster, and in each of these rounds, the photo of the largest weight comes
    first, then the one with the cleanest background, then the one whose key is first.
    """

    def merit(photo: PhotoToCaption) -> tuple[float, float, str]:
        return -photo.weight, -photo.cleanliness, photo.facts.key

    clusters: dict[int, list[PhotoToCaption]] = defaultdict(list)
    for photo in photos:
        clusters[photo.cluster].append(photo)
    ranked = [
        (rank, merit(one), one) for group in clusters.values() for rank, one in enumerate(sorted(group, key=merit))
    ]
    return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])]


class Captioning:
    """Captions for a set of photos."""

    def __init__(
        self, captioner: Captioner, asking: Asking, store: CaptionStore, agreement: Agreement | None = None
    ) -> None:
        """Choose who writes.

        Args:
            captioner: A template, or a model.
            asking: What is asked for; its template stands in for a model.
            store: Where a model's answers are kept.
            agreement: What the check `max_better_fits` is measured by.
        """
        self.captioner, self.asking, self.store, self.agreement = captioner, asking, store, agreement
        self.template = captioner if isinstance(captioner, Template) else asking.template
        self.prompts: tuple[Prompt, ...] = () if isinstance(captioner, Template) else asking.prompts()
        self.problems: dict[tuple[str, str], str] = {}
        """Photo and prompt version to why there is no answer."""
        self.written = 0
        """Captions of this run that the store did not have; a template's are never stored."""
        self._pending = 0
        self._counting = threading.Lock()
        """Requests may be taken in another thread: for it each is in flight or answered, never neither or both."""
        self._digests: dict[tuple[str, str], str] = {}
        self._judged: dict[Place, tuple[Failure, ...]] = {}
        self.ended: str | None = None
        """Which limit of the budget ended the stage."""

    def write(self, photos: Sequence[PhotoToCaption]) -> dict[str, PhotoCaptions]:
        """Captions by key; asks for what the store lacks.

        Raises:
            CaptionError: The model fails at everything; what it wrote is kept.
        """
        ordered = most_useful_first(photos)
        chosen = ordered[: self.asking.budget.photos] if self.prompts else []
        for attempt in range(self.asking.attempts):
            self._ask(chosen, attempt)
            self._check_answered()
        own = {
            one.request.facts.key: one
            for one in self.template.write(
                Request(facts=p.facts, kind="template") for p in tracked(photos, "captioning", unit="photo")
            )
        }
        if isinstance(self.captioner, Template):
            self.written = len(own)
        return {one.facts.key: self._of(one, own[one.facts.key]) for one in photos}

    def _check_answered(self) -> None:
        """That a captioner fails at everything is seen with few photos, too."""
        if self.problems and not self.store.answers:
            why = next(iter(self.problems.values()))
            raise CaptionError(
                f"{self.captioner.source} answered none of {counted(len(self.problems), 'request')}: {why}."
            )

    def _ask(self, photos: Sequence[PhotoToCaption], attempt: int) -> None:
        """One round: everything that is missing, each answer kept as it comes."""
        missing = [(one, prompt) for one in photos for prompt in self.prompts if self._lacks(one, prompt, attempt)]
        if not missing:
            return
        with progress("captioning", len(missing), unit="caption") as update:
            for answer in self.captioner.write(self._requests(missing, attempt)):
                self._take(answer)
                update(1)

    def _take(self, answer: Answer) -> None:
        version = next(one.version for one in self.prompts if one.kind == answer.request.kind)
        with self._counting:
            self._pending -= 1
            if answer.problem:
                self.problems[answer.request.facts.key, version] = answer.problem
            else:
                self.store.add(answer, version)
                self.written += 1
        self._check_tokens(answer)

    def _check_tokens(self, answer: Answer) -> None:
        """A price of tokens that nobody counts would be a budget that never ends."""
        budget = self.asking.budget
        is_priced = budget.money is not None and budget.price_per_1000_tokens is not None
        if is_priced and answer.text and not self.store.tokens:
            raise CaptionError(
                f"{self.captioner.source} does not say how many tokens an answer took (usage.total_tokens), so that "
                "captions.budget.price_per_1000_tokens cannot be reckoned with: give price_per_hour, hours or photos "
                "instead. What it answered is kept."
            )

    def _requests(self, missing: Sequence[tuple[PhotoToCaption, Prompt]], attempt: int) -> Iterator[Request]:
        """Requests with the photos' bytes, until the budget ends them."""
        left = iter(missing)
        while not self._is_over() and (part := list(islice(left, _READ_TOGETHER))):
            contents = dict(read_many(photo.locator for photo, _ in part))
            for photo, prompt in part:
                content = contents[photo.locator]
                if self._is_over():
                    return
                if isinstance(content, OSError):
                    self.problems[photo.facts.key, prompt.version] = f"the photo cannot be read any more: {content}"
                else:
                    with self._counting:
                        self._pending += 1
                    yield self._request(photo, prompt, attempt, content)

    def _request(self, photo: PhotoToCaption, prompt: Prompt, attempt: int = 0, content: bytes = b"") -> Request:
        asking = self.asking
        most = (asking.checks.dense_words if prompt.kind == "dense" else asking.checks.short_words)[1]
        return Request(
            facts=photo.facts,
            kind=prompt.kind,
            prompt=prompt.filled(
                photo.facts,
                language=asking.checks.language,
                columns=asking.template,
                more=asking.fact_columns,
            ),
            seed=attempt,
            max_tokens=2 * most + 32,  # twice what is allowed: a text of words that tokenizers cut in two gets through
            content=content,
            is_wanted=self._is_left,
        )

    def _is_over(self) -> bool:
        """Whether no more requests are to be made: with those in flight the budget will probably be spent."""
        self.ended = self.ended or self._spent(in_flight=True)
        return self.ended is not None

    def _is_left(self) -> bool:
        """Whether a request that was made is still to be begun: what was answered has not spent the budget."""
        spent = self._spent(in_flight=False)
        self.ended = self.ended or spent
        return spent is None

    def _spent(self, *, in_flight: bool) -> str | None:
        """Which limit is reached by what was answered, and by what the requests in flight will probably cost."""
        with self._counting:
            tokens = self.store.tokens
            if in_flight:
                tokens += round(self._pending * tokens / max(1, len(self.store.answers)))
            return self.asking.budget.ended(seconds=self.store.seconds, tokens=tokens)

    def _place(self, photo: PhotoToCaption, prompt: Prompt, attempt: int) -> Place:
        """Where the store has the answer."""
        name = photo.facts.key, prompt.version
        if name not in self._digests:
            self._digests[name] = self._request(photo, prompt).digest
        return *name, self._digests[name], attempt

    def _lacks(self, photo: PhotoToCaption, prompt: Prompt, attempt: int) -> bool:
        """Whether none of the attempts so far gave a good caption, and this one was not made."""
        asked = self._place(photo, prompt, attempt) in self.store.answers
        return not asked and all(wrong for _, wrong in self._tried(photo, prompt))

    def _tried(self, photo: PhotoToCaption, prompt: Prompt) -> list[tuple[Stored, tuple[Failure, ...]]]:
        """The answers that there are, and what is wrong with each."""
        places = (self._place(photo, prompt, seed) for seed in range(self.asking.attempts))
        return [
            (self.store.answers[place], self._failures(photo, prompt, place))
            for place in places
            if place in self.store.answers
        ]

    def _failures(self, photo: PhotoToCaption, prompt: Prompt, place: Place) -> tuple[Failure, ...]:
        if place not in self._judged:
            answer, columns = self.store.answers[place], self.asking.template
            self._judged[place] = self.asking.checks.failures(
                answer.text,
                prompt.kind,
                photo.facts,
                columns=columns,
                finished=answer.finished,
                agreement=self.agreement,
            )
        return self._judged[place]

    def _of(self, photo: PhotoToCaption, own: Answer) -> PhotoCaptions:
        """What a photo has: good answers, and then what its metadata gives."""
        weights = self.asking.weights
        found: list[Caption] = []
        failures = []
        for prompt in self.prompts:
            tried = self._tried(photo, prompt)
            good = next((answer for answer, wrong in tried if not wrong), None)
            if good is None:
                failures.append(f"{prompt.version}: {self._why(photo, prompt, [wrong for _, wrong in tried])}")
                continue
            caption = Caption(
                text=good.text,
                kind=prompt.kind,
                source=self.captioner.source,
                prompt_version=prompt.version,
                weight=weights[prompt.kind],
            )
            found.append(caption)
        version = self.template.version if own.kind == "template" else ""
        mine = Caption(text=own.text, kind=own.kind, source=own.kind, prompt_version=version, weight=weights[own.kind])
        dense = [one for one in found if one.kind == "dense"]
        others = [one for one in found if one.kind != "dense"]
        return PhotoCaptions(
            captions=(*dense, *others, mine) if dense else (mine, *others),
            failure="; ".join(failures) or None,
        )

    def _why(self, photo: PhotoToCaption, prompt: Prompt, tried: Sequence[tuple[Failure, ...]]) -> str:
        """Why a photo has no caption for a prompt."""
        said = [", ".join(map(str, wrong)) for wrong in tried]
        problem = self.problems.get((photo.facts.key, prompt.version))
        if problem is not None:
            said.append(problem)
        if not said:
            said.append(
                f"not asked for, as {self.ended}" if self.ended else "not asked for, as the budget is for fewer photos"
            )
        return "; then ".join(said)
