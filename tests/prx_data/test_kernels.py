"""The compiled kernels against what they do in whole arrays, on real photos and on odd shapes."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.color import rgb2lab

from prx_data import kernels
from prx_data.decoding import decode
from prx_data.kernels import compiled, ground, lab, luma, masks, straight, texture
from prx_data.measures import standard_measures
from prx_data.measures.background_maps import middle, positions, ring, ring_depth, ring_places
from prx_data.measures.background_region import Region, _ground, divide
from prx_data.picture import Picture

from . import reference_background as reference

Mask = npt.NDArray[np.bool_]

sides = st.tuples(st.integers(1, 20), st.integers(1, 150))
any_mask = arrays(np.bool_, sides)
working = st.sampled_from([(8, 128), (128, 8), (32, 128), (96, 128), (64, 64)])


@pytest.fixture(scope="module")
def regions(photos: Path) -> list[Region]:
    """Of real photos, and of pictures that are all one colour, noise, or long and thin."""
    paths = [*sorted((photos / "catalogue").rglob("*.jpg"))[::60], *sorted((photos / "phone").rglob("*.jpg"))[::60]]
    pictures = [decode(path.read_bytes()).picture for path in paths]
    random = np.random.default_rng(3)
    shapes = [(1, 1), (16, 256), (300, 40), (97, 203)]
    made = [Picture(random.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in shapes]
    plain = [Picture(np.full((70, 50, 3), color, dtype=np.uint8)) for color in (0, 130, 255)]
    return [divide(one) for one in (*pictures, *made, *plain) if one is not None]


def interleaved(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def own_color(region: Region) -> npt.NDArray[np.float32]:
    return np.median(region.lab.reshape(3, -1), axis=1).astype(np.float32)


@settings(deadline=None)
@given(any_mask, st.integers(1, 3))
def test_masks_of_any_size_are_followed_like_scipys(mask: Mask, times: int) -> None:
    np.testing.assert_array_equal(masks.border_connected(mask), reference.border_connected(mask))
    np.testing.assert_array_equal(masks.border_connected(mask.T), reference.border_connected(mask.T))
    np.testing.assert_array_equal(masks.grown(mask, times), reference.grown(mask, times))
    np.testing.assert_array_equal(masks.shrunk(mask, times), reference.shrunk(mask, times))
    subject = masks.subject_of(mask)
    covered = reference.grown(reference.shrunk(~mask, 1), 1) | subject
    for around in (2, 5):
        np.testing.assert_array_equal(masks.open_ground(mask, subject, around), ~reference.grown(covered, around))


@settings(deadline=None)
@given(st.integers(0, 10_000), sides, st.integers(1, 6))
@example(seed=384, shape=(8, 13), times=2)
def test_the_subject_is_the_heaviest_part(seed: int, shape: tuple[int, int], times: int) -> None:
    random = np.random.default_rng(seed)
    mask = ~reference.grown(random.random(shape) < 0.02, times)
    heaviest = np.sort(reference.parts_of(mask)[1])[-2:]
    assume(len(heaviest) < 2 or heaviest[1] - heaviest[0] > 1e-9)  # of two that weigh the same either will do
    np.testing.assert_array_equal(masks.subject_of(mask), reference.subject_of(mask))
    assert straight.box(mask)[0] == mask.sum()
    if mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert straight.box(mask)[1:] == (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)


@settings(deadline=None)
@given(st.integers(0, 99), sides, st.floats(0, 1))
def test_what_is_apart_is_found_like_scipy(seed: int, shape: tuple[int, int], share: float) -> None:
    random = np.random.default_rng(seed)
    off = random.choice([0, 2, 3, 20, 25], shape, p=[share, *(4 * [(1 - share) / 4])]).astype(np.float32)
    mask = (off < 9) & (random.random(shape) < 0.9)
    subject = ndimage.binary_fill_holes(random.random(shape) < 0.05 * share) & ~mask
    runs, left = masks.apart(mask, subject, off, 2.0, 20.0)
    seen = ~mask | (off > 2)
    lines = [ndimage.label(seen.any(axis=axis))[1] for axis in (0, 1)]
    assert runs == max(lines)
    labels = ndimage.label(seen)[0]
    joined = np.isin(labels, np.unique(labels[subject & seen])) & seen
    assert left == bool((seen & (off > 20) & ~joined).any())
    labels = ndimage.label(subject | (off > 9))[0]
    whole = np.isin(labels, np.setdiff1d(labels[subject], [0]))
    np.testing.assert_array_equal(masks.with_thin_parts(subject, off, 9.0), whole)


@settings(deadline=None)
@given(arrays(np.float32, sides, elements=st.floats(0, 20, width=32)))
def test_doubt_is_what_two_limits_do_not_share(off: npt.NDArray[np.float32]) -> None:
    assert masks.doubt(off, 6, 13.5) == pytest.approx(reference.doubt(off, 6, 13.5))
    np.testing.assert_array_equal(masks.border_connected_below(off, 9), reference.border_connected(off < 9))


@settings(deadline=None)
@given(st.integers(0, 10_000), working, st.floats(0, 0.1), st.integers(0, 12))
def test_straight_lines_counted_row_by_row(seed: int, shape: tuple[int, int], noise: float, row: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(shape) >= noise
    mask[:row] = random.random((len(mask[:row]), shape[1])) < noise
    steps = random.random(shape) < noise
    steps[row : row + 1] = random.random(shape[1]) >= 3 * noise
    depth = ring_depth(shape)
    assert straight.longest_end(mask) == pytest.approx(reference.longest_end(mask))
    assert straight.surfaces(mask, depth) == pytest.approx(reference.surfaces(mask))
    assert straight.divided(steps, mask, depth) == pytest.approx(reference.divided(steps, mask))
    turned = np.ascontiguousarray(steps.T)
    assert straight.divided(turned, mask.T, depth) == pytest.approx(reference.divided(turned, mask.T))
    assert straight.seam(steps, mask) == pytest.approx(reference.seam(steps, mask))
    assert straight.seam(turned, mask.T) == pytest.approx(reference.seam(turned, mask.T))


@settings(deadline=None)
@given(st.integers(0, 99), working, st.floats(0, 1), st.integers(1, 30))
def test_edges_are_counted_cell_by_cell(seed: int, shape: tuple[int, int], share: float, side: int) -> None:
    random = np.random.default_rng(seed)
    planes = random.integers(0, 20, (3, *shape)).astype(np.float32)  # whole numbers, whose differences are exact
    outside = random.random((shape[0] // 2, shape[1] // 2)) < share
    wanted = reference.strewn(interleaved(planes), outside, side, 15.5, 0.3)
    assert texture.strewn(planes, outside, side, 15.5, 0.3) == pytest.approx(wanted)


def test_lab_is_scikit_images_of_every_shade() -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    wanted = rgb2lab(colors[None] / 255.0)[0]
    assert np.abs(lab.srgb_to_lab(colors).T - wanted).max() < 0.01
    square = colors[:4096].reshape(64, 64, 3)
    light, color = lab.thumbnail(square)
    planes = lab.srgb_to_lab(square.reshape(-1, 3)).reshape(3, 64, 64)
    np.testing.assert_array_equal(light, np.rint(planes[0] * np.float32(2.55)))
    np.testing.assert_array_equal(color, np.rint(reference.halved(interleaved(planes)[..., 1:])))
    np.testing.assert_array_equal(lab.grid(square), np.rint(interleaved(planes)))


def test_the_ground_is_that_of_whole_arrays(regions: list[Region]) -> None:
    for region in regions:
        whole = interleaved(region.lab)
        shape = (region.detail.shape[0], region.detail.shape[1])
        places = ring_places(shape, 0.06), ring_places(shape)
        flat, color = ground.first_color(lab.halved(region.lab), region.detail, *places)
        wanted_flat, wanted_color = reference.first_color(interleaved(lab.halved(region.lab)), region.detail)
        assert flat == pytest.approx(wanted_flat, abs=1e-6)
        np.testing.assert_allclose(color, wanted_color, atol=1e-3)
        mask, surface, squares = _ground(region.lab, color)
        wanted, wanted_surface = reference.ground(whole, wanted_color)
        assert (mask != wanted).mean() < 0.002
        assert np.abs(interleaved(surface) - wanted_surface).mean() < 0.05
        np.testing.assert_allclose(np.sqrt(squares), np.linalg.norm(region.lab - surface, axis=0), atol=1e-3)


def test_shade_is_that_of_whole_arrays(regions: list[Region]) -> None:
    some = 0
    for one in regions:
        subject = np.ascontiguousarray(one.subject[::2, ::2])
        found = ground.in_shade(one.lab, one.surface, subject)
        expected = reference.in_shade(interleaved(one.lab), interleaved(one.surface), subject)
        assert np.count_nonzero(found != expected) <= 1  # a rounding beside a limit
        some += bool(found.any())
    assert some > 3


def test_soft_rims_are_those_of_whole_arrays(regions: list[Region]) -> None:
    found = [texture.soft_rim(one.lab, one.subject, one.mask) for one in regions]
    for one, share in zip(regions, found, strict=True):
        wanted = reference.soft_rim(interleaved(one.lab), one.subject, one.mask)
        assert share == pytest.approx(wanted, abs=0.01)  # a rounding beside a half
    assert len({round(share, 3) for share in found}) > 5


def test_a_surface_that_is_there_is_found() -> None:
    ys, xs = positions((64, 96), 1)
    y, x = ys[:, None], xs[None]
    true = np.stack([60 + 5 * x - 3 * y + 2 * x * y, 4 * y**2 + 0 * x, 3 * x**2 + 0 * y]).astype(np.float32)
    weights = np.zeros((6, 3))
    assert ground.fit(true, np.ones((64, 96), dtype=bool), weights, ys, xs)
    surface, squares = ground.departures(true, weights, ys, xs)
    assert np.sqrt(squares).max() < 1  # the ridge
    np.testing.assert_allclose(surface, true, atol=1)
    assert not ground.fit(true, np.zeros((64, 96), dtype=bool), weights, ys, xs)


def test_textures_are_those_of_whole_arrays(regions: list[Region]) -> None:
    for region in regions:
        where, own = masks.open_ground(region.mask, region.subject, 2), own_color(region)
        whole = interleaved(region.lab)
        light = region.light.astype(np.float64)
        detail = np.abs(light - ndimage.median_filter(light, 3, mode="nearest")) * 100 / 255
        height, width = detail.shape
        wanted = detail.reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
        np.testing.assert_allclose(luma.grain(region.light), wanted, rtol=1e-4)
        depth = max(1, min(region.detail.shape) // 8)
        assert texture.calmest(region.detail, region.subject, depth) == pytest.approx(
            reference.calmest(region.detail, region.subject, depth), rel=1e-6
        )
        assert texture.mottle(region.lab, where) == pytest.approx(reference.mottle(whole, where), rel=1e-3, abs=1e-5)
        assert texture.directions(region.light, where) == pytest.approx(
            reference.directions(region.light, where), abs=1e-4
        )
        depth = ring_depth((region.mask.shape[0] // 2, region.mask.shape[1] // 2), 0.08)
        found = texture.hues(region.lab, region.subject, own, 0.3, depth)
        assert found == pytest.approx(reference.hues(whole, region.subject, own, 0.3), rel=1e-4, abs=1e-4)
        for steps, view in zip(region.steps, (whole, whole.transpose(1, 0, 2)), strict=True):
            assert (steps != reference.row_steps(view)).mean() < 0.002  # sums of squares in another order


def test_medians_and_the_border_are_those_of_samples(regions: list[Region]) -> None:
    for region in regions:
        mask, off = region.mask, region.off
        for where in (mask, ~mask):
            places = reference.some(where, 1000)
            if not len(places):
                assert texture.median(off, where) == 0
                continue
            assert texture.median(off, where) == reference.upper_median(off.ravel()[places])
            colors = np.sort(region.lab.reshape(3, -1)[:, places], axis=1)
            *medians, span = texture.middle_color(region.lab, where)
            np.testing.assert_array_equal(medians, colors[:, len(places) // 2])
            assert span == pytest.approx(float(np.linalg.norm(colors[:, -1] - colors[:, 0])), abs=1e-3)
        assert middle(off) == reference.upper_median(off)
        shape = (mask.shape[0], mask.shape[1])
        edge, other = ring(shape), ~region.subject
        share, rest, purity = ground.along_border(mask, region.subject, off, ring_places(shape), 5)
        assert share == pytest.approx(mask[edge].mean())
        assert rest == pytest.approx((edge & other & ~mask).sum() / max((edge & ~mask).sum(), 1))
        pure = off[edge & other] if (edge & other).any() else off[edge]
        assert purity == pytest.approx((pure < 5).mean())
        colors = region.lab.reshape(3, -1)[:, ring_places(shape)].T
        wanted = 1 - float((np.linalg.norm(colors - reference.mode(colors), axis=1) < 15).mean())
        assert ground.unlike(region.lab.reshape(3, -1), ring_places(shape), 15) == pytest.approx(wanted, abs=0.005)


@settings(deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(2, 90), st.integers(2, 70))))
def test_light_and_gradients_counted_in_whole_arrays(grey: npt.NDArray[np.uint8]) -> None:
    squares, total, dark, bright = luma.exposure(grey, 20, 243)
    laplacian = ndimage.laplace(grey.astype(np.int64), mode="nearest")
    assert squares == (laplacian**2).sum()
    assert (total, dark, bright) == (grey.sum(), (grey <= 20).sum(), (grey >= 243).sum())
    whole = grey.astype(np.int64)
    gradients = (whole[1:, :-1] - whole[:-1, :-1]) ** 2 + (whole[:-1, 1:] - whole[:-1, :-1]) ** 2
    for share in (0.001, 0.2):
        assert luma.strongest(grey, share) == np.sort(gradients, axis=None)[-1 - int(share * gradients.size)]


def test_every_measure_takes_any_shape() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 9), (16, 256), (256, 16), (3, 700), (17, 33), (511, 513)):
        noise = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        for pixels in (noise, np.full((*shape, 3), 255, dtype=np.uint8)):
            for one in standard_measures():
                row = one(Picture(pixels))
                numbers = [value for value in row.values() if isinstance(value, float)]
                assert np.isfinite(numbers).all(), (one.name, shape)


def test_uncompiled_they_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain Python tells of what numba does not look for, such as a place outside an array."""
    pixels = np.random.default_rng(1).integers(0, 256, (30, 44, 3), dtype=np.uint8)
    pixels[8:20, 10:30] = (200, 30, 40)
    small = cv2.resize(pixels, (24, 16))
    names = ("srgb_to_lab", "grain", "row_steps", "subject_of", "mode", "mottle")
    arguments: dict[str, Any] = {"srgb_to_lab": (small.reshape(-1, 3),)}
    planes = lab.srgb_to_lab(small.reshape(-1, 3)).reshape(3, 16, 24)
    mask = planes[0] > np.median(planes[0])
    arguments |= {"grain": (small[..., 0].copy(),), "row_steps": (planes,), "subject_of": (mask,)}
    arguments |= {"mode": (planes.reshape(3, -1), np.arange(384)), "mottle": (planes, mask)}
    by_name = {one.py_func.__name__: one for one in compiled._KERNELS}
    wanted = {name: by_name[name](*arguments[name]) for name in names}
    monkeypatch.setattr(compiled.Kernel, "__call__", lambda self, *values: self.py_func(*values))
    with np.errstate(over="ignore"):  # bits that are shifted out
        for name in names:
            np.testing.assert_allclose(by_name[name](*arguments[name]), wanted[name], rtol=1e-4, atol=1e-3)


def test_processes_load_no_linear_algebra_until_somebody_asks_for_it() -> None:
    code = (
        "import sys; from prx_data.kernels import load_all; load_all()\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "import numba, numpy\n"
        "product = numba.njit(lambda a: a @ a)(2 * numpy.eye(3))\n"
        "assert product[0, 0] == 4 and 'scipy.linalg' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_kept_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And is where a file changed, or where they are to be kept elsewhere."""
    mark = compiled._mark()
    if mark is None or not os.access(mark.parent, os.W_OK):
        pytest.skip("kernels are not kept beside their files here")
    code = "import sys; from prx_data.kernels import compile_all; compile_all(); print('numba' in sys.modules)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
    mark.unlink()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
    assert mark.exists()
    copy = tmp_path / "kernels" / "compiled.py"
    copy.parent.mkdir()
    for source in Path(kernels.__file__).parent.glob("*.py"):
        shutil.copy2(source, copy.parent)
    monkeypatch.setattr(compiled, "__file__", str(copy))
    same = compiled._mark()
    copy.write_text(copy.read_text() + "\n")
    other = compiled._mark()
    assert same is not None
    assert other is not None
    assert mark.name == same.name != other.name
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiled._mark() is None


def test_a_kernel_that_is_not_kept_is_compiled_where_all_are_loaded(tmp_path: Path) -> None:
    code = (
        "import numpy; from prx_data.kernels import compiled, lab, load_all\n"
        "compiled._KERNELS[:] = [lab.halved]; load_all()\n"
        "assert lab.halved.compiled.stats.cache_misses\n"
        "assert lab.halved(numpy.ones((3, 4, 6), dtype=numpy.float32)).sum() == 18"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)})


def test_kernels_take_nothing_from_other_files_of_kernels() -> None:
    """numba would not see that those changed."""
    for path in Path(kernels.__file__).parent.glob("*.py"):
        imports = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.ImportFrom)]
        taken = {one.module for one in imports if "prx_data" in str(one.module)}
        assert path.name == "__init__.py" or taken <= {"prx_data.kernels.compiled"}, path
