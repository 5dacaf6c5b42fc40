"""The signed tree head of the log: its text, its signature, and their strict reading.

Text and signature follow C2SP tlog-checkpoint and C2SP signed-note (Ed25519, type
0x01), so existing witnesses and clients can follow our log. Signature lines of keys
we do not know - cosignatures of witnesses - are kept and ignored, as signed-note
asks; `cosignature.py` reads those. This module must never give the contents of a note
whose signature it has not verified, and never accept a second spelling of the same note.

    note = sign_note(Checkpoint("example.org/log", 5, root), private_key)
    open_note(note, NoteKey("example.org/log", public_bytes).vkey).size
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE

ED25519: Final = b"\x01"
"""The signature type byte of plain Ed25519 notes (C2SP signed-note, Signature types)."""
KEY_ID_BYTES: Final = 4
PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MAX_SIGNATURES: Final = 16
"""Signed-note asks for at least 16; our log plus fifteen witnesses are plenty."""
MAX_NOTE_BYTES: Final = 131_072
"""Sixteen post-quantum cosignatures of 7 KiB each still fit."""
MAX_NAME: Final = 255
"""A key name is a URL without scheme; a host name alone may take 253 characters."""

_DASH: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one log: its `origin`, `size` in leaves and 32-byte Merkle `root`."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """Return the three lines that are signed (C2SP tlog-checkpoint, Note text)."""
        _check_name(self.origin)
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint has a size below 2^63 and a 32-byte root")
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Who may sign: a key's `name` and its 32-byte Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return key_id_of(self.name, ED25519, self.public)

    @property
    def vkey(self) -> str:
        """The key as one line, `name+id+base64`, to put into a client's settings."""
        return write_vkey(self.name, ED25519, self.public)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: key name, 4-byte key id, and the signature's bytes."""

    name: str
    key_id: bytes
    raw: bytes

    def line(self) -> str:
        """Return the line as it stands in a note, newline included."""
        return f"{_DASH}{self.name} {_base64(self.key_id + self.raw)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; nothing in it may be believed before `check`."""

    body: str
    signatures: tuple[Signature, ...]

    def by(self, name: str, key_id: bytes) -> list[Signature]:
        """Return the signatures under that name and id; Rejected where there is none."""
        own = [s for s in self.signatures if (s.name, s.key_id) == (name, key_id)]
        if not own:
            raise Rejected(
                Reason.BAD_SIGNATURE, f"no signature by {name}+{key_id.hex()}"
            )
        return own

    def check(self, key: NoteKey) -> None:
        """Raise Rejected(BAD_SIGNATURE) unless `key` signed this note, and rightly."""
        own = self.by(key.name, key.key_id)
        public = Ed25519PublicKey.from_public_bytes(key.public)
        for signature in own:
            try:
                public.verify(signature.raw, self.body.encode())
            except InvalidSignature:
                raise Rejected(
                    Reason.BAD_SIGNATURE, f"the signature of {key.name} is not valid"
                ) from None


def key_id_of(name: str, kind: bytes, public: bytes) -> bytes:
    """Return the four bytes that name a key of signature type `kind` (signed-note)."""
    return sha256(_check_name(name).encode() + b"\n" + kind + public).digest()[
        :KEY_ID_BYTES
    ]


def write_vkey(name: str, kind: bytes, public: bytes) -> str:
    """Return a key as one line (C2SP signed-note, Verifier keys)."""
    key_id = key_id_of(name, kind, public)
    return f"{name}+{key_id.hex()}+{_base64(kind + public)}"


def read_vkey(text: str, kind: bytes) -> tuple[str, bytes]:
    """Return name and 32-byte public key of a line of that signature type, or Malformed."""
    _check_text(text)
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Malformed("a verifier key is name+id+base64")
    raw = _unbase64(parts[2])
    if len(raw) != 1 + PUBLIC_BYTES or raw[:1] != kind:
        raise Malformed(f"the verifier key is no Ed25519 key of type 0x{kind.hex()}")
    name, public = parts[0], raw[1:]
    try:
        same = write_vkey(name, kind, public) == text
    except ValueError as error:
        raise Malformed(str(error)) from None
    if not same:
        raise Malformed("the verifier key's id does not fit its name and key")
    return name, public


def parse_vkey(text: str) -> NoteKey:
    """Read a key from `name+id+base64`; raises Malformed when a character is off."""
    return NoteKey(*read_vkey(text, ED25519))


def sign_note(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """Sign a checkpoint as its origin; the caller must never sign a shrunk log."""
    body = checkpoint.body()
    public = key.public_key().public_bytes_raw()
    signer = NoteKey(checkpoint.origin, public)
    signature = Signature(signer.name, signer.key_id, key.sign(body.encode()))
    return body + "\n" + signature.line()


def open_note(text: str, vkey: str) -> Checkpoint:
    """Give the checkpoint in a note that the log of `vkey` signed.

    Raises Rejected: BAD_SIGNATURE, or MALFORMED for any other spelling. The origin
    must be the signer's name; tlog-checkpoint recommends it and our logs obey it.
    """
    note, key = parse_note(text), parse_vkey(vkey)
    note.check(key)
    checkpoint = parse_body(note.body)
    if checkpoint.origin != key.name:
        raise Malformed(f"the origin is not the name of the log's key, {key.name}")
    return checkpoint


def parse_note(text: str) -> Note:
    """Take a signed note apart without believing it; raises Malformed."""
    _check_text(text)
    head, blank, tail = text.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or lines.pop() != "" or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise Malformed("a note is a text, an empty line and 1 to 16 signature lines")
    return Note(head + "\n", tuple(_signature(line) for line in lines))


def parse_body(body: str) -> Checkpoint:
    """Read the three lines of a checkpoint; extension lines are refused."""
    lines = body.split("\n")
    if len(lines) != 4 or not (lines[1].isascii() and lines[1].isdecimal()):
        raise Malformed("a checkpoint is three lines: origin, size, root")
    # Twenty digits hold every size; more would make int() work for a stranger.
    size = int(lines[1][:20])
    try:
        checkpoint = Checkpoint(lines[0], size, _unbase64(lines[2]))
        canonical = checkpoint.body()
    except ValueError as error:
        raise Malformed(str(error)) from None
    if canonical != body:
        raise Malformed("the checkpoint is not written in its one spelling")
    return checkpoint


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _unbase64(encoded)
    if len(raw) <= KEY_ID_BYTES:
        raise Malformed("a signature line ends early")
    try:
        signature = Signature(_check_name(name), raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])
    except ValueError as error:
        raise Malformed(str(error)) from None
    if signature.line() != line + "\n":
        raise Malformed("a signature line is: em dash, space, name, space, base64")
    return signature


def _check_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Malformed("a note is valid UTF-8") from None
    if size > MAX_NOTE_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"a note has at most {MAX_NOTE_BYTES} bytes")
    if any(character < " " and character != "\n" for character in text):
        raise Malformed("a note holds no control characters but newlines")


def _check_name(name: str) -> str:
    """Give back a key name or origin that signed-note allows; else ValueError."""
    spaced = any(character.isspace() or character < " " for character in name)
    if not name or len(name) > MAX_NAME or spaced or "+" in name:
        raise ValueError("a key name has 1 to 255 characters, no spaces and no plus")
    return name


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _unbase64(text: str) -> bytes:
    """Decode base64; whoever calls writes the whole again and compares the spelling."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise Malformed("not base64") from None
