"""Whether a caption says another colour or another kind of product than is known."""

import re
from collections.abc import Collection

from prx_data.captions.text import QUOTED, STOPS, sentences, stem, tokens
from prx_data.captions.words import (
    AMBIGUOUS_COLORS,
    COLORS,
    GENERIC,
    GROUNDS,
    MATERIALS,
    MEASURED_COLORS,
    MULTICOLOR,
    NEAR_COLORS,
    PRODUCE,
    PRODUCTS,
    VAGUE_PRODUCTS,
    word_set,
)

_BOUNDARY = word_set(
    "with on against in over under at by from that which while is are was has have featuring "
    "lies stands hangs rests sits leans shows features"
)
_COPULA = word_set("is are appears appear looks fades remains")
_BESIDE = word_set("on over against beside near behind with under by like to for at from next above below into atop")
_DETERMINERS = word_set("a an the its his her their this that these those")
_MAIN_PARTS = word_set("body shell canopy exterior outside upholstery uppers casing housing fabric cloth")
"""Of these a product has the colour that it is sold by, if it has one."""
_JOINED = re.compile(r"[&/|+]")
_CLAUSE = word_set("and or but while where")
_AHEAD = 4  # words between a colour and the noun that it belongs to


def color_contradiction(text: str, catalogue: str, measured: str, product: str) -> str | None:
    """Why the caption's colour contradicts what is known; None if it does not, or if nothing is known.

    Only colours that belong to the product count: those before or after its noun; where there are none, those at the
    beginning of the first sentence that belong to neither the ground nor another thing. A caption is right if one of
    them may be called the catalogue's colour: a model was told that it is true. The measured one counts where the
    catalogue is not clear, or names one that is hardly told from it: `White` may be called gray if it measures gray.

    Args:
        text: The caption.
        catalogue: The catalogue's colour, as it writes it: `Dark Heather Blue / White`.
        measured: The measured dominant colour in one word, or nothing.
        product: Name and kind of the product, in words.
    """
    told, seen = color_families(catalogue), color_families(measured)
    if not told | seen or (not told and MULTICOLOR & set(tokens(catalogue))):
        return None  # of several colours the measured one is not all
    near = told.union(*(NEAR_COLORS[one] for one in told))
    known = told
    if not told or _unclear(catalogue):
        known = told | seen
    known |= color_families(product)  # a red onion may be called red, whatever it measures
    allowed = known.union(*(NEAR_COLORS[one] for one in known))
    if (seen & near) or any(NEAR_COLORS[one] & told for one in seen):
        allowed |= seen
    said = _product_colors(QUOTED.sub(",", text), product)  # what is printed on it is no noun
    if not said or any(COLORS[one] & allowed for one in said):
        return None
    facts = [f"catalogue {catalogue!r}"] if color_families(catalogue) else []
    facts += [f"measured {measured!r}"] if measured else []
    return f"says {' and '.join(dict.fromkeys(said))} of the product: {', '.join(facts)}"


def color_families(text: str) -> frozenset[str]:
    """The families of every colour word in a text."""
    found: frozenset[str] = frozenset()
    for word in tokens(text):
        found |= MEASURED_COLORS.get(word, frozenset()) | COLORS.get(word, frozenset())
    return found


def _unclear(catalogue: str) -> bool:
    """Whether a catalogue names several colours, or none for sure: `Multi`, `Blue / White`, `Midnight Storm`."""
    said = [one for one in tokens(catalogue) if one not in STOPS]
    named = [word for word in said if color_families(word)]
    families = [color_families(word) for word in named]
    sure = set(named) - AMBIGUOUS_COLORS or named[-1:] == said[-1:]
    return not sure or bool(MULTICOLOR & set(said)) or any(not one & other for one in families for other in families)


def _product_colors(text: str, product: str) -> list[str]:
    own = {stem(word) for word in _heads(product)}
    groups = _groups(product)
    first = sentences(text)[:1]
    belonging = [(word, _owner(words, place, own, groups)) for words, place, word in _colors(text)]
    strong = [word for word, owner in belonging if owner == "product"]
    if strong:
        return strong
    return [
        word
        for words, place, word in _colors(" ".join(first))
        if word not in AMBIGUOUS_COLORS
        and not _BOUNDARY & set(words[:place])  # what it comes with has colours of its own
        and _owner(words, place, own, groups) == ""
    ]


def _colors(text: str) -> list[tuple[list[str], int, str]]:
    return [
        (words, place, word)
        for words in map(tokens, sentences(text))
        for place, word in enumerate(words)
        if word in COLORS and not _modifies(words, place)
    ]


def _modifies(words: list[str], place: int) -> bool:
    """Whether a colour's word only says which red, or which blue: `red heather`, `royal blue`."""
    beside = {*words[max(0, place - 1) : place], *words[place + 1 : place + 2]}
    return words[place] in AMBIGUOUS_COLORS and any(one in COLORS and one not in AMBIGUOUS_COLORS for one in beside)


def _owner(words: list[str], place: int, own: Collection[str], groups: Collection[str]) -> str:
    """`product`, `other`, or nothing if no noun tells: of what the colour at a place is the colour."""
    for at in range(place + 1, min(place + 1 + _AHEAD, len(words))):
        if words[at] in STOPS or words[at] in _BOUNDARY or words[at] in _DETERMINERS:
            break
        if owner := _noun(words[at], own, groups):
            follows = at + 1 < len(words) and _noun(words[at + 1], own, groups) == "product"
            return "product" if follows else owner  # canvas sneakers are sneakers
    if words[place + 1 : place + 2] in (["and"], ["or"]) and place + 2 < len(words) and words[place + 2] in COLORS:
        return _owner(words, place + 2, own, groups)  # a red and cream scarf is red, too
    stands_alone = not _goes_on(words, place) or words[place + 1] in ("and", "or")
    if not stands_alone:
        return ""
    if _COPULA & set(words[max(0, place - 3) : place]):
        return _subject(words[:place], own, groups)
    if "in" in words[max(0, place - 2) : place]:
        shade = words[place - 1] == "light"  # a jacket in light green has no light
        for word in reversed(words[max(0, place - 6) : place - shade]):
            if word in STOPS:
                break
            if owner := _noun(word, own, groups):
                return owner
    return ""


def _subject(before: list[str], own: Collection[str], groups: Collection[str]) -> str:
    """`product`, `other`, or nothing: the first noun of the clause that ends with these words, a copula the last."""
    starts = [at + 1 for at, word in enumerate(before) if word in STOPS or word in _CLAUSE]
    clause = before[starts[-1] if starts else 0 :]
    for at, word in enumerate(clause):
        if (word == "it" and at == 0) or (word == "surface" and clause[at - 1 : at] == ["its"]):
            return "product"
        if word in _MAIN_PARTS and _DETERMINERS & set(clause[max(0, at - 1) : at]):
            return "product"
        if (owner := _noun(word, own, groups)) and not _BESIDE & set(clause[max(0, at - 2) : at]):
            return owner
    return ""


def _noun(word: str, own: Collection[str], groups: Collection[str]) -> str:
    if word in COLORS:
        return ""
    if stem(word) in own or (PRODUCTS.get(word, frozenset()) & frozenset(groups)):
        return "product"
    if word in GROUNDS or (word in PRODUCTS and groups):
        return "other"
    return "product" if word in PRODUCTS and word not in VAGUE_PRODUCTS else ""


def product_contradiction(text: str, product: str) -> str | None:
    """Why the caption shows another kind of product than the metadata says; None if it does not.

    It does if it names things, none of them could be called what the metadata calls the product, and they are not what
    the product lies on or is worn with.

    Args:
        text: The caption.
        product: Name and kind of the product, in words: `Chaz Hoodie, Hoodies & Sweatshirts`.
    """
    wanted = _groups(product)
    own = {stem(word) for word in tokens(product) if PRODUCTS.get(word, frozenset()) & wanted}
    if not wanted:
        return None
    said = sentences(text)
    named = [one for sentence in said for one in _things(tokens(sentence))]
    first = [(word, True) for word, _ in _things(tokens(said[0]))] if said else []
    if not named or any(subject and _same(word, own, wanted) for word, subject in named + first):
        return None
    others = [word for word, subject in named if subject and word not in VAGUE_PRODUCTS and word not in COLORS]
    return f"shows {' and '.join(dict.fromkeys(others))}, and the metadata says {product!r}" if others else None


def _things(words: list[str]) -> list[tuple[str, bool]]:
    """Product nouns, and whether each is what the sentence is about and not what stands beside it."""
    return [
        (word, not _BESIDE & set(words[max(0, place - 3) : place]))
        for place, word in enumerate(words)
        if word in PRODUCTS and not (word in COLORS and _goes_on(words, place))
    ]


def _goes_on(words: list[str], place: int) -> bool:
    """Whether a word follows that a colour could belong to: `cream ground` is no cream; stuffs are passed over."""
    following = [one for one in words[place + 1 : place + 3] if one not in MATERIALS][:1]
    return bool(following) and following[0] not in STOPS and following[0] not in _BOUNDARY


def _groups(product: str) -> frozenset[str]:
    """Of the nouns of a name; of two that stand together the last says what it is: a desk lamp is a lamp."""
    return frozenset().union(*(PRODUCTS.get(word, frozenset()) for word in _heads(product, colors=False)))


def _heads(product: str, *, colors: bool = True) -> list[str]:
    """The words of a name, without nouns that only say which: a phone case is no phone, and a desk lamp no desk.

    Args:
        product: Name and kind of the product.
        colors: Whether a colour before another word is one of them.
    """
    said = tokens(_JOINED.sub(",", product))
    return [
        word
        for place, word in enumerate(said)
        if word not in STOPS
        and (colors or word not in COLORS or not _goes_on(said, place))
        and not _says_which(word, said[place + 1 : place + 2])
    ]


def _says_which(word: str, following: list[str]) -> bool:
    groups = PRODUCTS.get(word, frozenset())
    others = frozenset().union(*(PRODUCTS.get(one, frozenset()) for one in following))
    return bool(groups and others) and not groups & others


def _same(word: str, own: Collection[str], wanted: frozenset[str]) -> bool:
    shared = PRODUCTS[word] & wanted
    generic = word in GENERIC or GENERIC.issuperset(own)  # of a banana in the category fruit a lemon is none
    return stem(word) in own or bool(shared - PRODUCE) or (bool(shared) and generic)
