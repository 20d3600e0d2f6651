"""What captions guess at, and what they make of what is seen."""

import pytest

from prx_data import Checks, PhotoFacts
from prx_data.captions.contradictions import color_contradiction, product_contradiction

from .test_caption_checks import DENSE, checks_of


@pytest.mark.parametrize(
    ("tail", "wanted"),
    [
        ("It is possibly meant for children.", "speculation"),
        ("The owner has probably just taken it off.", "speculation"),
        ("It could be worn on a cool evening, and it may have belonged to a runner.", "speculation"),
        ("The creases suggest that someone has slept in it.", "speculation"),
        ("It is unclear who made it.", "speculation"),
        ("It must be soft, and it would suit a tall man.", "speculation"),
        ("The overall composition is balanced.", "preamble"),
        ("In conclusion, it is a plain piece.", "preamble"),
        ("It is worth noting that the hood is deep.", "preamble"),
        ("The mood is calm and cosy.", "preamble"),
        ("The soft light evokes a quiet feeling of comfort.", "preamble"),
        ("The viewer's attention is drawn to the pocket.", "preamble"),
        ("Elevate your wardrobe.", "markup"),
        ("Enjoy warm evenings in it.", "markup"),
        ("It is a must-have and the perfect choice for walks.", "markup"),
        ("It pairs perfectly with jeans.", "markup"),
    ],
)
def test_what_is_not_seen_is_told(tail: str, wanted: str) -> None:
    assert checks_of(f"{DENSE} {tail}") == [wanted]


@pytest.mark.parametrize(
    "tail",
    [
        "The lining is likely made of cotton, or possibly of brushed polyester.",
        "The soft shadow suggests a light from the left.",
        'A patch with the words "perhaps you could be happy" is sewn to the sleeve.',
        "A seam can be made out below the pocket, which could not hold more than a hand.",
        "The model faces the viewer.",
        "The composition leather of the patch is smooth.",
        "Complete with a drawstring: the hood.",
        "Stay cords hold the hood in its shape.",
        "The overall length is that of a tunic.",
        "A pair of May roses is embroidered on the chest.",
    ],
)
def test_what_is_seen_passes(tail: str) -> None:
    assert checks_of(f"{DENSE} {tail}") == []


def test_a_list_of_what_is_what_is_no_caption() -> None:
    listed = (
        "Subject: gray hoodie. Material: cotton fleece. Colour: gray heather. View: front. Background: plain white. "
        "Light: soft and even, without hard shadows. Arrangement: straight."
    )
    assert checks_of(listed) == ["markup"]
    assert checks_of(f"Gray hoodie: a classic. {DENSE[2:]}") == []


def test_the_same_few_words_in_ever_new_sentences_are_a_loop() -> None:
    text = (
        "A hoodie is on a hanger. The hanger is on the wall and the hoodie is on it. The wall is behind the hoodie and "
        "the hanger is on the wall. The hoodie is gray and the wall is behind it and the hanger is gray."
    )
    assert checks_of(text) == ["repetition"]


def test_colors_that_stand_together_are_of_the_same_thing() -> None:
    red = PhotoFacts(key="k", metadata={"name": "Scarf", "color": "Red"}, color="red", background="")
    assert Checks().failures("Red and cream checked wool scarf on a dress form", "short", red) == ()
    (failure,) = Checks().failures("Blue and cream checked wool scarf on a dress form", "short", red)
    assert failure.check == "color"


def test_where_a_thing_lies_does_not_hide_its_color() -> None:
    orange = PhotoFacts(key="k", metadata={"name": "Jacket", "color": "Orange"}, color="orange", background="")
    (failure,) = Checks().failures("A light puffer jacket in deep navy lies open on white", "short", orange)
    assert failure.check == "color"
    (failure,) = Checks().failures("A puffer jacket on white; its shell is pale blue", "short", orange)
    assert failure.check == "color"
    assert Checks().failures("A puffer jacket on white; its lining is pale blue", "short", orange) == ()


def test_of_two_nouns_the_last_says_what_it_is() -> None:
    lamp = PhotoFacts(key="k", metadata={"name": "Desk Lamp"}, color="", background="")
    (failure,) = Checks().failures("A laptop is open on a desk", "short", lamp)
    assert failure.check == "product"
    shoes = PhotoFacts(key="k", metadata={"name": "Shoes & Bags"}, color="", background="")
    assert Checks().failures("A pair of shoes on white", "short", shoes) == ()


def test_a_noun_that_only_says_which_has_colors_of_its_own() -> None:
    assert color_contradiction("Brass lamp with a dome shade on a black desk", "Brass", "yellow", "Desk Lamp") is None
    assert color_contradiction("Clear case, shown on a purple phone", "Clear", "white", "Phone Case") is None
    assert color_contradiction("Bright pink desk lamp", "Brass", "yellow", "Desk Lamp") is not None
    assert color_contradiction("Bright red case for a black phone", "Blue", "blue", "Phone Case") is not None


def test_what_is_printed_on_it_is_no_noun() -> None:
    said = 'Carton with a pale blue front. Large letters in black spell "OAT MILK" above a drawing of a cup.'
    assert color_contradiction(said, "", "blue", "Oat Milk") is None
    assert color_contradiction("Carton of black oat milk", "", "blue", "Oat Milk") is not None


def test_several_colors_or_a_wood_are_no_one_color() -> None:
    assert color_contradiction("Coiled strip glowing in red and green", "RGB", "black", "LED Strip") is None
    assert color_contradiction("Woven rug in blue and ivory", "Multi", "red", "Rug") is None
    assert color_contradiction("Reddish-brown table with turned legs", "Cherry", "brown", "Table") is None
    assert color_contradiction("Bright green table with turned legs", "Cherry", "brown", "Table") is not None


def test_a_light_shade_is_no_light() -> None:
    assert color_contradiction("A jacket in light green with contrast stitching", "Black", "black", "Jacket")


def test_categories_in_the_plural_are_known() -> None:
    assert product_contradiction("Blue poster with a sailing boat", "Book Cover Art Print, Posters") is None
    assert product_contradiction("Blue umbrella with a wooden handle", "Sailing, Posters") is not None


def test_kinds_of_jewellery_are_told_apart() -> None:
    assert product_contradiction("Silver bracelet with round links", "Silver Necklace") is not None
    assert product_contradiction("Silver necklace with a round pendant", "Pendant") is None


def test_in_a_general_category_a_fruit_is_still_the_one_it_is() -> None:
    assert product_contradiction("Bunch of ripe yellow lemons", "Bananas, Fruit") is not None
    assert product_contradiction("Bowl of ripe yellow fruit", "Bananas, Fruit") is None
    assert product_contradiction("Ripe yellow lemons in a basket", "Basket, Fruit") is None
    assert product_contradiction("Net of small orange mandarins", "Satsumas, Fruit") is None


def test_words_of_another_language_are_no_other_products() -> None:
    text = "Ein grauer Pulli hat eine Kapuze und eine Kordel und ist auf weißem Grund zu sehen"
    assert checks_of(text, "short") == ["language"]
