"""The notebooks run from the first cell to the last, on real photos, as a reader would run them."""

import json
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def pile(photos: Path, folder: Path, count: int) -> Path:
    """Photos of a catalogue with what is known of them, one of them twice, and one once more and smaller."""
    folder.mkdir()
    chosen = sorted((photos / "catalogue").glob("*.jpg"))[:count]
    for photo in chosen:
        (folder / photo.name).symlink_to(photo)
    (folder / "again.jpg").symlink_to(chosen[0])
    with Image.open(chosen[1]) as picture:
        picture.reduce(2).save(folder / "smaller.jpg", quality=85)
    rows = (photos / "catalogue" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    names = {photo.name for photo in chosen}
    known = [rows[0], *(row for row in rows[1:] if row.partition(",")[0] in names)]
    (folder / "metadata.csv").write_text("\n".join(known), encoding="utf-8")
    return folder


def execute(name: str, tmp_path: Path, **environment: str) -> nbformat.NotebookNode:
    """The notebook after its cells ran; a cell that raises fails the test."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    # The kernel starts with the environment of this process.
    before = {key: os.environ.get(key) for key in environment}
    os.environ.update(environment)
    try:
        executed: nbformat.NotebookNode = client.execute()
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
    return executed


def texts(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells printed or showed, pictures as the name of their type."""
    found: list[str] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output.get("text", ""))
            for kind, data in output.get("data", {}).items():
                found.append(kind if kind.startswith("image/") else "".join(data))
    return "\n".join(found)


def test_photos_become_a_dataset(photos: Path, tmp_path: Path) -> None:
    folder = pile(photos, tmp_path / "photos", 40)
    shown = texts(execute("curate.ipynb", tmp_path, PHOTOS=str(folder), WORK=str(tmp_path / "work")))
    for reason in ("near duplicate", "cluttered background", "semantic duplicate", "balance"):
        assert re.search(rf"{reason}: [1-9]\d* photos?\.", shown), reason
    assert "data:image/" in shown
    assert "begins with 'The image shows'" in shown
    assert "photo of" in shown  # a caption
    counts = json.loads((tmp_path / "work/dataset/curation.json").read_text())["splits"]
    for name in ("webdataset", "mds", "imagefolder", "kohya"):
        assert json.loads((tmp_path / f"work/{name}/export.json").read_text())["splits"] == counts


def test_a_model_is_fine_tuned(photos: Path, tmp_path: Path) -> None:
    folder = pile(photos, tmp_path / "photos", 8)  # fewer than a step takes, so that the steps are short
    shown = texts(
        execute("finetune.ipynb", tmp_path, PHOTOS=str(folder), WORK=str(tmp_path / "work"), BUDGET="3 steps")
    )
    assert shown.count("image/png") >= 3  # before, after, and a picture drawn
    assert "3 steps of" in shown
    assert (tmp_path / "work/run/report.html").is_file()
