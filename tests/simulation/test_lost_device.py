"""A committed home's device dies: what comes back, what stays closed, and what is billed.

The agent's own parts on real data_dirs against the aggregator's real rooms and API.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.commissioning.shares import make_shares, read_shares
from meterseal_agent.commissioning.sheet import parse_sheet, sheet_text
from meterseal_agent.seal.logbook import NotProved
from meterseal_agent.seal.opening import NotOpened, NotYet
from meterseal_aggregator.registry.model import CodeKind
from meterseal_proto.bill import ProvedBill
from meterseal_proto.claims import Expectation
from meterseal_proto.history import PATH
from meterseal_proto.verify import examine, zone_clock
from tests.support.enrolling import GENESIS
from tests.support.evidence import unproved
from tests.support.last_days import (
    CAME,
    DIED,
    END,
    FLAT,
    NIGHT,
    PERIOD,
    a_dying_device,
    a_tariffed_house,
    successor,
)
from tests.support.lost_device import (
    BEGAN,
    DAY_S,
    STEP,
    Device,
    House,
    used,
)

KNOWN = Expectation(GENESIS.network.hex(), clock=zone_clock)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_tariffed_house(tmp_path) as made:
        yield made


@pytest.fixture
async def device(house: House, tmp_path: Path) -> AsyncIterator[Device]:
    async with a_dying_device(house, tmp_path) as one:
        yield one


def from_sheet(device: Device, _folder: Path) -> bytes:
    """Bring the secret back from the sheet on paper."""
    store = device.store
    return parse_sheet(sheet_text(store.keys_secret().value, store.enrolled()))


def from_shares(device: Device, folder: Path) -> bytes:
    """Bring the secret back from two shares of three."""
    sheets = make_shares(device.store.keys_secret().value, "home-1", "street")
    paths = [folder / "left", folder / "right"]
    for path, sheet in zip(paths, sheets[1:], strict=True):
        path.write_text(sheet.text())
    secret, whose = read_shares(paths)
    assert whose == device.enrolment.answer.agent
    return secret


@pytest.mark.parametrize("bring_back", [from_sheet, from_shares])
async def test_a_successor_holds_what_the_dead_device_held_and_bills_the_month_right(
    device: Device, tmp_path: Path, bring_back: Callable[[Device, Path], bytes]
) -> None:
    house, said = device.house, list[str]()
    before, opened = device.held(), device.box.openings(device.chain)
    other = await successor(device, tmp_path, bring_back(device, tmp_path))
    assert await other.restore(said), said
    assert other.held() == before
    assert len(before) == 5
    assert other.box.openings(other.chain) == opened
    assert any("nothing is lost in between" in line for line in said), said
    await other.live(END)
    bill = other.bill(FLAT, PERIOD, END)
    assert bill.statement.amount == used(PERIOD, END) * 250_000
    assert bill.statement.previous == opened[0].statement.digest()
    await house.bill(bill)
    claims = examine(await house.file(bill), KNOWN)
    assert unproved(claims) == ["anchor"], claims
    again = list[str]()
    assert await other.restore(again)
    assert any("0 days restored" in line for line in again), "again changes nothing"
    other.close()


async def test_without_its_history_it_opens_new_periods_and_no_old_one(
    device: Device, tmp_path: Path
) -> None:
    other = await successor(device, tmp_path, bytes(range(32)))
    other.learn(FLAT)
    with pytest.raises(NotYet, match="not read since the start"):
        other.bill(FLAT, PERIOD, END)
    await other.live(END + 2 * DAY_S)
    for begin in (BEGAN, PERIOD):
        with pytest.raises(NotOpened, match="restore-history"):
            other.bill(FLAT, begin, END)
    bill = other.bill(FLAT, END, END + 2 * DAY_S)
    assert bill.statement.amount == used(END, END + 2 * DAY_S) * 250_000
    await device.house.bill(bill)
    said = list[str]()
    assert not await other.restore(said)
    assert sum("another day, register or device" in line for line in said) == 5
    assert len(other.held()) == 6, "its own days, and none of what it cannot open"
    assert [one.statement.begin for one in other.box.openings(other.chain)] == [
        *(BEGAN, END)
    ], "the older first"
    other.close()


async def test_a_snapshot_put_back_opens_nothing_twice(
    house: House, device: Device, tmp_path: Path
) -> None:
    """The disk of before the first bill comes back, days later."""
    old = await rolled_back(house, device, tmp_path)
    for tariff in (FLAT, NIGHT):
        with pytest.raises(NotYet):
            old.bill(tariff, BEGAN, PERIOD)
    old.read(old.at + STEP)
    for tariff in (FLAT, NIGHT):
        with pytest.raises(NotOpened, match="restore-history"):
            old.bill(tariff, BEGAN, PERIOD)
    house.now = old.at
    said = list[str]()
    assert await old.restore(said), said
    first = device.box.openings(device.chain)
    assert old.box.openings(old.chain) == first
    old.read(old.at + STEP)
    assert old.bill(FLAT, BEGAN, PERIOD) == first[0], "the same, not another"
    assert old.bill(NIGHT, BEGAN, PERIOD).statement.revision == 1
    old.close()


async def test_an_old_image_is_told_to_be_replaced_and_opens_nothing(
    house: House, tmp_path: Path
) -> None:
    """The chain went on without it: it could only tell days a second time."""
    one = Device(house, tmp_path / "first")
    await one.enrol()
    one.learn(FLAT)
    one.learn(NIGHT)
    await one.live(PERIOD)
    one.close()
    old = one.snapshot(tmp_path / "image")
    one.open()
    await one.live(DIED)
    await house.bill(one.bill(FLAT, BEGAN, PERIOD))
    one.close()
    old.open()
    old.at = DIED + DAY_S
    old.read(old.at + STEP)
    house.now = old.at
    with pytest.raises(NotOpened, match="restore-history"):
        old.bill(NIGHT, BEGAN, PERIOD)
    held, said = old.held(), list[str]()
    assert not await old.restore(said, fresh=False)
    assert any("it is an old copy" in line for line in said), said
    assert (old.held(), old.box.openings(old.chain)) == (held, [])
    old.read(old.at + STEP)
    with pytest.raises(NotOpened, match="restore-history"):
        old.bill(NIGHT, BEGAN, PERIOD)
    old.close()


async def rolled_back(house: House, device: Device, folder: Path) -> Device:
    """Return the disk as it was before anything was billed, as from a backup image."""
    device.close()
    twin = device.snapshot(folder / "image")
    device.open()
    twin.open()
    # An image has no row of what came later: it is made by taking those rows out.
    path = twin.folder / "outbox.sqlite"
    twin.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER what_was_opened_stays_opened")
        db.execute("DELETE FROM openings")
    twin.open()
    twin.at = DIED + 2 * DAY_S
    return twin


async def test_a_damaged_or_missing_backup_is_named_by_its_day_and_nothing_invented(
    device: Device, tmp_path: Path
) -> None:
    other, house = await successor(device, tmp_path), device.house

    def spoil(path: str, raw: bytes) -> bytes:
        if path != PATH:
            return raw
        page = json.loads(raw)
        days = page["days"]
        days[0]["backup"] = ""
        days[1]["backup"] = days[1]["backup"][:-2] + "00"
        days[2]["points"] = days[3]["points"]
        del days[4]
        return json.dumps(page).encode()

    house.spoil = spoil
    said = list[str]()
    assert not await other.restore(said)
    lost = [line.split("the day from ")[1] for line in said if "the day from" in line]
    assert lost == [
        "2026-09-22 00:00 UTC is not: its backup was erased",
        "2026-09-23 00:00 UTC is not: the backup is of another day, register or device",
        "2026-09-24 00:00 UTC is not: its commitments are not those that were logged",
        "2026-09-26 00:00 UTC is not: the aggregator does not give it",
    ]
    assert any("told as missing" in line for line in said), said
    assert [row[0] for row in other.held()] == [4]
    await other.live(END)
    with pytest.raises(NotOpened, match="not filled"):
        other.bill(FLAT, PERIOD, END)
    house.spoil = lambda _path, raw: raw
    assert await other.restore(said)
    other.read(other.at + STEP)
    bill = other.bill(FLAT, PERIOD, END)
    hole = used(PERIOD, END) - bill.statement.amount // 250_000
    assert hole == used(BEGAN + 5 * DAY_S, CAME), "what nobody told is not billed"
    other.close()


async def test_an_aggregator_that_gives_days_without_end_fills_no_memory(
    device: Device, tmp_path: Path
) -> None:
    other, house = await successor(device, tmp_path), device.house
    asked = list[dict[str, object]]()

    def endless(path: str, raw: bytes) -> bytes:
        if path != PATH:
            return raw
        page = json.loads(raw)
        asked.append(asked[0] if asked else page["days"][0])
        number = 1_000 * len(asked)
        page["days"] = [{**asked[0], "seq": number + n} for n in range(60)]
        page["after"] = number if len(asked) < 20 else None
        return json.dumps(page).encode()

    house.spoil = endless
    with pytest.raises(NotProved, match="without end"):
        await other.restore([])
    assert len(asked) < 6
    other.close()


async def test_a_disk_in_doubt_needs_a_log_the_witness_saw_since_it_is_back(
    house: House, device: Device, tmp_path: Path
) -> None:
    old = await rolled_back(house, device, tmp_path)
    old.read(old.at + STEP)
    house.now, seen = old.at, DIED
    house.cosigned = lambda note, at=None: type(house).cosigned(house, note, seen)  # type: ignore[method-assign]
    said = list[str]()
    assert not await old.restore(said, fresh=False)
    assert any("has not seen this log since" in line for line in said), said
    old.read(old.at + STEP)
    with pytest.raises(NotOpened, match="restore-history"):
        old.bill(NIGHT, BEGAN, PERIOD)
    old.close()


async def test_openings_that_fork_are_not_believed(
    device: Device, tmp_path: Path
) -> None:
    """Its own disk has a bill that the log has another one in the place of."""
    house = device.house
    twin = await rolled_back(house, device, tmp_path)
    twin.box._awake.add(twin.chain.id)
    other = twin.bill(NIGHT, BEGAN, PERIOD)
    assert isinstance(other, ProvedBill)
    said = list[str]()
    assert not await twin.restore(said)
    assert any("not the one the log has in its place" in line for line in said), said
    assert twin.box.openings(twin.chain) == [other]
    twin.close()


async def test_three_devices_one_after_the_other_are_one_history(
    device: Device, tmp_path: Path
) -> None:
    house, secret = device.house, device.store.keys_secret().value
    two = await successor(device, tmp_path, secret)
    assert await two.restore([])
    await two.live(END)
    bill = two.bill(FLAT, PERIOD, END)
    await house.bill(bill)
    await two.live(END + DAY_S + 5 * STEP)
    held = two.held()
    house.now = END + 3 * DAY_S
    three = Device(house, tmp_path / "three")
    code_epoch = 2
    three.store.make(replace(two.store.keys().epoch, number=code_epoch), secret)
    await three.enrol(CodeKind.REPLACEMENT, secret)
    await house.work()
    assert await three.restore([])
    assert three.held() == held
    await three.live(END + 5 * DAY_S)
    last = three.bill(FLAT, END, END + 5 * DAY_S)
    assert last.statement.amount == used(END, END + 5 * DAY_S) * 250_000
    assert last.statement.previous == bill.statement.digest()
    await house.bill(last)
    for one in (two, three):
        one.close()
