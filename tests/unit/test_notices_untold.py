"""What no letter says: another's bill, one that was taken back, a credit note, a thing twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.receivables.late import mark_overdue
from meterseal_aggregator.billing.statements.store import bills_by_id
from meterseal_aggregator.notices import outbox
from meterseal_aggregator.notices.gather import LOOK_S, MAX_SILENT
from meterseal_aggregator.notices.model import State
from meterseal_aggregator.notices.outbox import Ending
from tests.support.billed import DAY, a_household, billed, corrected, disputed
from tests.support.marketplace import NOW
from tests.support.pigeons import EVERYTHING, Post, a_post, email


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as opened:
        await opened.wish(email(EVERYTHING))
        yield opened


async def test_a_bill_of_somebody_else_is_not_told(post: Post) -> None:
    async with post.db.transaction() as tx:
        ben = await a_household(tx, "Ben")
        bill = await billed(tx, ben, 900)
        number = (await bills_by_id(tx, [bill]))[bill].number
    await post.tell("bill", {"number": number, "kind": "bill"})
    await post.run()
    assert post.pigeons.took == []
    assert await post.states() == [("bill-issued", "moot", 1)]


async def test_a_bill_that_was_taken_back_before_its_letter_went_is_not_told(
    post: Post,
) -> None:
    bill = await post.bill()
    async with post.db.transaction() as tx:
        await corrected(tx, post.home, bill, 50)
    await post.run()
    assert post.pigeons.took == []
    assert await post.states() == [("bill-issued", "moot", 1)]


async def test_a_credit_note_is_no_letter_and_stops_no_other(post: Post) -> None:
    await post.tell("bill", {"number": "B-9", "kind": "credit-note"})
    await post.bill()
    await post.run()
    assert await post.states() == [("bill-issued", "sent", 1)]


async def test_who_disputes_all_that_is_overdue_is_not_reminded_of_it(
    post: Post,
) -> None:
    bill = await post.bill(900)
    await post.run()
    post.now += 30 * DAY
    async with post.db.transaction() as tx:
        assert await mark_overdue(tx, now=post.now) == 1
        await disputed(tx, bill, 900)
    await post.run()
    assert (await post.states())[1:] == [("bill-overdue", "moot", 1)]
    assert len(post.pigeons.took) == 1


async def test_a_later_run_of_a_trade_is_not_told_by_itself(post: Post) -> None:
    body: dict[str, object] = {
        "id": 7, "state": "settled", "run": 3, "wh": 400, "paid_micro": 10_000,
    }  # fmt: skip
    await post.tell("trade", body)
    assert await post.run() == 0
    assert await post.states() == []


async def test_events_whose_numbers_come_again_after_an_erasure_are_told(
    post: Post,
) -> None:
    for _ in range(3):
        await post.bill()
    await post.run()
    async with post.db.transaction() as tx:
        await tx.rows("UPDATE notices SET event_id = NULL")
        await tx.rows("DELETE FROM member_events")
    await post.run()
    await post.bill()
    await post.run()
    assert len(post.pigeons.took) == 4


async def test_a_notice_ends_once(post: Post) -> None:
    await post.bill()
    await post.run()
    async with post.db.transaction() as tx:
        (sent,) = await outbox.notices(tx, after=0, limit=9)
        late = Ending(sent.id, State.GIVEN_UP, "nobody answered")
        await outbox.settle(tx, [late], now=post.now + 1)
        assert await outbox.notices(tx, after=0, limit=9) == [sent]


async def test_of_many_agents_that_fall_silent_together_each_is_told_of(
    post: Post,
) -> None:
    many = MAX_SILENT + 5
    async with post.db.transaction() as tx:
        ((first,),) = await tx.rows("SELECT coalesce(max(id), 0) + 1 FROM meters")
        await tx.many(
            "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, ?, 'p', ?, ?)",
            [
                (n, n.to_bytes(16), f"S{n}", f"agent-{n}", NOW - many + n)
                for n in range(first, first + many)
            ],
        )
        await tx.many(
            "INSERT INTO registers (meter_id, register, step, capacity_w, initial_value,"
            " initial_at, enrolment_hash) VALUES (?, 1, 900, 9000, 0, 0, ?)",
            [(n, n.to_bytes(32)) for n in range(first, first + many)],
        )
    await post.run(after_s=27 * 3_600)
    for _ in range(3):
        await post.run(after_s=LOOK_S)
    async with post.db.reading() as tx:
        told = await outbox.notices(tx, after=0, limit=1_000)
    assert len({one.about for one in told}) == many
