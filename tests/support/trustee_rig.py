"""Three trustees without HTTP: desks over real databases, made ready once and copied."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from meterseal_proto.reporting import Place, Reported, Roster
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS
from meterseal_trustee.audit import Finding, audit
from meterseal_trustee.database import Database
from meterseal_trustee.desk import Desk, Settings
from meterseal_trustee.keys import TrusteeSecrets, make_keys, open_keys
from meterseal_trustee.model import SignedSet
from tests.support.trusteeship import CHAIN_ID, DAY, NETWORK, NOON_AFTER, House


@dataclass(slots=True)
class Clock:
    """A clock that tests set."""

    at: float = NOON_AFTER

    def __call__(self) -> float:
        return self.at


@dataclass(slots=True)
class Three:
    """Three desks, their secrets and their clock."""

    desks: list[Desk]
    secrets: list[TrusteeSecrets]
    settings: list[Settings]
    clock: Clock = field(default_factory=Clock)

    @property
    def keys(self) -> list[TrusteeKey]:
        return [one.public for one in self.secrets]

    async def settle(self, members: Sequence[House], *rosters: Roster) -> None:
        """Deposit everybody's seeds everywhere, and have these rosters signed."""
        for desk in self.desks:
            for house in members:
                await desk.deposit(house.deposit(desk.public))
            for roster in rosters:
                await desk.propose(roster)

    async def all_sign(
        self, reported: Sequence[Reported], cell: str = "north", day: int = DAY
    ) -> list[SignedSet]:
        place = Place(NETWORK, cell, day)
        return [await desk.report(place, reported) for desk in self.desks]

    async def audits(self) -> list[list[Finding]]:
        return [
            await audit(settings, secrets, desk.database, self.clock())
            for settings, secrets, desk in zip(
                self.settings, self.secrets, self.desks, strict=True
            )
        ]


@asynccontextmanager
async def three(
    folder: Path, *, by_hand: bool = False, like: Path | None = None
) -> AsyncIterator[Three]:
    """Open three trustees in `folder`; with `like`, as they stood in that folder."""
    if like is not None:
        shutil.copytree(like, folder, dirs_exist_ok=True)
    secrets = []
    for number in range(SEEDS):
        make_keys(folder / str(number) / "keys")
        secrets.append(open_keys(folder / str(number) / "keys", number))
    pinned = tuple(one.public for one in secrets)
    settings = Settings(NETWORK, CHAIN_ID, ZoneInfo("UTC"), pinned, by_hand=by_hand)
    clock = Clock()
    async with AsyncExitStack() as stack:
        desks = []
        for number, secret in enumerate(secrets):
            path = folder / str(number) / "trustee.sqlite"
            database = await Database.open(path)
            stack.push_async_callback(database.close)
            desks.append(Desk(settings, secret, database, clock))
        yield Three(desks, secrets, [settings] * SEEDS, clock)
