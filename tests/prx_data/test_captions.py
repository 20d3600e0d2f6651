"""Template captions from metadata as shops export it."""

import pytest

from prx_data import PhotoFacts, Template
from prx_data.captions import Captioner, Request


def written(captioner: Captioner, facts: PhotoFacts) -> tuple[str, str]:
    (answer,) = captioner.write([Request(facts=facts, kind="template")])
    return answer.text, answer.kind


@pytest.mark.parametrize(
    ("metadata", "color", "background", "caption"),
    [
        (
            {"name": "Chaz Hoodie", "color": "Gray", "category": "Men/Tops/Hoodies & Sweatshirts", "view": "back"},
            "teal",
            "plain white",
            "a photo of a gray chaz hoodie, hoodies & sweatshirts, on a plain white background, back view",
        ),
        ({"name": "Cap", "color": "Black|White"}, "", "", "a photo of a black and white cap"),
        ({"name": "Cap", "color": "Dark Red / Off-White"}, "", "", "a photo of a dark red and off-white cap"),
        ({"name": "Cap", "color": "black;white; Red"}, "", "", "a photo of a black, white and red cap"),
        ({"name": "Cap", "color": "#FF0000"}, "", "", "a photo of a red cap"),
        ({"name": "Cap", "color": "#fff/#000000/white"}, "", "", "a photo of a white and black cap"),
        ({"name": "Cap", "color": "Color #12, Matte"}, "", "", "a photo of a color #12, matte cap"),
        ({"name": "Cap", "color": "Black w/ White"}, "", "", "a photo of a black w/ white cap"),
        ({"name": "Cap", "color": "|"}, "blue", "", "a photo of a blue cap"),
        ({"label": "T-Shirt"}, "orange", "", "a photo of an orange t-shirt"),
        ({"name": "Red Bell Pepper", "coarse": "Pepper"}, "red", "", "a photo of a red bell pepper"),
        ({"Name": "Minerva LumaTech&trade; V-Tee"}, "", "", "a photo of a minerva lumatech v-tee"),
        ({"view": "alt1"}, "", "plain blue", "a photo of a product, on a plain blue background"),
        ({}, "black", "", "a photo of a black product"),
        ({"category": "Shoes > Sport-Shoes"}, "", "", "a photo of sport shoes"),
        ({"category": "Shoes > sport_shoes > "}, "", "", "a photo of sport shoes"),
        ({"name": "N/A", "label": "Shirt", "color": "NA", "category": " - "}, "blue", "", "a photo of a blue shirt"),
        ({"name": "<b>Polo</b> Shirt &amp; Tie"}, "", "", "a photo of a polo shirt & tie"),
        ({"name": "Unisex Cap"}, "", "", "a photo of a unisex cap"),
        ({"name": "One-Piece Swimsuit"}, "", "", "a photo of a one-piece swimsuit"),
        ({"name": "USB Hub"}, "", "", "a photo of a usb hub"),
        ({"name": "Uninsulated Coat"}, "", "", "a photo of an uninsulated coat"),
        ({"name": "Umbrella"}, "", "", "a photo of an umbrella"),
        ({"name": "Hourglass"}, "", "", "a photo of an hourglass"),
        ({"name": "8-Port Switch"}, "", "", "a photo of an 8-port switch"),
        ({"name": "1800 W Kettle"}, "", "", "a photo of a 1800 w kettle"),
    ],
)
def test_template(metadata: dict[str, str], color: str, background: str, caption: str) -> None:
    facts = PhotoFacts(key="k", metadata=metadata, color=color, background=background)
    assert written(Template(), facts) == (caption, "template")


def test_columns_are_found_in_any_case() -> None:
    facts = PhotoFacts(key="k", metadata={"ArtikelName": "Hat"}, color="", background="")
    assert written(Template(name_columns=("Artikelname",)), facts)[0] == "a photo of a hat"


def test_a_finished_caption_is_kept_word_for_word() -> None:
    facts = PhotoFacts(key="k", metadata={"caption": "A Hat, by hand", "name": "x"}, color="red", background="white")
    assert written(Template(), facts) == ("A Hat, by hand", "metadata")
    assert written(Template(caption_columns=()), facts)[1] == "template"
