"""What was decided about photos, as it is used from a notebook: look, caption, write."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from prx_data.captions import (
    Agreement,
    Asking,
    Captioner,
    Captioning,
    CaptionStore,
    PhotoCaptions,
    PhotoFacts,
    PhotoToCaption,
    Template,
    most_useful_first,
)
from prx_data.captions.text import stem
from prx_data.dataset import (
    Content,
    counts,
    current_manifest,
    verdict_table,
    write_data,
    write_manifest,
)
from prx_data.decisions.names import tags_of_clusters, words_of_clusters
from prx_data.decisions.profiles import Profile, check, profile
from prx_data.decisions.settings import Settings
from prx_data.decisions.verdicts import Decisions, KeptPhoto
from prx_data.errors import ConfigError, SourceError
from prx_data.features import Feature, plain, text_of
from prx_data.outputs import check_output, replacing
from prx_data.report import (
    Gallery,
    Pictures,
    Report,
    Shown,
    build_report,
    captions_shown,
    clusters_shown,
    gallery,
    summary,
    write_report,
)
from prx_data.searching import Embedded, text_tower
from prx_data.storage import ledger_stage
from prx_data.stored import more_measured
from prx_data.told import counted, quoted
from prx_data.version import VERSION

if TYPE_CHECKING:
    from prx_data.curation import Workspace


class Selection:
    """What was decided about a workspace's photos."""

    def __init__(
        self,
        *,
        workspace: "Workspace",
        decisions: Decisions,
        columns: pa.Table,
        settings: Settings,
        other: "Workspace | None" = None,
        unknown: Sequence[str] = (),
        unread: Sequence[str] = (),
        other_unread: Sequence[str] = (),
    ) -> None:
        self.workspace, self.other = workspace, other
        self.unknown = unknown
        """What no leak could be looked for in, in sentences."""
        self.unread_note = " ".join((*unread, *other_unread)) or None
        """What of the photos, and of the other set, could not be read for a reason that is not in it, in sentences."""
        self.other_unread_note = " ".join(other_unread) or None
        self.decisions = decisions
        self.columns = columns
        self.settings = settings
        self.captioner: Captioner = Template()
        self.asking = Asking()
        self.cluster_labels: Sequence[str] = ()
        """What the dataset and the report name clusters by, see `cluster_names`."""

    @property
    def verdicts(self) -> pa.Table:
        """One row per input photo: `key, origin, kept, reason, detail`."""
        return verdict_table(self.decisions.verdicts)

    @property
    def counts(self) -> dict[str, Any]:
        """Photos in, kept, dropped by reason, failed by reason."""
        return counts(self.decisions.verdicts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, left out or not checked, in sentences."""
        wanted = self.settings.profile
        unchecked = None if wanted is None else wanted.unchecked_note(self.columns.schema)
        others = [one.name for one in more_measured(self.workspace, self.workspace.measures)]
        more = f"The workspace also has {', '.join(others)}, not asked for here: it decides nothing and is not written."
        told = filter(None, [unchecked, more if others else None])
        return (*filter(None, [self.unread_note]), *self.workspace.notes, *self.unknown, *told)

    def show(self, reason: str = "kept", limit: int = 48) -> Gallery:
        """Photos with one reason, as a gallery that a notebook shows.

        Args:
            reason: As in `verdicts`.
            limit: The most photos with that reason; a selection that depends on the keys alone. What was dropped for
                another photo is shown beside it.

        Raises:
            ConfigError: There is no such reason.
        """
        return gallery(self.pictures(), self.decisions, reason, limit)

    def show_clusters(self, labels: Sequence[str] = ()) -> Shown:
        """The clusters of the kept photos, the largest first, with their names and some photos of each.

        Args:
            labels: As in `cluster_names`.
        """
        return clusters_shown(self.pictures(), self.decisions, self.cluster_names(labels))

    def show_captions(self, limit: int = 12) -> Shown:
        """The most useful photos beside their captions; a model is asked for those that it has not written yet.

        Args:
            limit: The most photos.

        Raises:
            CaptionError: The model fails at everything.
            ConfigError: Captions are to be checked by a CLIP, and the workspace has none.
        """
        shown = self.most_useful(limit)
        return captions_shown(self.pictures(), shown, self.captions(shown), self.captioned_by(len(shown)))

    def most_useful(self, limit: int) -> list[KeptPhoto]:
        """Those of the photos that are kept which are captioned first."""
        kept = {one.key: one for one in self.decisions.kept}
        return [kept[one.facts.key] for one in most_useful_first(self.to_caption(list(kept.values())))[:limit]]

    def captioned_by(self, count: int) -> str:
        """Who captions, and so many of how many."""
        return (
            f"{count:,} of {counted(len(self.decisions.kept), 'photo')} to keep, captioned by {self.captioner.source}."
        )

    def check(self, wanted: str | Path | Profile) -> pa.Table:
        """Whether each input photo passes a profile, whatever was decided about it.

        Gives `key, origin, passed, reasons` and `unchecked`: the profile's optional columns that were not measured.

        Args:
            wanted: A profile, the name of a built-in one, or the path of a TOML file.

        Raises:
            ConfigError: The profile is wrong, or looks at a column that was not measured.
        """
        found = wanted if isinstance(wanted, Profile) else profile(wanted)
        return check(self.workspace.photos(), self.columns, found)

    def cluster_names(self, labels: Sequence[str] = ()) -> dict[int, str]:
        """What each cluster of the kept photos shows.

        Args:
            labels: To choose from, see `Workspace.tags`; without any, up to three words that set the cluster's metadata
                apart, which are none where nothing does: those of the template's columns, or all where there are none.
                The view does not count, and a word's plural counts as the word.
        """
        kept = self.decisions.kept
        clusters = [one.place.cluster for one in kept]
        if labels:
            table = self.workspace.tags(labels)
            found = dict(zip(table["key"].to_pylist(), table["tag"].to_pylist(), strict=True))
            return tags_of_clusters(clusters, [found[one.key] for one in kept])
        told = [self.asking.template.told(self._words(one)) for one in kept]
        return words_of_clusters(clusters, told, stem=stem)

    def __repr__(self) -> str:
        totals = self.counts
        photos = counted(totals["photos"], "photo")
        return f"Selection of {photos}: {totals['kept']:,} kept, {_told(totals) or 'none dropped'}"

    def _repr_html_(self) -> str:
        return summary(self.pictures())

    def caption(self, captioner: Captioner, asking: Asking | None = None) -> None:
        """Choose who writes the captions; by default a template from metadata and measured columns.

        Args:
            captioner: A `Template`, or a model: a `Server` or `Local`.
            asking: What a model is asked for, and what that may cost.
        """
        self.captioner, self.asking = captioner, asking or self.asking

    def write(self, output: str | Path, *, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write the dataset with its card, verdicts, report and, last, its manifest; unless it is there already.

        Args:
            output: The dataset's folder; replaced if it holds a dataset, refused if it holds anything else.
            config: Shown in the manifest and the report; by default the settings.

        Returns:
            The manifest, as in `curation.json`.

        Raises:
            SourceError: No photo was kept, or a photo changed since it was measured.
            WorkspaceError: The output cannot be written.
        """
        folder = Path(output)
        check_output(folder, apart=[self.workspace.folder, *self.workspace.sources])
        if not self.decisions.kept:
            raise SourceError(f"No photo was kept: {_told(self.counts)}. {self._how_to_look()}")
        captions = self.captions(self.decisions.kept)
        content = self._content(
            captions, config or {"decisions": self.settings.model_dump(mode="json", exclude={"against"})}
        )
        current = current_manifest(folder, content)
        if current is not None:
            return current
        with replacing(folder) as aside:
            with ledger_stage(self.workspace.ledger, "write dataset") as stage:
                write_data(aside, content)
                stage.items = len(self.decisions.kept)
            with ledger_stage(self.workspace.ledger, "report", unit="pictures") as stage:
                report = self._report(content)
                stage.items = report.pictures
            write_report(aside, report, self.workspace.ledger)
            return write_manifest(aside, content)

    def _how_to_look(self) -> str:
        wanted, first = self.settings.profile, self.decisions.verdicts[0]
        if wanted is None:
            return f"{quoted(first.origin)}, for one: {first.detail}"
        return f"prx-data check {self.workspace.folder} {wanted.name} (or its file) says what is wrong with each."

    def captions(self, kept: Sequence[KeptPhoto]) -> dict[str, PhotoCaptions]:
        """Captions by key of photos that are kept; a model is asked for those that it has not written yet.

        Raises:
            CaptionError: The model fails at everything.
            ConfigError: Captions are to be checked by a CLIP, and the workspace has none.
        """
        with ledger_stage(self.workspace.ledger, "caption", unit="captions") as stage:
            store = CaptionStore(self.workspace.folder / "captions", self.captioner.version)
            captioning = Captioning(self.captioner, self.asking, store, self._agreement())
            try:
                found = captioning.write(self.to_caption(kept))
            finally:
                stage.items = captioning.written
                if captioning.written:
                    stage.device = self.captioner.chosen_device.partition(":")[0]
        return found

    def _agreement(self) -> Agreement | None:
        """What captions of a model are held to; the user's own and the template's are taken as they are."""
        if self.asking.checks.max_better_fits is None or isinstance(self.captioner, Template):
            return None
        try:
            measure, tower = text_tower(self.workspace.measures)
        except ConfigError as error:
            limit = self.asking.checks.max_better_fits
            raise ConfigError(f"captions.checks.max_better_fits = {limit:g} looks with a CLIP. {error}") from error
        keys, vectors = Embedded(self.workspace, measure).whole()
        return Agreement(keys=keys, vectors=vectors, texts=tower.texts)

    def to_caption(self, kept: Sequence[KeptPhoto]) -> list[PhotoToCaption]:
        """What a captioner needs to know of photos that are kept."""
        locators = self.workspace.locators()
        places = pa.array([one.row for one in kept], pa.int64())  # of none, Arrow would not know the type
        rows = self.columns.select(["color", "background", "cleanliness"]).take(places).to_pylist()
        return [
            PhotoToCaption(
                facts=PhotoFacts(
                    key=one.key,
                    metadata=self._words(one),
                    color=row["color"] or "",
                    background=row["background"] or "",
                ),
                locator=locators[one.key],
                cluster=one.place.cluster,
                cleanliness=row["cleanliness"],
                weight=one.place.weight,
            )
            for one, row in zip(kept, rows, strict=True)
        ]

    def _words(self, photo: KeptPhoto) -> dict[str, str]:
        """Its metadata as text."""
        features = self._features
        return {name: text_of(plain(value, features[name]), features[name]) for name, value in photo.metadata.items()}

    @cached_property
    def _features(self) -> Mapping[str, Feature]:
        return self.workspace.features

    def _report(self, content: Content) -> Report:
        return build_report(
            self.pictures(),
            content,
            self.workspace.ledger,
            rules=self.settings.rules,
            profile=self.settings.profile,
            ignored=self.workspace.ignored_files,
            notes=self.notes,
            names=content.cluster_names,
            embedding=self.settings.embedding,
        )

    def pictures(self) -> Pictures:
        """Thumbnails of the photos."""
        known = {} if self.other is None else self.other.locators()
        return Pictures(self.decisions, known | self.workspace.locators())

    def _content(self, captions: Mapping[str, PhotoCaptions], config: Mapping[str, Any]) -> Content:
        photos = self.workspace.photos().select(["key", "bytes"]).to_pydict()
        measures = {one.name: one.version for one in self.workspace.measures}
        prompts = sorted({text.prompt_version for one in captions.values() for text in one.captions} - {""})
        captioner = {"source": self.captioner.source, "version": self.captioner.version, "prompts": prompts}
        return Content(
            decisions=self.decisions,
            columns=self.columns,
            captions=captions,
            features=self.workspace.features,
            locators=self.workspace.locators(),
            sizes=dict(zip(photos["key"], photos["bytes"], strict=True)),
            config=config,
            versions={
                "prx-data": VERSION,
                "decoding": self.workspace.decoded_version,
                "measures": measures,
                "captioner": captioner,
            },
            cluster_names=self.cluster_names(self.cluster_labels),
            gaps=[*filter(None, [self.unread_note]), *self.unknown],
        )


def _told(totals: Mapping[str, Any]) -> str:
    reasons = {**totals["failed"], **totals["dropped"]}
    return ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())
