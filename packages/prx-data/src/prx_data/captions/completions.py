"""What a server with OpenAI's protocol answers, read: a chat completion, or words about an error."""

import json
from typing import Any

from prx_data.captions.protocol import Answer, Request

_STOPPED = frozenset({"length", "content_filter"})
"""Reasons to finish that are not the model's own."""


class Retry(Exception):  # noqa: N818
    """Something that may be over in a moment."""

    def __init__(self, reason: str, *, wait: float | None = None, reached: bool = True) -> None:
        super().__init__(reason)
        self.wait, self.reached = wait, reached


def read_completion(request: Request, text: str) -> Answer:
    """The answer in a response.

    Raises:
        Retry: It is cut short or is something else, and may be whole next time.
    """
    try:
        body = json.loads(text)
        choice = body["choices"][0]
        words = _words(choice["message"])
        tokens = max(0, int((body.get("usage") or {}).get("total_tokens") or 0))
        finished = choice.get("finish_reason") not in _STOPPED
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Retry(f"the answer is no chat completion: {text[:80]!r}") from None
    return Answer(request=request, kind=request.kind, text=words.strip(), finished=finished, tokens=tokens)


def _words(message: dict[str, Any]) -> str:
    """Of the answer alone: neither of reasoning, which stands beside it, nor of calls; a refusal where that is all."""
    content = message["content"]
    if isinstance(content, list):
        content = "".join(str(part["text"]) for part in content if part.get("type") in ("text", "output_text"))
    return str(content or message.get("refusal") or "")


def told(text: str) -> str:
    """A server's words about an error, in one line."""
    try:
        body = json.loads(text)
        error = body.get("error") or body.get("message") or body["detail"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    # Half a surrogate pair can stand in JSON, and in no file.
    return " ".join(str(text).encode(errors="replace").decode().split())[:200] or "without a word"
