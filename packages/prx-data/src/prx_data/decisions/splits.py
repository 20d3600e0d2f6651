"""Train and validation, so that nothing in one is known from the other."""

import hashlib
from collections.abc import Iterable, Sequence


def connected_groups(keys: Sequence[str], links: Iterable[tuple[int, int]]) -> list[str]:
    """Name the connected component of each position after its smallest key.

    Args:
        keys: One per position.
        links: Pairs of positions that belong together.

    Returns:
        One group name per position.
    """
    parent = list(range(len(keys)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    for a, b in links:
        first, second = root(a), root(b)
        if first != second:
            # The smaller key becomes the root, so that a group's name does not depend on the order of links.
            small, large = sorted((first, second), key=lambda one: keys[one])
            parent[large] = small
    return [keys[root(position)] for position in range(len(keys))]


def validation_groups(groups: Sequence[str], fraction: float, seed: int = 0) -> set[str]:
    """Choose whole groups for validation.

    A group is chosen by a hash of its name and the seed alone, so that a later run with more photos moves no group
    from one side to the other. If that leaves a side empty, the group with the smallest hash changes sides.

    Args:
        groups: The group of each photo.
        fraction: Expected share of the groups in validation, in [0, 1).
        seed: Another seed, another choice.

    Returns:
        Names of the groups in validation; empty if `fraction` is 0 or there are fewer than two groups.
    """
    names = sorted(set(groups), key=lambda name: _position(name, seed))
    if fraction <= 0 or len(names) < 2:
        return set()
    chosen = {name for name in names if _position(name, seed) < fraction}
    if not chosen:
        return {names[0]}
    return chosen - {names[-1]}


def _position(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on the name and the seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:7], "big") / 2**56
