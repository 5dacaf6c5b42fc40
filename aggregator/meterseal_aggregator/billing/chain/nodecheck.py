"""The audit of bills on the chain against its contracts, asked of a node: invariant 21.

What each bill asks, what was paid and rewarded, whether it is held and until when it is to
be paid, the members' tokens, and that bills' hashes stand. All is asked at one tip. This
module must never write, nor believe the books where a contract does not answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.check import INVARIANT
from meterseal_aggregator.billing.chain.model import ChainBill, NotAsked, Till
from meterseal_aggregator.billing.chain.rules import BillTold, after
from meterseal_aggregator.billing.chain.tokens import moves
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.ahead import (
    Question,
    Settled,
    Side,
    Wrong,
    ask,
    at_one_tip,
    found,
    said,
    settled,
    told_above,
)
from meterseal_aggregator.stacks.node.port import Node, Tip
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import (
    NONE,
    Bool,
    Buffer,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
)

MOST_BILLS: Final = 500
"""Bills asked about one by one, the newest: three questions each."""
MOST_HOLDERS: Final = 2_000
"""Holders of tokens asked about one by one."""
MOST_HASHES: Final = 50
"""Hashes asked about one by one, the newest."""
PART: Final = 20
"""Bills, holders or hashes asked about at one tip: sixty questions, within a block's time."""

_Key: TypeAlias = int | str | bytes
"""A bill's number, a holder, or a hash."""


@dataclass(frozen=True, slots=True)
class _Books:
    """What the books say: bills by number, tokens by holder, hashes, and who posted them."""

    bills: Mapping[int, ChainBill]
    tokens: Mapping[str, int]
    hashes: Sequence[bytes]
    providers: Sequence[Principal]

    @property
    def keys(self) -> list[_Key]:
        """All that is asked about."""
        return [*self.bills, *self.tokens, *self.hashes]


async def findings(database: Database, node: Node, till: Till) -> list[Finding]:
    """Compare bills, tokens and hashes with what the contracts say."""
    side = Side(node, till.contracts)

    async def compared() -> str:
        keys = (await _kept(database, till))[1].keys
        starts = range(0, len(keys), PART)
        # Where there is nothing to ask about, the chain has to be there all the same.
        parts = [keys[begin : begin + PART] for begin in starts] or [[]]
        looks = [
            await at_one_tip(node, partial(_part, database, side, till, part))
            for part in parts
        ]
        count, (_, tip) = sum(done for done, _ in looks), looks[-1]
        return (
            f"{count} answers of the contracts up to block {tip.height} about bills,"
            " tokens and hashes are the books'"
        )

    return await found(INVARIANT, compared)


async def _kept(database: Database, till: Till) -> tuple[Settled, _Books]:
    """Return the books as the tables have them, and up to where; raises Wrong."""
    async with database.reading() as tx:
        at = await settled(tx)
        bills = await store.newest(tx, MOST_BILLS)
        tokens = await store.holders(tx, MOST_HOLDERS)
        hashes = await store.newest_hashes(tx, MOST_HASHES)
        posted = await store.providers(tx)
    ours = {till.provider, *map(Principal.parse, posted)}
    providers = sorted(ours, key=Principal.text)
    numbered = {bill.number: bill for bill in bills if bill.number is not None}
    return at, _Books(numbered, tokens, hashes, providers)


def _followed(books: _Books, told: Sequence[Told]) -> _Books:
    """Return the books after what was told above them; bills issued there come later."""
    bills, tokens = dict(books.bills), dict(books.tokens)
    for one in told:
        if isinstance(one, BillTold) and one.bill in bills:
            bills[one.bill] = after(bills[one.bill], one)
        for holder, amount in moves(one):
            tokens[holder] = tokens.get(holder, 0) + amount
    return _Books(bills, tokens, books.hashes, books.providers)


async def _part(
    database: Database, side: Side, till: Till, keys: Sequence[_Key], tip: Tip
) -> int:
    """Ask about a part of the books as of a tip; returns how many answers there were."""
    at, kept = await _kept(database, till)
    books = _followed(kept, await told_above(side, at, tip))
    count = 0
    for key in keys:
        match key:
            # A bill or holder that newer ones pushed off the list is asked no more.
            case int() if key in books.bills:
                count += await _bill(side, books.bills[key], till, tip)
            case str() if key in books.tokens:
                held, whom = Ok(UInt(books.tokens[key])), (Principal.parse(key),)
                question = Question("utility-token", "get-balance", whom, held)
                count += await _asked(side, [question], tip)
            case bytes():
                count += await _hash(side, key, books.providers)
    return count


async def _asked(side: Side, questions: Sequence[Question], tip: Tip) -> int:
    for question in questions:
        await ask(side, question, tip)
    return len(questions)


def _sums(bill: ChainBill) -> list[Question]:
    number = (UInt(bill.number or 0),)
    return [
        Question("payment", "get-paid", number, UInt(bill.paid)),
        Question("payment", "get-reward", number, UInt(bill.reward)),
    ]


async def _bill(side: Side, bill: ChainBill, till: Till, tip: Tip) -> int:
    """Hold a bill to the contracts'; raises Wrong with the first figure that differs."""
    number = UInt(bill.number or 0)
    answer = await said(side, Question("billing", "get-bill", (number,), NONE))
    there: dict[str, Value] = {}
    if isinstance(answer, Optional) and isinstance(answer.value, Tuple):
        there = dict(answer.value.fields)
    for name, wanted in _fields(bill, till).items():
        if there.get(name) != wanted and await side.node.info() == tip:
            raise Wrong(
                f"{name} of bill {number.value} is {there.get(name)} on the chain, and"
                f" {wanted} by the books"
            )
    return 1 + await _asked(side, _sums(bill), tip)


def _fields(bill: ChainBill, till: Till) -> dict[str, Value]:
    try:
        token = till.token(bill.asset)
    except NotAsked as error:
        raise Wrong(f"bill {bill.number}: {error.detail}") from None
    return {
        "payer": Principal.parse(bill.payer),
        "meter": Buffer(bill.meter),
        "from": UInt(bill.begin),
        "to": UInt(bill.end),
        "tariff": Buffer(bill.tariff),
        "asset": NONE if token is None else Optional(token.contract),
        "amount": UInt(bill.amount or 0),
        "held": Bool(bill.held),
        "due-at": UInt(bill.due_at or 0),
    }


async def _hash(side: Side, digest: bytes, providers: Sequence[Principal]) -> int:
    """Hold a hash to what any of our accounts posted, now or before."""
    for who in providers:
        asked = Question("billing", "get-bill-hash", (who, Buffer(digest)), NONE)
        if await said(side, asked) != NONE:
            return 1
    raise Wrong(f"the hash {digest.hex()} of a bill does not stand on the chain")
