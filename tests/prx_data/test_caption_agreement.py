"""The check of sentences by a CLIP: constructed embeddings where the answer is known, and a real, tiny model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from prx_data import Checks, Clip, ConfigError, PhotoFacts, Workspace
from prx_data.captions import Agreement, Asking, CaptionSettings
from prx_data.captions.text import sentences
from prx_data.config import make_config
from prx_data.measures import standard_measures

from .conftest import draw_product, encode
from .test_caption_stage import DENSE, Scripted
from .tiny_clip import write_model

KINDS = ("hat", "shoe", "dress")
HAT = "A hat with a wide brim. The light is soft."


def texts(said: Sequence[str]) -> npt.NDArray[np.float32]:
    """One axis for each kind of thing, and one for all that no photo shows."""
    found = np.zeros((len(said), 4), dtype=np.float32)
    for row, one in enumerate(said):
        found[row, next((axis for axis, kind in enumerate(KINDS) if kind in one), 3)] = 1
    return found


def shop(count: int = 60, **settings: Any) -> Agreement:
    """As many photos of each kind; the n-th shows its kind less and less well, and something of the others."""
    vectors = np.full((count, 4), 0.1)
    vectors[np.arange(count), np.arange(count) % 3] = np.linspace(0.9, 0.6, count)
    vectors[:, 3] = 0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = [f"{number:04}" for number in range(count)]
    return Agreement(keys=keys, vectors=vectors.astype(np.float16), texts=texts, **settings)


def failures(text: str, key: str, agreement: Agreement, limit: float | None) -> list[str]:
    checks = Checks(max_better_fits=limit, dense_words=(1, 99))
    facts = PhotoFacts(key=key, metadata={}, color="", background="")
    return [str(one) for one in checks.failures(text, "dense", facts, agreement=agreement)]


def test_a_sentence_about_another_thing_fits_other_photos_better() -> None:
    agreement = shop()
    assert agreement.better("0000", HAT) == [("A hat with a wide brim.", 0, 59), ("The light is soft.", 0, 59)]
    # The best shoe is the photo with least of a hat: all others fit the sentence better.
    assert agreement.better("0001", HAT)[0] == ("A hat with a wide brim.", 59, 59)
    assert failures(HAT, "0000", agreement, 0.95) == []
    assert failures(HAT, "0001", agreement, 0.95) == [
        "agreement: 59 of 59 other photos fit 'A hat with a wide brim.' better"
    ]
    assert failures(HAT, "0001", agreement, None) == []


def test_the_limit_is_a_share_of_the_others_and_the_photo_itself() -> None:
    agreement = shop()
    # The last hat of 20: the 19 better ones are 19 / 60 of all.
    assert agreement.better("0057", HAT)[0][1] == 19
    assert failures(HAT, "0057", agreement, 19 / 60) == []
    assert failures(HAT, "0057", agreement, 18.9 / 60) != []


def test_too_few_photos_say_nothing_and_neither_does_one_without_an_embedding() -> None:
    assert shop(12).better("0001", HAT)[0] == ("A hat with a wide brim.", 11, 11)
    assert failures(HAT, "0001", shop(12), 0.95) == []
    assert failures(HAT, "0001", shop(12), 0.9) != []
    assert failures(HAT, "gone", shop(), 0.0) == []


def test_a_sample_of_the_photos_is_the_same_in_any_order() -> None:
    agreement = shop(sample=30)
    turned = Agreement(keys=agreement.keys[::-1], vectors=agreement.vectors[::-1], texts=texts, sample=30)
    for key in ("0001", "0029", "0030", "0059"):
        found = agreement.better(key, HAT)
        assert found == turned.better(key, HAT)
        assert found[0][2] == (29 if key < "0030" else 30)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("shop")
    (home / "photos").mkdir()
    rows = ["file_name,name,color"]
    for number in range(24):
        color = ("firebrick", "royalblue", "seagreen")[number % 3]
        (home / "photos" / f"{number:02}.png").write_bytes(encode(draw_product(number, color=color), "PNG"))
        rows.append(f"{number:02}.png,hat,red")
    (home / "photos" / "metadata.csv").write_text("\n".join(rows) + "\n")
    clip = Clip(model="tiny-clip", weights=write_model(home / "model"))
    workspace = Workspace(home / "work", measures=[*standard_measures(), clip])
    workspace.add(home / "photos")
    workspace.measure(workers=1)
    return workspace


def test_captions_of_a_workspace_are_held_to_what_its_clip_sees(measured: Workspace) -> None:
    chosen = measured.select()
    asking = {"short_prompt": None, "attempts": 1}
    chosen.caption(Scripted(), Asking(**asking, checks={"max_better_fits": 0.8}))
    found = chosen.captions(chosen.decisions.kept)
    clip = measured.measures[-1]
    assert isinstance(clip, Clip)
    rows = measured.measured("clip", clip.version).to_pylist()
    vectors = {row["key"]: np.array(row["clip"], dtype=np.float32) for row in rows}
    wanted = clip.texts(sentences(DENSE))
    expected = set()
    for key, vector in vectors.items():
        ranks = [sum(float(other @ one) > float(vector @ one) for other in vectors.values()) for one in wanted]
        if max(ranks) > 0.8 * len(vectors):
            expected.add(key)
    failed = {key for key, one in found.items() if one.failure is not None}
    assert failed == expected & found.keys()
    assert 0 < len(failed) < len(found)
    for key in failed:
        assert found[key].default.source == "template"
        assert "dense-1: agreement: " in (found[key].failure or "")
    chosen.caption(Scripted(), Asking(**asking))
    assert all(one.failure is None for one in chosen.captions(chosen.decisions.kept).values())


def test_without_a_clip_it_is_one_sentence(measured: Workspace, tmp_path: Path) -> None:
    plain = Workspace(measured.folder)
    chosen = plain.select()
    chosen.caption(Scripted(), Asking(checks=Checks(max_better_fits=0.95)))
    with pytest.raises(ConfigError, match=r"max_better_fits = 0\.95 looks with a CLIP\. Words need a model that"):
        chosen.captions(chosen.decisions.kept)
    places = {"photos": tmp_path, "workspace": tmp_path, "output": tmp_path}
    captions = CaptionSettings(kind="local", model="m", checks=Checks(max_better_fits=0.9))
    with pytest.raises(ConfigError, match=r"its checks\.max_better_fits needs a table \[clip\]"):
        make_config({**places, "captions": captions})
    assert make_config({**places, "captions": captions, "clip": {"model": "local-dir:clip"}}).clip is not None
