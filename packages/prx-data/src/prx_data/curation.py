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
from prx_data.errors import ConfigError
from prx_data.measures import Measure, standard_measures, takes_batches, takes_columns
from prx_data.measures.scaled import LEAST_SIDE, scaled, scaled_version
from prx_data.progress import steps
from prx_data.records import Status
from prx_data.searching import Searchable
from prx_data.selection import Selection
from prx_data.sources import source_name
from prx_data.storage import ledger_stage
from prx_data.stored import write_record
from prx_data.tasks import DECODED, DECODED_VERSION


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
        """
        of_pixels = [one for one in self.measures if not takes_columns(one)]
        lacked = measure(self, of_pixels, workers=workers, decode_side=self.decode_side)
        write_record(self.folder, of_pixels, self.decode_side)
        return lacked

    def columns(self) -> pa.Table:
        """One row per distinct content, ordered by key: what decoding and every measure gave, side by side."""
        keys = self.readable().sort_by("key")["key"].combine_chunks()
        names: dict[str, Any] = {"key": keys}
        errors = [pa.nulls(len(keys), pa.string())]
        of_pixels = [one for one in self.measures if not takes_columns(one)]
        for name, version in ((DECODED, self.decoded_version), *((one.name, one.version) for one in of_pixels)):
            table = self.measured(name, version) if len(keys) else None
            if table is None:
                continue
            rows = table.take(pc.index_in(keys, table["key"].combine_chunks()))
            for column in rows.column_names:
                if column == "error":
                    errors.append(rows[column].combine_chunks())
                elif column != "key":
                    names[column] = rows[column].combine_chunks()
        table = pa.table({**names, "error": pc.coalesce(*errors)})
        for one in self.measures:
            for column, values in one.derive(table).items() if takes_columns(one) and len(keys) else ():
                table = table.append_column(column, values)
        return table

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

        Raises:
            ConfigError: These are no rules or settings, or look at what was not measured.
        """
        if not isinstance(rules, Rules | None) or not isinstance(settings, Settings | None):
            raise ConfigError("select takes rules = Rules(...) and settings = Settings(...), the rules first.")
        chosen = settings or Settings()
        if rules is not None:
            chosen = chosen.model_copy(update={"rules": rules})
        if against is not None:
            chosen = chosen.model_copy(update={"against": against})
        other = None if chosen.against is None else self._other(chosen.against, workers)
        known = None if other is None else other.known()
        with ledger_stage(self.ledger, "decide") as stage, steps("deciding", STEPS + 1) as step:
            step("reading what was measured")
            photos, columns = self.photos(), self.columns()
            decisions = decide(photos, columns, chosen, known, step=step)
            stage.items = len(photos)
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
        # What models see takes long, and no leak is told by it.
        other.measures = tuple(one for one in self.measures if not takes_batches(one) and not takes_columns(one))
        other.decode_side = self.decode_side
        other.measure(workers=workers)
        return other
