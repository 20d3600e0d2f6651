"""CLIP as a measure, with real tiny models: what open_clip gives, in batches, killed or not."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loky.backend.reduction import dumps  # as tasks travel to other processes
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from prx_data import Clip, ConfigError, Picture, Settings, Workspace, curate
from prx_data.config import load_config
from prx_data.decisions.duplicates import matrix
from prx_data.decoding import decode
from prx_data.explain import explain_file, open_workspace
from prx_data.measures import standard_measures, takes_batches
from prx_data.measures.model_crop import Crop
from prx_data.storage import read_ledger

from .conftest import draw_product, encode
from .tiny_clip import SQUASH, write_folder, write_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of several shapes, two of them broken."""
    pile = tmp_path / "photos"
    pile.mkdir()
    for number in range(30):
        picture = draw_product(number, size=(200 + 7 * number, 240 + 31 * (number % 5)))
        (pile / f"{number:02}.jpg").write_bytes(encode(picture, quality=92))
    (pile / "empty.jpg").touch()
    (pile / "cut.jpg").write_bytes(encode(draw_product(40))[:500])
    return pile


def opened(work: Path, pile: Path, clip: Clip) -> Workspace:
    photos = Workspace(work, measures=[*standard_measures(), clip])
    photos.add(pile)
    return photos


def embeddings(photos: Workspace, name: str = "clip") -> dict[str, Any]:
    (clip,) = (one for one in photos.measures if one.name == name)
    table = photos.measured(clip.name, clip.version)
    return dict(zip(table["key"].to_pylist(), table[clip.name].to_pylist(), strict=True))


def peers(model: Any, transform: Any, paths: list[Path]) -> Any:
    """What open_clip itself gives for files, one by one."""
    with torch.inference_mode():
        pictures = [transform(Image.fromarray(_pixels(path)))[None] for path in paths]
        return np.concatenate([model.encode_image(one, normalize=True).numpy() for one in pictures])


def _pixels(path: Path) -> Any:
    pixels = decode(path.read_bytes()).pixels
    assert pixels is not None
    return pixels


@pytest.mark.parametrize("workers", [1, 2])
def test_the_embedding_is_open_clips_own(tmp_path: Path, folder: Path, weights: Path, workers: int) -> None:
    clip = Clip(model="tiny-clip", weights=weights, batch_size=7)
    photos = opened(tmp_path / "work", folder, clip)
    assert photos.measure(workers=workers) == 32
    table = photos.columns()
    found = matrix(table.filter(pa.compute.is_valid(table["clip"]))["clip"], np.float32)
    assert table.schema.field("clip").type == pa.list_(pa.float16(), 24)
    assert len(found) == 30
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    model, _, transform = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(weights))
    rows = photos.photos().to_pylist()
    keys = [row["key"] for row in rows if row["origin"] not in ("empty.jpg", "cut.jpg")]
    known = embeddings(photos)
    expected = peers(model.eval(), transform, sorted(folder.glob("[0-9]*.jpg")))
    # float16 holds components below 1/2 to 1.2e-4, and what was rounded is the same to 1e-5.
    np.testing.assert_allclose(np.array([known[key] for key in keys]), expected, atol=2.5e-4)
    prepared = np.stack([clip.prepare(Picture(_pixels(path))) for path in sorted(folder.glob("[0-9]*.jpg"))])
    np.testing.assert_allclose(clip.embed(prepared), expected, atol=1e-5)


def test_a_photo_without_pixels_has_no_embedding_and_its_own_reason(
    tmp_path: Path, folder: Path, weights: Path
) -> None:
    photos = opened(tmp_path / "work", folder, Clip(model="tiny-clip", weights=weights))
    photos.measure(workers=1)
    found = {one["origin"]: one["reason"] for one in photos.select().verdicts.to_pylist()}
    assert (found["empty.jpg"], found["cut.jpg"]) == ("empty", "truncated")
    assert "measure_failed" not in found.values()


def test_every_photo_is_decoded_once_and_measured_once(tmp_path: Path, folder: Path, weights: Path) -> None:
    clip = Clip(model="tiny-clip", weights=weights)
    photos = opened(tmp_path / "work", folder, clip)
    photos.measure(workers=1)
    assert photos.measure(workers=1) == 0
    rows = {one["stage"]: one for one in read_ledger(photos.ledger)}
    assert (rows["clip"]["items"], rows["clip"]["unit"], rows["clip"]["device"]) == (30, "photos", "cpu")
    assert rows["measure"]["items"] == 32
    # A workspace that was measured without the model lacks it alone.
    plain = Workspace(tmp_path / "plain")
    plain.add(folder)
    plain.measure(workers=1)
    late = opened(tmp_path / "plain", folder, clip)
    assert late.measure(workers=2) == 32
    assert embeddings(late) == embeddings(photos)


def test_a_photo_that_vanished_before_it_was_embedded_is_a_row(tmp_path: Path, folder: Path, weights: Path) -> None:
    plain = Workspace(tmp_path / "work")
    plain.add(folder)
    plain.measure(workers=1)
    (folder / "07.jpg").unlink()
    photos = Workspace(tmp_path / "work", measures=[*plain.measures, Clip(model="tiny-clip", weights=weights)])
    photos.measure(workers=1)
    chosen = photos.select(settings=Settings(embedding="clip"))
    found = {one["origin"]: one["reason"] for one in chosen.verdicts.to_pylist()}
    assert found["07.jpg"] == "unreadable"
    assert list(found.values()).count("unreadable") == 1


def test_batches_and_companions_make_no_difference(tmp_path: Path, weights: Path) -> None:
    clip = Clip(model="tiny-clip", weights=weights, batch_size=8)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(19)]
    together = [one["clip"] for one in clip.batch(pictures)]
    backwards = [one["clip"] for one in clip.batch(pictures[::-1])][::-1]
    alone = [clip.batch([one])[0]["clip"] for one in pictures]
    np.testing.assert_array_equal(together, backwards)
    np.testing.assert_array_equal(together, alone)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([(24, 24), (24, 31), (40, 17)]),
    st.sampled_from(["shortest", "longest", "squash"]),
    st.sampled_from(["bicubic", "bilinear"]),
    st.sampled_from([0, 255]),
)
def test_the_crop_is_open_clips(
    width: int, height: int, size: tuple[int, int], mode: Any, interpolation: str, fill: int
) -> None:
    random = np.random.default_rng(width * 100 + height)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    config = PreprocessCfg(
        size=size, resize_mode=mode, interpolation=interpolation, fill_color=fill, mean=(0,) * 3, std=(1,) * 3
    )
    try:
        peer = image_transform_v2(config, is_train=False)(Image.fromarray(pixels))
    except ValueError:  # a picture that becomes less than a pixel wide; a measure has to say something of it
        assert mode == "longest"
        return
    crop = Crop(height=size[0], width=size[1], mode=mode, interpolation=interpolation, fill=fill)
    found = crop(pixels)
    np.testing.assert_array_equal(found, np.rint(peer.numpy() * 255).astype(np.uint8).transpose(1, 2, 0))


def test_siglip_in_a_folder_brings_its_preprocessing(tmp_path: Path, folder: Path) -> None:
    place = write_folder(tmp_path / "siglip", "tiny-siglip", SQUASH)
    clip = Clip(model=f"local-dir:{place}", name="siglip", batch_size=4)
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{place}")
    paths = sorted(folder.glob("0*.jpg"))
    expected = peers(model.eval(), transform, paths)
    found = [clip(Picture(_pixels(path)))["siglip"] for path in paths]
    np.testing.assert_allclose(np.array(found, dtype=np.float32), expected, atol=2.5e-4)
    assert "siglip" not in clip.version
    assert str(tmp_path) not in clip.version
    # The same from an architecture and a file, if the preprocessing is named.
    (tmp_path / "model").mkdir()
    named = Clip(model="tiny-siglip", weights=write_model(tmp_path / "model", "tiny-siglip"), preprocess=SQUASH)
    np.testing.assert_allclose(named(Picture(_pixels(paths[0])))["clip"], found[0], atol=1e-3)


def test_texts_are_open_clips_own(tmp_path: Path, weights: Path) -> None:
    clip = Clip(model="tiny-clip", weights=weights)
    words = ["red running shoes", "a blue dress"]
    model, _, _ = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(weights))
    with torch.inference_mode():
        expected = model.eval().encode_text(open_clip.get_tokenizer("tiny-clip")(words), normalize=True).numpy()
    np.testing.assert_allclose(clip.texts(words), expected, atol=1e-5)


def test_probabilities_are_those_of_the_training(tmp_path: Path, weights: Path) -> None:
    cosines = np.array([[0.3, 0.1, 0.2], [0.0, 0.5, 0.4]], dtype=np.float32)
    clip = Clip(model="tiny-clip", weights=weights)
    expected = torch.softmax(torch.from_numpy(cosines) / 0.07, dim=1).numpy()
    np.testing.assert_allclose(clip.probabilities(cosines), expected, rtol=1e-3)
    siglip = Clip(model="tiny-siglip", weights=write_model(tmp_path, "tiny-siglip"))
    model = open_clip.create_model("tiny-siglip", pretrained=str(siglip.weights))
    expected = torch.sigmoid(model.logit_scale.exp() * torch.from_numpy(cosines) + model.logit_bias).detach().numpy()
    np.testing.assert_allclose(siglip.probabilities(cosines), expected, rtol=1e-4)


def test_the_version_follows_weights_architecture_and_preprocessing(tmp_path: Path, weights: Path) -> None:
    base = Clip(model="tiny-clip", weights=weights)
    assert base.version == Clip(model="tiny-clip", weights=weights, device="cpu", batch_size=3).version
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(weights.read_bytes())
    assert base.version == Clip(model="tiny-clip", weights=moved).version
    other = write_model(tmp_path, seed=1)
    assert len({base.version, Clip(model="tiny-clip", weights=other).version}) == 2
    assert base.version != Clip(model="tiny-clip", weights=weights, preprocess={"resize_mode": "squash"}).version
    assert base.version.startswith("2-tiny-clip-")


def test_it_travels_without_its_model(weights: Path) -> None:
    clip = Clip(model="tiny-clip", weights=weights)
    clip.ready()
    assert len(dumps(clip)) < 5000
    assert takes_batches(clip)
    assert not any(takes_batches(one) for one in standard_measures())


def test_clip_in_a_config(tmp_path: Path, folder: Path, weights: Path) -> None:
    text = [
        f'photos = "{folder}"\nworkspace = "{tmp_path / "work"}"\noutput = "{tmp_path / "dataset"}"',
        'workers = 1\nembedding = "clip"',
        f'[clip]\nmodel = "tiny-clip"\nweights = "{weights}"\nbatch_size = 5',
    ]
    (tmp_path / "curate.toml").write_text("\n".join(text))
    config = load_config(tmp_path / "curate.toml")
    manifest = curate(config).manifest
    assert manifest["versions"]["measures"]["clip"] == Clip(model="tiny-clip", weights=weights).version
    assert manifest["config"]["embedding"] == "clip"
    assert str(tmp_path) not in (tmp_path / "dataset" / "curation.json").read_text()
    assert embeddings(open_workspace(tmp_path / "work"))
    layout = curate(config.model_copy(update={"embedding": "layout", "output": tmp_path / "other"})).manifest
    assert layout["fingerprint"] != manifest["fingerprint"]
    for lines, words in (
        (text[:2], r"embedding = 'clip' is wrong: .*needs a table \[clip\]"),
        (
            [text[0], '[clip]\nmodel = "tiny-clip"\nwieghts = "x"'],
            "Unknown setting clip.wieghts; known are model, weights",
        ),
    ):
        (tmp_path / "wrong.toml").write_text("\n".join(lines))
        with pytest.raises(ConfigError, match=words):
            load_config(tmp_path / "wrong.toml")


def test_a_file_is_explained_with_it(folder: Path, weights: Path) -> None:
    clip = Clip(model="tiny-clip", weights=weights)
    found = explain_file(folder / "01.jpg", measures=[*standard_measures(), clip])
    assert found["verdict"]["reason"] is None, "it passes the rules"


def test_a_reduced_picture_has_another_version(tmp_path: Path, folder: Path, weights: Path) -> None:
    photos = Workspace(
        tmp_path / "work", measures=[*standard_measures(), Clip(model="tiny-clip", weights=weights)], decode_side=384
    )
    photos.add(folder)
    photos.measure(workers=2)
    assert photos.measures[-1].version.endswith("-at-384")
    assert len(embeddings(photos)) == 32


KILLED = """
import sys
from pathlib import Path
from prx_data import Clip, Workspace
from prx_data.measures import standard_measures
from tests.prx_data.tiny_clip import write_model

class Slow(Clip):
    def batch(self, prepared):
        print("batch", len(prepared), flush=True)
        return super().batch(prepared)

weights = write_model(Path(sys.argv[3]))
photos = Workspace(sys.argv[1], measures=[*standard_measures(), Slow(model="tiny-clip", weights=weights, batch_size=8)])
photos.add(sys.argv[2])
photos.measure(workers=2)
"""


def test_killed_and_resumed_is_the_same(tmp_path: Path, weights: Path) -> None:
    pile = tmp_path / "photos"
    pile.mkdir()
    for number in range(560):
        (pile / f"{number:03}.png").write_bytes(encode(draw_product(number, size=(60, 70)), "PNG"))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "work"), str(pile), str(tmp_path / "model")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as running:
        assert running.stdout is not None
        for _ in range(256 // 8 + 1):
            running.stdout.readline()  # before the last of these, the first shard of embeddings was written
        os.kill(running.pid, signal.SIGKILL)
    clip = Clip(model="tiny-clip", weights=weights, batch_size=8)
    photos = opened(tmp_path / "work", pile, clip)
    before = len(embeddings(photos))
    assert 0 < before < 560
    photos.measure(workers=2)
    whole = opened(tmp_path / "whole", pile, clip)
    whole.measure(workers=1)
    assert embeddings(photos) == embeddings(whole)
    assert len(embeddings(photos)) == 560
