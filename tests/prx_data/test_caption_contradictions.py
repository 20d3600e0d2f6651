"""What a caption says against what is known of the photo: another colour, another product."""

import pytest

from prx_data.captions.contradictions import color_contradiction, product_contradiction


@pytest.mark.parametrize(
    ("text", "catalogue", "measured", "wrong"),
    [
        ("A red hoodie on a gray ground", "Gray", "gray", True),
        ("A gray hoodie on a red ground", "Gray", "gray", False),
        ("A charcoal hoodie with red trousers", "Gray", "", False),
        ("A hoodie in bright red, against a gray wall", "Gray", "", True),
        ("The hoodie is red. The background is gray.", "Gray", "", True),
        ("A navy hoodie", "Blue", "navy", False),
        ("A black hoodie", "", "navy", False),
        ("A teal hoodie", "Gray", "teal", True),  # the prompt says that gray is true
        ("A gray hoodie", "Red", "gray", True),
        ("A red hoodie", "Red", "gray", False),
        ("A gray hoodie", "White", "gray", False),  # not told apart for sure
        ("A black hoodie", "White", "gray", True),
        ("A green hoodie", "Multicolor Blue", "green", False),
        ("A green hoodie", "Blue / White", "green", False),
        ("A brown hoodie", "Midnight Storm", "brown", False),  # a name, and perhaps no colour
        ("A gray hoodie", "Orange", "gray", True),
        ("A hoodie", "Gray", "gray", False),
        ("A red hoodie", "Multi", "", False),  # nothing is known
        ("A hoodie in a rose garden", "Gray", "", False),
        ("A red and gray striped hoodie", "Gray", "", False),
        ("A hoodie with a red drawstring and red dots", "Gray", "", False),
        ("A red garment with a hood", "Gray", "", True),
        ("A hoodie from the front. Its surface is red.", "Gray", "", True),
        ("A hoodie from the front. The ground behind it is red, and it is gray.", "Gray", "", False),
        ("A hoodie from the front. The wall behind it is red.", "Gray", "", False),
        ("A hoodie from the front. Its background is red.", "Gray", "", False),
        ("The background behind the hoodie is a bright red", "Gray", "", False),
        ("A hoodie. Behind the hoodie it is red.", "Gray", "", False),
        ("A red tabletop holds a hoodie", "Gray", "", False),
        ("Red paper carries the hoodie", "Gray", "", False),
        ("The image background is red and the hoodie hangs", "Gray", "", False),
        ("A beige hoodie against a red wall", "Red", "beige", True),  # the wall's colour does not excuse it
        ("A hoodie of red canvas", "Gray", "", False),
        ("The hoodie on the white wall is red", "Gray", "", True),
    ],
)
def test_color(text: str, catalogue: str, measured: str, wrong: bool) -> None:
    assert (color_contradiction(text, catalogue, measured, "Chaz Hoodie") is not None) == wrong


def test_what_stands_between_a_products_words_is_no_word_of_it() -> None:
    text = "A hoodie, red all over. Behind it is a gray floor, in focus at the front."
    assert color_contradiction(text, "Gray", "", "Chaz, Hoodies") is not None
    assert color_contradiction(text, "Red", "", "Chaz, Hoodies") is None


@pytest.mark.parametrize(
    ("text", "product", "wrong"),
    [
        ("A pair of jeans on white", "Chaz Hoodie, Hoodies & Sweatshirts", True),
        ("A sweater worn with jeans", "Chaz Hoodie", False),
        ("A pear on a plate", "Golden Delicious, Apple", True),
        ("A round fruit", "Golden Delicious, Apple", False),
        ("A carton of orange juice next to an orange", "God Morgon Orange Juice, Juice", False),
        ("Something soft and warm", "Chaz Hoodie", False),
        ("A pair of sneakers", "Zorblax 3000", False),  # nobody knows what that is
        ("A tee lying on a wooden table", "T-Shirt", False),
    ],
)
def test_product(text: str, product: str, wrong: bool) -> None:
    assert (product_contradiction(text, product) is not None) == wrong
