"""The settings of a curation: read from TOML or given by name, and checked before any work."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from prx_data.captions import CaptionSettings
from prx_data.decisions.keep import Preference
from prx_data.decisions.profiles import Profile, ProfileSetting
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.errors import ConfigError
from prx_data.measures import Measure, standard_measures
from prx_data.measures.aesthetic import Aesthetic
from prx_data.measures.clip import Clip, whole_model
from prx_data.measures.nsfw import Nsfw
from prx_data.measures.scaled import LEAST_SIDE


class CurateConfig(BaseModel):
    """A curation. Only `photos`, `workspace` and `output` have to be given; paths count from the current folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    photos: str | Path | Annotated[tuple[str | Path, ...], Field(min_length=1)]
    """A folder, a manifest, a dataset or tars, by a local path, a URL, a pattern or `owner/name` on the Hugging Face
    hub; or several of them. A folder is searched recursively; every `metadata.csv` in it is read."""
    workspace: Path
    """Folder that remembers what was measured; delete it to forget."""
    output: Path
    """Folder of the dataset."""
    metadata: str | Path | None = None
    """A CSV, JSONL or Parquet file with a `file_name` column relative to the folder `photos`, instead of the
    `metadata.csv` files in it."""
    image_column: Annotated[str, Field(min_length=1)] | None = None
    """Of tables among the photos: the column that holds the pictures, or names them; None where it can be told."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Processes that measure; None for one per processor."""
    decode_side: Annotated[int, Field(ge=LEAST_SIDE)] | None = None
    """JPEGs are decoded at the smallest eighth, quarter or half that keeps so many pixels of the longer side: large
    ones are measured faster, nearly the same, and equal pixels count as near duplicates. None for whole pictures."""
    rules: Rules = Rules()
    """Thresholds on single photos."""
    profile: ProfileSetting = None
    """A profile that every photo must pass: `marketplace_main`, `training_clean`, or the path of a TOML file."""
    duplicate_radius: Annotated[int, Field(ge=0, le=16)] | None = 4
    """Largest Hamming distance of near duplicates' 64-bit perceptual hashes."""
    duplicate_color_difference: Annotated[float, Field(ge=0)] = Settings().duplicate_color_difference
    """Largest colour difference (ΔE) of near duplicates, but for a line of writing over one of them."""
    duplicate_alignment: bool = Settings().duplicate_alignment
    """Whether to look for cropped, padded, framed, mirrored and turned copies too."""
    keep: tuple[Preference, ...] = Settings().keep
    """By what the best of several copies is chosen, the most important first."""
    variants: Literal["keep", "group", "drop"] = Settings().variants
    """Colour variants: `keep` them, `group` them in the column `family`, or `drop` all but the best of each family."""
    against: str | Path | None = None
    """Photos that none in the dataset may show again: a workspace, a dataset that was written, or anything else that
    `photos` may be."""
    clip: Clip | None = None
    """A CLIP model that embeds every photo: `model`, `weights`, `device`, `batch_size`, see `prx_data.Clip`."""
    embedding: Literal["layout", "clip"] = "layout"
    """What clusters go by: where colours and edges lie, which needs no weights, or what the model `clip` sees."""
    cluster_labels: tuple[str, ...] = ()
    """What the model `clip` names clusters by, such as `["dress", "shoe"]`; without any, words of the metadata do."""
    clusters: Annotated[int, Field(ge=1)] | None = None
    """Number of visual clusters; None for √(photos / 2)."""
    cluster_size: Annotated[int, Field(ge=1)] | None = None
    """Photos that a cluster has on average, instead of their number."""
    cluster_levels: Annotated[int, Field(ge=1, le=4)] = Settings().cluster_levels
    """Levels of clusters of clusters that a balanced set is drawn from."""
    balance: Annotated[int, Field(ge=1)] | None = None
    """Photos that are kept, drawn from the clusters as equally as they allow; None keeps all."""
    balance_as: Literal["verdicts", "weights"] = Settings().balance_as
    """How a balanced set is written: the others are dropped, or all are kept and each has its `weight`."""
    max_per_cluster: Annotated[int, Field(ge=1)] | None = None
    """Photos that one cluster gives at most; None for no limit."""
    semantic_similarity: Annotated[float, Field(gt=0, le=1)] | None = None
    """Cosine of two embeddings from which on they show the same, and the better one is kept; None keeps both."""
    semantic_variants: bool = Settings().semantic_variants
    """Whether photos that show the same in other colours count as semantic duplicates too."""
    aesthetic_head: Annotated[Path | None, Field(validate_default=True)] = None
    """A safetensors file with a linear head, trained on embeddings of the model `clip`, that scores photos for
    `rules.min_aesthetic` and for "aesthetic" in `keep`."""
    nsfw: Annotated[Nsfw | None, Field(validate_default=True)] = None
    """A classifier in ONNX that says for `rules.max_nsfw` what is not safe for work: `model`, `unsafe`, see
    `prx_data.measures.nsfw`."""
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the groups that is held out."""
    product_columns: tuple[str, ...] = Settings().product_columns
    """Metadata columns that name the product; the first that a photo has counts."""
    captions: CaptionSettings = CaptionSettings()
    """Who writes captions, what is asked for, and what that may cost."""
    seed: int = 0
    """For clusters and the split."""

    @field_validator("metadata")
    @classmethod
    def _goes_with_one_folder(cls, metadata: str | Path | None, info: ValidationInfo) -> str | Path | None:
        if metadata is not None and isinstance(info.data.get("photos"), tuple):
            raise ValueError("it goes with one folder, and photos names several piles")
        return metadata

    @field_validator("profile")
    @classmethod
    def _sees_enough(cls, wanted: Profile | None, info: ValidationInfo) -> Profile | None:
        if info.data.get("decode_side") is not None and wanted and "effective_resolution" in wanted.columns:
            raise ValueError("it checks effective_resolution, for which decode_side has to be left out")
        return wanted

    @field_validator("cluster_size")
    @classmethod
    def _is_the_only_one(cls, size: int | None, info: ValidationInfo) -> int | None:
        if size is not None and info.data.get("clusters") is not None:
            raise ValueError("it goes without clusters, of which it gives the number")
        return size

    @field_validator("embedding", "cluster_labels")
    @classmethod
    def _is_measured(cls, embedding: Any, info: ValidationInfo) -> Any:
        if (embedding == "clip" or (embedding and info.field_name == "cluster_labels")) and info.data.get(
            "clip"
        ) is None:
            raise ValueError("it needs a table [clip] with model and weights")
        return embedding

    @field_validator("aesthetic_head")
    @classmethod
    def _scores(cls, head: Path | None, info: ValidationInfo) -> Path | None:
        rules, keep = info.data.get("rules", Rules()), info.data.get("keep", ())
        if head is None and rules.min_aesthetic is not None:
            raise ValueError(f"rules.min_aesthetic = {rules.min_aesthetic:g} needs a file")
        if head is None and Preference.AESTHETIC in keep:
            raise ValueError("keep looks at aesthetic scores, which need a file")
        if head is not None and info.data.get("clip") is None:
            raise ValueError("it needs a table [clip] with model and weights")
        return head

    @field_validator("nsfw")
    @classmethod
    def _classifies(cls, nsfw: Nsfw | None, info: ValidationInfo) -> Nsfw | None:
        limit = info.data.get("rules", Rules()).max_nsfw
        if nsfw is None and limit is not None:
            raise ValueError(f"rules.max_nsfw = {limit:g} needs a table [nsfw] with model")
        return nsfw

    @field_validator("captions")
    @classmethod
    def _has_what_looks(cls, captions: CaptionSettings, info: ValidationInfo) -> CaptionSettings:
        if captions.checks.max_better_fits is not None and info.data.get("clip") is None:
            raise ValueError("its checks.max_better_fits needs a table [clip] with model and weights")
        return captions

    def measures(self) -> tuple[Measure, ...]:
        """What every photo shall have."""
        text = self.rules.max_text_share is not None
        return chosen_measures(text=text, clip=self.clip, nsfw=self.nsfw, aesthetic_head=self.aesthetic_head)

    def measured(self) -> dict[str, Any]:
        """What a workspace has to know to be opened as this curation did, see `prx_data.explain.open_workspace`.

        Local files by their whole paths: who opens it may be in another folder.
        """
        shown = self.model_dump(mode="json", include={"decode_side", "clip", "nsfw", "aesthetic_head"})
        clip, nsfw, head = (shown[name] for name in ("clip", "nsfw", "aesthetic_head"))
        if clip is not None:
            clip["model"] = whole_model(clip["model"])
            clip["weights"] = clip["weights"] and _whole(clip["weights"])
        if nsfw is not None:
            nsfw["model"] = _whole(nsfw["model"])
        return {**shown, "aesthetic_head": head and _whole(head)}

    def settings(self) -> Settings:
        """What the decisions depend on."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


PLACES: Any = {
    **dict.fromkeys(("photos", "workspace", "output", "metadata", "workers", "against", "image_column"), True),
    **dict.fromkeys(("clip", "nsfw", "aesthetic_head"), True),
    "captions": {
        *("url", "key_variable", "concurrency", "timeout", "retries", "device", "batch_size", "budget"),
        *("model", "dense_prompt", "short_prompt"),
    },
}
"""Settings that say where and how fast, and not what; models and prompts may be paths, and are among the
versions."""


def _whole(path: str) -> str:
    """The whole path of a file; what is none, such as a tag of open_clip, as it is."""
    return str(Path(path).absolute()) if Path(path).is_file() else path


def chosen_measures(
    *, text: bool, clip: Clip | None, nsfw: Nsfw | None, aesthetic_head: str | Path | None
) -> tuple[Measure, ...]:
    """The standard measures and what is asked for besides.

    Args:
        text: Whether to look for text.
        clip: A model that embeds photos.
        nsfw: A classifier.
        aesthetic_head: Scores what `clip` embeds.
    """
    more: list[Measure] = [one for one in (clip, nsfw) if one is not None]
    if clip is not None and aesthetic_head is not None:
        more.append(Aesthetic(head=aesthetic_head, clip=clip))
    return (*standard_measures(text=text), *more)


def make_config(settings: dict[str, Any]) -> CurateConfig:
    """Check settings.

    Raises:
        ConfigError: One sentence about the first that is wrong.
    """
    try:
        return CurateConfig(**settings)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def load_config(path: Path) -> CurateConfig:
    """Read a TOML file.

    Raises:
        ConfigError: It cannot be read, or a setting is wrong.
    """
    if path.is_dir():
        raise ConfigError(
            f"{path} is a folder, and a config is a TOML file, in which these three lines are enough: "
            f'photos = "{path}", workspace = "work" and output = "dataset".'
        )
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The config {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config {path} is not TOML: {error}.") from error
    return make_config(settings)


def _sentence(error: ValidationError) -> str:
    """The first of pydantic's complaints as one sentence with the key and the value."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"The setting {key} is missing."
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"Unknown setting {key}; known are {', '.join(_known(first['loc']))}."
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{key} = {first['input']!r} is wrong: {message}."


def _known(place: tuple[int | str, ...]) -> Iterable[str]:
    """The settings that there are where one that is unknown was found."""
    tables: dict[int | str, Any] = {"clip": Clip, "nsfw": Nsfw}
    if len(place) > 1 and place[0] in tables:
        fields: Iterable[str] = tables[place[0]].__dataclass_fields__
        return fields
    model: type[BaseModel] = CurateConfig
    for name in place[:-1]:
        field = model.model_fields.get(str(name))
        kind = None if field is None else field.annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else model
    return model.model_fields
