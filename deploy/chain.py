"""`make demo WITH=chain`: the street's log, its meters and its energy on a devnet.

    chain = start(processes, folder, port, say)     # a devnet, our contracts on it
    plan = chain.plan(plan)                         # and the aggregator on that
    chain.found(street)                             # roles; before any agent enrols
    chain.join(street)                              # members, wallets, meters; before the day
    ... the street's day ...
    good = chain.finish(street)                     # the chain beside our own books

The street's own contracts hold nothing but what its aggregator did: checkpoints of its log,
withdrawn Wh, its meters. What has to be made up, a month in a minute, plays on the same
contracts published a second time (`deploy.story`). This module must never let a made-up
reading into the street's books, nor say that a figure holds that it did not compare.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from deploy import chain_duties
from deploy import devnet as devnets
from deploy.chain_community import COMMUNITY
from deploy.chain_members import bound, join
from deploy.chain_meters import STEP
from deploy.chain_meters import Street as Meters
from deploy.chain_outcome import caught_up, compared, deeds
from deploy.chain_street import AFTER, BEFORE, NOON, PRODUCERS, TRADED, Life
from deploy.devnet import SECOND, TEST, Devnet
from deploy.outcome import SETTLED_WITHIN_S
from deploy.people import exports
from deploy.processes import Failed, Processes, until
from deploy.story import beginning
from deploy.story.mirror import Row, table
from deploy.story.scene import GENESIS, Scene, people
from deploy.story.telling import tell
from deploy.story.walk import Line, Stumbled, Walk
from deploy.street import Plan, Street, aggregate, registers
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.errors import Unavailable

DEPTH: Final = 2
"""Blocks over ours before it counts; a devnet has no forks, and nobody waits a minute."""
FUNDS: Final = 1_000_000_000
"""Micro-STX for the oracle's fees: a thousand of the dearest transactions."""
CONFIG: Final = """drive_s = 0.5
follow_s = 0.5
withdraw_s = 0.5
[stacks]
nodes = ["{url}"]
contracts = "{contracts}"
key_file = "{key}"
depth = {depth}
"""
"""The end of the aggregator's file; its first line still belongs to the jobs."""
KEY: Final = "oracle.key"
ASKED: Final = 2
"""Lines at the end of `audit --node`: what contracts answered about mirrors, about bills."""
BILL_HASH: Final = "billing.post-bill-hash"
PARTS: Final = ("seller", "neighbour", "buyer")
TOO_FEW: Final = "WITH=chain needs three homes, two that export and one of them at noon: HOMES=3 or more"

Say = Callable[[str], None]
Chapter = Callable[[Scene, Life], Awaitable[None]]


@dataclass(slots=True)
class Chain:
    """A rehearsed street's side of the chain; `oracle` signs for its aggregator alone."""

    devnet: Devnet
    folder: Path
    oracle: Account
    say: Say
    life: Life | None = None
    street: list[Line] = field(default_factory=list)
    story: list[Line] = field(default_factory=list)

    @property
    def contracts(self) -> Deployment:
        """Our contracts as the street uses them."""
        return Deployment(self.devnet.accounts["deployer"].principal.address)

    def plan(self, plan: Plan) -> Plan:
        """Return the street's plan with the aggregator on this chain."""
        publisher = self.contracts.address.text()
        told = CONFIG.format(
            url=self.devnet.url, contracts=publisher, key=self.folder / KEY, depth=DEPTH
        )  # fmt: skip
        registry = f'registry = "{publisher}.user-registry"\n'
        return replace(plan, network_more=registry, chain_more=told)

    def found(self, street: Street) -> None:
        """Hand out the roles for the street's network, the oracle's among them."""

        async def give() -> None:
            async with self.scene(street) as scene:
                await beginning.network(scene)

        run(give)

    def join(self, street: Street) -> None:
        """Bring three members, their wallets and meters onto the chain; sell some of noon."""
        parts, wh = casting(street)
        members = join(street, self.devnet.url, parts)
        signed = {name: bound(street, members[name]) for name in PRODUCERS}
        self.life = Life(street, members, signed, wh)
        self._chapters(street, BEFORE)

    @property
    def homes(self) -> list[int]:
        """The homes of the members who trade on the chain."""
        return [one.home for one in self.life.members.values()] if self.life else []

    def finish(self, street: Street) -> bool:
        """Tell the rest; returns whether chain and books say the same of everything."""
        began = time.monotonic()
        anchored(street)
        hashed(street)
        self._chapters(street, (*AFTER, *COMMUNITY))
        rows = self._beside_the_books(street)
        self.say("\nThe street's contracts beside its aggregator's books:")
        self.say(table(rows))
        if not all(row.equal for row in rows):
            return False
        for line in aggregate(street, "audit", "--node").splitlines()[-ASKED:]:
            self.say(f"  {line}")
        self.say(
            "\nWhat no minute has room for, on the same contracts published again:"
        )
        own = self._made_up()
        self.say("\nThe story's contracts, and our mirror of what they printed:")
        self.say(table(own))
        duties = chain_duties.done([*self.street, *deeds(street.api)], self.story)
        self.say("\nThe oracle's duties, on the street's contracts and on the story's:")
        self.say(chain_duties.table(duties))
        self.say(f"  seconds after the street's day: {time.monotonic() - began:.0f}")
        same = all(row.equal for row in own)
        return same and all(row.enough for row in duties)

    def _chapters(self, street: Street, chapters: Sequence[Chapter]) -> None:
        life = self.life
        assert life is not None

        async def play() -> None:
            async with self.scene(street) as scene:
                scene.walk.driven = True
                for chapter in chapters:
                    await chapter(scene, life)

        run(play)

    def _beside_the_books(self, street: Street) -> list[Row]:
        """Compare once the aggregator has settled all that was told so far."""
        life = self.life
        assert life is not None
        rows: list[Row] = []
        self.devnet.mine(2 * DEPTH)
        caught_up(street.api, street.processes, self.devnet.height() - DEPTH)

        async def look() -> None:
            async with self.scene(street) as scene:
                names = {one.principal: name for name, one in life.members.items()}
                books = scene.walk.elsewhere[self.oracle.address]
                rows.extend(await compared(scene, books, street.api, names))

        run(look)
        return rows

    def asked(self, street: Street) -> tuple[str, ...]:
        """Return what meterseal-verify is given, so that it asks this chain's node."""
        depth = ("--depth", str(DEPTH), "--require-anchor")
        return ("--network", network(street).hex(), "--node", self.devnet.url, *depth)

    def _made_up(self) -> list[Row]:
        """Tell the story on contracts of its own; returns chain and mirror, compared."""
        accounts = self.devnet.accounts
        cast = people(accounts, admin=SECOND, arbiter="deployer")
        at = Deployment(accounts[SECOND].principal.address)
        rows: list[Row] = []

        async def play() -> None:
            async with self._walk("story", self.story) as walk:
                scene = Scene(walk, at, cast, GENESIS.network, Meters(GENESIS.network))
                rows.extend(await tell(scene))

        run(play)
        return rows

    @asynccontextmanager
    async def scene(self, street: Street) -> AsyncIterator[Scene]:
        """Open the street's contracts; the oracle's outbox is the aggregator's own."""
        accounts = dict(self.devnet.accounts) | {"oracle": self.oracle}
        cast = people(accounts, oracle="oracle", arbiter="wallet_2")
        books = street.plan.folder / "aggregator" / "aggregator.sqlite"
        async with self._walk("street", self.street) as walk:
            own = await Database.open(f"sqlite:///{books}")
            try:
                walk.elsewhere[self.oracle.address] = own
                id_ = network(street)
                yield Scene(walk, self.contracts, cast, id_, Meters(id_))
            finally:
                await own.close()

    @asynccontextmanager
    async def _walk(self, name: str, lines: list[Line]) -> AsyncIterator[Walk]:
        books = await Database.open(f"sqlite:///{self.folder / 'story.sqlite'}")
        node = HttpNode(self.devnet.url, TEST)
        try:
            await migrate(books)
            walk = Walk(books, node, self.devnet, Limits(depth=DEPTH), self.say)
            walk.name = f"{name} {len(lines)}"
            yield walk
            lines += walk.lines
        finally:
            await node.close()
            await books.close()


def start(processes: Processes, folder: Path, port: int, say: Say) -> Chain:
    """Start a devnet with our contracts on it, twice, and make the oracle's key."""
    # The story's refusals are wanted: an operator would be told of each.
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    folder.mkdir()
    key = AccountKey(os.urandom(32))
    oracle = Account(TEST, key)
    path = folder / KEY
    path.touch(mode=0o600)
    path.write_text(key.secret.hex())
    began = time.monotonic()
    options = ("--also", SECOND, "--fund", f"{oracle.address}={FUNDS}")
    devnet = devnets.start(processes, folder, port, *options)
    took = time.monotonic() - began
    say(f"A devnet at {devnet.url} with our contracts, up after {took:.0f} s")
    return Chain(devnet, folder, oracle, say)


def network(street: Street) -> bytes:
    """Return the id of the street's network, from its genesis document."""
    path = street.plan.folder / "aggregator" / "keys" / "genesis.json"
    return bytes.fromhex(json.loads(path.read_text())["id"])


def anchored(street: Street) -> None:
    """Wait until the log's newest checkpoint is anchored, and lies deep."""

    def over() -> bool:
        size = int(street.api.text("/v1/log/checkpoint").splitlines()[1])
        return any(row["size"] == size for row in street.api.pages("/v1/anchors"))

    what = "the anchor of the log's last checkpoint"
    until(over, street.processes, SETTLED_WITHIN_S, what)


def hashed(street: Street) -> None:
    """Wait until the hash of the bill on the chain's rail was posted there by its duty."""

    def over() -> bool:
        return any(one.function == BILL_HASH for one in deeds(street.api))

    until(over, street.processes, SETTLED_WITHIN_S, "a bill's hash on the chain")


def casting(street: Street) -> tuple[dict[str, int], dict[int, int]]:
    """Return the homes of seller, neighbour and buyer, and what the first exports at noon.

    The two that will export most sell, the one that will least buys; Wh by the starts of
    the traded quarter hours. Raises Failed where there are not two who export.
    """
    if len(street.meters) < len(PARTS):
        raise Failed(TOO_FEW)
    noon = street.start + NOON
    starts = [noon + n * STEP for n in range(TRADED)]
    shown = {at: registers(street, at) for at in (*starts, noon + TRADED * STEP)}
    exported = exports(street)
    *_, neighbour, seller = sorted(exported, key=lambda home: exported[home])
    buyer = min(exported, key=lambda home: exported[home])
    serial = street.meters[seller]["serial"]
    wh = {
        at: shown[at + STEP][serial]["export_wh"] - shown[at][serial]["export_wh"]
        for at in starts
    }
    if not (exported[neighbour] and all(wh.values())):
        raise Failed(TOO_FEW)
    return dict(zip(PARTS, (seller, neighbour, buyer), strict=True)), wh


def run(play: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run chapters to their end; raises Failed where one stumbles."""
    try:
        asyncio.run(play())
    except (Stumbled, Unavailable) as trouble:
        raise Failed(f"the chain: {trouble}") from None
