"""Withdrawals in the running house: who signs them, and their duty.

This module must never hold a rule: the room `stacks.withdrawals` does.
"""

from meterseal_aggregator.app.chain import read_key
from meterseal_aggregator.app.house import House
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.stacks.transaction import Network
from meterseal_aggregator.stacks.withdrawals.duty import Gathering, run_once
from meterseal_aggregator.stacks.withdrawals.model import Moment, Teller
from meterseal_proto.c32 import Address


def teller(house: House) -> Teller | None:
    """Return who mints and where; None where `[stacks]` names no chain.

    Raises Unavailable for a key that cannot be used.
    """
    stacks = house.config.stacks
    if stacks is None:
        return None
    account = Account(Network.of(house.config.chain_id), read_key(stacks.key_file))
    return Teller(Deployment(Address.parse(stacks.contracts)), account.address)


async def settle_withdrawals(house: House) -> int:
    """Post epochs, give back what was refused, ask too much back; returns how many.

    A demo waits for nobody to share an epoch with.
    """
    known = teller(house)
    if known is None:
        return 0
    gathering = Gathering(after_s=0) if house.config.demo else Gathering()
    return await until_idle(
        lambda: run_once(house.database, known, gathering, _moment(house))
    )


def _moment(house: House) -> Moment:
    return Moment(int(house.now()), int(house.real_now()))
