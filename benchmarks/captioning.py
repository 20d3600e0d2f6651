"""What of a server's own throughput captioning gets: prints one table.

    python benchmarks/captioning.py PHOTOS [--photos N] [--rounds N] [--seconds S]

A server in a process of its own answers each request after a fixed time, however many are in flight: a model that is
not the bottleneck. `bare` sends requests that were prepared before, and reads the answers; `captions` is the whole
stage: reading, decoding and encoding photos, checking answers, writing each to disk. Both keep 32 requests in flight. A
photo is asked about twice, for a paragraph and for a line. The rounds alternate, and the ratio is that of the medians.

The second pair of rows has a server that answers 24 at a time, as one whose model is the bottleneck. `bare, 24 at a
time` asks it itself; `with faults` is the stage behind a proxy in a process of its own, which of every 40 requests
refuses 2, answers 2 three seconds late and cuts the answers to 2. `answers` are what the server gave: a cut one
is asked for again, so that of 38 answers 36 are captions. It stops if a caption is lost, or if one that was there is
asked for again. A run ends with requests that were repeated and keep nothing else busy: many photos show what counts.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from socket import socket
from statistics import median
from time import perf_counter, sleep
from typing import Any

import aiohttp
from aiohttp import web

from prx_data import PhotoFacts
from prx_data.captions import Asking, Captioning, CaptionStore, PhotoToCaption, Request, Server
from prx_data.captions.pictures import data_url

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.prx_data.caption_server import Faults

_IN_FLIGHT, _AT_A_TIME = 32, 24
_TEXT = (
    "A garment of soft cloth with neat seams, a narrow trim and a small label, seen from the front. It hangs straight "
    "before a plain ground, in even light that leaves hardly a shadow."
)


def serve(port: int, seconds: float, at_a_time: int) -> None:
    """Answer everything after `seconds`, so many at a time."""
    free = asyncio.Semaphore(at_a_time)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        async with free:
            await asyncio.sleep(seconds)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _TEXT}}
        return web.json_response({"choices": [choice], "usage": {"total_tokens": 900}})

    _listen(port, [web.post("/v1/chat/completions", answer)])


def disturb(port: int, upstream: str) -> None:
    """Stand between a server and who asks it, with faults; tell at `/seen` what was done with how many requests."""
    faults = Faults(upstream)

    async def seen(_: web.Request) -> web.Response:
        return web.json_response(faults.seen)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await faults(request)

    _listen(port, [web.post("/v1/chat/completions", answer), web.get("/v1/seen", seen)])


def _listen(port: int, routes: Sequence[web.RouteDef]) -> None:
    app = web.Application(client_max_size=64 << 20)
    app.router.add_routes(routes)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, access_log=None)


@contextmanager
def started(name: str, *words: object) -> Iterator[str]:
    """`serve` or `disturb` in a process of its own; yields its address."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys, ast, benchmarks.captioning as one; getattr(one, sys.argv[1])(*ast.literal_eval(sys.argv[2]))"
    command = [sys.executable, "-c", code, name, repr((port, *words))]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def to_caption(home: Path, count: int) -> list[PhotoToCaption]:
    """The first photos of `catalogue`; from the beginning again if these are too few."""
    paths = list(islice(cycle(sorted((home / "catalogue").glob("*.jpg"))), count))
    return [
        PhotoToCaption(
            facts=PhotoFacts(key=f"{number:064x}", metadata={}, color="", background=""),
            locator=str(path),
            cluster=0,
            cleanliness=1.0,
        )
        for number, path in enumerate(paths)
    ]


def captions(photos: Sequence[PhotoToCaption], url: str) -> float:
    """Seconds of the whole stage."""
    with tempfile.TemporaryDirectory() as home:
        server = Server(url, model="m", concurrency=_IN_FLIGHT)
        checks = {"dense_words": (3, 220), "short_words": (3, 220)}  # one answer is right for both
        captioning = Captioning(server, Asking(checks=checks), CaptionStore(Path(home), server.version))
        start = perf_counter()
        found = captioning.write(photos)
        taken = perf_counter() - start
    texts = [text for one in found.values() for text in one.captions if text.source == "m"]
    assert all(one.failure is None for one in found.values())
    assert len(texts) == 2 * len(photos)
    return taken


def captions_with_faults(photos: Sequence[PhotoToCaption], upstream: str) -> tuple[float, dict[str, int]]:
    """Seconds of the whole stage behind the proxy, and what that did."""
    with started("disturb", upstream) as url:
        taken = captions(photos, url)
        with urllib.request.urlopen(f"{url}/seen", timeout=10) as answer:  # noqa: S310
            seen: dict[str, int] = json.load(answer)
    assert seen["whole"] + seen.get("slow", 0) == 2 * len(photos), f"asked for again: {seen}"
    return taken, seen


def bodies(photos: Sequence[PhotoToCaption]) -> list[dict[str, Any]]:
    """Requests of the same size, two for each photo."""
    made = []
    for photo in photos:
        request = Request(facts=photo.facts, kind="dense", content=Path(photo.locator).read_bytes())
        parts = [
            {"type": "image_url", "image_url": {"url": data_url(request.content, 768)}},
            {"type": "text", "text": "x" * 900},
        ]
        made += [{"model": "m", "messages": [{"role": "user", "content": parts}], "max_tokens": 64}] * 2
    return made


async def bare(requests: Sequence[dict[str, Any]], url: str) -> float:
    """Seconds of sending them."""
    left = iter(requests)

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(f"{url}/chat/completions", json=body) as response:
                assert (await response.json())["choices"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start = perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(_IN_FLIGHT)))
        return perf_counter() - start


def main() -> None:
    """Alternate, and print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", metavar="PHOTOS", type=Path)
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="that an answer takes (default: %(default)s)")
    options = parser.parse_args()
    photos = to_caption(options.home, options.photos)
    prepared = bodies(photos)
    print(f"{len(prepared)} captions of {len(photos)} photos, {_IN_FLIGHT} in flight, {options.seconds:g} s an answer")
    print(f"{'':<22}{'captions/s':>12}{'share of bare':>16}{'answers/s':>12}{'share of bare':>16}")
    with started("serve", options.seconds, len(prepared)) as url:
        pairs = [(asyncio.run(bare(prepared, url)), captions(photos, url)) for _ in range(options.rounds)]
    _print("bare", "captions", len(prepared), pairs)
    with started("serve", options.seconds, _AT_A_TIME) as url:
        pairs, answers = [], []
        for _ in range(options.rounds):
            alone = asyncio.run(bare(prepared, url))
            taken, seen = captions_with_faults(photos, url)
            pairs.append((alone, taken))
            answers.append(sum(seen.values()) - seen.get("500", 0) - seen.get("429", 0))
    _print(f"bare, {_AT_A_TIME} at a time", "with faults", len(prepared), pairs, answers)
    print(f"faults of the last round: {', '.join(f'{name} {number}' for name, number in sorted(seen.items()))}")


def _print(
    peer: str, name: str, count: int, pairs: Sequence[tuple[float, float]], answers: Sequence[int] | None = None
) -> None:
    """Two rows, from the seconds that the peer and ours took for `count` captions, and the answers that ours needed."""
    bare_rate = count / median(alone for alone, _ in pairs)
    rate = count / median(taken for _, taken in pairs)
    needed = answers or [count] * len(pairs)
    answered = median(number / taken for number, (_, taken) in zip(needed, pairs, strict=True))
    for what, captioned, given in ((peer, bare_rate, bare_rate), (name, rate, answered)):
        print(f"{what:<22}{captioned:>12.1f}{captioned / bare_rate:>16.3f}{given:>12.1f}{given / bare_rate:>16.3f}")


def _wait(port: int) -> None:
    for _ in range(200):
        with socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
