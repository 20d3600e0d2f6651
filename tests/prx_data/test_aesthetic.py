"""Aesthetic heads: the same as torch's linear layer on normalised embeddings; as a column, a rule and a preference."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from prx_data import Aesthetic, Clip, ConfigError, Picture, Rules, Settings, Workspace, curate
from prx_data.cli import main
from prx_data.config import make_config
from prx_data.decisions.keep import Preference
from prx_data.explain import explain_photo, open_workspace, settings_of
from prx_data.measures import standard_measures
from prx_data.measures.aesthetic import aesthetic, load_head

from .conftest import draw_product, encode
from .test_nsfw import write_network
from .tiny_clip import write_folder, write_model


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_linear_layer_on_embeddings_of_length_one(tmp_path: Path, bias: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 1, bias=bias)
    save_file(layer.state_dict(), tmp_path / "head.safetensors")
    embeddings = torch.randn(7, 12) * 5
    with torch.no_grad():
        expected = layer(torch.nn.functional.normalize(embeddings))[:, 0].numpy()
    head = load_head(tmp_path / "head.safetensors")
    assert np.allclose(aesthetic(embeddings.numpy(), head), expected, atol=1e-6)
    assert np.allclose(aesthetic(embeddings.numpy().astype(np.float16), head), expected, atol=2e-3)
    assert np.isnan(aesthetic(np.zeros((1, 12)), head)).all()
    with pytest.raises(ConfigError, match="takes embeddings of 12 numbers, and these have 5"):
        aesthetic(np.ones((3, 5)), head)


def test_what_is_no_head_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    with pytest.raises(ConfigError, match="There is no aesthetic head at "):
        load_head(path)
    path.write_text("no tensors")
    with pytest.raises(ConfigError, match="is no safetensors file"):
        load_head(path)
    save_file(torch.nn.Linear(12, 3).state_dict(), path)
    with pytest.raises(ConfigError, match=r"holds bias \[3\], weight \[3, 12\] instead of a matrix \[1, D\]"):
        load_head(path)


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return Clip(model="tiny-clip", weights=write_model(tmp_path / "model"), batch_size=4)


def write_head(path: Path, *, seed: int = 0, width: int = 24) -> Path:
    random = torch.Generator().manual_seed(seed)
    save_file({"weight": torch.randn(1, width, generator=random), "bias": torch.tensor([5.0])}, path)
    return path


def scores(workspace: Workspace) -> dict[str, float | None]:
    table = workspace.columns()
    return dict(zip(table["key"].to_pylist(), table["aesthetic"].to_pylist(), strict=True))


@pytest.mark.parametrize("decode_side", [None, 384])
def test_the_column_comes_from_the_embeddings_and_another_head_embeds_nothing(
    pile: Path, tmp_path: Path, clip: Clip, decode_side: int | None
) -> None:
    found = []
    for seed in (0, 1):
        measure = Aesthetic(head=write_head(tmp_path / f"{seed}.safetensors", seed=seed), clip=clip)
        photos = Workspace(tmp_path / "work", [*standard_measures(), measure, clip], decode_side=decode_side)
        photos.add(pile)
        assert bool(photos.measure(workers=1)) == (seed == 0)
        found.append((measure, scores(photos)))
        head = load_head(measure.head)
        for row in photos.columns().to_pylist():
            if row["clip"] is None:
                assert row["aesthetic"] is None
            else:
                vector = np.array(row["clip"], dtype=np.float64)
                expected = vector @ head.weight / np.linalg.norm(vector) + head.bias
                assert row["aesthetic"] == pytest.approx(expected, abs=1e-4)
        assert any(value is None for value in scores(photos).values())  # what could not be decoded
    (one, by_one), (other, by_other) = found
    assert by_one != by_other
    assert one.version != other.version
    picture = Picture(np.asarray(Image.open(pile / "0.jpg").convert("RGB")))
    key = next(row["key"] for row in photos.photos().to_pylist() if row["origin"] == "0.jpg")
    assert other(picture)["aesthetic"] == pytest.approx(by_other[key], abs=0.02)


def test_a_rule_drops_low_scores_and_the_better_copy_is_kept(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(6):
        for quality in (95, 40):
            name = f"{number} {quality}.jpg"
            (tmp_path / "photos" / name).write_bytes(encode(draw_product(number), quality=quality))
    measure = Aesthetic(head=write_head(tmp_path / "head.safetensors"), clip=clip)
    photos = Workspace(tmp_path / "work", [*standard_measures(), clip, measure])
    photos.add(tmp_path / "photos")
    photos.measure(workers=1)
    keys = dict(zip(photos.photos()["origin"].to_pylist(), photos.photos()["key"].to_pylist(), strict=True))
    found = scores(photos)
    value = {origin: found[key] or 0.0 for origin, key in keys.items()}
    limit = float(np.median(list(value.values())))

    low = photos.select(Rules(min_aesthetic=limit)).verdicts.to_pylist()
    dropped = {row["origin"]: row["detail"] for row in low if row["reason"] == "aesthetic"}
    assert dropped.keys() == {origin for origin, one in value.items() if one < limit}
    assert len(dropped) == 6
    first = min(dropped)
    assert dropped[first] == f"Aesthetic score {value[first]:.2f} is below {limit:g}."

    for keep in ([Preference.AESTHETIC], ["least_compressed"]):
        chosen = photos.select(settings=Settings(keep=keep, duplicate_radius=4))
        kept = {one.origin for one in chosen.decisions.kept}
        for number in range(6):
            pair = [f"{number} {quality}.jpg" for quality in (95, 40)]
            (winner,) = kept & set(pair)
            steps = [round(10 * value[one]) for one in pair]
            if keep == ["least_compressed"]:
                assert winner == pair[0]
            elif steps[0] != steps[1]:
                assert winner == pair[int(np.argmax(steps))]


def test_a_curation_with_a_head(pile: Path, tmp_path: Path, clip: Clip) -> None:
    head = write_head(tmp_path / "head.safetensors")
    settings: dict[str, Any] = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    settings |= {"clip": {"model": clip.model, "weights": str(clip.weights), "batch_size": 4}, "workers": 1}
    curate(**settings, aesthetic_head=head, rules={"min_aesthetic": -100}, keep=["aesthetic"])
    workspace = open_workspace(tmp_path / "work")
    known = scores(workspace)
    rows = pq.read_table(tmp_path / "dataset" / "data").to_pylist()
    assert {row["key"]: row["aesthetic"] for row in rows} == {row["key"]: known[row["key"]] for row in rows}
    told = explain_photo(workspace, workspace.select(settings=settings_of(workspace)), rows[0]["origin"])
    assert told is not None
    assert told["aesthetic"] == {"aesthetic": rows[0]["aesthetic"]}
    assert "How they score aesthetically" in (tmp_path / "dataset" / "report.html").read_text()
    curate(**{**settings, "output": tmp_path / "without"})
    assert pq.read_table(tmp_path / "without" / "data")["aesthetic"].null_count == len(rows)


@pytest.mark.parametrize("in_a_folder", [False, True])
def test_another_folder_finds_the_models_or_says_which_is_missing(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_a_folder: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if in_a_folder:
        model = {"model": f"local-dir:{write_folder(Path('model'), 'tiny-clip', {}).name}"}
    else:
        model = {"model": "tiny-clip", "weights": str(write_model(Path("model")))}
    head, network = write_head(Path("head.safetensors")), write_network(Path("colors.onnx"))
    asked: dict[str, Any] = {"clip": {**model, "batch_size": 4}, "aesthetic_head": head, "nsfw": {"model": network}}
    curate(photos=pile, workspace="work", output="dataset", workers=1, **asked)
    monkeypatch.chdir(pile)
    for command in (["explain", "1.jpg", "--workspace"], ["show"]):
        assert main([*command, str(tmp_path / "work")]) == 0, capsys.readouterr().err
    assert "aesthetic" in capsys.readouterr().out
    for path in (tmp_path / network, tmp_path / head, next((tmp_path / "model").glob("*.safetensors"))):
        path.rename(path.with_name("elsewhere"))
        assert main(["explain", "1.jpg", "--workspace", str(tmp_path / "work")]) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        assert str(path if path.parent == tmp_path or not in_a_folder else path.parent) in told
        path.with_name("elsewhere").rename(path)


def test_what_is_missing_is_told_before_any_work(pile: Path, tmp_path: Path, clip: Clip) -> None:
    places: dict[str, Any] = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    model = {"clip": {"model": clip.model, "weights": str(clip.weights)}}
    for settings, words in (
        ({"rules": {"min_aesthetic": 5}}, r"aesthetic_head = None is wrong: rules\.min_aesthetic = 5 needs a file"),
        ({"keep": ["aesthetic"]}, "keep looks at aesthetic scores, which need a file"),
        ({"aesthetic_head": "h"}, r"aesthetic_head = 'h' is wrong: it needs a table \[clip\]"),
    ):
        with pytest.raises(ConfigError, match=words):
            make_config({**places, **settings})
    for head, words in (
        (tmp_path / "none.safetensors", "There is no aesthetic head at "),
        (write_head(tmp_path / "wide.safetensors", width=30), "takes embeddings of 30 numbers, and these have 24"),
    ):
        with pytest.raises(ConfigError, match=words):
            curate(**places, **model, aesthetic_head=head)
    assert not (tmp_path / "work").exists()
    photos = Workspace(tmp_path / "work", [*standard_measures(), Aesthetic(head=head, clip=clip)])
    photos.add(pile)
    photos.measure(workers=1)
    with pytest.raises(ConfigError, match="Aesthetic scores need the measure 'clip' beside them"):
        photos.select()
    plain = Workspace(tmp_path / "work")
    with pytest.raises(ConfigError, match=r"rules\.min_aesthetic = 5 needs a CLIP and a head"):
        plain.select(Rules(min_aesthetic=5))
    with pytest.raises(ConfigError, match="'aesthetic' in keep needs a CLIP and a head"):
        plain.select(settings=Settings(keep=[Preference.AESTHETIC]))
