"""Writing to the hub of `hub_server`: creating a dataset, large files by LFS, commits."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

NAME = "owner/name"
TOKEN = "hf_" + "s" * 34
LARGE = (".parquet", ".png")


class Uploads:
    """What was sent. Large files are kept by their SHA-256 and come into the folder when a commit names them."""

    def __init__(self, folder: Path, store: Path, before_put: Callable[[int], None] = lambda number: None) -> None:
        self.folder = folder
        self.store = store
        self.before_put = before_put
        """Called with the number of each large file that comes in, from 1, before it is kept."""
        self.created: dict[str, Any] = {}
        self.puts: list[str] = []
        self.commits: list[list[tuple[str, str]]] = []

    def put(self, path: str, data: bytes) -> int:
        oid = path.rpartition("/")[2]
        self.puts.append(oid)
        self.before_put(len(self.puts))
        assert sha256(data).hexdigest() == oid
        self.store.mkdir(exist_ok=True)
        (self.store / oid).write_bytes(data)
        return 200

    def post(self, path: str, body: bytes, token: str, host: str) -> tuple[int, Any] | None:
        """The answer; None for what is not about writing."""
        where = urlparse(path).path
        answers: dict[str, Callable[[bytes], Any]] = {
            "/api/repos/create": self._create,
            "/api/validate-yaml": lambda _: {"errors": [], "warnings": []},
            f"/api/datasets/{NAME}/preupload/main": self._modes,
            f"/datasets/{NAME}.git/info/lfs/objects/batch": lambda sent: self._objects(sent, host),
            f"/api/datasets/{NAME}/commit/main": lambda sent: self._commit(sent, host),
        }
        if where not in answers:
            return None
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if where == "/api/repos/create" and self.created:
            return 409, {"error": "You already created this dataset repo", "url": f"{host}/datasets/{NAME}"}
        return 200, answers[where](body) | {"url": f"{host}/datasets/{NAME}"}

    def described(self, entry: dict[str, Any]) -> dict[str, Any]:
        """An entry of the tree with what the hub says about large files."""
        if entry["type"] != "file" or not entry["path"].endswith(LARGE):
            return entry
        digest = sha256((self.folder / entry["path"]).read_bytes()).hexdigest()
        return {**entry, "lfs": {"oid": digest, "size": entry["size"], "pointerSize": 134}, "oid": digest[:40]}

    def _create(self, body: bytes) -> dict[str, Any]:
        self.created = json.loads(body)
        return {}

    def _modes(self, body: bytes) -> dict[str, Any]:
        names = [one["path"] for one in json.loads(body)["files"]]
        mode = {True: "lfs", False: "regular"}
        return {"files": [{"path": n, "uploadMode": mode[n.endswith(LARGE)], "shouldIgnore": False} for n in names]}

    def _objects(self, body: bytes, host: str) -> dict[str, Any]:
        asked = json.loads(body)["objects"]
        known = {one["oid"] for one in asked if (self.store / one["oid"]).exists()}
        send = {one["oid"]: {"actions": {"upload": {"href": f"{host}/lfs/{one['oid']}"}}} for one in asked}
        return {
            "transfer": "basic",
            "objects": [one | ({} if one["oid"] in known else send[one["oid"]]) for one in asked],
        }

    def _commit(self, body: bytes, host: str) -> dict[str, Any]:
        done = []
        for line in body.decode().splitlines():
            key, value = (json.loads(line)[name] for name in ("key", "value"))
            if key == "header":
                continue
            file = self.folder / value["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            if key == "deletedFile":
                file.unlink()
            elif key == "lfsFile":
                file.write_bytes((self.store / value["oid"]).read_bytes())
            else:
                assert key == "file"
                file.write_bytes(base64.b64decode(value["content"]))
            done.append((key, value["path"]))
        self.commits.append(done)
        oid = f"{len(self.commits):040x}"
        return {"success": True, "commitOid": oid, "commitUrl": f"{host}/datasets/{NAME}/commit/{oid}"}
