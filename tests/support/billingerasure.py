"""Members who left are made free of all that binds them, and erased.

await forget(years)           # one of them, as far as he can be made free
await know_otherwise(years)   # a meter corrects an hour of somebody who was erased
"""

from functools import partial
from typing import Final

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.payments import Direction, Towards, Way
from meterseal_aggregator.disputes import open as opening
from meterseal_aggregator.erasure import erase
from meterseal_aggregator.erasure.model import Why
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.ledger.model import Asset
from tests.support.billingmeters import HOUR
from tests.support.billingmoney import record
from tests.support.billingyears import NETWORK, Years
from tests.support.marketplace import XTS, make_member

_MEMBERS: Final = """
SELECT id FROM members m WHERE NOT EXISTS (
  SELECT 1 FROM erasures e WHERE e.member_id = m.id AND e.done_at IS NOT NULL)
"""
# Who lived here, was billed to his end, and lives nowhere now.
_GONE: Final = f"""{_MEMBERS}
AND EXISTS (SELECT 1 FROM bills b WHERE b.member_id = m.id)
AND NOT EXISTS (SELECT 1 FROM supplies s
  WHERE s.member_id = m.id AND (s.to_at IS NULL OR s.billed_to < s.to_at))
"""  # noqa: S608 - the statement is this module's own
_OWED: Final = """
SELECT sum(b.amount + s.late_fees + s.given - s.paid) FROM bills b
JOIN bill_standings s ON s.bill_id = b.id
WHERE s.state <> 'corrected' AND b.member_id = ?
  AND b.amount + s.late_fees + s.given > s.paid
"""
_HELD: Final = """
SELECT credits_posted - debits_posted, asset FROM ledger_accounts
WHERE code = ? AND credits_posted > debits_posted
"""
_BILLED: Final = """
SELECT s.meter_point_id, b.from_at, b.to_at FROM bills b
JOIN supplies s ON s.id = b.supply_id
JOIN erasures e ON e.member_id = b.member_id AND e.done_at IS NOT NULL
WHERE b.kind = 'bill'
"""


async def forget(years: Years) -> None:
    """A member who is free is erased, and somebody new may come in his place."""
    by = erase.By("test", NETWORK, years.now, years.now)
    found = await years.some(_GONE) or await years.some(_MEMBERS)
    if found is None:
        return
    member = found[0]
    if not await years.rows(
        "SELECT 1 FROM tenancies WHERE member_id = ? AND to_at IS NULL", member
    ):
        await _settle_up(years, member)
    asked = await years.wish(
        "ask-erasure", lambda tx: erase.ask(tx, member, Why.ASKED, by)
    )
    if asked is None:
        return
    done = await years.wish("erase", lambda tx: erase.confirm(tx, member, asked[1], by))
    if done and member in years.members:
        years.members.remove(member)
        new = await years.in_one(lambda tx: make_member(tx, f"M{member}"))
        years.members.append(MemberId(new))


async def know_otherwise(years: Years) -> None:
    """A meter corrects an hour that somebody was billed for who is erased by now."""
    found = await years.some(_BILLED)
    if found is None:
        return
    point, begin, end = found
    meter = next(one for one in years.meters if one.point == point)
    hour = await years.some(
        "SELECT start FROM readings WHERE register_id = ? AND length = ?"
        " AND start >= ? AND start + length <= ?", meter.register_id, HOUR, begin, end,
    )  # fmt: skip
    if hour is not None:
        async with years.database.transaction() as tx:
            await meter.revise(tx, hour[0], years.chance.choice((0, 300, 5_000)))
        years.met["revise", "of one erased"] += 1


async def _settle_up(years: Years, member: int) -> None:
    """Let him withdraw his disputes, pay what he owes, and take out what he has."""
    now = years.now
    for (number,) in await years.rows(
        "SELECT id FROM disputes WHERE state = 'open' AND member_id = ?", member
    ):
        wish = partial(opening.withdraw, number=number, member=member, now=now)
        await years.wish("withdraw", wish, again=True)
    ((owed,),) = await years.rows(_OWED, member)
    if owed:
        key = years.key()
        paid = payments.Wish(
            member, Direction.IN, owed, Way.BANK, key, key, XTS, Towards.BILLS
        )
        await record(years, "pay-bills", paid)
    for amount, asset in await years.rows(_HELD, f"user:{member}"):
        key = years.key()
        out = payments.Wish(
            member, Direction.OUT, amount, Way.CASH, key, key, Asset(asset)
        )
        await record(years, "refund", out)
