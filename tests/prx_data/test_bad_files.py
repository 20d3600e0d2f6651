"""Every format with every fault has its status; mutated real files never raise; truncated JPEGs can be salvaged."""

import hashlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prx_data import Rules, Workspace
from prx_data.decoding import decode
from prx_data.measures import standard_measures
from prx_data.records import EXPLANATIONS, FAILED, Status

from .conftest import encode
from .corpus import faulty_files, lossless_jpeg, noisy_picture, recoded

FILES = {name: (data, status) for name, data, status in faulty_files()}


@pytest.mark.parametrize("name", FILES)
def test_a_faulty_file_has_its_status(name: str) -> None:
    data, status = FILES[name]
    decoded = decode(data)
    assert decoded.status is status, decoded.message
    assert bool(decoded.message) == (status is not Status.OK)
    assert (decoded.picture is not None) == (decoded.decoded_share > 0)
    if status not in (Status.OK, Status.TRUNCATED):
        assert decoded.picture is None


@pytest.mark.parametrize("name", [one for one in FILES if one.startswith("of another format/")])
def test_what_is_not_supported_is_named(name: str) -> None:
    format_ = name.split("/")[1].split(",")[0]
    assert decode(FILES[name][0]).message == f"{format_} is not supported"


def test_jpegs_that_a_build_of_the_library_may_not_know_are_decoded_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = encode(noisy_picture(), quality=90)
    lossless = decode(lossless_jpeg())
    if lossless.status is Status.OK:
        assert lossless.pixels is not None
        assert (lossless.pixels == 128).all()
        assert decode(lossless_jpeg()[:-20]).status is Status.TRUNCATED
    else:
        assert lossless.message == "lossless JPEG is not supported"
    damaged = recoded(jpeg, 0xC3)
    known = lossless.status is Status.OK
    assert decode(damaged).status is (Status.UNREADABLE if known else Status.UNSUPPORTED)
    # As in a build that leaves both out: where they are not known, nobody can tell that the data is of another coding.
    monkeypatch.setattr("prx_data.decoding._decodes", lambda marker: False)
    assert decode(damaged).message == "lossless JPEG is not supported"
    assert decode(recoded(jpeg, 0xCA)).message == "progressive arithmetic-coded JPEG is not supported"


@pytest.mark.parametrize("at", range(18))
def test_what_merely_resembles_an_old_targa_is_none(at: int) -> None:
    """A header in which one byte makes no sense, or fewer pixels than it says."""
    data = bytearray(FILES["of another format/TGA, old"][0])
    if at in (0, 8, 9, 10, 11):  # words before the picture and its place: anything goes, but words take room
        assert decode(bytes(data[:-1])).status is Status.NOT_AN_IMAGE
        return
    data[at] = 0xFF
    assert decode(bytes(data)).status is Status.NOT_AN_IMAGE


def test_the_corpus_covers_the_statuses_of_bytes() -> None:
    assert len(FILES) > 100
    counts = Counter(status for _, status in FILES.values())
    of_the_process = {Status.MISSING, Status.DECODER_CRASH, Status.DECODER_TIMEOUT, Status.MEASURE_FAILED}
    assert set(counts) == set(Status) - of_the_process
    assert set(EXPLANATIONS) >= FAILED


def test_whatever_passes_through_as_it_is_decodes_to_the_same_elsewhere() -> None:
    passed = 0
    for name, (data, _) in FILES.items():
        decoded = decode(data)
        if decoded.as_is and decoded.pixels is not None:
            passed += 1
            with Image.open(BytesIO(data)) as image:
                np.testing.assert_array_equal(decoded.pixels, np.asarray(image.convert("RGB")), name)
    assert passed >= 10


def test_a_wrong_extension_does_not_matter_and_all_become_rows(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, (data, _) in enumerate(FILES.values()):
        (photos / f"{number:03}.jpg").write_bytes(data)
    workspace = Workspace(tmp_path / "work")
    workspace.add(photos)
    workspace.measure(workers=2)
    verdicts = {one["origin"]: one for one in workspace.select().verdicts.to_pylist()}
    assert len(verdicts) == len(FILES)
    for number, (_, status) in enumerate(FILES.values()):
        reason = verdicts[f"{number:03}.jpg"]["reason"]
        expected = reason not in FAILED if status is Status.OK else reason in (status, "exact_duplicate")
        assert expected, (list(FILES)[number], verdicts[f"{number:03}.jpg"])


def test_pictures_of_one_pixel_can_be_measured() -> None:
    # Too small is a verdict, by the rule `min_side`; decoding and measures take any size.
    for name, (data, _) in FILES.items():
        if name.startswith("a pixel/"):
            picture = decode(data).picture
            assert picture is not None
            for measure in standard_measures():
                assert set(measure(picture)) == set(measure.schema.names)


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A few bytes changed, a part cut out, doubled or zeroed, or the end missing."""
    found = bytearray(data)
    kind = random.integers(5)
    at, length = int(random.integers(len(found))), int(random.integers(1, 1 + min(400, len(found))))
    if kind == 0:
        for _ in range(int(random.integers(1, 30))):
            # Headers are where decoders can be led astray.
            place = int(random.integers(min(700, len(found)) if random.random() < 0.6 else len(found)))
            found[place] = int(random.integers(256))
    elif kind == 1:
        del found[at : at + length]
    elif kind == 2:
        found[at:at] = found[at : at + length]
    elif kind == 3:
        found[at : at + length] = bytes(len(found[at : at + length]))
    else:
        del found[at:]
    return bytes(found)


def real_files(photos: Path) -> list[bytes]:
    """Photos, and a small one in other formats."""
    files = [*sorted((photos / "phone").rglob("*.jpg"))[::90], *sorted((photos / "grocery").rglob("*.jpg"))[::60]]
    real = [one.read_bytes() for one in files]
    with Image.open(files[0]) as image:
        small = image.convert("RGB").resize((90, 120))
    real += [encode(small, format_) for format_ in ("PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]
    return real


def test_mutated_real_files_never_raise(photos: Path) -> None:
    random, real = np.random.default_rng(11), real_files(photos)
    statuses: Counter[Status] = Counter()
    for number in range(200):
        decoded = decode(mutated(real[number % len(real)], random))
        assert (decoded.picture is not None) == (decoded.decoded_share > 0)
        assert decoded.message or decoded.status is Status.OK
        statuses[decoded.status] += 1
    assert len(statuses) >= 3


def test_mutated_real_files_are_rows_of_a_measured_workspace(photos: Path, tmp_path: Path) -> None:
    """Through the processes that measure: as many rows come out as files went in, each with what decoding says."""
    random, real = np.random.default_rng(12), real_files(photos)
    (tmp_path / "photos").mkdir()
    files = {f"{number:03}.jpg": mutated(real[number % len(real)], random) for number in range(60)}
    for name, data in files.items():
        (tmp_path / "photos" / name).write_bytes(data)
    workspace = Workspace(tmp_path / "work")
    assert workspace.add(tmp_path / "photos") == len(files)
    distinct = {hashlib.sha256(data).hexdigest() for data in files.values()}
    assert workspace.measure(workers=2) == len(distinct)
    columns = workspace.columns().to_pylist()
    assert {row["key"] for row in columns} == distinct
    assert len(columns) == len(distinct)
    statuses = {row["key"]: row["status"] for row in columns}
    for data in files.values():
        assert statuses[hashlib.sha256(data).hexdigest()] == decode(data).status
    assert len(set(statuses.values())) >= 3
    # What the measures give of a damaged picture is a row, too; none of them fails for one.
    assert [row["error"] for row in columns if row["error"]] == []
    chosen = workspace.select()
    assert chosen.verdicts["origin"].to_pylist() == sorted(files)
    counts = chosen.counts
    assert counts["kept"] + sum(counts["dropped"].values()) + sum(counts["failed"].values()) == len(files)


def test_rows_of_a_truncated_jpeg_are_salvaged() -> None:
    picture = noisy_picture((320, 400))
    data = encode(picture, quality=90)
    whole = decode(data)
    shares = []
    for part in (0.3, 0.6, 0.9):
        decoded = decode(data[: int(part * len(data))])
        assert decoded.status is Status.TRUNCATED
        assert decoded.notes == ("truncated",)
        assert not decoded.as_is
        assert decoded.pixels is not None
        assert whole.pixels is not None
        rows = len(decoded.pixels)
        assert (decoded.width, decoded.height) == (320, rows)
        assert rows == round(decoded.decoded_share * 400)
        # The last row's chroma is smoothed with what follows it.
        np.testing.assert_array_equal(decoded.pixels[: rows - 1], whole.pixels[: rows - 1])
        assert f"{decoded.decoded_share:.0%} of the rows" in decoded.message
        shares.append(decoded.decoded_share)
    assert np.allclose(shares, (0.3, 0.6, 0.9), atol=0.1)


def test_a_truncated_progressive_jpeg_has_no_finished_row() -> None:
    data = encode(noisy_picture(), quality=90, progressive=True)
    assert decode(data[: int(0.9 * len(data))]).picture is None


def test_salvage_is_a_setting_that_decodes_nothing_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    data = encode(noisy_picture((320, 400)), quality=90)
    (photos / "most.jpg").write_bytes(data[: int(0.9 * len(data))])
    (photos / "half.jpg").write_bytes(encode(noisy_picture((330, 410)), quality=90)[: len(data) // 2])
    workspace = Workspace(tmp_path / "work")
    workspace.add(photos)
    workspace.measure(workers=1)
    reasons = {}
    for least in (None, 0.8, 0.2):
        rules = Rules(min_decoded_share=least, min_cleanliness=None)
        reasons[least] = {one["origin"]: one["reason"] for one in workspace.select(rules).verdicts.to_pylist()}
    assert reasons[None] == {"most.jpg": "truncated", "half.jpg": "truncated"}
    assert reasons[0.8] == {"most.jpg": "kept", "half.jpg": "truncated"}
    assert reasons[0.2] == {"most.jpg": "kept", "half.jpg": "kept"}
    chosen = workspace.select(Rules(min_decoded_share=0.8, min_cleanliness=None))
    assert chosen.write(tmp_path / "dataset")["counts"]["kept"] == 1
