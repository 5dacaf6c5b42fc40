"""Pure: what a bad wire does to the bytes of a frame.

The dice are given, so the same request is always damaged alike. Must never give back
a whole frame where one was to be damaged.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from meterseal_sim.faults.answers import Answer, Damage
from meterseal_sim.faults.model import Kind

USUAL_NOISE = 6
"""A spike on an RS-485 line makes a few characters, not dozens."""
DATA_BITS = 7
"""The eighth bit is no data on a line with 7 data bits."""


def damaged(frame: bytes, damage: Sequence[Damage]) -> bytes:
    """Return the bytes that arrive of a frame."""
    for one in damage:
        frame = _WAYS[one.kind](frame, one)
    return frame


def damaged_telegram(telegram: bytes, damage: Sequence[Damage]) -> bytes:
    """Return the bytes that arrive of a telegram; a wrong CRC is a wrong bit in it."""
    for one in damage:
        way = _flipped if one.kind is Kind.WRONG_CRC else _WAYS[one.kind]
        telegram = way(telegram, one)
    return telegram


def lost(answer: Answer) -> bool:
    """Say whether a gateway would not pass the answer on: its CRC cannot be right."""
    return any(one.kind in {Kind.WRONG_CRC, Kind.COLLISION} for one in answer.damage)


def _wrong_crc(frame: bytes, damage: Damage) -> bytes:
    bit = damage.dice % 16
    spoiled = bytearray(frame)
    spoiled[-1 - bit // 8] ^= 1 << bit % 8
    return bytes(spoiled)


def _flipped(telegram: bytes, damage: Damage) -> bytes:
    place, bit = damage.dice % len(telegram), damage.dice // len(telegram) % DATA_BITS
    spoiled = bytearray(telegram)
    spoiled[place] ^= 1 << bit
    return bytes(spoiled)


def _collision(frame: bytes, damage: Damage) -> bytes:
    """Two meters of one address answer at once: a 0 wins over a 1 on the line."""
    other = _noise(len(frame), damage.dice)
    mixed = bytes(ours & theirs for ours, theirs in zip(frame, other, strict=True))
    return mixed if mixed != frame else bytes(len(frame))


def _truncated(frame: bytes, damage: Damage) -> bytes:
    cut = damage.amount or 1 + damage.dice % max(1, len(frame) - 1)
    return frame[: max(1, len(frame) - cut)]


def _noisy(frame: bytes, damage: Damage) -> bytes:
    count = damage.amount or 1 + damage.dice % USUAL_NOISE
    return _noise(count, damage.dice) + frame


def _noise(count: int, dice: int) -> bytes:
    blocks = (
        sha256(f"{dice}:{block}".encode()).digest() for block in range(count // 32 + 1)
    )
    return b"".join(blocks)[:count]


_WAYS: dict[Kind, Callable[[bytes, Damage], bytes]] = {
    Kind.WRONG_CRC: _wrong_crc,
    Kind.COLLISION: _collision,
    Kind.TRUNCATED: _truncated,
    Kind.NOISE: _noisy,
}
