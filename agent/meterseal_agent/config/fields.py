"""Fields that many tables have, each read with its default and its bounds.

Every function raises BadTable with one sentence. It must never take a wrong value for
the default.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from meterseal_agent.meters.table import BadTable, Table

_E = TypeVar("_E", bound=StrEnum)


def integer(table: Table, key: str, default: int, *, low: int, high: int) -> int:
    """Take an integer that may be left out."""
    return table.integer(key, low=low, high=high) if table.has(key) else default


def seconds(table: Table, key: str, *, low: int, high: int) -> float | None:
    """Take milliseconds as seconds; None when they are left out."""
    return table.integer(key, low=low, high=high) / 1000 if table.has(key) else None


def choice(table: Table, key: str, kind: type[_E], default: _E) -> _E:
    """Take one of an enum's texts."""
    if not table.has(key):
        return default
    text = table.text(key)
    if text not in [str(one) for one in kind]:
        names = " or ".join(str(one) for one in kind)
        raise BadTable(f"{table.where}: {key} must be {names}, not {text!r}")
    return kind(text)


def distinct(texts: Sequence[str], what: str) -> None:
    """Refuse a text that stands twice."""
    for text in texts:
        if texts.count(text) > 1:
            raise BadTable(f"{what} {text} is given twice")


def one_of(table: Table, keys: Sequence[str]) -> str:
    """Return which one of `keys` is there; refuse none and more than one."""
    found = [key for key in keys if table.has(key)]
    if len(found) != 1:
        raise BadTable(f"{table.where}: give exactly one of {', '.join(keys)}")
    return found[0]
