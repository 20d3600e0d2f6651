"""Captions that are no captions: excuses, words about the picture or the answer, and what is not plain text."""

import re

from prx_data.captions.asides import PHRASES, english_aside
from prx_data.captions.text import QUOTED, sentences, words
from prx_data.captions.words import LANGUAGES

_EXCUSES = re.compile(
    r"^\W*(?:(?:i(?:'m| am) |my )?(?:\w+ )?(?:sorry|apolog\w+|unfortunately|regrettably)"
    r"|as an? (?:\w+ ){0,3}(?:ai|assistant|model))\b"
    r"|\bas an? (?:ai|language model|assistant)\b|\bunable to (?:assist|help|comply|process|view|describe|identify)\b"
    r"|^\W*(?:error|warning|(?:content|caption|description|image|photo|picture) (?:is )?(?:not |un)available)\b"
    r"|\b(?:was|were|been|content|request|response|image|photo|picture) (?:blocked|flagged|rejected|filtered)\b"
    r"|\b(?:image|photo|picture|file) (?:was )?not (?:found|loaded|supported|received|given|provided)\b"
    r"|\b(?:without|no|lacking) (?:\w+ )?(?:access to|visual input|image input|input image)\b"
    r"|\b(?:inappropriate|better not|unethical) to (?:comment|describe|speculate|identify|discuss|say)\b"
    r"|\b(?:could not|cannot|can't|couldn't) be (?:processed|described|displayed|loaded|identified)\b"
    r"|\bno (?:image|photo|picture|file|description) (?:\w+ )?(?:was|is|has|were)\b"
    r"|\bagainst (?:\w+ ){1,2}(?:policy|policies|guidelines)\b",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"\b(?:i|i'm|i'd|i'll|i've|me|my|we|we're|our|you|your|please|(?:the|this|an?) (?:assistant|chatbot|ai|user))\b",
    re.IGNORECASE,
)
_DECLINING = re.compile(
    r"n't\b|\b(?:not|cannot|unable|declin\w+|refus\w+|sorry|apolog\w+|unfortunately|regret\w*|policy|policies"
    r"|guidelines|upload|share|provide|attach|resend|send|try again|comfortable|allowed|permitted|able to)\b",
    re.IGNORECASE,
)

_PICTURE = r"(?:image|photo|photograph|picture|pic|snapshot|screenshot|file)"
_ANSWERING = (
    r"(?:describ\w*|description|captions?|captioned|captioning|identif\w+|determin\w+|answer\w*|fulfill?(?:ed)?|compl(?:y|ied)"
    r"|assist\w*|process(?:ed)?|verif\w+|infer(?:red)?|discern(?:ed)?|recogni[sz]ed?|make out|made out)"
)
_CANNOT = (
    r"(?:not|n't|cannot|never|unable|impossible|insufficient|beyond|fail(?:s|ed)?|no longer"
    r"|too (?:\w+ ){1,3}to|not enough (?:\w+ ){1,4}to)"
)
_NOT_ANSWERED = re.compile(
    rf"{_CANNOT} (?:[\w-]+ ){{0,4}}?{_ANSWERING}\b"
    rf"|\b{_ANSWERING} (?:[\w-]+ ){{0,4}}?(?:is|are|was) (?:[\w-]+ )?{_CANNOT}\b"
    rf"|\b(?:the|this|your) (?:[\w-]+ ){{0,2}}?{_PICTURE} (?:(?:may|might|could|would|is|was|has|does|did|do) )?"
    r"(?:not|n't|doesn't|isn't|didn't|too|violat\w*|fail\w*|missing|blank|empty|corrupt\w*|unavailable)\b"
    r"|\bno (?:[\w-]+ )?(?:description|caption|answer|information|details|data) (?:\w+ )?"
    r"(?:available|given|provided|found)\b"
    rf"|^\W*{_PICTURE} (?:(?:could|can|was|is|has|does|did) )?(?:not|n't|cannot)\b"
    r"|\b(?:i|we) have no (?:vision|eyes|access|image|way)\b|\b(?:upload|attachment) (?:\w+ ){0,2}not\b"
    r"|^\W*(?:unanswerable|unavailable|unknown|undefined|null|none|n/?a)\b",
    re.IGNORECASE,
)
"""Who captions says what is seen; who declines speaks of seeing and saying, and that they cannot."""


def refusal(text: str, language: str = "en") -> str | None:
    """Why it is no caption but an excuse: of what cannot be said or seen, or by somebody who declines or asks.

    Words in quotation marks do not count: they may be printed on the product. English excuses are known, and the
    frequent ones of the language if it is one of `asides.PHRASES`.
    """
    bare = QUOTED.sub("", text.replace("’", "'"))
    if found := _EXCUSES.search(bare):
        return f"says {found[0].strip()!r}"
    for sentence in sentences(bare):
        if found := _NOT_ANSWERED.search(sentence):
            return f"says {found[0].strip()!r}"
        if _SPEAKER.search(sentence) and _DECLINING.search(sentence):
            return f"says {sentence[:60]!r}"
        if language in PHRASES and (found := PHRASES[language].refusal.search(sentence)):
            return f"says {found[0].strip()!r}"
    return None


_MEDIUM = (
    r"(?:image|photo|photograph|picture|pic|shot|snapshot|frame|illustration|scene|screenshot|visual|close-?up|view|render"
    r"|rendering|portrait|composition)"
)
_SHOWS = (
    r"(?:show|feature|depict|display|capture|contain|present|portray|showcase|illustrate|provide|offer|highlight|focus"
    r"|reveal|exhibit|include|represent|give|zoom|centers?|centres?|consist)"
)
_MORE = r"(?:(?!(?:of|frames?|albums?|prints?|books?|bags?) )\w+ ){0,2}?"
_PREAMBLES = re.compile(
    r"^\W*(?:"
    rf"(?:in|within|from|at|throughout|across) (?:the|this|that|your) (?:[\w-]+ ){{0,3}}?{_MEDIUM}\b"
    rf"|(?:(?:the|this|that|your|an?|one)\s+)?(?:[\w-]+ ){{0,3}}?{_MEDIUM}s? {_MORE}"
    rf"(?:{_SHOWS}(?:e?s|ing|ed)?|depicting|capturing|showcasing|illustrating|providing|including|representing|giving"
    r"|is|has|seems|appears)\b"
    r"|here(?:'s| is| are| you| we| comes)\b"
    r"|(?:sure|certainly|of course|absolutely|okay|ok|alright|great|yes|gladly|happy to|no problem|understood)\b[,.!: ]"
    r"|(?:[\w-]+ ){0,3}(?:caption|description|answer|text|output|response|title|paragraph|summary|prompt)"
    r"(?: \w+){0,2}(?:\s*[:–—]| -)"
    rf"|{_MEDIUM} (?:no\.? ?)?#?\d+\s*[:.)–—]|the (?:user|following|facts?|metadata|request|task|prompt)\b"
    r"|(?:i|we|you|one)(?:'m|'re| am| are)? (?:can |could |may |will )?(?:also |clearly |now )?"
    r"(?:see|observe|notice|find|look|looking|would describe|shown|presented|have)\b"
    r"|(?:this|that|it|these|those) (?:is|are|appears to be|seems to be|looks like) (?:an? |the )?"
    rf"(?:[\w-]+ ){{0,2}}?{_MEDIUM}\b"
    r"|(?:the )?(?:main |primary |central )?(?:subject|focus|focal point|object|item|product)"
    r" (?:of|in|here|shown|pictured|is)\b"
    r"|(?:displayed|presented|shown|seen) before (?:us|you|me)\b"
    rf"|(?:what (?:is|we see|you see)|what's) |(?:let me|let's|looking at|based on|judging by|below is|below you)\b"
    r"|as (?:shown|seen|requested|you can see|we can see)\b"
    rf"|(?:shown|pictured|depicted|visible|seen|displayed|featured|presented|captured)"
    rf" (?:here|is|are|in (?:the|this) (?:[\w-]+ ){{0,2}}?{_MEDIUM})\b|assistant\s*:"
    r")",
    re.IGNORECASE,
)
_ITSELF = re.compile(
    r"(?:\b(?:in|from|within|by|as|throughout)|,) (?:the|this|that|your) (?:given |provided )?"
    rf"(?:[\w-]+ ){{0,1}}?{_PICTURE}(?! (?:of|frame|album|print|book|on)\b)\b",
    re.IGNORECASE,
)
"""The picture itself, and neither a place in it (`the middle of the picture`) nor one that is printed on something."""


def preamble(text: str, language: str = "en") -> str | None:
    """Why it says something about the picture or the answer, and not what is seen: at its beginning, or further on.

    Words in quotation marks count at the very beginning only. Beginnings are known in English, and in the language if
    it is one of `asides.PHRASES`; what comes further on, in the language alone.
    """
    plain = text.replace("’", "'")
    if found := _PREAMBLES.match(plain):
        return f"begins with {found[0].strip()!r}"
    bare = QUOTED.sub("", plain)
    said = sentences(bare)
    if found := _ITSELF.search(next(iter(said), "")):
        return f"its first sentence speaks of {found[0].strip(' ,')!r}"
    for sentence in said:
        if refusal(sentence, language):
            continue  # an excuse, which is told as such
        if language == "en" and (aside := english_aside(sentence, bare)):
            return f"says {aside[:60]!r}"
        if language in PHRASES and (found := PHRASES[language].aside.search(sentence)):
            return f"says {found[0].strip()!r}"
    return None


_MARKUP = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\*\*|__|(?<!\w)\*\S[^*]*\*(?!\w)|`[^`]+`|^#{1,6}\s|^[-*•–]\s+\S|^\d+[.)]\s+\S"
    r"|</?[a-z][^<>]*>|<\|[^|]*\|>|\[/?[A-Z_]{2,}\]|&(?:[a-z]{2,8}|#\d+);|https?://|!?\[[^\]]*\]\([^)]*\)"
    r"|(?<!\w)#[a-z]\w+|\[\d{1,3}\]|\$\S[^$]*\$|^[{\[|]|\\[a-z]+\{|\\n|\\u[0-9a-f]{4}|\ufffd",
    re.IGNORECASE,
)


_ADVERTISING = re.compile(
    r"\bwww\.\w|\b[\w.+-]+@[\w-]+\.\w+|\b[\w-]+\.(?:com|net|org|co\.uk)\b(?:/\S*)?"
    r"|[$€£¥₹] ?\d|\d ?[€£¥₹]|\d ?(?:usd|eur|gbp|dollars|euros?)\b|\d ?% off\b|(?<!\w)@[a-z]\w"
    r"|\b(?:buy|order|shop|get) (?:(?:it|yours|them|one) )?(?:now|today|online)\b"
    r"|\badd (?:(?:it|this|them) )?to (?:your )?(?:cart|basket|bag)\b|\bfree (?:shipping|delivery|returns)\b"
    r"|\bwhile (?:stocks?|supplies) lasts?\b|\b(?:limited|special) (?:offer|stock)\b"
    r"|\bclick (?:here|on|the)\b|\b(?:your|yours|yourself|our)\b|\byou (?:will|can|won't|deserve|love|get)\b"
    r"|\byou['’](?:re|ll|ve|d)\b|\b(?:whether|wherever|whenever) you\b"
    r"|\beas(?:y|ier) to (?!see|read|make out|recogni|spot|tell|disti)\w+"
    r"|\b(?:sku|rrp|msrp)\b|\bwas \d+,? now\b|\bhurry\b|\b\d(?:\.\d)? stars\b|\b(?:in stock|sold out)\b|\bbestsell\w+"
    r"|\bkeeps? (?:\w+ ){1,2}(?:cold|hot|warm|dry|cool|safe|fresh|comfortable)\b"
    r"|\bfor (?:anyone|those|everyone|\w+ lovers) who\b"
    r"|\bmust-have\b|\b(?:perfect|ideal|great|excellent|stylish|reliable|versatile)"
    r" (?:addition|choice|option|companion|gift|pick|piece)\b"
    r"|\b(?:perfect|ideal|great|suitable) for (?:\w+ )?"
    r"(?:any|every|all|everyday|daily|those|anyone|casual|formal)\b"
    r"|\bpairs? (?:perfectly|effortlessly|beautifully|well|easily) with\b|\b(?:stocks?|supplies) lasts?\b"
    r"|^\W*(?:discover|experience|elevate|enjoy|indulge|embrace|explore|introducing|enhance|unleash) \w"
    r"|^\W*(?:upgrade|treat|transform|complete|step|stay|meet|bring|make|give|add|try|choose|say|keep|take|pair|wear|use|brighten|refresh|update)"
    r" (?:(?:a|an|the|this|these|it|them|yourself|into|in|any|every|some|more|up|out|control|goodbye|hello) )",
    re.IGNORECASE,
)
"""Prices, addresses and what sells: in the second person, in the imperative."""
_SEPARATED = re.compile(r"\||::|•|·|(?<= )~(?= )")
_LABEL = re.compile(r"^\W*[A-Z][a-z]+(?: [a-z]+)?: \S")
_MONEY = re.compile(
    r"\b(?:bills?|notes?|banknotes?|coins?) of [$€£¥₹]?\d+(?: ?(?:[€£¥₹]|[a-z]+))?"
    r"|[$€£¥₹]?\d+[ -]?(?:[€£¥₹]|euros?|dollars?|pounds?)?[ -](?:bills?|notes?|banknotes?|coins?)\b",
    re.IGNORECASE,
)
"""Things that are money, and no price."""
_PROMPT_TAG = re.compile(
    r"(?:^|,)\s*(?:(?:4|8|16)k(?: uhd)?|uhd|hdr|(?:photo|hyper|ultra)[ -]?realis(?:tic|m)|masterpiece"
    r"|(?:best|high) quality|(?:highly|ultra|hyper)[ -]detailed|sharp focus|octane render|unreal engine(?: 5)?"
    r"|trending on \w+)\s*(?=,|\.?$)",
    re.IGNORECASE,
)
"""What is written to a generator, and stands alone between commas."""
_KEYWORDS_LEAST, _KEYWORD_WORDS = 4, 3
_JOINING: frozenset[str] = frozenset().union(*(frequent for _, frequent in LANGUAGES.values()))
_CAPITALS_LEAST, _CAPITALS_SHARE = 4, 0.8
_PICTOGRAPHS = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]")
_WHOLLY_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]|'[^']*'")


def markup(text: str) -> str | None:
    """Why it is not plain text: Markdown, HTML, tokens, links, JSON, emoji, quotes, advertising, capitals, tags.

    Nor are control characters and halves of surrogate pairs, which no file can hold. Quotes are those around all of it.
    Emoji, prices and capitals in quotation marks do not count: they may be printed on the product.
    """
    stripped = text.strip()
    if _WHOLLY_QUOTED.fullmatch(stripped):
        return "is in quotation marks as a whole"
    bare = QUOTED.sub("", stripped)
    if found := _MARKUP.search(stripped) or _PICTOGRAPHS.search(bare):
        return f"holds {found[0][:24]!r}"
    if len(_SEPARATED.findall(bare)) > 1:
        return "is a list with separators"
    if (found := _PROMPT_TAG.search(bare)) or _are_keywords(bare):
        return f"is a list of keywords: {(found[0].strip(', ') if found else bare)[:24]!r}"
    labels = [found[0] for one in sentences(bare) if (found := _LABEL.match(one))]
    if len(labels) > 1:
        return f"is a list: {labels[0]!r}"
    for sentence in sentences(bare):
        if (found := _ADVERTISING.search(_MONEY.sub("", sentence))) and not refusal(sentence):
            return f"holds {found[0][:24]!r}"
        said = re.findall(r"[^\W\d_]{2,}", sentence)
        capitals = sum(one.isupper() for one in said)
        if capitals >= max(_CAPITALS_LEAST, _CAPITALS_SHARE * len(said)):
            return f"is in capitals: {sentence[:24]!r}"
    return None


def _are_keywords(text: str) -> bool:
    """Whether it is different fragments between commas, with none of the words that join sentences in any language."""
    parts = {tuple(words(one)) for one in text.split(",")}
    is_list = len(parts) >= _KEYWORDS_LEAST and all(len(one) <= _KEYWORD_WORDS for one in parts)
    return is_list and text.isascii() and not any(_JOINING.intersection(one) for one in parts)
