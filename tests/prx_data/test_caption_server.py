"""Captions from servers: a real one, one with faults, one that is down, one that wants a key."""

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from prx_data import CaptionError, ConfigError, PhotoFacts
from prx_data.captions import Answer, Request, Server

from .caption_server import Faults, Fixed, free_port, model_server, prompt_of, serving
from .conftest import draw_product, encode
from .tiny_vlm import write_tiny_vlm


def requests(count: int, *, words: int = 8) -> list[Request]:
    facts = [PhotoFacts(key=f"{number:064x}", metadata={}, color="", background="") for number in range(count)]
    pictures = [encode(draw_product(number % 7)) for number in range(count)]
    return [
        Request(facts=one, kind="short", prompt=f"photo {one.key[-4:]}", seed=0, max_tokens=words, content=content)
        for one, content in zip(facts, pictures, strict=True)
    ]


def by_key(answers: Iterator[Answer]) -> dict[str, str]:
    """Texts by key; no key may be answered twice, and none without a text."""
    found = list(answers)
    assert max(Counter(one.request.facts.key for one in found).values()) == 1
    assert not [one.problem for one in found if one.problem]
    return {one.request.facts.key: one.text for one in found}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server process that runs a model, and the model's name there."""
    model = write_tiny_vlm(tmp_path_factory.mktemp("model"))
    with model_server(model) as url:
        yield url, str(model)


def test_a_real_server_captions_photos(real: tuple[str, str]) -> None:
    url, model = real
    answers = list(Server(url, model=model, concurrency=4, side=112).write(requests(6)))
    assert sorted(one.request.facts.key for one in answers) == [one.facts.key for one in requests(6)]
    for one in answers:
        assert one.problem == ""
        assert one.tokens > 8  # it read a picture and a prompt, and wrote
        assert not one.finished  # random weights hardly ever stop within eight tokens


def test_a_real_server_behind_a_faulty_line_loses_nothing_and_does_nothing_twice(real: tuple[str, str]) -> None:
    url, model = real
    straight = by_key(Server(url, model=model, side=56, temperature=0).write(requests(40)))
    faults = Faults(url, seed=3)
    with serving(faults) as proxy:
        server = Server(proxy, model=model, side=56, temperature=0, concurrency=8, timeout=60)
        assert by_key(server.write(requests(40))) == straight
    assert set(faults.seen) == {"500", "429", "half an answer", "broken connection", "slow", "whole"}


@pytest.mark.alone
def test_faults_at_32_in_flight() -> None:
    """5 % each of errors, slow and cut answers, here of 400; the slow ones run into the time-out."""
    fixed = Fixed(prompt_of, seconds=0.02)
    with serving(fixed) as upstream:
        faults = Faults(upstream, seed=1)
        with serving(faults) as proxy:
            found = by_key(Server(proxy, model="m", side=64, timeout=2).write(requests(400)))
    assert found == {one.facts.key: one.prompt for one in requests(400)}
    assert set(faults.seen) == {"500", "429", "half an answer", "broken connection", "slow", "whole"}
    assert fixed.most_at_once <= 32
    assert sum(faults.seen.values()) < 1.25 * 400


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-1234")
    fixed = Fixed(lambda body: "  a hat\n")
    (one,) = requests(1)
    with serving(fixed) as url:
        (answer,) = Server(f"{url}/", model="m", side=100, key_variable="MY_KEY").write([one])
    assert (answer.text, answer.tokens, answer.finished) == ("a hat", 100, True)
    (body,) = fixed.bodies
    assert {name: value for name, value in body.items() if name != "messages"} == {
        "model": "m",
        "max_tokens": 8,
        "temperature": 0.7,
        "seed": 0,
    }
    kind, data = body["messages"][0]["content"][0]["image_url"]["url"].split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (80, 100)
    assert fixed.headers[0]["Authorization"] == "Bearer secret-1234"


def test_without_a_key_none_is_sent() -> None:
    fixed = Fixed(lambda body: "a hat")
    with serving(fixed) as url:
        list(Server(url, model="m", key_variable="NO_SUCH_KEY").write(requests(1)))
    assert "Authorization" not in fixed.headers[0]


def test_a_key_is_not_carried_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " secret-1234\n")
    fixed = Fixed(lambda body: "a hat")

    async def moved(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer secret-1234"
        return web.Response(status=307, headers={"Location": f"{other}/chat/completions"})

    with serving(fixed) as other, serving(moved) as url:
        (answer,) = Server(url, model="m").write(requests(1))
    assert answer.problem == f"the server answers 307: captions.url should lead to {other}/chat/completions by itself"
    assert fixed.bodies == []


def test_never_more_in_flight_than_asked_for_and_requests_are_taken_as_there_is_room() -> None:
    fixed, taken = Fixed(prompt_of, seconds=0.05), [0]

    def counted() -> Iterator[Request]:
        for one in requests(60):
            taken[0] += 1
            yield one

    with serving(fixed) as url:
        answers = Server(url, model="m", concurrency=5, side=64).write(counted())
        next(answers)
        assert taken[0] <= 1 + 5 + 5 + 4 + 5  # answered, in flight, ready, being prepared, and a little later
        answers.close()  # type: ignore[attr-defined]
    assert 2 <= fixed.most_at_once <= 5
    assert len(fixed.bodies) < 30


def test_a_server_that_is_down_is_one_sentence() -> None:
    url = f"http://user:password@127.0.0.1:{free_port()}/v1"
    with pytest.raises(CaptionError, match=r"127.0.0.1:\d+/v1 cannot be reached.*the same command goes on") as error:
        list(Server(url, model="m", concurrency=4, retries=1).write(requests(30)))
    assert "password" not in str(error.value)


def test_a_server_that_fails_at_everything_is_one_sentence_and_what_came_before_is_there() -> None:
    asked = []

    async def failing(request: web.Request) -> web.Response:
        asked.append(request)
        if len(asked) > 5:
            return web.json_response({"error": "no memory"}, status=400)
        return web.json_response({"choices": [{"message": {"content": "a hat"}}]})

    found: list[Answer] = []
    with serving(failing) as url, pytest.raises(CaptionError, match=r"failed at 8 requests in a row, .*no memory"):
        found.extend(Server(url, model="m", concurrency=2).write(requests(40)))
    assert len([one for one in found if one.text == "a hat"]) == 5


@pytest.mark.parametrize("status", [401, 404])
def test_a_server_that_will_never_answer_is_one_sentence(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1234")
    asked = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request)
        message = f"{'x' * 190} wrong key secret-1234"
        return web.json_response({"error": {"message": message}}, status=status)

    with serving(refuse) as url, pytest.raises(CaptionError, match=f"answers {status}: xxx") as error:
        list(Server(url, model="m", concurrency=2).write(requests(30)))
    assert "secret" not in str(error.value)
    assert len(asked) <= 2


def test_a_photo_that_the_server_refuses_is_that_photos_problem() -> None:
    async def refuse(request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        if prompt_of(body).endswith("3"):
            return web.json_response({"error": "too odd"}, status=400)
        return web.json_response({"choices": [{"message": {"content": "a hat"}, "finish_reason": "length"}]})

    with serving(refuse) as url:
        answers = {one.request.facts.key[-1]: one for one in Server(url, model="m").write(requests(6))}
    assert {name for name, one in answers.items() if one.problem} == {"3"}
    assert answers["3"].problem == "the server answers 400: too odd"
    assert not answers["1"].finished


def test_a_photo_that_is_none_is_not_sent() -> None:
    fixed = Fixed(lambda body: "a hat")
    (one,) = requests(1)
    broken = Request(facts=one.facts, kind="short", content=b"no picture")
    with serving(fixed) as url:
        (answer,) = Server(url, model="m").write([broken])
    assert answer.problem == "the photo cannot be decoded any more"
    assert fixed.bodies == []


def answered(body: str, *, status: int = 200) -> Answer:
    """What a server that says the same at any time is understood as."""

    async def say(request: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    with serving(say) as url:
        (answer,) = Server(url, model="m", retries=0).write(requests(1))
    return answer


@pytest.mark.parametrize(
    ("choice", "text", "finished"),
    [
        ('{"message": {"content": [{"type": "text", "text": "a hat"}]}}', "a hat", True),
        (
            '{"message": {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "a hat"}]}}',
            "a hat",
            True,
        ),
        ('{"message": {"content": null, "reasoning_content": "Hm."}, "finish_reason": "length"}', "", False),
        ('{"message": {"content": null, "refusal": "I cannot."}}', "I cannot.", True),
        ('{"message": {"content": "a"}, "finish_reason": "content_filter"}', "a", False),
    ],
)
def test_the_shapes_that_an_answer_comes_in(choice: str, text: str, finished: bool) -> None:
    answer = answered(f'{{"choices": [{choice}], "usage": {{"total_tokens": -7}}}}')
    assert (answer.text, answer.finished, answer.tokens, answer.problem) == (text, finished, 0, "")


@pytest.mark.parametrize(
    "body",
    [
        '{"choices": [{"message": {"content": "a hat"}}], "usage": {"total_tokens": Infinity}}',
        '{"choices": [{"message": {"content": ["a hat"]}}]}',
        "[" * 100_000,
        'data: {"choices": [{"delta": {"content": "a hat"}}]}',
    ],
)
def test_what_is_no_completion_is_that_photos_problem(body: str) -> None:
    assert answered(body).problem.startswith("the answer is no chat completion: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"object": "error", "message": "no such model"}', "no such model"),
        ('{"detail": "too large"}', "too large"),
        ('{"error": {"message": "half \\ud83d a smile"}}', "half ? a smile"),
    ],
)
def test_errors_are_told_in_the_servers_words(body: str, said: str) -> None:
    assert answered(body, status=400).problem == f"the server answers 400: {said}"


def test_what_is_not_wanted_any_more_is_not_asked_again() -> None:
    asked = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=429, headers={"Retry-After": "600"})

    (one,) = requests(1)
    with serving(busy) as url:
        assert list(Server(url, model="m").write([replace(one, is_wanted=lambda: not asked)])) == []
    assert len(asked) == 1


def test_what_is_not_wanted_any_more_is_not_sent() -> None:
    fixed = Fixed(lambda body: "a hat")
    asked = [replace(one, is_wanted=lambda: len(fixed.bodies) < 3) for one in requests(12)]
    with serving(fixed) as url:
        answers = list(Server(url, model="m", concurrency=1).write(asked))
    assert len(answers) == len(fixed.bodies) == 3


def test_an_error_of_the_requests_reaches_the_caller() -> None:
    def failing() -> Iterator[Request]:
        yield from requests(3)
        raise ZeroDivisionError("mine")

    fixed = Fixed(lambda body: "a hat")
    with serving(fixed) as url, pytest.raises(ZeroDivisionError, match="mine"):
        list(Server(url, model="m").write(failing()))


def test_the_version_is_of_what_is_asked_and_not_of_where() -> None:
    one = Server("http://a/v1", model="m")
    assert one.version == Server("https://b/v1", model="m", concurrency=1, timeout=3, retries=1).version
    others = (Server("http://a/v1", model="m", side=99), Server("http://a/v1", model="m", temperature=0.9))
    assert len({one.version, *(other.version for other in others)}) == 3


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://a/v1", "http:///v1"])
def test_a_wrong_address_is_one_sentence(url: str) -> None:
    with pytest.raises(ConfigError, match=r"captions\.url = .* is wrong"):
        Server(url, model="m")
