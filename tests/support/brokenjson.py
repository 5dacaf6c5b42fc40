"""JSON with something odd put anywhere into it, as a hasty hand or an attacker would."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any, Final

Json = Any  # Any: a JSON document

ODD: Final[tuple[Json, ...]] = (
    None, True, False, 0, -1, 1, 10**40, 1.5, 1e308, "", "x", "mon", "00:00", "24:00",
    "12:60", "02-29", "energy", "week", [], {}, [[]], ["mon"], ["energy"], {"type": "flat"},
)  # fmt: skip
NAMES: Final = ("name", "of", "to", "calendar", "per", "tiers", "unit", "rate", "zzz")
_WIDE: Final = 40
"""Of a long list, as many are tried."""


def broken(document: Json, chance: Random) -> Json:
    """Return a copy in which one to three places are replaced, cut or copied elsewhere."""
    found = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        paths = [path for path in _paths(found) if path]
        if paths:
            _break(found, chance.choice(paths), chance)
    return found


def _break(found: Json, path: tuple[Json, ...], chance: Random) -> None:
    for step in path[:-1]:
        found = found[step]
    last, how = path[-1], chance.random()
    if how < 0.6:
        found[last] = copy.deepcopy(chance.choice(ODD))
    elif how < 0.8:
        del found[last]
    elif isinstance(found, list):
        found.append(copy.deepcopy(found[last]))
    else:
        found[chance.choice(NAMES)] = copy.deepcopy(found[last])


def _paths(found: Json, path: tuple[Json, ...] = ()) -> Iterator[tuple[Json, ...]]:
    yield path
    if isinstance(found, dict):
        for name in found:
            yield from _paths(found[name], (*path, name))
    elif isinstance(found, list):
        for n, one in enumerate(found[:_WIDE]):
            yield from _paths(one, (*path, n))
