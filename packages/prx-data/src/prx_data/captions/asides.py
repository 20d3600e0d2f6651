"""What assistants say beside a caption, in any of its sentences, and what they guess at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from prx_data.captions.text import QUOTED, words
from prx_data.captions.words import MATERIALS, word_set

_PICTURE = r"(?:image|photo|photograph|picture|snapshot|screenshot)"
_TELLS = (
    r"(?:shows?|showcases?|captures?|conveys?|features?|depicts?|displays?|presents?|provides?|gives?|focus\w*|highlights?"
    r"|emphasi[sz]es?|contains?|includes?|portrays?|illustrates?|creates?|evokes?|is|was|has|does|appears?|seems?)"
)
_ADDED = (
    r"(?:overall|additionally|finally|furthermore|also|lastly|in summary|in short|and|note that|please note that),? "
)

_ANY = re.compile(
    r"^\W*(?:"
    rf"(?:{_ADDED})?(?:i|we|you)(?:'(?:m|ve|d|ll|re))? (?:\w+ )?\w+"
    r"|(?:i |we )?hope (?:this|that|it|you|these)\b|hopefully\b|(?:please |just )?let me know\b|(?:please )?feel free\b"
    r"|(?:would|do|could|should|can) you\b|thank you\b|thanks for\b|if you (?:need|have|want|would|wish|like|prefer)\b"
    r"|(?:please )?note that\b|please (?!\W)|(?:is|if) there (?:is )?anything\b|(?:happy|glad) to\b"
    r"|(?:(?:final|short|revised|corrected|improved) )?(?:answer|caption|description|response|output)\s*[:–—]"
    r"|(?:note|n\.?b\.?|p\.?s\.?|disclaimer|explanation|word count|words|keywords|tags)\s*[:–—]"
    r"|my (?:description|caption|answer)\b|the product (?:name|title) (?:tells|says|suggests|indicates)\b"
    r"|(?:the|this|my|these|those) (?:above |given |following |provided |known )?"
    r"(?:description|caption|response|facts?|instructions?|request|prompt)s? (?:above |given |provided )?"
    r"(?:is|are|was|were|has|have|contains?|says?|states?|mentions?|covers?|matche?s?|follows?|includes?|do|does|should)\b"
    rf"|(?:{_ADDED})?(?:this|that|your) (?:\w+ )?{_PICTURE} {_TELLS}\b"
    r")"
    rf"|\b(?:in|within|from|throughout|of) (?:this|your) (?:given |provided )?{_PICTURE}\b"
    r"|\b(?:according to|based on|judging by|as per|per) (?:the |your )?(?:[\w-]+ ){0,2}"
    r"(?:metadata|facts?|information|description|prompt|instructions?)\b"
    r"|\bthe (?:given |known |provided )?facts\b(?! (?:panel|label|table|box)\b)"
    r"|\bthe metadata\b|\bas (?:requested|instructed|you asked)\b|\bword count\b"
    rf"|\b{_PICTURE} \d+ (?:of|/) ?\d+\b",
    re.IGNORECASE,
)
_OF_THE_PICTURE = re.compile(
    rf"^\W*(?:{_ADDED})?the (?:[\w-]+ )?{_PICTURE} (?:(?:quality|resolution|composition) )?{_TELLS}\b"
    rf"|^\W*(?:{_ADDED})?(?:this|it) (?:is|was|appears to be|seems to be) an? (?:[\w-]+ ){{0,3}}{_PICTURE}\b"
    rf"|\b(?:in|within|from|throughout) the (?:given |provided )?{_PICTURE}(?! (?:of|frame|album|print|book|on)\b)\b",
    re.IGNORECASE,
)
_IMPRESSION = re.compile(
    r"^\W*(?:overall,? )?(?:the|its|this) (?:[\w-]+ ){0,2}?"
    r"(?:composition|mood|atmosphere|ambian?ce|aesthetics?|vibe|(?<=overall )(?:feel|effect|style))"
    rf" (?:of (?:[\w-]+ ){{1,4}})?{_TELLS}\b"
    rf"|\b(?:style|mood|composition|quality|focus|subject|background) of the {_PICTURE}\b"
    r"|\b(?:evok|convey|creat|exud|radiat|giv|add|impart|bring)(?:e?s|ing|es)? (?:[\w-]+ ){0,3}"
    r"(?:sense|feeling|feel|mood|atmosphere|ambian?ce|vibe|air|touch|impression) of\b"
    r"|\bspeaks? (?:of|to)\b|\b(?:worth (?:noting|mentioning)|should be noted|noteworthy)\b"
    r"|^\W*(?:in (?:conclusion|summary|short|terms of|essence)|to (?:sum|summari[sz]e)|all in all)\b"
    r"|\bthe photographer (?:has|have|uses?|chose|took)\b"
    r"|\bI (?:[a-z]+)\b|^\W*(?:alt text|title|label)\b\W"
    r"|^\W*the viewer\b|\bthe viewer's (?:eyes?|attention|gaze|focus)\b|\b(?:invit|draw)\w* (?:the|in the) viewer\b"
    r"|\bdraw(?:s|ing) (?:the eye|attention)\b",
    re.IGNORECASE,
)
"""What the picture is like, and does to who looks at it; `facing the viewer` is a view."""
_BEARS_A_PICTURE = re.compile(
    r"\b(?:prints?|printed|graphics?|paint(?:ed|ing)|posters?|postcards?|illustrat\w+|embroider\w+|screen"
    rf"|{_PICTURE}s? (?:of|on|frame|album|book|print))\b",
    re.IGNORECASE,
)


def english_aside(sentence: str, text: str) -> str | None:
    """What an English sentence says that is not about what is seen; None if it says nothing of the kind.

    Args:
        sentence: Without what stands in quotation marks.
        text: All sentences; where one tells of a picture on the product, `the image` may be that one.
    """
    found = _ANY.search(sentence) or _IMPRESSION.search(sentence)
    if found is None and not _BEARS_A_PICTURE.search(text):
        found = _OF_THE_PICTURE.search(sentence)
    return found[0].strip(" ,(") if found else None


_GUESS = re.compile(
    r"\b(?i:possibly|probably|perhaps|maybe|presumably|supposedly|conceivably|potentially|likely|unlikely)\b"
    r"|\b(?:may|might|could|would|must|should) "
    r"(?!not\b|look\b|be (?:\w+ly )?(?:seen|made out|read|glimpsed|counted)\b)[a-z]+"
    r"|\b(?i:seems?|appears?) to (?:have been|enjoy|want|like|wait)\b|\b(?:tastes?|smells?) (?!of wood)[a-z]+"
    r"|\b(?i:suggest|impl|indicat|hint)(?:s|ies|es|ing|ying)? (?:at )?that (?:\w+ ){0,4}?"
    r"(?:somebody|someone|they|he|she|it|the (?:owner|person|photo\w*|picture|image|game|product|item|brand))\b"
    r"|\b(?i:(?:it is|it's|is) (?:unclear|unknown|uncertain|not clear|hard to tell|difficult to (?:tell|say)))\b"
)
_OF = word_set("made woven knitted crafted cut cast sewn of from in out a an some either")


def speculation(text: str) -> str | None:
    """What an English caption guesses at and does not see; None if it guesses at nothing but a stuff.

    Words in quotation marks do not count. What something is made of is seen by its look: `possibly linen` passes.
    """
    bare = QUOTED.sub("", text)
    for found in _GUESS.finditer(bare):
        following = [one for one in words(bare[found.end() :])[:8] if one not in _OF]
        if not MATERIALS & set(following[:2]):
            return f"says {found[0]!r}"
    return None


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """What assistants say in another language."""

    refusal: re.Pattern[str]
    """Anywhere in a sentence."""
    aside: re.Pattern[str]
    """At the beginning of any sentence, or in it."""


def _phrases(refusal: str, begins: str, holds: str) -> Phrases:
    aside = rf"^\W*(?:{begins})|\b(?:{holds})\b"
    return Phrases(refusal=re.compile(rf"\b(?:{refusal})", re.IGNORECASE), aside=re.compile(aside, re.IGNORECASE))


PHRASES: Mapping[str, Phrases] = {
    "de": _phrases(
        r"tut mir (?:sehr )?leid|leider (?:kann|konnte|darf|ist es mir)|entschuldig(?:e|en sie|ung)\b"
        r"|als (?:ki|sprachmodell)\b|ich (?:kann|darf|konnte|möchte|werde)\b.{0,60}\b(?:nicht|kein\w*)\b"
        r"|(?:es wurde )?kein (?:bild|foto) (?:gesendet|hochgeladen|angehängt|vorhanden)",
        r"(?:das|dieses|ihr) (?:\w+)?(?:bild|foto) (?:zeigt|stellt|enthält|präsentiert|vermittelt|wirkt)\b"
        r"|(?:die|diese) (?:\w+)?(?:aufnahme|fotografie|abbildung) (?:zeigt|stellt|enthält|präsentiert|wurde)\b"
        r"|(?:auf|in) (?:dem|diesem) (?:\w+)?(?:bild|foto)\b|im bild (?:ist|sind|sieht|sehen)\b|zu sehen (?:ist|sind)\b"
        r"|hier (?:ist|sind|sehen|kommt) (?:die|eine|der|ein|deine|ihre|wir|sie)\b|(?:gerne?|natürlich|klar)\b[!,:]"
        r"|(?:bild)?(?:beschreibung|unterschrift|titel)\s*:|(?:ich|wir) (?:hoffe|sehe|sehen|habe)\b"
        r"|(?:hinweis|anmerkung)\s*:|lass(?:en sie)? mich wissen\b|bitte beachte",
        r"laut (?:den )?(?:metadaten|angaben)|wie (?:gewünscht|angefordert)",
    ),
    "fr": _phrases(
        r"(?:je suis )?désolée?\b|je (?:ne (?:peux|suis|vois|parviens)|n'ai)\b.{0,40}\b(?:pas|aucune?)\b"
        r"|malheureusement\b|en tant qu(?:e |')(?:ia|assistant|modèle)|aucune image (?:n'a|fournie)"
        r"|impossible de (?:décrire|traiter|identifier)|toutes mes excuses|je m'excuse",
        r"(?:l'image|la photo(?:graphie)?|cette (?:image|photo(?:graphie)?)) "
        r"(?:montre|présente|représente|capture|illustre|offre|met)\b"
        r"|(?:sur|dans) (?:l'image|la photo|cette (?:image|photo))|voici\b|bien sûr\b|certainement\b|d'accord\b"
        r"|(?:légende|description|titre|remarque|note)\s*:"
        r"|(?:j'espère|je vois|on (?:peut )?voi[rt]|nous voyons|n'hésite[zr]?|faites-moi savoir)\b",
        r"selon les (?:métadonnées|informations|faits)|comme demandé",
    ),
    "es": _phrases(
        r"lo siento|lo lamento|lamentablemente|desafortunadamente|disculp(?:a|e|as)\b"
        r"|no (?:puedo|me es posible|soy capaz|veo ninguna?)\b|como (?:una? )?(?:ia|asistente|modelo de lenguaje)\b"
        r"|no (?:hay|se ha \w+|has \w+) ninguna? (?:imagen|foto)",
        r"(?:la|esta) (?:imagen|foto(?:grafía)?) (?:muestra|presenta|captura|representa|ofrece|transmite)\b"
        r"|en (?:la|esta) (?:imagen|foto(?:grafía)?)\b|aquí (?:está|tienes?|se ve|hay|va)\b"
        r"|(?:claro|por supuesto)\b[,!:]|claro que sí|(?:descripción|título|leyenda|pie de foto|nota)\s*:"
        r"|(?:espero que|veo|vemos|podemos ver|se puede ver|avísame|si necesitas)\b",
        r"según los (?:metadatos|datos)|como (?:pediste|solicitaste)",
    ),
    "it": _phrases(
        r"mi dispiace|mi spiace|purtroppo|mi scuso|non (?:posso|riesco|sono in grado|mi è possibile|vedo alcuna?)\b"
        r"|(?:in quanto|come) (?:ia|assistente|modello linguistico)\b|nessuna (?:immagine|foto) (?:è|stata)",
        r"(?:l'immagine|la foto(?:grafia)?|questa (?:immagine|foto(?:grafia)?)) "
        r"(?:mostra|presenta|raffigura|ritrae|cattura|offre)\b"
        r"|(?:nell'immagine|nella foto|in questa (?:immagine|foto))\b"
        r"|ecco\b|(?:certo|certamente|va bene)\b[,!:]|(?:descrizione|didascalia|titolo|nota)\s*:"
        r"|(?:spero che|vedo|vediamo|possiamo vedere|si può vedere|fammi sapere)\b",
        r"secondo i (?:metadati|dati)|come richiesto",
    ),
}
"""By language; the frequent ones, and no more."""
