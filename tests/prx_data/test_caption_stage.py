"""The stage: order, budget, second attempts, fallbacks, and what is kept on disk."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import CaptionError, ConfigError, PhotoFacts, Template
from prx_data.captions import (
    Answer,
    Asking,
    Budget,
    Captioning,
    CaptionSettings,
    CaptionStore,
    PhotoCaptions,
    PhotoToCaption,
    Request,
    Server,
    most_useful_first,
)
from prx_data.captions.prompts import load_prompt

from .caption_server import Fixed, serving
from .conftest import draw_product, encode

DENSE = (
    "A red hat of soft felt with a wide brim and a narrow black band, seen from the front and slightly from above. The "
    "ground behind it is white, and the light is soft."
)
SHORT = "A red felt hat, front view"


@dataclass
class Scripted:
    """A captioner that answers from a script: what to say for a kind and a seed."""

    says: dict[tuple[str, int], str] = field(default_factory=lambda: {("dense", 0): DENSE, ("short", 0): SHORT})
    tokens: int = 1000
    source: str = "scripted"
    version: str = "scripted-1"
    chosen_device: str = "cpu"
    requests: list[Request] = field(default_factory=list)

    def write(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for one in requests:
            self.requests.append(one)
            text = self.says.get((one.kind, one.seed))
            if text is None:
                yield Answer(request=one, kind=one.kind, problem="the server answers 500: no")
            else:
                yield Answer(request=one, kind=one.kind, text=text, tokens=self.tokens)


def photo(folder: Path, number: int, *, cluster: int = 0, cleanliness: float = 0.5, **more: Any) -> PhotoToCaption:
    path = folder / f"{number}.jpg"
    if not path.exists():
        path.write_bytes(encode(draw_product(number, size=(60, 80))))
    facts = PhotoFacts(key=f"{number:064x}", metadata={"name": "hat", "color": "red"}, color="", background="white")
    return PhotoToCaption(facts=facts, locator=str(path), cluster=cluster, cleanliness=cleanliness, **more)


def write(
    folder: Path, captioner: Any, photos: list[PhotoToCaption], **asking: Any
) -> tuple[Captioning, list[PhotoCaptions]]:
    captioning = Captioning(captioner, Asking(**asking), CaptionStore(folder / "captions", captioner.version))
    found = captioning.write(photos)
    return captioning, [found[one.facts.key] for one in photos]


def test_good_captions_of_both_kinds_and_the_template_besides(tmp_path: Path) -> None:
    _, (found,) = write(
        tmp_path, Scripted(), [photo(tmp_path, 1)], weights={"dense": 3, "short": 2, "template": 0, "metadata": 1}
    )
    assert [(one.text, one.kind, one.source, one.prompt_version, one.weight) for one in found.captions] == [
        (DENSE, "dense", "scripted", "dense-1", 3),
        (SHORT, "short", "scripted", "short-1", 2),
        ("a photo of a red hat, on a white background", "template", "template", "template-3", 0),
    ]
    assert (found.default.kind, found.short.kind, found.failure) == ("dense", "short", None)


def test_a_kind_that_is_given_no_weight_has_one(tmp_path: Path) -> None:
    _, (found,) = write(tmp_path, Scripted(), [photo(tmp_path, 1)], weights={"dense": 3})
    assert {one.kind: one.weight for one in found.captions} == {"dense": 3, "short": 1, "template": 1}


@pytest.mark.parametrize("none", [None, ""])
def test_a_line_is_not_asked_for_where_nobody_wants_one(tmp_path: Path, none: str | None) -> None:
    scripted = Scripted()
    _, (found,) = write(tmp_path, scripted, [photo(tmp_path, 1)], short_prompt=none)
    assert [one.kind for one in scripted.requests] == ["dense"]
    assert (found.short.kind, found.failure) == ("template", None)


def test_a_template_asks_nobody_and_stores_nothing(tmp_path: Path) -> None:
    captioning, (found,) = write(tmp_path, Template(), [photo(tmp_path, 1)])
    assert found.default == found.short
    assert (found.default.kind, found.failure, captioning.written) == ("template", None, 1)
    assert not (tmp_path / "captions").exists()


def test_a_caption_that_fails_is_asked_for_again_with_another_seed(tmp_path: Path) -> None:
    scripted = Scripted({("dense", 0): f"The image shows {DENSE}", ("dense", 1): DENSE, ("short", 0): SHORT})
    _, (found,) = write(tmp_path, scripted, [photo(tmp_path, 1)])
    assert [(one.kind, one.seed) for one in scripted.requests] == [("dense", 0), ("short", 0), ("dense", 1)]
    assert (found.default.text, found.failure) == (DENSE, None)


def test_a_caption_that_fails_twice_is_replaced_and_says_why(tmp_path: Path) -> None:
    blue = DENSE.replace("red", "blue")
    scripted = Scripted({("dense", 0): f"The image shows {DENSE}", ("dense", 1): blue, ("short", 0): SHORT})
    _, (found,) = write(tmp_path, scripted, [photo(tmp_path, 1)])
    assert found.default.source == "template"
    assert found.short.text == SHORT
    assert found.failure == (
        "dense-1: preamble: begins with 'The image shows'; then color: says blue of the product: catalogue 'red'"
    )
    again = Scripted(scripted.says)
    _, (same,) = write(tmp_path, again, [photo(tmp_path, 1)])
    assert (again.requests, same) == ([], found)


def test_what_the_captioner_has_a_problem_with_is_not_kept_and_asked_for_another_day(tmp_path: Path) -> None:
    _, (found,) = write(tmp_path, Scripted({("dense", 0): DENSE}), [photo(tmp_path, 1)])
    assert found.default.text == DENSE
    assert found.failure == "short-1: the server answers 500: no"
    scripted = Scripted()
    _, (found,) = write(tmp_path, scripted, [photo(tmp_path, 1)])
    assert [one.kind for one in scripted.requests] == ["short"]
    assert found.failure is None


def test_a_photo_that_is_gone_is_that_photos_problem(tmp_path: Path) -> None:
    photos = [photo(tmp_path, 1), photo(tmp_path, 2)]
    (tmp_path / "1.jpg").unlink()
    _, (gone, there) = write(tmp_path, Scripted(), photos)
    assert gone.default.source == "template"
    assert (gone.failure or "").startswith("dense-1: the photo cannot be read any more: ")
    assert there.failure is None


def test_the_users_own_caption_stands_in_and_stays(tmp_path: Path) -> None:
    one = photo(tmp_path, 1)
    own = PhotoToCaption(
        facts=PhotoFacts(key="k", metadata={"caption": "My hat."}, color="", background=""),
        locator=one.locator,
        cluster=0,
        cleanliness=0.5,
    )
    _, (found,) = write(tmp_path, Scripted({("short", 0): SHORT}), [own])
    assert (found.default.text, found.default.source, found.default.prompt_version) == ("My hat.", "metadata", "")
    _, (found,) = write(tmp_path, Scripted(), [own])
    assert [caption.kind for caption in found.captions] == ["dense", "short", "metadata"]


def test_prompts_tell_the_facts(tmp_path: Path) -> None:
    scripted = Scripted()
    write(tmp_path, scripted, [photo(tmp_path, 1)], checks={"language": "de"})
    dense, short, *_ = scripted.requests
    assert "must not contradict them:\n- name: hat\n- color: red\n" in dense.prompt
    assert "in German" in dense.prompt
    assert "$" not in dense.prompt + short.prompt
    assert dense.content == (tmp_path / "1.jpg").read_bytes()
    assert dense.max_tokens > short.max_tokens


def test_the_users_prompt_has_a_version_of_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "my prompt.txt"
    mine.write_text("Say $language words. $facts")
    prompt = load_prompt(str(mine), "dense")
    assert prompt.version.startswith("my_prompt-")
    assert len(prompt.version) == len("my_prompt-12345678")
    _, (found,) = write(tmp_path, Scripted(), [photo(tmp_path, 1)], dense_prompt=str(mine), short_prompt=None)
    assert [one.prompt_version for one in found.captions] == [prompt.version, "template-3"]
    mine.write_text("Say other $language words.")
    scripted = Scripted()
    write(tmp_path, scripted, [photo(tmp_path, 1)], dense_prompt=str(mine), short_prompt=None)
    assert [one.prompt for one in scripted.requests] == ["Say other English words."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$name costs", "nothing else with"),
        ("for $5", "nothing else with"),
        (" ", "is empty"),
        (None, "neither one of"),
    ],
)
def test_a_wrong_prompt_is_one_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_prompt(str(tmp_path / "p.txt"), "short")


def test_the_best_of_every_cluster_comes_first(tmp_path: Path) -> None:
    photos = [
        photo(tmp_path, 1, cluster=0, cleanliness=0.9),
        photo(tmp_path, 2, cluster=0, cleanliness=0.8),
        photo(tmp_path, 3, cluster=0, cleanliness=0.2, weight=2.0),
        photo(tmp_path, 4, cluster=1, cleanliness=0.1),
        photo(tmp_path, 5, cluster=1, cleanliness=0.1),
    ]
    assert [int(one.facts.key, 16) for one in most_useful_first(reversed(photos))] == [3, 4, 1, 5, 2]


one_photo = st.tuples(st.integers(0, 3), st.floats(0, 1), st.sampled_from([0.5, 1.0, 2.0]))


@given(st.lists(one_photo, max_size=20))
def test_however_many_the_budget_buys_clusters_are_served_alike(drawn: list[tuple[int, float, float]]) -> None:
    photos = [
        PhotoToCaption(
            facts=PhotoFacts(key=f"{number:04x}", metadata={}, color="", background=""),
            locator="",
            cluster=cluster,
            cleanliness=clean,
            weight=weight,
        )
        for number, (cluster, clean, weight) in enumerate(drawn)
    ]
    ordered = most_useful_first(photos)
    assert sorted(one.facts.key for one in ordered) == [one.facts.key for one in photos]
    sizes = {cluster: sum(one.cluster == cluster for one in photos) for cluster in range(4)}
    for bought in range(len(ordered)):
        counts = {cluster: sum(one.cluster == cluster for one in ordered[:bought]) for cluster in range(4)}
        behind = min((counts[one] for one in counts if counts[one] < sizes[one]), default=bought)
        assert max(counts.values()) <= behind + 1


def test_a_budget_of_photos(tmp_path: Path) -> None:
    photos = [photo(tmp_path, number, cleanliness=number / 10) for number in range(5)]
    scripted = Scripted()
    _, found = write(tmp_path, scripted, photos, budget={"photos": 2})
    assert [one.default.source for one in found] == ["template"] * 3 + ["scripted"] * 2
    assert found[0].failure == (
        "dense-1: not asked for, as the budget is for fewer photos; "
        "short-1: not asked for, as the budget is for fewer photos"
    )
    assert len(scripted.requests) == 4
    more = Scripted()
    write(tmp_path, more, photos, budget={"photos": 3})
    assert len(more.requests) == 2


def test_a_budget_of_money_counts_what_earlier_runs_spent(tmp_path: Path) -> None:
    photos = [photo(tmp_path, number) for number in range(5)]
    budget = {"money": 3.0, "price_per_1000_tokens": 0.5}
    scripted = Scripted(tokens=1000)
    captioning, found = write(tmp_path, scripted, photos, budget=budget)
    assert len(scripted.requests) == 6  # 6,000 tokens
    assert captioning.ended == "the 3 of money are spent"
    assert "not asked for, as the 3 of money are spent" in (found[-1].failure or "")
    again = Scripted()
    _, same = write(tmp_path, again, photos, budget=budget)
    assert (again.requests, same) == ([], found)
    more = Scripted()
    write(tmp_path, more, photos, budget={**budget, "money": 4.0})
    assert len(more.requests) == 2


def test_a_budget_of_tokens_that_nobody_counts_is_one_sentence(tmp_path: Path) -> None:
    scripted, budget = Scripted(tokens=0), Budget(money=1, price_per_1000_tokens=1)
    with pytest.raises(CaptionError, match=r"scripted does not say how many tokens .* price_per_hour"):
        write(tmp_path, scripted, [photo(tmp_path, 1), photo(tmp_path, 2)], budget=budget)
    assert len(CaptionStore(tmp_path / "captions", scripted.version).answers) == 1


def test_a_captioner_that_fails_at_all_of_a_few_photos_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CaptionError, match=r"scripted answered none of 4 requests: the server answers 500: no\."):
        write(tmp_path, Scripted({}), [photo(tmp_path, 1), photo(tmp_path, 2)])


def test_a_budget_of_money_counts_what_is_in_flight(tmp_path: Path) -> None:
    photos = [photo(tmp_path, number) for number in range(90)]
    fixed = Fixed(lambda body: SHORT, seconds=0.05)
    with serving(fixed) as url:
        server = Server(url, model="m", concurrency=8, side=56)
        write(tmp_path, server, photos[:1], attempts=1)
        write(tmp_path, server, photos, attempts=1, budget={"money": 6, "price_per_1000_tokens": 1})
    assert len(fixed.bodies) == 60  # 100 tokens each


def test_a_budget_of_time_counts_what_earlier_runs_took(tmp_path: Path) -> None:
    path = tmp_path / "captions" / "scripted-1.jsonl"
    path.parent.mkdir()
    rows = [
        {"key": "k", "prompt": "p", "request": "r", "seed": n, "text": "", "finished": True, "tokens": 1}
        for n in range(2)
    ]
    path.write_text("".join(json.dumps({**row, "run": "a", "at": 1800.0 * n}) + "\n" for n, row in enumerate(rows)))
    scripted = Scripted()
    captioning, _ = write(tmp_path, scripted, [photo(tmp_path, 1)], budget={"hours": 0.5})
    assert (scripted.requests, captioning.ended) == ([], "the 0.5 hours are over")
    assert Budget(money=1, price_per_hour=2).ended(seconds=1800, tokens=0) == "the 1 of money are spent"
    assert Budget(money=1, price_per_hour=2).ended(seconds=1799, tokens=0) is None


def test_half_a_line_that_a_kill_left_costs_that_line_alone(tmp_path: Path) -> None:
    scripted = Scripted()
    photos = [photo(tmp_path, number) for number in range(3)]
    _, found = write(tmp_path, scripted, photos)
    path = tmp_path / "captions" / "scripted-1.jsonl"
    whole = path.read_bytes()
    for cut in (1, 2, 40, len(whole.splitlines(keepends=True)[-1]) - 1):
        path.write_bytes(whole[:-cut])
        again = Scripted()
        _, same = write(tmp_path, again, photos)
        assert same == found
        assert len(again.requests) == (0 if cut == 1 else 1)
        assert len(CaptionStore(tmp_path / "captions", "scripted-1").answers) == 6


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "server", "model": "m"}, "kind = 'server' needs url"),
        ({"kind": "local"}, "kind = 'local' needs model"),
        ({"budget": {"money": 3}}, "money needs price_per_1000_tokens or price_per_hour"),
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"weights": {"long": 1}}, "dense"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CaptionSettings(**settings)
