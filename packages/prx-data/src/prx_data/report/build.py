"""The report's blocks, from decisions and columns. It samples, and says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prx_data.dataset import Content, counts
from prx_data.decisions.profiles import Profile
from prx_data.decisions.rules import Rules
from prx_data.decisions.verdicts import Decisions
from prx_data.progress import steps
from prx_data.records import EXPLANATIONS, FAILED
from prx_data.report.captions import caption_blocks
from prx_data.report.map import map_blocks
from prx_data.report.pictures import Block, Pictures, Shown, sample
from prx_data.report.render import render
from prx_data.report.scores import score_blocks
from prx_data.storage import read_ledger, write_json, write_text
from prx_data.told import counted

_KEPT_SHOWN = 24
_REASON_SHOWN = 12
_FAILED_SHOWN = 40
_GROUPS_SHOWN = 18
_GROUP_MEMBERS = 4
_CLUSTERS_SHOWN = 24
_CLUSTER_MEMBERS = 6


@dataclass(frozen=True, kw_only=True)
class Report:
    """`report.json`, and how many pictures it shows."""

    data: dict[str, Any]
    pictures: int


def build_report(
    pictures: Pictures,
    content: Content,
    ledger: Path,
    *,
    rules: Rules,
    profile: Profile | None = None,
    ignored: int,
    notes: Sequence[str] = (),
    names: Mapping[int, str] = MappingProxyType({}),
    embedding: str = "layout",
) -> Report:
    """Everything that a person who was not there wants to know.

    Args:
        pictures: Where thumbnails come from.
        content: What is written.
        ledger: The workspace's ledger.
        rules: The thresholds that photos were judged by.
        profile: What they had to fulfil besides.
        ignored: Files of the sources that are neither photos nor metadata.
        notes: What was assumed or left out when the sources were read, in sentences.
        names: What clusters show, by their numbers.
        embedding: The column that the map is drawn from.
    """
    decisions = content.decisions
    totals = counts(decisions.verdicts)
    parts: dict[str, Callable[[], Sequence[Block]]] = {
        "what was kept": lambda: _kept(pictures, content),
        "captions": lambda: caption_blocks(content.captions),
        "reasons": lambda: _reasons(pictures, totals),
        "duplicates": lambda: _duplicates(pictures, decisions),
        "leaks": lambda: _leaks(pictures, decisions),
        "scores": lambda: score_blocks(pictures, content.columns, rules, profile),
        "clusters": lambda: _clusters(pictures, decisions, names),
        "map": lambda: map_blocks(pictures, decisions, content.columns, embedding, names),
    }
    blocks = [*_funnel(totals, ignored), *({"kind": "text", "text": note} for note in notes)]
    with steps("report", len(parts)) as step:
        for name, make in parts.items():
            step(name)
            blocks += make()
    blocks += _time(ledger)
    clusters = counted(len(_by_cluster(decisions)), "cluster")
    headline = f"{counted(totals['photos'], 'photo')} in, {totals['kept']:,} kept, in {clusters}."
    data = {"format": 1, "title": "What happened to the photos", "headline": headline, "blocks": blocks}
    return Report(data=data, pictures=len(pictures))


def summary(pictures: Pictures) -> str:
    """What a notebook shows of a selection, as an HTML fragment: the funnel, and a few photos of each reason."""
    totals = counts(pictures.verdicts.values())
    kept = [one.origin for one in pictures.verdicts.values() if one.kept]
    shown = sample(kept, pictures.verdicts, _REASON_SHOWN)
    caption = f"{len(shown)} of {counted(len(kept), 'photo')} kept, chosen at random."
    blocks = [
        *_funnel(totals, 0)[1:],
        _heading("What was kept", 3),
        _gallery(caption, pictures.items(shown, dict.fromkeys(shown, ""), {})),
        *_reasons(pictures, totals),
    ]
    headline = f"{counted(totals['photos'], 'photo')} in, {len(kept):,} kept."
    return render({"title": "", "headline": headline, "blocks": blocks}, whole_page=False)


def write_report(folder: Path, report: Report, ledger: Path) -> None:
    """Write `report.json`, `report.html` and a copy of the ledger."""
    write_json(folder / "report.json", report.data)
    write_text(folder / "report.html", render(report.data))
    if ledger.exists():
        write_text(folder / "ledger.jsonl", ledger.read_text(encoding="utf-8", errors="replace"))


def _heading(text: str, level: int = 2) -> Block:
    return {"kind": "heading", "level": level, "text": text}


def _words(reason: str) -> str:
    return str(reason).replace("_", " ")


def _funnel(totals: Mapping[str, Any], ignored: int) -> list[Block]:
    dropped, failed = sum(totals["dropped"].values()), sum(totals["failed"].values())
    rows = [("photos in", totals["photos"], "plain")]
    rows += [(f"failed: {_words(reason)}", number, "failed") for reason, number in totals["failed"].items()]
    rows += [(f"dropped: {_words(reason)}", number, "dropped") for reason, number in totals["dropped"].items()]
    rows += [("kept", totals["kept"], "kept")]
    caption = (
        f"{counted(totals['photos'], 'photo')} in = {totals['kept']:,} kept + {dropped:,} dropped + {failed:,} failed. "
        "Each photo is counted once, under the first thing that told against it."
    )
    if ignored:
        caption += f" Files in the folder that are neither photos nor metadata, and were left alone: {ignored:,}."
    tiles = [
        {"value": f"{totals['photos']:,}", "label": "photos in"},
        {"value": f"{totals['kept']:,}", "label": "kept"},
        {"value": f"{dropped:,}", "label": "dropped, with a reason"},
        {"value": f"{failed:,}", "label": "could not be read"},
    ]
    bars = [{"label": label, "value": n, "text": f"{n:,}", "tone": tone} for label, n, tone in rows]
    return [
        _heading("From photos to a dataset"),
        {"kind": "tiles", "items": tiles},
        {"kind": "bars", "caption": caption, "rows": bars},
    ]


def _kept(pictures: Pictures, content: Content) -> list[Block]:
    kept = {one.origin: one.key for one in content.decisions.kept}
    labels = {origin: content.captions[key].default.text for origin, key in kept.items()}
    shown = sample(list(kept), pictures.verdicts, _KEPT_SHOWN)
    caption = f"{len(shown)} of {counted(len(kept), 'photo')} in the dataset, chosen at random, with their captions."
    return [_heading("What was kept"), _gallery(caption, pictures.items(shown, labels, {}))]


def _gallery(caption: str, items: Sequence[Block]) -> Block:
    return {"kind": "gallery", "caption": caption, "items": list(items)}


def _reasons(pictures: Pictures, totals: Mapping[str, Any]) -> list[Block]:
    """A gallery for each reason; failed photos have no picture and are listed."""
    verdicts = pictures.verdicts
    blocks = [_heading("What was dropped, and why")] if totals["dropped"] else []
    for reason, number in totals["dropped"].items():
        found = [one.origin for one in verdicts.values() if one.reason == reason]
        shown = sample(found, verdicts, _REASON_SHOWN)
        caption = f"{EXPLANATIONS[reason]} {len(shown)} of {counted(number, 'photo')}."
        items = pictures.items(shown, {one: f"{one}: {verdicts[one].detail}" for one in shown}, {})
        blocks += [_heading(f"{_words(reason).capitalize()}: {number:,}", 3), _gallery(caption, items)]
    failed = [one for one in verdicts.values() if one.reason in FAILED]
    if failed:
        rows = [[one.origin, _words(one.reason), one.detail] for one in failed[:_FAILED_SHOWN]]
        caption = (
            f"{len(rows)} of {counted(len(failed), 'file')} that gave no picture; `verdicts.parquet` lists them all."
        )
        table = {"kind": "table", "caption": caption, "header": ["file", "reason", "detail"], "rows": rows}
        blocks += [_heading("What could not be read"), table]
    return blocks


def _duplicates(pictures: Pictures, decisions: Decisions) -> list[Block]:
    members: dict[str, list[str]] = {}
    for dropped, kept in decisions.duplicates:
        members.setdefault(kept, []).append(dropped)
    blocks: list[Block] = []
    if members:
        # The largest groups first: where something goes wrong, it goes wrong there.
        winners = sorted(members, key=lambda one: (-len(members[one]), one))[:_GROUPS_SHOWN]
        groups = [_group(pictures, winner, members[winner]) for winner in winners]
        some = f"{len(groups)} of {counted(len(members), 'group')}"
        caption = f"{some}, the largest first. The marked photo stands for the others."
        blocks += [_heading("Duplicate groups"), {"kind": "groups", "caption": caption, "groups": groups}]
    if decisions.variants:
        pairs = sorted(decisions.variants, key=lambda pair: tuple(pictures.verdicts[one].key or "" for one in pair))
        groups = []
        for pair in pairs[:_GROUPS_SHOWN]:
            names = {one: one for one in pair}
            groups.append({"label": "same shape, other colours", "items": pictures.items(pair, names, {})})
        caption = (
            f"{len(groups)} of {counted(len(decisions.variants), 'pair')} that a grey perceptual hash calls duplicates "
            "and whose colours differ: no duplicates, and never in two splits."
        )
        blocks += [_heading("Colour variants"), {"kind": "groups", "caption": caption, "groups": groups}]
    return blocks


def _leaks(pictures: Pictures, decisions: Decisions) -> list[Block]:
    """Each photo beside the one of the other set that shows the same."""
    if not decisions.leaks:
        return []
    shown = sample([one.origin for one in decisions.leaks], pictures.verdicts, _GROUPS_SHOWN)
    groups = []
    for leak in sorted(
        (one for one in decisions.leaks if one.origin in shown), key=lambda one: shown.index(one.origin)
    ):
        items = pictures.items([leak.origin], {}, {leak.origin: "dropped"})
        groups.append({"label": leak.how, "items": items + pictures.of_key(leak.known_key, leak.known, "known")})
    caption = (
        f"{len(groups)} of {counted(len(decisions.leaks), 'photo')} that the set they must not overlap shows too; "
        "they are dropped here, and `leaks.parquet` lists them all."
    )
    return [_heading("Leaks"), {"kind": "groups", "caption": caption, "groups": groups}]


def _group(pictures: Pictures, winner: str, losers: Sequence[str]) -> Block:
    shown = [winner, *sorted(losers)[: _GROUP_MEMBERS - 1]]
    verdict = pictures.verdicts[winner]
    mark = {winner: "kept" if verdict.kept else "best"}
    labels = {one: f"{one}: {pictures.verdicts[one].detail}" for one in shown if one != winner}
    note = "" if verdict.kept else f"; dropped itself: {_words(verdict.reason)}"
    return {"label": f"{counted(len(losers) + 1, 'photo')}{note}", "items": pictures.items(shown, labels, mark)}


def _by_cluster(decisions: Decisions) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for one in decisions.kept:
        found.setdefault(one.place.cluster, []).append(one.origin)
    return dict(sorted(found.items()))


def clusters_shown(pictures: Pictures, decisions: Decisions, names: Mapping[int, str]) -> Shown:
    """The clusters of the kept photos, some of each."""
    _, groups = _clusters(pictures, decisions, names)
    count = len(_by_cluster(decisions))
    return Shown("Clusters", f"{counted(len(decisions.kept), 'photo')} kept, in {counted(count, 'cluster')}.", [groups])


def _clusters(pictures: Pictures, decisions: Decisions, names: Mapping[int, str]) -> list[Block]:
    found = _by_cluster(decisions)
    groups = []
    for number, origins in list(found.items())[:_CLUSTERS_SHOWN]:
        shown = sample(origins, pictures.verdicts, _CLUSTER_MEMBERS)
        items = pictures.items(shown, dict.fromkeys(shown, ""), {})
        name = names.get(number) or f"cluster {number}"
        groups.append({"label": f"{name}: {counted(len(origins), 'photo')}", "items": items})
    caption = (
        f"{len(groups)} of {counted(len(found), 'cluster')} of the kept photos, the largest first; "
        "where something sets their metadata apart, its words name them."
    )
    return [_heading("Clusters"), {"kind": "groups", "caption": caption, "groups": groups}]


def _time(ledger: Path) -> list[Block]:
    runs: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in read_ledger(ledger):
        runs.setdefault((one["stage"], one["unit"], one["device"]), []).append(one)
    rows = []
    for (stage, unit, device), found in runs.items():
        whole = {"seconds": sum(one["seconds"] for one in found), "items": sum(one["items"] for one in found)}
        handled = counted(whole["items"], unit.removesuffix("s"))
        rows.append([stage, device, f"{len(found):,}", f"{whole['seconds']:.1f} s", handled, _rate(whole, unit)])
    caption = (
        "Wall-clock time of each stage that has run in this workspace, all its runs together, on one machine; what is "
        "handled in several runs counts in each."
    )
    header = ["stage", "device", "runs", "time", "handled", "speed"]
    return [_heading("Where the time went"), {"kind": "table", "caption": caption, "header": header, "rows": rows}]


def _rate(row: Mapping[str, float], unit: str) -> str:
    if row["seconds"] < 0.01 or not row["items"]:
        return ""
    rate = row["items"] / row["seconds"]
    return f"{rate:,.0f} {unit}/s" if rate >= 2 else f"{1 / rate:,.2g} s for each"
