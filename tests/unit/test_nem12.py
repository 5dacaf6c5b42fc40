"""NEM12: what a file says, and by which line and field a wrong one is refused."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.days import usage
from meterseal_aggregator.vee.importing import (
    Imported,
    Upload,
    keep,
    places_of,
    prepare,
    read,
)
from meterseal_aggregator.vee.nem12 import MAX_BYTES, Channel, NotNem12, parse
from meterseal_aggregator.vee.values import Cause, NotValued
from meterseal_proto.units import IMPORT
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, settle_in

DAY = 86_400
HEAD = "100,NEM12,202701161200,OURS,THEIRS"
END = "900"


def channel(suffix: str = "E1", minutes: int = 30, unit: str = "kWh", serial: str = "S1") -> str:  # fmt: skip
    return f"200,NMI0000001,E1B1,1,{suffix},N1,{serial},{unit},{minutes},20270201"


def day(values: list[str], quality: str = "A", when: str = "20270115") -> str:
    return ",".join(["300", when, *values, quality, "", "", "20270116120000", ""])


def file(*records: str) -> bytes:
    return "\r\n".join([HEAD, *records, END, ""]).encode()


def one(*records: str) -> Channel:
    (found,) = parse(file(*records))
    return found


def test_a_day_of_half_hours_is_read_in_wh() -> None:
    found = one(channel(), day([f"0.{n:03}" for n in range(48)]))
    assert (found.nmi, found.suffix, found.serial) == ("NMI0000001", "E1", "S1")
    (told,) = found.days
    assert told.date == date(2027, 1, 15)
    assert told.values == tuple(range(48))
    assert set(told.qualities) == {"A"}


@pytest.mark.parametrize(
    ("unit", "text", "wh"),
    [("Wh", "12", 12), ("kwh", "1.5", 1_500), ("MWH", "0.000001", 1), ("WH", "1.9", 1)],
)
def test_units_are_wh_kwh_and_mwh(unit: str, text: str, wh: int) -> None:
    found = one(channel(unit=unit), day([text] + ["0"] * 47))
    assert found.days[0].values[0] == wh


def test_fractions_of_a_wh_are_kept_within_the_day() -> None:
    found = one(channel(), day(["0.0005"] * 48))
    values = found.days[0].values
    assert sum(value or 0 for value in values) == 24
    assert set(values) == {0, 1}


@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_intervals_of_five_fifteen_and_thirty_minutes(minutes: int) -> None:
    count = 1_440 // minutes
    found = one(channel(minutes=minutes), day(["0.001"] * count))
    assert found.days[0].values == (1,) * count


def test_parts_of_a_day_have_qualities_of_their_own() -> None:
    values = ["0.001"] * 20 + [""] * 8 + ["0.002"] * 20
    found = one(
        channel(),
        day(values, "V"),
        "400,29,48,S14,51,made up",
        "400,1,20,A,,",
        "400,21,28,N,,",
        "500,S,S1,20270115120000,",
        day(["0"] * 48, "E52", "20270116"),
    )
    first, second = found.days
    assert first.values == (1,) * 20 + (None,) * 8 + (2,) * 20
    assert first.qualities[0] == "A"
    assert first.qualities[47] == "S14"
    assert set(second.qualities) == {"E52"}


def test_a_null_day_has_no_values() -> None:
    found = one(channel(), day([""] * 48, "N"))
    assert found.days[0].values == (None,) * 48


GOOD = day(["0"] * 48)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "line 1, RecordIndicator: the 900"),
        (b"\xff", "line 1, file"),
        (b"x" * (MAX_BYTES + 1), "line 1, file"),
        (b"100,NEM13,1,2,3\n900\n", "line 1, VersionHeader"),
        (b"900\n", "line 1, RecordIndicator: one 100"),
        (file()[:-6], "line 1, RecordIndicator: the 900"),
        (file(HEAD), "line 2, RecordIndicator: one 100"),
        (file("600,1"), "line 2, RecordIndicator: there are"),
        (file(GOOD), "line 2, RecordIndicator: a 200"),
        (file("400,1,2,A,,"), "line 2, RecordIndicator: a 200"),
        (file(END), "line 3, RecordIndicator: nothing"),
        (file("200,1,2"), "line 2, RecordIndicator: a 200 record has 10"),
        (file(channel().replace("NMI0000001", "nmi")), "line 2, NMI:"),
        (file(channel("Q1")), "line 2, NMISuffix"),
        (file(channel(minutes=10)), "line 2, IntervalLength"),
        (file(channel(unit="kVArh")), "line 2, UOM"),
        (file(channel(), "300,20270115,1"), "line 3, record: a 300"),
        (file(channel(), day(["0"] * 47)), "line 3,"),
        (file(channel(), day(["0"] * 47 + ["-1"])), "line 3, IntervalValue48"),
        (file(channel(), day(["1e3"] + ["0"] * 47)), "line 3, IntervalValue1"),
        (file(channel(), day([""] + ["0"] * 47)), "line 3, IntervalValue1"),
        (file(channel(), day(["9" * 15] + ["0"] * 47)), "line 3, IntervalValue1:"),
        (file(channel(), day(["0"] * 48, "X")), "line 3, QualityMethod"),
        (file(channel(), day(["0"] * 48, "S")), "line 3, QualityMethod"),
        (file(channel(), day(["0"] * 48, "A14")), "line 3, QualityMethod"),
        (file(channel(), day(["0"] * 48, when="20270230")), "line 3, IntervalDate"),
        (file(channel(), day(["0"] * 48, when="15.1.2027")), "line 3, IntervalDate"),
        (file(channel(), GOOD, GOOD), "line 4, IntervalDate"),
        (file(channel(), GOOD, "400,1,48,A,,"), "line 4, RecordIndicator: a 400"),
        (file(channel(), day(["0"] * 48, "V")), "line 3, QualityMethod: no 400"),
        (
            file(channel(), day(["0"] * 48, "V"), "400,1,47,A,,"),
            "line 3, QualityMethod: no 400 tells of interval 48",
        ),
        (
            file(channel(), day(["0"] * 48, "V"), "400,1,49,A,,"),
            "line 4, EndInterval",
        ),
        (
            file(channel(), day(["0"] * 48, "V"), "400,9,8,A,,"),
            "line 4, EndInterval",
        ),
        (
            file(channel(), day(["0"] * 48, "V"), "400,1,9,A,,", "400,9,48,A,,"),
            "line 5, StartInterval",
        ),
        (
            file(channel(), day(["0"] * 48, "V"), "400,1,48,V,,"),
            "line 4, QualityMethod",
        ),
        (
            file(channel(), day([""] * 48, "V"), "400,1,48,A,,"),
            "line 3, IntervalValue1: a number is missing",
        ),
        (file(channel(), day(["0"] * 48 + ["\x00"])), "line 3, record"),
        (file("200," + "x" * 300), "line 2, record"),
    ],
)
def test_a_wrong_file_is_refused_by_line_and_field(data: bytes, where: str) -> None:
    with pytest.raises(NotNem12) as refused:
        parse(data)
    assert str(refused.value).startswith(where)


def test_a_file_has_a_bounded_number_of_days() -> None:
    months = [
        day(["0"] * 48, when=f"20{year:02}{month:02}{number:02}")
        for year in range(20, 25)
        for month in range(1, 13)
        for number in range(1, 29)
    ]
    with pytest.raises(NotNem12, match="at most 800 days"):
        parse(file(channel(), *months))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def load(
    database: Database, data: bytes, now: int = BEGIN + DAY, offset_s: int = 0
) -> Imported:
    async with database.transaction() as tx:
        upload = Upload(read(data), "op", offset_s)
        told = prepare(upload, await places_of(tx, upload.file), now)
        return await keep(tx, upload, told, now)


async def stored(database: Database) -> list[tuple[object, ...]]:
    async with database.reading() as tx:
        return await tx.rows(
            "SELECT register_id, start, length, delta, quality, source, method"
            " FROM vee_values ORDER BY id"
        )


async def test_half_hours_are_spread_and_five_minutes_added_up(
    database: Database,
) -> None:
    await settle_in(database, 1, register=IMPORT)
    await settle_in(database, 2)
    data = file(
        channel(),
        day(["0.005"] * 48),
        channel("B1", 5, serial="S2"),
        day(["0.001"] * 287 + ["0.002"], "F14"),
    )
    done = await load(database, data)
    assert (done.channels, done.days, done.values) == (2, 2, 192)
    rows = await stored(database)
    assert rows[:2] == [
        (1, BEGIN, 900, 2, 0, "import", "nem12:A"),
        (1, BEGIN + 900, 900, 3, 0, "import", "nem12:A"),
    ]
    assert rows[-1] == (2, BEGIN + DAY - 900, 900, 4, 8, "import", "nem12:F14")
    assert sum(int(str(row[3])) for row in rows) == 48 * 5 + 289


async def test_the_same_file_again_changes_nothing(database: Database) -> None:
    await settle_in(database, 1, register=IMPORT)
    data = file(channel(), day(["0.005"] * 48))
    assert (await load(database, data)).values == 96
    assert (await load(database, data, BEGIN + 2 * DAY)).values == 0
    better = file(channel(), day(["0.006"] + ["0.005"] * 47))
    assert (await load(database, better, BEGIN + 2 * DAY)).values == 1
    assert len(await stored(database)) == 97


async def test_days_are_of_the_standard_time_that_is_said(database: Database) -> None:
    await settle_in(database, 1, register=IMPORT)
    data = file(channel(), day(["0.005"] * 48, when="20270116"))
    await load(database, data, BEGIN + 2 * DAY, offset_s=36_000)
    assert (await stored(database))[0][1] == BEGIN + DAY - 36_000


async def test_an_import_bills_where_no_device_told(database: Database) -> None:
    home = await settle_in(database, 1, register=IMPORT)
    async with database.transaction() as tx:
        await home.tell(tx, *[9] * 48)
    await load(database, file(channel(), day(["0.004"] * 24 + ["0.006"] * 24)))
    while await job.run_once(database, BEGIN + DAY):
        pass
    while await days.run_once(database, BEGIN + DAY):
        pass
    async with database.reading() as tx:
        found = (await usage(tx, [1], BEGIN, BEGIN + DAY, known_at=BEGIN + DAY))[1]
    assert list(found.deltas) == [9] * 48 + [3] * 48
    assert found.missing == ()


@pytest.mark.parametrize(
    ("records", "cause", "where"),
    [
        ([channel(serial="S9"), GOOD], Cause.UNKNOWN, "line 2, MeterSerialNumber"),
        ([channel("B1"), GOOD], Cause.UNKNOWN, "line 2, MeterSerialNumber"),
        ([channel(serial=""), GOOD], Cause.UNKNOWN, "line 2, MeterSerialNumber"),
        ([channel(), day(["0"] * 48, when="20270114")], Cause.SPAN, "line 3"),
        ([channel(), day(["0"] * 48, when="20270116")], Cause.SPAN, "line 3"),
        ([channel(), day(["9"] * 48)], Cause.ABOVE_CAPACITY, "line 3"),
        ([channel(), GOOD, channel("E2"), GOOD], Cause.FILE, "line 4, NMISuffix"),
        ([channel(), GOOD, "200"], Cause.FILE, "line 4"),
    ],
)
async def test_of_a_file_that_does_not_fit_nothing_is_written(
    database: Database, records: list[str], cause: Cause, where: str
) -> None:
    await settle_in(database, 1, register=IMPORT)
    with pytest.raises(NotValued) as refused:
        await load(database, file(*records))
    assert refused.value.cause is cause
    assert refused.value.detail.startswith(where)
    assert await stored(database) == []


async def test_a_good_channel_before_a_bad_one_is_not_written(
    database: Database,
) -> None:
    await settle_in(database, 1, register=IMPORT)
    data = file(channel(), GOOD, channel(serial="S9"), GOOD)
    with pytest.raises(NotValued):
        await load(database, data)
    assert await stored(database) == []


async def test_a_private_register_takes_no_import(database: Database) -> None:
    await settle_in(database, 1, register=IMPORT)
    async with database.transaction() as tx:
        await tx.many("DROP TRIGGER registers_are_never_changed", [()])
        await tx.many(
            "UPDATE registers SET mode = 1, bits = 16, initial_value = 0", [()]
        )
    with pytest.raises(NotValued) as refused:
        await load(database, file(channel(), GOOD))
    assert refused.value.cause is Cause.PRIVATE
