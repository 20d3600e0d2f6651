"""What is wrong with a caption: each check, what it says, and what it must leave alone."""

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import Checks, PhotoFacts
from prx_data.captions.checks import (
    cut_off,
    repetition,
    wrong_language,
    wrong_length,
)
from prx_data.captions.plain import markup, preamble, refusal
from prx_data.captions.text import sentences, stem, tokens

HOODIE = PhotoFacts(
    key="k",
    metadata={"name": "Chaz Kangeroo Hoodie", "color": "Gray", "category": "Men/Tops/Hoodies & Sweatshirts"},
    color="gray",
    background="plain white",
)
DENSE = (
    "A gray heather hoodie of thick cotton fleece hangs straight, seen from the front. The drawstring is black, "
    "the kangaroo pocket has neat seams, and the ribbed cuffs are a shade darker. The background is plain white "
    "under soft, even light. It is worn with black trousers."
)


def checks_of(text: str, kind: str = "dense", **settings: object) -> list[str]:
    found = Checks(**settings).failures(text, kind, HOODIE)  # type: ignore[arg-type]
    return [one.check for one in found]


def test_a_good_caption_passes() -> None:
    assert checks_of(DENSE) == []
    assert checks_of("A gray hoodie with a black drawstring, front view", "short") == []


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ("", "dense", ["empty"]),
        ("  \n", "short", ["empty"]),
        (f"The image shows {DENSE}", "dense", ["preamble"]),
        (f"**Hoodie** {DENSE}", "dense", ["markup"]),
        (f"{DENSE} {DENSE}", "dense", ["repetition"]),
        (DENSE[:-30], "dense", ["cut_off"]),
        ("A gray hoodie.", "dense", ["length"]),
        (DENSE, "short", ["length"]),
        (DENSE.replace("gray", "red"), "dense", ["color"]),
        ("A gray pair of sneakers on a white ground", "short", ["product"]),
        ("I'm sorry, but I cannot identify who this is.", "short", ["refusal"]),
        ("Ein grauer Pullover mit Kapuze und Kordel auf weißem Grund", "short", ["language"]),
    ],
)
def test_each_fault_is_named(text: str, kind: str, wanted: list[str]) -> None:
    assert checks_of(text, kind) == wanted


def test_a_stopped_model_is_cut_off_however_its_text_ends() -> None:
    (failure,) = Checks().failures(DENSE, "dense", HOODIE, finished=False)
    assert str(failure) == "cut_off: the model was stopped before it was done"


@pytest.mark.parametrize(
    "text",
    [
        'A white T-shirt with "Sorry, I can\'t, I have plans" printed on the chest',
        "A jacket with a hood that is not removable, on grey ground",
        "A phone case with a picture of a cat",
    ],
)
def test_no_refusal(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize(
    "text",
    ["A photo frame of oak, empty", "Studio photo of a gray hoodie", "Surely the warmest hoodie", "A shot glass"],
)
def test_no_preamble(text: str) -> None:
    assert preamble(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "red hoodie, front view, white background, 8k, photorealistic",
        "red hoodie, front view, white background, drawstring",
        "A red hoodie with a drawstring on white, masterpiece, trending on artstation",
    ],
)
def test_keywords_are_no_caption(text: str) -> None:
    assert markup(text) is not None
    assert "keywords" in str(markup(text))


@pytest.mark.parametrize(
    "text",
    [
        "A red hoodie with a drawstring, folded sleeves and a front pocket, on white.",
        "A gray hoodie, folded, front view, white background",
        "Red hoodie, front view, white background",
        "A box that says 8K beside a photorealistic print, a plug, and a masterpiece of lace, on white.",
    ],
)
def test_a_line_with_commas_is_a_caption(text: str) -> None:
    assert markup(text) is None


@pytest.mark.parametrize("text", ["A 3-pack, size < 42 & wide", "Model no. 5 - in red", "A hoodie (gray), 100% cotton"])
def test_no_markup(text: str) -> None:
    assert markup(text) is None


@pytest.mark.parametrize(
    ("tail", "wanted"),
    [
        ("The image shows it on white.", "preamble"),
        ("I hope this helps!", "preamble"),
        ("Let me know if you need anything else.", "preamble"),
        ("Note: the metadata says gray.", "preamble"),
        ("No text is visible in the image.", "preamble"),
        ("Buy now for $19.99 at www.shop.com.", "markup"),
        ("It costs 49 euros.", "markup"),
        ("Now 30% off!", "markup"),
        ("Follow @hoodies.daily for more.", "markup"),
        ("It is a sharp photograph.", "preamble"),
        ("Questions go to shop@example.org.", "markup"),
        ("THE HOODIE HAS A WIDE POCKET.", "markup"),
        ("I cannot identify the brand.", "refusal"),
        ("Final answer: a gray hoodie, front view.", "preamble"),
        ("As the facts say, it is made of cotton.", "preamble"),
        ("Whether you’re at home or out, it has you covered.", "markup"),
        ("It is easy to wash.", "markup"),
    ],
)
def test_the_end_of_a_caption_is_looked_at_too(tail: str, wanted: str) -> None:
    assert checks_of(f"{DENSE} {tail}") == [wanted]


@pytest.mark.parametrize(
    "tail",
    [
        'A tag reads "Buy now for $19.99 at www.shop.com".',
        'The words "I HOPE THIS HELPS YOU ALL" are printed on it.',
        "An image of a wolf is printed on it. The image shows the wolf from the side.",
        "A folded $5 bill and a note of 20 euros lie in its pocket.",
        "Please-touch stickers are absent.",
        "The view is from the left, and it fills most of the picture.",
        "A USB port, an LED and an NFC tag are sewn into it.",
        "The title card beside it is out of focus.",
        "The facts panel at its back is easy to read.",
        'The words "THANK YOU" are printed on its back.',
    ],
)
def test_what_only_sounds_like_an_aside_passes(tail: str) -> None:
    assert checks_of(f"{DENSE} {tail}") == []


def test_a_caption_in_capitals_is_no_plain_text() -> None:
    assert checks_of(DENSE.upper()) == ["markup"]
    assert checks_of("GRAY HOODIE WITH A BLACK DRAWSTRING", "short") == ["markup"]


FOREIGN = {
    "de": (
        "Ein grauer Pullover aus weichem Stoff hängt vor einer weißen Wand und ist von vorn zu sehen. Das Band ist "
        "schwarz, und die Tasche ist breit.",
        ["Das Bild zeigt einen Pullover.", "Ich hoffe, das hilft!", "Hinweis: Die Farbe ist nicht sicher."],
        ["Es tut mir leid, das geht nicht.", "Leider kann ich die Marke nicht nennen."],
    ),
    "fr": (
        "Un pull gris en maille douce est suspendu devant un mur blanc, vu de face. Le cordon est noir et la poche est "
        "large, avec des coutures nettes.",
        ["L'image montre un pull.", "Voici la description.", "J'espère que cela vous aide !"],
        ["Je suis désolé, ce n'est pas clair.", "Je ne peux pas identifier la marque."],
    ),
    "es": (
        "Un jersey gris de punto suave cuelga delante de una pared blanca, visto de frente. El cordón es negro y el "
        "bolsillo es ancho, con costuras finas.",
        ["La imagen muestra un jersey.", "Aquí está la descripción.", "Espero que esto ayude."],
        ["Lo siento, no se ve bien.", "No puedo identificar la marca."],
    ),
    "it": (
        "Un maglione grigio in maglia morbida è appeso davanti a una parete bianca, visto di fronte. I cordoncini sono "
        "neri e la tasca è larga.",
        ["L'immagine mostra un maglione.", "Ecco la descrizione.", "Spero che sia utile."],
        ["Mi dispiace, non si vede bene.", "Non posso identificare il marchio."],
    ),
}


@pytest.mark.parametrize("language", FOREIGN)
def test_the_frequent_phrases_of_other_languages(language: str) -> None:
    caption, asides, excuses = FOREIGN[language]
    assert checks_of(caption, language=language) == []
    for aside in asides:
        assert checks_of(f"{aside} {caption}", language=language) == ["preamble"], aside
        assert checks_of(f"{caption} {aside}", language=language) == ["preamble"], aside
    for excuse in excuses:
        assert checks_of(f"{caption} {excuse}", language=language) == ["refusal"], excuse


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ein grauer Pullover mit Kapuze auf weißem Grund", "de"),
        ("Un sweat à capuche gris sur un fond blanc avec une poche", "fr"),
        ("一件灰色连帽衫放在白色背景上", "zh"),
        ("灰色のパーカーが白い背景に置かれている", "ja"),
        ("Серая толстовка на белом фоне с карманом", "ru"),
        ("A gray hoodie on a white ground", "en"),
    ],
)
def test_each_language_is_its_own_and_no_other(text: str, language: str) -> None:
    assert wrong_language(text, language) is None
    others = {"en", "de", "fr", "ru", "ko"} - {language}
    assert all(wrong_language(text, one) is not None for one in others)


def test_words_of_scripts_without_spaces_are_counted_by_letters() -> None:
    assert wrong_length("一件灰色连帽衫放在白色背景上", 5, 10) is None
    assert wrong_length("一件", 3, 10) == "1 word, and 3 are the fewest"


def test_a_text_that_is_far_too_long_is_not_looked_at_further() -> None:
    (one,) = Checks().failures(f"{DENSE} " * 4000, "dense", HOODIE)
    assert str(one).startswith("length: ")


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\u2028", "\ud83d"])
def test_letters_that_no_text_has_are_no_plain_text(letter: str) -> None:
    assert checks_of(DENSE.replace("hoodie", f"hoodie{letter}", 1)) == ["markup"]


def test_nothing_from_a_model_that_was_stopped_says_so() -> None:
    assert [str(one) for one in Checks().failures("", "dense", HOODIE, finished=False)] == [
        "empty: the model was stopped before it wrote any"
    ]


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    for kind in ("dense", "short"):
        found = Checks().failures(text, kind, HOODIE)
        assert all(one.detail for one in found)


word = st.sampled_from(
    [
        "a",
        "gray",
        "hoodie",
        "with",
        "soft",
        "cotton",
        "seams",
        "pocket",
        "ribbed",
        "cuffs",
        "plain",
        "white",
        "ground",
        "light",
    ]
)


@given(st.lists(word, max_size=12), st.lists(word, min_size=1, max_size=8), st.integers(4, 9))
def test_what_goes_round_is_found(before: list[str], round_: list[str], times: int) -> None:
    assert repetition(" ".join(before + round_ * times)) is not None


@given(st.integers(0, 10_000))
def test_words_that_all_differ_do_not_go_round(seed: int) -> None:
    said = [f"{letter}{number}x" for number in range(9) for letter in "bdfgkm"]
    Random(seed).shuffle(said)  # noqa: S311
    assert repetition(" ".join(said)) is None


@given(st.lists(word, min_size=3, max_size=9), st.sampled_from(["and", "with", "the", "of"]))
def test_a_caption_that_ends_with_a_joining_word_is_cut(words: list[str], last: str) -> None:
    assert cut_off(" ".join([*words, last]), whole_sentences=False) is not None
    assert cut_off(" ".join([*words, last]) + " end.", whole_sentences=True) is None


def test_words_and_sentences() -> None:
    assert tokens("Navy-blue T-shirt, off-white.") == ["navy", "blue", "t-shirt", ",", "off-white", "."]
    assert sentences('One. "Two"! Three, 3.5 cm? four') == ["One.", '"Two"!', "Three, 3.5 cm?", "four"]
    for one, more in (("shoe", "shoes"), ("hoodie", "hoodies"), ("potato", "potatoes"), ("watch", "watches")):
        assert stem(one) == stem(more)
    assert [stem(one) for one in ("dresses", "shoes", "berries", "potatoes", "dress", "bags")] == [
        *("dress", "sho", "berry", "potato", "dress", "bag")
    ]


def test_a_wrong_setting_says_so() -> None:
    with pytest.raises(ValueError, match="known are en, de"):
        Checks(language="klingon")
    with pytest.raises(ValueError, match="more words at least than at most"):
        Checks(dense_words=(9, 3))


@pytest.fixture
def benchmark() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from benchmarks import caption_checks

    return caption_checks


def test_precision_and_recall_of_whole_captions(benchmark: Any) -> None:
    """Of those that the checks were not written for, two in three are found, and no good one is complained about."""
    later = benchmark.measure_outputs("later")
    assert later["good"].recall == 1
    assert later["any fault"].recall > 0.6
    tails, colors = benchmark.measure_outputs("tails"), benchmark.measure_outputs("colors")
    assert tails["good"].recall >= 0.98
    assert tails["any fault"].recall > 0.9
    later_tails = benchmark.measure_outputs("later tails")
    assert later_tails["good"].recall == 1
    assert later_tails["any fault"].recall > benchmark.outputs.FIRST["later tails"]["any fault"][1]
    assert colors["good"].recall == colors["color"].recall == 1
    assert benchmark.measure_outputs("outputs")["any fault"].recall > benchmark.outputs.FIRST["outputs"]["any fault"][1]


def test_precision_and_recall_on_photos(photos: Path, benchmark: Any) -> None:
    """The benchmark's table on another seed: good captions pass, and each check finds what it is there for."""
    tune, held_out, last = benchmark.measure(photos, count=36, seed=5)
    for part, least in ((tune, 0.85), (held_out, 0.85), (last, 0.5)):
        assert part["good"].recall >= 0.95
        assert all(row.precision >= 0.85 and row.recall >= least for row in part.values()), part
