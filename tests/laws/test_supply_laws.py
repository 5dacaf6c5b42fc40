"""Laws of tariffs' versions and of supplies: no second has two, no member more than his own.

Seen to fail: when a version may begin where one is published, or after its code's end; when
a supply may end before what is billed of it.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.model import NewSupply, NotSupplied, Terms
from meterseal_aggregator.billing.supplies.moves import Arrival, move_in, move_out
from meterseal_aggregator.billing.supplies.sheet import SheetRefused, read_sheet
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Refused
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.migrated import open_migrated
from tests.support.supplied import CODE, a_full_tariff, declare_money

NAIROBI = ZoneInfo("Africa/Nairobi")
HORIZON = 60
"""Seconds of these worlds: small, so that edges meet."""
seconds = st.integers(1, HORIZON)


def in_a_world(story: Coroutine[Any, Any, None]) -> None:  # Any: what a coroutine is of
    asyncio.run(story)


async def opened(folder: str) -> Database:
    db = await open_migrated(Path(folder) / "law.sqlite")
    async with db.transaction() as tx:
        await declare_money(tx)
    return db


@given(st.lists(st.tuples(st.booleans(), seconds), max_size=12))
@settings(max_examples=60, deadline=None)
def test_whatever_is_published_no_second_has_two_versions(
    wishes: Sequence[tuple[bool, int]],
) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            db = await opened(folder)
            for n, (ends, at) in enumerate(wishes):
                async with db.transaction() as tx:
                    try:
                        if ends:
                            await tariffs.end(tx, CODE, at, now=1)
                        else:
                            one = a_full_tariff(at, price=n + 1)
                            await tariffs.publish(tx, one.document(), now=1)
                    except NotPublished:
                        pass
                await _covered_once(db)
            await db.close()

    in_a_world(story())


async def _covered_once(db: Database) -> None:
    async with db.reading() as tx:
        kept = await tariffs.published(tx, after=0, limit=99)
        assert all(one.end == other.begin for one, other in itertools.pairwise(kept))
        for at in range(HORIZON + 2):
            holds = [
                one.tariff
                for one in kept
                if one.begin <= at and (one.end is None or at < one.end)
            ]
            assert len(holds) <= 1
            try:
                found = await tariffs.versions(tx, CODE, at, at + 1)
            except NotPublished:
                assert not holds
            else:
                assert [one for _, _, one in found] == holds


@given(st.data(), st.lists(seconds, min_size=1, max_size=6, unique=True))
@settings(max_examples=60, deadline=None)
def test_versions_over_any_span_meet_and_cover_it(
    data: st.DataObject, begins: list[int]
) -> None:
    begins.sort()
    begin = data.draw(st.integers(begins[0], HORIZON))
    end = data.draw(st.integers(begin + 1, HORIZON + 9))

    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            db = await opened(folder)
            async with db.transaction() as tx:
                for n, at in enumerate(begins):
                    one = a_full_tariff(at, price=n + 1)
                    await tariffs.publish(tx, one.document(), now=1)
                found = await tariffs.versions(tx, CODE, begin, end)
            edges = [part[0] for part in found] + [found[-1][1]]
            assert edges[0] == begin
            assert edges[-1] == end
            assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
            for start, _, one in found:
                assert one.valid_from == max(at for at in begins if at <= start)
            await db.close()

    in_a_world(story())


@dataclass
class World:
    """Two members, two meter points of one home, and what may happen to them."""

    members: tuple[MemberId, MemberId]
    points: tuple[int, int]

    async def do(self, tx: Transaction, what: tuple[str, int, int, int]) -> None:
        kind, who, where, at = what
        member, point = self.members[who], self.points[where]
        terms = {point: Terms(CODE)}
        match kind:
            case "in":
                await move_in(tx, Arrival(member, point, at, terms))
            case "out":
                await move_out(tx, point, at=at)
            case "begin":
                await store.begin(tx, NewSupply(member, point, Terms(CODE), at))
            case _:
                for one in await store.held_by(tx, point, at, at + 1):
                    if kind == "end":
                        await store.end(tx, one.id, at=at)
                    elif kind == "bill":
                        await store.billed(tx, [(one.id, max(at, one.billed_to))])
                    else:
                        await store.change(tx, one.id, Terms(CODE), at=at)


acts = st.tuples(
    st.sampled_from(["in", "out", "begin", "end", "change", "bill"]),
    st.integers(0, 1), st.integers(0, 1), seconds,
)  # fmt: skip


@given(st.lists(acts, max_size=20))
@settings(max_examples=80, deadline=None)
def test_however_people_move_each_is_supplied_in_his_own_time_alone(
    happened: Sequence[tuple[str, int, int, int]],
) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            db = await opened(folder)
            world = await _a_world(db)
            for what in happened:
                try:
                    async with db.transaction() as tx:
                        await world.do(tx, what)
                except (NotSupplied, Refused):
                    pass
                await _in_his_own_time(db)
            await db.close()

    in_a_world(story())


async def _a_world(db: Database) -> World:
    async with db.transaction() as tx:
        await tariffs.publish(tx, a_full_tariff(1).document(), now=1)
        ada = await identity.add_member(tx, "Ada", now=1)
        bo = await identity.add_member(tx, "Bo", now=1)
        house = await write.add_meter_point(tx, "House", now=1)
        tap = await write.add_meter_point(tx, "Tap", now=1, home_id=house)
    return World((ada, bo), (house, tap))


async def _in_his_own_time(db: Database) -> None:
    end = store.FOR_EVER
    async with db.reading() as tx:
        supplied = await store.supplies(tx, after=0, limit=999)
        held = await tx.rows(
            "SELECT member_id, meter_point_id, from_at, coalesce(to_at, ?) FROM tenancies",
            (end,),
        )
    for one in supplied:
        till = end if one.to_at is None else one.to_at
        assert one.from_at <= one.billed_to <= till
        assert any(
            (one.member, one.meter_point) == (member, point)
            and begin <= one.from_at
            and till <= stop
            for member, point, begin, stop in held
        ), one
        for other in supplied:
            apart = other.id == one.id or other.meter_point != one.meter_point
            later = end if other.to_at is None else other.to_at
            assert apart or till <= other.from_at or later <= one.from_at


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_are_more_than_refused_by_their_lines(data: bytes) -> None:
    for head in (b"", b"member,meter_point,home,from,to,tariff,rail,prepaid\n"):
        try:
            rows = read_sheet(head + data, NAIROBI)
        except SheetRefused as refused:
            lines = (head + data).count(b"\n") + (head + data).count(b"\r") + 1
            assert refused.faults
            assert all(1 <= one.line <= lines for one in refused.faults)
        else:
            assert all(row.line >= 2 for row in rows)


_CELL = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), max_size=20
)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_name_is_read_as_it_was_written(names: Sequence[tuple[str, str]]) -> None:
    quoted = [
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in names
    ]
    data = "\n".join(["member,meter_point", *quoted]).encode()
    found = [(row.member, row.meter_point) for row in read_sheet(data, NAIROBI)]
    assert found == [row for row in names if any(row)]
