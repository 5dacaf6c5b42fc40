"""Trades in a web house, made by the market's own rooms: Bo sells, Ada and Cleo buy.

async with house.db.transaction() as tx:
    await prepare(tx, house)
    (trade,) = await sell(tx, house, "ada", {slot(0): 500})
"""

from collections.abc import Mapping
from typing import Final

from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market import sales, standing, trades
from meterseal_aggregator.market.delivery import Lane, Terms, payment
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.market.terms import MarketTerms, terms_at
from meterseal_aggregator.market.trades import NewTrade
from meterseal_aggregator.storage.database import Transaction
from tests.support.enrolling import SLOT
from tests.support.marketplace import DEMO, fund
from tests.support.webhouse import LATER, WebHouse

XTS: Final = Asset("XTS")
TERMS: Final = Terms(price=120_000, fee=5_000, losses_bp=300, retail=250_000)
PAID_IN: Final = 1_000_000
MONTHLY_WH: Final = 500_000
SOON: Final = LATER - LATER % 900 + 4 * 900
"""The first slot that is sold."""


def slot(number: int) -> int:
    """The first second of a slot to come."""
    return SOON + 900 * number


async def terms(tx: Transaction) -> MarketTerms:
    """What holds on the market now."""
    return await terms_at(tx, LATER)


async def prepare(tx: Transaction, house: WebHouse) -> None:
    """Let Bo say what he makes, and the others have money since the first slot."""
    await declare_asset(tx, XTS, now=SLOT)
    await standing.declare(tx, house.members["bo"], MONTHLY_WH, now=SLOT)
    for who in ("ada", "cleo"):
        await fund(tx, house.members[who], PAID_IN, now=SLOT)


async def sell(
    tx: Transaction, house: WebHouse, buyer: str, wh: Mapping[int, int]
) -> list[Trade]:
    """Sell Wh of Bo's by slot: a promise, an offer, an order and its trades."""
    seller = house.members["bo"]
    ((point,),) = await tx.rows(
        "SELECT meter_point_id FROM tenancies WHERE member_id = ?", (seller,)
    )
    wish = sales.Selling(seller, point, wh)
    await sales.promise(tx, DEMO, wish, await terms(tx), now=LATER)
    order = await _order(tx, house, buyer, sum(wh.values()))
    new = [
        NewTrade(
            Lane.OFFER, point, start, 900, seller, house.members[buyer], amount, TERMS,
            XTS, order=order,
        )
        for start, amount in wh.items()
    ]  # fmt: skip
    return await trades.make(tx, new, now=LATER)


async def _order(tx: Transaction, house: WebHouse, buyer: str, wh: int) -> int:
    ((number,),) = await tx.rows("SELECT coalesce(max(id), 0) + 1 FROM orders")
    seller = house.members["bo"]
    await tx.many(
        "INSERT INTO offers (id, seller_id, meter_point_id, price, rail, request_key,"
        " made_at) SELECT ?, ?, meter_point_id, ?, 'ledger', ?, ? FROM tenancies"
        " WHERE member_id = ?",
        [(number, seller, TERMS.price, f"k{number}", LATER, seller)],
    )
    await tx.many(
        "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state, wh,"
        " request_key, reserved_at, confirmed_at)"
        " VALUES (?, ?, ?, ?, 'ledger', 'confirmed', ?, ?, ?, ?)",
        [
            (
                number,
                number,
                house.members[buyer],
                seller,
                wh,
                f"k{number}",
                LATER,
                LATER,
            )
        ],
    )
    return int(number)


async def settle(tx: Transaction, trade: Trade, delivered_wh: int) -> None:
    """Write what a first run leaves of a trade; its money is not what is looked at."""
    paid = payment(trade.terms, trade.wh, delivered_wh)
    await tx.many(
        "UPDATE trades SET state = 'settled', metered_wh = ?, delivered_wh = ?,"
        " run = 1, ended_at = ? WHERE id = ?",
        [(delivered_wh, delivered_wh, LATER, trade.id)],
    )
    row = (
        trade.id, 1, delivered_wh, delivered_wh, paid.held - paid.returned, paid.seller,
        paid.fee, paid.losses, 0, 0, paid.owed, 0, LATER,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO trade_runs (trade_id, run, metered_wh, delivered_wh, paid,"
        " to_seller, fee, losses, from_stake, from_fund, uncovered, arrears, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
