"""A CSV file of members and meter points: all of it or nothing, and once."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.load import Loaded, Order, load
from meterseal_aggregator.billing.supplies.model import Terms
from meterseal_aggregator.billing.supplies.moves import move_out
from meterseal_aggregator.billing.supplies.sheet import (
    MAX_FAULTS,
    MAX_ROWS,
    MAX_SHEET_BYTES,
    SheetRefused,
    read_sheet,
)
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.storage.database import Database
from meterseal_proto.rating.statement import Rail
from tests.support.migrated import open_migrated
from tests.support.supplied import CODE, a_full_tariff, declare_money

NAIROBI = ZoneInfo("Africa/Nairobi")
MIDNIGHT = 1_793_480_400
"""2026-11-01 in Nairobi."""
NOW = MIDNIGHT - 86_400
ORDER = Order("operator", NOW, NOW)
STREET = b"""member,meter_point,home,from,to,tariff,rail,prepaid
Ada,House 1,,2026-11-01,,residential,,
Ada,Tap 1,House 1,2026-11-01,,residential,ledger,no
"Bo, the baker",House 2,,2026-11-01T00:00:00+03:00,2026-12-01,residential,stacks,yes
Cleo,,,,,,,
,House 3,,,,,,
"""


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_migrated(tmp_path / "sheet.sqlite")
    async with database.transaction() as tx:
        await declare_money(tx)
        zone = parameters.Change(Name.ZONE, "Africa/Nairobi", 0, NOW, "test")
        await parameters.record(tx, zone)
        await tariffs.publish(tx, a_full_tariff(MIDNIGHT).document(), now=NOW)
    yield database
    await database.close()


def faults(data: bytes) -> list[tuple[int, str]]:
    with pytest.raises(SheetRefused) as caught:
        read_sheet(data, NAIROBI)
    return [(one.line, one.what) for one in caught.value.faults]


async def test_a_file_makes_what_it_says(db: Database) -> None:
    done = await load(db, STREET, ORDER)
    assert done == Loaded(members=3, meter_points=4, tenancies=2, supplies=3)
    async with db.reading() as tx:
        bo = await identity.member_named(tx, "Bo, the baker")
        house = await registry.meter_point_named(tx, "House 2")
        tap = await registry.meter_point_named(tx, "Tap 1")
        assert bo
        assert house
        assert tap
        (one,) = await store.supplies(tx, after=0, limit=9, member=bo.id)
        home = await registry.home_points(tx, tap.id)
        trail = await identity.acts(tx, after=0, limit=9)
    assert (one.meter_point, one.terms) == (
        house.id,
        Terms(CODE, Rail.STACKS, prepaid=True),
    )
    assert (one.from_at, one.to_at) == (MIDNIGHT, MIDNIGHT + 30 * 86_400)
    assert len(home) == 2
    assert [(act.actor, act.act) for act in trail] == [("operator", "import")]


async def test_the_same_file_twice_changes_nothing(db: Database) -> None:
    await load(db, STREET, ORDER)
    assert await load(db, STREET, ORDER) == Loaded(unchanged=5)
    async with db.transaction() as tx:
        house = await registry.meter_point_named(tx, "House 1")
        assert house
        await move_out(tx, house.id, at=MIDNIGHT + 5)
    assert await load(db, STREET, ORDER) == Loaded(unchanged=5)


async def test_a_dry_run_tells_and_keeps_nothing(db: Database) -> None:
    told = await load(db, STREET, ORDER, dry=True)
    assert told.added == 12
    async with db.reading() as tx:
        assert await identity.members(tx, after=0, limit=9) == []
        assert await identity.acts(tx, after=0, limit=9) == []
    assert await load(db, STREET, ORDER) == told


async def test_one_line_that_cannot_be_taken_refuses_the_file_and_is_named(
    db: Database,
) -> None:
    await load(db, STREET, ORDER)
    wrong = STREET + (
        b"Dov,House 4,,2026-11-01,,residential,,\n"
        b"Dov,House 1,,2026-11-02,,,,\n"
        b"Dov,House 5,,2026-11-01,,unheard-of,,\n"
        b"Dov,House 6,House 66,,,,,\n"
        b"Dov,Tap 1,House 2,,,,,\n"
        b"Ada,House 1,,2026-11-01,,residential,stacks,\n"
    )
    with pytest.raises(SheetRefused) as caught:
        await load(db, wrong, ORDER)
    assert [one.line for one in caught.value.faults] == [8, 9, 10, 11, 12]
    assert "another tenant" in caught.value.faults[0].what
    async with db.reading() as tx:
        assert await identity.member_named(tx, "Dov") is None


def test_columns_come_in_any_order_and_a_file_may_begin_as_spreadsheets_begin_it() -> (
    None
):
    data = (
        "\ufefftariff, meter_point ,from,member\r\nresidential,H,2026-11-01, Ada \r\n"
    )
    (row,) = read_sheet(data.encode(), NAIROBI)
    assert (row.line, row.member, row.meter_point) == (2, "Ada", "H")
    assert (row.from_at, row.terms) == (MIDNIGHT, Terms(CODE))


def test_a_fault_is_named_by_the_line_it_stands_in() -> None:
    data = (
        b"member,meter_point,from,to,tariff,rail,prepaid\n"
        b'"Ada\x07",H,,,,,\n'
        b"\n"
        b"Ada,H,yesterday,,,,\n"
        b"Ada,H,2026-11-01T00:00:00,,,,\n"
        b"Ada,H,2026-11-02,2026-11-01,,,\n"
        b"Ada,,2026-11-01,,,,\n"
        b"Ada,H,,,residential,,\n"
        b"Ada,H,2026-11-01,,residential,gold,\n"
        b"Ada,H,2026-11-01,,,ledger,\n"
        b"Ada,H,2026-11-01,,Resi dential,,\n"
        b"Ada,H\n"
    )
    with pytest.raises(SheetRefused):
        read_sheet(data, NAIROBI)
    found = faults(data.replace(b"Ada,H\n", b""))
    assert [line for line, _ in found] == [2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert faults(data)[0] == (12, "2 cells where the first line names 7")


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", 1, "empty"),
        (b"name,place\nAda,H\n", 1, "names each column once"),
        (b"member;meter_point\nAda;H\n", 1, "separated by commas"),
        (b"member,meter_point,member\n", 1, "once"),
        (b"member,meter_point\nAda,\xff\n", 2, "UTF-8"),
        (b'member,meter_point\n"Ada,H\n', 2, "not CSV"),
        (b"member,meter_point\n" + b"A,H\n" * (MAX_ROWS + 1), MAX_ROWS + 2, "rows"),
        (b" " * (MAX_SHEET_BYTES + 1), 1, "bytes"),
        (b"member,meter_point\n" + b"A" * 200_000 + b",H\n", 2, "not CSV"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, line: int, what: str) -> None:
    ((where, told), *_) = faults(data)
    assert (where, what in told) == (line, True), told


def test_no_more_faults_are_told_than_somebody_reads() -> None:
    rows = b"Ada,H,never\n" * (MAX_FAULTS + 10)
    assert len(faults(b"member,meter_point,from\n" + rows)) == MAX_FAULTS
