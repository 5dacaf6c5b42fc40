"""Python values as the arguments our contracts take, refused here where a contract would.

Clarity lets a buffer be shorter than its type; our contracts refuse that, so it is a
ValueError here, before anybody pays a fee for it. This module must never cut or pad.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.transaction import MAX_MEMO, Asset
from meterseal_proto.c32 import Principal
from meterseal_proto.chainproof import Opening
from meterseal_proto.clarity import (
    NONE,
    Ascii,
    Buffer,
    List,
    Optional,
    Tuple,
    UInt,
    Utf8,
    Value,
    decode,
)
from meterseal_proto.seal import Header, OpenRecord

MAX_SIBLINGS: Final = 32
"""Of an inclusion path: logs below 2^32 entries."""
MAX_URI: Final = 256


def digest(raw: bytes) -> Buffer:
    """Return a hash, 32 bytes; ValueError for any other length."""
    return _buffer(raw, 32, "a hash")


def meter_id(raw: bytes) -> Buffer:
    """Return a meter's id, 16 bytes; ValueError for any other length."""
    return _buffer(raw, 16, "a meter's id")


def public_key(raw: bytes) -> Buffer:
    """Return a compressed public key, 33 bytes; ValueError for any other length."""
    return _buffer(raw, 33, "a compressed key")


def recoverable(raw: bytes) -> Buffer:
    """Return r, s and recovery byte (`recovery.named`), 65 bytes; ValueError else."""
    return _buffer(raw, 65, "a signature with its recovery byte")


def path(siblings: Sequence[bytes]) -> List:
    """Return an inclusion path of at most 32 hashes; ValueError for any other."""
    if len(siblings) > MAX_SIBLINGS:
        raise ValueError(f"a path has at most {MAX_SIBLINGS} siblings")
    return List(tuple(map(digest, siblings)))


def text(of: str, longest: int) -> Ascii:
    """Return 1 to `longest` ASCII characters; ValueError for any other."""
    if not 0 < len(of) <= longest:
        raise ValueError(f"a text of 1 to {longest} characters is needed")
    return Ascii(of)


def uri(of: str) -> Utf8:
    """Return an address of 1 to 256 characters; ValueError for any other."""
    if not 0 < len(of) <= MAX_URI:
        raise ValueError(f"an address has 1 to {MAX_URI} characters")
    return Utf8(of)


def memo(raw: bytes | None) -> Optional:
    """Return a memo of at most 34 bytes, or none; ValueError for a longer one."""
    if raw is None:
        return NONE
    if len(raw) > MAX_MEMO:
        raise ValueError(f"a memo has at most {MAX_MEMO} bytes")
    return Optional(Buffer(raw))


def transfer(
    amount: int, sender: Principal, recipient: Principal, said: bytes | None
) -> dict[str, Value]:
    """Return the arguments of a token's transfer, by their names in SIP-010."""
    return {
        "amount": UInt(amount),
        "sender": sender,
        "recipient": recipient,
        "memo": memo(said),
    }


def token(asset: Asset | None) -> Optional:
    """Return the token's contract, as a SIP-010 trait; none for STX."""
    return NONE if asset is None else Optional(asset.contract)


def maybe(who: Principal | None) -> Optional:
    """Return some principal, or none."""
    return Optional(who)


def header(of: Header) -> Value:
    """Return a seal's header as the tuple its device signed."""
    return decode(of.consensus())


def opening(of: Opening) -> Tuple:
    """Return what opens a commitment."""
    return Tuple.of(v=UInt(of.value), z=Buffer(of.z), a=Buffer(of.a))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A header and its device's signature, 65 bytes: r, s and recovery byte."""

    header: Header
    signature: bytes

    def fields(self) -> dict[str, Value]:
        """Return it as arguments; ValueError for a signature of another length."""
        return {
            "header": header(self.header),
            "signature": recoverable(self.signature),
        }


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where the anchored log has it: entry `index` under `root`, by `siblings`."""

    index: int
    siblings: tuple[bytes, ...]
    root: bytes

    def fields(self) -> dict[str, Value]:
        """Return it as arguments; ValueError for a path or hash of another length."""
        return {
            "index": UInt(self.index),
            "path": path(self.siblings),
            "root": digest(self.root),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """A record of an open seal with its salt, 16 bytes, and path to the header's root."""

    record: OpenRecord
    salt: bytes
    siblings: tuple[bytes, ...]

    def value(self) -> Tuple:
        """Return it as a contract takes it; ValueError for a salt of another length."""
        of = self.record
        return Tuple.of(
            record=Tuple.of(
                start=UInt(of.start),
                delta=UInt(of.delta),
                value=UInt(of.value),
                quality=UInt(of.quality),
                revision=UInt(of.revision),
            ),
            salt=_buffer(self.salt, 16, "a salt"),
            path=path(self.siblings),
        )


def _buffer(raw: bytes, length: int, what: str) -> Buffer:
    if len(raw) != length:
        raise ValueError(f"{what} has {length} bytes")
    return Buffer(raw)
