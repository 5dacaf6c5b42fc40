"""A mailroom of pigeons: notices made of what happens to a household, and who took them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.billing.statements.issue import told
from meterseal_aggregator.billing.statements.store import bills_by_id
from meterseal_aggregator.identity import events
from meterseal_aggregator.notices import outbox, preferences
from meterseal_aggregator.notices.duty import Mailroom, run_once
from meterseal_aggregator.notices.model import USUAL, Address, Kind, Letter, Way
from meterseal_aggregator.notices.port import Outlet
from meterseal_aggregator.notices.preferences import Wish
from meterseal_aggregator.storage.database import Database
from tests.support.billed import DAY, Household, a_household, billed
from tests.support.marketplace import NOW
from tests.support.migrated import open_migrated

ADA = "ada@home.example"
NUMBER = "+254700000007"
EVERYTHING = frozenset(Kind)
OPERATOR = Address(Way.EMAIL, "ops@street.example")
LINK = "https://street.example"


@dataclass
class Pigeons:
    """An outlet that keeps what it took, or fails as it is told."""

    trouble: Exception | None = None
    took: list[Letter] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)

    async def send(self, letter: Letter) -> None:
        """Take it, or fail."""
        self.tries.append(letter.id)
        if isinstance(self.trouble, RuntimeError):
            # It was taken, and the process died before it could write that down.
            self.took.append(letter)
            raise self.trouble
        if self.trouble is not None:
            # As servers do, it repeats whom it is about.
            raise type(self.trouble)(f"{self.trouble}: {letter.address.to}")
        self.took.append(letter)


@dataclass
class Post:
    """A database with a household, and a mailroom of pigeons."""

    db: Database
    home: Household
    pigeons: Pigeons
    now: int = NOW

    def mailroom(self, ways: frozenset[Way] = frozenset(Way)) -> Mailroom:
        outlets: dict[Way, Outlet] = dict.fromkeys(ways, self.pigeons)
        return Mailroom(outlets, (OPERATOR,), LINK)

    async def run(self, after_s: int = 0) -> int:
        self.now += after_s
        return await run_once(self.db, self.mailroom(), self.now)

    async def wish(self, *addresses: Address, language: Language = Language.EN) -> None:
        async with self.db.transaction() as tx:
            wish = Wish(language, addresses)
            await preferences.keep(tx, self.home.member, wish, now=self.now)

    async def bill(self, cents: int = 12_50) -> int:
        async with self.db.transaction() as tx:
            bill = await billed(tx, self.home, cents, issued_at=self.now)
            row = (await bills_by_id(tx, [bill]))[bill]
            await events.tell(tx, [told(row, self.now + 14 * DAY)], now=self.now)
        return bill

    async def tell(self, kind: str, body: dict[str, object]) -> None:
        async with self.db.transaction() as tx:
            one = events.Told(self.home.member, kind, body)
            await events.tell(tx, [one], now=self.now)

    async def states(self) -> list[tuple[str, str, int]]:
        async with self.db.reading() as tx:
            found = await outbox.notices(tx, after=0, limit=99)
        return [(one.kind.value, one.state.value, one.attempts) for one in found]


def email(kinds: frozenset[Kind] = USUAL) -> Address:
    return Address(Way.EMAIL, ADA, kinds=kinds)


@asynccontextmanager
async def a_post(folder: Path) -> AsyncIterator[Post]:
    """Open a mailroom that has looked once."""
    db = await open_migrated(folder / "notices.sqlite")
    async with db.transaction() as tx:
        home = await a_household(tx)
    made = Post(db, home, Pigeons())
    await made.run()
    yield made
    await db.close()
