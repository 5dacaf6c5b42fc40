"""Lines to the three trustees as configured, and their keys written down for good.

    async with open_trustees(house) as office:     # None where there are none
        await run_once(office, now)

This module must never ask a trustee anything.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import monotonic

from meterseal_aggregator.app.clienttls import context
from meterseal_aggregator.app.house import House
from meterseal_aggregator.config import Trustee
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.privacy.trustees.client import TrusteeClient
from meterseal_aggregator.privacy.trustees.job import ROUND_S, run_once
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_aggregator.privacy.trustees.pinned import pin
from meterseal_aggregator.privacy.trustees.round import Office


@asynccontextmanager
async def open_trustees(house: House) -> AsyncIterator[Office | None]:
    """Open the lines; raises ConfigError for files of no use, Unavailable for other keys."""
    if not house.config.trustees:
        yield None
        return
    first, second, third = house.config.trustee_keys
    trustees = PinnedTrustees(house.keys.genesis.network, (first, second, third))
    async with house.database.transaction() as tx:
        await pin(tx, trustees)
    async with AsyncExitStack() as stack:
        asks = []
        for one in house.config.trustees:
            client = TrusteeClient(one.url, _tls(one))
            stack.push_async_callback(client.close)
            asks.append(client.ask)
        yield Office(house.database, house.keys.genesis, trustees, tuple(asks))


async def settle(house: House, office: Office) -> int:
    """Do what can be done with the trustees within ROUND_S; returns how many things."""
    until = monotonic() + ROUND_S
    timed = replace(office, enough=lambda: monotonic() > until)
    return await until_idle(lambda: run_once(timed, int(house.now())))


def _tls(one: Trustee) -> ssl.SSLContext | None:
    if one.tls is None:
        return None
    made = context(one.tls, f"[trustees.tls] of {one.url}")
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made
