"""What holds on the market now: its grid, prices, fees and times, for who has a token.

This module must never change any of it (`web.parameters` does, for the operator).
"""

from fastapi import APIRouter
from pydantic import ConfigDict

from meterseal_aggregator.market.lifecycle import RESERVATION_S
from meterseal_aggregator.market.sales import MAX_AHEAD_S, MAX_SLOTS
from meterseal_aggregator.market.slots import slot_of
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import number_at
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import View

router = APIRouter(prefix="/v1", tags=["market"])


class MarketView(View):
    """The terms in force at the network second `at`; prices and fee in micro-units per kWh.

    Slots have `slot_s` seconds by the clock of `zone`; the one around `at` began at `slot`.
    Nothing is traded beyond `grid_ends`, from when they lie otherwise.
    Prices lie between `feed_in` and `retail`, in steps of `tick` in the auction, which is
    held `gate_closure_s` before its slot. The listed price is that of Wh minted already.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": 1_790_000_000, "zone": "Africa/Nairobi", "slot_s": 900,
                "slot": 1_789_999_200, "grid_ends": None, "asset": "KES", "tick_micro_per_kwh": 1_000,
                "fee_micro_per_kwh": 5_000, "losses_bp": 300,
                "retail_micro_per_kwh": 250_000, "feed_in_micro_per_kwh": 80_000,
                "gate_closure_s": 3_600, "listed_price_micro_per_kwh": 150_000,
                "listed_commission_bp": 500, "listed_refund_bp": 9_000,
                "reservation_s": 600, "cancel_window_s": 1_800, "ahead_s": 3_024_000,
                "slots_a_wish": 192, "rail": "ledger", "demo": False,
            }
        }
    )  # fmt: skip

    at: int
    zone: str
    slot_s: int
    slot: int
    grid_ends: int | None
    asset: str
    tick_micro_per_kwh: int
    fee_micro_per_kwh: int
    losses_bp: int
    retail_micro_per_kwh: int
    feed_in_micro_per_kwh: int
    gate_closure_s: int
    listed_price_micro_per_kwh: int
    listed_commission_bp: int
    listed_refund_bp: int
    reservation_s: int
    cancel_window_s: int
    ahead_s: int
    slots_a_wish: int
    rail: str
    demo: bool


@router.get("/market")
async def show_market(access: Asking) -> MarketView:
    """Show the terms in force now."""
    rules, now = access.site.market, int(access.site.now())
    async with access.site.database.reading() as tx:
        terms = await terms_at(tx, now)
        listed = await number_at(tx, Name.LISTED_PRICE_MICRO, now)
        commission = await number_at(tx, Name.LISTED_COMMISSION_BP, now)
        refund = await number_at(tx, Name.LISTED_REFUND_BP, now)
    return MarketView(
        at=now,
        zone=terms.zone,
        slot_s=terms.slot_s,
        slot=slot_of(now, terms.slot_s, terms.zone),
        grid_ends=terms.grid_ends,
        asset=terms.asset,
        tick_micro_per_kwh=terms.tick,
        fee_micro_per_kwh=terms.fee,
        losses_bp=terms.losses_bp,
        retail_micro_per_kwh=terms.retail,
        feed_in_micro_per_kwh=terms.feed_in,
        gate_closure_s=terms.gate_s,
        listed_price_micro_per_kwh=listed,
        listed_commission_bp=commission,
        listed_refund_bp=refund,
        reservation_s=RESERVATION_S,
        cancel_window_s=rules.trust.cancel_window_s,
        ahead_s=MAX_AHEAD_S,
        slots_a_wish=MAX_SLOTS,
        rail="ledger",
        demo=rules.mock is not None,
    )
