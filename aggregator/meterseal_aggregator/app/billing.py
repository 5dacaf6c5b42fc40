"""Billing in the running house: days packed, bills issued and corrected, money collected.

This module must never hold a rule: the rooms of `vee` and `billing` do.
"""

from meterseal_aggregator.app.house import House
from meterseal_aggregator.billing.receivables import duty as receivables
from meterseal_aggregator.billing.statements import affected, duty
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.vee import days, look


async def pack_usage(house: House) -> int:
    """Pack the local days that are over or that something came for, and look at them."""
    packed = await until_idle(lambda: days.run_once(house.database, int(house.now())))
    return packed + await until_idle(
        lambda: look.run_once(house.database, int(house.now()))
    )


async def bill(house: House) -> int:
    """Bill who is due, correct what later readings touch; returns how many were looked at."""
    network = house.keys.genesis.network
    issued = await until_idle(
        lambda: duty.run_once(house.database, network, int(house.now()))
    )
    return issued + await until_idle(
        lambda: affected.run_once(house.database, network, int(house.now()))
    )


async def collect(house: House) -> int:
    """Do what time brings to what is owed: fees, plans, rewards, prepaid usage."""
    return await until_idle(
        lambda: receivables.run_once(house.database, int(house.now()))
    )
