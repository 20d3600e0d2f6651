import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prx_train.optim import Average, Muon, average_decay, clipped, ema_decay, optimizers_for, orthogonalized, trained
from prx_train.pictures import file_name, varied_captions
from prx_train.storage import append_jsonl, digest, read_jsonl, seed_from, sweep, write_atomic, write_folder


@pytest.mark.parametrize("most", [0.01, 1.0, "the norm", "a little less", 1e6])
def test_gradients_are_cut_to_the_bit_as_torch_cuts_them(most: float | str) -> None:
    random = torch.Generator().manual_seed(0)
    ours, torchs = ([torch.zeros(shape, requires_grad=True) for shape in ((7, 5), (3,), (1,))] for _ in range(2))
    for one, other in zip(ours[:2], torchs[:2], strict=True):  # the last has none
        one.grad = torch.randn(one.shape, generator=random)
        other.grad = one.grad.clone()
    norm = float(torch.nn.utils.get_total_norm([one.grad for one in ours if one.grad is not None]))
    limit = {"the norm": norm, "a little less": norm - 5e-7}.get(most, most) if isinstance(most, str) else most
    assert clipped(ours, float(limit)) == float(torch.nn.utils.clip_grad_norm_(torchs, float(limit))) == norm
    for one, other in zip(ours[:2], torchs[:2], strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_only_matrices_decay() -> None:
    layer = torch.nn.Linear(3, 4)
    (adamw,) = optimizers_for(layer, name="adamw", learning_rate=0.1, weight_decay=0.5)
    assert [(g["weight_decay"], [p.ndim for p in g["params"]]) for g in adamw.param_groups] == [(0.5, [2]), (0.0, [1])]


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_is_left_out() -> None:
    model = torch.nn.ModuleDict({"blocks": torch.nn.Linear(3, 4), "head": torch.nn.Linear(4, 2)})
    muon, adamw = optimizers_for(model, name="muon", learning_rate=0.1, weight_decay=0.0)
    taken = [p for group in muon.param_groups for p in group["params"]]
    assert [p is model["blocks"].weight for p in taken] == [True]
    rest = {id(p) for group in adamw.param_groups for p in group["params"]}
    assert rest | {id(taken[0])} == {id(p) for p in model.parameters()}
    assert id(taken[0]) not in rest


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("shape", [(3, 5, 8), (2, 8, 5), (1, 6, 6)])
def test_orthogonalizing_keeps_directions_and_levels_their_sizes(
    shape: tuple[int, int, int], dtype: torch.dtype, tolerance: float
) -> None:
    """Against the slow way: the singular vectors stay, the singular values come near 1."""
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    projected = u.mT @ orthogonalized(matrices, dtype=dtype) @ v.mT
    values = projected.diagonal(dim1=1, dim2=2)
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3
    assert float((projected - torch.diag_embed(values)).abs().max()) < tolerance


def test_muon_is_torchs_own_but_for_its_bf16() -> None:
    """torch orthogonalizes in bf16, with a relative error of about 2⁻⁸ in each of five iterations."""
    shapes = [(48, 48), (32, 96), (96, 32)]
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(one.detach().clone()) for one in ours]
    optimizers = (
        Muon(ours, lr=0.02, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape)
            other.grad = one.grad.clone()
        before = [one.detach().clone() for one in ours]
        for optimizer in optimizers:
            optimizer.step()
        for one, other, old in zip(ours, theirs, before, strict=True):
            moved = (one - old).norm()
            assert (one - other).norm() < 0.05 * moved
            with torch.no_grad():
                other.copy_(one)  # so that errors do not add up over the steps


def test_muon_moves_all_directions_alike() -> None:
    model = torch.nn.ModuleDict({"blocks": torch.nn.Linear(8, 8, bias=False)})
    weight = model["blocks"].weight
    torch.nn.init.zeros_(weight)  # type: ignore[arg-type]
    muon, _ = optimizers_for(model, name="muon", learning_rate=0.1, weight_decay=0.0)
    weight.grad = torch.diag(torch.logspace(0, -2, 8))
    muon.step()
    moved = -weight.detach().diagonal() / (0.1 * 0.2 * 8**0.5)  # type: ignore[operator]
    assert float(moved.min()) > 0.4
    assert float(moved.max()) < 1.3


def test_the_average_forgets_the_start_of_a_short_run() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    average = Average({"w": weight})
    weight.data.fill_(1)
    for step in range(50):
        average.update(ema_decay(step, 0.9999))
    assert float(average.shadows["w"][0]) > 0.999
    assert ema_decay(10**9, 0.9999) == 0.9999


def test_an_average_of_every_fourth_step_forgets_as_fast_as_one_of_each() -> None:
    assert [average_decay(step, 0.998) for step in range(40)] == [ema_decay(step, 0.998) for step in range(40)]
    later = [average_decay(step, 0.998) for step in range(40, 400)]
    assert [step for step, decay in enumerate(later) if decay is not None] == list(range(3, 360, 4))
    kept = math.prod(decay for decay in later if decay is not None)
    assert kept == pytest.approx(math.prod(ema_decay(step, 0.998) for step in range(40, 400)))


def test_an_average_is_a_plain_weighted_mean() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    average = Average({"w": weight})
    weight.data.copy_(torch.tensor([3.0, 6.0]))
    average.update(0.75)
    assert average.shadows["w"].tolist() == [1.5, 3.0]
    with average.applied():
        assert weight.tolist() == [1.5, 3.0]
    assert weight.tolist() == [3.0, 6.0]


def test_what_is_frozen_is_not_trained() -> None:
    layer = torch.nn.Linear(2, 3)
    layer.bias.requires_grad_(False)
    assert list(trained(layer)) == ["weight"]


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_digests_differ_where_parts_differ(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
    assert 0 <= seed_from(*one) < 2**63


def test_a_torn_line_is_no_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert read_jsonl(file) == []
    append_jsonl(file, {"a": "ü"})
    with file.open("a") as open_file:
        open_file.write('{"a": ')
    assert read_jsonl(file) == [{"a": "ü"}]


def test_a_folder_is_replaced_whole_and_left_alone_when_filling_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, lambda place: write_atomic(place / "one", "1"))
    write_folder(folder, lambda place: write_atomic(place / "two", "2"))
    assert [file.name for file in folder.iterdir()] == ["two"]

    def fail(place: Path) -> None:
        write_atomic(place / "three", "3")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_folder(folder, fail)
    assert [file.name for file in folder.iterdir()] == ["two"]


def test_file_names_are_safe() -> None:
    assert file_name(3, "A red/../hoodie <b>") == "03-a-red-hoodie-b.png"
    assert file_name(0, "¿?") == "00-empty.png"
    assert len(file_name(1, "x" * 999)) < 60


def test_prompts_are_common_and_differ() -> None:
    captions = ["a red hoodie"] * 5 + ["a red hoodies"] * 4 + ["a blue shoe on grass"] * 3 + ["", "rare"]
    assert varied_captions(captions, 2) == ("a red hoodie", "rare")
    assert varied_captions(captions, 99) == varied_captions(captions[::-1], 99)
    assert len(varied_captions(captions, 99)) == 4
    assert varied_captions([""]) == ()


def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    write_atomic(tmp_path / "kept.json", "{}")
    (tmp_path / ".kept.json.4711.tmp").write_text("half")
    sweep(tmp_path, older_than=60)
    assert len(list(tmp_path.iterdir())) == 2
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]


def test_sweeping_meets_files_that_another_process_is_just_renaming(tmp_path: Path) -> None:
    over = threading.Event()

    def come_and_go() -> None:
        files = [tmp_path / f".{number}.tmp" for number in range(20)]
        while not over.is_set():
            for file in files:
                file.touch()
            for file in files:
                file.unlink()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(come_and_go)
        try:
            for _ in range(5000):
                sweep(tmp_path, older_than=60)
        finally:
            over.set()
        writing.result()
