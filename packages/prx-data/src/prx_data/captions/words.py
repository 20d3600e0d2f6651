"""The words that checks know: colours, kinds of products, grounds, languages. Data, and nothing else."""

from collections.abc import Mapping


def word_set(text: str) -> frozenset[str]:
    """The words of a list in one line."""
    return frozenset(text.split())


_COLORS: Mapping[str, str] = {
    "white": "white, ivory, snow, chalk, alabaster, off-white, eggshell, pearl",
    "gray": "gray, grey, silver, charcoal, graphite, slate, ash, heather, pewter, anthracite, smoke, steel, gunmetal",
    "black": "black, ebony, onyx, jet, charcoal, anthracite, graphite, gunmetal",
    "red": "red, crimson, scarlet, maroon, burgundy, wine, ruby, cherry, vermilion, brick, cardinal, bordeaux, oxblood",
    "orange": "orange, tangerine, apricot, rust, coral, peach, amber, terracotta, copper, ochre, salmon",
    "yellow": "yellow, gold, golden, mustard, lemon, amber, canary, cream, ochre, lime, straw, blond",
    "green": "green, olive, lime, mint, emerald, forest, khaki, sage, moss, jade, "
    "chartreuse, aqua, turquoise, teal, army",
    "teal": "teal, turquoise, aqua, cyan, petrol, aquamarine",
    "blue": (
        "blue, navy, azure, cobalt, indigo, turquoise, teal, aqua, cyan, sky, royal, "
        "denim, sapphire, periwinkle, slate, "
        "petrol, cornflower, ultramarine, aquamarine, midnight"
    ),
    "purple": (
        "purple, violet, lavender, lilac, plum, mauve, magenta, indigo, aubergine, "
        "eggplant, amethyst, burgundy, grape, "
        "periwinkle, orchid, wine"
    ),
    "pink": "pink, rose, magenta, fuchsia, coral, salmon, blush, peach, mauve, raspberry, orchid, fuschia",
    "brown": (
        "brown, tan, chocolate, coffee, chestnut, bronze, copper, mocha, taupe, camel, rust, khaki, cognac, walnut, "
        "mahogany, cherry, umber, caramel, espresso, cinnamon, terracotta, hazel, auburn, sienna"
    ),
    "beige": "beige, tan, cream, ivory, khaki, sand, camel, taupe, nude, ecru, "
    "oatmeal, champagne, fawn, off-white, buff",
}


def _inverted(groups: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group, words in groups.items():
        for word in words.split(", "):
            found.setdefault(word, set()).add(group)
    return {word: frozenset(names) for word, names in found.items()}


def _plurals(words: frozenset[str]) -> frozenset[str]:
    """Of nouns that are not plurals themselves; shops call a category `Posters`."""
    singular = {one for one in words if not one.endswith("s") or one.endswith("ss")}
    endings = {one: "es" if one.endswith(("s", "x", "ch", "sh")) else "s" for one in singular}
    return frozenset(f"{one}{ending}" for one, ending in endings.items())


COLORS: Mapping[str, frozenset[str]] = _inverted(_COLORS)
"""Colour word to the families that it may be taken for: `coral` may be orange or pink."""

AMBIGUOUS_COLORS = word_set(
    "snow chalk pearl slate ash smoke steel jet wine ruby cherry brick cardinal "
    "apricot peach amber salmon lemon canary "
    "lime straw mint forest sage moss army sky royal denim midnight plum grape "
    "eggplant aubergine rose raspberry orchid "
    "chocolate coffee chestnut mocha camel caramel cinnamon walnut espresso hazel "
    "sand nude oatmeal champagne buff fawn "
    "tangerine olive heather coral blush copper bronze gold silver graphite wine orange rust cream"
)
"""Colour words that are also things, stuffs or plants: alone they prove no contradiction."""

NEAR_COLORS: Mapping[str, frozenset[str]] = {
    "white": frozenset({"beige"}),
    "gray": frozenset({"white", "black"}),
    "black": frozenset(),
    "red": frozenset(),
    "orange": frozenset(),
    "yellow": frozenset(),
    "green": frozenset({"teal"}),
    "teal": frozenset({"green", "blue"}),
    "blue": frozenset({"teal"}),
    "purple": frozenset(),
    "pink": frozenset(),
    "brown": frozenset({"beige"}),
    "beige": frozenset({"brown", "white"}),
}
"""Families that people do not tell apart reliably in a photo."""

MEASURED_COLORS: Mapping[str, frozenset[str]] = {"navy": frozenset({"blue", "black"})}
"""Measured colour words that are not families themselves."""

MULTICOLOR = word_set(
    "rgb multi multicolor multicolour multicolored multicoloured assorted mixed various rainbow patterned printed "
    "floral striped checked plaid camouflage camo colorblock tie-dye print stripe stripes"
)
"""Words by which catalogues say that a product has several colours."""

GROUNDS = word_set(
    "background backdrop wall floor ground surface surroundings setting lighting light lights studio carpet rug table "
    "bed sheet bedspread blanket door shelf wood wooden marble concrete tiles "
    "tile flooring paper canvas shadow shadows "
    "backgrounds gradient cloth mat tabletop countertop worktop plinth pedestal podium platform board plank grass lawn "
    "pavement"
)
"""Nouns that a colour may belong to instead of the product."""

MATERIALS = word_set(
    "cotton linen wool velvet leather suede silk satin denim canvas fleece nylon polyester jersey knit crepe chiffon "
    "lace tweed corduroy cashmere mesh felt fabric material metal steel brass ceramic glaze plastic rubber resin "
    "porcelain enamel lacquer paint finish"
)
"""Stuffs: a colour before one is the colour of what is made of it."""

_PRODUCTS: Mapping[str, str] = {
    "top": (
        "top, tops, tee, tees, t-shirt, tshirt, t-shirts, shirt, shirts, blouse, blouses, polo, polos, tank, tanks, "
        "camisole, longsleeve, undershirt, henley, tunic, bra, bras, bustier, bodysuit, vest"
    ),
    "warm top": (
        "hoodie, hoodies, sweatshirt, sweatshirts, sweater, sweaters, pullover, "
        "pullovers, jumper, cardigan, cardigans, "
        "jacket, jackets, coat, coats, blazer, blazers, parka, anorak, windbreaker, outwear, outerwear, vest, "
        "gilet, longsleeve, body, raincoat, overcoat, zip-up, top, tops"
    ),
    "trousers": (
        "trousers, pants, pant, jeans, leggings, legging, chinos, joggers, sweatpants, shorts, short, tights, capri, "
        "capris, slacks, jogger, bottoms, breeches"
    ),
    "skirt or dress": "skirt, skirts, dress, dresses, gown, gowns, sundress, jumpsuit, romper, kilt",
    "footwear": (
        "shoe, shoes, sneaker, sneakers, trainer, trainers, boot, boots, sandal, "
        "sandals, heels, loafer, loafers, slipper, "
        "slippers, footwear, clog, clogs, moccasin, moccasins, flip-flops, pump, pumps, stilettos, brogue, brogues"
    ),
    "hat": "hat, hats, cap, caps, beanie, beanies, beret, headwear, bonnet, fedora, headband",
    "bag": (
        "bag, bags, handbag, backpack, backpacks, purse, tote, duffle, duffel, suitcase, satchel, wallet, luggage, "
        "rucksack, briefcase, clutch"
    ),
    "necklace": "necklace, necklaces, pendant, pendants, choker",
    "bracelet": "bracelet, bracelets, bangle, bangles, anklet",
    "earring": "earrings, earring",
    "ring": "ring, rings",
    "brooch": "brooch, brooches",
    "case": "case, cases, cover, covers, holder, holders, sleeve, sleeves, strap, straps, protector",
    "watch": "watch, watches, wristwatch, smartwatch",
    "scarf": "scarf, scarves, shawl, stole, bandana, wrap",
    "glove": "glove, gloves, mitten, mittens",
    "belt": "belt, belts, sash",
    "tie": "tie, ties, necktie, bowtie",
    "sock": "sock, socks, stocking, stockings, tights",
    "eyewear": "sunglasses, eyeglasses, spectacles, goggles, glasses",
    "umbrella": "umbrella, umbrellas, parasol",
    "seat": "chair, chairs, sofa, sofas, couch, armchair, stool, bench, ottoman, pouffe, recliner, loveseat",
    "table": "table, desk, nightstand, sideboard, counter",
    "storage": "bookcase, wardrobe, dresser, cabinet, nightstand, sideboard, shelf, shelving, chest, drawers, rack",
    "bed": "bed, beds, crib, cot, futon, daybed",
    "lamp": "lamp, lamps, lantern, chandelier, sconce, light",
    "cup": "mug, mugs, cup, cups, glass, tumbler, teacup, beaker, goblet",
    "plate": "plate, plates, saucer, dish, platter, tray",
    "bowl": "bowl, bowls, dish, basin",
    "jug": "teapot, jug, pitcher, carafe, kettle, vase",
    "vase": "vase, vases, urn, planter, flowerpot",
    "phone": "phone, smartphone, telephone, mobile",
    "computer": "laptop, tablet, computer, notebook, monitor, screen",
    "input device": "keyboard, mouse, trackpad, joystick, controller, gamepad",
    "audio": "headphones, earbuds, headset, speaker, speakers, soundbar, radio",
    "camera": "camera, cameras, camcorder, webcam, lens",
    "electronics": "television, charger, console, router, projector, printer, drone",
    "fruit": (
        "apple, apples, pear, pears, banana, bananas, orange, oranges, lemon, lemons, lime, limes, grapefruit, melon, "
        "melons, peach, peaches, plum, plums, nectarine, kiwi, kiwis, mango, papaya, pineapple, avocado, pomegranate, "
        "satsumas, satsuma, mandarin, watermelon, cantaloupe, fruit, fruits"
    ),
    "vegetable": (
        "potato, potatoes, tomato, tomatoes, onion, onions, carrot, carrots, cabbage, cucumber, pepper, peppers, leek, "
        "leeks, garlic, ginger, aubergine, eggplant, zucchini, beet, beets, asparagus, mushroom, mushrooms, broccoli, "
        "lettuce, celery, vegetable, vegetables"
    ),
    "citrus": "satsuma, mandarin, clementine",
    "stone fruit": "peach, nectarine",
    "melon": "melon, cantaloupe, watermelon",
    "aubergine": "aubergine, eggplant",
    "courgette": "zucchini, courgette",
    "beetroot": "beet, beetroot",
    "dairy": "yoghurt, yogurt, soyghurt",
    "milk": "milk, oatmilk, soymilk",
    "drink": "juice, juices, milk, oatmilk, soymilk, soyghurt, yoghurt, yogurt, cream, soda, wine, beer, smoothie",
    "vehicle": (
        "bicycle, bicycles, bike, bikes, motorcycle, scooter, skateboard, car, cars, truck, van, boat, stroller, helmet"
    ),
    "appliance": (
        "toaster, kettle, blender, oven, fridge, refrigerator, microwave, dishwasher, vacuum, heater, fan, iron, mixer"
    ),
    "cookware": "pan, pans, pot, pots, skillet, wok, saucepan, casserole",
    "cutlery": "knife, knives, fork, spoon, spatula, cutlery, ladle, whisk",
    "bottle": "bottle, bottles, thermos, flask, canteen",
    "jar": "jar, jars, tin, canister",
    "mat": "mat, mats, rug, rugs, carpet, carpets, doormat",
    "exercise": "dumbbell, dumbbells, kettlebell, barbell, treadmill",
    "decoration": "candle, candles, mirror, painting, poster, clock, figurine, ornament",
    "stationery": "pen, pens, pencil, pencils, marker, eraser, stapler, ruler",
    "cosmetics": "lipstick, perfume, shampoo, soap, lotion, mascara, toothbrush, razor, sunscreen",
    "bedding": "pillow, pillows, duvet, mattress, towel, towels, curtain, curtains, cushion, cushions",
    "tool": "hammer, drill, screwdriver, saw, wrench, pliers, ladder, shovel",
    "instrument": "guitar, piano, violin, drum, drums, flute, trumpet",
    "toy": "toy, toys, doll, puzzle, teddy, lego",
    "book": "book, books, notebook, magazine",
}
PRODUCTS: Mapping[str, frozenset[str]] = _inverted(
    {
        group: ", ".join(sorted((said := frozenset(words.split(", "))) | _plurals(said)))
        for group, words in _PRODUCTS.items()
    }
)
"""Product noun to its groups; nouns that share one may name the same thing."""

_VAGUE = word_set(
    "top tops short body light table bed ring rings console monitor glass tablet "
    "pump pumps clutch vest pant plate camera "
    "fan iron pan pot pots bottle bottles jar jars van saw drill drum fork towel towels curtain curtains "
    "pillow cushion watch watches charger cup cups cap caps book books "
    "wrap tie ties belt belts lens screen mobile counter chest drawers rack shelf basin tray dish tin mirror clock "
    "stole ruler marker pen pens glasses controller case cases cover covers holder holders "
    "sleeve sleeves strap straps protector mat mats rug rugs carpet carpets sash candle candles"
)
VAGUE_PRODUCTS = _VAGUE | _plurals(_VAGUE)
"""Product nouns that are also other things: alone they prove no contradiction."""

PRODUCE = frozenset({"fruit", "vegetable", "drink"})
"""Groups in which each noun is a thing of its own: an apple is no pear."""

GENERIC = word_set("fruit fruits vegetable vegetables")
"""Nouns that any of their group may be called by."""

LANGUAGES: Mapping[str, tuple[str, frozenset[str]]] = {
    "en": (
        "LATIN",
        word_set(
            "the a an and of with on in is are it its this that to from by at as for "
            "has have which while against under "
            "over into their there one two no not or be up down i do does am was were "
            "you we he she they me my your our can "
            "will would what so if any all more"
        ),
    ),
    "de": (
        "LATIN",
        word_set(
            "der die das und mit auf ein eine einen einem einer ist sind im vor von den dem aus für nicht zu ihr sich "
            "wird auch als bei oder es an in hat"
        ),
    ),
    "fr": (
        "LATIN",
        word_set(
            "le la les un une des et avec sur est sont dans du de en au aux à ce cette qui pour par pas il elle l d "
            "devant plus"
        ),
    ),
    "es": (
        "LATIN",
        word_set("el la los las un una y con sobre es son en del de al que para por no se su lo muy más como"),
    ),
    "it": (
        "LATIN",
        word_set("il lo la i gli le un una e con su è sono in del della di al che per da non si dello nel alla più"),
    ),
    "pt": (
        "LATIN",
        word_set("o a os as um uma e com sobre é são em do da de no na que para por não se ao dos das num"),
    ),
    "nl": (
        "LATIN",
        word_set("de het een en met op is zijn in van voor dat die niet te aan uit bij ook als tegen door"),
    ),
    "sv": (
        "LATIN",
        word_set("en ett och med på är i av för den det som inte till från mot har de om under"),
    ),
    "pl": (
        "LATIN",
        word_set("i w z na jest są do nie się to ze o od dla przez jak lub po przy oraz"),
    ),
    "tr": ("LATIN", word_set("bir ve ile bu için üzerinde olan var çok de da gibi olarak")),
    "ru": ("CYRILLIC", word_set("и в на с не это по из для от как к у за")),
    "uk": ("CYRILLIC", word_set("і в на з не це по із для від як до у та")),
    "el": ("GREEK", frozenset()),
    "ar": ("ARABIC", frozenset()),
    "he": ("HEBREW", frozenset()),
    "hi": ("DEVANAGARI", frozenset()),
    "th": ("THAI", frozenset()),
    "zh": ("CJK", frozenset()),
    "ja": ("CJK", frozenset()),
    "ko": ("HANGUL", frozenset()),
}
"""Language to the script that it is written in, as Unicode names it, and its most frequent words."""

DANGLING = word_set(
    "the a an and or of with on in is are to from by at as for its their against which that while very has have into "
    "under over between this these featuring including worn made both"
)
"""Words that no English caption ends with."""
