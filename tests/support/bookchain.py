"""A chain in memory on which our contracts keep books, forks and all, and print what they do.

Deeds are numbers; what they come to is decided by the books of the block before, so the
same deed in another fork prints something else or fails. The arithmetic here is not that
of the mirrors.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import get_type_hints

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.energy import (
    Anchor,
    EnergyClaimed,
    EnergyMinted,
    EnergyMoved,
    EnergyRetired,
    EnergyReversed,
)
from meterseal_aggregator.stacks.events.market import (
    TradeCancelled,
    TradeExpired,
    TradeOpened,
    TradeSettled,
)
from meterseal_aggregator.stacks.events.reading import Memo
from meterseal_aggregator.stacks.events.record import FORMS, Told
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    NONE,
    TRUE,
    Ascii,
    Bool,
    Buffer,
    Err,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
)
from tests.support.fakechain import (
    CHAIN,
    DEPLOYER,
    FakeBlock,
    FakeChain,
    Mined,
    Sent,
    State,
)

AT = Deployment(DEPLOYER.address(CHAIN))
STRANGER = Principal(Address(26, b"\x99" * 20), "energy-token")
DIARY = AT.contract("diary")
TOKEN, ESCROW = AT.contract("energy-token"), AT.contract("trade-escrow")
ORACLE = AT.contract("energy-oracle")
COIN = Principal(Address(26, b"\x77" * 20), "coin")
PEOPLE = tuple(Principal(Address(26, bytes([n]) * 20)) for n in range(1, 7))
HASH = b"\x33" * 32
Printed = tuple[Principal, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Books(State):
    """What the contracts hold at the end of a block."""

    minted: int = 0
    burned: int = 0
    balances: dict[Principal, int] = field(default_factory=dict)
    debts: dict[Principal, int] = field(default_factory=dict)
    trades: dict[int, tuple[Principal | None, int]] = field(default_factory=dict)
    opened: int = 0
    checkpoints: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Deed:
    """A transaction: its kind and numbers; `number` makes it one of its own."""

    number: int
    kind: str
    one: int
    other: int
    amount: int

    @property
    def raw(self) -> bytes:
        return repr((self.number, self.kind)).encode()


def spelled(told: Told) -> Value:
    """Return the tuple that a contract prints for a record."""
    if isinstance(told, Memo):
        return Buffer(told.raw)
    (key,) = (key for key, form in FORMS.items() if form.kind is type(told))
    hints = get_type_hints(type(told))
    fields: dict[str, Value] = {"topic": Ascii(key[1])}
    for name, (attribute, _) in FORMS[key].readers.items():
        value = getattr(told, attribute)
        if hints[attribute] == Principal | None:
            fields[name] = NONE if value is None else Optional(value)
        else:
            fields[name] = _spelled(value)
    return Tuple(fields)


def _spelled(value: object) -> Value:
    match value:
        case bool():
            return Bool(value)
        case int():
            return UInt(value)
        case bytes():
            return Buffer(value)
        case Principal():
            return value
        case _:
            raise AssertionError(value)


def act(books: Books, deed: Deed) -> tuple[Books, Printed] | None:
    """Do a deed; None where the contract refuses it."""
    one, other = PEOPLE[deed.one % len(PEOPLE)], PEOPLE[deed.other % len(PEOPLE)]
    match deed.kind:
        case "mint" | "claim":
            return _issue(books, deed, one)
        case "move" | "retire" | "reverse":
            return _energy(books, deed, one, other)
        case "open" | "close":
            return _escrow(books, deed, one, other)
        case "anchor":
            size = (books.checkpoints[-1][0] if books.checkpoints else 0) + deed.amount
            root = hashlib.sha256(b"root %d" % size).digest()
            told = Anchor(len(books.checkpoints), size, root)
            after = replace(books, checkpoints=(*books.checkpoints, (size, root)))
            return after, (ORACLE, (spelled(told),))
        case "stranger":
            minted = EnergyMinted(HASH, 0, one, deed.amount, 1, 2, 0, 900)
            return books, (STRANGER, (spelled(minted),))
        case "diary":
            return books, (DIARY, (UInt(deed.amount),))
        case _:
            topic = Tuple.of(topic=Ascii("of-tomorrow"), amount=UInt(deed.amount))
            return books, (ORACLE, (topic,))


def _issue(books: Books, deed: Deed, who: Principal) -> tuple[Books, Printed]:
    owed = books.debts.get(who, 0)
    paid = deed.amount - min(owed, deed.amount)
    after = replace(
        books,
        minted=books.minted + paid,
        balances=books.balances | {who: books.balances.get(who, 0) + paid},
        debts=books.debts | {who: owed - (deed.amount - paid)},
    )
    told: Told = EnergyClaimed(1, deed.number, who, deed.amount, 1, 2, 0, 900)
    if deed.kind == "mint":
        told = EnergyMinted(HASH, 0, who, deed.amount, 1, 2, 0, 900)
    return after, (TOKEN, (spelled(told),))


def _energy(
    books: Books, deed: Deed, one: Principal, other: Principal
) -> tuple[Books, Printed] | None:
    held, amount = books.balances.get(one, 0), deed.amount
    if deed.kind == "reverse":
        burned = min(held, amount)
        after = replace(
            books,
            burned=books.burned + burned,
            balances=books.balances | {one: held - burned},
            debts=books.debts | {one: books.debts.get(one, 0) + amount - burned},
        )
        told: Told = EnergyReversed(HASH, 0, one, amount, burned)
        return after, (TOKEN, (spelled(told),))
    if amount > held or (deed.kind == "move" and one == other):
        return None
    balances = books.balances | {one: held - amount}
    if deed.kind == "retire":
        told = EnergyRetired(one, amount, HASH, 0, 900)
        after = replace(books, burned=books.burned + amount, balances=balances)
        return after, (TOKEN, (spelled(told),))
    balances |= {other: balances.get(other, 0) + amount}
    told = EnergyMoved(amount, one, other)
    after = replace(books, balances=balances)
    return after, (TOKEN, (spelled(told), spelled(Memo(b"for the tea"))))


def _escrow(
    books: Books, deed: Deed, one: Principal, other: Principal
) -> tuple[Books, Printed] | None:
    if deed.kind == "open":
        number, asset = books.opened + 1, None if deed.other % 2 else COIN
        trades = books.trades | {number: (asset, deed.amount)}
        opened = TradeOpened(number, 0, one, other, asset, 1_000, deed.amount)
        after = replace(books, trades=trades, opened=number)
        return after, (ESCROW, (spelled(opened),))
    if deed.one + 1 not in books.trades:
        return None
    trades = dict(books.trades)
    _, amount = trades.pop(deed.one + 1)
    number = deed.one + 1
    ends: tuple[Told, ...] = (
        TradeSettled(number, 9, amount // 2, 0, amount - amount // 2),
        TradeCancelled(number, one, amount),
        TradeExpired(number, amount),
    )
    told = ends[deed.other % len(ends)]
    return replace(books, trades=trades), (ESCROW, (spelled(told),))


UNDONE: Printed = (TOKEN, (spelled(Memo(b"undone")),))


class BookChain(FakeChain):
    """The chain; `peak` is the height it once had, below which forks count their depth."""

    def __init__(self, *, start: int = 12) -> None:
        super().__init__()
        self.blocks = [FakeBlock("0" * 64, (), Books())]
        self.peak = 1
        self._made = 0
        self.mine(start)

    def books(self, height: int = 0) -> Books:
        """What the contracts held at the end of a block, of the last without a height."""
        found = self.blocks[(height or self.height) - 1].state
        assert isinstance(found, Books)
        return found

    def mine(self, blocks: int = 1, *deeds: Deed) -> None:
        """Close blocks; the first has the deeds."""
        for number in range(blocks):
            self._hold(deeds if number == 0 else ())
        self.peak = max(self.peak, self.height)

    def _hold(self, deeds: tuple[Deed, ...]) -> None:
        books = self.books()
        mined: list[Mined] = []
        for deed in deeds:
            done = act(books, deed)
            # What a transaction printed before it failed is not of the chain.
            contract, told = UNDONE
            result: Value = Err(UInt(1))
            if done is not None:
                books, (contract, told) = done
                result = Ok(TRUE)
            sent = Sent(deed.raw, AT.address, 0, 0, contract, deed.kind, ())
            mined.append(Mined(sent, result, told))
        self._made += 1
        told_id = f"{self.blocks[-1].id}|{self.height}|{self._made}"
        name = hashlib.sha256(told_id.encode()).hexdigest()
        self.blocks.append(FakeBlock(name, tuple(mined), books))

    def cut(self, depth: int) -> list[FakeBlock]:
        """Take the last blocks away; they are returned."""
        gone = self.blocks[self.height - depth :]
        del self.blocks[self.height - depth :]
        return gone

    def events(self, up_to: int) -> Iterator[tuple[int, str, str, int]]:
        """What is to be settled: height, block id, txid, index of each readable event."""
        names = {name for name, _ in FORMS}
        for height, block in enumerate(self.blocks[:up_to], start=1):
            for one in block.mined:
                ours = one.sent.contract.address == AT.address
                if not ours or isinstance(one.result, Err):
                    continue
                if one.sent.contract.name not in names or one.sent.function == "odd":
                    continue
                for index in range(len(one.prints)):
                    yield height, block.id, one.sent.txid, index


KINDS = (
    "mint", "mint", "claim", "move", "move", "retire", "reverse", "open", "open",
    "close", "close", "anchor", "stranger", "diary", "odd",
)  # fmt: skip


def any_deed(chance: random.Random, number: int) -> Deed:
    """Return a deed of chance."""
    kind = chance.choice(KINDS)
    one, other = chance.randrange(8), chance.randrange(8)
    return Deed(number, kind, one, other, chance.randint(1, 900))
