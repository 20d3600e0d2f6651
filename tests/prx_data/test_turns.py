"""Turning pictures: what it does to them, to their frequencies and to boxes in them, against doing it to pixels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import fft

from prx_data.decisions.neighbors import Candidates, find_candidates
from prx_data.decisions.thumbnails import Thumbnails
from prx_data.decisions.turns import TURNS, WORDS, back, composed, turned, turned_boxes, turned_frequencies

SIDE = 6


def picture(seed: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(1, SIDE, SIDE))


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_and_the_turn_back_change_nothing(turn: int) -> None:
    again = turned(turned(picture(turn), turn), int(back(np.array([turn], dtype=np.uint8))[0]))
    assert np.array_equal(again, picture(turn))


@given(st.integers(0, 7), st.integers(0, 7))
def test_two_turns_are_one(first: int, second: int) -> None:
    one = composed(np.array([first], dtype=np.uint8), np.array([second], dtype=np.uint8))
    assert np.array_equal(turned(turned(picture(1), first), second), turned(picture(1), int(one[0])))


@pytest.mark.parametrize("turn", TURNS)
def test_the_frequencies_of_a_turned_picture_are_those_of_the_picture_swapped_and_negated(turn: int) -> None:
    place, sign = turned_frequencies(4, turn)
    low = fft.dctn(picture(turn), axes=(1, 2), norm="ortho")[0, :4, :4].ravel()
    slow = fft.dctn(turned(picture(turn), turn), axes=(1, 2), norm="ortho")[0, :4, :4].ravel()
    assert np.allclose(low[place] * sign, slow)


@given(
    st.integers(0, 7), st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(st.integers(1, 2), st.integers(1, 2))
)
def test_boxes_turn_with_their_pictures(turn: int, corner: tuple[int, int], size: tuple[int, int]) -> None:
    (left, top), (width, height) = corner, size
    marked = np.zeros((1, SIDE, SIDE))
    marked[:, top : top + height, left : left + width] = 1
    box = np.array([[left / SIDE, top / SIDE, width / SIDE, height / SIDE]], dtype=np.float32)
    x, y, w, h = np.rint(turned_boxes(box, np.array([turn], dtype=np.uint8))[0] * SIDE).astype(int)
    expected = np.zeros((1, SIDE, SIDE))
    expected[:, y : y + h, x : x + w] = 1
    assert np.array_equal(turned(marked, turn), expected)


@pytest.mark.parametrize(
    ("turn", "how", "words"),
    [
        (3, Image.Transpose.ROTATE_180, "turned by 180°"),
        (5, Image.Transpose.ROTATE_90, "turned by 90° to the left"),
        (6, Image.Transpose.ROTATE_270, "turned by 90° to the right"),
    ],
)
def test_the_words_are_those_of_somebody_who_looks(turn: int, how: Image.Transpose, words: str) -> None:
    """A picture that was turned to the left has to be turned by `turn` to look like what it was."""
    image = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6))
    assert np.array_equal(turned(np.asarray(image.transpose(how))[None], turn)[0], np.asarray(image))
    assert (
        WORDS[turn]
        == {180: "turned by 180°", 90: "turned by 90° to the left", 270: "turned by 90° to the right"}[
            {Image.Transpose.ROTATE_180: 180, Image.Transpose.ROTATE_90: 90, Image.Transpose.ROTATE_270: 270}[how]
        ]
    )


def thumbnails(count: int) -> Thumbnails:
    random = np.random.default_rng(3)
    coarse = random.integers(0, 255, (count, 8, 8)).astype(np.float32)
    light = np.kron(coarse, np.ones((1, 8, 8), dtype=np.float32)).astype(np.uint8)
    color = np.zeros((count, 32, 32, 2), dtype=np.int8)
    return Thumbnails(aspect=np.linspace(0.8, 1.25, count).astype(np.float32), lightness=light, color=color)


def test_every_turn_of_a_picture_is_a_candidate_from_either_side() -> None:
    pictures = thumbnails(8)
    turns = np.arange(8, dtype=np.uint8)
    found = find_candidates(pictures, pictures.turned(turns))
    own = {
        (int(left), int(turn))
        for left, right, turn in zip(found.left, found.right, found.turn, strict=True)
        if left == right
    }
    assert {(one, int(back(turns)[one])) for one in range(8)} <= own


def test_candidates_seen_from_the_other_side_and_back_are_the_same() -> None:
    random = np.random.default_rng(1)
    some = Candidates(
        left=np.arange(8),
        right=np.arange(8)[::-1].copy(),
        turn=np.arange(8, dtype=np.uint8),
        right_inside=np.arange(8) % 3 == 0,
        window=random.uniform(0.1, 0.4, (8, 4)).astype(np.float32),
        distance=np.zeros(8, dtype=np.float32),
    )
    again = some.swapped().swapped()
    assert np.array_equal(again.left, some.left)
    assert np.array_equal(again.turn, some.turn)
    assert np.array_equal(again.right_inside, some.right_inside)
    assert np.allclose(again.window, some.window, atol=1e-6)
