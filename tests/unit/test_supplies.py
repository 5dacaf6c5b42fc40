"""Supplies: within a tenancy, by a tariff that holds, one at a time; moving in and out."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.audit import SUPPLIED, findings
from meterseal_aggregator.billing.supplies.model import (
    Cause,
    NewSupply,
    NotSupplied,
    Terms,
)
from meterseal_aggregator.billing.supplies.moves import Arrival, move_in, move_out
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Refused, Tenancy, Trouble
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.rating.statement import Rail
from tests.support.migrated import open_migrated
from tests.support.supplied import CODE, a_full_tariff, declare_money

NOW = 1_790_000_000
BEGIN = NOW + 1_000
MOVED = BEGIN + 40 * 86_400
HOME = Terms(CODE)


@dataclass
class Street:
    """A database with two members, a home of two points, and a tariff."""

    db: Database
    ada: MemberId
    bo: MemberId
    point: int
    beside: int


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    db = await open_migrated(tmp_path / "supplies.sqlite")
    async with db.transaction() as tx:
        await declare_money(tx)
        for code in (CODE, "water", "night"):
            await tariffs.publish(tx, a_full_tariff(BEGIN, code).document(), now=NOW)
        ada = await identity.add_member(tx, "Ada", now=NOW)
        bo = await identity.add_member(tx, "Bo", now=NOW)
        point = await write.add_meter_point(tx, "House 7", now=NOW)
        beside = await write.add_meter_point(tx, "Tap 7", now=NOW, home_id=point)
        await write.begin_tenancy(tx, Tenancy(ada, point, BEGIN, None))
    yield Street(db, ada, bo, point, beside)
    await db.close()


async def refused(street: Street, new: NewSupply) -> NotSupplied:
    with pytest.raises(NotSupplied) as caught:
        async with street.db.transaction() as tx:
            await store.begin(tx, new)
    return caught.value


async def begun(tx: Transaction, street: Street) -> int:
    new = NewSupply(street.ada, street.point, HOME, BEGIN)
    return (await store.begin(tx, new)).id


async def test_a_supply_is_what_it_was_begun_with_and_unbilled(street: Street) -> None:
    terms = Terms(CODE, Rail.STACKS, prepaid=True)
    async with street.db.transaction() as tx:
        made = await store.begin(
            tx, NewSupply(street.ada, street.point, terms, BEGIN, MOVED)
        )
        assert await store.supply(tx, made.id) == made
    who = (made.member, made.meter_point, made.terms)
    assert who == (street.ada, street.point, terms)
    assert (made.from_at, made.to_at, made.billed_to) == (BEGIN, MOVED, BEGIN)


async def test_nobody_is_supplied_where_he_does_not_live(street: Street) -> None:
    for new in (
        NewSupply(street.bo, street.point, HOME, BEGIN),
        NewSupply(street.ada, street.point, HOME, BEGIN - 1),
        NewSupply(street.ada, 99, HOME, BEGIN),
    ):
        error = await refused(street, new)
        assert error.cause is Cause.TENANCY
    async with street.db.transaction() as tx:
        await write.end_tenancy(tx, street.point, at=MOVED)
    for to_at in (None, MOVED + 1):
        error = await refused(
            street, NewSupply(street.ada, street.point, HOME, BEGIN, to_at)
        )
        assert error.cause is Cause.TENANCY


async def test_nobody_is_supplied_by_a_tariff_that_does_not_hold(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        await tariffs.publish(tx, a_full_tariff(MOVED, "late").document(), now=NOW)
    for code in ("late", "unheard-of"):
        error = await refused(
            street, NewSupply(street.ada, street.point, Terms(code), BEGIN)
        )
        assert error.cause is Cause.TARIFF


async def test_a_meter_point_has_one_supply_at_a_time(street: Street) -> None:
    async with street.db.transaction() as tx:
        first = await begun(tx, street)
        await store.end(tx, first, at=MOVED)
    error = await refused(street, NewSupply(street.ada, street.point, HOME, MOVED - 1))
    assert (error.cause, str(first) in error.detail) == (Cause.OVERLAP, True)
    async with street.db.transaction() as tx:
        await store.begin(tx, NewSupply(street.ada, street.point, HOME, MOVED))


async def test_another_tariff_is_another_supply_from_where_the_first_ends(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        first = await begun(tx, street)
        second = await store.change(tx, first, Terms("night"), at=MOVED)
        old = await store.supply(tx, first)
        held = await store.held_by(tx, street.point, BEGIN, MOVED + 1)
    assert (old.to_at, second.from_at, second.terms) == (MOVED, MOVED, Terms("night"))
    assert held == [old, second]
    with pytest.raises(NotSupplied) as caught:
        async with street.db.transaction() as tx:
            await store.change(tx, first, HOME, at=MOVED)
    assert caught.value.cause is Cause.ENDED


async def test_a_supply_ends_once_after_its_beginning_and_never_before_its_bills(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        made = await begun(tx, street)
        await store.billed(tx, [(made, BEGIN + 500)])
        for at, cause in ((BEGIN, Cause.OVERLAP), (BEGIN + 499, Cause.BILLED)):
            with pytest.raises(NotSupplied) as caught:
                await store.end(tx, made, at=at)
            assert caught.value.cause is cause
        ended = await store.end(tx, made, at=MOVED)
        assert await store.end(tx, made, at=MOVED) == ended
        with pytest.raises(NotSupplied) as caught:
            await store.end(tx, made, at=MOVED + 1)
        assert caught.value.cause is Cause.ENDED
        with pytest.raises(NotSupplied):
            await store.end(tx, 99, at=MOVED)


# Moving in and out.


async def test_who_moves_out_is_supplied_no_longer_anywhere_in_the_home(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        terms = {street.point: HOME, street.beside: Terms("water")}
        for point, one in terms.items():
            await store.begin(tx, NewSupply(street.ada, point, one, BEGIN))
        left = await move_out(tx, street.point, at=MOVED)
        assert (left.member, [one.to_at for one in left.supplies]) == (
            street.ada,
            [MOVED, MOVED],
        )
        arrived = await move_in(tx, Arrival(street.bo, street.point, MOVED, terms))
        assert [one.member for one in arrived.supplies] == [street.bo, street.bo]
        held = await registry.tenancies(tx, meter_point_id=street.beside)
    assert [(one.member_id, one.from_at, one.to_at) for one in held] == [
        (street.ada, BEGIN, MOVED),
        (street.bo, MOVED, None),
    ]


async def test_moving_is_one_act_a_refused_part_refuses_all_of_it(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        made = await begun(tx, street)
        await store.billed(tx, [(made, MOVED + 1)])
    with pytest.raises(NotSupplied) as caught:
        async with street.db.transaction() as tx:
            await move_out(tx, street.point, at=MOVED)
    assert caught.value.cause is Cause.BILLED
    arrival = Arrival(street.bo, street.point, MOVED, {street.point: HOME})
    with pytest.raises(Refused) as also:
        async with street.db.transaction() as tx:
            await move_in(tx, arrival)
    assert also.value.trouble is Trouble.OVERLAP
    async with street.db.reading() as tx:
        (held,) = await registry.tenancies(tx, meter_point_id=street.point)
    assert held.to_at is None


async def test_nobody_leaves_before_what_is_agreed_for_him_begins(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        await store.begin(tx, NewSupply(street.ada, street.point, HOME, MOVED))
    with pytest.raises(NotSupplied, match="cannot leave before"):
        async with street.db.transaction() as tx:
            await move_out(tx, street.point, at=MOVED)


async def test_an_arrival_by_an_unknown_tariff_begins_no_tenancy(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        await move_out(tx, street.point, at=MOVED)
    with pytest.raises(NotSupplied):
        async with street.db.transaction() as tx:
            terms = {street.point: Terms("unheard-of")}
            await move_in(tx, Arrival(street.bo, street.point, MOVED, terms))
    async with street.db.reading() as tx:
        assert len(await registry.tenancies(tx, meter_point_id=street.point)) == 1


async def test_the_schema_holds_supplies_to_their_tenancies(street: Street) -> None:
    async with street.db.transaction() as tx:
        await begun(tx, street)
    with pytest.raises(sqlite3.IntegrityError, match="end what is supplied"):
        async with street.db.transaction() as tx:
            await write.end_tenancy(tx, street.point, at=MOVED)
    with pytest.raises(sqlite3.IntegrityError, match="within its member's time"):
        async with street.db.transaction() as tx:
            await tx.rows(
                "INSERT INTO supplies (member_id, meter_point_id, tariff_code, from_at,"
                " billed_to) VALUES (?, ?, 'x', ?, ?)",
                (street.bo, street.beside, BEGIN, BEGIN),
            )


# What the audit would see.


async def audited(street: Street) -> str:
    async with street.db.reading() as tx:
        (found,) = await findings(tx)
    assert found.invariant == SUPPLIED
    return "" if found.ok else found.detail


async def without_triggers(street: Street, *statements: str) -> str:
    async with street.db.transaction() as tx:
        names = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names:
            await tx.rows(f"DROP TRIGGER {name}")
        for sql in statements:
            await tx.rows(sql)
    return await audited(street)


async def test_what_was_published_and_supplied_rightly_is_found_right(
    street: Street,
) -> None:
    async with street.db.transaction() as tx:
        made = await begun(tx, street)
        await store.change(tx, made, Terms("night"), at=MOVED)
        await move_out(tx, street.point, at=MOVED + 9)
        await tariffs.publish(tx, a_full_tariff(MOVED, price=1).document(), now=NOW)
    assert await audited(street) == ""


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("UPDATE full_tariffs SET document = x'7b7d'", "not a full tariff"),
        ("UPDATE full_tariffs SET hash = zeroblob(32) WHERE code = 'night'", "hash"),
        ("UPDATE full_tariffs SET asset = 'EUR'", "currency"),
        ("UPDATE full_tariffs SET valid_to = valid_from + 7 WHERE valid_to", "then"),
        ("UPDATE log_entries SET body = x'0000'", "the log says otherwise"),
        ("UPDATE tenancies SET from_at = from_at + 1", "within a tenancy"),
        ("UPDATE supplies SET from_at = from_at - 9, tariff_code = 'x'", "tenancy"),
        ("UPDATE supplies SET tariff_code = 'x'", "does not hold"),
        (
            (
                "INSERT INTO supplies (member_id, meter_point_id, tariff_code, from_at,"
                " billed_to) SELECT member_id, meter_point_id, 'night', from_at + 5,"
                " from_at + 5 FROM supplies"
            ),
            "at the same time",
        ),
    ],
)
async def test_whatever_was_changed_behind_our_back_is_found(
    street: Street, sql: str, what: str
) -> None:
    async with street.db.transaction() as tx:
        await begun(tx, street)
        await tariffs.publish(tx, a_full_tariff(MOVED, price=1).document(), now=NOW)
    assert what in await without_triggers(street, sql)
