"""Two cells of committed homes at an aggregator, and three real trustees behind mutual TLS.

The homes told their day; the aggregator's duty is run by hand, at the time a test says. A
`Cells` is copied from one that was made ready once, so each test has trustees of its own.
"""

import asyncio
import shutil
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.privacy import deposits, proofs, totals
from meterseal_aggregator.privacy.totals import Cell, Total
from meterseal_aggregator.privacy.trustees import job
from meterseal_aggregator.privacy.trustees.client import TrusteeClient
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_aggregator.privacy.trustees.pinned import pin
from meterseal_aggregator.privacy.trustees.round import Office
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.keys import RootSecret
from meterseal_proto.reporting import quarter_of
from meterseal_proto.seal import MODE_COMMITTED, Head
from meterseal_proto.seedbox import TrusteeKey, deposited
from meterseal_proto.units import IMPORT, MeterId
from meterseal_trustee.keys import TrusteeSecrets, make_keys, open_keys
from tests.support.committed import SEEDS, CommittedDevice, enrol_committed
from tests.support.devices import BEGAN_AT
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.trustee_programs import Program, start_three
from tests.support.trusteeship import context_of

HOUR: Final = 3_600
DAY_S: Final = 86_400
DAY: Final = BEGAN_AT // DAY_S + 1
"""The day that is told, 2023-11-15 in UTC."""
MORNING: Final = (DAY + 1) * DAY_S + 6 * HOUR
"""When a day's sets are fixed: 06:00 of the day after."""
TRUSTEES_AT: Final = (DAY + 20) * DAY_S
"""When the trustees' programs live: three weeks later, in the same quarter."""
CELL: Final = 33
"""Homes of a cell."""
ON_TIME: Final = 21
"""Homes of a cell that told their day before its cut-off."""
Asking = Callable[[str, Mapping[str, object]], Awaitable[dict[str, Any]]]


def a_home(number: int) -> CommittedDevice:
    """Return home `number`, whose register begins with the day."""
    meter = MeterId(number.to_bytes(16))
    key = RootSecret(number.to_bytes(32)).seal_key()
    start = RegisterStart(IMPORT, HOUR, 0, DAY * DAY_S, MODE_COMMITTED, 16)
    link = enrolment_hash(GENESIS.network, meter, start, key.public)
    head = Head(0, link, start.at, 0)
    return CommittedDevice(
        meter, "pi-1", key, start, link, head, step=HOUR, genesis=GENESIS
    )


def wh(home: CommittedDevice) -> list[int]:
    """Return what a home used on the day, hour by hour."""
    return [(int.from_bytes(home.meter) * 7 + hour * 3) % 900 for hour in range(24)]


def sum_of(homes: Sequence[CommittedDevice]) -> int:
    """Return what homes used on the day together."""
    return sum(sum(wh(home)) for home in homes)


@dataclass
class Cells:
    """The aggregator's database, its homes, the trustees' programs and the clients for them."""

    database: Database
    folder: Path
    homes: list[CommittedDevice]
    secrets: list[TrusteeSecrets]
    programs: list[Program]
    clients: list[TrusteeClient] = field(default_factory=list)
    lies: dict[int, Callable[[Asking], Asking]] = field(default_factory=dict)
    """What stands between the duty and a trustee, by its number."""
    requests: int = 0

    @property
    def north(self) -> list[CommittedDevice]:
        """The first cell."""
        return self.homes[:CELL]

    @property
    def south(self) -> list[CommittedDevice]:
        """The second cell."""
        return self.homes[CELL:]

    @property
    def keys(self) -> tuple[TrusteeKey, TrusteeKey, TrusteeKey]:
        """The trustees' public keys."""
        first, second, third = (one.public for one in self.secrets)
        return first, second, third

    @property
    def office(self) -> Office:
        """What the duty works with."""
        trustees = PinnedTrustees(GENESIS.network, self.keys)
        asks = [self._ask(number) for number in range(3)]
        return Office(self.database, GENESIS, trustees, asks)

    def _ask(self, number: int) -> Asking:
        async def counted(path: str, body: Mapping[str, object]) -> dict[str, Any]:
            self.requests += 1
            return await self.clients[number].ask(path, body)

        lie = self.lies.get(number)
        return lie(counted) if lie else counted

    async def run(self, now: int = MORNING) -> int:
        """Run the duty until it finds nothing to do at that second."""
        return await until_idle(lambda: job.run_once(self.office, now))

    async def settle(self, *cells: str) -> None:
        """Bring the seeds to the trustees, fix cells, and have their rosters signed."""
        await self.run(0)
        for cell in cells:
            await self.fix_cell(cell)
        await self.run(DAY * DAY_S)

    async def fix_cell(self, cell: str, **change: Any) -> None:
        """Fix a cell for the quarter of the day."""
        members = tuple(home.meter for home in getattr(self, cell))
        wish = Cell(cell, quarter_of(DAY), IMPORT, members)
        async with self.database.transaction() as tx:
            await totals.fix_cell(tx, replace(wish, **change), now=1)

    async def tell(
        self, homes: Sequence[CommittedDevice], now: float = MORNING - HOUR
    ) -> None:
        """Let homes tell their day; intake takes it at `now`, and its proofs are checked."""
        intake = Intake(self.database, Notary(GENESIS, LOG_KEY), lambda: now)
        await intake.deliver([home.tell(wh(home)).by("pi-1") for home in homes])
        intake.close()
        assert not intake.tally.reasons
        while (
            await proofs.run_once(self.database, GENESIS, int(now), set_aside)
        ).count:
            pass

    async def stop(self, number: int) -> None:
        """Kill a trustee's program."""
        await asyncio.to_thread(self.programs[number].stop, kill=True)

    async def start(self, number: int) -> None:
        """Start a trustee's program again, on what it had kept; its address is another."""
        old = self.programs[number]
        program = await asyncio.to_thread(
            Program.start, old.config, old.key, TRUSTEES_AT
        )
        self.programs[number] = program
        await self.clients[number].close()
        self.clients[number] = client_of(program, self.folder)

    async def totals(self) -> dict[str, Total]:
        """Return the totals there are, by cell."""
        async with self.database.reading() as tx:
            found = await totals.proved(tx, after=0, limit=100)
        return {one.cell: one for one in found}

    async def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return the rows of a select."""
        async with self.database.reading() as tx:
            return await tx.rows(sql, params)

    async def change(self, sql: str, *params: object) -> None:
        """Change what no program would: triggers are dropped for it."""
        async with self.database.transaction() as tx:
            names = await tx.rows(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            )
            for (name,) in names:
                await tx.rows(f"DROP TRIGGER {name}")
            await tx.rows(sql, params)


def make_secrets(folder: Path) -> list[TrusteeSecrets]:
    """Make, or open again, the keys of three trustees in `folder`."""
    found = []
    for number in range(3):
        make_keys(folder / str(number) / "keys")
        found.append(open_keys(folder / str(number) / "keys", number))
    return found


async def make_ready(folder: Path) -> None:
    """Make a database with homes, their deposits, and the days of ON_TIME homes a cell."""
    secrets = make_secrets(folder)
    homes = [a_home(number) for number in range(1, 2 * CELL + 1)]
    database = await Database.open(f"sqlite:///{folder}/aggregator.sqlite")
    await migrate(database)
    cells = Cells(database, folder, homes, secrets, [])
    async with database.transaction() as tx:
        await enrol_committed(tx, homes)
        await pin(tx, PinnedTrustees(GENESIS.network, cells.keys))
        for home in homes:
            given = [
                deposited(home.key, GENESIS.network, home.meter, key, SEEDS)
                for key in cells.keys
            ]
            await deposits.take(tx, given, 1)
    await cells.tell(cells.north[:ON_TIME] + cells.south[:ON_TIME])
    await database.close()


@contextmanager
def trustees(
    folder: Path, secrets: Sequence[TrusteeSecrets]
) -> Iterator[list[Program]]:
    """Run three trustees in `folder`, and stop them; none of them may have tracebacks."""
    keys = [one.public for one in secrets]
    programs = start_three(folder, keys, GENESIS.network, TRUSTEES_AT)
    try:
        yield programs
    finally:
        logs = [program.stop() for program in programs]
    assert not [log for log in logs if "Traceback" in log]


@asynccontextmanager
async def cells_like(ready: Path, folder: Path) -> AsyncIterator[Cells]:
    """Open cells as `make_ready` left them, with trustees that know nothing yet."""
    shutil.copytree(ready, folder, dirs_exist_ok=True)
    secrets = make_secrets(folder)
    homes = [a_home(number) for number in range(1, 2 * CELL + 1)]
    async with AsyncExitStack() as stack:
        programs = stack.enter_context(trustees(folder, secrets))
        database = await Database.open(f"sqlite:///{folder}/aggregator.sqlite")
        cells = Cells(database, folder, homes, secrets, programs)
        cells.clients = [client_of(program, folder) for program in programs]
        try:
            yield cells
        finally:
            await cells.database.close()
            for client in cells.clients:
                await client.close()


def client_of(program: Program, folder: Path) -> TrusteeClient:
    """Return the aggregator's line to a running trustee."""
    return TrusteeClient(program.url, context_of(str(folder / "tls"), "aggregator"))
