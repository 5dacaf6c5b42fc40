"""What members owe, and paying it: bills, quotes, rewards.

    GET  /v1/me/arrears
    POST /v1/me/bill-payments {"amount_micro": 5000000, "bill": "2026-00000012"}
    POST /v1/quotes {"asset": "STX", "bill_asset": "KES", "rate_micro": 61500000,
                     "expires_at": 1790003600}                       an operator's token

Each post carries an `Idempotency-Key`. Whoever pays more than is asked keeps the rest on
his balance, and is told what of his money went. This module must never show a member
another's bills.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.payments import MAX_PAYMENT_MICRO, Actor
from meterseal_aggregator.billing.receivables import quotes, rewards, store
from meterseal_aggregator.billing.receivables.model import (
    Arrears,
    Quote,
    Receipt,
    Wish,
)
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.quotes import MAX_RATE, QuoteWish
from meterseal_aggregator.billing.receivables.rewards import Reward
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.money import AssetText, BillNumber, PartView
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key

router = APIRouter(prefix="/v1", tags=["bills"])

Micro = Annotated[int, Field(ge=1, le=MAX_PAYMENT_MICRO)]


class BillPaymentRequest(RequestBody):
    """At most so much of your balance for your bills: the one named, or the oldest first.

    `asset` is what you pay with: the bill's where none is named, the quote's with a `quote`,
    else the network's money. What is disputed is paid only by the bill's number.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"amount_micro": 5_000_000, "bill": "2026-00000012"}
        }
    )

    amount_micro: Micro
    bill: BillNumber | None = None
    asset: AssetText | None = None
    quote: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


class BillPaymentView(View):
    """Bills paid at once: `given_micro` of `given_asset` left your balance for the parts.

    `source` is "member" for your own act, "payment" for money an operator recorded,
    "top-up" for your arrears' share of it, "prepaid" for what usage had drawn before.
    """

    id: int
    source: str
    asset: str
    amount_micro: int
    given_asset: str
    given_micro: int
    quote: int | None
    payment: int | None
    at: int
    parts: list[PartView]


class ArrearsView(View):
    """What is owed in an asset; `overdue_micro` and `disputed_micro` are parts of it."""

    asset: str
    outstanding_micro: int
    overdue_micro: int
    disputed_micro: int
    bills: int
    next_due_at: int


class AllArrearsView(View):
    """What is owed, by asset; nothing where nothing is."""

    items: list[ArrearsView]


class QuoteRequest(RequestBody):
    """What one unit of `asset` pays of bills in `bill_asset`, in micro-units of that."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "asset": "STX",
                "bill_asset": "KES",
                "rate_micro": 61_500_000,
                "expires_at": 1_790_003_600,
            }
        }
    )

    asset: AssetText
    bill_asset: AssetText
    rate_micro: Annotated[int, Field(ge=1, le=MAX_RATE)]
    expires_at: Second


class QuoteView(View):
    """A quote that can be taken until `expires_at`."""

    id: int
    asset: str
    bill_asset: str
    rate_micro: int
    from_at: int
    expires_at: int


class RewardView(View):
    """Millionths of a utility token for a bill paid in time; a correction took some back."""

    bill_id: int
    asset: str
    amount_micro: int
    taken_back_micro: int
    state: str
    earned_at: int


@router.post("/me/bill-payments", status_code=201)
async def pay_bills(
    body: BillPaymentRequest, key: Key, access: Asking
) -> BillPaymentView:
    """Pay bills of yours from your balance; what is over stays there."""
    member = access.me(Action.PAY)
    access.pace(access.site.trades)
    asset = Asset(body.asset) if body.asset is not None else None
    wish = Wish(member, body.amount_micro, key, asset, body.bill or "", body.quote)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        return _receipt(await pay(tx, wish, now=now))


@router.get("/me/bill-payments")
async def list_own_bill_payments(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[BillPaymentView]:
    """List what went to your bills, oldest first."""
    member = access.me(Action.PAY)
    async with access.site.database.reading() as tx:
        found = await store.receipts(tx, after=after, limit=limit, member=member)
    items = [_receipt(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/me/arrears")
async def show_own_arrears(access: Asking) -> AllArrearsView:
    """Show what you owe."""
    return await _arrears(access, access.me(Action.PAY))


@router.get("/members/{member_id}/arrears")
async def show_arrears(member_id: ById, access: Asking) -> AllArrearsView:
    """Show what a member owes (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        await identity.member(tx, member_id)
    return await _arrears(access, member_id)


@router.post("/quotes", status_code=201)
async def make_quote(body: QuoteRequest, key: Key, access: Asking) -> QuoteView:
    """Say what another asset pays of bills, for a time (operator)."""
    access.allow(Action.MANAGE)
    wish = QuoteWish(
        Asset(body.asset), Asset(body.bill_asset), body.rate_micro, body.expires_at, key
    )
    async with access.site.database.transaction() as tx:
        made = await quotes.make(tx, wish, actor_of(access), now=int(access.site.now()))
    return _quote(made)


@router.get("/quotes")
async def list_quotes(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[QuoteView]:
    """List the quotes that can be taken now (members and operators)."""
    access.allow(Action.PAY, owns=access.caller.member is not None)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        found = await quotes.quotes(tx, now=now, after=after, limit=limit)
    items = [_quote(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/me/rewards")
async def list_own_rewards(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[RewardView]:
    """List your rewards for paying in time, by the bill's id."""
    member = access.me(Action.PAY)
    async with access.site.database.reading() as tx:
        found = await rewards.rewards(tx, member=member, after=after, limit=limit)
    items = [_reward(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.bill_id))


async def _arrears(access: Access, member: int) -> AllArrearsView:
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        found = await store.arrears_of(tx, member, now=now)
    return AllArrearsView(items=[_owed(one) for one in found])


def actor_of(access: Access) -> Actor:
    """Return who records something, for the operators' trail."""
    return Actor(access.caller.prefix, int(access.site.real_now()))


def _receipt(one: Receipt) -> BillPaymentView:
    return BillPaymentView(
        id=one.id,
        source=one.source.value,
        asset=one.asset,
        amount_micro=one.amount,
        given_asset=one.given_asset,
        given_micro=one.given,
        quote=one.quote,
        payment=one.payment,
        at=one.at,
        parts=[
            PartView(bill=part.number, amount_micro=part.amount) for part in one.parts
        ],
    )


def _owed(one: Arrears) -> ArrearsView:
    return ArrearsView(
        asset=one.asset,
        outstanding_micro=one.outstanding,
        overdue_micro=one.overdue,
        disputed_micro=one.disputed,
        bills=one.bills,
        next_due_at=one.next_due_at,
    )


def _quote(one: Quote) -> QuoteView:
    return QuoteView(
        id=one.id,
        asset=one.asset,
        bill_asset=one.bill_asset,
        rate_micro=one.rate,
        from_at=one.from_at,
        expires_at=one.expires_at,
    )


def _reward(one: Reward) -> RewardView:
    return RewardView(
        bill_id=one.bill,
        asset=one.asset,
        amount_micro=one.amount,
        taken_back_micro=one.taken_back + one.lost,
        state=one.state.value,
        earned_at=one.earned_at,
    )
