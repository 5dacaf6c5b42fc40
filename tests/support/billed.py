"""Members who owe: bills as the room of statements leaves them, made without any meter.

    village = await a_village(tx)                      # members, supplies, a tariff's terms
    bill = await billed(tx, village.ada, 12_50, issued_at=NOW)
    await corrected(tx, bill, 10_00, now=NOW)

Amounts are cents. A bill has one line and a document of its own; its hash in the log is
that of any bytes.
"""

import hashlib
from dataclasses import dataclass

from meterseal_aggregator.billing.model import Act, BillAct
from meterseal_aggregator.billing.payments import Actor
from meterseal_aggregator.billing.statements.lifecycle import begun
from meterseal_aggregator.billing.statements.posting import (
    Difference,
    Money,
    issued,
    shares,
)
from meterseal_aggregator.billing.statements.posting import corrected as correcting
from meterseal_aggregator.billing.statements.store import act, keep_acts, standings
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.components import Count, Flat, Minor, Price
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement import Rail, Segment, StatementKind
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.rating.terms import Terms, due_at
from tests.support.marketplace import NOW, fund, make_member, make_point
from tests.support.statements import line, plain_statement
from tests.support.street import BEGIN

DAY = 86_400
XTS, KES, MSU = Asset("XTS"), Asset("KES"), Asset("MSU")
BY = Actor("ms_operator", NOW)
TERMS = Terms(
    due_days=Count(14),
    grace_days=Count(3),
    late_fee=Minor(100),
    late_bp=Count(150),
    reward_bp=Count(200),
    arrears_bp=Count(4_000),
)
"""Due in two weeks; after three days more a unit and 1.5 %; 2 % in tokens; 40 % of a top-up."""
CENT = 10_000
"""Micro-units in a cent."""


@dataclass(frozen=True)
class Household:
    """A member, his meter point, and what he is supplied by."""

    member: int
    point: int
    supply: int
    tariff: FullTariff
    rail: Rail = Rail.LEDGER


async def a_household(
    tx: Transaction,
    name: str = "Ada",
    *,
    terms: Terms = TERMS,
    asset: Asset = XTS,
    prepaid: bool = False,
    cents: int = 0,
    since: int = BEGIN,
) -> Household:
    """Make a member who is supplied by a tariff of these terms, with money of his."""
    for one in (asset, XTS):
        await declare(tx, one, now=BEGIN)
    member = await make_member(tx, name)
    point = await make_point(tx, member, from_at=since)
    tariff = FullTariff(
        f"of-{name.lower()}", asset, "UTC", since, Commodity.ELECTRICITY,
        (Flat("energy", Price(250_000)),), Rule.HALF_EVEN, Split.PROPORTION, terms=terms,
    )  # fmt: skip
    await publish(tx, tariff.document(), now=since)
    ((supply,),) = await tx.rows(
        "INSERT INTO supplies (member_id, meter_point_id, tariff_code, prepaid, from_at,"
        " billed_to) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        (member, point, tariff.id, prepaid, since, since),
    )
    if cents:
        await fund(tx, member, cents * CENT, now=NOW)
    return Household(member, point, supply, tariff)


async def billed(
    tx: Transaction,
    home: Household,
    cents: int,
    *,
    issued_at: int = NOW,
    replaces: int | None = None,
) -> int:
    """Issue a bill of so many cents, as `statements` does; returns its row id."""
    number, document = await _document(tx, home, cents, issued_at)
    bill = await _row(tx, home, (number, cents, document), issued_at, replaces)
    if replaces is None and home.rail is Rail.LEDGER:
        lines = [line("energy", LineKind.ENERGY, cents)]
        money = Money(home.member, Asset(home.tariff.currency), issued_at)
        results = await ledger.post(
            tx, issued(number, money, shares(lines, 2)), now=issued_at
        )
        assert all(one.entered for one in results), results
    due = due_at(home.tariff.terms, issued_at)
    standing = begun(bill, cents * CENT, due_at=due, known_at=issued_at)
    await tx.many(
        "INSERT INTO bill_standings (bill_id, state, due_at, looked_to)"
        " VALUES (?, ?, ?, ?)",
        [(bill, standing.state.value, due, issued_at)],
    )
    amount = cents * CENT
    await keep_acts(tx, [BillAct(bill, Act.ISSUED, amount, issued_at, "billing")])
    if cents < 0 and replaces is None:
        await act(tx, [BillAct(bill, Act.GIVEN, -amount, issued_at, "billing")])
    return bill


async def corrected(tx: Transaction, home: Household, bill: int, cents: int) -> int:
    """Take a bill back and issue another in its place, of so many cents; returns that.

    What was paid, and its late fees, go on with the new one; what is too much goes back.
    """
    old = (await standings(tx, [bill]))[bill]
    await act(tx, [BillAct(bill, Act.CORRECTED, 0, NOW, "billing")])
    new = await billed(tx, home, cents, replaces=bill)
    less = cents - old.amount // CENT
    lines = [line("energy", LineKind.ENERGY, less)]
    paid = min(old.paid, cents * CENT + old.late_fees)
    given = max(0, old.paid - old.late_fees - cents * CENT)
    money = Money(home.member, Asset(home.tariff.currency), NOW)
    found = Difference(shares(lines, 2), given)
    chain = correcting(f"B-{new}", money, found)
    assert all(one.entered for one in await ledger.post(tx, chain, now=NOW))
    acts = []
    if old.late_fees:
        acts.append(BillAct(new, Act.LATE_FEE, old.late_fees, NOW, "billing"))
    if paid:
        acts.append(BillAct(new, Act.PAID, paid, NOW, "billing"))
    if acts:
        await act(tx, acts)
    return new


async def disputed(tx: Transaction, bill: int, cents: int) -> None:
    """Dispute so much of a bill."""
    await act(tx, [BillAct(bill, Act.DISPUTED, cents * CENT, NOW, "member")])


async def _document(
    tx: Transaction, home: Household, cents: int, issued_at: int
) -> tuple[str, bytes]:
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM bills")
    number = f"B-{last + 1}"
    begin, end = issued_at - 30 * DAY + last, issued_at
    lines = (line("energy", LineKind.ENERGY, cents),)
    segment = Segment(home.tariff.hash(), begin, end, begin, end, lines)
    statement = plain_statement(
        number=number,
        member=home.member,
        meter_point=home.point,
        currency=home.tariff.currency,
        begin=begin,
        end=end,
        known_at=issued_at,
        issued_at=issued_at,
        due_at=due_at(home.tariff.terms, issued_at),
        segments=(segment,),
    )
    return number, write_statement(statement)


async def _row(
    tx: Transaction,
    home: Household,
    what: tuple[str, int, bytes],
    issued_at: int,
    replaces: int | None,
) -> int:
    number, cents, document = what
    digest = hashlib.sha256(document).digest()
    (entry,) = await log.append(tx, [bill_hash_entry(digest)])
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM bills")
    row = (
        last + 1, number, StatementKind.BILL.value, home.supply, home.member,
        issued_at - 30 * DAY + last, issued_at, home.tariff.currency, cents * CENT,
        replaces, home.rail.value, issued_at, issued_at, document, bytes(16), digest, entry,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO bills (id, number, kind, supply_id, member_id, from_at, to_at, asset,"
        " amount, replaces_id, rail, known_at, issued_at, document, salt, hash,"
        " log_entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    return int(last) + 1
