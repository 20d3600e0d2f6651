"""A small dataset drawn here, and a small real text encoder saved to disk."""

import io
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

import prx_train  # before torch, whose threads it asks to wait patiently

from .kinds import KINDS

# The models are so small that a second thread costs more than it brings.
torch.set_num_threads(1)

WORDS = [
    "a",
    "photo",
    "of",
    "red",
    "green",
    "blue",
    "yellow",
    "hoodie",
    "shirt",
    "shoe",
    "hat",
    "on",
    "plain",
    "white",
    "background",
    "the",
    "script",
    "alert",
]
COLORS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 200), "yellow": (230, 210, 40)}
SIZES = ((32, 32), (24, 40), (40, 24))


class Counting(prx_train.Callback):
    """How many steps a run has done, for a `stop` that goes by them, as it is asked before the first one too."""

    def __init__(self) -> None:
        self.done = -1
        """-1 before training."""

    def on_start(self, training: prx_train.Training) -> None:
        self.done = training.step

    def on_step(self, training: prx_train.Training, row: Mapping[str, Any]) -> None:
        self.done = row["step"]


@pytest.fixture(scope="session")
def text_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with a word tokenizer, in the files of any transformers model."""
    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
    ).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=80,
        )
    ).save_pretrained(folder)
    return folder


def picture(color: tuple[int, int, int], size: tuple[int, int], seed: int) -> bytes:
    """A PNG of a coloured block, with a little noise, on white; size is (width, height)."""
    random = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 250, dtype=np.uint8)
    pixels[size[1] // 4 : -size[1] // 4, size[0] // 4 : -size[0] // 4] = color
    noisy = np.clip(pixels + random.integers(-4, 5, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "PNG")
    return file.getvalue()


def write_split(folder: Path, split: str, rows: list[dict[str, Any]]) -> Path:
    """One Parquet file with the rows."""
    path = folder / "data" / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=8)
    return path


def rows(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    """Rows with the two columns that a dataset needs."""
    names = list(COLORS)
    return [
        {
            "image": {
                "bytes": picture(COLORS[names[i % 4]], SIZES[i % 7 % 3], i),
                "path": None,
            },
            "caption": f"a photo of a {names[i % 4]} {('hoodie', 'shirt', 'hat')[i % 3]}",
        }
        for i in range(start, start + count)
    ]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 photos in three shapes to train on, and 5 held out."""
    folder = tmp_path_factory.mktemp("dataset")
    write_split(folder, "train", rows(21))
    write_split(folder, "validation", rows(5, start=100))
    return folder


@pytest.fixture
def settings(dataset: Path, text_encoder: Path, tmp_path: Path) -> dict[str, Any]:
    """The settings of a run that takes a few seconds."""
    return settings_of(dataset, text_encoder, tmp_path / "run")


def settings_of(dataset: Path, text_encoder: Path, output: Path) -> dict[str, Any]:
    """The same where it is not for one test."""
    return {
        "dataset": dataset,
        "output": output,
        "budget": "6 steps",
        "text_encoder": text_encoder,
        "model": {"hidden_size": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "bottleneck_size": 16},
        "resolution": 32,
        "batch_size": 4,
        "sample_steps": 3,
        "prompts": ("a red hoodie", "a <script>alert('x')</script> hat"),
        "device": "cpu",
        "price_per_hour": 3.0,
    }


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, text_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline of each kind."""
    from .tiny import save_tiny_pipeline  # what it imports takes seconds

    tokenizer = AutoTokenizer.from_pretrained(text_encoder)
    return save_tiny_pipeline(request.param, tmp_path_factory.mktemp(request.param), tokenizer)


@pytest.fixture
def tuning(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Settings that start from the base."""
    changed = {**settings, "base": str(folder), "resolution": None, "text_encoder": None}
    return {key: value for key, value in changed.items() if key != "model"}


@pytest.fixture
def toml(settings: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Writes the settings, with changes, to a TOML file."""

    return lambda **changes: write_toml(tmp_path / "train.toml", {**settings, **changes})


def write_toml(path: Path, settings: dict[str, Any]) -> Path:
    """A file with the settings."""
    size = settings["model"]
    lines = [f"{key} = {_toml(value)}" for key, value in settings.items() if key != "model"]
    lines += ["[model]", *(f"{key} = {_toml(value)}" for key, value in size.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def signals() -> Iterator[None]:
    """`fit` as a command answers signals, and this process goes on after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int | float) else '"' + str(value).replace("\\", "\\\\") + '"'
