"""Private bills and bills on the chain in the running house: who signs, and their duties.

This module must never hold a rule: the rooms `billing.private` and `billing.chain` do.
"""

from typing import Final

from meterseal_aggregator.app.chain import read_accounts
from meterseal_aggregator.app.house import House
from meterseal_aggregator.billing.chain.duty import run_once as bring_once
from meterseal_aggregator.billing.chain.follow import Follow
from meterseal_aggregator.billing.chain.model import Moment, Till
from meterseal_aggregator.billing.chain.tokens import FollowTokens
from meterseal_aggregator.billing.private.duty import run_once as bill_once
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.mirror.indexer import Follower
from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.transaction import Network
from meterseal_proto.c32 import Address

DUE_S: Final = 14 * 86_400
"""What the contract gives to pay: two weeks, as `Terms` has it where nothing is said."""


def till(house: House) -> Till | None:
    """Return whose contracts there are and who provides; None where `[stacks]` names none.

    The operator's account provides, the relayer's hands days in; both are the oracle's where
    they have no key of their own. Raises Unavailable for a key that cannot be used.
    """
    stacks = house.config.stacks
    if stacks is None:
        return None
    accounts = read_accounts(stacks, Network.of(house.config.chain_id))
    oracle = accounts[ChainRole.ORACLE]
    provider = accounts.get(ChainRole.OPERATOR, oracle)
    relayer = accounts.get(ChainRole.RELAYER, oracle)
    contracts = Deployment(Address.parse(stacks.contracts))
    genesis = house.keys.genesis
    return Till(
        genesis, contracts, provider.principal, relayer.address, stacks.payable(), DUE_S
    )


def bill_followers(house: House) -> tuple[Follower, ...]:
    """Return who hears of bills and utility tokens; nobody without a chain."""
    known = till(house)
    return () if known is None else (Follow(known, house.now), FollowTokens())


async def bring_bills(house: House) -> int:
    """Post hashes and tariffs, bring opened bills before the contract; returns how much."""
    known = till(house)
    if known is None:
        return 0
    moment = Moment(int(house.now()), int(house.real_now()))
    return await until_idle(lambda: bring_once(house.database, known, moment))


async def bill_private(house: House) -> int:
    """Ask devices, and bill what they opened; returns how much moved on."""
    network = house.keys.genesis.network
    return await until_idle(
        lambda: bill_once(house.database, network, int(house.now()))
    )
