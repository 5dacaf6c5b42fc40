"""A trustee's desk over its own database: what was signed stands, and is told again."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterseal_proto.errors import Unavailable
from meterseal_proto.reporting import LATE, Act, Place, answer_digest, sign, signed
from meterseal_proto.totals import K_MIN, Mask, proves, unmasked
from meterseal_trustee import store
from meterseal_trustee.database import Database
from meterseal_trustee.desk import MAX_WAITING, spelled
from meterseal_trustee.keys import make_keys, open_keys
from meterseal_trustee.model import Answer
from meterseal_trustee.rules import Refused, Trouble
from tests.support.trustee_rig import Three, three
from tests.support.trusteeship import (
    DAY,
    NETWORK,
    House,
    houses,
    roster_of,
)

NORTH, SOUTH = houses(1, 32), houses(101, 32)
PLACE = Place(NETWORK, "north", DAY)
SEALS = [house.seal() for house in NORTH[:K_MIN]]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells of a quarter, countersigned by all three."""
    folder = tmp_path_factory.mktemp("settled")

    async def settle() -> None:
        async with three(folder) as opened:
            cells = roster_of(NORTH), roster_of(SOUTH, "south")
            await opened.settle([*NORTH, *SOUTH], *cells)

    asyncio.run(settle())
    return folder


@pytest.fixture
async def trustees(settled: Path, tmp_path: Path) -> AsyncIterator[Three]:
    async with three(tmp_path, like=settled) as opened:
        yield opened


def why(caught: pytest.ExceptionInfo[Refused]) -> Trouble:
    return caught.value.trouble


async def test_the_same_set_again_has_the_same_signature(trustees: Three) -> None:
    desk = trustees.desks[0]
    first = await desk.report(PLACE, SEALS)
    again = await desk.report(PLACE, SEALS[::-1])
    assert again.signature == first.signature
    assert signed(desk.public.sign, Act.SET, first.statement, first.signature)


OTHERS: dict[str, Callable[[], list[House]]] = {
    "one meter more": lambda: NORTH[: K_MIN + 1],
    "one meter less": lambda: NORTH[: K_MIN - 1],
    "another meter": lambda: NORTH[1 : K_MIN + 1],
    "nobody": list,
}


@pytest.mark.parametrize("what", OTHERS)
async def test_another_set_of_the_place_is_refused(trustees: Three, what: str) -> None:
    await trustees.desks[0].report(PLACE, SEALS)
    seals = [house.seal() for house in OTHERS[what]()]
    with pytest.raises(Refused) as caught:
        await trustees.desks[0].report(PLACE, seals)
    assert why(caught) is Trouble.ANOTHER_SET


async def test_a_seal_sent_again_with_another_value_is_another_set(
    trustees: Three,
) -> None:
    await trustees.desks[0].report(PLACE, SEALS)
    other = NORTH[0].seal(sum=NORTH[0].seal(DAY + 1).header.sum)
    revised = replace(SEALS[0], revision=1)
    for one in (other, revised):
        with pytest.raises(Refused) as caught:
            await trustees.desks[0].report(PLACE, [one, *SEALS[1:]])
        assert why(caught) is Trouble.ANOTHER_SET


async def test_nobody_answers_for_a_set_it_did_not_sign(trustees: Three) -> None:
    made = await trustees.all_sign(SEALS)
    stated, given = made[0].statement, [one.signature for one in made]
    desk = trustees.desks[0]
    for place, statement, trouble in (
        (Place(NETWORK, "south", DAY), stated, Trouble.NO_SUCH_SET),
        (Place(NETWORK, "north", DAY - 1), stated, Trouble.NO_SUCH_SET),
        (PLACE, bytes(32), Trouble.ANOTHER_SET),
    ):
        with pytest.raises(Refused) as caught:
            await desk.answer(place, statement, given)
        assert why(caught) is trouble
    with pytest.raises(Refused) as caught:
        await desk.answer(PLACE, stated, given[::-1])
    assert why(caught) is Trouble.NOT_ALL_SIGNED
    first = await desk.answer(PLACE, stated, given)
    assert await desk.answer(PLACE, stated, given) == first
    with pytest.raises(Refused):  # answered or not: three signatures are shown
        await desk.answer(PLACE, stated, [])


async def test_late_meters_are_those_of_no_other_set(trustees: Three) -> None:
    south = [house.seal() for house in SOUTH[:24]]
    await trustees.all_sign(SEALS)
    await trustees.all_sign(south, "south")
    late = [house.seal() for house in (*NORTH[K_MIN:], *SOUTH[24:])]
    assert len(late) == K_MIN
    with pytest.raises(Refused) as caught:
        await trustees.all_sign([*late, SEALS[0]], LATE)
    assert why(caught) is Trouble.IN_ANOTHER_SET
    made = await trustees.all_sign(late, LATE)
    given = [one.signature for one in made]
    answers = [
        await desk.answer(Place(NETWORK, LATE, DAY), made[0].statement, given)
        for desk in trustees.desks[:2]
    ]
    reports = [house.report() for house in (*NORTH[K_MIN:], *SOUTH[24:])]
    found = unmasked(reports, {**answers[0].sums, **answers[1].sums})
    assert proves(found, [one.header.sum for one in late])


async def test_one_seal_is_in_no_second_set_of_another_day(trustees: Three) -> None:
    """Days of one zone never overlap, but a trustee's zone may be configured anew."""
    morning = {"first": DAY * 86_400 + 36_000, "count": 8}
    seals = [house.seal(DAY, **morning) for house in NORTH[:K_MIN]]
    desk = trustees.desks[0]
    await desk.report(PLACE, seals)
    desk.settings = replace(desk.settings, zone=ZoneInfo("Pacific/Kiritimati"))
    tomorrow = Place(NETWORK, "north", DAY + 1)
    trustees.clock.at += 86_400
    with pytest.raises(Refused) as caught:
        await desk.report(tomorrow, seals)
    assert why(caught) is Trouble.IN_ANOTHER_SET


async def test_a_roster_waits_for_a_person(tmp_path: Path) -> None:
    async with three(tmp_path, by_hand=True) as trustees:
        desk, roster = trustees.desks[0], roster_of(NORTH)
        await trustees.settle(NORTH)
        waits = await desk.propose(roster)
        assert waits.signature is None
        with pytest.raises(Refused) as caught:
            await desk.report(PLACE, SEALS)
        assert why(caught) is Trouble.NO_ROSTER
        done = await desk.countersign(waits.roster)
        assert done.signature is not None
        assert signed(desk.public.sign, Act.ROSTER, roster.hash(), done.signature)
        assert await desk.propose(roster) == done == await desk.countersign(done.roster)
        await desk.report(PLACE, SEALS)
        with pytest.raises(Refused) as caught:
            await desk.countersign(bytes(32))
        assert why(caught) is Trouble.NO_ROSTER


async def test_proposals_may_not_pile_up(tmp_path: Path) -> None:
    async with three(tmp_path, by_hand=True) as trustees:
        desk = trustees.desks[0]
        await trustees.settle(NORTH)
        for number in range(MAX_WAITING):
            await desk.propose(roster_of(NORTH, f"cell-{number}"))
        await desk.propose(roster_of(NORTH, "cell-0"))
        with pytest.raises(Refused) as caught:
            await desk.propose(roster_of(NORTH, "one-more"))
        assert why(caught) is Trouble.TOO_MANY_WAITING
        # All name the same meters: only one of them can be true.
        await desk.countersign(roster_of(NORTH, "cell-7").hash())
        with pytest.raises(Refused) as caught:
            await desk.countersign(roster_of(NORTH, "cell-8").hash())
        assert why(caught) is Trouble.IN_ANOTHER_CELL


async def test_a_cell_has_one_roster_a_quarter(trustees: Three) -> None:
    desk = trustees.desks[0]
    await desk.deposit(House(900).deposit(desk.public))
    with pytest.raises(Refused) as caught:
        await desk.propose(roster_of([*NORTH[1:], House(900)]))
    assert why(caught) is Trouble.ANOTHER_ROSTER
    with pytest.raises(Refused) as caught:
        await desk.propose(roster_of([*NORTH[1:], House(900)], "west"))
    assert why(caught) is Trouble.IN_ANOTHER_CELL


async def test_a_meters_first_seeds_stand(trustees: Three) -> None:
    desk, house = trustees.desks[0], House(901)
    deposit = house.deposit(desk.public)
    assert await desk.deposit(deposit) == await desk.deposit(deposit)
    stranger = House(902)
    stranger.meter = house.meter
    with pytest.raises(Refused) as caught:
        await desk.deposit(stranger.deposit(desk.public))
    assert why(caught) is Trouble.ANOTHER_DEPOSIT
    stranger.key = house.key
    with pytest.raises(Refused) as caught:
        await desk.deposit(stranger.deposit(desk.public))
    assert why(caught) is Trouble.ANOTHER_DEPOSIT


async def test_the_same_seeds_sealed_anew_are_acknowledged_and_change_nothing(
    trustees: Three,
) -> None:
    """A replaced device has its seeds from the recovered secret, and another key."""
    desk, house = trustees.desks[0], House(904)
    first = house.deposit(desk.public)
    await desk.deposit(first)
    house.key = House(905).key
    again = house.deposit(desk.public)
    digest = again.digest(NETWORK, desk.public.box)
    assert signed(desk.public.sign, Act.DEPOSIT, digest, await desk.deposit(again))
    async with desk.database.transaction() as tx:
        assert await store.deposits(tx, [house.meter]) == {house.meter: first}


async def test_boxes_that_are_not_the_meters_or_not_ours_are_refused(
    trustees: Three,
) -> None:
    desk, fresh = trustees.desks[0], House(903)
    deposit, other = fresh.deposit(desk.public), House(906).deposit(desk.public)
    for bad in (
        replace(deposit, signature=other.signature),
        replace(deposit, boxes=other.boxes),
        replace(deposit, boxes=fresh.deposit(desk.public).boxes),
        replace(deposit, key=other.key),
        fresh.deposit(trustees.desks[1].public),
    ):
        with pytest.raises(Refused) as caught:
            await desk.deposit(bad)
        assert why(caught) is Trouble.BAD_DEPOSIT


async def test_the_audit_derives_everything_again(trustees: Three) -> None:
    made = await trustees.all_sign(SEALS)
    given = [one.signature for one in made]
    for desk in trustees.desks[:2]:
        await desk.answer(PLACE, made[0].statement, given)
    for findings in await trustees.audits():
        assert [one for one in findings if not one.ok] == []


async def test_the_audit_finds_a_lie_that_the_trustee_signed(trustees: Three) -> None:
    made = await trustees.all_sign(SEALS)
    witnesses = tuple(one.signature for one in made)
    sums = {1: Mask(1, 2), 2: Mask(3, 4)}
    digest = answer_digest(made[0].statement, sums)
    lie = Answer(sums, witnesses, sign(trustees.secrets[0].sign, Act.MASKS, digest))
    async with trustees.desks[0].database.transaction() as tx:
        await store.add_answer(tx, "north", DAY, lie)
        named = {"cell": "north", "day": DAY, "statement": made[0].statement.hex()}
        await store.say(tx, 0, "masks", named | spelled(sums))
    broken = [one.law for one in (await trustees.audits())[0] if not one.ok]
    assert broken == ["answers are the sums of the masks of a set all three signed"]


TAMPERING = {
    "UPDATE answers SET first_value = zeroblob(32)": "sums of the masks",
    "UPDATE answers SET third_witness = first_witness": "all three signed",
    "UPDATE log SET at = at + 1 WHERE seq = 3": "one chain",
    "DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)": "all of it",
    "DELETE FROM answers": "all of it",
    "DELETE FROM reported WHERE meter = (SELECT max(meter) FROM reported)": "sets",
    "UPDATE reported SET revision = 1": "sets",
    "UPDATE deposits SET key = (SELECT max(key) FROM deposits)": "deposits",
    "UPDATE rosters SET signature = zeroblob(64)": "rosters",
    "DELETE FROM members WHERE cell = 'north'": "sets",
}


@pytest.mark.parametrize("sql", TAMPERING)
async def test_the_audit_names_what_was_changed(
    trustees: Three, tmp_path: Path, sql: str
) -> None:
    made = await trustees.all_sign(SEALS)
    given = [one.signature for one in made]
    await trustees.desks[0].answer(PLACE, made[0].statement, given)
    connection = sqlite3.connect(tmp_path / "0" / "trustee.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="keeps what it said"):
        connection.execute(sql)
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    for (name,) in connection.execute(triggers).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql)
    connection.commit()
    connection.close()
    broken = [one.law for one in (await trustees.audits())[0] if not one.ok]
    assert any(TAMPERING[sql] in law for law in broken), broken


async def test_the_schema_holds_the_rules_a_second_time(trustees: Three) -> None:
    """As if every rule were forgotten: no second set, no shared meter, no shared place."""
    desk = trustees.desks[0]
    made = await desk.report(PLACE, SEALS)
    twins = [
        replace(made, statement=bytes(32)),
        replace(made, statement=bytes(32), cell="south"),
        replace(made, statement=bytes(32), cell="south", day=DAY + 1),
    ]
    for twin in twins:
        with pytest.raises(sqlite3.IntegrityError):
            async with desk.database.transaction() as tx:
                await store.add_set(tx, twin)
    with pytest.raises(sqlite3.IntegrityError):
        async with desk.database.transaction() as tx:
            await store.add_roster(tx, roster_of(NORTH, "west"), bytes(64))


async def test_a_full_disk_signs_nothing_and_forgets_nothing(trustees: Three) -> None:
    desk = trustees.desks[0]
    async with desk.database.transaction() as tx:
        ((pages,),) = await tx.rows("PRAGMA page_count")
        await tx.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unavailable, match="full"):
        await desk.report(PLACE, SEALS)
    async with desk.database.transaction() as tx:
        assert await store.set_at(tx, "north", DAY) is None
        await tx.rows(f"PRAGMA max_page_count={pages * 10}")
    made = await desk.report(PLACE, [house.seal() for house in NORTH])
    assert await desk.report(PLACE, [house.seal() for house in NORTH]) == made


async def test_a_database_that_is_not_durable_or_not_ours_is_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unavailable, match="cannot open"):
        await Database.open(tmp_path / "nowhere" / "trustee.sqlite")
    (tmp_path / "rubbish").write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match="cannot open"):
        await Database.open(tmp_path / "rubbish")
    later = sqlite3.connect(tmp_path / "later")
    later.execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(Unavailable, match="later release"):
        await Database.open(tmp_path / "later")


def test_keys_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert make_keys(folder)
    first = open_keys(folder, 1)
    assert not make_keys(folder)
    assert open_keys(folder, 1).public == first.public
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert first.box.private_bytes_raw().hex() not in repr(first)
    (folder / "box.pem").chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        open_keys(folder, 1)
    (folder / "box.pem").unlink()
    with pytest.raises(Unavailable, match="init"):
        open_keys(folder, 1)
    (folder / "sign.pem").rename(folder / "box.pem")
    make_keys(folder)
    with pytest.raises(Unavailable, match="another kind"):
        open_keys(folder, 1)
