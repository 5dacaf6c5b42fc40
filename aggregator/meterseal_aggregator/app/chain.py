"""Where this network's roots are published: the chain that `[stacks]` names, or a file.

    async with publishing(house) as publisher:
        await anchor_once(house.database, publisher, now)

The oracle's key is read from its file when it is needed and nowhere kept. This module must
never log, print or hand on a key's bytes.
"""

import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from meterseal_aggregator.app.house import House
from meterseal_aggregator.config import Stacks
from meterseal_aggregator.stacks.agreeing import Agreeing
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.file import FilePublisher
from meterseal_aggregator.stacks.http import HttpNode
from meterseal_aggregator.stacks.job import Publisher
from meterseal_aggregator.stacks.node import Node
from meterseal_aggregator.stacks.outbox import Account
from meterseal_aggregator.stacks.plan import Limits
from meterseal_aggregator.stacks.publisher import Oracle, StacksPublisher
from meterseal_aggregator.stacks.transaction import AccountKey, Network
from meterseal_proto.bundle import STACKS_PUBLISHER
from meterseal_proto.c32 import Address
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Unavailable

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_KEY: Final = re.compile(rb"([0-9a-f]{64})(?:01)?\s*")
"""Wallets write 01 behind a key whose public half is compressed, which all of ours are."""
_MOST: Final = 100


@asynccontextmanager
async def publishing(house: House) -> AsyncIterator[Publisher]:
    """Open the publisher of the house; raises Unavailable for a key that cannot be used."""
    stacks = house.config.stacks
    if stacks is None:
        yield FilePublisher(house.config.anchors)
        return
    network = Network.of(house.config.chain_id)
    account = Account(network, read_key(stacks.key_file))
    who = Oracle(account, Deployment(Address.parse(stacks.contracts)))
    limits = Limits(depth=stacks.depth, fee_cap=stacks.fee_cap)
    nodes = [HttpNode(url, network) for url in stacks.nodes]
    try:
        yield StacksPublisher(
            house.database, _as_one(nodes), who, limits, house.real_now
        )
    finally:
        for node in nodes:
            await node.close()


def proving(stacks: Stacks | None) -> frozenset[str]:
    """Return the kinds of publishers here on which a stranger may rely."""
    return frozenset() if stacks is None else frozenset({STACKS_PUBLISHER})


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
