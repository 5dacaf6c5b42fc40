"""A Fiat-Shamir transcript: everything said so far decides the next challenge.

A chain of SHA-512 in which every item is framed by its label and length, so no two
conversations have one transcript. A challenge is 512 bits reduced modulo n, never 0.
What a proof speaks about must be absorbed before its first challenge: leaving any of it
out lets a prover choose it afterwards ("frozen heart", Trail of Bits 2022). This module
must never be given a secret.
"""

import hashlib
from typing import Final

from meterseal_proto.curve import ORDER

_PROTOCOL: Final = b"meterseal/transcript/v1"
_ABSORB: Final = b"\x01"
_CHALLENGE: Final = b"\x02"
_DRAW: Final = b"\x03"


class Transcript:
    """One conversation, begun under a domain label."""

    __slots__ = ("_state",)

    def __init__(self, domain: bytes) -> None:
        self._state = hashlib.sha512(_PROTOCOL + _framed(domain)).digest()

    def absorb(self, label: bytes, data: bytes) -> None:
        """Take in an item that both sides know."""
        item = self._state + _ABSORB + _framed(label) + _framed(data)
        self._state = hashlib.sha512(item).digest()

    def challenge(self, label: bytes) -> int:
        """Return the next challenge, 1 to n - 1."""
        while True:
            self._state = hashlib.sha512(
                self._state + _CHALLENGE + _framed(label)
            ).digest()
            drawn = hashlib.sha512(self._state + _DRAW).digest()
            found = int.from_bytes(drawn) % ORDER
            if found:
                return found

    @property
    def state(self) -> bytes:
        """The 64 bytes that stand for all of it."""
        return self._state


def _framed(item: bytes) -> bytes:
    return len(item).to_bytes(8) + item
