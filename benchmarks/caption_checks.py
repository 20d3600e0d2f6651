"""What each check of captions is worth: precision and recall on a made set of good and bad captions.

    python benchmarks/caption_checks.py PHOTOS [--count N] [--show]

PHOTOS holds `catalogue`, `phone` and `grocery`. Captions are made from the photos' metadata, their measured colours and
the phrases of `caption_phrases.py` with a seed. Those of `tune` were looked at while the checks were written; of those
of `held out` only this table was; those of `last` were written when the checks were done, and what they showed at first
was mended afterwards. A second table has whole captions in the manner of several models (`caption_outputs.py`): what
version 1 of the checks made of some before it was widened for them, what the checks make of them now, and of others
that were written after that; a third has captions with faulty ends, and colours of which the catalogue and the
measurement say different things, before and after the checks were widened for these. Precision: of the captions that a
check complains about, those with that fault; recall: of those with the fault, the ones that it complains about. `good`
are captions without a fault, and the share that no check complains about. `--show` prints what went wrong in `tune`.
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prx_data.captions import Checks, PhotoFacts
from prx_data.captions.checks import VERSION
from prx_data.captions.protocol import Kind
from prx_data.decoding import decode
from prx_data.measures.background_columns import BackgroundColumns

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import caption_outputs as outputs
from benchmarks import caption_phrases as phrases

SPLITS = ("tune", "held out", "last")
_TIED: dict[str, frozenset[str]] = {
    # Faults that bring others with them, which are then neither right nor wrong to complain about.
    "refusal": frozenset({"length", "cut_off", "preamble", "product", "speculation"}),
    "preamble": frozenset({"markup", "speculation"}),
    "repetition": frozenset({"length", "cut_off"}),
    "language": frozenset({"length", "cut_off"}),
    "length": frozenset({"cut_off", "repetition"}),
    "markup": frozenset({"cut_off", "preamble", "repetition"}),
    "cut_off": frozenset({"length"}),
    "product": frozenset({"color"}),
}


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo's facts, and the words that say what it shows."""

    facts: PhotoFacts
    thing: str
    kind: str
    """`wear`, `footwear` or `produce`."""
    color: str
    """What a good caption may call it; empty if nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A caption, and its fault."""

    text: str
    kind: Kind
    photo: Photo
    fault: str = ""
    """The check that should complain; empty for a good caption."""
    finished: bool = True
    tied: frozenset[str] = field(default_factory=frozenset)


def read_photos(home: Path, count: int, choose: random.Random) -> list[Photo]:
    """A third of `count` from each folder; a third because metadata differs most between them."""
    found = []
    for folder in ("catalogue", "phone", "grocery"):
        with (home / folder / "metadata.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get("label") not in ("Not sure", "Other", "Skip")]
        chosen = choose.sample(rows, min(len(rows), count // 3))
        found += [_photo(home / folder / row.pop("file_name"), row) for row in chosen]
    return found


def _photo(path: Path, row: dict[str, str]) -> Photo:
    decoded = decode(path.read_bytes())
    assert decoded.picture is not None
    measured = BackgroundColumns()(decoded.picture)
    facts = PhotoFacts(key=path.name, metadata=row, color=measured["color"], background=measured["background"])
    last = row.get("category", "").split("/")[-1].split(" & ")[-1]
    thing = row.get("label") or last.rstrip("s") or row["name"]
    thing = {"Outwear": "jacket", "Body": "baby bodysuit", "Longsleeve": "long-sleeved top"}.get(thing, thing).lower()
    kind = "produce" if "coarse" in row else "footwear" if thing == "shoes" else "wear"
    return Photo(facts=facts, thing=thing, kind=kind, color=row.get("color", "").lower() or measured["color"])


def fill(style: str, photo: Photo, choose: random.Random, color: str | None = None, thing: str | None = None) -> str:
    """A phrase with the photo's words and some that fit it."""
    said = photo.color if color is None else color
    produce = photo.kind == "produce"
    detail = choose.choice(phrases.PRODUCE_DETAILS if produce else phrases.DETAILS)
    light, ground = choose.choice(phrases.LIGHTS), choose.choice(phrases.GROUNDS)
    words = {
        "color": said,
        "thing": thing or photo.thing,
        "side": choose.choice(phrases.SIDES),
        "stuff": choose.choice(phrases.PRODUCE_STUFFS if produce else phrases.STUFFS),
        "detail": detail,
        "Detail": detail.capitalize(),
        "light": light,
        "Light": light.capitalize(),
        "ground": ground,
        "a_ground": f"a {ground}",
        "a": "a",
        "A": "A",
        "it": "it is",
        "It": "It is",
        "other": choose.choice(("trousers", "jeans", "leggings", "sneakers")),
        "other_color": choose.choice(("black", "grey", "navy", "white", "red")),
        "someone": (someone := choose.choice(phrases.PEOPLE)),
        "Someone": someone.capitalize(),
    }
    text = style.format(**words).replace("  ", " ")
    if not said:
        text = text.replace(" in  ", " ").replace(",  all over", "").replace(" in ,", ",").replace(" in with", " with")
    return text[:1].upper() + text[1:]


def good(photo: Photo, kind: Kind, part: int, choose: random.Random, **swap: str) -> str:
    """A caption without a fault, or with the colour or thing that is given."""
    styles = _of("STYLES" if kind == "dense" else "SHORT_STYLES", part)
    text = fill(choose.choice(styles), photo, choose, **swap)
    if kind == "dense" and photo.kind == "wear" and choose.random() < 0.5:
        text += fill(choose.choice(_of("WORN", part)), photo, choose).replace("  ", " ")
    return " ".join(text.split())


def make(photos: Sequence[Photo], part: int, choose: random.Random) -> Iterator[Made]:
    """One caption of each sort for each photo, good ones twice."""
    for number, photo in enumerate(photos):
        kind: Kind = "dense" if number % 2 else "short"
        text, short = good(photo, "dense", part, choose), good(photo, "short", part, choose)
        one = text if kind == "dense" else short
        yield Made(text=text, kind="dense", photo=photo)
        yield Made(text=short, kind="short", photo=photo)
        for fault, made in _broken(photo, kind, one, part, choose):
            finished = not (fault == "cut_off" and number % 4 == 1)
            tied = _TIED.get(fault, frozenset())
            yield Made(text=made, kind=kind, photo=photo, fault=fault, finished=finished, tied=tied)


def _broken(photo: Photo, kind: Kind, one: str, part: int, choose: random.Random) -> Iterator[tuple[str, str]]:
    start, rest = _halves(one)
    lower = one[:1].lower() + one[1:]
    yield "empty", "" if kind == "dense" else " \n"
    yield "refusal", choose.choice(_of("REFUSALS", part))
    yield "preamble", choose.choice(_of("PREAMBLES", part)).format(caption=lower, Caption=one)
    yield "repetition", _looped(one, choose)
    yield "cut_off", _cut(one, choose, dense=kind == "dense")
    yield "language", choose.choice(_of("FOREIGN", part)).format(thing=photo.thing)
    yield "length", _wrong_length(photo, kind, one, part, choose)
    yield "markup", choose.choice(_of("MARKUPS", part)).format(start=start, rest=rest)
    named = photo.thing.split()[0] in phrases.FAR_COLORS  # nobody says blue red onion
    families = (
        ""
        if named
        else photo.color
        if photo.color in phrases.FAR_COLORS
        else {"lavender": "purple", "navy": "blue"}.get(photo.color)
    )
    # What the metadata calls white may be measured gray: a fault has to be one by both.
    if families and photo.facts.color in ("", photo.color):
        yield "color", good(photo, kind, part, choose, color=choose.choice(phrases.FAR_COLORS[families]))
    things = phrases.LAST_THINGS[photo.kind] if part == 2 else phrases.OTHER_THINGS[photo.kind][part::2]
    yield "product", good(photo, kind, part, choose, thing=choose.choice(things))


def _of(name: str, part: int) -> tuple[str, ...]:
    """The phrases of one of `SPLITS`."""
    found: tuple[str, ...] = getattr(phrases, f"LAST_{name}") if part == 2 else getattr(phrases, name)[part::2]
    return found


def _halves(text: str) -> tuple[str, str]:
    words = text.split()
    return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def _looped(text: str, choose: random.Random) -> str:
    words = text.split()
    end = choose.randrange(min(4, len(words) - 1), len(words))
    period = choose.randint(1, min(8, end))
    return " ".join(words[:end] + words[end - period : end] * choose.randint(4, 12))


_LOOSE = {"a", "an", "the", "and", "with", "of", "in", "on", "is", "are", "has", "to", "from", "by", "its"}


def _cut(text: str, choose: random.Random, *, dense: bool) -> str:
    """In the middle of a sentence; a short caption after a word that cannot be the last, as nobody could tell else."""
    words = text.split()
    places = range(max(2, len(words) // 2), len(words))
    ends = [at for at in places if (words[at - 1] in _LOOSE if not dense else words[at - 1][-1].isalpha())]
    return " ".join(words[: choose.choice(ends)]) if ends else f"{text.rstrip('.')} and a"


def _wrong_length(photo: Photo, kind: Kind, one: str, part: int, choose: random.Random) -> str:
    if choose.random() < 0.5:
        return (
            f"{photo.thing.split()[-1].capitalize()}."
            if kind == "short"
            else f"{photo.color} {photo.thing}.".strip().capitalize()
        )
    number = 4 if kind == "short" else 18
    lines = [line.format(n=n) for n in phrases.ORDINALS for line in phrases.FILLER[part::2]]
    return " ".join([one.rstrip(".") + ".", *choose.sample(lines, number)])


def judge(made: Sequence[Made], checks: Checks) -> list[frozenset[str]]:
    """The checks that complain about each caption."""
    return [
        frozenset(found.check for found in checks.failures(one.text, one.kind, one.photo.facts, finished=one.finished))
        for one in made
    ]


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a check is worth on one split."""

    captions: int
    precision: float
    recall: float


def table(made: Sequence[Made], judged: Sequence[frozenset[str]]) -> dict[str, Worth]:
    """By check; `good` has the share that passes, twice, and `any fault` whether any check complains."""
    rows: dict[str, Worth] = {}
    pairs = list(zip(made, judged, strict=True))
    for check in sorted({one.fault for one in made} - {""}):
        having = [check in found for one, found in pairs if one.fault == check]
        wrong = sum(check in found and one.fault != check and check not in one.tied for one, found in pairs)
        rows[check] = _worth(having, wrong)
    fine = [not found for one, found in pairs if not one.fault]
    rows["good"] = Worth(captions=len(fine), precision=sum(fine) / len(fine), recall=sum(fine) / len(fine))
    rows["any fault"] = _worth([bool(found) for one, found in pairs if one.fault], len(fine) - sum(fine))
    return rows


def _worth(having: Sequence[bool], wrong: int) -> Worth:
    right = sum(having)
    return Worth(captions=len(having), precision=right / max(1, right + wrong), recall=right / len(having))


def measure(home: Path, *, count: int, seed: int, show: bool = False) -> list[dict[str, Worth]]:
    """The table of each of `SPLITS`."""
    choose = random.Random(seed)  # noqa: S311
    photos = read_photos(home, count, choose)
    found = []
    for part, name in enumerate(SPLITS):
        made = list(make(photos, part, choose))
        judged = judge(made, Checks())
        found.append(table(made, judged))
        if show and name == "tune":
            _show(made, judged)
    return found


def measure_outputs(which: str) -> dict[str, Worth]:
    """The table of whole captions."""
    made = []
    for one in outputs.read_outputs(which):
        metadata = {"name": one.name, "color": one.color}
        facts = PhotoFacts(key=one.name, metadata=metadata, color=one.measured, background="")
        photo = Photo(facts=facts, thing=one.name, kind="", color=one.color)
        tied = _TIED.get(one.fault, frozenset())
        made.append(Made(text=one.text, kind=one.kind, photo=photo, fault=one.fault, tied=tied))
    return table(made, judge(made, Checks()))


def _print_outputs(*sets: str) -> None:
    """Sets side by side: captions, what the checks were worth at first if that is known, and what they are worth."""
    found = {name: measure_outputs(name) for name in sets}
    checks = sorted({one for rows in found.values() for one in rows} - {"good", "any fault"})
    print(f"\n{'':<12}" + "".join(_cells(name) for name in sets))
    for check in [*checks, "good", "any fault"]:
        print(f"{check:<12}" + "".join(_cells(name, check, found[name].get(check)) for name in sets))


def _cells(name: str, check: str = "", one: Worth | None = None) -> str:
    """Of one set: its heading, or a check's row."""
    first = outputs.FIRST.get(name)
    if not check:
        now = "now" if first else "precision"
        return f"{name:>12}" + (f"{'at first':>11}{'recall':>9}" if first else "") + f"{now:>11}{'recall':>9}"
    if one is None:
        return " " * (52 if first else 32)
    before = "{:>11.3f}{:>9.3f}".format(*first[check]) if first else ""
    return f"{one.captions:>12}{before}{one.precision:>11.3f}{one.recall:>9.3f}"


def main() -> None:
    """Make, judge, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=120, help="photos (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    found = measure(options.photos, count=options.count, seed=options.seed, show=options.show)
    total = sum(rows["good"].captions + rows["any fault"].captions for rows in found)
    print(f"{total:,} captions of {options.count} photos; checks of version {VERSION}")
    print(f"{'':<12}" + "".join(f"{name:>10} {'precision':>10} {'recall':>8}" for name in SPLITS))
    for check in found[0]:
        cells = (
            f"{one.captions:>10} {one.precision:>10.3f} {one.recall:>8.3f}" for one in (rows[check] for rows in found)
        )
        print(f"{check:<12}{''.join(cells)}")
    _print_outputs("outputs", "later")
    _print_outputs("tails", "later tails", "colors")
    _print_outputs("fresh", "later fresh")


def _show(made: Sequence[Made], judged: Sequence[frozenset[str]]) -> None:
    for one, found in zip(made, judged, strict=True):
        if (one.fault and one.fault not in found) or found - {one.fault} - one.tied:
            facts = one.photo.facts
            known = [facts.metadata.get("color"), facts.color, one.photo.thing]
            print(f"[{one.fault or 'good'}] found {sorted(found)} {known}: {one.text[:300]}")


if __name__ == "__main__":
    main()
