"""Looking for numbers in what was said: in text, and in every width a program writes.

Signatures, commitments and proofs look like noise, and in noise two bytes are any number
sooner or later. So a message is taken apart first: its own integers count as they are, and
in its byte strings only what noise does not hold by chance.
"""

import re
import struct
from collections.abc import Iterable, Iterator

from meterseal_proto.encoding import Value, decode

LEAST = 100
"""Smaller numbers are in every count and date, and say nothing where they are."""
NOISE = 1000
"""Bytes of a message's strings from which on they are proofs and commitments."""
BY_CHANCE = 3
"""Numbers in 32 bits that such noise does not hold at once: of a thousand looked for, a day
of 15 KB holds one about once in a hundred and fifty times."""
_NARROW = (">I", "<I")
_BROAD = (">Q", "<Q")
LEAST_DIGITS = 6
"""Of a number as text among noise."""


def in_text(numbers: Iterable[int], text: bytes) -> list[int]:
    """Return the numbers that stand in `text`, as text, or in 32 or 64 bits."""
    found = {int(digits) for digits in re.findall(rb"(?<!\d)\d{3,}(?!\d)", text)}
    return [n for n in _worth(numbers) if n in found or _wide(n, text)]


def in_message(numbers: Iterable[int], payload: bytes) -> list[int]:
    """Return the numbers that stand in a message of ours, or in its byte strings."""
    wanted = _worth(numbers)
    told = list(_leaves(decode(payload)))
    integers = {leaf for leaf in told if isinstance(leaf, int)}
    strings = [leaf for leaf in told if isinstance(leaf, bytes)]
    texts = b" ".join(leaf.encode() for leaf in told if isinstance(leaf, str))
    narrow = [n for n in wanted if any(_packed(n, one, _NARROW) for one in strings)]
    if sum(map(len, strings)) > NOISE and len(narrow) < BY_CHANCE:
        narrow = []
    return [
        *(n for n in wanted if n in integers),
        *narrow,
        *(n for n in wanted if any(_among_noise(n, string) for string in strings)),
        *in_text(wanted, texts),
    ]


def _worth(numbers: Iterable[int]) -> set[int]:
    return {number for number in numbers if number >= LEAST}


def _among_noise(number: int, string: bytes) -> bool:
    digits = str(number).encode()
    return _packed(number, string, _BROAD) or (
        len(digits) >= LEAST_DIGITS and digits in string
    )


def _wide(number: int, where: bytes) -> bool:
    return _packed(number, where, _NARROW + _BROAD)


def _packed(number: int, where: bytes, forms: tuple[str, ...]) -> bool:
    return any(
        struct.pack(form, number) in where
        for form in forms
        if number < 1 << 32 or form in _BROAD
    )


def _leaves(value: Value) -> Iterator[Value]:
    if isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    else:
        yield value
