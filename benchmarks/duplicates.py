"""What near-duplicate search is worth: prints recall and precision for each transformation.

    python benchmarks/duplicates.py PHOTOS [ORIGINALS]

PHOTOS is a folder of photos that hold no copies of each other, such as one with `catalogue`, `phone` and `grocery`.
ORIGINALS of them (200 unless given) are changed in each way, and each change is looked for among all photos: recall is
the share that is matched to its own original, precision the share of all matches that are. Beside it stands plain
pHash at radius 4 by `imagehash`. All thresholds were chosen by changes of photos whose file name hashes to an even
number; the originals here are of the others, and no threshold was chosen by them. The last rows, called *beyond*, are
changes that the search is not made for: they say where it ends.

The second table counts pairs among the untransformed photos, which all are false where the photos hold no copies, by
half: thresholds were chosen on the half of the products whose name hashes to an even number, and the other half was
looked at afterwards only.

The third gives the time of all decisions about near duplicates: for the photos, and for many more that are made of
them, each the mean of two of one folder, so that their thumbnails crowd more than photos do. Each photo is in a dozen
of 20,000 means and in over a hundred of 100,000, so a few of these are matched. Nothing is written.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from scipy import fft

from prx_data import picture as pictures
from prx_data.decisions.duplicates import PhotoColumns, find_duplicates, find_leaks
from prx_data.decisions.groups import cross_pairs
from prx_data.decisions.join import Codes
from prx_data.decisions.neighbors import find_candidates
from prx_data.decisions.settings import Settings
from prx_data.decisions.thumbnails import Thumbnails
from prx_data.measures.perceptual import Perceptual

Picture = Image.Image
Row = dict[str, object]
RADIUS = 4
LIMIT = Settings().duplicate_color_difference
MANY = (20_000, 100_000)


def encoded(image: Picture, quality: int = 90, form: str = "JPEG") -> Picture:
    """Written to a file and read again."""
    buffer = BytesIO()
    image.save(buffer, form, quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(image: Picture, factor: float) -> Picture:
    """Resized."""
    size = (max(24, round(image.width * factor)), max(24, round(image.height * factor)))
    return encoded(image.resize(size, Image.Resampling.LANCZOS))


def cropped(image: Picture, share: float, *, centred: bool) -> Picture:
    """Without a share of each side's length: from the middle, or from anywhere."""
    width, height = round(image.width * (1 - share)), round(image.height * (1 - share))
    random = np.random.default_rng(image.width * 7919 + image.height + int(np.asarray(image)[::9, ::9].sum()))
    x, y = random.integers(0, [image.width - width + 1, image.height - height + 1])
    if centred:
        x, y = (image.width - width) // 2, (image.height - height) // 2
    return encoded(image.crop((int(x), int(y), int(x) + width, int(y) + height)))


def cut(image: Picture, share: float) -> Picture:
    """Without a share of its height, at the bottom."""
    return encoded(image.crop((0, 0, image.width, round(image.height * (1 - share)))))


def padded(image: Picture, color: str) -> Picture:
    """Padded to a square; a square to one that is a quarter larger."""
    side = max(image.size) if image.width != image.height else round(1.25 * image.width)
    square = Image.new("RGB", (side, side), color)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return encoded(square)


def framed(image: Picture, color: str, share: float) -> Picture:
    """With a border on all sides."""
    return encoded(ImageOps.expand(image, round(share * max(image.size)), color))


def brighter(image: Picture, factor: float) -> Picture:
    """All levels times a factor."""
    return encoded(ImageEnhance.Brightness(image).enhance(factor))


def contrasted(image: Picture, factor: float) -> Picture:
    """Differences from the mean grey times a factor."""
    return encoded(ImageEnhance.Contrast(image).enhance(factor))


def tilted(image: Picture, angle: float) -> Picture:
    """Rotated a little, with white corners."""
    return encoded(image.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor="white"))


def on_a_blur(image: Picture) -> Picture:
    """On a square of itself, enlarged and blurred, as video players fill their frames."""
    side = max(image.size) + 100
    square = image.resize((side, side)).filter(ImageFilter.GaussianBlur(20))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return encoded(square)


def turned(image: Picture, angle: int, *, mirrored: bool = False) -> Picture:
    """Rotated, counterclockwise, after it was mirrored."""
    return encoded((ImageOps.mirror(image) if mirrored else image).rotate(angle, expand=True))


def marked(image: Picture, text: str, *, share: float, opacity: int, centred: bool) -> Picture:
    """With text over it, a share of its width high."""
    size = max(9, round(image.width * share))
    font = ImageFont.load_default(size)
    layer = Image.new("RGBA", image.size)
    drawing = ImageDraw.Draw(layer)
    _, _, width, height = drawing.textbbox((0, 0), text, font=font)
    place = (image.width - width - size / 2, image.height - height - size / 2)
    if centred:
        place = ((image.width - width) / 2, (image.height - height) / 2)
    level = 255 if np.asarray(image.convert("L")).mean() < 128 else 70
    drawing.text(place, text, font=font, fill=(level, level, level, opacity))
    return encoded(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"))


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    **{f"JPEG q{quality}": partial(encoded, quality=quality) for quality in (30, 50, 75, 95)},
    **{f"resized to {factor:.0%}": partial(scaled, factor=factor) for factor in (0.33, 0.5, 1.5)},
    **{f"crop {share:.0%}, centred": partial(cropped, share=share, centred=True) for share in (0.02, 0.1, 0.2)},
    **{f"crop {share:.0%}, anywhere": partial(cropped, share=share, centred=False) for share in (0.05, 0.1, 0.15, 0.2)},
    **{f"cut {share:.0%} at the bottom": partial(cut, share=share) for share in (0.1, 0.2)},
    **{f"padded to a square, {color}": partial(padded, color=color) for color in ("white", "black")},
    "white border 6%": partial(framed, color="white", share=0.06),
    "red border 3%": partial(framed, color="#c03030", share=0.03),
    **{f"brightness × {factor}": partial(brighter, factor=factor) for factor in (0.8, 0.9, 1.1, 1.2)},
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
    **{f"rotated by {angle}°": partial(turned, angle=angle) for angle in (90, 180, 270)},
    **{f"mirrored, rotated by {angle}°": partial(turned, angle=angle, mirrored=True) for angle in (90, 180)},
    "rotated by 90°, crop 10%": lambda image: cropped(turned(image, angle=90), share=0.1, centred=False),
    "text across, half opaque": partial(marked, text="SAMPLE SHOP", share=0.11, opacity=128, centred=True),
    "text in a corner, opaque": partial(marked, text="© sample-shop.com", share=0.045, opacity=255, centred=False),
    "PNG": partial(encoded, form="PNG"),
    "WebP q80": partial(encoded, quality=80, form="WEBP"),
    **{f"beyond: brightness × {factor}": partial(brighter, factor=factor) for factor in (0.6, 1.4)},
    "beyond: contrast × 1.3": partial(contrasted, factor=1.3),
    "beyond: rotated by 3°": partial(tilted, angle=3),
    "beyond: crop 30%, anywhere": partial(cropped, share=0.3, centred=False),
    "beyond: on a blurred square of itself": on_a_blur,
    "beyond: in grey": lambda image: encoded(image.convert("L").convert("RGB")),
}


def name_hash(name: str) -> int:
    """A byte that depends on a name alone."""
    return hashlib.sha256(name.encode()).digest()[0]


def tuned_on(path: Path) -> bool:
    """Whether the thresholds were chosen on changes of this photo."""
    return name_hash(path.name) % 2 == 0


def product_of(path: Path) -> str:
    """All colours and views of a catalogue product have its number before the first dash; other photos stand alone."""
    return path.name.partition("-")[0] if path.parent.name == "catalogue" else path.name


def measured(image: Picture) -> Row:
    """What prx-data and what imagehash say about one picture."""
    facts = Perceptual()(pictures.Picture(image))
    code = int(str(imagehash.phash(image)), 16)
    return {**facts, "width": image.width, "height": image.height, "plain": code}


def rows_of(path: Path, changed: bool) -> list[Row]:
    """The photo's row, and those of its changes."""
    image = Image.open(path).convert("RGB")
    return [measured(image), *(measured(change(image)) for change in CHANGES.values() if changed)]


def arrays(rows: Sequence[Row]) -> tuple[PhotoColumns, npt.NDArray[np.uint64]]:
    """The rows as prx-data's decisions want them, and imagehash's codes."""
    fields = [*Perceptual().schema, ("width", pa.int32()), ("height", pa.int32()), ("plain", pa.uint64())]
    table = pa.Table.from_pylist(list(rows), schema=pa.schema(fields))
    return PhotoColumns.of(table), table["plain"].to_numpy()


def scores(pairs: Sequence[tuple[int, int]], count: int, own: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Recall and precision of matches of changed pictures to photos."""
    right = {a for a, b in pairs if own[a] == b}
    wrong = {a for a, b in pairs if own[a] != b} - right
    return len(right) / count, len(right) / max(len(right) + len(wrong), 1)


def main(photos: Path, originals: int) -> None:
    """Measure everything once, then print."""
    files = [path for path in sorted(photos.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]
    unseen = [path for path in files if not tuned_on(path)]
    chosen = sorted(unseen, key=lambda path: hashlib.sha256(path.name.encode()).digest()[1:])[:originals]
    flags = [path in set(chosen) for path in files]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(rows_of, files, flags, chunksize=4))
    base, plain = arrays([one[0] for one in found])
    own = np.flatnonzero(flags)
    print("| change | recall | precision | pHash ≤ 4: recall | precision |")
    print("|---|---|---|---|---|")
    for number, name in enumerate(CHANGES, start=1):
        changed, codes = arrays([found[position][number] for position in own])
        matches = find_leaks(changed, base, radius=RADIUS, max_color=LIMIT)
        ours = scores([(one.photo, one.other) for one in matches], len(own), own)
        pairs = np.concatenate([np.empty((2, 0), dtype=np.int64), *cross_pairs(codes, plain, RADIUS)], axis=1)
        peer = scores(list(zip(*pairs.tolist(), strict=True)), len(own), own)
        print(f"| {name} | {ours[0]:.1%} | {ours[1]:.1%} | {peer[0]:.1%} | {peer[1]:.1%} |", flush=True)
    folders = [path.relative_to(photos).parts[0] for path in files]
    print_pairs(files, folders, base, plain)
    print_times(base, np.array(folders))


def print_pairs(files: Sequence[Path], folders: Sequence[str], base: PhotoColumns, plain: Codes) -> None:
    """What is matched among the untransformed photos, and what the hash alone would match."""
    print("\n| untransformed photos | photos | pairs | matched | pHash ≤ 4 matches |")
    print("|---|---|---|---|---|")
    for half, told in ((True, "thresholds chosen on them"), (False, "held out")):
        for folder in sorted(set(folders)):
            rows = [
                row
                for row, path in enumerate(files)
                if folders[row] == folder and (name_hash(product_of(path)) % 2 == 0) == half
            ]
            here = base.take(np.array(rows))
            dropped = find_duplicates(here, np.arange(len(rows)), radius=RADIUS, max_color=LIMIT)
            peer = sum(int((pairs[0] < pairs[1]).sum()) for pairs in cross_pairs(plain[rows], plain[rows], RADIUS))
            count = len(rows) * (len(rows) - 1) // 2
            print(f"| {folder}, {told} | {len(rows)} | {count:,} | {len(dropped)} | {peer} |")
            for one in dropped:
                print(f"  {files[rows[one.photo]].name} = {files[rows[one.other]].name}: {one.how}")


def print_times(base: PhotoColumns, folders: npt.NDArray[np.str_]) -> None:
    """What a photo costs, for few and for many."""
    print("\n| photos | candidates for alignment, a photo | CPU ms a photo | matched |")
    print("|---|---|---|---|")
    for count in (len(base), *MANY):
        here = base if count == len(base) else means_of_two(base, folders, count)
        start = time.process_time()
        matched = find_duplicates(here, np.arange(len(here)), radius=RADIUS, max_color=LIMIT)
        took = time.process_time() - start
        looked_at = len(find_candidates(here.thumbnails))
        print(
            f"| {len(here):,} | {looked_at / len(here):.1f} | {1000 * took / len(here):.2f} | {len(matched)} |",
            flush=True,
        )


def means_of_two(base: PhotoColumns, folders: npt.NDArray[np.str_], count: int) -> PhotoColumns:
    """Pictures that are each the mean of two of one folder."""
    random = np.random.default_rng(0)
    pairs = random.integers(0, len(base), (20 * count, 2))
    pairs = pairs[(pairs[:, 0] < pairs[:, 1]) & (folders[pairs[:, 0]] == folders[pairs[:, 1]])]
    first, second = random.permutation(np.unique(pairs, axis=0))[:count].T
    a, b = base.take(first), base.take(second)
    light = (a.thumbnails.lightness // 2) + (b.thumbnails.lightness // 2)
    low = fft.dctn(light[:, ::2, ::2].astype(np.float32), axes=(1, 2))[:, :8, :8].reshape(len(light), 64)
    bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    return PhotoColumns(
        codes=bits.view(">u8")[:, 0].astype(np.uint64),
        informative=np.ones(len(light), dtype=bool),
        grids=(a.grids // 2) + (b.grids // 2),
        thumbnails=Thumbnails(
            aspect=a.thumbnails.aspect,
            lightness=light,
            color=(a.thumbnails.color // 2) + (b.thumbnails.color // 2),
        ),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
