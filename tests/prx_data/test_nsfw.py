"""The classifier of what is not safe for work, with a real, tiny ONNX network."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loky.backend.reduction import dumps  # as tasks travel to other processes
from onnx import TensorProto, helper
from PIL import Image

from prx_data import ConfigError, Picture, Rules, Workspace, curate
from prx_data.decisions.profiles import Check, Profile
from prx_data.explain import open_workspace
from prx_data.measures import standard_measures
from prx_data.measures.nsfw import Nsfw

WEIGHT = np.array([[2.0, 0, 0], [0, 3.0, 0], [0, 0, 4.0]], dtype=np.float32)


def write_network(path: Path, *, height: int | str = 48, width: int | str = 32) -> Path:
    """Logits of three classes: twice the mean red, three times the mean green, four times the mean blue."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["picture"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor("weight", TensorProto.FLOAT, WEIGHT.shape, WEIGHT.ravel().tolist())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def means(photo: Path) -> npt.NDArray[np.float64]:
    return np.asarray(np.asarray(Image.open(photo).convert("RGB")).mean(axis=(0, 1)) / 255)


@pytest.mark.parametrize(("height", "width"), [(48, 32), ("height", "width")])
def test_it_is_the_softmax_of_what_the_network_says(
    photos: Path, tmp_path: Path, height: int | str, width: int | str
) -> None:
    path = write_network(tmp_path / "colors.onnx", height=height, width=width)
    measure = Nsfw(model=path, unsafe=(0, 2), mean=(0.5, 0.4, 0.3), scale=(0.2, 0.25, 0.3))
    for photo in sorted((photos / "phone").rglob("*.jpg"))[:40:10]:
        logits = (means(photo) - (0.5, 0.4, 0.3)) / (0.2, 0.25, 0.3) @ WEIGHT
        expected = np.exp(logits) / np.exp(logits).sum()
        found = measure(Picture(np.asarray(Image.open(photo).convert("RGB"))))
        assert found == {"nsfw": pytest.approx(expected[0] + expected[2], abs=0.02)}


def test_probabilities_are_taken_as_they_are(tmp_path: Path) -> None:
    measure = Nsfw(model=write_network(tmp_path / "c.onnx"), unsafe=(1,), mean=(0, 0, 0), scale=(3, 3, 3), logits=False)
    green = np.zeros((70, 90, 3), dtype=np.uint8)
    green[:, :, 1] = 51
    assert measure(Picture(green)) == {"nsfw": pytest.approx(0.2, abs=1e-5)}


def test_a_profile_drops_what_is_likely(pile: Path, tmp_path: Path) -> None:
    measure = Nsfw(model=write_network(tmp_path / "colors.onnx"), unsafe=(2,), mean=(0, 0, 0), scale=(0.1, 0.1, 0.1))
    photos = Workspace(tmp_path / "work", (*standard_measures(), measure))
    photos.add(pile)
    photos.measure(workers=2)
    wanted = Profile(name="safe", checks=(Check(column="nsfw", max=0.9, message="not safe for work"),))
    found = photos.select().check(wanted)
    told = dict(zip(found["origin"].to_pylist(), found["reasons"].to_pylist(), strict=True))
    # The network of this test takes blue for unsafe, and white has all its weight on it too.
    values = dict(zip(photos.columns()["key"].to_pylist(), photos.columns()["nsfw"].to_pylist(), strict=True))
    keys = dict(zip(found["origin"].to_pylist(), found["key"].to_pylist(), strict=True))
    assert any(told[origin] and "not safe" in told[origin][0] for origin in told)
    for origin, reasons in told.items():
        value = values.get(keys[origin])
        if value is not None:
            assert bool(reasons) == (value > 0.9)
    assert pa.types.is_floating(photos.columns()["nsfw"].type)


def test_a_curation_drops_what_is_likely_with_a_reason(pile: Path, tmp_path: Path) -> None:
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    with pytest.raises(ConfigError, match=r"nsfw = None is wrong: rules\.max_nsfw = 0\.9 needs a table \[nsfw\]"):
        curate(**places, rules={"max_nsfw": 0.9})
    # The network of this test takes blue for unsafe.
    table: dict[str, Any] = {"model": str(write_network(tmp_path / "colors.onnx")), "unsafe": [2]}
    table |= {"mean": [0.0, 0.0, 0.2], "scale": [0.1, 0.1, 0.1]}
    curate(**places, workers=1, nsfw=table, rules={"max_nsfw": 0.9})
    workspace = open_workspace(tmp_path / "work")
    found = dict(zip(workspace.columns()["key"].to_pylist(), workspace.columns()["nsfw"].to_pylist(), strict=True))
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    unsafe = [one for one in verdicts if one["reason"] == "nsfw"]
    assert "sub/blue 3.jpg" in [one["origin"] for one in unsafe]
    for one in unsafe:
        value = found[one["key"]]
        assert value > 0.9
        assert one["detail"] == f"Not safe for work with a probability of {value:.3f}, above 0.9."
    rows = pq.read_table(tmp_path / "dataset" / "data").to_pylist()
    assert rows
    for row in rows:
        assert row["nsfw"] == found[row["key"]] <= 0.9
    with pytest.raises(ConfigError, match=r"rules\.max_nsfw = 0\.9 needs a classifier: a table \[nsfw\]"):
        Workspace(tmp_path / "work").select(Rules(max_nsfw=0.9))


def test_settings_are_checked_before_any_work_and_are_in_the_version(tmp_path: Path) -> None:
    path = write_network(tmp_path / "colors.onnx")
    with pytest.raises(ConfigError, match=r"unsafe = \(3,\) is wrong: the network at .* has 3 classes"):
        Nsfw(model=path, unsafe=(3,))
    with pytest.raises(ConfigError, match=r"unsafe = \(1, 1\) is wrong"):
        Nsfw(model=path, unsafe=(1, 1))
    with pytest.raises(ConfigError, match=r"There is no classifier at .*none\.onnx"):
        Nsfw(model=tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ConfigError, match=r"The classifier .*text\.onnx cannot be loaded: "):
        Nsfw(model=tmp_path / "text.onnx")
    other = write_network(tmp_path / "other.onnx", height=64)
    versions = {Nsfw(model=path).version, Nsfw(model=other).version, Nsfw(model=path, unsafe=(0,)).version}
    assert len(versions) == 3
    assert Nsfw(model=path).version == Nsfw(model=str(path)).version
    measure = Nsfw(model=path)
    measure(Picture(np.zeros((8, 8, 3), dtype=np.uint8)))
    assert len(dumps(measure)) < 2000  # no network travels with it
