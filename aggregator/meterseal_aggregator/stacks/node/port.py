"""The port to a Stacks node: where the chain is, what became of ours, what contracts say.

    tip = await node.info()
    await node.send(signed.raw)               # Refused with the node's reason, or Unavailable
    await node.found(signed.txid)             # InBlock, or what a node says of none

A node is somebody else's computer. Its adapters check the form of what it answers and
bound its length; whether it is true, depth and a second node tell (`plan`, `agreeing`).
Nothing here may hold a key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Optional, Value
from meterseal_proto.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Block:
    """Where a node says a transaction is, and whether the contract answered ok."""

    txid: str
    height: int
    block_id: str
    ok: bool


class Unknown(Enum):
    """What a node says of a transaction that is in no block."""

    PENDING = "pending"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block: heights of Stacks and Bitcoin, and its hash, 64 hex digits."""

    height: int
    burn_height: int
    block_id: str


@dataclass(frozen=True, slots=True)
class InBlock:
    """Where a transaction stands, and what it answered."""

    block: Block
    result: Value


Found: TypeAlias = InBlock | Unknown


@dataclass(frozen=True, slots=True)
class Fees:
    """What a node asks for a transaction, micro-STX: for patience, as usual, in haste."""

    low: int
    middle: int
    high: int


@dataclass(frozen=True, slots=True)
class Place:
    """Which event: its transaction and its index there, from 0."""

    txid: str
    index: int


@dataclass(frozen=True, slots=True)
class Event:
    """What a contract printed."""

    place: Place
    value: Value


@dataclass(frozen=True, slots=True)
class Print:
    """What one contract of a block printed."""

    contract: Principal
    place: Place
    value: Value


@dataclass(frozen=True, slots=True)
class PrintedBlock:
    """A block, the one it stands on, and what contracts printed in it, in the chain's order.

    Only of transactions that succeeded, and only of one publisher's contracts. Ids are 64
    hex digits.
    """

    height: int
    block_id: str
    parent_id: str
    prints: tuple[Print, ...]


class Why(Enum):
    """Why a node refuses a transaction or a question (stacks-core, MemPoolRejection)."""

    NONCE = "BadNonce"
    """Used already, by the node's tip."""
    RIVAL = "ConflictingNonceInMempool"
    """It has one of this nonce that pays as much."""
    CHAINING = "TooMuchChaining"
    FEE = "FeeTooLow"
    FUNDS = "NotEnoughFunds"
    SIGNATURE = "SignatureValidation"
    BYTES = "Deserialization"
    CONTRACT = "NoSuchContract"
    FUNCTION = "NoSuchPublicFunction"
    ARGUMENT = "BadFunctionArgument"
    OTHER = "other"

    @property
    def passes(self) -> bool:
        """Whether the same bytes may be taken another time, or are held already."""
        return self in (Why.NONCE, Why.RIVAL, Why.CHAINING, Why.FEE, Why.FUNDS)


class Refused(Exception):
    """A node will not take it: `why`, and its words."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(f"the node refuses: {detail}")
        self.why = why
        self.detail = detail


class Lost(Exception):
    """The event to go on from is not there: its block is gone, or too much came after it."""


class Disagreement(Unavailable):
    """Two nodes say different things of one chain: nothing they say is believed."""


class Node(Protocol):
    """A node of one chain. Every method raises Unavailable when no answer of use comes."""

    async def info(self) -> Tip:
        """Give the tip."""
        ...

    async def nonce(self, who: Principal) -> int:
        """Give an account's next nonce by the tip; what waits in a mempool is not in it."""
        ...

    async def balance(self, who: Principal) -> int:
        """Give what a principal holds, micro-STX."""
        ...

    async def send(self, raw: bytes) -> None:
        """Hand in a transaction; the same bytes again are no second one. Raises Refused.

        After Unavailable it may have been taken all the same.
        """
        ...

    async def found(self, txid: str) -> Found:
        """Say where the transaction of 64 hex digits is, on the chain that counts."""
        ...

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        """Give what a read-only function answers by the tip; raises Refused where it fails."""
        ...

    async def entry(self, contract: Principal, name: str, key: Value) -> Optional:
        """Give a map's value by the tip, or none. Raises Refused where there is no such map."""
        ...

    async def published(self, contract: Principal) -> int:
        """Give the height of the block that has a contract; raises Refused for none."""
        ...

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        """Give the block at a height on the chain that counts, or None above the tip.

        With what contracts printed that `publisher` published.
        """
        ...

    async def blocks(
        self, height: int, most: int, publisher: Address
    ) -> list[PrintedBlock]:
        """Give up to `most` blocks upwards from a height, each standing on the one before."""
        ...

    async def fee(self, payload: bytes, length: int) -> Fees:
        """Give the price of a transaction of `length` bytes that carries `payload`."""
        ...

    async def events(self, contract: Principal, after: Place | None) -> list[Event]:
        """Give what a contract printed after one event, or ever; oldest first. Raises Lost."""
        ...
