"""The settings of a training run: few dials, checked when they are made; what is not set is derived and printed."""

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from prx_train.budget import parse_budget, parse_interval
from prx_train.errors import ConfigError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
# A path may be given as such; an address has two slashes that a path would lose.
Dataset = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]


class _Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: object, info: ValidationInfo) -> object:
        """`learning_rate = true` would be taken for 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("neither true nor false can stand here")
        return value


class ModelConfig(_Settings):
    """The size of a new model; a model that is loaded brings its own."""

    hidden_size: Count = 192
    """Width of a token."""
    depth: Count = 6
    """Number of transformer blocks."""
    num_heads: Count = 3
    """Attention heads; `hidden_size` / `num_heads` must be a multiple of 4."""
    patch_size: Count = 8
    """Pixels along a token's side."""
    bottleneck_size: Count | None = 64
    """Width between a patch and its token; None for a single projection."""
    mlp_ratio: Annotated[float, Field(gt=0)] = 3.5
    """Width of the feed-forward part, in multiples of `hidden_size`."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % (4 * self.num_heads):
            # Each head splits its width over rows and columns, and a rotation needs pairs.
            raise ValueError(
                f"config key 'model.hidden_size' = {self.hidden_size} is no multiple of 4 × num_heads "
                f"= {4 * self.num_heads}"
            )
        return self


class LoraConfig(_Settings):
    """Low-rank adapters instead of all weights."""

    rank: Count = 16
    """Width of the adapters."""
    alpha: Count | None = None
    """Their scale is alpha / rank; None for a scale of 1."""
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "attention.img_qkv_proj",
        "attention.to_out.0",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    """Linear layers that are adapted, by their names or the ends of these."""
    text: bool = True
    """Whether the projections of the text, `attention.txt_kv_proj`, are adapted too."""


class TrainConfig(_Settings):
    """A training run. Only `dataset` and `output` have to be given; paths count from the current directory.

    Raises:
        ConfigError: a key is unknown or missing, or a value is out of range.
    """

    dataset: Dataset
    """A dataset as docs/dataset-format.md describes it: a folder, an id on the hub such as `owner/name` or
    `owner/name@revision`, or an address such as `s3://bucket/dataset`; or one Parquet file. The columns `image` and
    `caption` are enough."""
    stream: bool = False
    """Read a dataset of the hub in place, row group by row group, instead of downloading it first."""
    output: Path
    """Folder of the run; a run that was stopped goes on there."""
    budget: str = "5m"
    """What everything may take, report included: `90s`, `24h`, `MM:SS`; `$25`; `until 2026-12-01 08:00`; or, for
    training alone, `200 steps`, or `as runs/first` for the steps and learning rates of another run."""
    image_column: str = "image"
    """Column of the pictures."""
    captions: dict[str, Annotated[float, Field(gt=0)]] = {"caption": 1.0}
    """Columns of texts, and how often each is used relative to the others; the texts of a cell that holds a list
    share in that."""
    fit: Literal["crop", "pad"] = "crop"
    """How a photo is brought to the shape of its bucket: cut in the middle, or whole, and continued in the
    colours of its edges."""
    shuffle_groups: Count | None = None
    """So many row groups of the files are shuffled together at a time, for datasets that are slow to read in any order;
    None to shuffle all photos."""
    base: str | None = "prx-tiny"
    """PRX pipeline to start from: `prx-tiny`, the small one that comes along, a folder, or a hub id such as
    `Photoroom/prx-512-t2i-sft`; None for a new model, which setting `model` or `text_encoder` alone asks for too."""
    lora: LoraConfig | None = None
    """Adapters on the base model, as a table `[lora]`; None to train all weights."""
    text_encoder: Path | None = None
    """Folder of a transformers text encoder and its tokenizer for a new model; None for all-MiniLM-L6-v2."""
    model: ModelConfig = ModelConfig()
    """The size of a new model."""
    resolution: Annotated[int, Field(ge=8)] | None = None
    """Side of a square picture in pixels; others have about as many. None for the base's own, 64 for a new model."""
    batch_size: Count | None = None
    """Pictures that go through the model at once; None for as many of a step's as fit into memory."""
    accumulate: Count | None = None
    """So many batches make a step; None for one, or for as many as make 16 pictures of all processes where `batch_size`
    is open too."""
    optimizer: Literal["muon", "adamw"] = "adamw"
    """AdamW for everything, or Muon for the matrices of the blocks with AdamW for the rest."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak of the schedule; None for 1e-3 for a new model, 1e-4 for a base, and 3e-4 for adapters."""
    warmup: Share = 0.05
    """Share of the training time in which the learning rate rises."""
    decay: Share = 0.4
    """Share of the training time in which the learning rate falls to zero."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """On matrices only."""
    clip_grad: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    ema_decay: Share = 0.998
    """Of the averaged weights, which are validated, sampled and exported; lower in the first steps."""
    caption_dropout: Share = 0.1
    """Share of the pictures that are trained without their caption, which guidance needs."""
    shift: Annotated[float, Field(gt=0)] | None = None
    """s in t ← s·t / (1 + (s − 1)·t), in training; 3 suits 512 pixels. None for the base's own, 1 for a new model."""
    flip: bool = False
    """Mirror half of the pictures; wrong where there is lettering, and not to be had in latents."""
    gradient_checkpointing: bool = False
    """Keep fewer activations and compute them again: about half the memory for a third more time."""
    compile: bool = False
    """Compile each block with torch.compile, for training: minutes of the budget first, faster steps after."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of everything that is random in training."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for the fastest there is."""
    ram_limit_gb: Annotated[float, Field(ge=0)] = 4.0
    """Gigabytes of decoded pictures to keep in memory; others are decoded by threads each time they are used."""
    cache: Path | None = None
    """Folder of the text embeddings; None for `cache` in the output folder."""
    checkpoint_every: str | None = None
    """Time or steps between checkpoints, such as `60s` or `50 steps`; None for a twelfth of the budget."""
    keep_checkpoints: Count = 2
    """So many of the last checkpoints stay, beside that of the lowest validation loss: the second is there in case the
    disk damages the first."""
    validate_every: str | None = None
    """Time or steps between validations; None for an eighth of the budget, and rarer if they took over 5 %."""
    validation_photos: Count = 64
    """At most so many photos of the validation split are used."""
    prompts: tuple[str, ...] = ()
    """What is drawn before and after; by default captions of the validation split that differ most."""
    sample_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the first prompt's noise; each further prompt takes the next one."""
    guidance: Annotated[float, Field(ge=1)] = 3.0
    """Of the samples; 1 is none."""
    sample_steps: Count = 28
    """Steps of the sampler."""
    price_per_hour: Annotated[float, Field(ge=0)] | None = None
    """What one device costs in an hour, in the currency of the budget; a machine without GPUs is one device."""

    trackers: tuple[str, ...] | None = None
    """Names of accelerate's trackers, such as `tensorboard`, `wandb` or `trackio`; None for TensorBoard where it is
    installed."""

    if not TYPE_CHECKING:

        def __init__(self, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise ConfigError(_sentence(error)) from None

    @field_validator("budget")
    @classmethod
    def _is_budget(cls, value: str) -> str:
        parse_budget(value)
        return value

    @field_validator("checkpoint_every", "validate_every")
    @classmethod
    def _is_interval(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            parse_interval(value, key=str(info.field_name))
        return value

    @model_validator(mode="before")
    @classmethod
    def _new_model(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and "base" not in settings and {"model", "text_encoder"} & settings.keys():
            return {**settings, "base": None}
        return settings

    @field_validator("base", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @field_validator("device")
    @classmethod
    def _is_device(cls, value: str) -> str:
        if value not in {"auto", "cpu", "cuda"}:
            raise ValueError("it must be 'auto', 'cpu' or 'cuda'")
        return value

    @model_validator(mode="after")
    def _shares_and_patches(self) -> Self:
        if parse_budget(self.budget).unit == "money" and not self.price_per_hour:
            raise ValueError(
                f"config key 'budget' = {self.budget!r} needs 'price_per_hour', what one device costs in an hour"
            )
        if not self.captions:
            raise ValueError("config key 'captions' names no column")
        if self.warmup + self.decay > 1:
            raise ValueError(f"config keys 'warmup' = {self.warmup} and 'decay' = {self.decay} add up to more than 1")
        if self.base is None and self.lora is not None:
            raise ValueError("config key 'lora' needs a 'base': a new model has nothing to adapt")
        if self.base is None and self.resolution is not None and self.resolution % self.model.patch_size:
            raise ValueError(
                f"config key 'resolution' = {self.resolution} is no multiple of model.patch_size "
                f"= {self.model.patch_size}"
            )
        return self


FIXED_FOR_A_RUN = (
    "base",
    "text_encoder",
    "model",
    "lora",
    "resolution",
    "batch_size",
    "accumulate",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "clip_grad",
    "ema_decay",
    "caption_dropout",
    "shift",
    "flip",
    "seed",
    "image_column",
    "captions",
    "fit",
    "shuffle_groups",
)
"""What a run that goes on may not change, because half of it would then have been trained otherwise."""


FILLED_IN = ("resolution", "batch_size", "accumulate", "learning_rate", "shift")
"""What may be left open, and is filled in to suit the base and the memory."""


class ResolvedConfig(TrainConfig):
    """The settings of a run with what was left open filled in."""

    resolution: int
    """As in `TrainConfig`."""
    batch_size: int
    """As in `TrainConfig`."""
    accumulate: int
    """As in `TrainConfig`."""
    learning_rate: float
    """As in `TrainConfig`."""
    shift: float
    """As in `TrainConfig`."""


def resolve(config: TrainConfig, *, resolution: int, shift: float, batch_size: int, accumulate: int) -> ResolvedConfig:
    """Fills in what was left open: `resolution` and `shift` are the base model's own, the others were chosen."""
    rate = 1e-3 if config.base is None else 1e-4 if config.lora is None else 3e-4
    open_ = {"resolution": resolution, "shift": shift, "learning_rate": rate}
    open_ |= {"batch_size": batch_size, "accumulate": accumulate}
    settings = {name: getattr(config, name) for name in TrainConfig.model_fields}
    return ResolvedConfig(**{**settings, **{key: value for key, value in open_.items() if settings[key] is None}})


def load_config(path: Path) -> TrainConfig:
    """Reads a TOML file whose keys are those of `TrainConfig`; `[model]` and `[lora]` are tables.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds an unknown or wrong setting.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the config file '{path}' cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file '{path}' is not TOML: {error}.") from None
    return TrainConfig(**settings)


_IN_TOML = {
    "tuple_type": "it must be a list, such as ['a', 'b']",
    "dict_type": "it must be a table, such as {name = 1}",
    "model_type": "it must be a table, such as {name = 1}",
}
"""Complaints of pydantic's that name Python's types, in words."""


def _sentence(error: ValidationError) -> str:
    """The first complaint of pydantic's, as one sentence that names the key and the value."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"config key '{key}' is missing."
    if first["type"] == "extra_forbidden":
        return f"config key '{key}' is unknown; {_suggestion(key)}"
    message = _IN_TOML.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    if message.startswith("config key"):
        return f"{message}."
    return f"config key '{key}' = {first['input']!r} is wrong: {message[:1].lower()}{message[1:]}."


def _suggestion(key: str) -> str:
    prefix, _, name = key.rpartition(".")
    tables: dict[str, type[_Settings]] = {"model": ModelConfig, "lora": LoraConfig}
    known = tables.get(prefix, TrainConfig).model_fields
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}."
