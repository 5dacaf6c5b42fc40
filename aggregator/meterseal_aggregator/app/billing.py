"""Billing in the running house: days packed, bills issued and corrected, money collected.

And what a member who was erased leaves behind. This module must never hold a rule: the
rooms of `vee`, `billing` and `erasure` do.
"""

import asyncio

from meterseal_aggregator.app.house import House
from meterseal_aggregator.billing.receivables import duty as receivables
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements.due import BATCH
from meterseal_aggregator.billing.statements.duty import Biller
from meterseal_aggregator.billing.statements.workers import rating_processes
from meterseal_aggregator.erasure import duty as erasure
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.vee import days, look


async def pack_usage(house: House) -> int:
    """Pack the local days that are over or that something came for, and look at them."""
    packed = await until_idle(lambda: days.run_once(house.database, int(house.now())))
    return packed + await until_idle(
        lambda: look.run_once(house.database, int(house.now()))
    )


async def bill(house: House) -> int:
    """Bill who is due, correct what later readings touch; returns how many were looked at.

    Where more are due than one batch, the rest is rated in as many processes as configured.
    """
    biller = Biller(house.database, house.keys.genesis.network)
    seen = await biller.run_once(int(house.now()))
    processes = house.config.jobs.rating_processes
    if seen >= BATCH and processes:
        seen += await _bill_many(house, processes)
    if seen:
        # One look says that nobody is due; another would find the same.
        seen += await until_idle(lambda: biller.run_once(int(house.now())))
    return seen + await until_idle(
        lambda: affected.run_once(house.database, biller.network, int(house.now()))
    )


async def _bill_many(house: House, processes: int) -> int:
    """Bill with a batch under way for each process, and one that is read or written."""
    async with rating_processes(processes) as rater:
        biller = Biller(house.database, house.keys.genesis.network, rater)

        async def lane() -> int:
            return await until_idle(lambda: biller.run_once(int(house.now())))

        return sum(await asyncio.gather(*(lane() for _ in range(processes + 1))))


async def collect(house: House) -> int:
    """Do what time brings to what is owed: fees, plans, rewards, prepaid usage."""
    return await until_idle(
        lambda: receivables.run_once(house.database, int(house.now()))
    )


async def erase(house: House) -> int:
    """Take what came late of erased members, write the file anew, let old bills' salts go."""
    network = house.keys.genesis.network
    return await until_idle(
        lambda: erasure.run_once(
            house.database, network, int(house.now()), int(house.real_now())
        )
    )
