"""The market in the running house: what ends by itself, auctions held, slots settled.

This module must never hold a rule: the rooms of `market` do.
"""

from meterseal_aggregator.app.house import House
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.market.auction import duty as auction
from meterseal_aggregator.market.offers import expire as offers
from meterseal_aggregator.market.settlement import duty as settlement


async def keep_market(house: House) -> int:
    """End what has run out and hold the auctions that are due; returns how many things."""
    rules = house.config.market_rules()
    ended = await until_idle(lambda: offers.run_once(house.database, int(house.now())))
    cleared = await until_idle(
        lambda: auction.run_once(house.database, rules, int(house.now()))
    )
    return ended + cleared


async def settle_market(house: House) -> int:
    """Settle the slots whose meters have spoken; returns how much was done."""
    rules = house.config.market_rules()
    return await until_idle(
        lambda: settlement.run_once(house.database, rules, int(house.now()))
    )
