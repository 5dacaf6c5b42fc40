"""Pure: the same dice for everybody who names the same seed.

Numbers come from SHA-256 over their names, so a seed means one street on every
machine and with every library version. They must never be used for keys.
"""

from hashlib import sha256

Name = int | str


def unit(seed: int, *names: Name) -> float:
    """Return a number in [0, 1) that belongs to `seed` and these names."""
    return whole(seed, *names) / 2**53


def whole(seed: int, *names: Name) -> int:
    """Return an integer in [0, 2**53) that belongs to `seed` and these names."""
    text = "\x1f".join(str(part) for part in ("meterseal-sim", seed, *names))
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> 11


def between(low: float, high: float, seed: int, *names: Name) -> float:
    """Return a number in [low, high) that belongs to `seed` and these names."""
    return low + (high - low) * unit(seed, *names)


def pick_weighted(weights: tuple[float, ...], share: float) -> int:
    """Return the index at which the running weights pass `share` of their sum.

    `weights` are not negative and not all zero; `share` lies in [0, 1).
    """
    left = share * sum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return len(weights) - 1
