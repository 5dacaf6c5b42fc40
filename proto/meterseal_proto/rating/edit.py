"""An operator's edit of usage, and the salted hash by which the log knows of it.

Whoever has the edit and its salt finds it in the log; nobody else learns who changed what.
Pure. This module must never tell an edit without its reason.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from meterseal_proto.encoding import encode
from meterseal_proto.units import MeterId, RegisterId

SALT_BYTES: Final = 16
_DOMAIN: Final = b"meterseal/edit/v1\x00"


@dataclass(frozen=True, slots=True)
class Edit:
    """[begin, end) of a register moved `delta` Wh or litres, says `author` for `reason`.

    Times are Unix seconds; `known_at` is when it was written down.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    delta: int
    reason: str
    author: str
    known_at: int


def edit_hash(salt: bytes, edit: Edit) -> bytes:
    """Return SHA-256(domain || salt || the edit's fields, canonically encoded)."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    fields = encode([
        edit.network, edit.meter, edit.register, edit.begin, edit.end, edit.delta,
        edit.reason, edit.author, edit.known_at,
    ])  # fmt: skip
    return hashlib.sha256(_DOMAIN + salt + fields).digest()
