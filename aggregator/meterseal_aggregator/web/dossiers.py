"""Evidence of a bill or a trade as one ZIP, for whom it concerns: `meterseal-verify FILE`.

    GET /v1/bills/2026-00000012/evidence.zip
    GET /v1/trades/12/evidence.zip

A bill's is its member's, and holds his readings in the open. A trade's is of each side: the
seller's holds the seller's readings of the slot, the buyer's does not; the other side is a
number in either. An operator gets both whole. This module must never give a file to anybody
who may not see all of it.
"""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from meterseal_aggregator.billing.evidence import bill as billed
from meterseal_aggregator.billing.evidence import trade as traded
from meterseal_aggregator.billing.evidence.model import Gathered, NotYet
from meterseal_aggregator.billing.evidence.trade import Asker
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market import trades
from meterseal_aggregator.privacy import bills as private_bills
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.bills import Number, bill_for
from meterseal_aggregator.web.private_files import bill_file
from meterseal_aggregator.web.problems import Problem, not_found, not_made, not_yet
from meterseal_aggregator.web.shapes import ById
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import numbered, pack

router = APIRouter(prefix="/v1", tags=["evidence"])

MEDIA_TYPE: Final = "application/zip"
AT_ONCE: Final = 2
"""Files gathered, and packed, at a time: a month's holds a reader for a third of a second, of
which there are four for everybody."""
_gathering = asyncio.Semaphore(AT_ONCE)
_packing = asyncio.Semaphore(AT_ONCE)


@router.get("/bills/{number}/evidence.zip", response_class=Response)
async def take_bill_evidence(number: Number, access: Asking) -> Response:
    """Give the evidence of a bill or credit note of yours (or any, operator)."""
    access.allow(Action.TAKE_BUNDLE, owns=True)
    access.pace(access.site.searches)
    async with _gathering, access.site.database.reading() as tx:
        bill = await bill_for(tx, access, number)
        try:
            found = await billed.gather(tx, bill, access.site.terms.genesis)
        except NotYet as waiting:
            raise _answer(waiting) from None
        files = await _with_hidden(tx, access, found)
    return await _zip(files, f"bill-{number}")


@router.get("/trades/{trade_id}/evidence.zip", response_class=Response)
async def take_trade_evidence(trade_id: ById, access: Asking) -> Response:
    """Give the evidence of a trade of yours (or any, operator), as your side may see it."""
    access.allow(Action.TAKE_BUNDLE, owns=True)
    access.pace(access.site.searches)
    me = access.caller.member
    async with _gathering, access.site.database.reading() as tx:
        trade = await trades.by_id(tx, trade_id)
        if trade is None or me not in (None, trade.seller, trade.buyer):
            raise not_found("trade of yours")
        asker = Asker.OPERATOR
        if me is not None:
            asker = Asker.SELLER if me == trade.seller else Asker.BUYER
        try:
            found = await traded.gather(tx, trade, asker, access.site.terms.genesis)
        except NotYet as waiting:
            raise _answer(waiting) from None
    return await _zip(found.files, f"trade-{trade_id}")


async def _with_hidden(
    tx: Transaction, access: Access, found: Gathered
) -> dict[str, bytes]:
    """Add the private registers' own files to a bill's."""
    files = dict(found.files)
    genesis = access.site.terms.genesis
    for hidden in found.hidden:
        kept = [
            one
            for one in await private_bills.of_register(tx, hidden.register, genesis)
            if one.bill.statement.digest() == hidden.digest
        ]
        if not kept:
            raise not_found("device's bill that this one stands on")
        file = await bill_file(tx, kept[0], genesis)
        files[numbered(parts.PRIVATE, hidden.number)] = file
    return files


def _answer(waiting: NotYet) -> Problem:
    if waiting.later:
        return not_yet(waiting.detail)
    return not_made("erased", waiting.detail)


async def _zip(files: dict[str, bytes], name: str) -> Response:
    # A month of quarter hours is packed in a second: beside the loop.
    async with _packing:
        content = await asyncio.to_thread(pack, files)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return Response(content, 200, headers, media_type=MEDIA_TYPE)
