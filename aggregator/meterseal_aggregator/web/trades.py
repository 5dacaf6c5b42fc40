"""Trades as their two parties see them: terms, what was metered, and where the money went.

    GET /v1/me/trades?side=seller&state=held&from=1790000000
    GET /v1/trades/12

This module must never show a trade to anybody else but the operator, nor one party the
other's sealed order.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.ledger.accounts import FEE, WHEELING, user
from meterseal_aggregator.market import history, trades
from meterseal_aggregator.market.delivery import Lane, cost
from meterseal_aggregator.market.history import FOR_EVER, Run, Side, Wanted
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    MAX_PAGE,
    MAX_SECOND,
    ById,
    Page,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["trades"])

_LANES: Final = {Lane.OFFER: "offer", Lane.AUCTION: "auction"}
_STATES: Final = "|".join(state.value for state in TradeState)


class TradeFilter(BaseModel):
    """Which trades: `side` buyer or seller, slots from `from` on and before `to`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    side: Annotated[str | None, Field(pattern="^(buyer|seller)$")] = None
    state: Annotated[str | None, Field(pattern=f"^({_STATES})$")] = None
    begin: Annotated[int, Field(alias="from", ge=0, le=MAX_SECOND)] = 0
    to: Annotated[int | None, Field(ge=0, le=MAX_SECOND)] = None


class TradeView(View):
    """`wh` of the slot `start` to `start + length`, from seller to buyer, and what became of it.

    `cost_micro` is what the buyer put aside. `metered_wh` is null until a run found it; the
    buyer has `delivered_wh`. `ask` and `bid` are told to whose they are.
    """

    id: int
    lane: str
    rail: str
    meter_point: int
    start: int
    length: int
    seller: int
    buyer: int
    wh: int
    price_micro_per_kwh: int
    fee_micro_per_kwh: int
    losses_bp: int
    retail_micro_per_kwh: int
    asset: str
    cost_micro: int
    order: int | None
    ask: int | None
    bid: int | None
    made_at: int
    state: str
    metered_wh: int | None
    delivered_wh: int
    run: int


class MoveView(View):
    """A figure of a run and where it went, an account of the ledger; below zero: came back.

    `to` is null for what nobody covered.
    """

    figure: str
    amount_micro: int
    to: str | None


class RunView(View):
    """What a run (1, 2 or 3) found, and what it moved beyond the runs before; a network second.

    `paid_micro` is the buyer's for the energy, and what of it the other figures are;
    `from_stake` and `from_fund` make good what he pays the utility for what was missing;
    `arrears` is what he still owes of what a later run delivered or took back.
    """

    run: int
    metered_wh: int
    delivered_wh: int
    paid_micro: int
    moves: list[MoveView]
    at: int


class TradeDetail(TradeView):
    """A trade with what each run found and moved."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 12, "lane": "offer", "rail": "ledger", "meter_point": 7,
                "start": 1_790_000_100, "length": 900, "seller": 3, "buyer": 5, "wh": 500,
                "price_micro_per_kwh": 120_000, "fee_micro_per_kwh": 5_000,
                "losses_bp": 300, "retail_micro_per_kwh": 250_000, "asset": "XTS",
                "cost_micro": 60_000, "order": 4, "ask": None, "bid": None,
                "made_at": 1_789_990_000, "state": "settled", "metered_wh": 500,
                "delivered_wh": 500, "run": 1,
                "runs": [
                    {
                        "run": 1, "metered_wh": 500, "delivered_wh": 500,
                        "paid_micro": 60_000, "at": 1_790_003_600,
                        "moves": [
                            {
                                "figure": "to_seller", "amount_micro": 55_775,
                                "to": "user:3",
                            },
                            {"figure": "fee", "amount_micro": 2_500, "to": "fee"},
                            {
                                "figure": "losses", "amount_micro": 1_725,
                                "to": "wheeling",
                            },
                        ],
                    }
                ],
            }
        }
    )  # fmt: skip

    runs: list[RunView]


@router.get("/me/trades")
async def list_trades(
    access: Asking, wanted: Annotated[TradeFilter, Query()]
) -> Page[TradeView]:
    """List your trades, oldest first: of one side, in a state, of some slots."""
    member = access.me(Action.TRADE)
    asked = Wanted(
        member=member,
        side=None if wanted.side is None else Side(wanted.side),
        state=None if wanted.state is None else TradeState(wanted.state),
        begin=wanted.begin,
        end=FOR_EVER if wanted.to is None else wanted.to,
    )
    async with access.site.database.reading() as tx:
        found = await history.page(tx, asked, after=wanted.after, limit=wanted.limit)
    items = [TradeView(**_plain(one, member)) for one in found]
    return Page(items=items, next=cursor(items, wanted.limit, lambda view: view.id))


@router.get("/trades/{trade_id}")
async def show_trade(trade_id: ById, access: Asking) -> TradeDetail:
    """Show a trade of yours (or any, operator): what each run found, and where it went."""
    access.allow(Action.TRADE, owns=True)
    me = access.caller.member
    async with access.site.database.reading() as tx:
        trade = await trades.by_id(tx, trade_id)
        if trade is None or me not in (None, trade.seller, trade.buyer):
            raise not_found("trade of yours")
        runs = await history.runs_of(tx, trade_id)
    views = [_run(trade, run, first=not n) for n, run in enumerate(runs)]
    return TradeDetail(**_plain(trade, me), runs=views)


def _plain(trade: Trade, me: int | None) -> dict[str, Any]:  # Any: a view's fields
    terms = trade.terms
    return {
        "id": trade.id, "lane": _LANES[trade.lane], "rail": "ledger",
        "meter_point": trade.meter_point, "start": trade.start, "length": trade.length,
        "seller": trade.seller, "buyer": trade.buyer, "wh": trade.wh,
        "price_micro_per_kwh": terms.price, "fee_micro_per_kwh": terms.fee,
        "losses_bp": terms.losses_bp, "retail_micro_per_kwh": terms.retail,
        "asset": trade.asset, "cost_micro": cost(trade.wh, terms.price),
        "order": trade.order,
        "ask": trade.ask if me in (None, trade.seller) else None,
        "bid": trade.bid if me in (None, trade.buyer) else None,
        "made_at": trade.made_at, "state": trade.state.value,
        "metered_wh": trade.metered_wh, "delivered_wh": trade.delivered_wh,
        "run": trade.run,
    }  # fmt: skip


def _run(trade: Trade, run: Run, *, first: bool) -> RunView:
    his = user(trade.buyer)
    # The first run ends the hold: what it does not take is the buyer's again.
    back = cost(trade.wh, trade.terms.price) - run.paid if first else 0
    moves = (
        ("to_seller", run.to_seller, user(trade.seller)),
        ("fee", run.fee, FEE),
        ("losses", run.losses, WHEELING),
        ("returned", back, his),
        ("from_stake", run.from_stake, his),
        ("from_fund", run.from_fund, his),
        ("uncovered", run.uncovered, None),
        ("arrears", run.arrears, f"arrears:{trade.buyer}"),
    )
    return RunView(
        run=run.number,
        metered_wh=run.metered_wh,
        delivered_wh=run.delivered_wh,
        paid_micro=run.paid,
        moves=[
            MoveView(figure=figure, amount_micro=amount, to=to)
            for figure, amount, to in moves
            if amount
        ],
        at=run.at,
    )
