"""Letters from notices: what is true when it is sent, in the receiver's language.

Read from where it stands at that moment, so a bill that was paid meanwhile is not called
overdue. This module must never put more into a letter than an amount, a day and a link.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import BillRow, BillState, Standing
from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.billing.rendering.gsm import fits
from meterseal_aggregator.billing.rendering.notices import (
    Wording,
    amount_text,
    day_text,
    notice_text,
    short_text,
)
from meterseal_aggregator.billing.statements import store as statements
from meterseal_aggregator.identity import events
from meterseal_aggregator.notices.model import Address, Kind, Letter
from meterseal_aggregator.notices.outbox import Notice
from meterseal_aggregator.notices.preferences import Wish, wishes
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.statement_json import read_statement

CENTS: Final = 2
"""Decimals of money whose document does not say: more are shown where there are some."""
HASH_SHOWN: Final = 16
_PLACES: Final = {
    Kind.BILL_ISSUED: "bills",
    Kind.BILL_OVERDUE: "bills",
    Kind.TRADE_SETTLED: "trades",
    Kind.DISPUTE_DECIDED: "disputes",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a letter says."""

    subject: str
    body: str
    short: str


async def compose(
    tx: Transaction, found: Sequence[Notice], operator: Sequence[Address], link: str
) -> list[tuple[Notice, Letter | None]]:
    """Return each notice's letter, None where it is moot; `link` begins every link."""
    wanted = await wishes(tx, [one.member for one in found if one.member is not None])
    made = []
    for one in found:
        wish = Wish(addresses=tuple(operator))
        if one.member is not None:
            wish = wanted[one.member]
        made.append((one, await _letter(tx, one, wish, link)))
    return made


async def _letter(tx: Transaction, one: Notice, wish: Wish, link: str) -> Letter | None:
    address = next((at for at in wish.addresses if at.way is one.way), None)
    words = None if address is None else await _words(tx, one, wish.language)
    if address is None or words is None:
        return None
    place = _PLACES.get(one.kind)
    there = f"{link}/{place}/{one.about}" if link and place else ""
    short = f"{words.short} {there}" if there else words.short
    return Letter(
        one.letter_id, one.kind, one.made_at, address, words.subject,
        f"{words.body}\n\n{there}" if there else words.body,
        short if fits(short) else words.short, there,
    )  # fmt: skip


async def _words(tx: Transaction, one: Notice, language: Language) -> Words | None:
    match one.kind:
        case Kind.BILL_ISSUED | Kind.BILL_OVERDUE:
            return await _bill(tx, one, language)
        case Kind.TRADE_SETTLED:
            return await _trade(tx, one, language)
        case Kind.AGENT_SILENT:
            agent, _, since = one.about.rpartition("@")
            zone = await text_at(tx, Name.ZONE, one.made_at)
            day = day_text(language, int(since), zone)
            return _said(Wording.AGENT_SILENT, language, {"meter": agent, "since": day})
        case Kind.DISPUTE_DECIDED:
            return _said(Wording.DISPUTE_DECIDED, language, {"number": one.about})


async def _bill(tx: Transaction, one: Notice, language: Language) -> Words | None:
    found = await statements.bills_where(tx, "b.number = ?", (one.about,), limit=1)
    bill = found[0] if found else None
    if bill is None or bill.member != one.member:
        return None
    standing = (await statements.standings(tx, [bill.id]))[bill.id]
    if one.kind is Kind.BILL_OVERDUE:
        return _overdue(bill, standing, language)
    if standing.state is BillState.CORRECTED:
        return None
    said = read_statement(bill.document)
    asked = {
        "number": bill.number,
        "amount": amount_text(language, bill.amount, said.minor, bill.asset),
    }
    if bill.amount <= 0:
        # There is nothing to pay, and no day by which.
        return _said(Wording.BILL_CREDITED, language, asked)
    values = asked | {
        "begin": day_text(language, bill.begin, said.zone),
        "end": day_text(language, bill.end - 1, said.zone),
        "due": day_text(language, standing.due_at, said.zone),
        "hash": bill.hash.hex()[:HASH_SHOWN],
    }
    return _said(Wording.BILL_ISSUED, language, values)


def _overdue(bill: BillRow, standing: Standing, language: Language) -> Words | None:
    if standing.state is not BillState.OVERDUE or standing.asked == 0:
        return None
    said = read_statement(bill.document)
    values = {
        "number": bill.number,
        "amount": amount_text(language, standing.asked, said.minor, bill.asset),
        "due": day_text(language, standing.due_at, said.zone),
    }
    return _said(Wording.BILL_OVERDUE, language, values)


async def _trade(tx: Transaction, one: Notice, language: Language) -> Words | None:
    if one.event is None:
        # Erasure took the event away, and the trade's figures with it.
        return None
    ((member, event),) = await events.since(tx, after=one.event - 1, limit=1)
    told = json.loads(event.body)
    amount = told.get("paid_micro", told.get("received_micro"))
    if member != one.member or not isinstance(amount, int):
        return None
    asset = await text_at(tx, Name.MONEY_ASSET, one.made_at)
    values = {
        "number": one.about,
        "amount": amount_text(language, amount, CENTS, asset),
    }
    return _said(Wording.TRADE_PAID, language, values)


def _said(wording: Wording, language: Language, values: Mapping[str, str]) -> Words:
    text = notice_text(wording, language, values)
    return Words(text.subject, text.body, short_text(wording, language, values))
