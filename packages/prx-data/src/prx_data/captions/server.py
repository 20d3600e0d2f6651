"""Captions from any server with OpenAI's protocol: vLLM, SGLang, `transformers serve`, or one on the web."""

import asyncio
import hashlib
import json
import os
import queue
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from prx_data.captions.completions import Retry, read_completion, told
from prx_data.captions.pictures import data_url
from prx_data.captions.protocol import Answer, Request
from prx_data.errors import CaptionError, ConfigError

if TYPE_CHECKING:
    from aiohttp import ClientSession

_FIRST_WAIT = 0.5  # seconds; doubles with each attempt
_LONGEST_WAIT = 60.0
_LONGEST_ASKED = 600.0  # seconds that a server may ask us to wait
_LOOKS = 1.0  # seconds after which a request that waits is looked at again: is it still wanted?
_PREPARING = 4  # photos that are decoded at a time, ahead of the requests
_AGAIN = frozenset({408, 409, 425, 429})
_HOPELESS = frozenset({401, 402, 403, 404})
_DONE = object()
_KEPT = "What it answered before is kept; the same command goes on."

Done: TypeAlias = "queue.Queue[Any]"


@dataclass(frozen=True)
class Server:
    """Asks a server, many requests at a time; each answer is yielded as soon as it is there."""

    url: str
    """Up to `/v1`."""
    model: str = field(kw_only=True)
    """As the server names it."""
    key_variable: str = field(default="OPENAI_API_KEY", kw_only=True)
    """Environment variable that holds the key. The key is sent to `url`, and is neither written nor told anywhere."""
    concurrency: int = field(default=32, kw_only=True)
    """Requests in flight."""
    timeout: float = field(default=120.0, kw_only=True)
    """Seconds that one answer may take."""
    retries: int = field(default=7, kw_only=True)
    """How often a request is repeated that the server failed at: half a second later, then one, two, four, ..."""
    side: int = field(default=768, kw_only=True)
    """Pixels of the longer side of what is sent."""
    temperature: float = field(default=0.7, kw_only=True)
    """Of sampling."""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ConfigError(f"captions.url = {_public(self.url)!r} is wrong: it should be http(s)://host:port/v1.")

    @property
    def source(self) -> str:
        """The model's name."""
        return self.model

    @property
    def version(self) -> str:
        """Of the model's name and what it is shown and how it samples; where it is served makes no difference."""
        facts = json.dumps([self.model, self.side, self.temperature])
        return f"server-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"

    @property
    def chosen_device(self) -> str:
        """That it is the server's own, and not known here."""
        return "server"

    def write(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One answer for each request that is wanted when its turn comes, as they come.

        Raises:
            CaptionError: The server does not answer any more, or refuses all requests. What it answered was yielded.
            ConfigError: aiohttp is missing.
        """
        try:
            import aiohttp  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "Captions from a server need aiohttp: pip install 'prx-data[captions-server]'."
            ) from error
        done: Done = queue.Queue()
        # A loop of its own: a notebook's thread has one that runs already.
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._run(iter(requests), done))
        thread = threading.Thread(target=_until_done, args=(loop, task, done), daemon=True)
        thread.start()
        try:
            while (answer := done.get()) is not _DONE:
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            if thread.is_alive():
                loop.call_soon_threadsafe(task.cancel)
            thread.join()

    async def _run(self, requests: Iterator[Request], done: Done) -> None:
        import aiohttp

        ready: asyncio.Queue[tuple[Request, str | None] | None] = asyncio.Queue(self.concurrency)
        taking, outage = asyncio.Lock(), _Outage(self)
        pictures, limits = _Pictures(self.side), aiohttp.TCPConnector(limit=0)
        key = os.environ.get(self.key_variable, "").strip()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(
            connector=limits, headers=headers, timeout=aiohttp.ClientTimeout(total=self.timeout)
        ) as session:

            async def prepare() -> None:
                while True:
                    async with taking:
                        request = await asyncio.to_thread(next, requests, None)
                    if request is None:
                        return
                    await ready.put((request, await pictures.of(request)))

            async def ask() -> None:
                while (one := await ready.get()) is not None:
                    if not one[0].is_wanted():
                        continue
                    answer = await self._answer(session, *one, key)
                    if answer is not None:
                        done.put(answer)
                        outage.see(answer)

            async def prepare_all() -> None:
                async with asyncio.TaskGroup() as preparing:
                    for _ in range(_PREPARING):
                        preparing.create_task(prepare())
                for _ in range(self.concurrency):
                    await ready.put(None)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(prepare_all())
                for _ in range(self.concurrency):
                    tasks.create_task(ask())

    async def _answer(self, session: "ClientSession", request: Request, picture: str | None, key: str) -> Answer | None:
        """Ask until there is an answer, or no hope of one; None if meanwhile it is not wanted any more."""
        if picture is None:
            return Answer(request=request, kind=request.kind, problem="the photo cannot be decoded any more")
        problem, reached = "", True
        for attempt in range(self.retries + 1):
            try:
                return await self._post(session, request, picture, key)
            except _Refused as error:
                return Answer(request=request, kind=request.kind, problem=str(error))
            except Retry as error:
                problem, reached = str(error), error.reached
                if attempt < self.retries and not await _wanted_after(_wait(attempt, error.wait), request):
                    return None
        if not reached:
            raise CaptionError(f"The server {_public(self.url)} cannot be reached: {problem}. {_KEPT}")
        return Answer(request=request, kind=request.kind, problem=f"{problem}, {self.retries + 1} times")

    async def _post(self, session: "ClientSession", request: Request, picture: str, key: str) -> Answer:
        import aiohttp

        body = {
            "model": self.model,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": picture}},
                        {"type": "text", "text": request.prompt},
                    ],
                }
            ],
            "max_tokens": request.max_tokens,
            "temperature": self.temperature,
            "seed": request.seed,
        }
        try:
            # No redirects: the key goes to this address and to no other.
            where = f"{self.url.rstrip('/')}/chat/completions"
            async with session.post(where, json=body, allow_redirects=False) as response:
                text = _without(key, await response.text(errors="replace"))
                status, after = response.status, response.headers.get("Retry-After")
                moved = response.headers.get("Location")
        except TimeoutError:
            raise Retry(f"no answer within {self.timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            reached = not isinstance(error, aiohttp.ClientConnectorError)
            raise Retry(f"{type(error).__name__}: {error}", reached=reached) from None
        if status in _HOPELESS:
            advice = f"; is the key in {self.key_variable} right?" if status in (401, 403) else ""
            raise CaptionError(f"The server {_public(self.url)} answers {status}: {told(text)}{advice}")
        if status in _AGAIN or status >= 500:
            raise Retry(f"the server answers {status}: {told(text)}", wait=_asked(after))
        if moved is not None and 300 <= status < 400:
            raise _Refused(f"the server answers {status}: captions.url should lead to {_public(moved)} by itself")
        if status != 200:
            raise _Refused(f"the server answers {status}: {told(text)}")
        return read_completion(request, text)


class _Refused(Exception):  # noqa: N818
    """The server will not answer this request, now or later."""


class _Pictures:
    """Encodes each photo once, however many captions of it are asked for in a row."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._tasks: dict[str, asyncio.Task[str | None]] = {}

    async def of(self, request: Request) -> str | None:
        """The photo as a `data:` URL; None if it cannot be decoded any more."""
        key = request.facts.key
        if key not in self._tasks:
            if len(self._tasks) == 2 * _PREPARING:
                del self._tasks[next(iter(self._tasks))]
            self._tasks[key] = asyncio.create_task(asyncio.to_thread(data_url, request.content, self._side))
        return await self._tasks[key]


class _Outage:
    """Sees when a server fails at everything, which is no photo's fault."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._failed = 0

    def see(self, answer: Answer) -> None:
        """Count problems in a row.

        Raises:
            CaptionError: There are as many as requests in flight, or 8 if that is more.
        """
        self._failed = self._failed + 1 if answer.problem else 0
        if self._failed >= max(8, self._server.concurrency):
            raise CaptionError(
                f"The server {_public(self._server.url)} failed at {self._failed} requests in a row, the last one "
                f"with: {answer.problem}. {_KEPT}"
            )


def _until_done(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]", done: Done) -> None:
    """Run in a thread; what stops it is handed to whoever waits for answers."""
    try:
        loop.run_until_complete(task)
        done.put(_DONE)
    except asyncio.CancelledError:
        done.put(_DONE)
    except BaseException as error:
        done.put(_first(error))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _first(error: BaseException) -> BaseException:
    """The first error of a group of groups, one of ours if there is one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_first(one) for one in error.exceptions]
    return next((one for one in leaves if isinstance(one, CaptionError)), leaves[0])


def _wait(attempt: int, asked: float | None) -> float:
    """Seconds before the next attempt: what the server asks for, or twice as long each time.

    A little by chance, so that requests which failed together do not come back together.
    """
    jitter = random.uniform(0.75, 1.25)  # noqa: S311
    if asked is not None:
        return min(asked, _LONGEST_ASKED) + jitter - 0.75
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt) * jitter


async def _wanted_after(seconds: float, request: Request) -> bool:
    """Wait, but no longer than a request is wanted; whether it still is."""
    end = asyncio.get_running_loop().time() + seconds
    while request.is_wanted():
        left = end - asyncio.get_running_loop().time()
        if left <= 0:
            return True
        await asyncio.sleep(min(left, _LOOKS))
    return False


def _asked(retry_after: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); None if nothing in it can be read."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _without(key: str, text: str) -> str:
    return text.replace(key, "…") if key else text


def _public(url: str) -> str:
    """An address without the user's name and password, if it has any, and without a query."""
    before, separator, after = url.partition("?")[0].rpartition("://")
    return before + separator + after.rpartition("@")[2]
