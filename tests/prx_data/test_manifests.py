"""CSV, JSONL and Parquet lists of photos: encodings, delimiters, names, duplicates, faults."""

import threading
import unicodedata
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import SourceError, Workspace
from prx_data.records import PhotoFile
from prx_data.sources import Findings, open_source
from prx_data.sources.tables import NAME_COLUMNS

from .conftest import draw_product, encode

PHOTO = encode(draw_product(1), quality=92)


def scan(photos: str | Path, metadata: str | Path | None = None) -> tuple[dict[str, PhotoFile], Findings]:
    findings = Findings()
    found = list(open_source(photos, metadata).photos(findings))
    assert len({one.origin for one in found}) == len(found)
    return {one.origin: one for one in found}, findings


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_delimiters_and_encodings(tmp_path: Path, delimiter: str, encoding: str) -> None:
    (tmp_path / "Schuh grün.jpg").write_bytes(PHOTO)
    text = delimiter.join(["file_name", "name"]) + "\r\n" + delimiter.join(["Schuh grün.jpg", '"größer, "" neu"'])
    (tmp_path / "list.csv").write_bytes((text + "\r\n").encode(encoding))
    found, findings = scan(tmp_path / "list.csv")
    assert {name: one.metadata for name, one in found.items()} == {"Schuh grün.jpg": {"name": 'größer, " neu'}}
    assert [note for note in findings.notes if "Windows-1252" in note] == findings.notes
    assert len(findings.notes) == (encoding == "cp1252")


@pytest.mark.parametrize("column", [*NAME_COLUMNS, "File_Name", "IMAGE"])
def test_the_column_that_names_the_photo(tmp_path: Path, column: str) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "list.csv").write_text(f"other,{column}\nx,a.jpg\n")
    assert scan(tmp_path / "list.csv")[0]["a.jpg"].metadata == {"other": "x"}


def test_the_first_of_several_name_columns_counts(tmp_path: Path) -> None:
    columns = list(reversed(NAME_COLUMNS))
    (tmp_path / "list.csv").write_text(",".join(columns) + "\n" + ",".join(f"{one}.jpg" for one in columns) + "\n")
    assert list(scan(tmp_path / "list.csv")[0]) == ["file_name.jpg"]


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("a b.jpg", "a b.jpg"),
        ("sub\\c.jpg", "sub/c.jpg"),
        ("./sub/../sub/c.jpg", "sub/c.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("100%25.jpg", "100%25.jpg"),
        (" a b.jpg ", "a b.jpg"),
        (unicodedata.normalize("NFD", "größe.jpg"), unicodedata.normalize("NFC", "größe.jpg")),
        ("{folder}/sub/c.jpg", "sub/c.jpg"),
        ("file://{folder}/sub/c.jpg", "sub/c.jpg"),
        ("#1?.jpg", "#1?.jpg"),
        ("range:1+2:x.jpg", "range:1+2:x.jpg"),
    ],
)
def test_names_as_people_and_shops_write_them(tmp_path: Path, written: str, origin: str) -> None:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    names = ["a b.jpg", "sub/c.jpg", "100%25.jpg", unicodedata.normalize("NFC", "größe.jpg"), "#1?.jpg"]
    for name in [*names, "range:1+2:x.jpg"]:
        (folder / name).write_bytes(PHOTO)
    (folder / "list.csv").write_text(f"file_name\n{written.format(folder=folder)}\n")
    photos = Workspace(tmp_path / "work")
    photos.add(folder / "list.csv")
    assert [(row["origin"], row["status"]) for row in photos.photos().to_pylist()] == [(origin, "ok")]
    if "sub" not in written or "{" not in written:  # the same name in a folder's metadata means the same file
        (folder / "list.csv").rename(folder / "metadata.csv")
        assert set(scan(folder)[0]) == {*names, "range:1+2:x.jpg"}


def test_photos_outside_the_manifests_folder(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "lists" / "list.csv").write_text(f"file_name\n../a.jpg\n{tmp_path}/a.jpg\n")
    found, _ = scan(tmp_path / "lists" / "list.csv")
    assert list(found) == [str(tmp_path / "a.jpg")]


def test_a_photo_that_is_described_twice_is_one_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    lines = ["file_name,color", "a.jpg,red", "./a.jpg,red", "a.jpg,blue", "a.jpg,green"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    for source, metadata in ((tmp_path / "list.csv", None), (tmp_path, tmp_path / "list.csv")):
        found, findings = scan(source, metadata)
        assert {name: one.metadata for name, one in found.items()} == {"a.jpg": {"color": "red"}}
        assert len(findings.notes) == 1
        assert "rows that describe a photo otherwise than an earlier one: 2, the first" in findings.notes[0]
        assert "line 4 (a.jpg)" in findings.notes[0]


def test_missing_files_and_rows_without_a_name_are_rows(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    text = "file_name,sku\ngone.jpg,1\n,2\nfolder.jpg,3\nempty.jpg,4\n\n,\n"
    for name, source in (("list.csv", tmp_path / "list.csv"), ("metadata.csv", tmp_path)):
        (tmp_path / name).write_text(text)
        photos = Workspace(tmp_path / "work" / name)
        photos.add(source)
        rows = {row["origin"]: row["status"] for row in photos.photos().to_pylist()}
        named = {"gone.jpg": "missing", "folder.jpg": "unreadable", "empty.jpg": "ok"}
        assert rows == {**named, f"{name}/3": "missing"}


def parquet(rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", r"a\.csv has no column 'file_name' .*; it is empty\."),
        ("a.csv", b"name,color\nx,y\n", r"it has \['name', 'color'\]; of a manifest, image_column says which"),
        ("a.csv", b"file_name,color\n", "has no rows"),
        ("a.csv", b"file_name,color\nx.jpg,red,blue\n", r"a\.csv, line 2: 3 values for 2 columns"),
        ("a.csv", b'file_name,color\n\ny.jpg,"red\n', r"a\.csv, line 3: not CSV: unexpected end of data\.$"),
        (
            "a.csv",
            b"file_name\nx.jpg,1\ny.jpg,2\nz.jpg\n",
            r"line 2: 2 values for 1 column; 2 of 3 lines are broken\.$",
        ),
        ("a.csv", b"file_name,color,color\nx.jpg,red,blue\n", r"a\.csv, line 1: two columns are called 'color'"),
        ("a.csv", b"file_name\nx\ny\x81.jpg\n", r"a\.csv, line 3: neither UTF-8 nor Windows-1252"),
        ("a.jsonl", b'\n\n{"file_name": \n', r"a\.jsonl, line 3: not JSON: Expecting value at character 15\.$"),
        ("a.jsonl", b'["y.jpg"]\n', r"a\.jsonl, line 1: not a JSON object but"),
        ("a.jsonl", b'{"name": "x.jpg"}\n', "no column 'file_name'"),
        ("a.parquet", b"PAR1 nothing", r"a\.parquet' is not Parquet"),
        ("a.parquet", parquet([{"name": "x"}]), "no column 'file_name'"),
        ("a.parquet", parquet([{"file_name": "x"}])[:-9], "is not Parquet"),
        ("a.parquet", parquet([], pa.schema({"image": pa.binary()})), r"a\.parquet' holds no pictures\.$"),
        ("a.tar.gz", b"\x1f\x8b\x08", "of no known kind"),
        ("a.jpg", PHOTO, "is one picture; name the folder"),
        ("a.txt", b"hello", "is a file, not a folder, and of no known kind; give a folder, a CSV"),
        ("a.csv", b"file_name\nnosuch://x/y.jpg\n", "nothing is known of nosuch://"),
    ],
)
def test_what_is_broken_as_a_whole_is_one_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    photos = Workspace(tmp_path / "work")
    with pytest.raises(SourceError, match=words) as error:
        photos.add(tmp_path / name)
    assert "\n" not in str(error.value)
    assert photos.sources == []


@pytest.mark.parametrize("photos", [["a", "b"], (), "", None, 3])
def test_what_is_no_name_is_one_sentence(tmp_path: Path, photos: Any) -> None:
    several = "; of several piles, add one after the other" if isinstance(photos, list | tuple) else ""
    with pytest.raises(SourceError, match=rf"is no path or URL{several}\.$"):
        Workspace(tmp_path / "work").add(photos)


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        ("nowhere", "does not exist"),
        ("{folder}/{{000..001}}.tar", "names .*000.tar, which does not exist"),
        ("{folder}/*.tar", "matches no file"),
        ("memory://nowhere", "does not exist"),
        ("nosuch://a/b", "nothing is known of nosuch://"),
        ("gs://a/b", "a package is missing"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, photos: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as error:
        scan(photos.format(folder=tmp_path))
    assert "\n" not in str(error.value)


def test_metadata_of_a_manifest_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file_name\na.jpg\n")
    with pytest.raises(SourceError, match="goes with a folder"):
        scan(tmp_path / "a.csv", tmp_path / "a.csv")


def test_jsonl_has_types(tmp_path: Path) -> None:
    lines = [
        '{"file_name": "a", "n": 1, "x": 1, "b": true, "l": [1, 2], "m": 1, "o": {"deep": [1]}, "big": 1}',
        '{"file_name": "b", "n": null, "x": 2.5, "l": [], "m": "one", "mixed": [1, "a"], "big": 99999999999999999999}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found, findings = scan(tmp_path / "a.jsonl")
    assert found["a"].metadata == {"n": 1, "x": 1.0, "b": True, "l": [1, 2], "m": "1", "o": '{"deep": [1]}', "big": "1"}
    assert found["b"].metadata == {"x": 2.5, "l": [], "m": "one", "mixed": '[1, "a"]', "big": "99999999999999999999"}
    types = {name: one.get("dtype", one["_type"]) for name, one in findings.features.items()}
    text = dict.fromkeys(("m", "o", "mixed", "big"), "string")
    assert types == {"n": "int64", "x": "float64", "b": "bool", "l": "List", **text}


def test_parquet_dates_and_decimals_are_text_and_bytes_are_left_out(tmp_path: Path) -> None:
    table = pa.table(
        {
            "file_name": pa.array(["a", None]).dictionary_encode(),
            "day": pa.array([0, None], pa.date32()),
            "at": pa.array([1, None], pa.timestamp("ns", "UTC")),
            "price": pa.array([None, "1.50"]).cast(pa.decimal128(5, 2)),
            "kind": pa.array(["shoe", None]).dictionary_encode(),
            "small": pa.array([3, None], pa.uint8()),
            "ratio": pa.array([0.1, None], pa.float32()),
            "mask": pa.array([b"x", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found, findings = scan(tmp_path / "a.parquet")
    metadata = dict(found["a"].metadata)
    assert metadata.pop("at").startswith("1970-01-01 00:00:00.000000001")
    assert metadata == {"day": "1970-01-01", "kind": "shoe", "small": 3, "ratio": pytest.approx(0.1)}
    assert found["a.parquet/2"].metadata == {"price": "1.50"}
    assert findings.features["small"]["dtype"] == "uint8"
    assert findings.features["ratio"]["dtype"] == "float32"
    assert "left out: mask" in findings.notes[0]


def test_odd_types_and_texts_do_not_stop_a_run(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": [PHOTO, PHOTO],
            "lasts": pa.array([1, None], pa.duration("s")),
            "half": pa.array([0.5, None], pa.float16()),
            "at": pa.array([1, None], pa.time64("us")),
            "many": pa.array([[0], None], pa.list_(pa.date32())),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "none": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "list.jsonl").write_text(
        '{"file_name": "' + 300 * "x" + '", "name": "\\ud83d"}\n{"file_name": "a\\u0000b"}'
    )
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "list.jsonl")
    photos.add(tmp_path / "a.parquet")
    rows = photos.photos().to_pylist()
    assert [row["status"] for row in rows] == ["ok", "ok", "unreadable", "unreadable"]
    photos.measure(workers=1)
    photos.select().write(tmp_path / "dataset")
    (row,) = pq.read_table(next((tmp_path / "dataset").glob("data/train*"))).to_pylist()
    assert {name: row[name] for name in ("lasts", "half", "at", "many", "map", "none")} == {
        "lasts": "1",
        "half": 0.5,
        "at": "00:00:00.000001",
        "many": '["1970-01-01"]',
        "map": '[["a", 1]]',
        "none": None,
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder, the URL that it is served at, and the requests so far."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            requests.append(f"{self.command} {self.path}")

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}", requests
        running.shutdown()
        thread.join()


def test_urls_in_a_manifest(server: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, url, requests = server
    for name in ("a.jpg", "b c.jpg"):
        (folder / name).write_bytes(PHOTO + name.encode())
    lines = ["url,sku", f"{url}/a.jpg,1", f"{url}/b%20c.jpg,2", f"{url}/gone.jpg,3", "http://127.0.0.1:9/no.jpg,4"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "list.csv")
    statuses = {row["origin"]: row["status"] for row in photos.photos().to_pylist()}
    assert statuses == {
        f"{url}/a.jpg": "ok",
        f"{url}/b%20c.jpg": "ok",
        f"{url}/gone.jpg": "missing",
        "http://127.0.0.1:9/no.jpg": "unreadable",
    }
    assert photos.measure(workers=1) == 2
    requests.clear()
    photos.add(tmp_path / "list.csv")
    assert not [one for one in requests if one.startswith("GET") and "gone" not in one]


def test_a_manifest_at_a_url_and_paths_relative_to_it(server: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, url, _ = server
    (folder / "sub").mkdir()
    (folder / "sub" / "a.jpg").write_bytes(PHOTO)
    (folder / "list.csv").write_text("file_name\nsub/a.jpg\n")
    photos = Workspace(tmp_path / "work")
    photos.add(f"{url}/list.csv?token=[1]")
    assert [(row["origin"], row["status"]) for row in photos.photos().to_pylist()] == [("sub/a.jpg", "ok")]


def test_a_missing_package_is_a_sentence_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(protocol: str) -> None:
        raise ImportError("aiohttp")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    (tmp_path / "list.csv").write_text("url\nhttps://example.com/a.jpg\n")
    with pytest.raises(SourceError, match=r"a package is missing: pip install 'prx-data\[http\]'"):
        scan(tmp_path / "list.csv")
    with pytest.raises(SourceError, match=r"'owner/name' does not exist, unless .* pip install 'prx-data\[hub\]'"):
        scan("owner/name")
