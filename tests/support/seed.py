"""The seed of every random rig: fixed in CI, fresh every night; and how much CI sweeps."""

import os
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

VARIABLE = "METERSEAL_TEST_SEED"
SEED = int(os.environ.get(VARIABLE, "20261121"))
NIGHTS = 5 if VARIABLE in os.environ else 1
"""How many times over the slow rigs run what CI runs once: a given seed means the night."""
WHOLE = VARIABLE in os.environ
"""Whether sweeps leave nothing out, as they do at night."""

Swept = Callable[[str, int, int], None]
"""Notes what was swept, how many cases were tried, and how many there are."""

Item = TypeVar("Item")


def sample(everything: Sequence[Item], one_in: int, what: str) -> list[Item]:
    """Return all of a sweep at night, and otherwise one in so many, in their order.

    Which, the seed and the sweep's name choose. At least one is returned.
    """
    if WHOLE:
        return list(everything)
    chance = Random(f"{SEED} {what}")
    count = max(1, len(everything) // one_in)
    places = sorted(chance.sample(range(len(everything)), count))
    return [everything[place] for place in places]
