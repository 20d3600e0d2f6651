from collections import Counter
from pathlib import Path

import pytest
from diffusers.image_processor import PixArtImageProcessor
from diffusers.pipelines.prx.pipeline_prx import ASPECT_RATIO_BINS as BINS
from diffusers.pipelines.prx.pipeline_prx_pixel import ASPECT_RATIO_BINS as PIXEL_BINS
from hypothesis import given
from hypothesis import strategies as st

from prx_train.buckets import Order, buckets_for, epoch_order
from prx_train.data import load_split
from prx_train.model.bins import published_bins

from .conftest import rows, write_split


@pytest.mark.parametrize(("resolution", "patch"), [(64, 8), (32, 8), (16, 16), (512, 16), (1024, 32)])
def test_buckets_have_about_as_many_pixels_and_whole_patches(resolution: int, patch: int) -> None:
    sizes = buckets_for(resolution, patch).sizes
    assert (resolution, resolution) in sizes
    for height, width in sizes:
        assert height % patch == width % patch == 0
        assert 0.5 <= width / height <= 2
        assert 0.7 <= height * width / resolution**2 <= 1.5
        assert (width, height) in sizes


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_the_nearest_bucket_is_the_nearest_by_trying_all(height: int, width: int) -> None:
    buckets = buckets_for(64, 8)

    def ratio(size: tuple[int, int]) -> float:
        asked, given_ = width / height, size[1] / size[0]
        return max(asked / given_, given_ / asked)

    assert ratio(buckets.nearest(height, width)) <= min(map(ratio, buckets.sizes)) * (1 + 1e-9)


@given(st.sampled_from([256, 512, 1024]), st.integers(1, 4000), st.integers(1, 4000))
def test_at_the_resolutions_of_prx_buckets_are_those_of_its_pipelines(resolution: int, height: int, width: int) -> None:
    bins = PIXEL_BINS if resolution == 1024 else BINS
    chosen = PixArtImageProcessor.classify_height_width_bin(height, width, ratios=bins[resolution])
    for patch in (16, 32):  # an autoencoder's tokens, and those of pixels
        assert buckets_for(resolution, patch, published_bins(resolution)).nearest(height, width) == chosen


def test_a_dataset_at_512_pixels_is_in_the_bins_of_prx(tmp_path: Path) -> None:
    file = write_split(tmp_path, "train", rows(7))
    split = load_split([str(file)], resolution=512, patch_size=16, ram_limit=0)
    assert set(split.buckets()) == {(512, 512), (384, 640), (640, 384)}


def test_other_tokens_and_resolutions_have_buckets_of_their_own() -> None:
    assert published_bins(640) is None
    for patch in (20, 64):
        assert buckets_for(1280, patch) == buckets_for(1280, patch, published_bins(1280))
        found = buckets_for(512, patch, published_bins(512))
        assert found.aspects == ()
        assert all(side % patch == 0 for size in found.sizes for side in size)


sizes_of_rows = st.lists(st.sampled_from([(8, 8), (8, 16), (16, 8)]), min_size=1, max_size=60)
pools = st.one_of(st.none(), st.integers(1, 4))


def order(sizes: list[tuple[int, int]], batch_size: int, seed: int, pool: int | None) -> Order:
    """Rows in row groups of seven."""
    return Order(
        sizes=sizes,
        weights=[1.0] * len(sizes),
        batch_size=batch_size,
        seed=seed,
        groups=[n // 7 for n in range(len(sizes))],
        pool=pool,
    )


@given(sizes_of_rows, st.integers(1, 7), st.integers(0, 99), st.integers(0, 3), pools)
def test_an_epoch_loses_no_photo_and_mixes_no_shapes(
    sizes: list[tuple[int, int]], batch_size: int, seed: int, epoch: int, pool: int | None
) -> None:
    batches = order(sizes, batch_size, seed, pool).epoch(epoch)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(sizes)))
    assert all(len({sizes[row] for row in batch.rows}) == 1 for batch in batches)
    assert max(len(batch.rows) for batch in batches) <= batch_size


@given(sizes_of_rows, st.integers(1, 7), st.integers(0, 30), pools)
def test_the_order_goes_on_where_it_stopped(
    sizes: list[tuple[int, int]], batch_size: int, stop: int, pool: int | None
) -> None:
    found = order(sizes, batch_size, 3, pool)
    whole = found.batches_from()
    epoch = position = 0
    for _ in range(stop):
        _, epoch, position = next(whole)
    rest = found.batches_from(epoch, position)
    for _ in range(10):
        assert next(whole)[0] == next(rest)[0]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 9))
def test_a_pool_is_finished_before_the_next_one_begins(count: int, pool: int, epoch: int) -> None:
    groups = [n // 7 for n in range(count)]
    rows = epoch_order([1.0] * count, seed=1, epoch=epoch, groups=groups, pool=pool)
    seen = [groups[row] for row in rows]
    last = {group: max(n for n, one in enumerate(seen) if one == group) for group in seen}
    first = {group: seen.index(group) for group in seen}
    for group in first:
        # Groups that are open at once, this one included, are those of its pool.
        together = [one for one in first if first[one] <= last[group] and last[one] >= first[group]]
        assert len(together) <= pool


def test_weights_say_how_often_a_photo_comes() -> None:
    seen = Counter(row for epoch in range(400) for row in epoch_order([1.0, 2.0, 0.25, 1.5], seed=0, epoch=epoch))
    assert seen[0] == 400
    assert seen[1] == 800
    assert 60 <= seen[2] <= 140
    assert 540 <= seen[3] <= 660


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order([1.0] * 20, seed=s, epoch=e)) for s in range(3) for e in range(3)}
    assert len(orders) == 9
