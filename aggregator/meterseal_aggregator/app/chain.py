"""The chain that `[stacks]` names: its nodes, our contracts there, and who signs what.

    async with chain_side(house) as side:
        if side is not None:
            await side.node.info()
            side.accounts[ChainRole.ORACLE]

    async with publishing(house) as publisher:
        await anchor_once(house.database, publisher, now)

Without `[stacks]` there is no side, and roots are published in a file. Keys are read from
their files when they are needed and nowhere kept. This module must never log, print or
hand on a key's bytes.
"""

import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_aggregator.app.house import House
from meterseal_aggregator.config import Config, Stacks
from meterseal_aggregator.stacks.anchors.file import FilePublisher
from meterseal_aggregator.stacks.anchors.job import Publisher
from meterseal_aggregator.stacks.anchors.publisher import Oracle, StacksPublisher
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.advice import Means
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.stacks.transaction import AccountKey, Network
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_proto.bundle import STACKS_PUBLISHER
from meterseal_proto.c32 import Address
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Unavailable

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_KEY: Final = re.compile(rb"([0-9a-f]{64})(?:01)?\s*")
"""Wallets write 01 behind a key whose public half is compressed, which all of ours are."""
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class ChainSide:
    """The chain as one open connection: `accounts` by role, the oracle's always there.

    `former` accounts have no role any more and finish what they signed.
    """

    node: Node
    accounts: Mapping[ChainRole, Account]
    contracts: Deployment
    limits: Limits
    former: tuple[Account, ...] = ()

    @property
    def network(self) -> Network:
        """The chain."""
        return self.accounts[ChainRole.ORACLE].network

    @property
    def signers(self) -> tuple[Account, ...]:
        """The accounts, each once: roles under one key share its outbox and its nonces."""
        every = (*self.accounts.values(), *self.former)
        return tuple({one.address: one for one in every}.values())

    def roles(self, account: Account) -> list[str]:
        """Return the roles that an account has; none are left to a former one."""
        return [
            role.value
            for role, one in self.accounts.items()
            if one.address == account.address
        ]


@asynccontextmanager
async def chain_side(house: House) -> AsyncIterator[ChainSide | None]:
    """Open the house's side of the chain; None where `[stacks]` names none.

    Raises Unavailable for a key that cannot be used.
    """
    stacks = house.config.stacks
    if stacks is None:
        yield None
        return
    network = Network.of(house.config.chain_id)
    accounts = read_accounts(stacks, network)
    former = tuple(Account(network, read_key(path)) for path in stacks.former_keys)
    contracts = Deployment(Address.parse(stacks.contracts))
    limits = Limits(depth=stacks.depth, fee_cap=stacks.fee_cap)
    async with _nodes(stacks, network) as node:
        yield ChainSide(node, accounts, contracts, limits, former)


@asynccontextmanager
async def members_door(house: House) -> AsyncIterator[ChainDoor | None]:
    """Open the chain as members are shown it: a node and no key; None without `[stacks]`."""
    stacks = house.config.stacks
    if stacks is None:
        yield None
        return
    network = Network.of(house.config.chain_id)
    contracts = Deployment(Address.parse(stacks.contracts))
    async with _nodes(stacks, network) as node:
        yield ChainDoor(node, contracts, network, stacks.fee_cap)


@asynccontextmanager
async def _nodes(stacks: Stacks, network: Network) -> AsyncIterator[Node]:
    nodes = [HttpNode(url, network) for url in stacks.nodes]
    try:
        yield _as_one(nodes)
    finally:
        for node in nodes:
            await node.close()


@asynccontextmanager
async def publishing(house: House) -> AsyncIterator[Publisher]:
    """Open the publisher of the house; raises Unavailable for a key that cannot be used.

    On the chain it only wants anchors and looks for them; the duty `drive` sends them.
    """
    async with chain_side(house) as side:
        if side is None:
            yield FilePublisher(house.config.anchors)
            return
        who = Oracle(side.accounts[ChainRole.ORACLE], side.contracts)
        yield StacksPublisher(
            house.database, side.node, who, side.limits, house.real_now
        )


def proving(stacks: Stacks | None) -> frozenset[str]:
    """Return the kinds of publishers here on which a stranger may rely."""
    return frozenset() if stacks is None else frozenset({STACKS_PUBLISHER})


def means(config: Config) -> Means:
    """Return what the configuration can sign by; a key that cannot be used is not in it."""
    stacks = config.stacks
    if stacks is None:
        return Means(frozenset(), 0)
    network = Network.of(config.chain_id)
    addresses = set()
    for path in (stacks.key_file, *stacks.keys.values(), *stacks.former_keys):
        with suppress(Unavailable):
            addresses.add(Account(network, read_key(path)).address)
    return Means(frozenset(addresses), stacks.fee_cap)


def read_accounts(stacks: Stacks, network: Network) -> dict[ChainRole, Account]:
    """Read the key of every role that has one; raises Unavailable for one of no use."""
    files = {ChainRole.ORACLE: stacks.key_file, **stacks.keys}
    return {role: Account(network, read_key(path)) for role, path in files.items()}


def read_key(path: Path) -> AccountKey:
    """Read a secret key, 64 hex digits; raises Unavailable where it is open to others."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            if os.fstat(handle).st_mode & _OTHERS:
                raise Unavailable(f"{path} is open to others: chmod 600 it")
            match = _KEY.fullmatch(file.read(_MOST))
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    if match is None or not 0 < int(match[1], 16) < ORDER:
        raise Unavailable(f"{path} holds no secret key: 64 hex digits")
    return AccountKey(bytes.fromhex(match[1].decode()))


def _as_one(nodes: list[HttpNode]) -> Node:
    return nodes[0] if len(nodes) == 1 else Agreeing(nodes[0], nodes[1])
