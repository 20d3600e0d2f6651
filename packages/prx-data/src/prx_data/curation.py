"""The workspace as it is used from a notebook: add, measure, select, look, caption, write."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.candidates import Known
from prx_data.decisions.duplicates import COLUMNS
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.decisions.verdicts import STEPS, decide
from prx_data.engine import measure
from prx_data.errors import ConfigError, SourceError
from prx_data.measures import Measure, standard_measures, takes_batches, takes_columns
from prx_data.measures.scaled import LEAST_SIDE, scaled, scaled_version
from prx_data.progress import steps
from prx_data.records import Status
from prx_data.searching import Searchable
from prx_data.selection import Selection
from prx_data.sources import source_name
from prx_data.storage import ledger_stage
from prx_data.stored import write_record
from prx_data.tasks import DECODED, DECODED_SCHEMA, DECODED_VERSION, measured_table
from prx_data.told import counted, unread_files
from prx_data.workspace import OTHERS, is_workspace


class Workspace(Searchable):
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
        self.measures = chosen if decode_side is None else tuple(scaled(one, decode_side) for one in chosen)

    def __repr__(self) -> str:
        return f"Workspace({str(self.folder)!r})"

    @property
    def decoded_version(self) -> str:
        """The version of what decoding gives here."""
        return scaled_version(DECODED_VERSION, self.decode_side)

    def measure(self, *, workers: int | None = None) -> int:
        """Measure every photo that lacks a column; returns how many did.

        Args:
            workers: Processes; None for one per processor, 1 to stay in this process.

        Raises:
            SourceError: None of the photos can be read any more.
            WorkspaceError: The workspace cannot be written to.
        """
        of_pixels = [one for one in self.measures if not takes_columns(one)]
        lacked = measure(self, of_pixels, workers=workers, decode_side=self.decode_side)
        if lacked and not all(self.has_measured(*one) for one in self._wanted().items()):
            raise SourceError(
                f"None of the {counted(lacked, 'photo')} to be measured can be read any more: what they lie on is "
                "gone, or the network. The same call goes on when it is back."
            )
        write_record(self.folder, of_pixels, self.decode_side)
        return lacked

    @property
    def unmeasured(self) -> int:
        """How many contents could be read when they were added, and not when they were measured."""
        return len(self.backlog(self._wanted()))

    def _wanted(self) -> dict[str, str]:
        """The versions, by name, of what is measured of pixels."""
        of_pixels = [one for one in self.measures if not takes_columns(one)]
        return {DECODED: self.decoded_version, **{one.name: one.version for one in of_pixels}}

    def columns(self) -> pa.Table:
        """One row per distinct content, ordered by key: what decoding and every measure gave, side by side."""
        keys = self.readable().sort_by("key")["key"].combine_chunks()
        names: dict[str, Any] = {"key": keys}
        errors = [pa.nulls(len(keys), pa.string())]
        of_pixels = [one for one in self.measures if not takes_columns(one)]
        # Where no photo can be read there is nothing to measure, and that is no mistake: columns without rows.
        tables = {(DECODED, self.decoded_version): DECODED_SCHEMA.empty_table()}
        tables |= {(one.name, one.version): measured_table(one.schema, []) for one in of_pixels}
        for (name, version), empty in tables.items():
            table = self.measured(name, version) if len(keys) else empty
            rows = table.take(pc.index_in(keys, table["key"].combine_chunks()))
            for column in rows.column_names:
                if column == "error":
                    errors.append(rows[column].combine_chunks())
                elif column != "key":
                    names[column] = rows[column].combine_chunks()
        table = pa.table({**names, "error": pc.coalesce(*errors)})
        for one in filter(takes_columns, self.measures):
            nothing = {field.name: pa.array([], field.type) for field in one.schema}
            for column, values in (one.derive(table) if len(keys) else nothing).items():
                table = table.append_column(column, values)
        return table

    def select(
        self,
        rules: Rules | None = None,
        settings: Settings | None = None,
        *,
        against: "str | Path | Workspace | None" = None,
        workers: int | None = None,
    ) -> "Selection":
        """Decide about every photo.

        Args:
            rules: Thresholds on single photos; instead of those in `settings`.
            settings: All that the decisions depend on.
            against: Photos that none to be kept may show again: a workspace, or anything that can be added to one;
                instead of those in `settings`.
            workers: Processes that measure what `against` lacks, as in `measure`.

        Raises:
            ConfigError: These are no rules or settings, or look at what was not measured.
            SourceError: There is nothing in `against`.
        """
        if not isinstance(rules, Rules | None) or not isinstance(settings, Settings | None):
            raise ConfigError("select takes rules = Rules(...) and settings = Settings(...), the rules first.")
        chosen = settings or Settings()
        if rules is not None:
            chosen = chosen.model_copy(update={"rules": rules})
        if against is not None:
            folder = against.folder if isinstance(against, Workspace) else against
            chosen = chosen.model_copy(update={"against": folder})
        other = None if chosen.against is None else self._other(chosen.against, workers)
        known = None if other is None else other.known(chosen.rules)
        if known is not None and not known.origins:
            raise SourceError(
                f"against = {str(chosen.against)!r} has no photo that can be read: no leak could be found."
            )
        with ledger_stage(self.ledger, "decide") as stage, steps("deciding", STEPS + 1) as step:
            step("reading what was measured")
            photos, columns = self.photos(), self.columns()
            decisions = decide(photos, columns, chosen, known, step=step)
            stage.items = len(photos)
        return Selection(
            workspace=self,
            decisions=decisions,
            columns=columns,
            settings=chosen,
            other=other,
            unknown=[] if other is None or known is None else _unknown(other, known, chosen.against),
            unread=_unread(self, "the source", "are missing", "the same command tries again"),
            other_unread=[] if other is None else self._unread_of(other, chosen.against),
        )

    def known(self, rules: Rules | None = None) -> Known:
        """Its readable photos as a set that another one must not overlap.

        Args:
            rules: Say how much of a truncated photo is enough; the default rules if None.
        """
        columns, judged = self.columns(), rules or Rules()
        told = columns.select(["status", "decoded_share"]).to_pylist()
        read = pa.array([one["status"] == Status.OK or judged.salvages(one) for one in told], pa.bool_())
        columns = columns.filter(pc.and_(read, pc.is_null(columns["error"]))).select(
            ["key", "pixel_digest", "width", "height", *COLUMNS]
        )
        photos = self.photos().select(["key", "origin"]).to_pydict()
        # Reversed, so that of several files with one content the first by origin stands.
        origins = dict(zip(reversed(photos["key"]), reversed(photos["origin"]), strict=True))
        return Known(origins=tuple(origins[key] for key in columns["key"].to_pylist()), columns=columns)

    def _other(self, photos: str | Path, workers: int | None) -> "Workspace":
        """A measured workspace: the one at `photos`, or one inside this one that holds what is there."""
        name = source_name(photos, "against")
        if is_workspace(Path(photos)):
            other = Workspace(photos)
        else:
            other = Workspace(self.folder / OTHERS / hashlib.sha256(name.encode()).hexdigest()[:16])
            try:
                other.add(photos)
            except SourceError as error:
                raise SourceError(str(error).replace("photos = ", "against = ", 1)) from error
        # What models see takes long, and no leak is told by it.
        other.measures = tuple(one for one in self.measures if not takes_batches(one) and not takes_columns(one))
        other.decode_side = self.decode_side
        other.measure(workers=workers)
        return other

    def _unread_of(self, other: "Workspace", against: str | Path | None) -> list[str]:
        # One that was added elsewhere is not looked at again from here.
        ours = other.folder.parent == self.folder / OTHERS
        remedy = "the same command tries again" if ours else "adding that set to its workspace again tries again"
        return _unread(other, f"against = {str(against)!r}", "were not looked for among these", remedy)


def _unread(photos: Workspace, whose: str, so: str, remedy: str) -> list[str]:
    """What could not be read for a reason that is not in it, in sentences."""
    told = [unread_files(photos.unread, whose, so, remedy)] if photos.unread else []
    if left := photos.unmeasured:
        told.append(f"{counted(left, 'photo')} of {whose} could not be read again to be measured, and {so}; {remedy}.")
    return told


def _unknown(other: Workspace, known: Known, against: str | Path | None) -> list[str]:
    """What of another set no leak could be looked for in, in a sentence."""
    keys = other.photos(["origin", "key"])["key"]
    left = len(keys) - pc.sum(pc.is_in(keys, known.columns["key"].combine_chunks())).as_py()
    told = f"{left:,} of {counted(len(keys), 'photo')} in against = {str(against)!r} could not be read"
    return [f"{told}: whether a photo shows the same as one of them is not known."] if left else []
