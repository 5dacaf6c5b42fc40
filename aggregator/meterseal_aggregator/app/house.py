"""Open what every command needs: configuration, clock, database, keys.

    async with open_house(config) as house:
        async with house.database.reading() as tx: ...

This module must never start a duty or listen on a port.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from meterseal_aggregator.app.keys import NetworkKeys, open_keys
from meterseal_aggregator.config import Config, ConfigError
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate, pending
from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_proto.errors import Unavailable


@dataclass(frozen=True, slots=True)
class House:
    """An open aggregator: its database is up to date unless opened otherwise."""

    config: Config
    database: Database
    keys: NetworkKeys
    rate: ClockRate

    def now(self) -> float:
        """Return the network's time in Unix seconds."""
        return self.rate.at(time.time())

    def real_now(self) -> float:
        """Return real time in Unix seconds, for certificates, codes, tokens and leases."""
        return time.time()


@asynccontextmanager
async def open_house(config: Config, *, upgrade: bool = False) -> AsyncIterator[House]:
    """Open the aggregator in `config.data_dir`; `upgrade` runs pending migrations.

    Raises Unavailable when a file cannot be used or migrations are pending, ConfigError
    for a clock that cannot be read.
    """
    rate = _rate()
    _make_folder(config)
    keys = open_keys(config, real_now=int(time.time()))
    database = await Database.open(config.database)
    house = House(config, database, keys, rate)
    try:
        if upgrade:
            await bring_up_to_date(house)
        elif missing := await pending(database):
            first = missing[0]
            many = f"{first} and {len(missing) - 1} more" if missing[1:] else first
            raise Unavailable(
                f"the database lacks {many}: run meterseal-aggregator migrate"
            )
        yield house
    finally:
        await database.close()


async def bring_up_to_date(house: House) -> list[str]:
    """Run pending migrations; returns their names. A demo's readings are final at once.

    The ledger learns the network's asset of money, if it did not know it.
    """
    done = await migrate(house.database)
    now = int(house.now())
    async with house.database.transaction() as tx:
        if house.config.demo:
            first = parameters.Change(Name.FINALITY_DELAY_S, 0, 0, now, "demo")
            await parameters.record_first(tx, first)
        money = await parameters.text_at(tx, Name.MONEY_ASSET, now)
        await declare(tx, Asset(money), now=now)
    return done


def _rate() -> ClockRate:
    try:
        return ClockRate.parse(os.environ.get(VARIABLE))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _make_folder(config: Config) -> None:
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"cannot make {config.data_dir}: {error.strerror}; choose another data_dir"
        ) from error
