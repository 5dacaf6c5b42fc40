"""Issuing bills: number, document, log entry, ledger and notice, in one transaction.

    made = await issue(tx, drafts, moment, actor="duty")

A draft whose supply was billed or ended meanwhile is passed over: the next look makes it
anew. A bill on the ledger's rail posts one chain; one on the chain's rail posts nothing
here, there the contract is the truth (SETTLED 1). This module must never issue two bills of
one span, nor one whose entries the ledger did not take.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from meterseal_aggregator.billing.model import Act, BillRow, Cause, Refused
from meterseal_aggregator.billing.statements.draft import Draft, Moment
from meterseal_aggregator.billing.statements.due import AGAIN_S
from meterseal_aggregator.billing.statements.gather import Wait
from meterseal_aggregator.billing.statements.netting import retirement_id
from meterseal_aggregator.billing.statements.posting import Money, issued
from meterseal_aggregator.billing.statements.write import (
    Paper,
    Place,
    places_of,
    sealed,
    write,
)
from meterseal_aggregator.billing.supplies import store as supplies
from meterseal_aggregator.credits.retire import Retirement, retire_all
from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.model import Refusal, Result, Transfer
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.errors import Unavailable
from meterseal_proto.intervals import Interval
from meterseal_proto.rating.statement import Rail, StatementKind

_NOW: Final = """
SELECT s.id, s.billed_to, s.to_at FROM json_each(?) p CROSS JOIN supplies s ON s.id = p.value
"""
_WAIT: Final = """
INSERT INTO bill_waits (supply_id, from_at, cause, detail, at, again_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (supply_id, from_at) DO UPDATE SET cause = excluded.cause,
  detail = excluded.detail, at = excluded.at, again_at = excluded.again_at
"""
_MAX_DETAIL: Final = 400


async def issue(
    tx: Transaction, drafts: Sequence[Draft], moment: Moment, *, actor: str
) -> list[BillRow]:
    """Issue drafts as bills, all or none; returns them, without those passed over.

    About twenty statements, however many. Raises Refused (CURRENCY) where a currency is no
    asset of the ledger, Unavailable where somebody moved the Wh to be netted.
    """
    ready = await _still(tx, drafts)
    if not ready:
        return []
    await check_assets(tx, ready)
    places = await places_of(tx, moment, len(ready))
    papers = [
        _paper(draft, place, moment) for draft, place in zip(ready, places, strict=True)
    ]
    rows = await write(tx, papers, moment, actor=actor)
    await post_all(tx, _chains(ready, rows), now=moment.issued_at)
    await retire_netted(tx, zip(ready, rows, strict=True), now=moment.issued_at)
    await supplies.billed(tx, [(one.supply.id, one.end) for one in ready])
    await tell(tx, [told(row, d.due_at) for row, d in zip(rows, ready, strict=True)],
               now=moment.issued_at)  # fmt: skip
    return rows


async def keep_waits(tx: Transaction, waits: Sequence[Wait], *, now: int) -> None:
    """Write down why supplies are not billed; they are looked at again after a while."""
    rows = [
        (
            one.supply.id,
            one.begin,
            one.refused.cause.value,
            one.refused.detail[:_MAX_DETAIL],
            now,
            now + AGAIN_S,
        )
        for one in waits
    ]
    await tx.many(_WAIT, rows)


async def check_assets(tx: Transaction, drafts: Iterable[Draft]) -> None:
    """Go on if the ledger knows the currency of each draft; raises Refused (CURRENCY)."""
    known = await declared(tx)
    for draft in drafts:
        if draft.asset not in known:
            raise Refused(
                Cause.CURRENCY,
                f"the ledger knows no {draft.asset}, in which supply {draft.supply.id} is"
                " billed: have the operator declare it, or bill by another tariff",
            )


async def post_all(tx: Transaction, transfers: Sequence[Transfer], *, now: int) -> None:
    """Post entries of bills; raises Refused where the ledger cannot take one of them."""
    most = ledger.MAX_BATCH
    at = 0
    while at < len(transfers):
        end = min(len(transfers), at + most)
        # A chain stays in one batch.
        while end < len(transfers) and transfers[end - 1].linked:
            end -= 1
        check_posted(await ledger.post(tx, transfers[at:end], now=now))
        at = end


async def retire_netted(
    tx: Transaction, pairs: Iterable[tuple[Draft, BillRow]], *, now: int
) -> None:
    """Retire what bills net, one retirement a bill over its period; raises Unavailable."""
    wishes = [
        Retirement(
            retirement_id(row.number),
            buyer(draft.supply.member),
            str(draft.supply.member),
            Interval(draft.begin, draft.end - draft.begin),
            sum(one.wh for one in draft.netted),
        )
        for draft, row in pairs
        if draft.netted
    ]
    for result in await retire_all(tx, wishes, now=now):
        if not result.entered:
            raise Unavailable("Wh to be netted were moved meanwhile; bill again")


def told(row: BillRow, due_at: int) -> Told:
    """Return what a member is told of a bill or credit note of his."""
    body = {
        "number": row.number,
        "kind": row.kind.value,
        "amount_micro": row.amount,
        "asset": row.asset,
        "due_at": due_at,
    }
    return Told(row.member, "bill", body)


def check_posted(results: Iterable[Result]) -> None:
    """Go on if the ledger entered all; raises Refused where its sums are full."""
    for result in results:
        if result.entered or result.refusal is Refusal.LINKED_FAILED:
            continue
        if result.refusal is Refusal.OVERFLOW:
            raise Refused(Cause.STATE, "the ledger cannot count sums as large as this")
        raise AssertionError(f"the ledger answers {result} to a bill")


async def _still(tx: Transaction, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts whose supply is as it was when they were made, one a supply."""
    ids = json.dumps([one.supply.id for one in drafts])
    now = {row[0]: (row[1], row[2]) for row in await tx.rows(_NOW, (ids,))}
    found: dict[int, Draft] = {}
    for one in drafts:
        if now.get(one.supply.id) == (one.begin, one.supply.to_at):
            found.setdefault(one.supply.id, one)
    return list(found.values())


def _paper(draft: Draft, place: Place, moment: Moment) -> Paper:
    supply, document = draft.supply, draft.numbered(place.number)
    salt, digest = sealed(document)
    row = BillRow(
        id=place.id,
        number=place.number,
        kind=StatementKind.BILL,
        supply=supply.id,
        member=supply.member,
        begin=draft.begin,
        end=draft.end,
        asset=draft.asset,
        amount=draft.amount,
        corrects=None,
        replaces=None,
        private_bill=draft.private_bill,
        rail=supply.terms.rail,
        known_at=moment.known_at,
        issued_at=moment.issued_at,
        document=document,
        salt=salt,
        hash=digest,
        log_entry=0,
    )
    given: tuple[tuple[Act, int, str], ...] = ()
    if draft.amount < 0 and supply.terms.rail is Rail.LEDGER:
        given = ((Act.GIVEN, -draft.amount, "to your money"),)
    return Paper(row, draft.due_at, draft.rows, draft.netted, given)


def _chains(drafts: Sequence[Draft], rows: Sequence[BillRow]) -> list[Transfer]:
    return [
        transfer
        for draft, row in zip(drafts, rows, strict=True)
        if row.rail is Rail.LEDGER
        for transfer in issued(
            row.number, Money(row.member, row.asset, row.end), draft.owed
        )
    ]
