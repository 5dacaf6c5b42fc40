"""The audit of bills on the chain against its contracts, asked of a node: invariant 21.

What each bill asks, what was paid and rewarded, whether it is held and until when it is to
be paid, the members' tokens, and that bills' hashes stand. All is asked at one tip. This
module must never write, nor believe the books where a contract does not answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.check import INVARIANT
from meterseal_aggregator.billing.chain.model import ChainBill, NotAsked, Till
from meterseal_aggregator.billing.chain.rules import BillTold, after
from meterseal_aggregator.billing.chain.tokens import moves
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.ahead import (
    Question,
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


@dataclass(frozen=True, slots=True)
class _Books:
    """What the books say as of a tip."""

    bills: Sequence[ChainBill]
    tokens: dict[str, int]
    hashes: Sequence[bytes]
    providers: Sequence[Principal]


async def findings(database: Database, node: Node, till: Till) -> list[Finding]:
    """Compare bills, tokens and hashes with what the contracts say."""
    side = Side(node, till.contracts)

    async def compare(tip: Tip) -> int:
        return await _compared(side, await _at(database, side, till, tip), till, tip)

    async def compared() -> str:
        count, tip = await at_one_tip(node, compare)
        return (
            f"{count} answers of the contracts at block {tip.height} about bills, tokens"
            " and hashes are the books'"
        )

    return await found(INVARIANT, compared)


async def _at(database: Database, side: Side, till: Till, tip: Tip) -> _Books:
    """Return the books as of a tip."""
    async with database.reading() as tx:
        at = await settled(tx)
        bills = await store.newest(tx, MOST_BILLS)
        tokens = await store.holders(tx, MOST_HOLDERS)
        hashes = await store.newest_hashes(tx, MOST_HASHES)
        posted = await store.providers(tx)
    ours = {till.provider, *map(Principal.parse, posted)}
    providers = sorted(ours, key=Principal.text)
    known = _Books(bills, tokens, hashes, providers)
    return _followed(known, await told_above(side, at, tip))


def _followed(books: _Books, told: Sequence[Told]) -> _Books:
    """Return the books after what was told above them; bills issued there come later."""
    bills = {bill.number: bill for bill in books.bills}
    tokens = dict(books.tokens)
    for one in told:
        if isinstance(one, BillTold) and one.bill in bills:
            bills[one.bill] = after(bills[one.bill], one)
        for holder, amount in moves(one):
            tokens[holder] = tokens.get(holder, 0) + amount
    return _Books(list(bills.values()), tokens, books.hashes, books.providers)


async def _compared(side: Side, books: _Books, till: Till, tip: Tip) -> int:
    """Ask about all that the books say; returns how many answers there were."""
    for bill in books.bills:
        await _bill(side, bill, till, tip)
    asked = [one for bill in books.bills for one in _sums(bill)]
    for holder, amount in books.tokens.items():
        whom = (Principal.parse(holder),)
        asked.append(Question("utility-token", "get-balance", whom, Ok(UInt(amount))))
    for question in asked:
        await ask(side, question, tip)
    for digest in books.hashes:
        await _hash(side, digest, books.providers)
    return len(books.bills) + len(asked) + len(books.hashes)


def _sums(bill: ChainBill) -> list[Question]:
    number = (UInt(bill.number or 0),)
    return [
        Question("payment", "get-paid", number, UInt(bill.paid)),
        Question("payment", "get-reward", number, UInt(bill.reward)),
    ]


async def _bill(side: Side, bill: ChainBill, till: Till, tip: Tip) -> None:
    """Hold a bill to the contract's; raises Wrong with the first field that differs."""
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


async def _hash(side: Side, digest: bytes, providers: Sequence[Principal]) -> None:
    """Hold a hash to what any of our accounts posted, now or before."""
    for who in providers:
        asked = Question("billing", "get-bill-hash", (who, Buffer(digest)), NONE)
        if await said(side, asked) != NONE:
            return
    raise Wrong(f"the hash {digest.hex()} of a bill does not stand on the chain")
