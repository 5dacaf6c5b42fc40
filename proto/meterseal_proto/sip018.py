"""SIP-018 structured data: the hash a Stacks wallet and a Clarity contract agree on.

digest = SHA-256("SIP018" || SHA-256(domain tuple) || SHA-256(message tuple)), both
tuples in Clarity consensus bytes (SIP-005). This module must never build the
message: whoever owns its fields does.
"""

import hashlib
from functools import lru_cache
from typing import Final

PREFIX: Final = b"SIP018"
UINT: Final = b"\x01"
BUFFER: Final = b"\x02"
ASCII: Final = b"\x0d"
TUPLE: Final = b"\x0c"


def key(name: str) -> bytes:
    """Return a tuple key: one length byte, then the name; keys sort by bytes."""
    return bytes((len(name),)) + name.encode("ascii")


@lru_cache(16)
def domain_hash(name: str, version: str, chain_id: int) -> bytes:
    """Return the hash of the domain tuple {chain-id, name, version}, 32 bytes."""
    tuple_bytes = (
        TUPLE + (3).to_bytes(4) + key("chain-id") + UINT + chain_id.to_bytes(16)
    )
    for field, text in (("name", name), ("version", version)):
        raw = text.encode("ascii")
        tuple_bytes += key(field) + ASCII + len(raw).to_bytes(4) + raw
    return hashlib.sha256(tuple_bytes).digest()


def digest(domain: bytes, message: bytes) -> bytes:
    """Return what is signed: `domain` is a domain hash, `message` a tuple's consensus bytes."""
    return hashlib.sha256(PREFIX + domain + hashlib.sha256(message).digest()).digest()
