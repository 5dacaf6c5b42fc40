"""Notices: what happened is told once to whom it concerns, until somebody took it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterseal_aggregator.billing.receivables.late import mark_overdue
from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.notices import outbox
from meterseal_aggregator.notices.duty import run_once
from meterseal_aggregator.notices.model import (
    Address,
    State,
    Undeliverable,
    Way,
)
from meterseal_aggregator.notices.pace import LONGEST_S, MAX_ATTEMPTS, pause_s
from meterseal_proto.errors import Unavailable
from tests.support.billed import DAY, a_household, corrected
from tests.support.migrated import open_migrated
from tests.support.pigeons import (
    ADA,
    EVERYTHING,
    LINK,
    NUMBER,
    Pigeons,
    Post,
    a_post,
    email,
)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as opened:
        yield opened


async def test_a_bill_is_told_once_by_every_way_its_member_wants(post: Post) -> None:
    await post.wish(email(), Address(Way.SMS, NUMBER))
    await post.bill()
    assert await post.run() == 4
    assert await post.run(after_s=9 * DAY) == 0
    mail, sms = sorted(post.pigeons.took, key=lambda one: one.address.way)
    assert (mail.address.to, sms.address.to) == (ADA, NUMBER)
    assert mail.subject == "Your bill B-1: XTS\u00a012.50"
    assert mail.body.endswith(f"\n\n{LINK}/bills/B-1")
    assert "B-1" in sms.short
    assert mail.id != sms.id
    assert await post.states() == [("bill-issued", "sent", 1)] * 2


async def test_what_happened_before_the_first_look_is_not_told(tmp_path: Path) -> None:
    db = await open_migrated(tmp_path / "late.sqlite")
    async with db.transaction() as tx:
        home = await a_household(tx)
    late = Post(db, home, Pigeons())
    await late.wish(email())
    await late.bill()
    assert await late.run() == 0
    await late.bill()
    await late.run()
    assert [one.subject.split(":")[0] for one in late.pigeons.took] == ["Your bill B-2"]
    await db.close()


async def test_who_gave_no_address_is_told_nothing(post: Post) -> None:
    await post.bill()
    assert await post.run() == 0
    assert await post.states() == []


async def test_a_member_is_told_in_his_language(post: Post) -> None:
    await post.wish(email(), language=Language.SW)
    await post.bill()
    await post.run()
    (mail,) = post.pigeons.took
    assert "Your bill" not in mail.subject
    assert "B-1" in mail.subject


async def test_a_bill_that_is_overdue_is_told_and_one_that_was_taken_back_is_not(
    post: Post,
) -> None:
    await post.wish(email())
    bill, other = await post.bill(), await post.bill(99)
    await post.run()
    post.now += 30 * DAY
    async with post.db.transaction() as tx:
        assert await mark_overdue(tx, now=post.now) == 2
        await corrected(tx, post.home, other, 50)
    await post.run()
    assert post.pigeons.took[-1].subject == "Bill B-1 is overdue"
    assert (await post.states())[2:] == [
        ("bill-overdue", "sent", 1),
        ("bill-overdue", "moot", 1),
    ]
    assert bill == 1


async def test_a_bill_that_asks_for_nothing_names_no_day(post: Post) -> None:
    await post.wish(email())
    await post.bill(-5_00)
    await post.run()
    (mail,) = post.pigeons.took
    assert "5.00" in mail.subject
    assert "there is nothing to pay" in mail.body
    assert mail.short.startswith("Your bill B-1: ")
    for text in (mail.subject, mail.body, mail.short):
        assert "due" not in text


async def test_a_trade_is_told_to_whom_it_pleases_without_its_energy(
    post: Post,
) -> None:
    body: dict[str, object] = {
        "id": 77, "state": "settled", "run": 1, "wh": 4_321, "delivered_wh": 1_234,
        "paid_micro": 310_000,
    }  # fmt: skip
    await post.wish(
        email(), Address(Way.WEBHOOK, "https://a.example", kinds=EVERYTHING)
    )
    await post.tell("trade", body)
    await post.tell("trade", {**body, "run": 2})
    await post.run()
    (letter,) = post.pigeons.took
    assert letter.address.way is Way.WEBHOOK
    assert letter.address.secret
    assert "77" in letter.short
    assert "0.31" in letter.short
    for text in (letter.subject, letter.body, letter.short):
        assert "4.321" not in text
        assert "1.234" not in text


async def test_a_decided_dispute_is_told_in_every_language(post: Post) -> None:
    for n, language in enumerate(Language, 1):
        await post.wish(email(), language=language)
        await post.tell("dispute", {"dispute": n, "state": "open"})
        await post.tell("dispute", {"dispute": n, "state": "part-upheld"})
        await post.run()
    subjects = [one.subject for one in post.pigeons.took]
    assert len(set(subjects)) == len(Language)
    assert subjects[0] == "Your dispute 1 is decided"
    first = post.pigeons.took[0]
    assert "its reasons are in your account" in first.body
    assert first.short.startswith("Your dispute 1 is decided")


async def test_what_fails_is_tried_again_later_with_the_same_id(post: Post) -> None:
    await post.wish(email())
    await post.bill()
    post.pigeons.trouble = Unavailable("nobody there")
    await post.run()
    assert await post.run(after_s=59) == 0
    post.pigeons.trouble = None
    assert await post.run(after_s=60) == 1
    assert len(set(post.pigeons.tries)) == 1
    assert len(post.pigeons.took) == 1
    assert await post.states() == [("bill-issued", "sent", 2)]


async def test_what_fails_to_the_end_is_given_up_with_an_alarm(post: Post) -> None:
    await post.wish(email())
    await post.bill()
    post.pigeons.trouble = Unavailable("no such user")
    with capture_logs() as logs:
        for _ in range(MAX_ATTEMPTS):
            assert not [one for one in logs if one["log_level"] == "error"]
            await post.run(after_s=2 * LONGEST_S)
    (alarm,) = [one for one in logs if one["log_level"] == "error"]
    assert alarm["event"] == "notice_given_up"
    assert ADA not in json.dumps(logs)
    assert await post.run(after_s=9 * DAY) == 0
    async with post.db.reading() as tx:
        (row,) = await outbox.notices(tx, after=0, limit=9, state=State.GIVEN_UP)
        assert (await outbox.counts(tx)).given_up == 1
    assert row.attempts == MAX_ATTEMPTS
    assert row.error == "no such user: ..."
    async with post.db.transaction() as tx:
        assert await outbox.again(tx, row.id, now=post.now)
        assert not await outbox.again(tx, 99, now=post.now)
    post.pigeons.trouble = None
    assert await post.run() == 1


async def test_what_is_refused_for_good_is_given_up_at_once(post: Post) -> None:
    await post.wish(email())
    await post.bill()
    post.pigeons.trouble = Undeliverable("no such user")
    await post.run()
    assert await post.states() == [("bill-issued", "given-up", 1)]


async def test_a_way_that_nobody_configured_is_given_up_and_says_so(post: Post) -> None:
    await post.wish(email())
    await post.bill()
    await run_once(post.db, post.mailroom(frozenset()), post.now)
    async with post.db.reading() as tx:
        (row,) = await outbox.notices(tx, after=0, limit=9)
    assert "configured" in row.error


async def test_a_process_that_dies_while_it_sends_sends_again_and_knows_it(
    post: Post,
) -> None:
    await post.wish(email())
    await post.bill()
    post.pigeons.trouble = RuntimeError("the power failed")
    with pytest.raises(RuntimeError):
        await post.run()
    assert await post.states() == [("bill-issued", "waiting", 1)]
    post.pigeons.trouble = None
    assert await post.run(after_s=120) == 1
    assert len(set(post.pigeons.tries)) == 1


async def test_who_was_erased_meanwhile_is_told_nothing_and_leaves_no_address(
    post: Post,
) -> None:
    await post.wish(email(), Address(Way.SMS, NUMBER))
    await post.bill()
    post.pigeons.trouble = Unavailable("busy")
    await post.run()
    async with post.db.transaction() as tx:
        for table in ("notice_addresses", "notice_languages"):
            await tx.rows(f"DELETE FROM {table}")  # noqa: S608 - as erasure does
        dump = [
            await tx.rows(f"SELECT * FROM {table}")  # noqa: S608 - our own names
            for table in ("notices", "notice_addresses", "notice_languages")
        ]
    assert ADA not in repr(dump)
    assert NUMBER not in repr(dump)
    post.pigeons.trouble = None
    await post.run(after_s=DAY)
    assert post.pigeons.took == []
    assert {state for _, state, _ in await post.states()} == {"moot"}


def test_pauses_grow_to_a_bound_and_differ_from_notice_to_notice() -> None:
    for attempts in range(1, MAX_ATTEMPTS + 1):
        pauses = {pause_s(attempts, n) for n in range(1, 50)}
        base = min(LONGEST_S, 60 << (attempts - 1))
        assert min(pauses) >= base
        assert max(pauses) <= base * 6 // 5
        assert len(pauses) > 5
    assert sum(pause_s(n, 1) for n in range(1, MAX_ATTEMPTS)) > 24 * 3_600
