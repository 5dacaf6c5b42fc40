"""The oracle's duties on the devnet: the demo's story, with wrong attempts between.

Each is a signed transaction in Deny mode, through our outbox. A condition that named too
little would stop its own transaction, one that named too much would let a wrong one
through: every call that moves anything is first sent with a condition off by one, or
with none, and has to be stopped.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy import devnet as devnets
from deploy.chain_meters import Street
from deploy.processes import Processes
from deploy.story.bills import till, work
from deploy.story.mirror import Row, compared, listen, table
from deploy.story.scene import GENESIS, Scene, people
from deploy.story.telling import tell
from deploy.story.walk import Deed, Person, Stumbled, Walk
from meterseal_aggregator.billing.chain import nodecheck
from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.events.energy import Anchor, EnergyMoved
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.transaction import Amount, Condition
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.clarity import Value
from tests.contracts.test_contracts import installed, need_node
from tests.support.followed import followed

LIES = (
    ("paid = paid + 1", "paid = paid - 1", "payment.get-paid"),
    ("reward = reward + 1", "reward = reward - 1", "payment.get-reward"),
    ("amount = amount + 1", "amount = amount - 1", "amount of bill"),
    ("due_at = due_at + 1", "due_at = due_at - 1", "due-at of bill"),
    ("held = 1 - held", "held = 1 - held", "held of bill"),
)
"""What is changed in the books about every bill, how it is made good, what is named."""


@dataclass(slots=True)
class Trying(Walk):
    """A walk that tries each function once with conditions that do not fit."""

    tried: set[str] = field(default_factory=set)

    async def does(self, who: Person, call: Deed, note: str = "") -> Value:
        assets = {one.asset.name for one in call.conditions if one.asset is not None}
        name = " ".join((f"{call.contract.name}.{call.function}", *sorted(assets)))
        if call.conditions and name not in self.tried:
            assert isinstance(call, Call)
            self.tried.add(name)
            await self.broken(who, spoiled(call))
        # A slotted dataclass is made anew, so super() without arguments misses it.
        return await Walk.does(self, who, call, note)


def spoiled(call: Call) -> Call:
    """Return the call with its last condition just too tight."""
    *others, last = call.conditions
    if last.how is Amount.AT_MOST:
        return replace(call, conditions=tuple(others))
    return replace(call, conditions=(*others, _off_by_one(last)))


def _off_by_one(one: Condition) -> Condition:
    return replace(one, amount=one.amount + (1 if one.how is Amount.AT_LEAST else -1))


@asynccontextmanager
async def scene(folder: Path, walks: type[Walk]) -> AsyncIterator[Scene]:
    need_node()
    installed()
    with Processes(folder / "logs") as processes:
        devnet = devnets.start(processes, folder, 0, block_ms=0)
        books = await Database.open(f"sqlite:///{folder / 'story.db'}")
        node = HttpNode(devnet.url, devnets.TEST)
        try:
            await migrate(books)
            walk = walks(books, node, devnet, Limits(depth=1), print)
            cast = people(devnet.accounts)
            at = Deployment(cast["admin"].principal.address)
            yield Scene(walk, at, cast, GENESIS.network, Street(GENESIS.network))
        finally:
            await node.close()
            await books.close()


async def test_the_oracle_does_its_duties_and_wrong_conditions_are_stopped(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, Trying) as played:
        rows = await tell(played)
        walk = played.walk
        assert isinstance(walk, Trying)
        assert len({line.function for line in walk.lines}) > 55
        assert len(walk.tried) >= 15
        assert {"payment.pay-bill", "payment.pay-bill usd"} < walk.tried
        print(table(rows))
        assert all(row.equal for row in rows), table(rows)
        assert rows[0].chain != "0"
        told = await listen(walk.node, played.at)
        assert len({type(one) for one in told}) > 50
        mirrored = await followed(walk.node, played.at, tmp_path)
        assert Counter(mirrored) == Counter(told)
        await a_lost_event_or_another_root_shows(played, rows)
        await what_is_not_as_told_stumbles(played)
        await a_bill_otherwise_than_its_contract_is_named(played)


async def a_lost_event_or_another_root_shows(played: Scene, rows: list[Row]) -> None:
    """The comparison finds a mirror that missed something, or was told a lie."""
    told = await listen(played.walk.node, played.at)
    moved = next(one for one in told if isinstance(one, EnergyMoved))
    deaf = [one for one in told if one is not moved]
    lied = [
        replace(one, root=bytes(32)) if isinstance(one, Anchor) else one for one in told
    ]
    for wrong in (deaf, lied):
        found = await compared(played.walk, played.at, wrong, {})
        assert not all(row.equal for row in found)
        assert "DIFFERS" in table(found)
    assert "DIFFERS" not in table(rows)


async def what_is_not_as_told_stumbles(played: Scene) -> None:
    """A story that ends otherwise than it says does not go on."""
    at, who = played.at, played.who
    tea = token.transfer(at, 1, who("home"), who("seller"), None)
    with pytest.raises(Stumbled, match="was not refused as u303"):
        await played.refused("home", tea, 303, "")
    with pytest.raises(Stumbled, match="ended failed"):
        await played.does("buyer", tea)
    with pytest.raises(Stumbled, match="was not stopped"):
        await played.walk.broken(played.people["home"], tea)


async def a_bill_otherwise_than_its_contract_is_named(played: Scene) -> None:
    """The audit asks the contracts, and finds each lie in the books about a bill."""
    flat, node = played.flats["flat"], played.walk.node
    await work(played, flat)
    known = till(played, flat)
    (good,) = await nodecheck.findings(flat.books, node, known)
    assert good.ok, good
    for change, back, named in LIES:
        for does, is_true in ((change, False), (back, True)):
            async with flat.books.transaction() as tx:
                await tx.rows(f"UPDATE chain_bills SET {does}")  # noqa: S608 - ours
            (found,) = await nodecheck.findings(flat.books, node, known)
            assert found.ok is is_true, found
            assert found.ok or named in found.detail
