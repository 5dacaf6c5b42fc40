"""Money in and out as operators record it, and what sellers stake of theirs.

    POST /v1/payments {"account": 7, "direction": "in", "amount_micro": 5000000,
                       "way": "bank", "reference": "FT-2026-0077",
                       "bill": "2026-00000012"}                          an operator's token
    POST /v1/me/stake {"amount_micro": 2000000}

Each post carries an `Idempotency-Key`; operators share theirs, so a retry by another of
them is no second payment. This module must never show a member another's money.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.model import MAX_NUMBER
from meterseal_aggregator.billing.payments import (
    MAX_PAYMENT_MICRO,
    MAX_REFERENCE,
    REFERENCE,
    Actor,
    Direction,
    Payment,
    Purse,
    Towards,
    Way,
    Wish,
)
from meterseal_aggregator.billing.receivables.model import Receipt
from meterseal_aggregator.billing.receivables.refunds import check_refund
from meterseal_aggregator.billing.receivables.topup import take_in
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market import stakes
from meterseal_aggregator.market.stakes import Move
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key

router = APIRouter(prefix="/v1", tags=["money"])

AssetText = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")]
BillNumber = Annotated[
    str, Field(min_length=1, max_length=MAX_NUMBER, pattern=r"^[A-Za-z0-9._-]+$")
]
MAX_STAKE_MICRO: Final = MAX_PAYMENT_MICRO
"""Nobody stakes more than he may pay in at once."""


class PaymentRequest(RequestBody):
    """Money seen in the world outside: `account` is a member's number or a purse.

    `in` came to us, `out` went from us, in micro-units of `asset`, the network's money
    where none is named. `reference` is the receipt's: by the same way it is taken once.
    What comes in `towards` "bills" pays the one named in `bill`, or the oldest first; the
    rest stays on the balance. What goes out with a `bill` gives back what was paid on it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "account": 7,
                "direction": "in",
                "amount_micro": 5_000_000,
                "way": "mobile",
                "reference": "QK41TZ88XX",
                "towards": "bills",
            }
        }
    )

    account: (
        Annotated[int, Field(ge=1, le=MAX_ID)]
        | Literal["mutual-fund", "reward-pool", "refunds"]
    )
    direction: Literal["in", "out"]
    amount_micro: Annotated[int, Field(ge=1, le=MAX_PAYMENT_MICRO)]
    way: Literal["cash", "bank", "mobile"]
    reference: Annotated[
        str, Field(min_length=1, max_length=MAX_REFERENCE, pattern=REFERENCE)
    ]
    asset: AssetText | None = None
    towards: Literal["balance", "bills"] | None = None
    bill: BillNumber | None = None

    @property
    def aim(self) -> Towards:
        """What it is for: bills where it says so, or where it names one that comes in."""
        named = self.bill is not None and self.direction == "in"
        return Towards(self.towards or ("bills" if named else "balance"))


class PartView(View):
    """What of a payment went to one bill."""

    bill: str
    amount_micro: int


class PaymentView(View):
    """A payment as recorded, in the ledger's account; `actor` is the operator's token."""

    id: int
    account: str
    member: int | None
    direction: str
    amount_micro: int
    asset: str
    way: str
    reference: str
    actor: str
    recorded_at: int
    towards: str
    bill: str | None


class RecordedView(PaymentView):
    """A payment and the bills it paid; `balance_micro` of it stays on the balance."""

    paid: list[PartView]
    balance_micro: int


class OwnPaymentView(View):
    """A payment of yours."""

    id: int
    direction: str
    amount_micro: int
    asset: str
    way: str
    reference: str
    recorded_at: int


class StakeRequest(RequestBody):
    """Micro-units of the network's money to set aside, or to have back."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"amount_micro": 2_000_000}}
    )

    amount_micro: Annotated[int, Field(ge=1, le=MAX_STAKE_MICRO)]


class StakeView(View):
    """What was staked or released; `stake_micro` is your stake right after it."""

    id: int
    kind: str
    amount_micro: int
    asset: str
    stake_micro: int
    moved_at: int


@router.post("/payments", status_code=201)
async def record_payment(
    body: PaymentRequest, key: Key, access: Asking
) -> RecordedView:
    """Record money that came in or went out (operator), and let it pay bills at once."""
    access.allow(Action.MANAGE)
    site = access.site
    account = Purse(body.account) if isinstance(body.account, str) else body.account
    wish = Wish(
        account, Direction(body.direction), body.amount_micro, Way(body.way),
        body.reference, key, Asset(body.asset) if body.asset else None, body.aim,
        body.bill or "",
    )  # fmt: skip
    by, now = Actor(access.caller.prefix, int(site.real_now())), int(site.now())
    async with site.database.transaction() as tx:
        made = await payments.record(tx, wish, by, now=now)
        await check_refund(tx, made, now=now)
        return _recorded(made, await take_in(tx, made, now=now))


@router.get("/payments")
async def list_payments(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[PaymentView]:
    """List payments, oldest first (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await payments.payments(tx, after=after, limit=limit)
    items = [_payment(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/me/payments")
async def list_own_payments(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[OwnPaymentView]:
    """List what you paid in and were paid out, oldest first."""
    member = access.me(Action.SEE_BALANCES)
    async with access.site.database.reading() as tx:
        found = await payments.payments(tx, after=after, limit=limit, member=member)
    items = [_own(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.post("/me/stake", status_code=201)
async def stake(body: StakeRequest, key: Key, access: Asking) -> StakeView:
    """Set money aside that answers for what you sell; enough of it lifts your limit."""
    wish = _staking(body, key, access)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        return _stake(await stakes.stake_in(tx, wish, now=now))


@router.post("/me/stake/release", status_code=201)
async def release_stake(body: StakeRequest, key: Key, access: Asking) -> StakeView:
    """Have a stake back: not while anything you promised waits to be settled."""
    wish = _staking(body, key, access)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        return _stake(await stakes.release(tx, wish, now=now))


def _staking(body: StakeRequest, key: str, access: Access) -> stakes.Wish:
    member: MemberId = access.me(Action.TRADE)
    access.pace(access.site.trades)
    return stakes.Wish(member, body.amount_micro, key)


def _payment(one: Payment) -> PaymentView:
    return PaymentView(
        id=one.id,
        account=one.account,
        member=one.member,
        direction=one.direction.value,
        amount_micro=one.amount,
        asset=one.asset,
        way=one.way.value,
        reference=one.reference,
        actor=one.actor,
        recorded_at=one.recorded_at,
        towards=one.towards.value,
        bill=one.bill or None,
    )


def _recorded(one: Payment, receipt: Receipt | None) -> RecordedView:
    parts = receipt.parts if receipt is not None else ()
    paid = [PartView(bill=part.number, amount_micro=part.amount) for part in parts]
    rest = one.amount - (receipt.given if receipt is not None else 0)
    return RecordedView(**_payment(one).model_dump(), paid=paid, balance_micro=rest)


def _own(one: Payment) -> OwnPaymentView:
    return OwnPaymentView(
        id=one.id,
        direction=one.direction.value,
        amount_micro=one.amount,
        asset=one.asset,
        way=one.way.value,
        reference=one.reference,
        recorded_at=one.recorded_at,
    )


def _stake(one: Move) -> StakeView:
    return StakeView(
        id=one.id,
        kind=one.kind.value,
        amount_micro=one.amount,
        asset=one.asset,
        stake_micro=one.held,
        moved_at=one.moved_at,
    )
