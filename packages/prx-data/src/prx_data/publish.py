"""A written dataset to the Hugging Face hub, a shard after the other; killed and run again, it goes on."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prx_data.dataset import MANIFEST
from prx_data.errors import ConfigError, PrxDataError, WorkspaceError
from prx_data.exports.written import Written
from prx_data.progress import Update, progress

COMMIT_FILES = 50
"""Shards in one commit; what the hub recommends at most."""
_CARD = "README.md"
_OURS = re.compile(r"data/(train|validation)-\d+-of-\d+\.parquet|leaks\.parquet")
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What came of it."""

    url: str
    sent: tuple[str, ...]
    """Files that were sent."""
    present: tuple[str, ...]
    """Files that the repository had already, with the same content."""
    removed: tuple[str, ...]
    """Data files of an earlier dataset that the new one does not have."""


def push(dataset: str | Path, repository: str, *, private: bool = True) -> Pushed:
    """Upload a dataset to the hub.

    Shards go first, one after the other, and are committed a few at a time; what the repository has with the same hash
    is not sent again. The other files go last, in one commit with the card and the manifest: until then the repository
    has no manifest, and is not complete. The token is that of the environment (`HF_TOKEN`) or of the hub's login.

    Args:
        dataset: A folder that `curate` or `Selection.write` wrote.
        repository: `owner/name`; created if it does not exist.
        private: For a repository that is created; that of one that exists is left as it is.

    Raises:
        ConfigError: The name is wrong, or `huggingface_hub` is missing; nothing was done.
        SourceError: The dataset cannot be read.
        WorkspaceError: The hub refused, or could not be reached.
    """
    if not _NAME.fullmatch(repository):
        raise ConfigError(f"repository = {repository!r} is wrong: it should be of the form owner/name.")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError("Pushing needs huggingface_hub: pip install 'prx-data[hub]'.") from error
    written = Written(Path(dataset))
    names = _names(written)
    with _told(repository), _one_bar():
        hub = huggingface_hub.HfApi(library_name="prx-data")
        url = hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        remote = _remote(hub, repository)
        missing = _different(written, names, remote)
        stale = sorted(name for name in remote.keys() - set(names) if _OURS.fullmatch(name))
        if missing or stale:
            _Upload(hub, repository, written.folder).run(missing, stale, had_manifest=MANIFEST in remote)
            left = _different(written, names, _remote(hub, repository))
            if left:
                raise WorkspaceError(f"{repository} on the hub does not have what was sent: {left[0]}; run it again.")
    present = tuple(name for name in names if name not in missing)
    return Pushed(url=str(url), sent=tuple(missing), present=present, removed=tuple(stale))


class _Upload:
    """One upload to one repository."""

    def __init__(self, hub: Any, repository: str, folder: Path) -> None:
        self._hub = hub
        self._repository = repository
        self._folder = folder

    def run(self, missing: list[str], stale: list[str], *, had_manifest: bool) -> None:
        """Send shards in commits, then all else in one, the card and the manifest at its end."""
        from huggingface_hub import CommitOperationDelete

        shards = [name for name in missing if name.startswith("data/")]
        others = [name for name in missing if name not in {*shards, _CARD, MANIFEST}]
        # What is half replaced has no manifest, so that nobody takes it for complete; then it is missing at the end.
        ends = [name for name in (_CARD, MANIFEST) if name in missing or (name == MANIFEST and had_manifest)]
        total = sum((self._folder / name).stat().st_size for name in [*shards, *others])
        with progress("uploading", total, unit="byte", unit_scale=True) as update:
            for start in range(0, len(shards), COMMIT_FILES):
                batch = [self._sent(name, update) for name in shards[start : start + COMMIT_FILES]]
                gone = [CommitOperationDelete(MANIFEST)] if start == 0 and had_manifest else []
                done = min(start + COMMIT_FILES, len(shards))
                self._commit([*batch, *gone], f"Shards up to {done} of {len(shards)}")
            last = [self._sent(name, update) for name in [*others, *ends]]
            gone = [CommitOperationDelete(name) for name in stale]
            self._commit([*gone, *last], "Card and manifest")

    def _sent(self, name: str, update: Update) -> Any:
        """A file, uploaded, to be named in a commit."""
        from huggingface_hub import CommitOperationAdd

        path = self._folder / name
        addition = CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path))
        self._hub.preupload_lfs_files(self._repository, [addition], repo_type="dataset")
        update(path.stat().st_size)
        return addition

    def _commit(self, operations: list[Any], message: str) -> None:
        self._hub.create_commit(self._repository, operations, commit_message=message, repo_type="dataset")


def _names(written: Written) -> list[str]:
    """Every file of a dataset, the shards first."""
    shards = [name for name in written.manifest["files"] if name.startswith("data/")]
    others = [path.name for path in written.folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return [*sorted(shards), *sorted(others)]


def _remote(hub: Any, repository: str) -> dict[str, Any]:
    """Every file of a repository."""
    tree = hub.list_repo_tree(repository, recursive=True, repo_type="dataset")
    return {one.path: one for one in tree if hasattr(one, "blob_id")}


def _different(written: Written, names: Sequence[str], remote: Mapping[str, Any]) -> list[str]:
    """The files that a repository lacks, or has with other content."""
    return [name for name in names if name not in remote or not _same(written, name, remote[name])]


def _same(written: Written, name: str, file: Any) -> bool:
    path = written.folder / name
    if file.size != path.stat().st_size:
        return False
    if file.lfs is None:  # a blob of git
        data = path.read_bytes()
        return bool(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == file.blob_id)
    known = written.manifest["files"].get(name, {}).get("sha256")
    return bool((known or _sha256(path)) == file.lfs.sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _one_bar() -> Iterator[None]:
    """Without the client's own bars, one for each file, also where there is no terminal."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """Turn what the hub or the network says into one sentence."""
    try:
        yield
    except PrxDataError:
        raise
    except Exception as error:  # the network raises nearly anything
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        advice = (
            "Set HF_TOKEN to a token that may write there, or log in with `hf auth login`"
            if status in (401, 403)
            else "The same command goes on from what was sent"
        )
        raise WorkspaceError(f"{repository} on the hub cannot be written to: {reason}. {advice}.") from error
