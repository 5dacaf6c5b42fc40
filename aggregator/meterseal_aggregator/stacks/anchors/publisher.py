"""Roots published on the chain: by the outbox, through the contract `energy-oracle`.

    publisher = StacksPublisher(database, node, Oracle(account, deployment), limits, now)
    await publisher.publish(size, root)      # OnItsWay until it lies deep enough

What the contract's map says at depth is what counts; our own tables only tell whether to
ask again. It wants the anchor and looks for it: whoever drives the outbox sends it. This
module must never vouch for a root that a fork may still take away.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.anchors.job import OnItsWay, Refused
from meterseal_aggregator.stacks.calls import oracle
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import Outcome, State, Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.storage.database import Database
from meterseal_proto.bundle import STACKS_PUBLISHER, stacks_reference
from meterseal_proto.clarity import FALSE, TRUE, Buffer, Optional, Tuple, UInt
from meterseal_proto.errors import Unavailable

TRIES: Final = 20
"""Times that a contract may refuse one anchor before a person must look; each costs a fee."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Who anchors, and under which address the contracts are."""

    account: Account
    contracts: Deployment


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one call looks at the outbox, and what passes before each look again."""

    looks: int
    pause: Callable[[], Awaitable[None]]


async def _no_pause() -> None:
    """Wait for nothing."""


ONCE: Final = Patience(0, _no_pause)


class StacksPublisher:
    """Publishes by `who`; `now` gives real Unix seconds, for the chain keeps real time."""

    def __init__(
        self,
        database: Database,
        node: Node,
        who: Oracle,
        limits: Limits,
        now: Callable[[], float],
        patience: Patience = ONCE,
    ) -> None:
        self._database = database
        self._node = node
        self._account = who.account
        self._contracts = who.contracts
        self._contract = who.contracts.contract("energy-oracle")
        self._limits = limits
        self._now = now
        self._patience = patience

    @property
    def name(self) -> str:
        """The publisher's kind, as bundles name it."""
        return STACKS_PUBLISHER

    @property
    def proves(self) -> bool:
        """Always True: no operator unmakes a block."""
        return True

    async def publish(self, size: int, root: bytes) -> str:
        """Have a size and root anchored; returns the reference once that lies deep enough.

        Raises OnItsWay before, Unavailable while contracts are paused, Refused where the
        size does not grow or the account is not the oracle's.
        """
        found = await self.find(size, root)
        if found is not None:
            return found
        await self._may_anchor()
        name, _ = await self._latest(size, root)
        call = oracle.anchor(self._contracts, size, root)
        wish = Wish(self._account.address, name, call.payload, call.conditions)
        async with self._database.transaction() as tx:
            await deeds.want(tx, wish, now=int(self._now()))
        found = await self.find(size, root)
        if found is None:
            raise Unavailable(f"{name} was done, and the node does not show it")
        return found

    async def find(self, size: int, root: bytes) -> str | None:
        """Give the reference of what the contract holds at depth, or None where it does not.

        Raises OnItsWay while a deed of ours is under way, Refused, Unavailable.
        """
        name, known = await self._latest(size, root)
        for _ in range(self._patience.looks):
            if known is None or known.state in (State.CONFIRMED, State.FAILED):
                break
            await self._patience.pause()
            name, known = await self._latest(size, root)
        if known is not None and known.state in (State.WANTED, State.SENT):
            raise OnItsWay(f"{name} is {known.state.value}")
        return await self._read(size, root)

    async def _latest(self, size: int, root: bytes) -> tuple[str, Outcome | None]:
        """Give the name of the first try that its contract did not refuse, and how far it is."""
        plain = f"anchor {size} {root.hex()}"
        async with self._database.reading() as tx:
            for number in range(TRIES):
                name = f"{plain} again {number}" if number else plain
                known = await deeds.outcome(tx, name)
                if known is None or known.state is not State.FAILED:
                    return name, known
        raise Refused(f"the contract refused {plain} {TRIES} times")

    async def _may_anchor(self) -> None:
        """Ask what can be asked for nothing, before a transaction pays for the same no."""
        roles = self._contracts.contract("roles")
        # `is-running` speaks of whoever calls it, and a node calls as nobody's contract.
        if await self._node.call(roles, "is-paused", (self._contract,)) != FALSE:
            raise Unavailable(
                f"{self._contract.text()} is paused: a guardian resumes it"
            )
        who = self._account.principal
        if await self._node.call(self._contract, "is-oracle", (who,)) != TRUE:
            raise Refused(f"{who.text()} is not the oracle of {self._contract.text()}")

    async def _read(self, size: int, root: bytes) -> str | None:
        tip = await self._node.info()
        found = await self._node.entry(self._contract, "roots", Buffer(root))
        if found.value is None:
            last = await self._last_size()
            if size <= last:
                raise Refused(f"the contract holds size {last} already, not below")
            return None
        if _number(found, "size") != size:
            raise Refused(f"the contract holds this root at another size than {size}")
        height = _number(found, "height")
        if tip.height - height < self._limits.depth:
            raise OnItsWay(f"the anchor of size {size} is in block {height}")
        chain = self._account.network.chain_id
        return stacks_reference(chain, self._contract.text(), height)

    async def _last_size(self) -> int:
        count = await self._node.call(self._contract, "get-anchor-count", ())
        if not isinstance(count, UInt):
            raise Unavailable("the contract does not count its anchors")
        if count.value == 0:
            return 0
        key = UInt(count.value - 1)
        return _number(await self._node.entry(self._contract, "anchors", key), "size")


def _number(found: Optional, name: str) -> int:
    """Read a number of a map's value; Unavailable where it is not there."""
    if isinstance(found.value, Tuple):
        number = found.value.fields.get(name)
        if isinstance(number, UInt):
            return number.value
    raise Unavailable(f"the contract's map does not say {name}")
