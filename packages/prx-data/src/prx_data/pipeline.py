"""The whole way from photos to a dataset: the only file that knows the order."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from prx_data.captions import Captioner, CaptionSettings, Local, PhotoCaptions, Server, most_useful_first
from prx_data.curation import Workspace
from prx_data.dataset import check_output
from prx_data.decisions.keep import Preference
from prx_data.decisions.profiles import Profile, ProfileSetting
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.errors import ConfigError, SourceError
from prx_data.measures import Measure, standard_measures
from prx_data.measures.clip import Clip
from prx_data.measures.scaled import LEAST_SIDE
from prx_data.report.captions import caption_page
from prx_data.selection import Selection
from prx_data.sources import source_name
from prx_data.storage import write_json


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

    @field_validator("captions")
    @classmethod
    def _has_what_looks(cls, captions: CaptionSettings, info: ValidationInfo) -> CaptionSettings:
        if captions.checks.max_better_fits is not None and info.data.get("clip") is None:
            raise ValueError("its checks.max_better_fits needs a table [clip] with model and weights")
        return captions

    def measures(self) -> tuple[Measure, ...]:
        """What every photo shall have."""
        text = self.rules.max_text_share is not None
        return (*standard_measures(text=text), *([self.clip] if self.clip else []))

    def settings(self) -> Settings:
        """What the decisions depend on."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


_PLACES: Any = {
    **dict.fromkeys(("photos", "workspace", "output", "metadata", "workers", "against", "clip"), True),
    "captions": {
        *("url", "key_variable", "concurrency", "timeout", "retries", "device", "batch_size", "budget"),
        *("model", "dense_prompt", "short_prompt"),
    },
}
"""Settings that say where and how fast, and not what; models and prompts may be paths, and are among the
versions."""


@dataclass(frozen=True, kw_only=True)
class Curated:
    """What came of a curation."""

    output: Path
    manifest: dict[str, Any]
    """As in `curation.json`."""

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.output / "report.html"


def curate(config: CurateConfig | None = None, /, **settings: Any) -> Curated:
    """Photos to a dataset: index, measure, decide, caption, write, report.

    Run it again with the same settings and nothing is done twice; after a kill it goes on where it was.

    Args:
        config: All settings; or give them by name: `curate(photos="photos", workspace="work", output="dataset")`.
        settings: Fields of `CurateConfig`.

    Raises:
        ConfigError: A setting is wrong; nothing was done.
        SourceError: There are no photos, or none was kept.
        WorkspaceError: A folder cannot be written.
    """
    config = config or make_config(settings)
    check_output(config.output)
    captioner = captioner_of(config.captions)
    chosen = preview(config)
    chosen.caption(captioner, config.captions)
    shown = config.model_dump(mode="json", exclude=_PLACES)
    return Curated(output=config.output, manifest=chosen.write(config.output, config=shown))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some photos with their captions."""

    page: str
    """HTML, see `prx_data.report.captions`."""
    captions: dict[str, PhotoCaptions]
    """By origin, the most useful first."""
    kept: int
    """Photos that are to be captioned in all."""
    seconds: float
    """That the captions took, without what was known already."""


def caption_sample(config: CurateConfig, count: int) -> Sample:
    """Caption the `count` most useful of the photos that would be kept; they are not paid for again.

    Raises:
        CaptionError: The model fails at everything.
        SourceError: There are no photos, or none is kept.
    """
    captioner = captioner_of(config.captions)
    selection = preview(config)
    selection.caption(captioner, config.captions)
    return sample_of(selection, count)


def sample_of(selection: Selection, count: int) -> Sample:
    """As `caption_sample`, of a selection."""
    kept = {one.key: one for one in selection.decisions.kept}
    if not kept:
        raise SourceError("No photo was kept, so that there is none to caption.")
    ordered = most_useful_first(selection.to_caption(list(kept.values())))[:count]
    shown = [kept[one.facts.key] for one in ordered]
    begin = perf_counter()
    found = selection.captions(shown)
    seconds = perf_counter() - begin
    headline = f"{len(shown):,} of {len(kept):,} photos that are kept, captioned by {selection.captioner.source}."
    return Sample(
        page=caption_page(selection.pictures(), shown, found, headline),
        captions={one.origin: found[one.key] for one in shown},
        kept=len(kept),
        seconds=seconds,
    )


def captioner_of(settings: CaptionSettings) -> Captioner:
    """Who writes the captions.

    Raises:
        ConfigError: A setting is wrong, or a prompt cannot be used.
    """
    settings.prompts()
    if settings.kind == "server":
        return Server(
            settings.url or "",
            model=settings.model or "",
            key_variable=settings.key_variable,
            concurrency=settings.concurrency,
            timeout=settings.timeout,
            retries=settings.retries,
            side=settings.side,
            temperature=settings.temperature,
        )
    if settings.kind == "local":
        return Local(
            settings.model or "",
            device=settings.device,
            batch_size=settings.batch_size,
            side=settings.side,
            temperature=settings.temperature,
        )
    return settings.template


def preview(config: CurateConfig) -> Selection:
    """Index, measure and decide, but write no dataset.

    Raises:
        SourceError: There are no photos.
        WorkspaceError: The workspace cannot be written.
    """
    if config.against is not None:
        source_name(config.against, "against")
    for one in config.measures():
        _ = one.version  # of a model whose weights are missing, this says so before anything is done
    workspace = Workspace(config.workspace, config.measures(), decode_side=config.decode_side)
    piles = config.photos if isinstance(config.photos, tuple) else (config.photos,)
    for pile in piles:
        workspace.add(pile, config.metadata)
    workspace.keep_only(piles)
    workspace.measure(workers=config.workers)
    settings = config.settings()
    decided = settings.model_dump(mode="json")
    clip = config.model_dump(mode="json")["clip"]
    write_json(workspace.settings_file, {"decode_side": config.decode_side, "clip": clip, "decisions": decided})
    chosen = workspace.select(settings=settings, workers=config.workers)
    chosen.cluster_labels = config.cluster_labels
    return chosen


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
    if len(place) > 1 and place[0] == "clip":
        return Clip.__dataclass_fields__
    model: type[BaseModel] = CurateConfig
    for name in place[:-1]:
        field = model.model_fields.get(str(name))
        kind = None if field is None else field.annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else model
    return model.model_fields
