"""Registers in every type and word order side by side, and what changed since last time.

Pure; for a meter whose map nobody has: the column that makes sense is its type. It must
never guess for the reader.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Final

HEAD: Final = (
    f"{'addr':>5} {'hex':>4} {'u16':>6} {'s16':>7} {'u32':>11} {'u32 low':>11}"
    f" {'s32':>12} {'f32':>13} {'f32 low':>13} {'u64':>20} {'f64':>13}"
)
"""`low` is low word first; 32 and 64 bit columns begin at their row's address."""
FORMAT: Final = "meterseal registers 1"


def table(words: Mapping[int, int], before: Mapping[int, int]) -> list[str]:
    """Return a row for each register read; one that changed since `before` is marked."""
    return [HEAD, *(_row(at, words, before) for at in sorted(words))]


def changes(words: Mapping[int, int], before: Mapping[int, int]) -> list[str]:
    """Return one line for each register that changed since `before`."""
    return [
        f"{at:5} was {before[at]:04X} ({before[at]}), is {word:04X} ({word}),"
        f" {word - before[at]:+d}"
        for at, word in sorted(words.items())
        if before.get(at, word) != word
    ]


def to_json(words: Mapping[int, int]) -> str:
    """Return what is kept for the next reading's comparison."""
    kept = {str(at): word for at, word in sorted(words.items())}
    return json.dumps({"format": FORMAT, "words": kept}) + "\n"


def from_json(text: str) -> dict[int, int]:
    """Return what `to_json` kept; ValueError for anything else."""
    match json.loads(text):
        case {"format": str(named), "words": dict(words)} if named == FORMAT:
            return {int(at): int(word) for at, word in words.items()}
        case _:
            raise ValueError("it holds no registers")


def _row(at: int, words: Mapping[int, int], before: Mapping[int, int]) -> str:
    one = words[at].to_bytes(2)
    mark = " *" if before.get(at, words[at]) != words[at] else ""
    cells = [
        f"{at:5} {words[at]:04X} {words[at]:6} {int.from_bytes(one, signed=True):7}"
    ]
    cells.append(_wide(_span(at, words, 2), _span(at, words, 4)))
    return "".join(cells).rstrip() + mark


def _span(at: int, words: Mapping[int, int], count: int) -> tuple[int, ...]:
    """Return `count` words from `at`, () when one of them was not read."""
    found = tuple(words[n] for n in range(at, at + count) if n in words)
    return found if len(found) == count else ()


def _wide(two: Sequence[int], four: Sequence[int]) -> str:
    if not two:
        return ""
    high, low = _bytes(two), _bytes(two[::-1])
    text = (
        f" {int.from_bytes(high):11} {int.from_bytes(low):11}"
        f" {int.from_bytes(high, signed=True):12} {_float('>f', high):>13}"
        f" {_float('>f', low):>13}"
    )
    if four:
        long = _bytes(four)
        text += f" {int.from_bytes(long):20} {_float('>d', long):>13}"
    return text


def _bytes(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(2) for word in words)


def _float(layout: str, raw: bytes) -> str:
    (number,) = struct.unpack(layout, raw)
    return f"{number:.7g}" if math.isfinite(number) else str(number)
