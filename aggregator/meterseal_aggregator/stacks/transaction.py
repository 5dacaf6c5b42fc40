"""Stacks transactions in bytes: built, signed by one key, and what they are called (SIP-005).

    call = ContractCall(contract, "anchor", (UInt(42), Buffer(root)))
    wish = Transaction(TESTNET, nonce=7, fee=3000, payload=call, conditions=())
    signed = wish.signed(key)                 # signed.raw, signed.txid

Whatever a service signs is denied every transfer that its conditions do not name; that is
the default. The same wish under the same key is the same bytes (RFC 6979), so a retry is no
second transaction. Pure. This module must never send anything, nor keep a key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from meterseal_proto import curve, recovery
from meterseal_proto.c32 import Address, Principal, hash160, single
from meterseal_proto.clarity import Value, encode, encode_principal, name_bytes

MAX_MEMO: Final = 34
MAX_UINT64: Final = (1 << 64) - 1
SIGNATURE_BYTES: Final = 65
_STANDARD_AUTH: Final = b"\x04"
_SINGLE_KEY: Final = b"\x00"
_COMPRESSED: Final = b"\x00"
_ANY_BLOCK: Final = b"\x03"


@dataclass(frozen=True, slots=True)
class Network:
    """Which chain a transaction is for."""

    version: int
    chain_id: int
    mainnet: bool

    @classmethod
    def of(cls, chain_id: int) -> "Network":
        """Return the network of a chain id: 1 is the main one, every other a test's."""
        mainnet = chain_id == MAINNET_CHAIN
        return cls(0x00 if mainnet else 0x80, chain_id, mainnet)


MAINNET_CHAIN: Final = 0x00000001
TESTNET_CHAIN: Final = 0x80000000


class Mode(IntEnum):
    """What transfers that no condition names mean: fine, abort, or abort if the origin's."""

    ALLOW = 1
    DENY = 2
    ORIGINATOR = 3


class Amount(IntEnum):
    """How what moved compares with a condition's amount (SIP-005, Post-Conditions)."""

    EQUAL = 1
    MORE = 2
    AT_LEAST = 3
    LESS = 4
    AT_MOST = 5


class Moved(IntEnum):
    """Whether a single thing moved."""

    SENT = 0x10
    KEPT = 0x11
    MAYBE = 0x12


@dataclass(frozen=True, slots=True)
class Asset:
    """A token by its contract and its name there."""

    contract: Principal
    name: str

    def consensus(self) -> bytes:
        """Return the bytes a condition names it by."""
        return encode_principal(self.contract)[1:] + name_bytes(self.name)


@dataclass(frozen=True, slots=True)
class Condition:
    """What `who` (None: whoever signs) may send of STX, in micro-STX, or of a token."""

    who: Principal | None
    how: Amount
    amount: int
    asset: Asset | None = None

    def consensus(self) -> bytes:
        """Return its bytes."""
        kind = b"\x00" if self.asset is None else b"\x01"
        asset = b"" if self.asset is None else self.asset.consensus()
        amount = bytes((self.how,)) + self.amount.to_bytes(8)
        return kind + _who(self.who) + asset + amount


@dataclass(frozen=True, slots=True)
class OneCondition:
    """Whether `who` sends the one thing `id` of an asset of unlike things."""

    who: Principal | None
    moved: Moved
    asset: Asset
    id: Value

    def consensus(self) -> bytes:
        """Return its bytes."""
        named = self.asset.consensus() + encode(self.id)
        return b"\x02" + _who(self.who) + named + bytes((self.moved,))


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A public function called with these values."""

    contract: Principal
    function: str
    arguments: tuple[Value, ...] = ()

    def consensus(self) -> bytes:
        """Return the payload's bytes."""
        where = encode_principal(self.contract)[1:] + name_bytes(self.function)
        told = len(self.arguments).to_bytes(4)
        return b"\x02" + where + told + b"".join(map(encode, self.arguments))


@dataclass(frozen=True, slots=True)
class Transfer:
    """micro-STX for somebody, with up to 34 bytes of a memo."""

    to: Principal
    amount: int
    memo: bytes = b""

    def consensus(self) -> bytes:
        """Return the payload's bytes."""
        if len(self.memo) > MAX_MEMO:
            raise ValueError(f"a memo has at most {MAX_MEMO} bytes")
        memo = self.memo.ljust(MAX_MEMO, b"\x00")
        return b"\x00" + encode_principal(self.to) + self.amount.to_bytes(8) + memo


@dataclass(frozen=True, slots=True)
class Deploy:
    """A contract's source, under a version of the language."""

    name: str
    source: str
    version: int = 5

    def consensus(self) -> bytes:
        """Return the payload's bytes."""
        source = self.source.encode()
        head = bytes((6, self.version)) + name_bytes(self.name)
        return head + len(source).to_bytes(4) + source


@dataclass(frozen=True, slots=True)
class Kept:
    """The consensus bytes of a payload or a condition, as they were once written down."""

    raw: bytes

    def consensus(self) -> bytes:
        """Return the bytes."""
        return self.raw


Payload: TypeAlias = ContractCall | Transfer | Deploy | Kept


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A secret key, 32 bytes, of an account with one signer."""

    secret: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The compressed public key, 33 bytes."""
        return curve.backend().public_of(self.secret)

    def address(self, network: Network) -> Address:
        """Return the account's address on a network."""
        return single(self.public, mainnet=network.mainnet)


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to be sent: its bytes, and its id as nodes write it."""

    raw: bytes
    txid: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A wish of one account: `fee` in micro-STX; what else may move is in `conditions`."""

    network: Network
    nonce: int
    fee: int
    payload: Payload
    conditions: Sequence[Condition | OneCondition | Kept] = ()
    mode: Mode = Mode.DENY

    def __post_init__(self) -> None:
        if not (0 <= self.nonce <= MAX_UINT64 and 0 <= self.fee <= MAX_UINT64):
            raise ValueError("nonce and fee are 64-bit numbers")

    def signed(self, key: AccountKey) -> Signed:
        """Return it under the signature of `key` (SIP-005, Signing and Verifying)."""
        signer = hash160(key.public)
        sighash = self.sighash(signer)
        signature, odd = recovery.sign(key.secret, sighash)
        raw = self.serialized(signer, bytes((odd,)) + signature)
        return Signed(raw, _hash(raw).hex())

    def sighash(self, signer: bytes) -> bytes:
        """Return what the account of this hash160 signs, 32 bytes.

        The transaction is hashed as if it cost nothing, then fee and nonce are added.
        """
        bare = Transaction(
            self.network, 0, 0, self.payload, self.conditions, self.mode
        ).serialized(signer, bytes(SIGNATURE_BYTES))
        price = self.fee.to_bytes(8) + self.nonce.to_bytes(8)
        return _hash(_hash(bare) + _STANDARD_AUTH + price)

    def serialized(self, signer: bytes, signature: bytes) -> bytes:
        """Return its bytes with this signature: recovery id, r, s; 65 bytes."""
        network = bytes((self.network.version,)) + self.network.chain_id.to_bytes(4)
        who = _SINGLE_KEY + signer + self.nonce.to_bytes(8) + self.fee.to_bytes(8)
        conditions = [one.consensus() for one in self.conditions]
        return (
            network + _STANDARD_AUTH + who + _COMPRESSED + signature
            + _ANY_BLOCK + bytes((self.mode,))
            + len(conditions).to_bytes(4) + b"".join(conditions)
            + self.payload.consensus()
        )  # fmt: skip


def called(payload: bytes) -> tuple[Principal, str] | None:
    """Return the contract and function that a payload we wrote calls; None where none is."""
    if payload[:1] != b"\x02":
        return None
    address = Address(payload[1], payload[2:22])
    contract, rest = _name(payload[22:])
    function, _ = _name(rest)
    return Principal(address, contract), function


def _name(raw: bytes) -> tuple[str, bytes]:
    end = 1 + raw[0]
    return raw[1:end].decode("ascii"), raw[end:]


def _who(who: Principal | None) -> bytes:
    if who is None:
        return b"\x01"
    kind = b"\x02" if who.name is None else b"\x03"
    return kind + encode_principal(who)[1:]


def _hash(raw: bytes) -> bytes:
    """Return SHA-512/256, the hash of transactions."""
    return hashlib.new("sha512_256", raw).digest()
