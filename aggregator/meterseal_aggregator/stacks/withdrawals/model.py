"""The nouns of leaving the ledger for the chain: places, parts, epochs, deposits, refusals.

Pure. Energy is in Wh; times are the network's Unix seconds; a register is its six OBIS
bytes as a number. This module must never know a table or a node.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_proto.c32 import Principal

LEAVING: Final = AccountCode("chain:leaving")
"""Wh that left a producer and that the chain has not told of yet."""
ENERGY: Final = AccountCode("chain:energy")
"""Wh that are tokens: the supply on the chain."""

MAX_SLOTS: Final = 96
"""Slots of a direct withdrawal, a day of quarter hours: each is a transaction with a fee."""
MAX_SPAN_SLOTS: Final = 3_200
"""Slots that one claim stands for: a month of quarter hours is one leaf."""
MAX_LEAVES: Final = 1_024
"""Claims of an epoch: a tree made anew in 50 ms whenever somebody asks for his path."""
MAX_KEY: Final = 64


class Way(StrEnum):
    """How a register's Wh are minted on the chain; one way per register, for ever."""

    DIRECT = "direct"
    """The oracle mints slot by slot, by the slot's mint id: each slot's Wh are public."""
    EPOCH = "epoch"
    """The member claims a leaf of an epoch that the oracle posted for many: one sum is."""


class State(StrEnum):
    """Where a part, or a whole withdrawal, stands."""

    LEAVING = "leaving"
    """The ledger gave it up; the chain has not paid it yet."""
    CLAIMABLE = "claimable"
    """Its epoch is posted: whoever calls `claim` has it paid to its owner, at any time."""
    ARRIVED = "arrived"
    """The chain paid it."""
    REFUSED = "refused"
    """Its contract refused it for good; the Wh are the producer's again."""


class Trouble(StrEnum):
    """Why a withdrawal cannot be made, in the order in which it is asked."""

    KEY_USED = "key-used"
    """The idempotency key belongs to another wish."""
    OTHER_WAY = "other-way"
    """The register mints the other way."""
    DEBT = "debt"
    """Corrections are owed: they are repaid before anything leaves."""
    CLAIM_FIRST = "claim-first"
    """An earlier claim of this register waits: a later one would make it void."""
    BUSY = "busy"
    """As many mints as one member may have wait, or were refused today: each costs a fee."""
    NOTHING = "nothing"
    """No credited slot of that register is left after what was withdrawn."""
    TOO_LITTLE = "too-little"
    """The next slot has more than was asked for, or than the producer holds."""


class NotMade(Exception):
    """A withdrawal cannot be made; the message says what to do."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


class BooksDiffer(Exception):
    """The ledger does not take what the withdrawals say: nothing is written, look at once."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Under which address our contracts are, and who signs for the oracle (an address)."""

    contracts: Deployment
    oracle: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One second by two clocks: the network's, and the real one, which the chain keeps."""

    network: int
    real: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where Wh came from: a register at a meter point."""

    meter_point: int
    register: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A member's wish under the idempotency key `key` (1 to 64 characters).

    At most `wh` > 0 of `place`, to `owner`; `way` None takes the register's own.
    """

    member: int
    key: str
    place: Place
    wh: int
    owner: Principal
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about a wish: what the member holds and owes, how the register stands.

    `way` is None while nothing of the register was withdrawn; `through` is the end of
    what was; `claim` is the member's own withdrawal whose claim is not paid yet,
    `minting` how many slots of the member's, of any register, wait for their mints or
    were refused today.
    """

    held: int
    owed: int
    way: Way | None
    through: int
    claim: int | None
    minting: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What a slot is credited with: `wh` > 0 from `start` to `end`, under its mint id."""

    mint_id: bytes
    start: int
    end: int
    wh: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the chain pays at once: a slot by `mint_id`, or without one a claim's time."""

    start: int
    end: int
    wh: int
    mint_id: bytes | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part's place in an epoch's tree: leaf `index` of the epoch in row `epoch_id`."""

    epoch_id: int
    index: int


@dataclass(frozen=True, slots=True)
class Part:
    """A share as it is kept, with whose it is; `paid` and `txid` once it arrived."""

    id: int
    withdrawal: int
    number: int
    member: int
    owner: str
    place: Place
    share: Share
    leaf: Leaf | None
    state: State
    paid: int | None
    txid: str | None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A wish that was granted, with the way it goes; `asked_way` as it was asked."""

    id: int
    member: int
    key: str
    place: Place
    asked_wh: int
    asked_way: Way | None
    way: Way
    owner: Principal
    asked_at: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of claims under its number on the chain."""

    id: int
    number: int
    root: bytes
    size: int
    total: int
    state: str


@dataclass(frozen=True, slots=True)
class Deposit:
    """`name` (32 bytes): a retirement on the chain that names it is credited to `member`.

    `wh` is what came so far.
    """

    id: int
    member: int
    key: str
    name: bytes
    opened_at: int
    wh: int


@dataclass(frozen=True, slots=True)
class ChainRetirement:
    """Wh destroyed on the chain for good: `wh` by `beneficiary` (hex), from `start` to `end`."""

    id: bytes
    beneficiary: str
    start: int
    end: int
    wh: int
