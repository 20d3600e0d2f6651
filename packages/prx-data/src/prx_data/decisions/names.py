"""Names of clusters: the words that set the metadata of their photos apart, or the tags that most of them bear."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

_LEAST_Z = 1.96  # beyond it a word is more frequent in a cluster than chance would have it, at 95 %
_WORD = re.compile(r"[^\W\d_]{3,}")
_PRIOR = 10.0  # photos' worth of belief that a cluster is like all


def words_of_clusters(
    labels: Sequence[int], texts: Sequence[str], *, stem: Callable[[str], str], limit: int = 3
) -> dict[int, str]:
    """The words that a cluster's texts hold more often than those of the others, up to `limit`, the surest first.

    The log-odds ratio of each word with all texts as the prior, divided by its standard deviation (Monroe, Colaresi and
    Quinn 2008, "Fightin' words", equations 16 and 22). A word counts once a text, in whichever form.

    Args:
        labels: Each photo's cluster.
        texts: Each photo's metadata in words.
        stem: What the forms of a word have in common; of those, the most frequent stands for all.
        limit: The most words.

    Returns:
        By cluster; empty where no word stands out.
    """
    forms: dict[str, Counter[str]] = {}
    words = []
    for text in texts:
        found = {stem(word): word for word in sorted(set(_WORD.findall(text.lower())), reverse=True)}
        for one, word in found.items():
            forms.setdefault(one, Counter())[word] += 1
        words.append(sorted(found))
    everywhere = Counter(word for some in words for word in some)
    sizes = Counter(labels)
    within: dict[int, Counter[str]] = {one: Counter() for one in sizes}
    for label, some in zip(labels, words, strict=True):
        within[label].update(some)
    shown = {one: min(found, key=lambda word: (-found[word], word)) for one, found in forms.items()}
    return {
        one: ", ".join(shown[word] for word in _surest(within[one], sizes[one], everywhere, len(labels), limit))
        for one in sorted(sizes)
    }


def _surest(here: Counter[str], size: int, everywhere: Counter[str], count: int, limit: int) -> list[str]:
    if size == count:
        return []
    names = sorted(here)
    inside = np.array([here[one] for one in names], dtype=np.float64)
    total = np.array([everywhere[one] for one in names], dtype=np.float64)
    prior = _PRIOR * total / count
    missing = _PRIOR - prior
    outside = total - inside
    odds = np.log((inside + prior) / (size - inside + missing + 1e-9))
    others = np.log((outside + prior) / (count - size - outside + missing + 1e-9))
    z = (odds - others) / np.sqrt(1 / (inside + prior) + 1 / (outside + prior))
    order = np.lexsort((np.arange(len(names)), -np.round(z, 9)))
    return [names[row] for row in order.tolist()[:limit] if z[row] > _LEAST_Z]


def tags_of_clusters(labels: Sequence[int], tags: Sequence[str]) -> dict[int, str]:
    """The tag that most photos of each cluster bear; of several the first by alphabet."""
    found: dict[int, Counter[str]] = {}
    for label, tag in zip(labels, tags, strict=True):
        found.setdefault(label, Counter())[tag] += 1
    return {one: min(found[one], key=lambda tag: (-found[one][tag], tag)) for one in sorted(found)}
