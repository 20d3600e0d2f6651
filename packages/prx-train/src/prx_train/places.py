"""Where a dataset lies: in a folder here, on the hub, or at any address that fsspec knows.

A dataset of the hub is downloaded once, or with `stream` read in place: the columns of words first, and the pictures
row group by row group when they are trained on, so that a terabyte takes no disk. It is pinned to the commit that was
found, so that it cannot change under a run.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq

from prx_train.errors import DatasetError
from prx_train.storage import digest, file_digest

T = TypeVar("T")

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_HUB = "hf://datasets/"
MANIFEST = "curation.json"
"""Written last into a dataset of prx-data's."""
_PATTERNS = [MANIFEST, "ledger.jsonl", "report.json", "*.parquet"]
_TRIES, _FIRST_PAUSE = 5, 0.5  # of what goes over a network; seconds, doubled each time
_READ_AHEAD = 1 << 20  # bytes: a footer is read at one go
_CLIENTS = ("httpx", "httpcore", "aiohttp", "requests", "urllib3", "botocore")
"""How the names of the libraries begin that talk to a network: not all of their errors are an `OSError`."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The folder of a dataset."""

    root: str
    """A path, or an address with `://`, without a slash at the end."""
    only: str | None = None
    """The one file of it that was asked for; None for all."""

    @property
    def local(self) -> bool:
        """Whether it lies on this machine."""
        return "://" not in self.root

    @property
    def path(self) -> Path | None:
        """On this machine; None if it lies elsewhere."""
        return Path(self.root) if self.local else None

    def files(self, ending: str = ".parquet") -> list[str]:
        """Paths or addresses of the files below `data` if there are any, else below the folder itself; in order.

        What lies in folders that are hidden, or named with two underscores, is left out.
        """
        if self.only is not None:
            return [self.only]
        return self._listed(f"{self.root}/data", ending) or self._listed(self.root, ending)

    def parts(self, file: str) -> tuple[str, ...]:
        """The names on the way from the folder to a file of it, its own the last."""
        root, path = (place.rsplit("://", 1)[-1].strip("/") for place in (self.root, file))
        return tuple((path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else path).split("/"))

    def _listed(self, place: str, ending: str) -> list[str]:
        if self.local:
            found = [file.as_posix() for file in Path(place).rglob(f"*{ending}")]
        else:
            system, path = _system(place)
            scheme = place.split("://", 1)[0]
            try:
                names = retried(lambda: system.find(path))
            except FileNotFoundError:
                return []
            found = [f"{scheme}://{name.split('://')[-1]}" for name in names if name.endswith(ending)]
        return sorted(file for file in found if not any(one.startswith((".", "__")) for one in self.parts(file)))

    def text(self, name: str) -> str | None:
        """What a file of the folder says; None if there is none."""
        try:
            if self.local:
                return Path(self.root, name).read_text(encoding="utf-8")
            system, path = _system(f"{self.root}/{name}")
            return str(retried(lambda: system.cat_file(path)).decode("utf-8"))
        except FileNotFoundError:
            return None

    def empty(self) -> bool:
        """Whether nothing at all is in it."""
        return self.local and not any(Path(self.root).iterdir())


def find_folder(dataset: str, *, stream: bool = False) -> Folder:
    """The folder of a dataset that is named by its folder, its address or its id on the hub.

    Args:
        dataset: `my/dataset`, `owner/name` or `owner/name@revision` on the hub, or an address such as
            `s3://bucket/dataset`; or one Parquet file, by its path or address.
        stream: Whether a dataset of the hub is read in place. One at another address always is.

    Raises:
        DatasetError: it is none of them, or cannot be reached.
    """
    name = dataset.rstrip("/")
    if Path(name).is_dir():
        return Folder(root=name)
    if Path(name).is_file() and name.endswith(".parquet"):
        return Folder(root=Path(name).parent.as_posix(), only=name)
    try:
        if "://" in name and name.endswith(".parquet"):
            _system(name)
            return Folder(root=name.rpartition("/")[0], only=name)
        if "://" in name and not name.startswith(_HUB):
            _system(name)
            return Folder(root=name)
        if _HUB_ID.fullmatch(hub_id := name.removeprefix(_HUB)):
            return _of_hub(hub_id, stream=stream or name.startswith(_HUB))
    except (OSError, ValueError, ImportError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"config key 'dataset' = '{dataset}' is no folder, and cannot be reached: {first}") from None
    raise DatasetError(f"config key 'dataset' = '{dataset}' is not a folder.")


def _of_hub(name: str, *, stream: bool) -> Folder:
    import huggingface_hub

    repository, _, revision = name.partition("@")
    if not stream:
        place = huggingface_hub.snapshot_download(
            repository, repo_type="dataset", revision=revision or None, allow_patterns=_PATTERNS
        )
        return Folder(root=str(place))
    with _network():
        commit = huggingface_hub.HfApi().dataset_info(repository, revision=revision or None).sha
    return Folder(root=f"{_HUB}{repository}@{commit}")


def open_parquet(file: str) -> pq.ParquetFile:
    """A Parquet file by its path or address; the footer of one over a network is kept.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not Parquet.
    """
    if "://" not in file:
        return pq.ParquetFile(file)
    with _network():
        return pq.ParquetFile(_opened(file), metadata=_footer(file), pre_buffer=True)


def read_file(file: str) -> bytes:
    """The content of a file by its path or address.

    Raises:
        OSError: it cannot be read.
    """
    if "://" not in file:
        return Path(file).read_bytes()
    system, path = _system(file)
    return bytes(retried(lambda: system.cat_file(path)))


def content_mark(file: str) -> str:
    """Changes with a file's content: its digest, or over a network what its keeper says of it.

    Raises:
        OSError: it cannot be read.
    """
    if "://" not in file:
        return file_digest(Path(file))
    system, path = _system(file)
    return digest(str(retried(lambda: system.ukey(path))))


def change_mark(file: str) -> str:
    """Changes when a file is written to, moved or put back; of a local one nothing is read."""
    if "://" in file:
        # Not every keeper says more of a file than its address.
        return digest(content_mark(file), str(open_parquet(file).metadata.to_dict()))
    path = Path(file).resolve()
    found = path.stat()
    return digest(str(path), *map(str, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))


def retried(read: Callable[[], T]) -> T:
    """What a reader over a network gives, asked again a few times if the network fails.

    Raises:
        OSError: it failed every time, or there is no such file.
    """
    pause = _FIRST_PAUSE
    for _ in range(_TRIES - 1):
        try:
            with _network():
                return read()
        except FileNotFoundError:
            raise
        except OSError:
            time.sleep(pause)
            pause *= 2
    with _network():
        return read()


@contextmanager
def _network() -> Iterator[None]:
    """What a network does wrong within it is an `OSError`, whoever talks to it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or not type(error).__module__.startswith(_CLIENTS):
            raise
        raise OSError(str(error) or type(error).__name__) from error


@lru_cache(maxsize=4096)
def _footer(file: str) -> Any:
    return retried(lambda: pq.ParquetFile(_opened(file)).metadata)


def _opened(file: str) -> Any:
    system, path = _system(file)
    return system.open(path, "rb", block_size=_READ_AHEAD, cache_type="readahead")


def _system(address: str) -> tuple[Any, str]:
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return system, str(path)
