"""What of a server's own throughput captioning gets: prints one table.

    python benchmarks/captioning.py PHOTOS [--photos N] [--rounds N] [--seconds S]

A server in a process of its own answers each request after a fixed time, however many are in flight: a model that is
not the bottleneck. `bare` sends requests that were prepared before, and reads the answers; `captions` is the whole
stage: reading, decoding and encoding photos, checking answers, writing each to disk. Both keep 32 requests in flight. A
photo is asked about twice, for a paragraph and for a line. The rounds alternate, and the ratio is that of the medians.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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

_IN_FLIGHT = 32
_TEXT = (
    "A garment of soft cloth with neat seams, a narrow trim and a small label, seen from the front. It hangs straight "
    "before a plain ground, in even light that leaves hardly a shadow."
)


def serve(port: int, seconds: float) -> None:
    """Answer everything after `seconds`."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(seconds)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _TEXT}}
        return web.json_response({"choices": [choice], "usage": {"total_tokens": 900}})

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, access_log=None)


def to_caption(home: Path, count: int) -> list[PhotoToCaption]:
    """The first photos of `catalogue`."""
    paths = sorted((home / "catalogue").glob("*.jpg"))[:count]
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
    assert all(one.failure is None for one in found.values())
    return taken


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
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    command = [
        sys.executable,
        "-c",
        "import sys, benchmarks.captioning as one; one.serve(int(sys.argv[1]), float(sys.argv[2]))",
    ]
    process = subprocess.Popen([*command, str(port), str(options.seconds)], cwd=Path(__file__).parent.parent)
    try:
        _wait(port)
        times: dict[str, list[float]] = {"bare": [], "captions": []}
        for _ in range(options.rounds):
            times["bare"].append(asyncio.run(bare(prepared, url)))
            times["captions"].append(captions(photos, url))
    finally:
        process.terminate()
        process.wait()
    rates = {name: len(prepared) / median(found) for name, found in times.items()}
    print(f"{len(prepared)} captions of {len(photos)} photos, {_IN_FLIGHT} in flight, {options.seconds:g} s an answer")
    print(f"{'':<12}{'captions/s':>12}{'share of bare':>16}")
    for name, rate in rates.items():
        print(f"{name:<12}{rate:>12.1f}{rate / rates['bare']:>16.3f}")


def _wait(port: int) -> None:
    for _ in range(200):
        with socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
