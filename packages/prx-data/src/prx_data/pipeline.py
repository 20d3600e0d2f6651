"""The whole way from photos to a dataset: the only file that knows the order."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from prx_data.captions import Template
from prx_data.curation import Selection, Workspace
from prx_data.dataset import check_output
from prx_data.decisions.keep import Preference
from prx_data.decisions.profiles import Profile, ProfileSetting
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.errors import ConfigError
from prx_data.measures.scaled import LEAST_SIDE
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
    clusters: Annotated[int, Field(ge=1)] | None = None
    """Number of visual clusters; None for √(photos / 2)."""
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the groups that is held out."""
    product_columns: tuple[str, ...] = Settings().product_columns
    """Metadata columns that name the product; the first that a photo has counts."""
    captions: Template = Template()
    """How captions are made from metadata."""
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

    def settings(self) -> Settings:
        """What the decisions depend on."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


_PLACES = {"photos", "workspace", "output", "metadata", "workers", "against"}


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
    chosen = preview(config)
    chosen.caption(config.captions)
    shown = config.model_dump(mode="json", exclude=_PLACES)
    return Curated(output=config.output, manifest=chosen.write(config.output, config=shown))


def preview(config: CurateConfig) -> Selection:
    """Index, measure and decide, but write no dataset.

    Raises:
        SourceError: There are no photos.
        WorkspaceError: The workspace cannot be written.
    """
    if config.against is not None:
        source_name(config.against, "against")
    workspace = Workspace(config.workspace, decode_side=config.decode_side)
    piles = config.photos if isinstance(config.photos, tuple) else (config.photos,)
    for pile in piles:
        workspace.add(pile, config.metadata)
    workspace.keep_only(piles)
    workspace.measure(workers=config.workers)
    settings = config.settings()
    decided = settings.model_dump(mode="json")
    write_json(workspace.settings_file, {"decode_side": config.decode_side, "decisions": decided})
    return workspace.select(settings=settings, workers=config.workers)


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
    if first["type"] == "extra_forbidden":
        model = Rules if key.startswith("rules.") else Template if key.startswith("captions.") else CurateConfig
        return f"Unknown setting {key}; known are {', '.join(model.model_fields)}."
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{key} = {first['input']!r} is wrong: {message}."
