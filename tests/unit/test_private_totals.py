"""A street's total at the aggregator: one set a day, proved right, refused below k."""

import datetime
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import check, proofs, store, totals
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.privacy.totals import Cell, FixedSet, Total
from meterseal_proto.reporting import Place, Reported, quarter_of
from meterseal_proto.totals import Mask, Masked, mask_of, proves, seeds_of, summed
from meterseal_proto.units import IMPORT
from tests.support.committed import SEEDS, CommittedDevice, Day, committed_device
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import FrontDesk, front_desk

HOUR = 3_600
DAY = BEGAN_AT // 86_400 + 1
"""The first whole day, in UTC."""
BEFORE = (DAY * 86_400 - BEGAN_AT) // HOUR
PLACE = Place(GENESIS.network, "street", DAY)
HOMES = 33


@dataclass
class Street:
    """A front desk with a street of committed homes, all in one cell."""

    desk: FrontDesk
    homes: list[CommittedDevice]

    async def whole_day(self, homes: Sequence[CommittedDevice]) -> list[Day]:
        """Let homes tell their first hours, and then a whole day of 24."""
        sent = []
        for n, home in enumerate(homes):
            first = home.tell([1] * BEFORE)
            sent.append(home.tell([n + hour for hour in range(24)]))
            await self.desk.take(first.by("pi-1"), sent[-1].by("pi-1"))
        while (await proofs.run_once(self.desk.database, GENESIS, 1, set_aside)).count:
            pass
        return sent

    async def fix_cell(self, **change: Any) -> None:
        wish: dict[str, Any] = {
            "cell": "street",
            "quarter": quarter_of(DAY),
            "register": IMPORT,
            "meters": tuple(home.meter for home in self.homes),
        } | change
        async with self.desk.database.transaction() as tx:
            await totals.fix_cell(tx, Cell(**wish), now=1)

    async def fix_set(self, place: Place = PLACE, now: int = 1 << 40) -> FixedSet:
        async with self.desk.database.transaction() as tx:
            return await totals.fix_set(tx, place, GENESIS, zone="UTC", now=now)

    async def settle(self, fixed: FixedSet, sums: Mapping[int, Mask]) -> Total:
        async with self.desk.database.transaction() as tx:
            found = await totals.opened(tx, fixed, sums)
            totals.prove(fixed, found)
            return await totals.keep(tx, fixed, found, now=1)


def answer(trustee: int, reported: Sequence[Reported]) -> dict[int, Mask]:
    """Answer as a trustee does: the sum of masks of each seed it holds."""
    return {
        seed: summed(mask_of(SEEDS[seed], one.place()) for one in reported)
        for seed in seeds_of(trustee)
    }


def sums_of(fixed: FixedSet, *trustees: int) -> dict[int, Mask]:
    named = [totals.reported(day) for day in fixed.days]
    return totals.merged({number: answer(number, named) for number in trustees})


@asynccontextmanager
async def a_street(folder: Path, homes: int = HOMES) -> AsyncIterator[Street]:
    devices = [committed_device(n, step=HOUR) for n in range(1, homes + 1)]
    async with front_desk(folder, devices) as desk:
        desk.now = (DAY + 1) * 86_400
        yield Street(desk, devices)


async def why(doing: Any) -> Cause:
    with pytest.raises(NotTaken) as caught:
        await doing
    return caught.value.cause


async def audited(street: Street) -> list[bool]:
    """Return what the audit says of the totals as they are, and of one that is not."""
    found = []
    async with street.desk.database.transaction() as tx:
        await tx.rows("DROP TRIGGER totals_are_never_changed")
        for change in (0, 1):
            await tx.rows("UPDATE totals SET value = value + ?", (change,))
            found += [one.ok for one in await check.community(tx, GENESIS)]
        await tx.rows("UPDATE totals SET value = value - 1")
    return found


@pytest.mark.deep
async def test_the_total_of_a_street_is_right_and_anybody_proves_it(
    tmp_path: Path,
) -> None:
    async with a_street(tmp_path) as street:
        await street.fix_cell()
        reporting = street.homes[:21]
        days = await street.whole_day(reporting)
        fixed = await street.fix_set()
        assert [day.digest for day in fixed.days] == [day.digest for day in days]
        expected = sum(n + hour for n in range(21) for hour in range(24))
        total = await street.settle(fixed, sums_of(fixed, 0, 1))
        for pair in ((1, 2), (2, 0), (0, 1, 2)):
            assert await street.settle(fixed, sums_of(fixed, *pair)) == total
        assert (total.value, total.count) == (expected, 21)
        found = Masked(total.value, int.from_bytes(total.blinding))
        assert proves(found, [day.seal.header.sum for day in days])
        assert await street.desk.count("totals") == 1
        assert await audited(street) == [True, False]
        async with street.desk.database.reading() as tx:
            assert await totals.proved(tx, after=0, limit=9) == [total]
        entries = await street.desk.rows(
            "SELECT e.body FROM log_entries e JOIN reporting_sets s ON s.id = e.id"
        )
        assert len(entries) == 1
        assert fixed.statement in entries[0][0]

        # A home that comes late is in no set; the one that stands stays as it is.
        await street.whole_day(street.homes[21:22])
        assert (await street.fix_set()).statement == fixed.statement
        assert len((await street.fix_set()).days) == 21

        # One trustee is not enough; one that lies is found out; masks must all fit.
        missing = answer(0, [totals.reported(day) for day in fixed.days])
        assert await why(street.settle(fixed, missing)) is Cause.TOTAL
        lied = sums_of(fixed, 0, 1) | {2: Mask(1, 2)}
        assert await why(street.settle(fixed, lied)) is Cause.TOTAL
        with pytest.raises(NotTaken, match="otherwise"):
            totals.merged({0: {1: Mask(1, 1)}, 2: {1: Mask(1, 2)}})
        shorter = sums_of(
            FixedSet(0, PLACE, b"", fixed.days[:-1]), 0, 1
        )  # masks of S without one meter: their difference opens nothing here
        assert await why(street.settle(fixed, shorter)) is Cause.TOTAL


async def test_fewer_than_k_homes_stay_closed_until_more_are_in(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        await street.fix_cell()
        await street.whole_day(street.homes[:19])
        assert await why(street.fix_set()) is Cause.TOO_FEW
        assert await street.desk.count("reporting_sets") == 0
        await street.whole_day(street.homes[19:20])
        assert len((await street.fix_set()).days) == 20


async def test_a_set_waits_for_its_day(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        await street.fix_cell()
        early = street.fix_set(now=(DAY + 1) * 86_400 - 1)
        assert await why(early) is Cause.NOT_YET


async def test_a_lying_meter_closes_the_total_and_tells_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        await street.fix_cell()
        await street.whole_day(street.homes[:20])
        fixed = await street.fix_set()
        async with street.desk.database.transaction() as tx:
            await tx.rows("DROP TRIGGER masked_openings_are_never_changed")
            await tx.rows(
                "UPDATE masked_openings SET value = zeroblob(32) WHERE seal_id = ?",
                (fixed.days[3].id,),
            )
        assert await why(street.settle(fixed, sums_of(fixed, 0, 1))) is Cause.TOTAL
        assert await street.desk.count("totals") == 0


async def test_cells_are_large_fixed_and_apart(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        meters = tuple(home.meter for home in street.homes)
        for change, cause in (
            ({"meters": meters[:31]}, Cause.TOO_FEW),
            ({"meters": (*meters[:31], meters[0])}, Cause.TOO_FEW),
            ({"meters": (*meters[:31], bytes(16))}, Cause.CELL),
            ({"register": 1}, Cause.CELL),
            ({"cell": "late"}, Cause.CELL),
        ):
            assert await why(street.fix_cell(**change)) is cause
        await street.fix_cell()
        assert await why(street.fix_cell()) is Cause.CELL_TAKEN
        assert await why(street.fix_cell(cell="other")) is Cause.CELL_TAKEN
        await street.fix_cell(quarter=quarter_of(DAY) + 1)


async def test_a_set_that_anybody_may_ask_for_is_hashed_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two thousand days take half a second, in which no seal would be taken."""
    read, hashed_by = store._kept, set()

    def seen(*row: Any) -> Any:
        hashed_by.add(threading.get_ident())
        return read(*row)

    async with a_street(tmp_path) as one:
        await one.fix_cell()
        await one.whole_day(one.homes[:20])
        await one.fix_set()
        monkeypatch.setattr(store, "_kept", seen)
        async with one.desk.database.reading() as tx:
            fixed = await totals.the_set(tx, PLACE, GENESIS)
    assert fixed is not None
    assert len(fixed.days) == 20
    assert threading.get_ident() not in hashed_by != set()


def test_a_day_of_the_zone_has_23_to_25_hours() -> None:
    def hours(text: str) -> int:
        day = (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days
        begin, end = totals.day_span(day, "Europe/Madrid")
        return (end - begin) // HOUR

    assert [hours(f"2026-{d}") for d in ("03-29", "06-01", "10-25")] == [23, 24, 25]
    assert json.dumps(totals.day_span(1, "UTC")) == "[86400, 172800]"
