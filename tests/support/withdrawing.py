"""A street that withdraws: real books, the chain's contract in memory, and ears between.

    async with open_street(folder) as street:
        await street.credit(0, 100, 200)
        await street.ask(0, 300)
        await street.come_through()

What the chain told is heard in order, in the transaction that counts how far, as the
indexer does. Every act may be cut short by the fuse of its database and done again.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterseal_aggregator import credits as credit_room
from meterseal_aggregator.app.retiring import retire_on_chain
from meterseal_aggregator.credits.mint import run_once as mint_once
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.model import WH, AccountCode
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.stacks.calls.token import Claim
from meterseal_aggregator.stacks.mirror import books
from meterseal_aggregator.stacks.withdrawals import ask, check, duty, returns, store
from meterseal_aggregator.stacks.withdrawals.duty import Gathering
from meterseal_aggregator.stacks.withdrawals.follow import Follow
from meterseal_aggregator.stacks.withdrawals.model import (
    ENERGY,
    LEAVING,
    Moment,
    NotMade,
    Part,
    Place,
    State,
    Teller,
    Trouble,
    Way,
    Wish,
    Withdrawal,
)
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.c32 import Principal
from meterseal_proto.merkle import inclusion_proof
from meterseal_proto.units import EXPORT
from tests.support.energychain import AT, ORACLE, EnergyChain, heard_of, wallet
from tests.support.mortal import Fuse, MortalDatabase
from tests.support.quickdatabase import QuickDatabase
from tests.support.street import BEGIN, Home, settle_in

NETWORK = bytes(range(32))
LATER = BEGIN + 7 * 86_400
NOW = Moment(LATER, LATER)
TELLER = Teller(AT, ORACLE.text())
AT_ONCE = Gathering(after_s=0)


def owner(who: int) -> Principal:
    """The wallet of home `who`'s member."""
    return wallet(who + 1)


@dataclass
class Street:
    """Homes 1, 2, ... of members of the same number, their books, and the chain."""

    database: MortalDatabase
    fuse: Fuse
    homes: list[Home]
    chain: EnergyChain
    follow: Follow
    teller: Teller = TELLER
    account: Callable[[int], Principal] = owner
    days: int = 0
    keys: int = 0
    revisions: dict[tuple[int, int], int] = field(default_factory=dict)

    async def credit(self, who: int, *deltas: int) -> None:
        """Let a home export these Wh, slot by slot, until they are final."""
        async with self.database.transaction() as tx:
            await self.homes[who].tell(tx, *deltas)
        await self.mint()

    async def revise(self, who: int, slot: int, wh: int) -> None:
        """Let the device correct a slot that it told before."""
        start = BEGIN + 900 * slot
        number = self.revisions.get((who, slot), 0) + 1
        self.revisions[who, slot] = number
        async with self.database.transaction() as tx:
            await self.homes[who].revise(tx, start, wh, number)
        await self.mint()

    async def mint(self) -> None:
        await until_idle(lambda: assess_once(self.database, LATER))
        await until_idle(lambda: mint_once(self.database, NETWORK, LATER))

    def wish(self, who: int, wh: int, way: Way | None = Way.DIRECT) -> Wish:
        """A new wish of home `who`'s member."""
        self.keys += 1
        place = Place(who + 1, EXPORT)
        return Wish(who + 1, f"key {self.keys}", place, wh, self.account(who), way)

    async def ask(self, who: int, wh: int, way: Way | None = Way.DIRECT) -> Withdrawal:
        return await self.grant(self.wish(who, wh, way))

    async def grant(self, wish: Wish, moment: Moment = NOW) -> Withdrawal:
        async with self.database.transaction() as tx:
            made, _ = await ask.withdraw(tx, self.teller, wish, moment)
        return made

    async def work(self) -> int:
        """Let the duty do what is due."""
        moment = Moment(LATER + self.days * 86_400, LATER)
        return await duty.run_once(self.database, self.teller, AT_ONCE, moment)

    async def hear(self, most: int = 1_000) -> int:
        """Hear what the chain told, as far as it was not heard, an event a transaction."""
        for count in range(most):
            async with self.database.transaction() as tx:
                ((heard,),) = await tx.rows("SELECT n FROM heard")
                await heard_of(tx, heard)
                if heard == len(self.chain.told):
                    return count
                await tx.rows("UPDATE heard SET n = n + 1")
                settled = self.chain.told[heard]
                await books.take(
                    tx, settled.told, height=settled.height, txid=settled.txid
                )
                await self.follow(tx, settled)
        return most

    async def come_through(self) -> None:
        """Let duty, chain and ears go on until nothing moves, on another day."""
        self.days += 1
        while (
            await self.work() + await self.chain.run(self.database) + await self.hear()
        ):
            pass

    async def parts(self, withdrawal: int) -> list[Part]:
        async with self.database.reading() as tx:
            return await store.parts(tx, [withdrawal])

    async def claim(self, withdrawal: int) -> None:
        """Let somebody claim what a withdrawal's leaf gives; raises the chain's Refused."""
        of, siblings = await self.proof(withdrawal)
        self.chain.claim(of, siblings, self.txid())

    async def proof(self, withdrawal: int) -> tuple[Claim, tuple[bytes, ...]]:
        """A withdrawal's claim, shown to be claimable or not."""
        (part,) = await self.parts(withdrawal)
        assert part.leaf is not None
        async with self.database.reading() as tx:
            epoch = (await store.epochs(tx, [part.leaf.epoch_id]))[part.leaf.epoch_id]
            beside = await store.leaves(tx, epoch.id)
        hashes = [
            duty.claim_leaf(self.teller, epoch.number, n, one)
            for n, one in enumerate(beside)
        ]
        index = part.leaf.index
        of = duty.claim_of(epoch.number, index, part)
        return of, inclusion_proof(hashes, index)

    async def open_deposit(self, who: int) -> bytes:
        self.keys += 1
        async with self.database.transaction() as tx:
            deposit, _ = await returns.open_deposit(
                tx, who + 1, f"key {self.keys}", now=LATER
            )
        return deposit.name

    def txid(self) -> str:
        """An id of a transaction that a member sent."""
        self.keys += 1
        return hashlib.sha256(b"member's %d" % self.keys).hexdigest()

    async def held(self, code: str) -> int:
        """What an account of the ledger may give."""
        async with self.database.reading() as tx:
            found = await ledger.balances(tx, WH, [AccountCode(code)])
        return found[AccountCode(code)].held if found else 0

    async def owed(self, member: int) -> int:
        async with self.database.reading() as tx:
            found = await ledger.balances(tx, WH, [AccountCode(f"debt:{member}")])
        return sum(one.owed for one in found.values())

    async def on_chain(self) -> tuple[int, int]:
        """What leaves, and what is on the chain, by the ledger."""
        return await self.held(LEAVING), await self.held(ENERGY)

    async def audit(self) -> list[Finding]:
        """Every finding about Wh."""
        async with self.database.reading() as tx:
            found = await ledger_check.findings(tx)
            found += await credit_room.findings(tx)
            supply = (await books.totals(tx)).total
            return found + await check.findings(tx, supply)

    async def is_well(self) -> None:
        """All books agree, with each other and with the chain when all was heard."""
        bad = [one for one in await self.audit() if not one.ok]
        assert not bad, bad
        async with self.database.reading() as tx:
            ((heard,),) = await tx.rows("SELECT n FROM heard")
        if heard == len(self.chain.told):
            assert await self.held(ENERGY) == self.chain.supply


@asynccontextmanager
async def open_street(folder: Path | None, homes: int = 2) -> AsyncIterator[Street]:
    """Open a street whose slots are final when they ended, in a file or (None) in memory."""
    if folder is None:
        database: MortalDatabase = await QuickDatabase.in_memory()
    else:
        path = folder / "street.sqlite"
        database = await MortalDatabase.open(f"sqlite:///{path}")
    database.fuse = fuse = Fuse()
    await migrate(database)
    async with database.transaction() as tx:
        await record(tx, Change(Name.FINALITY_DELAY_S, 0, 0, 0, "test"))
        await tx.rows("CREATE TABLE heard (n INTEGER NOT NULL)")
        await tx.rows("INSERT INTO heard VALUES (0)")
    settled = [await settle_in(database, number + 1) for number in range(homes)]
    follow = Follow(retire_on_chain, lambda: LATER)
    try:
        yield Street(database, fuse, settled, EnergyChain(NETWORK), follow)
    finally:
        fuse.left = None
        await database.close()


async def states(street: Street, withdrawal: int) -> list[State]:
    """Return how far each part of a withdrawal is."""
    return [part.state for part in await street.parts(withdrawal)]


async def refused(street: Street, trouble: Trouble, who: int, *asked: object) -> None:
    """Hold that a wish is not made, and why."""
    with pytest.raises(NotMade) as caught:
        await street.ask(who, *asked)  # type: ignore[arg-type]  # as each test has them
    assert caught.value.trouble is trouble
