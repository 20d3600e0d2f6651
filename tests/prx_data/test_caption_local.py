"""Captions from a model in this process: a real one, tiny and random, from disk."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from prx_data import ConfigError, PhotoFacts
from prx_data.captions import Answer, Local, Request
from prx_data.captions.local import _Gumbel
from prx_data.captions.pictures import shown

from .conftest import draw_product, encode
from .test_caption_stage import photo, write
from .tiny_vlm import write_tiny_florence, write_tiny_smolvlm, write_tiny_vlm

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("model") / "tiny-vlm")


@pytest.fixture(scope="module", params=[write_tiny_vlm, write_tiny_smolvlm], ids=["qwen", "smolvlm"])
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written: Path = request.param(tmp_path_factory.mktemp("any") / "tiny")
    return written


def requests(count: int, *, seed: int = 0) -> list[Request]:
    """Two sizes of pictures, and prompts of different lengths."""
    return [
        Request(
            facts=PhotoFacts(key=f"{number:04x}", metadata={}, color="", background=""),
            kind="short" if number % 3 else "dense",
            prompt="What is this? " + "Say it. " * (number % 4),
            seed=seed,
            max_tokens=12 if number % 3 else 20,
            content=encode(draw_product(number, size=(200 + 60 * (number % 2), 300))),
        )
        for number in range(count)
    ]


def by_key(answers: list[Answer]) -> dict[str, str]:
    found = {one.request.facts.key: one.text for one in answers}
    assert len(found) == len(answers)
    assert not [one.problem for one in answers if one.problem]
    return found


def test_what_is_written_does_not_depend_on_who_else_is_seen(any_model: Path) -> None:
    alone = by_key(list(Local(str(any_model), side=112, batch_size=1).write(requests(9))))
    together = by_key(list(Local(str(any_model), side=112, batch_size=4).write(reversed(requests(9)))))
    assert alone == together
    assert len(set(alone.values())) == 9
    other_seed = by_key(list(Local(str(any_model), side=112).write(requests(9, seed=1))))
    assert all(alone[key] != text for key, text in other_seed.items())


def test_without_temperature_it_is_what_transformers_generates(any_model: Path) -> None:
    """The slow, obvious way: one photo, one chat, `generate`."""
    one = requests(1)[0]
    (answer,) = Local(str(any_model), side=112, temperature=0).write([one])
    processor = AutoProcessor.from_pretrained(any_model)
    plain = AutoModelForImageTextToText.from_pretrained(any_model).eval()
    pixels = shown(one.content, 112)
    assert pixels is not None
    assert max(pixels.shape[:2]) == 112
    words = [{"type": "image", "image": pixels}, {"type": "text", "text": one.prompt}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": words}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    written = plain.generate(**inputs, max_new_tokens=one.max_tokens, do_sample=False)[
        0, inputs["input_ids"].shape[1] :
    ]
    assert answer.text == processor.tokenizer.decode(written, skip_special_tokens=True).strip()
    assert answer.tokens <= one.max_tokens
    assert answer.finished == (written[-1].item() == processor.tokenizer.eos_token_id)


def test_a_model_without_a_chat_template_reads_the_prompt_alone(model: Path, tmp_path: Path) -> None:
    one = requests(1)[0]
    chat = (
        f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{one.prompt}<|im_end|>\n<|im_start|>assistant\n"
    )
    bare = tmp_path / "tiny-vlm"
    shutil.copytree(model, bare)
    (bare / "chat_template.jinja").unlink()
    (answer,) = Local(str(bare), side=112, temperature=0).write([replace(one, prompt=chat)])
    (same,) = Local(str(model), side=112, temperature=0).write([one])
    assert (answer.text, answer.tokens) == (same.text, same.tokens)


def test_a_model_with_an_encoder_whose_prompt_is_a_task(tmp_path: Path) -> None:
    florence = write_tiny_florence(tmp_path / "florence")
    asked = [replace(one, prompt="<MORE_DETAILED_CAPTION>") for one in requests(4)]
    answers = list(Local(str(florence), batch_size=4).write(asked))
    assert by_key(answers) == by_key(list(Local(str(florence), batch_size=1).write(asked)))
    assert all(one.tokens == one.request.max_tokens for one in answers if not one.finished)
    (plain,) = Local(str(florence), temperature=0).write(asked[:1])
    processor = AutoProcessor.from_pretrained(florence)
    model = AutoModelForImageTextToText.from_pretrained(florence).eval()
    inputs = processor(images=[shown(asked[0].content, 768)], text=[asked[0].prompt], return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=asked[0].max_tokens, do_sample=False)
    assert plain.text == processor.tokenizer.decode(written[0], skip_special_tokens=True).strip()


def test_words_are_drawn_as_often_as_the_model_says() -> None:
    """Gumbel-max against the softmax that it samples from."""
    scores = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    drawn = _Gumbel(requests(1), temperature=1.5)
    counts = np.bincount([int(drawn(torch.zeros(1, 1), scores).argmax()) for _ in range(4000)], minlength=4)
    wanted = torch.softmax(scores[0] / 1.5, dim=0).numpy()
    assert np.abs(counts / 4000 - wanted).max() < 4 * np.sqrt(0.25 / 4000)


def test_the_version_is_that_of_the_weights(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tiny-vlm"
    shutil.copytree(model, copy)
    assert Local(str(copy)).version == Local(str(model)).version
    assert Local(str(copy), side=99).version != Local(str(model)).version
    weights = load_file(copy / "model.safetensors")
    name = sorted(weights)[0]
    save_file({**weights, name: weights[name] + 1}, copy / "model.safetensors", metadata={"format": "pt"})
    assert Local(str(copy)).version != Local(str(model)).version
    assert Local(str(copy)).source == "tiny-vlm"


def test_the_version_is_that_of_whole_files(tmp_path: Path) -> None:
    """Two fine-tunes with the same sizes, that differ behind the first megabytes."""
    versions = set()
    for name, last in (("one", b"a"), ("other", b"b"), ("same", b"a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(bytes(3 << 20) + last)
        versions.add(Local(str(tmp_path / name)).version)
    assert len(versions) == 2


OF_A_HUB_ID = """
import sys
from pathlib import Path
from prx_data.captions import Local
from tests.prx_data.test_caption_local import requests

local, main, other = Local("owner/name", side=56, temperature=0), Path(sys.argv[1]), sys.argv[2]
first = local.version
main.write_text(other)
(answer,) = local.write(requests(1))  # of the commit whose version it told, although there is another by now
print(first, Local("owner/name", side=56, temperature=0).version, repr(answer.text), sep="\\n")
"""


def test_the_version_of_a_hub_id_is_its_commit(model: Path, tmp_path: Path) -> None:
    name, commits = tmp_path / "hub" / "models--owner--name", [digit * 40 for digit in "ab"]
    for commit in commits:
        shutil.copytree(model, name / "snapshots" / commit)
    weights = load_file(model / "model.safetensors")
    changed = {one: tensor.flip(0) for one, tensor in weights.items()}
    save_file(changed, name / "snapshots" / commits[1] / "model.safetensors", metadata={"format": "pt"})
    main = name / "refs" / "main"
    main.parent.mkdir()
    main.write_text(commits[0])
    places = os.pathsep.join(one for one in (str(ROOT), *sys.path) if one)
    done = subprocess.run(
        [sys.executable, "-c", OF_A_HUB_ID, str(main), commits[1]],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, text = done.stdout.splitlines()
    assert first != second
    (answer,) = Local(str(model), side=56, temperature=0).write(requests(1))
    (other,) = Local(str(name / "snapshots" / commits[1]), side=56, temperature=0).write(requests(1))
    assert text == repr(answer.text) != repr(other.text)


def test_a_photo_that_is_none_is_that_photos_problem(model: Path) -> None:
    good = requests(1)[0]
    bad = Request(facts=PhotoFacts(key="bad", metadata={}, color="", background=""), kind="short", content=b"nothing")
    found = {one.request.facts.key: one for one in Local(str(model), side=56).write([bad, good])}
    assert found["bad"].problem == "the photo cannot be decoded any more"
    assert found["0000"].problem == ""


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"captions\.model = '.*nowhere' cannot be loaded: ") as error:
        list(Local(str(tmp_path / "nowhere")).write(requests(1)))
    assert "\n" not in str(error.value)


def test_a_processor_that_lacks_its_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smolvlm = write_tiny_smolvlm(tmp_path / "smolvlm")
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(ConfigError, match=r"captions\.model = '.*smolvlm' cannot be loaded: .*num2words") as error:
        list(Local(str(smolvlm)).write(requests(1)))
    assert "\n" not in str(error.value)


def test_what_is_not_wanted_any_more_is_not_begun(model: Path) -> None:
    """All of a batch that was begun is answered, and nothing of the next one."""
    answers: list[Answer] = []
    asked = [replace(one, is_wanted=lambda: len(answers) < 5) for one in requests(12)]
    for one in Local(str(model), side=56, batch_size=2).write(asked):
        answers.append(one)  # noqa: PERF402
    assert len(answers) == 6


def test_a_spent_budget_stops_the_model_before_its_next_batch(model: Path, tmp_path: Path) -> None:
    photos = [photo(tmp_path, number) for number in range(9)]
    local = Local(str(model), side=56, batch_size=2)
    asking: dict[str, Any] = {"attempts": 1, "short_prompt": None, "checks": {"dense_words": (1, 4)}}
    budget = {"money": 1e-9, "price_per_1000_tokens": 1}
    captioning, found = write(tmp_path, local, photos, budget=budget, **asking)
    assert len(captioning.store.answers) == 2
    why = "dense-1: not asked for, as the 1e-09 of money are spent"
    assert [one.failure == why for one in found] == [False] * 2 + [True] * 7
    captioning, _ = write(tmp_path, local, photos, **asking)
    assert (captioning.written, len(captioning.store.answers)) == (7, 9)


def test_nothing_is_loaded_where_nothing_is_asked() -> None:
    assert list(Local("no/such-model").write([])) == []
