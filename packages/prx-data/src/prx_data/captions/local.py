"""Captions from a model in this process: any image-text-to-text model of transformers, with its own chat template."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import xxhash

from prx_data.captions.pictures import shown
from prx_data.captions.protocol import Answer, Request
from prx_data.errors import ConfigError
from prx_data.picture import Pixels

if TYPE_CHECKING:
    import torch

_AHEAD = 8  # batches that are looked at together, so that equal sizes meet

Asked: TypeAlias = tuple[Request, Pixels]


@dataclass(frozen=True)
class Local:
    """Writes captions here, some photos at a time.

    Photos of one size are seen together, so that no picture is padded. What is written for a photo depends on the
    photo, the prompt and the seed, and not on which others are seen with it: each draws its own random numbers.
    """

    model: str
    """A folder, or an id on the Hugging Face hub."""
    device: str | None = field(default=None, kw_only=True)
    """`cpu`, `cuda:0`, ...; None for the GPU if there is one."""
    batch_size: int = field(default=8, kw_only=True)
    """Photos seen at a time."""
    side: int = field(default=768, kw_only=True)
    """Pixels of the longer side of what the model sees; never enlarged."""
    temperature: float = field(default=0.7, kw_only=True)
    """Of sampling; 0 for the likeliest words."""

    @property
    def source(self) -> str:
        """The model's name: the last part of its path."""
        return Path(self.model).name if Path(self.model).is_dir() else self.model

    @cached_property
    def version(self) -> str:
        """Of the model's files, or its commit on the hub, what it is shown and how it samples.

        Raises:
            ConfigError: transformers is missing, or the hub and its cache have no such model.
        """
        facts = json.dumps([self._revision or _digest(Path(self.model)), self.side, self.temperature])
        return f"local-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"

    @property
    def chosen_device(self) -> str:
        """The device, None resolved.

        Raises:
            ConfigError: transformers is missing.
        """
        torch, _ = _libraries()
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def _revision(self) -> str | None:
        """Commit of a hub id; None for a folder."""
        return None if Path(self.model).is_dir() else _commit(self.model)

    @cached_property
    def _loaded(self) -> "_Loaded":
        """The model, loaded when it is first asked."""
        return _Loaded(self.model, self._revision, self.chosen_device)

    def write(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One answer for each request, batch by batch, until one is not wanted any more.

        Raises:
            ConfigError: transformers is missing, or the model cannot be loaded.
        """
        iterator = iter(requests)
        while ahead := list(islice(iterator, _AHEAD * self.batch_size)):
            groups: dict[tuple[Any, ...], list[Asked]] = defaultdict(list)
            for request in ahead:
                pixels = shown(request.content, self.side)
                if pixels is None:
                    why = "the photo cannot be decoded any more"
                    yield Answer(request=request, kind=request.kind, problem=why)
                else:
                    groups[request.max_tokens, *pixels.shape].append((request, pixels))
            for group in groups.values():
                for start in range(0, len(group), self.batch_size):
                    if not group[start][0].is_wanted():
                        return
                    yield from self._loaded.answer(group[start : start + self.batch_size], self.temperature)


class _Loaded:
    """A model in memory."""

    def __init__(self, name: str, revision: str | None, device: str) -> None:
        torch, transformers = _libraries()
        self.device = torch.device(device)
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        with _told_if_unusable(name):
            self.processor: Any = transformers.AutoProcessor.from_pretrained(name, revision=revision)
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                name, revision=revision, dtype=dtype, use_safetensors=True
            )
        self.model: Any = model.to(self.device).eval()
        self.tokenizer: Any = self.processor.tokenizer
        self.tokenizer.padding_side = "left"

    def answer(self, asked: Sequence[Asked], temperature: float) -> list[Answer]:
        """Captions of photos of one size."""
        import torch

        inputs = self._inputs(asked).to(self.device)
        if "pixel_values" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        most = asked[0][0].max_tokens
        drawn = [_Gumbel([request for request, _ in asked], temperature)] if temperature > 0 else []
        with torch.inference_mode():
            # The noise is in the scores already, so that the likeliest word is a random one: see `_Gumbel`.
            found = self.model.generate(**inputs, max_new_tokens=most, do_sample=False, logits_processor=drawn)
        # A decoder alone repeats what it read; one with an encoder begins with its start token.
        before = 1 if self.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        ends = self._ends()
        return [
            self._told(request, row[before:], ends) for (request, _), row in zip(asked, found.tolist(), strict=True)
        ]

    def _inputs(self, asked: Sequence[Asked]) -> Any:
        if self.processor.chat_template is None:  # such as Florence: the prompt is all that it reads
            texts, pictures = [request.prompt for request, _ in asked], [pixels for _, pixels in asked]
            return self.processor(images=pictures, text=texts, padding=True, return_tensors="pt")
        chats = [
            [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": pixels}, {"type": "text", "text": request.prompt}],
                }
            ]
            for request, pixels in asked
        ]
        return self.processor.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def _ends(self) -> frozenset[int]:
        said = self.model.generation_config.eos_token_id
        own = {self.tokenizer.eos_token_id, self.tokenizer.pad_token_id}
        return frozenset({*(said if isinstance(said, list) else [said]), *own} - {None})

    def _told(self, request: Request, written: list[int], ends: frozenset[int]) -> Answer:
        stop = next((place for place, token in enumerate(written) if token in ends), None)
        text = self.tokenizer.decode(written[:stop], skip_special_tokens=True)
        tokens = len(written) if stop is None else stop
        return Answer(request=request, kind=request.kind, text=text.strip(), finished=stop is not None, tokens=tokens)


class _Gumbel:
    """Adds Gumbel noise to the scores, so that the largest is a sample of softmax(scores / temperature) (Gumbel-max).

    Each row draws from a generator of its own, seeded by its photo, kind and seed.
    """

    def __init__(self, requests: Sequence[Request], temperature: float) -> None:
        import torch

        self.generators = [torch.Generator().manual_seed(_seed(one)) for one in requests]
        self.temperature = temperature

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores of shape (rows, words), as transformers' LogitsProcessor has them."""
        import torch

        drawn = torch.stack([torch.rand(scores.shape[-1], generator=one) for one in self.generators])
        noise = -torch.log(-torch.log(drawn.clamp(1e-20, 1 - 1e-7)))
        return scores.float() / self.temperature + noise.to(scores.device)


def _seed(request: Request) -> int:
    name = f"{request.facts.key} {request.kind} {request.seed}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def _libraries() -> tuple[Any, Any]:
    """Torch and transformers."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ConfigError(
            "Captions from a local model need transformers: pip install 'prx-data[captions-local]'."
        ) from error
    return torch, transformers


@contextmanager
def _told_if_unusable(model: str) -> Iterator[None]:
    """Turn what loading raises into one sentence; a processor may lack a package of its own."""
    try:
        yield
    except (ImportError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"captions.model = {model!r} cannot be loaded: {first}") from error


def _digest(folder: Path) -> str:
    """Of a folder's files, names and contents."""
    found = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
        found.update(f"{content} {path.relative_to(folder).as_posix()}\n".encode())
    return found.hexdigest()


def _commit(model: str) -> str:
    """The commit that a hub id stands for now; without a network, the one in the cache."""
    _, transformers = _libraries()
    with _told_if_unusable(model):
        config = Path(transformers.utils.cached_file(model, "config.json"))
    return config.parent.name  # the cache has a folder for each commit
