"""A text encoder of half a million parameters, taught by a larger one what words of product captions mean.

The tokenizer is a WordPiece of the captions and of the word lists below, with every letter, so that no word is unknown.
The encoder is a BERT whose states, averaged over a word's pieces, are led to the teacher's for the same word in the
same caption (cosine distance, through a linear map that is thrown away). So `sweater` comes to lie near `hoodie`
although no photo of one was seen.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from prx_train.hardware import has_bf16
from prx_train.storage import write_folder

COLORS = """black white gray silver brown beige cream red pink orange yellow gold green olive khaki blue navy teal
turquoise purple violet burgundy maroon multicolored striped checked floral printed plain dark light bright""".split()  # noqa: SIM905
THINGS = """t-shirt shirt blouse polo top tank undershirt longsleeve sweater pullover hoodie sweatshirt cardigan jacket
coat parka outwear outerwear blazer suit vest dress gown skirt shorts pants trousers jeans leggings tights tee bra
underwear pajamas robe swimsuit bikini socks stockings body romper jumpsuit overalls shoes sneakers trainers boots
sandals heels loafers slippers hat cap beanie scarf gloves belt tie bag backpack handbag purse wallet suitcase watch
ring necklace bracelet earrings sunglasses glasses umbrella apple banana orange lemon lime pear peach plum mango melon
watermelon pineapple kiwi avocado grapefruit nectarine pomegranate papaya passion-fruit strawberry cherry grapes tomato
pepper cucumber carrot onion garlic potato cabbage leek mushroom ginger zucchini aubergine asparagus beet lettuce juice
milk yoghurt cream cheese butter bread bottle can carton box jar cup mug glass plate bowl spoon fork knife pot pan
kettle lamp chair table sofa armchair bed shelf desk stool cushion pillow blanket rug curtain towel vase candle clock
mirror frame book pen notebook phone laptop tablet camera headphones speaker keyboard mouse charger cable toy doll ball
puzzle car bicycle helmet skateboard racket guitar plant flower pot tool hammer drill screwdriver paint brush soap
shampoo perfume lipstick toothbrush""".split()  # noqa: SIM905
GROUNDS = ["white", "gray", "black", "beige", "brown", "red", "pink", "blue", "green", "yellow", "purple", "orange"]
SURFACES = ["plain ", "textured ", "", "wooden ", "clean "]
PLACES = ["a cluttered background", "a table", "the floor", "a bed", "a carpet", "a shelf", "a hanger", "a model"]
VIEWS = ["front view", "back view", "side view", "close-up", "detail", "studio photo", "on a person"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """How large the encoder is, and how long it is taught."""

    vocabulary: int
    width: int
    layers: int
    captions: int
    steps: int
    batch_size: int
    learning_rate: float


def made_up_captions(count: int, *, seed: int) -> list[str]:
    """Captions of things that a shop may sell, in the forms in which people and `prx_data` write them."""
    draw = random.Random(seed)

    def ground() -> str:
        place = f"a {draw.choice(SURFACES)}{draw.choice(GROUNDS)} background"
        return place if draw.random() < 0.7 else draw.choice(PLACES)

    def one() -> str:
        color, thing = draw.choice(COLORS), draw.choice(THINGS)
        forms = (
            f"a photo of a {color} {thing}, on {ground()}",
            f"a photo of {color} {thing}, {draw.choice(THINGS)}, on {ground()}",
            f"a photo of a {thing}, on {ground()}, {draw.choice(VIEWS)}",
            f"a {color} {thing} on {ground()}",
            f"{color} {thing}",
            f"{thing}, {draw.choice(COLORS)} and {color}, {draw.choice(VIEWS)}",
            f"a {color} {thing} and a {draw.choice(COLORS)} {draw.choice(THINGS)}",
        )
        return draw.choice(forms)

    return [one() for _ in range(count)]


def train_tokenizer(captions: Sequence[str], vocabulary: int) -> Any:
    """A lower-casing WordPiece tokenizer in transformers' own class."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=letters, show_progress=False, min_frequency=1
    )
    # Spelt out, so that every letter can stand inside a word too.
    spelt = ["".join(letters), "".join(reversed(letters)), *(f"x{letter}" for letter in letters)]
    tokenizer.train_from_iterator([*captions, *spelt], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
    )


def word_states(model: Any, tokenizer: Any, captions: Sequence[str]) -> Tensor:
    """The states of each word, averaged over its pieces, of all captions one after another; shape (words, width)."""
    tokens = tokenizer(list(captions), padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16("cpu")):
        states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
    pieces = states.float().flatten(0, 1)
    owners, found = [], -1
    for row in range(len(captions)):
        last = None
        for word in tokens.word_ids(row):
            found += word is not None and word != last
            owners.append(found if word is not None else -1)
            last = word
    owner = torch.tensor(owners)
    kept = owner >= 0
    sums = torch.zeros(found + 1, pieces.shape[1]).index_add(0, owner[kept], pieces[kept])
    return sums / torch.bincount(owner[kept])[:, None]


def distill(folder: Path, captions: Sequence[str], teacher_folder: Path, recipe: TextRecipe) -> float:
    """Writes a tokenizer and a text encoder; returns the mean cosine of its words to the teacher's at the end.

    Args:
        folder: Where they go.
        captions: Of the photos; others are made up besides.
        teacher_folder: A transformers encoder with a BERT tokenizer.
        recipe: Sizes and steps.
    """
    torch.manual_seed(0)
    texts = [*captions, *made_up_captions(recipe.captions, seed=0)]
    tokenizer = train_tokenizer([*texts, *THINGS, *COLORS], recipe.vocabulary)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.width // 32,
        intermediate_size=3 * recipe.width,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    student = transformers.BertModel(config, add_pooling_layer=False)
    teacher = transformers.AutoModel.from_pretrained(teacher_folder, use_safetensors=True).eval()
    teacher_tokenizer = transformers.AutoTokenizer.from_pretrained(teacher_folder)
    lift = nn.Linear(recipe.width, teacher.config.hidden_size)
    weights = [*student.parameters(), *lift.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=recipe.steps)
    recent = 0.0
    for step, batch in enumerate(_batches(texts, recipe)):
        with torch.no_grad():
            wanted = word_states(teacher, teacher_tokenizer, batch)
        cosine = nn.functional.cosine_similarity(lift(word_states(student, tokenizer, batch)), wanted).mean()
        (1 - cosine).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rate.step()
        recent = float(cosine.detach()) if not step else 0.98 * recent + 0.02 * float(cosine.detach())
        if not (step + 1) % 100:
            print(f"text encoder: step {step + 1} of {recipe.steps}, cosine to the teacher's words {recent:.3f}")

    def fill(place: Path) -> None:
        student.eval().save_pretrained(place)
        tokenizer.save_pretrained(place)

    write_folder(folder, fill)
    return recent


def _batches(texts: Sequence[str], recipe: TextRecipe) -> Iterator[list[str]]:
    draw = random.Random(1)
    for _ in range(recipe.steps):
        yield draw.choices(texts, k=recipe.batch_size)
