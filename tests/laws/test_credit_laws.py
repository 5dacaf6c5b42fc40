"""Laws of crediting: whatever a street tells, revises, edits, retires and however often the
duties run, every Wh is credited once and the audit agrees.

Seen to fail: with a revision that posts its whole value, a mark that is not moved, a
questionable reading that mints, a reset that is not passed over, an edit that is not
looked at again when a device seals anew.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator import credits as credit_room
from meterseal_aggregator import vee
from meterseal_aggregator.credits.mint import run_once
from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.accounts import debt, producer
from meterseal_aggregator.ledger.model import WH, AccountCode, TransferId
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.intervals import Interval
from tests.support.edits import edit_span, shares
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, STEP, Home, settle_in

NETWORK = bytes(32)
DELAY_S = 2 * STEP
RETIRED = AccountCode("retired:somebody")


@dataclass(frozen=True)
class Deed:
    """Something that happens to home `who`; `number` is its Wh, slot or size."""

    kind: str
    who: int
    number: int


DEEDS = st.lists(
    st.builds(
        Deed,
        st.sampled_from(
            [
                "tell",
                "tell",
                "doubt",
                "long",
                "reset",
                "revise",
                "edit",
                "edit",
                "retire",
                "run",
                "run",
            ]
        ),
        st.integers(0, 1),
        st.integers(0, 40),
    ),
    max_size=25,
)

CORRECTIONS = st.lists(
    st.builds(
        Deed,
        st.sampled_from(
            ["tell", "revise", "revise", "edit", "edit", "retire", "run", "run"]
        ),
        st.just(0),
        st.integers(0, 8),
    ),
    min_size=10,
    max_size=30,
)
"""Of one home's few first slots."""


class World:
    """Two homes, and beside them the plain count of what each slot should bring."""

    def __init__(self, database: Database, homes: Sequence[Home]) -> None:
        self.database = database
        self.homes = homes
        self.slots: list[dict[int, int]] = [{} for _ in homes]
        self.revisions: dict[tuple[int, int], int] = {}
        self.edits: list[dict[int, int]] = [{} for _ in homes]
        self.retired = 0

    async def do(self, number: int, deed: Deed) -> None:
        if deed.kind in ("run", "edit"):
            await self.run_or_edit(deed)
            return
        home, slots = self.homes[deed.who], self.slots[deed.who]
        async with self.database.transaction() as tx:
            if deed.kind == "tell":
                slots[home.end] = deed.number
                slots[home.end + STEP] = 3
                await home.tell(tx, deed.number, 3)
            elif deed.kind == "doubt":
                slots[home.end] = 0
                await home.tell(tx, deed.number, quality=10)
            elif deed.kind == "long":
                await home.tell(tx, deed.number, quality=10, length=3 * STEP)
            elif deed.kind == "reset":
                await home.reset(tx, deed.number)
            elif deed.kind == "revise" and slots:
                start = sorted(slots)[deed.number % len(slots)]
                slots[start] = deed.number
                revision = self.revisions.get((deed.who, start), 0) + 1
                self.revisions[(deed.who, start)] = revision
                await home.revise(tx, start, deed.number, revision=revision)
            elif deed.kind == "retire":
                wish = Retirement(
                    TransferId(number.to_bytes(16)),
                    producer(home.member_id),
                    "somebody",
                    Interval(BEGIN, STEP),
                    1 + deed.number,
                )
                result = await retire(tx, wish, now=home.end)
                self.retired += result.amount if result.entered else 0

    async def run_or_edit(self, deed: Deed) -> None:
        """Run the duties; or say what one to three slots exported, some told by nobody yet."""
        last = max(home.end for home in self.homes)
        if deed.kind == "run":
            await self.run(last)
            return
        begin = BEGIN + deed.number % 9 * STEP
        span = begin, begin + (1 + deed.number % 3) * STEP
        meter, now = self.homes[deed.who].meter, max(last, span[1])
        await edit_span(self.database, meter, span, deed.number, now=now)
        self.edits[deed.who].update(shares(span, deed.number))

    async def run(self, now: int) -> None:
        await until_idle(lambda: assess_once(self.database, now))
        await until_idle(lambda: run_once(self.database, NETWORK, now))

    async def check(self) -> None:
        """The books bring each member what the plain count says, less what was retired."""
        members = [home.member_id for home in self.homes]
        async with self.database.reading() as tx:
            codes = [producer(m) for m in members] + [debt(m) for m in members]
            accounts = await store.balances(tx, WH, [*codes, RETIRED])
            found = await check.findings(tx)
            found += await vee.findings(tx)
            found += await credit_room.findings(tx)
        assert all(finding.ok for finding in found), found
        held = sum(a.held for a in accounts.values() if a.code.startswith("producer"))
        owed = sum(a.owed for a in accounts.values())
        # An edit lowers what a slot is worth and never raises it.
        due = sum(
            min(wh, edits.get(start, wh))
            for slots, edits in zip(self.slots, self.edits, strict=True)
            for start, wh in slots.items()
        )
        assert held - owed + self.retired == due
        assert accounts[RETIRED].held == self.retired if self.retired else True


async def _live(deeds: Sequence[Deed], folder: str) -> None:
    database = await open_migrated(Path(folder) / "aggregator.sqlite")
    async with database.transaction() as tx:
        await record(tx, Change(Name.FINALITY_DELAY_S, DELAY_S, 0, 0, "test"))
    homes = [await settle_in(database, 1), await settle_in(database, 2)]
    world = World(database, homes)
    for number, deed in enumerate(deeds):
        await world.do(number, deed)
    await world.run(max(home.end for home in homes) + DELAY_S)
    await world.check()
    await database.close()


@given(DEEDS)
@settings(max_examples=40, deadline=None)
def test_every_wh_is_credited_once_whatever_happens_in_whatever_order(
    deeds: list[Deed],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(deeds, folder))


@given(CORRECTIONS)
@settings(max_examples=40, deadline=None)
def test_of_seals_and_edits_over_one_slot_the_lesser_holds_in_whatever_order(
    deeds: list[Deed],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(deeds, folder))
