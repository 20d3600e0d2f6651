"""Servers that captioners are tested against: a model's, one that always answers the same, and a proxy with faults."""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Answer POSTs on this machine in a thread; yields the address up to `/v1`."""
    loop, runners = asyncio.new_event_loop(), list[web.AppRunner]()
    ready = threading.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    async def start() -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", answer)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1, access_log=None))
        await runners[0].setup()
        await web.TCPSite(runners[0], "127.0.0.1", 0, backlog=512).start()
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runners[0].cleanup())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(20)
    try:
        yield f"http://127.0.0.1:{runners[0].addresses[0][1]}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def model_server(model: Path) -> Iterator[str]:
    """`transformers serve` in a process of its own."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (model / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, model / "serve.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


_DECK = ("500", "429", "slow", "slow", "half an answer", "broken connection", *("whole",) * 34)


@dataclass
class Faults:
    """A proxy that of every 40 requests answers 2 with errors, 2 slowly and 2 by half, in an order of chance."""

    upstream: str
    seed: int = 0
    slow: float = 3.0
    """Seconds."""
    seen: Counter[str] = field(default_factory=Counter)
    """Requests by what was done with them."""
    _deck: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if not self._deck:
            self._deck = list(_DECK)
            random.Random(self.seed + sum(self.seen.values())).shuffle(self._deck)  # noqa: S311
        fate = self._deck.pop()
        self.seen[fate] += 1
        if fate == "500":
            return web.Response(status=500, text="the model fell over")
        if fate == "429":
            return web.json_response({"error": {"message": "slower"}}, status=429, headers={"Retry-After": "0.05"})
        if fate == "slow":
            await asyncio.sleep(self.slow)
        async with (
            ClientSession(timeout=ClientTimeout(total=60)) as session,
            session.post(f"{self.upstream}/chat/completions", data=body, headers=request.headers) as answer,
        ):
            text, status = await answer.read(), answer.status
        if fate in ("half an answer", "broken connection"):
            return await self._half(request, text, broken=fate == "broken connection")
        return web.Response(body=text, status=status, content_type="application/json")

    async def _half(self, request: web.Request, text: bytes, *, broken: bool) -> web.StreamResponse:
        """Half of an answer: the connection ends early, or the answer does although it claims to be whole."""
        if not broken:
            return web.Response(body=text[: len(text) // 2], content_type="application/json")
        response = web.StreamResponse(headers={"Content-Length": str(len(text))})
        await response.prepare(request)
        await response.write(text[: len(text) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


@dataclass
class Fixed:
    """A server that answers each request after a while with what a function makes of its words, and keeps a record."""

    text: Callable[[dict[str, Any]], str]
    seconds: float = 0.0
    in_turn: bool = False
    """Whether answers come one after the other, each so many seconds after the one before."""
    tokens: int = 100
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    async def __call__(self, request: web.Request) -> web.Response:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            body = json.loads(await request.read())
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            await asyncio.sleep(self.seconds * (self._now if self.in_turn else 1))
            text = self.text(body)
        finally:
            self._now -= 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return web.json_response({"choices": [choice], "usage": {"total_tokens": self.tokens}})


def prompt_of(body: dict[str, Any]) -> str:
    """The words of a request."""
    return str(body["messages"][0]["content"][1]["text"])
