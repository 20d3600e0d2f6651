"""Everything that is known about one photo, and why it is in or out."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.config import chosen_measures, load_config
from prx_data.curation import Workspace
from prx_data.decisions.profiles import Profile
from prx_data.decisions.rules import Rules
from prx_data.decisions.settings import Settings
from prx_data.decoding import decode
from prx_data.errors import SourceError, WorkspaceError
from prx_data.formats import SETTINGS, read_fields, understood
from prx_data.measures import Measure, standard_measures, takes_columns
from prx_data.measures.clip import Clip
from prx_data.measures.nsfw import Nsfw
from prx_data.measures.perceptual import phash
from prx_data.reading import Locator, read
from prx_data.records import EXPLANATIONS, Reason, Status
from prx_data.selection import Selection
from prx_data.sources.extras import check_protocols
from prx_data.sources.locations import as_location
from prx_data.storage import measure_folder
from prx_data.stored import more_measured, read_record
from prx_data.tasks import DECODED, DECODED_SCHEMA
from prx_data.told import quoted, visible
from prx_data.workspace import SETTINGS_FILE

_LONG = 8
"""Lists with more numbers than this are for machines; a key's beginning of fewer digits is no name."""


def explain_file(
    path: str | Path,
    *,
    rules: Rules | None = None,
    profile: Profile | None = None,
    measures: Sequence[Measure] | None = None,
) -> dict[str, Any]:
    """Measure one file on the spot; nothing is written.

    Args:
        path: A photo, in any format that can be decoded, or anything else; also an fsspec URL.
        rules: What it would be judged by; the default rules if None.
        profile: What it must fulfil besides.
        measures: What to measure; the standard measures if None.

    Returns:
        `file`, `key`, `status` and what decoding gave, a mapping of columns for each measure, `phash` of the whole
        picture as 16 hex digits, and `verdict`: not `kept` where the rules or the profile drop it, and else `kept` and
        `reason` are None, as nobody knows without the other photos, or without what was not measured.

    Raises:
        SourceError: There is no such file, or it cannot be read.
    """
    location = as_location(path)
    check_protocols([location])
    try:
        data = read(str(Locator(location=location)))
    except OSError as error:
        raise SourceError(f"The photo {path} cannot be read: {error.strerror or error}.") from error
    decoded = decode(data)
    found: dict[str, Any] = {"file": str(path), "key": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    found |= {name: getattr(decoded, name) for name in DECODED_SCHEMA.names if name != "key"}
    columns: dict[str, Any] = dict(found)
    if decoded.picture is not None:
        for measure in measures if measures is not None else standard_measures():
            measured = measure(decoded.picture)
            found[measure.name] = _readable(measured)
            columns |= measured
        # Of one photo, the hash of the whole picture is cheap; the measure's is that of a reduced one.
        columns["phash"] = phash(decoded.picture.pixels)
    return {**found, **_hash(columns), "verdict": _by_itself(columns, rules, profile)}


def explain_by_config(path: str | Path, config: Path) -> dict[str, Any]:
    """As `explain_file`, by the rules and the profile of a curation.

    Raises:
        ConfigError: The config cannot be read, or a setting is wrong.
        SourceError: There is no such photo, or it cannot be read.
    """
    chosen = load_config(config)
    # Nothing is said of an embedding, and what scores one makes it itself.
    measures = [one for one in chosen.measures() if one is not chosen.clip]
    return explain_file(path, rules=chosen.rules, profile=chosen.profile, measures=measures)


def explain_photo(workspace: Workspace, selection: Selection | None, name: str) -> dict[str, Any] | None:
    """What a workspace knows of one of its photos.

    Args:
        workspace: Where to look.
        selection: What was decided; None where too little was measured to decide.
        name: The photo's origin or the end of it, its path or locator, or at least eight digits of its key.

    Returns:
        As `explain_file`, with `origin`, `metadata`, the `verdict` with its reason, and `group`: the photos that it was
        found to be a copy or a colour variant of. None if the workspace has no such photo.

    Raises:
        SourceError: The name fits several photos.
    """
    row = _find(workspace.photos(), name)
    if row is None:
        return None
    found: dict[str, Any] = {
        "origin": row["origin"],
        "file": row["locator"],
        "key": row["key"],
        "bytes": row["bytes"],
        "status": row["status"],
        "message": row["message"],
        "metadata": json.loads(row["metadata"]),
    }
    facts = _facts(workspace, selection, row["key"])
    if facts:
        found |= {one: facts[one] for one in DECODED_SCHEMA.names if facts.get(one) is not None}
        # What was measured from Python after a curation, say, decides nothing, and is known all the same.
        shown = {one.name: one.schema for one in workspace.measures}
        for one in read_record(workspace.folder).stored(workspace.folder):
            shown.setdefault(one.name, one.schema)
        for measure, schema in shown.items():
            if known := {one: facts[one] for one in schema.names if one in facts}:
                found[measure] = _readable(known)
        found |= _hash(facts)
    if selection is None:
        return {**found, "verdict": {"kept": None, "reason": None, "detail": too_little_measured(workspace)}}
    verdict = next(one for one in selection.decisions.verdicts if one.origin == row["origin"])
    found["verdict"] = {"kept": verdict.kept, "reason": str(verdict.reason), "detail": verdict.detail}
    decisions = selection.decisions
    found["group"] = {
        "copies": sorted({one for pair in decisions.duplicates if row["origin"] in pair for one in pair}),
        "color_variants": sorted({one for pair in decisions.variants if row["origin"] in pair for one in pair}),
    }
    kept = next((one for one in decisions.kept if one.origin == row["origin"]), None)
    if kept is not None:
        found |= {"split": kept.split, "product": kept.product, **vars(kept.place)}
    return found


def _facts(workspace: Workspace, selection: Selection | None, key: str | None) -> dict[str, Any]:
    """All columns of a photo; empty if there are none."""
    facts: dict[str, Any] = {}
    columns = None if selection is None else selection.columns
    record = read_record(workspace.folder).stored(workspace.folder)
    versions = {(one.name, one.version): one.schema.names for one in record}
    if columns is None:
        versions[DECODED, workspace.decoded_version] = DECODED_SCHEMA.names
    for (name, version), names in versions.items():
        if columns is None or not set(names) <= set(columns.column_names):
            with suppress(WorkspaceError):
                facts |= _row(workspace.measured(name, version), key)
    return facts if columns is None else facts | _row(columns, key)


def _row(table: pa.Table, key: str | None) -> dict[str, Any]:
    place = pc.index(table["key"], key).as_py()
    return table.slice(place, 1).to_pylist()[0] if place >= 0 else {}


def as_text(found: Mapping[str, Any]) -> str:
    """What was found, for a person: the verdict first."""
    verdict = found["verdict"]
    fate = "not decided" if verdict["kept"] is None else verdict["reason"].replace("_", " ")
    lines = [f"{found.get('origin', found['file'])}: {fate}", f"  {verdict['detail']}"]
    explanation = EXPLANATIONS.get(verdict["reason"])
    if explanation and not verdict["kept"]:
        lines.append(f"  {explanation}")
    facts = {name: value for name, value in found.items() if not isinstance(value, Mapping) and name != "origin"}
    tables = {name: value for name, value in found.items() if isinstance(value, Mapping) and name != "verdict"}
    lines += _lines(facts)
    for name, table in tables.items():
        if rows := _lines(table):
            lines += ["", name.replace("_", " "), *rows]
    return "\n".join(map(visible, lines))


def settings_of(workspace: Workspace) -> Settings:
    """The settings of the last curation in a workspace; the default ones if there was none.

    Raises:
        ConfigError: They are of another format.
    """
    last = _last(workspace.folder)
    if last is None:
        return Settings()
    with understood(workspace.folder, workspace.settings_file):
        found = Settings.model_validate(last["decisions"])
        if found.model_dump(mode="json") != last["decisions"]:  # what is left out would be as by default
            raise ValueError("its decisions lack a setting")
    return found


def open_workspace(folder: Path) -> Workspace:
    """A workspace as its last curation opened it; one that was never curated with all that it was measured with."""
    workspace = Workspace(folder)
    last = _last(folder)
    if last is None:
        return _as_measured(folder)
    text = settings_of(workspace).rules.max_text_share is not None
    with understood(folder, workspace.settings_file):
        clip = Clip(**last["clip"]) if last["clip"] else None
        nsfw = Nsfw(**last["nsfw"]) if last["nsfw"] else None
    measures = chosen_measures(text=text, clip=clip, nsfw=nsfw, aesthetic_head=last["aesthetic_head"])
    return Workspace(folder, measures, decode_side=last["decode_side"])


def _as_measured(folder: Path) -> Workspace:
    """With the standard measures, and those of which there are columns, from whatever object these came."""
    record = read_record(folder)
    workspace = Workspace(folder, decode_side=record.decode_side)
    stored = {one.name: one for one in record.stored(folder)}

    def found(one: Measure) -> Measure:
        other = stored.pop(one.name, None)
        if other is None or other.version == one.version or set(one.schema.names) - set(other.schema.names):
            return one
        return one if measure_folder(folder, one.name, one.version).exists() else other

    workspace.measures = tuple(found(one) for one in workspace.measures)
    workspace.measures = (*workspace.measures, *more_measured(workspace, workspace.measures))
    return workspace


def unmeasured(workspace: Workspace) -> dict[str, int]:
    """How many distinct contents lack each measure, of those that some lack; by its name."""
    versions = {DECODED: workspace.decoded_version, **{one.name: one.version for one in workspace.measures}}
    derived = {one.name for one in workspace.measures if takes_columns(one)}
    found = {name: len(workspace.backlog({name: one})) for name, one in versions.items() if name not in derived}
    return {name: number for name, number in found.items() if number}


def too_little_measured(workspace: Workspace) -> str | None:
    """What nothing can be decided without and was measured of no photo, as a sentence; None if nothing is missing."""
    every = len(workspace.readable())
    missing = [name for name, number in unmeasured(workspace).items() if every and number == every]
    if not missing:
        return None
    return f"Nothing can be decided without {', '.join(missing)}: photos.measure() or prx-data curate measures that."


def _last(workspace: Path) -> dict[str, Any] | None:
    """What the last curation wrote; None if there was none."""
    return read_fields(workspace, workspace / SETTINGS_FILE, SETTINGS)


def _find(photos: pa.Table, name: str) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = photos.to_pylist()
    hits = [row for row in rows if name in (row["origin"], row["locator"])]
    there = bool(name) and os.path.lexists(name)
    if not hits and not there:
        hits = [row for row in rows if row["origin"].endswith(f"/{name}")]
        if len(hits) > 1:
            some = " and ".join(quoted(row["origin"]) for row in hits[:2])
            raise SourceError(f"{name!r} is the end of {len(hits)} photos' names, such as {some}; give more of it.")
    if not hits and there:
        # By another path: only files that are called the same are looked at, as the disk is asked for each.
        names = {Path(name).name, Path(name).resolve().name}
        hits = [row for row in rows if Path(row["locator"]).name in names and _is_file(row["locator"], name)]
    if not hits and len(name) >= _LONG:
        hits = [row for row in rows if (row["key"] or "").startswith(name.lower())]
        if len({row["key"] for row in hits}) > 1:
            raise SourceError(f"{name!r} is the beginning of {len(hits)} photos' keys; give more of it.")
    return hits[0] if hits else None


def _is_file(locator: str, name: str) -> bool:
    return Path(locator).exists() and Path(locator).samefile(name)


def _by_itself(columns: Mapping[str, Any], rules: Rules | None, profile: Profile | None) -> dict[str, Any]:
    """What can be said without other photos."""
    judged = rules or Rules()
    if columns["status"] != Status.OK and not judged.salvages(columns):
        message = columns["message"] or "no pixels"
        return {"kept": False, "reason": str(columns["status"]), "detail": f"{message[:1].upper()}{message[1:]}."}
    # What was not measured cannot be judged; what was can tell against a photo all the same.
    lacking = judged.unmeasured(columns)
    reason, detail = judged.model_copy(update=dict.fromkeys(lacking.values())).judge(columns)
    if reason is not Reason.KEPT:
        return {"kept": False, "reason": str(reason), "detail": detail}
    if profile is not None:
        unknown = set(profile.columns) - columns.keys()
        seen = tuple(one for one in profile.checks if one.column not in unknown)
        if failures := profile.model_copy(update={"checks": seen}).failures(columns):
            detail = f"Fails {profile.name}: {'; '.join(failures)}."
            return {"kept": False, "reason": str(Reason.PROFILE), "detail": detail}
        lacking |= dict.fromkeys(unknown, profile.name)
    if lacking:
        told = "the rules" if profile is None else f"the rules and {profile.name}"
        detail = f"Cannot be judged by {told} without what these measures do not give: {', '.join(sorted(lacking))}."
        return {"kept": None, "reason": None, "detail": detail}
    passed = "the default rules" if rules is None else "the rules"
    passed += "" if profile is None else f" and {profile.name}"
    more = "profile and balance" if profile is None else "and balance"
    detail = f"Passes {passed}; duplicates, leaks{', ' if profile is None else ' '}{more} need --workspace."
    return {"kept": None, "reason": None, "detail": detail}


def _readable(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Without embeddings and grids, which only a machine can read; the hash stands by itself, in hex."""
    return {
        name: value
        for name, value in measured.items()
        if name != "phash" and (isinstance(value, str) or not hasattr(value, "__len__") or len(value) <= _LONG)
    }


def _hash(columns: Mapping[str, Any]) -> dict[str, str]:
    return {"phash": f"{columns['phash']:016x}"} if columns.get("phash") is not None else {}


def _lines(facts: Mapping[str, Any]) -> list[str]:
    return [f"  {name:<16} {_shown(value)}" for name, value in facts.items() if value not in (None, "", [], ())]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
