"""What a log and a witness say to each other: C2SP tlog-witness, `POST add-checkpoint`.

    old 20852014                    the size the witness cosigned last, 0 at first
    PlRNCrwHpqhGrupue0L7...         the consistency proof, a hash a line

    example.com/behind-the-sofa     and the signed checkpoint
    ...

The answer is lines of cosignatures, or the size that the witness knows. Values and their
one spelling only: this module must never decide what is cosigned.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

from meterseal_proto.checkpoint import MAX_NOTE_BYTES, Signature, parse_note
from meterseal_proto.cosignature import CosignerKey, cosigned_at
from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE

PATH: Final = "/add-checkpoint"
"""Under the witness's submission prefix."""
SIZE_TYPE: Final = "text/x.tlog.size"
"""Media type of the answer 409 that tells the size the witness cosigned last."""
MAX_PROOF: Final = 63
"""Hashes of a consistency proof; a client may not send more."""
MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 45 * MAX_PROOF + 64
"""A note, 63 lines of base64 and the first line."""
MAX_ANSWER_BYTES: Final = 65_536
"""A witness has a few keys, and a post-quantum line some 3.3 KiB."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the checkpoint `note` extends size `old`, as `proof` shows."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    def encode(self) -> bytes:
        """Return the request's body."""
        lines = [f"old {self.old}", *(b64encode(one).decode() for one in self.proof)]
        return ("\n".join(lines) + "\n\n" + self.note).encode()


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read a request's body; the note in it is not looked at. Raises Rejected."""
    if len(data) > MAX_REQUEST_BYTES:
        text = f"a request has at most {MAX_REQUEST_BYTES} bytes"
        raise Rejected(Reason.TOO_LARGE, text)
    try:
        head, blank, note = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Malformed("a request is UTF-8") from None
    first, *proof = head.split("\n")
    if not blank or not first.startswith("old "):
        raise Malformed("a request is an old size, a proof, an empty line and a note")
    if len(proof) > MAX_PROOF:
        raise Malformed(f"a consistency proof has at most {MAX_PROOF} hashes")
    old = _size(first.removeprefix("old "))
    return AddCheckpoint(old, tuple(_hash(line) for line in proof), note)


def encode_size(size: int) -> bytes:
    """Return the answer 409's body: the size the witness cosigned last."""
    return f"{size}\n".encode()


def parse_size(data: bytes) -> int:
    """Read an answer 409's body; raises Malformed."""
    text = data[: len(str(MAX_SIZE)) + 2].decode("ascii", "replace")
    if not text.endswith("\n"):
        raise Malformed("a size is a decimal number and a newline")
    return _size(text[:-1])


def parse_answer(data: bytes, note: str, key: CosignerKey) -> tuple[Signature, int]:
    """Return the cosignature of `key` in an answer 200, and its Unix second.

    `note` is what was sent. Lines of other keys are passed over. Raises Rejected.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Malformed("an answer is UTF-8") from None
    body = parse_note(note).body
    answer = parse_note(body + "\n" + text)
    if answer.body != body:
        raise Malformed("an answer is signature lines only")
    at = cosigned_at(answer, key)
    newest = max(answer.by(key.name, key.key_id), key=lambda one: one.raw)
    return newest, at


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MAX_SIZE)):
        raise Malformed("a size is a decimal number below 2^63")
    size = int(text)
    if str(size) != text or size > MAX_SIZE:
        raise Malformed("a size is a decimal number below 2^63, without leading zeros")
    return size


def _hash(line: str) -> bytes:
    try:
        raw = b64decode(line, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if len(raw) != HASH_BYTES or b64encode(raw).decode() != line:
        raise Malformed("a proof's line is the base64 of 32 bytes")
    return raw
