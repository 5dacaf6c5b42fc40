"""Takes a member's meter document, reads it apart, and moves his trust by what it is worth.

    document, score = await desk.analyse(database, rules, Sent(7, meter, raw, None), now=now)

A document is noted before it is read, so none is read without counting against the day. The
change is written in the transaction of its verdict, once a meter for ever. This module must
never keep a text, nor take a figure that does not occur in it, whoever proposes it.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.market.documents import store
from meterseal_aggregator.market.documents.figures import occurs, proposed
from meterseal_aggregator.market.documents.model import (
    MAX_A_DAY,
    MAX_MONTHLY_WH,
    Document,
    Flaw,
    Reading,
    Source,
    Verdict,
)
from meterseal_aggregator.market.documents.proposer import Proposer
from meterseal_aggregator.market.documents.reader import Reader, declined
from meterseal_aggregator.market.documents.store import Taken
from meterseal_aggregator.market.documents.verdict import verdict_of
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.standing import TrustChange, record, score, standing
from meterseal_aggregator.market.terms import MarketRules, terms_at
from meterseal_aggregator.market.trust import TrustRules, document_change
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.errors import Unavailable

_UNDECLARED: Final = (
    "say first what you make in a month (PUT /v1/me/production): that is what a document"
    " is compared with"
)
_SPENT: Final = (
    "a document of this meter, or this document elsewhere, has counted already"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a member sends: a meter's id, the file, and the Wh a month he reads in it."""

    member: int
    meter: bytes
    raw: bytes = field(repr=False)
    named_wh: int | None


@dataclass(slots=True)
class Desk:
    """`proposer` is None wherever no model is configured: then nothing leaves the house."""

    reader: Reader = field(default_factory=Reader)
    proposer: Proposer | None = None

    async def analyse(
        self, database: Database, rules: MarketRules, sent: Sent, *, now: int
    ) -> tuple[Document, int]:
        """Return what came of a document, and the member's score after it.

        Raises Declined with what to do, and Unavailable where it is to be sent again; a
        document that counted before gives the same answer once more.
        """
        if not sent.raw:
            raise declined(Flaw.NOT_PDF)
        digest = hashlib.sha256(sent.raw).digest()
        async with database.transaction() as tx:
            taken = await _take(tx, rules.trust, sent, digest, now=now)
            if isinstance(taken, Document):
                return taken, await score(tx, rules.trust, sent.member)
        try:
            reading = await self._reading(sent)
        except Declined as why:
            await _give_up(database, taken, why)
            raise
        except Unavailable:
            async with database.transaction() as tx:
                await store.forget(tx, taken)
            raise
        async with database.transaction() as tx:
            found = (taken, reading, digest)
            answered = await _judge(tx, rules.trust, sent.member, found, now=now)
        if answered is None:
            raise Declined(Cause.STATE, _SPENT)
        return answered

    async def close(self) -> None:
        """Let go of the model's connections."""
        if self.proposer is not None:
            await self.proposer.close()

    async def _reading(self, sent: Sent) -> Reading:
        """Return the document's figure; raises Declined where there is no one figure."""
        text = await self.reader.read(sent.raw)
        # A text made for it takes a second of a processor: nobody else waits for that.
        if sent.named_wh is not None:
            named = Reading(sent.named_wh, Source.MEMBER)
            return await asyncio.to_thread(_checked, text, named)
        figures = await asyncio.to_thread(proposed, text)
        found = {wh for wh in figures if wh <= MAX_MONTHLY_WH}
        if len(found) == 1:
            return Reading(found.pop(), Source.RULE)
        told = await self.proposer.propose(text) if self.proposer is not None else None
        if told is not None and await asyncio.to_thread(occurs, text, told):
            return Reading(told, Source.MODEL)
        many = f"{len(found)} different figures" if found else "no plain figure"
        raise Declined(
            Cause.FIGURE,
            f"the document names {many} of a month or a year: say which, in kWh a month, by"
            " monthly_kwh",
        )


def _checked(text: str, reading: Reading) -> Reading:
    if not occurs(text, reading.monthly_wh):
        raise Declined(
            Cause.FIGURE,
            "the document does not hold this monthly_kwh: write the number that stands in"
            " it, or a twelfth of the year's",
        )
    return reading


async def _take(
    tx: Transaction, rules: TrustRules, sent: Sent, digest: bytes, *, now: int
) -> Taken | Document:
    """Note a document that may be read; the one that counted before is given back."""
    held = await store.meter_held(tx, sent.member, sent.meter, now=now)
    if held is None:
        raise Declined(
            Cause.NOT_YOURS, "no such meter stands at a meter point of yours"
        )
    meter_id, exports = held
    if not exports:
        raise Declined(Cause.NO_METER, "this meter has no export register")
    known = await store.counted(tx, sent.member, meter_id, digest)
    if known is not None:
        return known
    if await store.is_spent(tx, meter_id, digest):
        raise Declined(Cause.STATE, _SPENT)
    await _declared(tx, rules, sent.member, now=now)
    if await store.sent_today(tx, sent.member, now=now) >= MAX_A_DAY:
        raise Declined(
            Cause.FULL,
            f"{MAX_A_DAY} documents in 24 hours are enough: come back tomorrow",
        )
    return await store.take(tx, sent.member, meter_id, digest, now=now)


async def _judge(
    tx: Transaction,
    rules: TrustRules,
    member: int,
    found: tuple[Taken, Reading, bytes],
    *,
    now: int,
) -> tuple[Document, int] | None:
    """Write down what a figure is worth, and move the score; None where it came too late."""
    taken, reading, digest = found
    if await store.is_spent(tx, taken.meter_id, digest):
        await store.close(tx, taken, Verdict.SPENT)
        return None
    declared = await _declared(tx, rules, member, now=now)
    verdict = verdict_of(declared, reading.monthly_wh)
    change = document_change(rules, declared, reading.monthly_wh)
    document = await store.answer(
        tx, taken, verdict, reading, declared_wh=declared, change=change
    )
    if verdict is Verdict.FAR:
        return document, await score(tx, rules, member)
    what = TrustChange(member, store.subject(taken.meter_id), store.EVENT, change)
    after = await record(tx, rules, what, now=now)
    body = {"event": store.EVENT, "change_x10000": change, "score_x10000": after}
    await tell(tx, [Told(member, "trust", body)], now=now)
    return document, after


async def _declared(
    tx: Transaction, rules: TrustRules, member: int, *, now: int
) -> int:
    """Return what a member declared, or was certified for; raises Declined without."""
    terms = await terms_at(tx, now)
    found = await standing(tx, rules, member, terms.asset, at=now)
    if found.declared_wh is None:
        raise Declined(Cause.STATE, _UNDECLARED)
    return found.declared_wh


async def _give_up(database: Database, taken: Taken, why: Declined) -> None:
    is_read = why.cause is Cause.FIGURE
    async with database.transaction() as tx:
        await store.close(
            tx, taken, Verdict.NO_FIGURE if is_read else Verdict.UNREADABLE
        )
