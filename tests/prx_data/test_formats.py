"""A workspace whose files are of another format, damaged, or of something else: one sentence, before any work."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import ConfigError, Workspace, curate
from prx_data.cli import main
from prx_data.formats import FORMAT

from .conftest import write_pile

Capture = pytest.CaptureFixture[str]
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def curated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a workspace and a dataset; to be copied."""
    home = tmp_path_factory.mktemp("curated")
    write_pile(home / "photos", [1, 2])
    write_pile(home / "known", [9])
    places = {name: home / name for name in ("photos", "workspace", "output")}
    curate(**places, against=home / "known", workers=1)
    return home


@pytest.fixture
def home(curated_once: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(curated_once, tmp_path, dirs_exist_ok=True)
    lines = [f'{name} = "{tmp_path / name}"' for name in ("photos", "workspace", "output")]
    (tmp_path / "curate.toml").write_text("\n".join([*lines, f'against = "{tmp_path / "known"}"', "workers = 1"]))
    return tmp_path


def source_in(workspace: Path) -> Path:
    (found,) = workspace.glob("sources/*.parquet")
    return found


def change_source(file: Path, change: Change) -> None:
    table = pq.read_table(file)
    about = change(json.loads(table.schema.metadata[b"prx-data"]))
    pq.write_table(table.replace_schema_metadata({"prx-data": json.dumps(about)}), file)


def change_json(file: Path, change: Change) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def without(name: str) -> Change:
    return lambda found: {key: value for key, value in found.items() if key != name}


def told(home: Path, capsys: Capture) -> str:
    """The one sentence that every command ends with; that nothing was measured or written."""
    ledger = (home / "workspace" / "ledger.jsonl").read_bytes()
    capsys.readouterr()
    sentences = set()
    for command in (
        ["curate", str(home / "curate.toml")],
        ["curate", str(home / "curate.toml"), "--dry-run"],
        ["caption", str(home / "curate.toml")],
        ["explain", "1.jpg", "--workspace", str(home / "workspace")],
        ["show", str(home / "workspace")],
        ["check", str(home / "workspace"), "any"],
        ["search", str(home / "workspace"), "red"],
    ):
        assert main(command) == 2, command
        said = capsys.readouterr()
        assert said.out == ""
        sentences.add(said.err)
    with pytest.raises(ConfigError):
        Workspace(home / "workspace")
    assert (home / "workspace" / "ledger.jsonl").read_bytes() == ledger
    (sentence,) = sentences
    assert sentence.count("\n") == 1
    return sentence


def heals(home: Path) -> None:
    """What the sentence says to do helps."""
    shutil.rmtree(home / "workspace")
    assert main(["curate", str(home / "curate.toml")]) == 0


JSON: list[tuple[Change, str]] = [
    (without("format"), "it lacks format"),
    (lambda found: {**found, "format": FORMAT + 1}, f"its format is {FORMAT + 1}, and not {FORMAT}"),
    (lambda found: {**found, "later": 1}, "it has more than it should: later"),
    (lambda found: [found], "it is no JSON object"),
    (lambda found: {"name": "something else"}, "it lacks "),
]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        *JSON,
        (without("unread"), "it lacks unread"),
        (lambda found: {**found, "notes": "one"}, "than it should be: notes"),
    ],
)
@pytest.mark.parametrize("of_another_set", [False, True])
def test_a_list_of_photos(change: Change, why: str, of_another_set: bool, home: Path, capsys: Capture) -> None:
    workspace = home / "workspace"
    owner = next((workspace / "against").iterdir()) if of_another_set else workspace
    change_source(source_in(owner), change)
    sentence = told(home, capsys)
    assert sentence.startswith(f"prx-data: The file {str(source_in(owner))!r} is not understood: ")
    assert why in sentence
    assert f"if {str(owner)!r} is a workspace and no more, delete it and run again" in sentence
    shutil.rmtree(owner)
    assert main(["curate", str(home / "curate.toml")]) == 0


@pytest.mark.parametrize("change", ["empty", "cut", "text", "foreign", "columns", "folder"])
def test_a_list_of_photos_that_is_none(change: str, home: Path, capsys: Capture) -> None:
    file = source_in(home / "workspace")
    table, data = pq.read_table(file), file.read_bytes()
    if change in ("empty", "cut", "text"):
        file.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"no Parquet file"}[change])
    elif change == "foreign":
        pq.write_table(pa.table({"origin": ["a"]}), file)
    elif change == "columns":
        pq.write_table(table.drop_columns(["stamp"]), file)
    else:
        file.unlink()
        file.mkdir()
    assert str(file) in told(home, capsys)
    heals(home)


@pytest.mark.parametrize("name", ["settings.json", "measures.json"])
@pytest.mark.parametrize("change", [*JSON, "", '{"format": 1, ', "\xff"])
def test_json(name: str, change: tuple[Change, str] | str, home: Path, capsys: Capture) -> None:
    file, why = home / "workspace" / name, ""
    if isinstance(change, str):
        file.write_bytes(change.encode("latin-1"))
    else:
        change_json(file, change[0])
        why = change[1]
    sentence = told(home, capsys)
    assert sentence.startswith(f"prx-data: The file {str(file)!r} is not understood: {why}")
    heals(home)


def test_rows_of_a_run_that_another_version_did_not_end(home: Path, capsys: Capture) -> None:
    journal = source_in(home / "workspace").with_suffix(".journal")
    journal.mkdir()
    pq.write_table(pa.table({"origin": ["a"]}), journal / "000000.parquet")
    assert str(journal / "000000.parquet") in told(home, capsys)


@pytest.mark.parametrize("change", [without("seed"), lambda found: {**found, "later": 1}, lambda found: {"rules": 1}])
def test_what_was_decided_by(change: Change, home: Path, capsys: Capture) -> None:
    """`curate` writes it anew; who asks afterwards has to know it."""
    file = home / "workspace" / "settings.json"
    change_json(file, lambda found: {**found, "decisions": change(found["decisions"])})
    for command in (["explain", "1.jpg", "--workspace", str(file.parent)], ["show", str(file.parent)]):
        assert main(command) == 2
        assert f"The file {str(file)!r} is not understood: " in capsys.readouterr().err
    assert main(["curate", str(home / "curate.toml")]) == 0
    assert main(["show", str(file.parent)]) == 0


def test_a_workspace_of_another_set_is_looked_at_before_any_work(home: Path, capsys: Capture) -> None:
    evaluation = Workspace(home / "evaluation")
    evaluation.add(home / "known")
    change_source(source_in(home / "evaluation"), without("unread"))
    with pytest.raises(ConfigError, match=r"evaluation/sources/\w+\.parquet' is not understood: it lacks "):
        curate(photos=home / "photos", workspace=home / "w", output=home / "d", against=home / "evaluation")
    assert not (home / "w").exists()


def test_a_folder_of_photos_with_files_of_these_names_is_another_set(home: Path) -> None:
    (home / "known" / "settings.json").write_text("[]")
    assert main(["curate", str(home / "curate.toml")]) == 0


def test_captions_of_a_model_are_not_to_be_deleted(home: Path, capsys: Capture) -> None:
    captions = home / "workspace" / "captions"
    captions.mkdir(exist_ok=True)
    change_json(home / "workspace" / "measures.json", without("format"))
    assert f"delete it, but for {str(captions)!r}, and run again" in told(home, capsys)


def test_columns_that_are_damaged(home: Path, capsys: Capture) -> None:
    shard = next((home / "workspace" / "measures").glob("basics-*/*.parquet"))
    for data in (b"", shard.read_bytes()[:500]):
        shard.write_bytes(data)
        for command in (["curate", str(home / "curate.toml")], ["show", str(home / "workspace")]):
            assert main(command) == 2
            assert f"The file {str(shard)!r} is not understood: " in capsys.readouterr().err
    shard.unlink()
    assert main(["curate", str(home / "curate.toml")]) == 0


def test_lines_of_the_ledger_that_are_none_are_passed_over(home: Path) -> None:
    ledger = home / "workspace" / "ledger.jsonl"
    ledger.write_bytes(b'3\n{"stage": "index"}\n\xff\n' + ledger.read_bytes())
    shutil.rmtree(home / "output")
    assert main(["curate", str(home / "curate.toml")]) == 0
