"""A hub of datasets on this machine: as much of the Hugging Face hub as reading a dataset takes, and writing one."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from .hub_uploads import Uploads

NAME = "owner/name"


@contextmanager
def hub(
    folder: Path,
    uploads: Uploads | None = None,
    refused: Mapping[str, tuple[int, str]] | None = None,
    cut: Mapping[str, int] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as the dataset `owner/name`; yields the endpoint and the requests so far.

    With `uploads`, which writes into the same folder, the dataset exists when it has been created. A request whose path
    has a part that is `refused` gets that status and error code; of a file whose path has a part that is `cut`, no byte
    from that offset on is sent, and the connection is closed. What is refused or cut may change while it runs.
    """
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            requests.append(f"{self.command} {self.path}")

        def do_GET(self) -> None:
            self._answer(head=False)

        def do_HEAD(self) -> None:
            self._answer(head=True)

        def do_PUT(self) -> None:
            assert uploads is not None
            self._send(uploads.put(self.path, self._body()), b"", {})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers["Content-Length"]))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def do_POST(self) -> None:
            raw = self._body()
            host = f"http://{self.headers['Host']}"
            answer = uploads and uploads.post(self.path, raw, self.headers.get("Authorization", ""), host)
            if answer:
                self._send(answer[0], json.dumps(answer[1]).encode(), {"Content-Type": "application/json"})
                return
            body = raw.decode()
            names = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
            self._json([found for name in names for found in _entries(folder, name)])

        def _answer(self, *, head: bool) -> None:
            path, commit = unquote(urlparse(self.path).path), _commit(folder)
            refusal = next((one for part, one in (refused or {}).items() if part in path), None)
            if refusal:
                self._send(refusal[0], b"", {"X-Error-Code": refusal[1]}, head=head)
            elif uploads and not uploads.created:
                self._missing()
            elif path.startswith(f"/datasets/{NAME}/resolve/"):
                self._file(folder / path.split("/", 6)[6], head=head)
            elif path.startswith(f"/api/datasets/{NAME}/tree/"):
                parts = path.split("/", 7)
                found = _tree(folder, parts[7] if len(parts) > 7 else "", "recursive=true" in self.path.lower())
                self._json([uploads.described(one) for one in found] if uploads else found)
            elif path in (
                f"/api/datasets/{NAME}",
                *(f"/api/datasets/{NAME}/revision/{one}" for one in ("main", commit)),
            ):
                names = [file.relative_to(folder).as_posix() for file in _files(folder)]
                siblings = [{"rfilename": name} for name in sorted(names)]
                self._json({"id": NAME, "sha": commit, "private": False, "tags": [], "siblings": siblings})
            else:
                self._missing()

        def _missing(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound" if NAME not in self.path else "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _file(self, file: Path, *, head: bool) -> None:
            if not file.is_file():
                self._missing()
                return
            data, headers = file.read_bytes(), {"ETag": f'"{_oid(file)}"', "X-Repo-Commit": _commit(folder)}
            status, first = 200, "0"
            if self.headers.get("Range", "").startswith("bytes="):
                first, last = self.headers["Range"].removeprefix("bytes=").split("-")
                end = min(int(last or len(data) - 1), len(data) - 1)
                headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
                data, status = data[int(first) : end + 1], 206
            stop = next((one for part, one in (cut or {}).items() if part in file.name), None)
            self._send(status, data, headers, head=head, sent=None if stop is None else max(0, stop - int(first)))

        def _send(
            self, status: int, data: bytes, headers: dict[str, str], *, head: bool = False, sent: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data)), "Accept-Ranges": "bytes"}.items():
                self.send_header(name, value)
            self.end_headers()
            if not head:
                self.wfile.write(data[:sent])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", requests
        finally:
            running.shutdown()
            thread.join()


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _commit(folder: Path) -> str:
    """Another one for other files."""
    return sha1(
        "".join(f"{file} {_oid(file)}\n" for file in _files(folder)).encode(), usedforsecurity=False
    ).hexdigest()


def _oid(path: Path) -> str:
    data = path.read_bytes() if path.is_file() else str(path).encode()
    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _entries(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    if path.is_file():
        return [{"type": "file", "path": name, "size": path.stat().st_size, "oid": _oid(path)}]
    return [{"type": "directory", "path": name, "size": 0, "oid": _oid(path)}] if path.is_dir() and name else []


def _tree(folder: Path, below: str, recursive: bool) -> list[dict[str, Any]]:
    found = (folder / below).rglob("*") if recursive else (folder / below).glob("*")
    return [entry for path in sorted(found) for entry in _entries(folder, path.relative_to(folder).as_posix())]
