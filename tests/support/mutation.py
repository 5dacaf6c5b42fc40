"""Hostile bytes: a payload changed as an attacker, a bad disk or a bad encoder would.

Every change is drawn from a seeded `Random`, so a failure can be repeated.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Rejected
from meterseal_proto.topics import MAX_MESSAGE_BYTES

_ODD: Final[tuple[Value, ...]] = (
    0, -1, 1, 24, 255, (1 << 63) - 1, (1 << 64) - 1, -(1 << 64), True, False, None,
    b"", bytes(16), bytes(32), b"\xff" * 64, "", "seal", [], [[]], {}, {"a": 1},
)  # fmt: skip
# CBOR that no encoder of ours writes: floats, indefinite lengths, tags, repeated keys,
# long forms, undefined, a break, depth.
_ALIEN: Final = (
    b"\xf9\x3c\x00", b"\xfa\x3f\x80\x00\x00", b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",
    b"\x9f\xff", b"\x5f\x41\x00\xff", b"\xbf\xff", b"\xc1\x00", b"\xa2\x61a\x01\x61a\x01",
    b"\x18\x01", b"\x19\x00\x01", b"\x1b\x00\x00\x00\x00\x00\x00\x00\x01", b"\xf7", b"\xff",
    b"\x81" * 40, b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
)  # fmt: skip


def flip(payload: bytes, chance: Random) -> bytes:
    """Flip one to four bits."""
    changed = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def overwrite(payload: bytes, chance: Random) -> bytes:
    """Overwrite a stretch with random bytes."""
    at = chance.randrange(len(payload))
    return payload[:at] + chance.randbytes(chance.randint(1, 8)) + payload[at + 1 :]


def cut(payload: bytes, chance: Random) -> bytes:
    """Leave out the end, the beginning, or a stretch within."""
    first, last = sorted(chance.sample(range(len(payload) + 1), 2))
    return payload[:first] + payload[last:]


def splice(payload: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Put the end of another message behind the beginning of this one."""
    at = chance.randrange(len(payload))
    return payload[:at] + chance.choice(others)[at:]


def alien(payload: bytes, chance: Random) -> bytes:
    """Put CBOR that is not ours somewhere into the message, or in its place."""
    at = chance.randrange(len(payload) + 1)
    keep = chance.choice((at, at + 1, len(payload)))
    return payload[:at] + chance.choice(_ALIEN) + payload[keep:]


def swap(payload: bytes, chance: Random) -> bytes:
    """Give one field, or one field of a record, a value of another kind or size."""
    fields = _fields(payload)
    target = fields
    if isinstance(fields[-1], list) and chance.random() < 0.5:
        target = fields[-1][0]
    target[chance.randrange(len(target))] = chance.choice(_ODD)
    return encode(fields)


def nudge(payload: bytes, chance: Random) -> bytes:
    """Move one number a little, as a clever liar would."""
    fields = _fields(payload)
    records = fields[-1]
    target = chance.choice([fields, chance.choice(records)])
    places = [n for n, value in enumerate(target) if type(value) is int]
    place = chance.choice(places)
    target[place] = max(0, target[place] + chance.choice((-900, -1, 1, 300, 900)))
    return encode(fields)


def oversize(payload: bytes, chance: Random) -> bytes:
    """Make the message longer than any may be."""
    return payload + bytes(MAX_MESSAGE_BYTES - len(payload) + chance.randint(1, 9))


def mutate(payload: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Change a payload in one or two of these ways."""
    if chance.random() < 0.001:
        return oversize(payload, chance)
    changed = chance.choice(_WAYS)(payload, chance)
    if chance.random() < 0.2:
        changed = splice(payload, chance, others)
    if changed and chance.random() < 0.2:
        changed = flip(changed, chance)
    return changed


_WAYS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    flip, flip, overwrite, cut, alien, swap, nudge, nudge,
)  # fmt: skip


def _fields(payload: bytes) -> list:  # type: ignore[type-arg]
    """Return the message as lists that may be changed."""
    try:
        value = decode(payload)
    except Rejected as error:
        raise AssertionError("mutate a good payload") from error
    assert isinstance(value, tuple)
    return [
        *value[:-1],
        [list(record) for record in value[-1]],
    ]
