"""A member's bills on the chain: opened by himself, computed and paid there by his wallet.

    POST /v1/me/chain-bills {"number": "2026-00000012", "usage": 312500, "z": "5f..", ...}
    GET  /v1/me/chain-bills               what each waits for; `calls` go to /v1/me/calls

Opening a bill's usage there is for ever and everybody's to read: only the member asks, with
what `meterseal-agent open-on-chain` made of his own files, and says so by `for_ever`. Asked
again, the answer is the same bill. This module must never ask in his place.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field, JsonValue

from meterseal_aggregator.billing.chain import show
from meterseal_aggregator.billing.chain.ask import open_on_chain
from meterseal_aggregator.billing.chain.duty import quote
from meterseal_aggregator.billing.chain.model import (
    Moment,
    NotAsked,
    OpenWish,
    Till,
)
from meterseal_aggregator.billing.chain.show import Shown
from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.identity.store import note
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import (
    no_chain,
    no_wallet,
    not_found,
    not_made,
)
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_aggregator.web.wallets import PrincipalText, parse_principal
from meterseal_proto.c32 import Principal

router = APIRouter(prefix="/v1", tags=["bills"])

NUMBER: Final = r"^\d{4}-\d{8}$"
MAX_USAGE: Final = (1 << 48) - 1
"""As the contract takes it."""
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OpenRequest(RequestBody):
    """The opening of the sum of a bill's days: `usage` in Wh or litres, `z` and `a` in hex.

    `payer` is one of your linked accounts, where there are several: the one your meter is
    bound to. Everybody can read this on the chain, for ever.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": "2026-00000012",
                "usage": 312_500,
                "z": "5f" * 32,
                "a": "",
                "for_ever": True,
            }
        }
    )

    number: Annotated[str, Field(pattern=NUMBER)]
    usage: Annotated[int, Field(ge=0, le=MAX_USAGE)]
    z: Hex32
    a: Annotated[str, Field(pattern=r"^([0-9a-f]{66})?$")]
    for_ever: Literal[True]
    payer: PrincipalText | None = None


class QuoteRequest(RequestBody):
    """`price_micro` of `asset` for all that a bill still asks, until a real Unix second."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"asset": "USDX", "price_micro": 41_500_000, "until": 1790000000}
        }
    )

    asset: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")]
    price_micro: Annotated[int, Field(ge=1, le=MAX_ID)]
    until: Annotated[int, Field(ge=1, le=MAX_ID)]


class CallView(View):
    """A call for your wallet: post `arguments` to /v1/me/calls/FUNCTION."""

    function: str
    arguments: dict[str, JsonValue]


class ChainBillView(View):
    """A bill on the chain; amounts in micro-units of its asset, `on_chain` its number there.

    `calls` is what your wallet may do about it now.
    """

    id: int
    state: str
    begin: int
    end: int
    asset: str
    amount_micro: int
    paid_micro: int
    left_micro: int
    reward: int
    on_chain: int | None
    due_at: int | None
    payer: str
    calls: list[CallView]


@router.post("/me/chain-bills", status_code=201)
async def open_bill(body: OpenRequest, access: Asking) -> ChainBillView:
    """Open a bill of yours on the chain, for ever; it is computed and paid there."""
    member = access.me(Action.USE_WALLETS)
    access.pace(access.site.wallets)
    till, moment = _till(access), _moment(access)
    async with access.site.database.transaction() as tx:
        payer = await _payer(tx, member, body.payer)
        wish = OpenWish(
            member, body.number, payer, body.usage, bytes.fromhex(body.z),
            bytes.fromhex(body.a),
        )  # fmt: skip
        try:
            made = await open_on_chain(tx, till, wish, moment)
        except NotAsked as error:
            raise not_made(error.trouble.value, error.detail) from None
        return _view(await show.shown_one(tx, till, made, moment.real))


@router.get("/me/chain-bills")
async def list_chain_bills(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[ChainBillView]:
    """List your bills on the chain, and what your wallet may do about each."""
    member = access.me(Action.USE_WALLETS)
    till, real_now = access.site.till(), int(access.site.real_now())
    if till is None:
        return Page(items=[], next=None)
    async with access.site.database.reading() as tx:
        found = await show.shown(
            tx, till, member, after=after, limit=limit, real_now=real_now
        )
    items = [_view(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.post("/bills/{number}/quotes", status_code=202)
async def quote_bill(number: str, body: QuoteRequest, access: Asking) -> ChainBillView:
    """Offer to take another asset for a bill on the chain; it stands there once told."""
    access.allow(Action.MANAGE)
    till, moment = _till(access), _moment(access)
    async with access.site.database.transaction() as tx:
        try:
            row = await bills.bill(tx, number)
        except Refused:
            raise not_found("bill of that number") from None
        given = (Asset(body.asset), body.price_micro, body.until)
        try:
            bill = await quote(tx, till, row.id, given, moment)
        except NotAsked as error:
            raise not_made(error.trouble.value, error.detail) from None
        await note(
            tx, access.caller.prefix, "chain-quote", f"bill {number}", now=moment.real
        )
        return _view(await show.shown_one(tx, till, bill, moment.real))


def _till(access: Access) -> Till:
    till = access.site.till()
    if till is None:
        raise no_chain()
    return till


def _moment(access: Access) -> Moment:
    return Moment(int(access.site.now()), int(access.site.real_now()))


async def _payer(tx: Transaction, member: MemberId, wanted: str | None) -> Principal:
    """Return the account that pays; raises the answer where it is not the member's."""
    linked = [one.principal for one in await wallets.current(tx, member)]
    if wanted is not None:
        return parse_principal(wanted, "payer")
    if len(linked) != 1:
        raise no_wallet(
            "several wallets are linked: say which by `payer`"
            if linked
            else "link a wallet first: POST /v1/me/wallet-challenges"
        )
    return linked[0]


def _view(one: Shown) -> ChainBillView:
    bill = one.bill
    return ChainBillView(
        id=bill.id,
        state=one.state.value,
        begin=bill.begin,
        end=bill.end,
        asset=bill.asset,
        amount_micro=bill.asked if bill.amount is None else bill.amount,
        paid_micro=bill.paid,
        left_micro=bill.outstanding,
        reward=bill.reward,
        on_chain=bill.number,
        due_at=bill.due_at,
        payer=bill.payer,
        calls=[
            CallView(function=call.function, arguments=dict(call.arguments))
            for call in one.calls
        ],
    )
