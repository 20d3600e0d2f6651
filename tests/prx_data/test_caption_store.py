"""What makes two requests the same: answers are kept by all that was asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from prx_data import ConfigError
from prx_data.captions import CaptionStore

from .test_caption_stage import DENSE, SHORT, Scripted, photo, write

GERMAN = (
    "Ein roter Hut aus weichem Filz mit einer breiten Krempe und einem schmalen schwarzen Band, von vorne und leicht "
    "von oben gesehen. Der Hintergrund ist weiß, und das Licht ist weich."
)


def test_another_fact_is_asked_for_anew(tmp_path: Path) -> None:
    one, other = photo(tmp_path, 1), photo(tmp_path, 2)
    write(tmp_path, Scripted(), [one, other])
    straw = replace(one, facts=replace(one.facts, metadata={**one.facts.metadata, "material": "straw"}))
    scripted = Scripted({("dense", 0): DENSE.replace("soft felt", "straw"), ("short", 0): SHORT})
    _, (found, _) = write(tmp_path, scripted, [straw, other])
    assert [(request.facts.key, request.kind) for request in scripted.requests] == [
        (one.facts.key, "dense"),
        (one.facts.key, "short"),
    ]
    assert all("- material: straw" in request.prompt for request in scripted.requests)
    assert (found.default.text, found.default.prompt_version) == (DENSE.replace("soft felt", "straw"), "dense-1")
    again = Scripted()
    _, (back, _) = write(tmp_path, again, [one, other])  # what was asked first is still there
    assert (again.requests, back.default.text) == ([], DENSE)


def test_a_fact_that_no_model_is_told_asks_for_nothing(tmp_path: Path) -> None:
    one = photo(tmp_path, 1)
    write(tmp_path, Scripted(), [one])
    priced = replace(one, facts=replace(one.facts, metadata={**one.facts.metadata, "price": "12"}))
    scripted = Scripted()
    _, (found,) = write(tmp_path, scripted, [priced])
    assert (scripted.requests, found.default.text) == ([], DENSE)


def test_another_language_is_asked_for_anew_at_its_first_seed(tmp_path: Path) -> None:
    write(tmp_path, Scripted(), [photo(tmp_path, 1)])
    scripted = Scripted({("dense", 0): GERMAN, ("short", 0): "Ein roter Hut aus Filz, von vorne"})
    _, (found,) = write(tmp_path, scripted, [photo(tmp_path, 1)], checks={"language": "de"})
    assert [(one.kind, one.seed) for one in scripted.requests] == [("dense", 0), ("short", 0)]
    assert (found.default.text, found.failure) == (GERMAN, None)


def test_longer_captions_are_asked_for_anew_and_only_those(tmp_path: Path) -> None:
    write(tmp_path, Scripted(), [photo(tmp_path, 1)])
    scripted = Scripted()
    write(tmp_path, scripted, [photo(tmp_path, 1)], checks={"dense_words": (20, 300)})
    assert [(one.kind, one.max_tokens) for one in scripted.requests] == [("dense", 632)]


@pytest.mark.parametrize("line", ['{"key": "a", "text": "a hat"}', "[]", "3"])
def test_an_answer_of_another_format_is_a_sentence_and_half_a_line_is_passed_over(line: str, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_bytes(b'{"key": "a\xff\n')
    assert CaptionStore(tmp_path, "one").answers == {}
    file.write_bytes(file.read_bytes() + line.encode())
    with pytest.raises(ConfigError, match=r"^Line 2 of '.*one\.jsonl' is no answer .*: move the file away and run"):
        CaptionStore(tmp_path, "one")
