"""A witness's word for a checkpoint: it saw this log grow, and never fork, until then.

C2SP tlog-cosignature v1: Ed25519, signature type 0x04, over two lines with the time and
the whole checkpoint. It is one more signature line of the note, so whoever does not know
the witness passes it over. This module must never take a signature of another kind for
one: a log that signs twice is no second opinion.

    line = cosign(note.body, "witness.example/w1", private_key, at=1679315147).line()
    cosigned_at(parse_note(text + line), parse_cosigner(vkey))     # 1679315147
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.checkpoint import (
    MAX_SIGNATURES,
    SIGNATURE_BYTES,
    Note,
    Signature,
    key_id_of,
    parse_note,
    read_vkey,
    write_vkey,
)
from meterseal_proto.errors import Reason, Rejected

COSIGNATURE: Final = b"\x04"
"""The signature type byte (C2SP signed-note, Signature types)."""
TIME_BYTES: Final = 8
MAX_TIME: Final = 2**63 - 1
"""The latest second a cosignature may name."""


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A witness: its `name` and the 32-byte Ed25519 key it cosigns with, and nothing else."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return key_id_of(self.name, COSIGNATURE, self.public)

    @property
    def vkey(self) -> str:
        """The key as one line, `name+id+base64`, to pin at installation."""
        return write_vkey(self.name, COSIGNATURE, self.public)


def parse_cosigner(text: str) -> CosignerKey:
    """Read a witness's key from `name+id+base64`; raises Malformed."""
    return CosignerKey(*read_vkey(text, COSIGNATURE))


def message(body: str, at: int) -> bytes:
    """Return what is signed: header line, time line, the checkpoint's text."""
    if not 0 < at <= MAX_TIME:
        raise ValueError("a cosignature's time is above zero and below 2^63")
    return f"cosignature/v1\ntime {at}\n{body}".encode()


def cosign(body: str, name: str, key: Ed25519PrivateKey, at: int) -> Signature:
    """Sign a checkpoint's text at Unix second `at`, as the witness `name`.

    For a witness that has checked that the log grew, and made that durable.
    """
    public = key.public_key().public_bytes_raw()
    signed = key.sign(message(body, at))
    raw = at.to_bytes(TIME_BYTES) + signed
    return Signature(name, CosignerKey(name, public).key_id, raw)


def cosigned_at(note: Note, key: CosignerKey) -> int:
    """Return the latest Unix second at which `key` cosigned this note.

    Raises Rejected(BAD_SIGNATURE) where it did not, or where one line of its is wrong.
    """
    return max(_time(note, key, one) for one in note.by(key.name, key.key_id))


def _time(note: Note, key: CosignerKey, signature: Signature) -> int:
    at = int.from_bytes(signature.raw[:TIME_BYTES])
    wrong = Rejected(
        Reason.BAD_SIGNATURE, f"the cosignature of {key.name} is not valid"
    )
    if not is_cosignature(signature) or not 0 < at <= MAX_TIME:
        raise wrong
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(
            signature.raw[TIME_BYTES:], message(note.body, at)
        )
    except InvalidSignature:
        raise wrong from None
    return at


def is_cosignature(signature: Signature) -> bool:
    """Tell whether a signature line has a cosignature's length; its key must check it."""
    return len(signature.raw) == TIME_BYTES + SIGNATURE_BYTES


def add_lines(note: str, cosignatures: Iterable[Signature]) -> str:
    """Return the note with these lines at its end, as many as a note may have."""
    room = MAX_SIGNATURES - len(parse_note(note).signatures)
    return note + "".join([one.line() for one in cosignatures][:room])
