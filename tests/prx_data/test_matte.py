"""The neural matte with a real, tiny ONNX network: it finds what is redder than it is blue."""

import sys
from pathlib import Path
from typing import TypedDict

import numpy as np
import onnx
import pytest
from loky.backend.reduction import dumps  # as tasks travel to other processes
from onnx import TensorProto, helper

from prx_data import ConfigError, Picture, Workspace
from prx_data.measures import standard_measures
from prx_data.measures.background_region import divide
from prx_data.measures.matte import Matte, MatteBackground, with_matte


def write_network(path: Path, *, height: int | str = 48, width: int | str = 32, channels: int = 3) -> Path:
    """probability = sigmoid(8 (red - blue)) of a picture in [0, 1]; an output besides, as U²-Net has."""
    weight = np.array([8, 0, -8], dtype=np.float32)[:channels].reshape(1, channels, 1, 1)
    nodes = [
        helper.make_node("Conv", ["picture", "weight"], ["logit"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("Identity", ["logit"], ["side"]),
    ]
    shape = [1, channels, height, width]
    graph = helper.make_graph(
        nodes,
        "reds",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, 1, height, width]),
            helper.make_tensor_value_info("side", TensorProto.FLOAT, [1, 1, height, width]),
        ],
        [helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel().tolist())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def noisy_scene() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A red block in front of blue and green squares: no classical mask can be sure of it."""
    random = np.random.default_rng(3)
    squares = random.integers(0, 256, (30, 24, 3)).astype(np.uint8)
    squares[:, :, 0] = 0
    pixels = squares.repeat(10, axis=0).repeat(10, axis=1)
    pixels[90:210, 60:180] = (230, 20, 20)
    return pixels


class Plain(TypedDict):
    """Colours in [0, 1] as they are."""

    mean: tuple[float, float, float]
    scale: tuple[float, float, float]


RED: Plain = {"mean": (0.0, 0.0, 0.0), "scale": (1.0, 1.0, 1.0)}


@pytest.mark.parametrize(("height", "width"), [(48, 32), ("h", "w")])
def test_the_probability_is_the_networks(tmp_path: Path, height: int | str, width: int | str) -> None:
    matte = Matte(write_network(tmp_path / "reds.onnx", height=height, width=width), **RED)
    found = matte(noisy_scene(), (192, 154))
    assert found.shape == (192, 154)
    assert found.dtype == np.float32
    assert found[96, 77] == pytest.approx(1 / (1 + np.exp(-8 * 210 / 255)), abs=0.01)
    assert found[5, 5] < 0.5


def test_the_network_is_asked_only_where_the_classical_mask_is_unsure(tmp_path: Path) -> None:
    measure = MatteBackground(model=write_network(tmp_path / "reds.onnx"), **RED)
    found = measure(Picture(noisy_scene()))
    assert found["doubt"] > 0.2
    assert found["mask"] == "neural"
    assert found["fill"] == pytest.approx(120 * 120 / (300 * 240), abs=0.03)
    assert found["color"] == "red"
    sure = np.full((300, 240, 3), 255, dtype=np.uint8)
    sure[90:210, 60:180] = (20, 20, 230)
    classical = measure(Picture(sure))
    assert classical["mask"] == "classical"
    assert classical["doubt"] <= 0.2
    assert classical["fill"] == pytest.approx(120 * 120 / (300 * 240), abs=0.01)
    assert set(found) == set(classical) == set(measure.schema.names)


def test_a_mask_is_put_where_the_picture_is() -> None:
    region = divide(Picture(noisy_scene()))
    probability = np.zeros(region.shape, dtype=np.float32)
    probability[40:80, 30:60] = 0.9
    matte = with_matte(region, probability)
    assert matte.subject.sum() == pytest.approx(40 * 30, abs=4)  # opening rounds the corners
    assert matte.mask.sum() == matte.mask.size - 40 * 30


def test_it_measures_in_a_workspace_and_travels_to_other_processes(pile: Path, tmp_path: Path) -> None:
    measure = MatteBackground(model=write_network(tmp_path / "reds.onnx"), max_doubt=0, **RED)
    measures = tuple(measure if one.name == "background" else one for one in standard_measures())
    measure(Picture(noisy_scene()))
    assert len(dumps(measure)) < 2000
    workspace = Workspace(tmp_path / "work", measures=measures)
    workspace.add(pile)
    workspace.measure(workers=2)
    columns = workspace.columns()
    assert "neural" in columns["mask"].to_pylist()
    assert not any(columns["error"].to_pylist())


def test_the_version_names_the_network_and_the_settings(tmp_path: Path) -> None:
    path = write_network(tmp_path / "reds.onnx")
    versions = {MatteBackground(model=path, max_doubt=doubt).version for doubt in (0.1, 0.2)}
    versions.add(MatteBackground(model=write_network(tmp_path / "other.onnx", height=64)).version)
    assert len(versions) == 3
    assert MatteBackground(model=path).version == MatteBackground(model=str(path)).version


def test_what_is_missing_or_wrong_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no matte model"):
        MatteBackground(model=tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Matte(tmp_path / "text.onnx")
    with pytest.raises(ConfigError, match=r"instead of one picture"):
        Matte(write_network(tmp_path / "two.onnx", channels=2))
    with pytest.raises(ConfigError, match="max_doubt"):
        MatteBackground(model=tmp_path / "text.onnx", max_doubt=2)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"prx-data\[matte\]"):
        Matte(tmp_path / "text.onnx")
