"""Whole runs with captions from a server: the command, its sample, a kill, and what is written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from aiohttp import web

from prx_data import ConfigError, curate
from prx_data.captions import Asking, Server
from prx_data.cli import main
from prx_data.config import make_config
from prx_data.curation import Workspace
from prx_data.storage import read_ledger

from .caption_server import Faults, Fixed, model_server, prompt_of, serving
from .tiny_vlm import write_tiny_vlm

DENSE = (
    "A flat thing of smooth board with three black dots, seen from the front. Its outline is uneven, its surface even, "
    "and the ground behind it is white and empty."
)
SHORT = "A flat thing with black dots"
RUN = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"


def says(body: dict[str, Any]) -> str:
    return DENSE if "paragraph" in prompt_of(body) else SHORT


def config_file(pile: Path, tmp_path: Path, url: str, name: str = "one", **captions: Any) -> Path:
    lines = [
        f'photos = "{pile}"',
        f'workspace = "{tmp_path / name}-work"',
        f'output = "{tmp_path / name}"',
        "workers = 1",
    ]
    lines += ["[captions]", 'kind = "server"', f'url = "{url}"', 'model = "tiny"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in captions.items()]
    path = tmp_path / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    shards = sorted((folder / "data").glob("*.parquet"))
    return {row["origin"]: row for one in shards for row in pq.read_table(one).drop_columns("image").to_pylist()}


def test_a_run_writes_captions_and_a_second_one_asks_for_nothing(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    fixed = Fixed(says)
    with serving(fixed) as url:
        path = config_file(pile, tmp_path, url)
        assert main(["curate", str(path)]) == 0
        asked = len(fixed.bodies)
        manifest = (tmp_path / "one" / "curation.json").read_text()
        assert main(["curate", str(path)]) == 0
    rows = rows_of(tmp_path / "one")
    assert asked == len(fixed.bodies) == 2 * len(rows)
    for row in rows.values():
        assert (row["caption"], row["caption_source"], row["caption_short"]) == (DENSE, "tiny", SHORT)
        assert [one["kind"] for one in row["captions"]] == ["dense", "short", "template"]
        assert row["caption_failure"] is None
    assert (tmp_path / "one" / "curation.json").read_text() == manifest
    loaded = datasets.load_dataset(str(tmp_path / "one"), cache_dir=str(tmp_path / "cache"), split="train")
    assert loaded[0]["captions"][1] == {
        "text": SHORT,
        "kind": "short",
        "source": "tiny",
        "prompt_version": "short-1",
        "weight": 1.0,
    }
    stages = [json.loads(line) for line in (tmp_path / "one-work" / "ledger.jsonl").read_text().splitlines()]
    assert json.loads(manifest)["versions"]["captioner"]["prompts"] == ["dense-1", "short-1", "template-3"]
    stage = next(one for one in stages if one["stage"] == "caption")
    assert (stage["items"], stage["unit"]) == (asked, "captions")
    for file in (one for one in tmp_path.rglob("*") if one.is_file()):
        assert b"sk-very-secret" not in file.read_bytes(), file


def test_the_place_of_the_server_changes_nothing_and_the_model_does(pile: Path, tmp_path: Path) -> None:
    with serving(Fixed(says)) as url:
        places = {"photos": pile, "workspace": tmp_path / "w", "output": tmp_path / "d", "workers": 1}
        captions = {"kind": "server", "url": url, "model": "tiny"}
        first = curate(**places, captions=captions).manifest
        moved = curate(**places, captions={**captions, "url": "http://elsewhere/v1", "concurrency": 3}).manifest
        assert moved == first
        other = curate(**places, captions={**captions, "model": "other"}).manifest
    assert other["fingerprint"] != first["fingerprint"]
    assert "elsewhere" not in json.dumps(first) + (tmp_path / "d" / "report.json").read_text()


def test_a_sample_is_shown_and_not_paid_for_again(
    pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = Fixed(lambda body: f"{says(body)}</p><script>alert(1)</script>" if len(fixed.bodies) == 1 else says(body))
    with serving(fixed) as url:
        path = config_file(pile, tmp_path, url, concurrency=1)
        assert main(["caption", str(path), "--sample", "3"]) == 0
        shown = capsys.readouterr().out
        assert len(fixed.bodies) == 7  # three paragraphs, three lines, and one again
        assert not (tmp_path / "one").exists()
        assert main(["caption", str(path), "--sample", "3"]) == 0
        assert len(fixed.bodies) == 7
        assert main(["curate", str(path)]) == 0
    rows = rows_of(tmp_path / "one")
    assert len(fixed.bodies) == 2 * len(rows) + 1
    page = (tmp_path / "one-work" / "captions.html").read_text()
    assert page.count("data:image/jpeg") == page.count('class="captioned"') == 3
    assert page.count(DENSE) == shown.count(DENSE) == 3
    assert "<script>alert" not in page
    assert f"3 of {len(rows)} photos" in shown


def test_captions_are_escaped_on_the_pages(pile: Path, tmp_path: Path) -> None:
    evil = DENSE.replace("uneven", "<img src=x onerror=alert(1)>")
    with serving(Fixed(lambda body: evil if "paragraph" in prompt_of(body) else SHORT)) as url:
        assert main(["caption", str(config_file(pile, tmp_path, url)), "--sample", "2"]) == 0
    page = (tmp_path / "one-work" / "captions.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page  # why it failed


def test_killed_in_the_middle_it_goes_on_and_pays_for_what_was_in_flight_at_most(pile: Path, tmp_path: Path) -> None:
    fixed = Fixed(says, seconds=0.4, in_turn=True)  # so that an answer is written before the next one comes
    with serving(fixed) as url:
        path = config_file(pile, tmp_path, url, name="killed", concurrency=3)
        journal = tmp_path / "killed-work" / "captions"
        process = subprocess.Popen([sys.executable, "-c", RUN, "curate", str(path)], start_new_session=True)
        while sum(one.read_bytes().count(b"\n") for one in journal.glob("*.jsonl")) < 4:
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept = [json.loads(line) for one in journal.glob("*.jsonl") for line in one.read_text().splitlines()]
        before = len(fixed.bodies)
        assert before - len(kept) <= 3
        fixed.seconds = 0.0
        assert main(["curate", str(path)]) == 0
        rows = rows_of(tmp_path / "killed")
        assert len(fixed.bodies) - before == 2 * len(rows) - len(kept)
        assert main(["curate", str(config_file(pile, tmp_path, url, name="whole"))]) == 0
    answers = [json.loads(line) for one in journal.glob("*.jsonl") for line in one.read_text().splitlines()]
    assert max(Counter((one["key"], one["prompt"], one["request"], one["seed"]) for one in answers).values()) == 1
    killed, whole = (json.loads((tmp_path / name / "curation.json").read_text()) for name in ("killed", "whole"))
    assert killed["fingerprint"] == whole["fingerprint"]


def test_a_real_model_behind_a_faulty_line_to_a_dataset(pile: Path, tmp_path: Path) -> None:
    """Random weights write nothing that passes the checks: every photo falls back, and says what was wrong."""
    model = write_tiny_vlm(tmp_path / "model")
    with model_server(model) as upstream, serving(Faults(upstream, seed=5, slow=0.5)) as url:
        photos = Workspace(tmp_path / "work")
        photos.add(pile)
        photos.measure(workers=1)
        chosen = photos.select()
        server = Server(url, model=str(model), side=56, concurrency=4)
        chosen.caption(server, Asking(checks={"dense_words": (3, 9), "short_words": (3, 9)}))
        chosen.write(tmp_path / "dataset")
    answers = (tmp_path / "work" / "captions" / f"{server.version}.jsonl").read_text().splitlines()
    rows = rows_of(tmp_path / "dataset")
    assert len(answers) == 4 * len(rows)  # two prompts, two attempts
    report = json.loads((tmp_path / "dataset" / "report.json").read_text())
    (bars,) = [one for one in report["blocks"] if one.get("caption", "").startswith("Who wrote the default captions")]
    assert bars["caption"].endswith(f"Without one that was asked for: {len(rows)} of {len(rows)} photos.")
    for row in rows.values():
        assert row["caption_source"] == "template"
        assert row["caption"] == row["caption_short"]
        assert row["caption_failure"].count("; then ") == 2


def test_a_server_that_is_down_leaves_what_was_there(
    pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", str(config_file(pile, tmp_path, "http://127.0.0.1:9/v1", retries=0))]) == 2
    assert "http://127.0.0.1:9/v1 cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()


def test_the_ledger_has_what_was_written_whether_it_went_on_or_not(pile: Path, tmp_path: Path) -> None:
    fixed = Fixed(says)

    async def failing(request: web.Request) -> web.StreamResponse:
        return await fixed(request) if len(fixed.bodies) < 5 else web.Response(status=402, text="no money")

    def told() -> list[tuple[int, str, str]]:
        rows = [one for one in read_ledger(tmp_path / "one-work" / "ledger.jsonl") if one["stage"] == "caption"]
        return [(one["items"], one["unit"], one["device"]) for one in rows]

    with serving(failing) as url:
        assert main(["curate", str(config_file(pile, tmp_path, url, concurrency=1))]) == 2
    assert told() == [(5, "captions", "server")]
    with serving(fixed) as url:
        path = config_file(pile, tmp_path, url)
        assert main(["curate", str(path)]) == 0
        rows = rows_of(tmp_path / "one")
        assert told()[1:] == [(2 * len(rows) - 5, "captions", "server")]
        assert main(["caption", str(path), "--sample", "3"]) == 0  # nothing is asked, and nothing is told
        assert len(told()) == 2
    path.write_text(path.read_text().partition("[captions]")[0])
    assert main(["curate", str(path)]) == 0
    assert told()[2:] == [(len(rows), "captions", "cpu")]


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        ({"kind": "server", "model": "m"}, r"captions = .* is wrong: .*kind = 'server' needs url"),
        ({"kind": "server", "model": "m", "url": "host/v1"}, r"captions\.url = 'host/v1' is wrong"),
        ({"kind": "server", "model": "m", "url": "http://h/v1", "dense_prompt": "p"}, "The prompt 'p' is neither"),
        ({"name_columns": ["a"]}, r"Unknown setting captions\.name_columns; known are template, dense_prompt"),
        ({"template": {"names": ["a"]}}, r"Unknown setting captions\.template\.names; known are caption_columns"),
        ({"budget": {"money": 3}}, "money needs price"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_nothing_is_done(
    pile: Path, tmp_path: Path, captions: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        curate(
            make_config({"photos": pile, "workspace": tmp_path / "w", "output": tmp_path / "d", "captions": captions})
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "w").exists()
