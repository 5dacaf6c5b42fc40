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
from meterseal_aggregator.parameters.store import next_change, values_at
from meterseal_aggregator.storage.database import Transaction

GRID: Final = frozenset({Name.MARKET_SLOT_S, Name.ZONE})
"""What says where slots begin and how long they are."""
_NAMES: Final = (
    *GRID, Name.MONEY_ASSET, Name.MARKET_TICK_MICRO, Name.MARKET_FEE_MICRO,
    Name.MARKET_LOSSES_BP, Name.RETAIL_PRICE_MICRO, Name.FEED_IN_PRICE_MICRO,
    Name.GATE_CLOSURE_S,
)  # fmt: skip


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
    """Return the market's parameters as they hold at a Unix second: two statements."""
    held = await values_at(tx, _NAMES, at)

    def number(name: Name) -> int:
        value = held[name]
        assert isinstance(value, int), name
        return value

    return MarketTerms(
        slot_s=number(Name.MARKET_SLOT_S),
        zone=str(held[Name.ZONE]),
        asset=Asset(str(held[Name.MONEY_ASSET])),
        tick=number(Name.MARKET_TICK_MICRO),
        fee=number(Name.MARKET_FEE_MICRO),
        losses_bp=number(Name.MARKET_LOSSES_BP),
        retail=number(Name.RETAIL_PRICE_MICRO),
        feed_in=number(Name.FEED_IN_PRICE_MICRO),
        gate_s=number(Name.GATE_CLOSURE_S),
        grid_ends=await next_change(tx, GRID, at),
    )
