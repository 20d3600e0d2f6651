"""The workspace as it is used from a notebook: add, measure, select, look, caption, write."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.captions import Captioner, PhotoFacts, Template
from prx_data.dataset import (
    Content,
    check_output,
    counts,
    current_manifest,
    replacing,
    verdict_table,
    write_data,
    write_manifest,
)
from prx_data.decisions.candidates import Known
from prx_data.decisions.duplicates import COLUMNS
from prx_data.decisions.profiles import Profile, check, profile
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.decisions.verdicts import Decisions, decide
from prx_data.engine import DECODED, DECODED_VERSION, measure
from prx_data.errors import ConfigError, SourceError
from prx_data.features import plain, text_of
from prx_data.measures import Measure, standard_measures
from prx_data.measures.scaled import LEAST_SIDE, Scaled, scaled_version
from prx_data.records import Status
from prx_data.report import Gallery, Pictures, Report, build_report, gallery, summary, write_report
from prx_data.sources import source_name
from prx_data.storage import ledger_stage
from prx_data.version import VERSION
from prx_data.workspace import WorkspaceStore


class Workspace(WorkspaceStore):
    """A folder that remembers what was measured of photos; opened or created.

    Adding, measuring and selecting are three steps: `add` looks at files, `measure` at pixels (only at those that it
    has not seen), `select` at columns. Selecting again with other rules decodes nothing.
    """

    def __init__(
        self, folder: str | Path, measures: Sequence[Measure] | None = None, *, decode_side: int | None = None
    ) -> None:
        """Open or create.

        Args:
            folder: Where.
            measures: What every photo shall have; the standard measures if None.
            decode_side: JPEGs are decoded at the smallest eighth, quarter or half that keeps so many pixels of the
                longer side, 384 at least: large ones are measured faster, and nearly the same. None for whole pictures.

        Raises:
            ConfigError: `decode_side` is too small.
            WorkspaceError: The folder cannot be written to.
        """
        if decode_side is not None and decode_side < LEAST_SIDE:
            raise ConfigError(f"decode_side = {decode_side} is wrong: it should be at least {LEAST_SIDE}, or None.")
        super().__init__(folder)
        chosen = tuple(measures) if measures is not None else standard_measures()
        self.decode_side = decode_side
        self.measures: tuple[Measure, ...] = (
            chosen if decode_side is None else tuple(Scaled(measure=one, side=decode_side) for one in chosen)
        )

    @property
    def decoded_version(self) -> str:
        """The version of what decoding gives here."""
        return scaled_version(DECODED_VERSION, self.decode_side)

    def measure(self, *, workers: int | None = None) -> int:
        """Measure every photo that lacks a column; returns how many did.

        Args:
            workers: Processes; None for one per processor, 1 to stay in this process.
        """
        return measure(self, self.measures, workers=workers, decode_side=self.decode_side)

    def columns(self) -> pa.Table:
        """One row per distinct content, ordered by key: what decoding and every measure gave, side by side."""
        keys = self.readable().sort_by("key")["key"].combine_chunks()
        names: dict[str, Any] = {"key": keys}
        errors = [pa.nulls(len(keys), pa.string())]
        for name, version in ((DECODED, self.decoded_version), *((one.name, one.version) for one in self.measures)):
            table = self.measured(name, version) if len(keys) else None
            if table is None:
                continue
            rows = table.take(pc.index_in(keys, table["key"].combine_chunks()))
            for column in rows.column_names:
                if column == "error":
                    errors.append(rows[column].combine_chunks())
                elif column != "key":
                    names[column] = rows[column].combine_chunks()
        return pa.table({**names, "error": pc.coalesce(*errors)})

    def select(
        self,
        rules: Rules | None = None,
        settings: Settings | None = None,
        *,
        against: str | Path | None = None,
        workers: int | None = None,
    ) -> "Selection":
        """Decide about every photo.

        Args:
            rules: Thresholds on single photos; instead of those in `settings`.
            settings: All that the decisions depend on.
            against: Photos that none to be kept may show again; instead of those in `settings`.
            workers: Processes that measure what `against` lacks, as in `measure`.
        """
        chosen = settings or Settings()
        if rules is not None:
            chosen = chosen.model_copy(update={"rules": rules})
        if against is not None:
            chosen = chosen.model_copy(update={"against": against})
        other = None if chosen.against is None else self._other(chosen.against, workers)
        known = None if other is None else other.known()
        with ledger_stage(self.ledger, "decide") as counted:
            photos, columns = self.photos(), self.columns()
            decisions = decide(photos, columns, chosen, known)
            counted["items"] = len(photos)
        return Selection(workspace=self, decisions=decisions, columns=columns, settings=chosen, other=other)

    def known(self) -> Known:
        """Its readable photos as a set that another one must not overlap."""
        columns = self.columns()
        usable = pc.and_(pc.equal(columns["status"], Status.OK.value), pc.is_null(columns["error"]))
        columns = columns.filter(usable).select(["key", "pixel_digest", "width", "height", *COLUMNS])
        photos = self.photos().select(["key", "origin"]).to_pydict()
        # Reversed, so that of several files with one content the first by origin stands.
        origins = dict(zip(reversed(photos["key"]), reversed(photos["origin"]), strict=True))
        return Known(origins=tuple(origins[key] for key in columns["key"].to_pylist()), columns=columns)

    def _other(self, photos: str | Path, workers: int | None) -> "Workspace":
        """A measured workspace: the one at `photos`, or one inside this one that holds what is there."""
        if any(Path(photos).glob("sources/*.parquet")):
            other = Workspace(photos)
        else:
            name = hashlib.sha256(source_name(photos).encode()).hexdigest()[:16]
            other = Workspace(self.folder / "against" / name)
            other.add(photos)
        other.measures, other.decode_side = self.measures, self.decode_side
        other.measure(workers=workers)
        return other


class Selection:
    """What was decided about a workspace's photos."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        decisions: Decisions,
        columns: pa.Table,
        settings: Settings,
        other: Workspace | None = None,
    ) -> None:
        self.workspace = workspace
        self.other = other
        self.decisions = decisions
        self.columns = columns
        self.settings = settings
        self.captioner: Captioner = Template()

    @property
    def verdicts(self) -> pa.Table:
        """One row per input photo: `key, origin, kept, reason, detail`."""
        return verdict_table(self.decisions.verdicts)

    @property
    def counts(self) -> dict[str, Any]:
        """Photos in, kept, dropped by reason, failed by reason."""
        return counts(self.decisions.verdicts)

    def show(self, reason: str = "kept", limit: int = 48) -> Gallery:
        """Photos with one reason, as a gallery that a notebook shows.

        Args:
            reason: As in `verdicts`.
            limit: The most pictures; a selection that depends on the keys alone.
        """
        return gallery(self._pictures(), reason, limit)

    def check(self, wanted: str | Path | Profile) -> pa.Table:
        """Whether each input photo passes a profile, whatever was decided about it: `key, origin, passed, reasons`.

        Args:
            wanted: A profile, the name of a built-in one, or the path of a TOML file.

        Raises:
            ConfigError: The profile is wrong, or looks at a column that was not measured.
        """
        found = wanted if isinstance(wanted, Profile) else profile(wanted)
        return check(self.workspace.photos(), self.columns, found)

    def _repr_html_(self) -> str:
        return summary(self._pictures())

    def caption(self, captioner: Captioner) -> None:
        """Choose who writes the captions; by default a template from metadata and measured columns."""
        self.captioner = captioner

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
        check_output(folder)
        if not self.decisions.kept:
            raise SourceError(f"No photo was kept: {_told(self.counts)}.")
        with ledger_stage(self.workspace.ledger, "caption") as counted:
            captions = self._captions()
            counted["items"] = len(captions)
        content = self._content(
            captions, config or {"decisions": self.settings.model_dump(mode="json", exclude={"against"})}
        )
        current = current_manifest(folder, content)
        if current is not None:
            return current
        with replacing(folder) as aside:
            with ledger_stage(self.workspace.ledger, "write dataset") as counted:
                write_data(aside, content)
                counted["items"] = len(self.decisions.kept)
            with ledger_stage(self.workspace.ledger, "report", unit="pictures") as counted:
                report = self._report(content)
                counted["items"] = report.pictures
            write_report(aside, report, self.workspace.ledger)
            return write_manifest(aside, content)

    def _captions(self) -> dict[str, tuple[str, str]]:
        kept, features = self.decisions.kept, self.workspace.features
        words = self.columns.select(["color", "background"]).take([one.row for one in kept]).to_pylist()
        return {
            one.key: self.captioner(
                PhotoFacts(
                    key=one.key,
                    metadata={
                        name: text_of(plain(value, features[name]), features[name])
                        for name, value in one.metadata.items()
                    },
                    color=word["color"] or "",
                    background=word["background"] or "",
                )
            )
            for one, word in zip(kept, words, strict=True)
        }

    def _report(self, content: Content) -> Report:
        return build_report(
            self._pictures(),
            content,
            self.workspace.ledger,
            rules=self.settings.rules,
            ignored=self.workspace.ignored_files,
            notes=self.workspace.notes,
        )

    def _pictures(self) -> Pictures:
        known = {} if self.other is None else self.other.locators()
        return Pictures(self.decisions, known | self.workspace.locators())

    def _content(self, captions: Mapping[str, tuple[str, str]], config: Mapping[str, Any]) -> Content:
        photos = self.workspace.photos().select(["key", "bytes"]).to_pydict()
        measures = {one.name: one.version for one in self.workspace.measures}
        return Content(
            decisions=self.decisions,
            columns=self.columns,
            captions=captions,
            features=self.workspace.features,
            locators=self.workspace.locators(),
            sizes=dict(zip(photos["key"], photos["bytes"], strict=True)),
            config=config,
            versions={"prx-data": VERSION, "decoding": self.workspace.decoded_version, "measures": measures},
        )


def _told(totals: Mapping[str, Any]) -> str:
    reasons = {**totals["failed"], **totals["dropped"]}
    return ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())
