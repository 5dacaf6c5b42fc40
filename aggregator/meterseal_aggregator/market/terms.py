"""What holds for the market at a second: grid, prices, fees, gate and the rules of trust.

    terms = await terms_at(tx, now)

Prices, fees and grid are effective-dated parameters of the network; the numbers of trust
come from the configuration. This module must never change either.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.trust import TrustRules
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import next_change, number_at, text_at
from meterseal_aggregator.storage.database import Transaction

GRID: Final = frozenset({Name.MARKET_SLOT_S, Name.ZONE})
"""What says where slots begin and how long they are."""


@dataclass(frozen=True, slots=True)
class Mock:
    """How a demo's unmetered points are verified: `success_bp` in 1/10,000 in full.

    The same `seed` and trade give the same answer for ever.
    """

    success_bp: int = 8_500
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What the configuration says: the numbers of trust, and the mock of a demo.

    `mock` is None wherever energy or money is real: then nobody sells without a meter.
    """

    trust: TrustRules = field(default_factory=TrustRules)
    mock: Mock | None = None


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What the network agreed on at a second; prices and fee in micro-units per kWh."""

    slot_s: int
    zone: str
    asset: Asset
    tick: int
    fee: int
    losses_bp: int
    retail: int
    feed_in: int
    gate_s: int
    grid_ends: int | None = None
    """From when slots lie otherwise, where that is agreed already."""


async def terms_at(tx: Transaction, at: int) -> MarketTerms:
    """Return the market's parameters as they hold at a Unix second."""
    return MarketTerms(
        slot_s=await number_at(tx, Name.MARKET_SLOT_S, at),
        zone=await text_at(tx, Name.ZONE, at),
        asset=Asset(await text_at(tx, Name.MONEY_ASSET, at)),
        tick=await number_at(tx, Name.MARKET_TICK_MICRO, at),
        fee=await number_at(tx, Name.MARKET_FEE_MICRO, at),
        losses_bp=await number_at(tx, Name.MARKET_LOSSES_BP, at),
        retail=await number_at(tx, Name.RETAIL_PRICE_MICRO, at),
        feed_in=await number_at(tx, Name.FEED_IN_PRICE_MICRO, at),
        gate_s=await number_at(tx, Name.GATE_CLOSURE_S, at),
        grid_ends=await next_change(tx, GRID, at),
    )
