"""The whole way from photos to a dataset: the only file that knows the order."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from prx_data.captions import Captioner, CaptionSettings, Local, PhotoCaptions, Server
from prx_data.config import PLACES, CurateConfig, make_config
from prx_data.curation import Workspace
from prx_data.errors import SourceError
from prx_data.formats import with_format
from prx_data.outputs import check_output
from prx_data.report.captions import captions_shown
from prx_data.selection import Selection
from prx_data.sources import source_name
from prx_data.storage import alone, write_json
from prx_data.workspace import check_format, is_workspace


@dataclass(frozen=True, kw_only=True)
class Curated:
    """What came of a curation."""

    output: Path
    manifest: dict[str, Any]
    """As in `curation.json`."""
    notes: tuple[str, ...] = ()
    """What was assumed, left out or not checked, in sentences."""
    unread_note: str | None = None
    """The one of them that says that files of the source, or of `against`, could not be read."""

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
        WorkspaceError: A folder cannot be written, or another curation is at work in the workspace.
    """
    config = config or make_config(settings)
    check_output(config.output, apart=[config.workspace, *_check(config)])
    captioner = captioner_of(config.captions)
    with alone(config.workspace):
        chosen = _decided(config)
        chosen.caption(captioner, config.captions)
        shown = config.model_dump(mode="json", exclude=PLACES)
        manifest = chosen.write(config.output, config=shown)
        return Curated(output=config.output, manifest=manifest, notes=chosen.notes, unread_note=chosen.unread_note)


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
    unread_note: str | None = None
    """As in `Curated`."""


def caption_sample(config: CurateConfig, count: int) -> Sample:
    """Caption the `count` most useful of the photos that would be kept; they are not paid for again.

    Raises:
        CaptionError: The model fails at everything.
        SourceError: There are no photos, or none is kept.
    """
    captioner = captioner_of(config.captions)
    _check(config)
    with alone(config.workspace):
        selection = _decided(config)
        selection.caption(captioner, config.captions)
        return sample_of(selection, count)


def sample_of(selection: Selection, count: int) -> Sample:
    """As `caption_sample`, of a selection."""
    shown = selection.most_useful(count)
    if not shown:
        raise SourceError("No photo was kept, so that there is none to caption.")
    begin = perf_counter()
    found = selection.captions(shown)
    seconds = perf_counter() - begin
    return Sample(
        page=captions_shown(selection.pictures(), shown, found, selection.captioned_by(len(shown))).page(),
        captions={one.origin: found[one.key] for one in shown},
        kept=len(selection.decisions.kept),
        seconds=seconds,
        unread_note=selection.unread_note,
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
        WorkspaceError: The workspace cannot be written, or another curation is at work in it.
    """
    _check(config)
    with alone(config.workspace):
        return _decided(config)


def _check(config: CurateConfig) -> list[str]:
    """Say what is wrong before anything is done; gives where the photos and those of the other set lie."""
    places = [source_name(pile) for pile in _piles(config)]
    if config.against is not None:
        places.append(source_name(config.against, "against"))
        if is_workspace(Path(config.against)):
            check_format(Path(config.against))
    for one in config.measures():
        _ = one.version  # of a model whose weights are missing, this says so
    return places


def _piles(config: CurateConfig) -> tuple[str | Path, ...]:
    return config.photos if isinstance(config.photos, tuple) else (config.photos,)


def _decided(config: CurateConfig) -> Selection:
    workspace = Workspace(config.workspace, config.measures(), decode_side=config.decode_side)
    for pile in _piles(config):
        workspace.add(pile, config.metadata, image_column=config.image_column)
    workspace.keep_only(_piles(config))
    workspace.measure(workers=config.workers)
    settings = config.settings()
    # By its whole name: who asks afterwards may be in another folder.
    against = None if config.against is None else source_name(config.against, "against")
    decided = {**settings.model_dump(mode="json"), "against": against}
    write_json(workspace.settings_file, with_format({**config.measured(), "decisions": decided}))
    chosen = workspace.select(settings=settings, workers=config.workers)
    chosen.cluster_labels = config.cluster_labels
    return chosen
