"""An operator's edit of an export takes back what was credited beyond it, and mints nothing."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from meterseal_aggregator.credits import mint as minting
from meterseal_aggregator.credits import reversals
from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.accounts import REVERSED, debt, producer
from meterseal_aggregator.ledger.model import WH, AccountCode, TransferId
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days
from meterseal_aggregator.vee.days import usage
from meterseal_proto.intervals import Interval
from tests.support.books import LATER, NETWORK, audit, held, mint, open_books, well
from tests.support.edits import edit_span
from tests.support.street import BEGIN, STEP, Home, settle_in

MEASURED = AccountCode(f"meter:{(1).to_bytes(16).hex()}:measured")


@dataclass
class Books:
    """One home, its credits, and an operator."""

    database: Database
    home: Home

    async def tell(self, *wh: int) -> None:
        async with self.database.transaction() as tx:
            await self.home.tell(tx, *wh)

    async def edit(self, first: int, slots: int, wh: int) -> None:
        """Say what so many slots from that number on exported together."""
        span = BEGIN + first * STEP, BEGIN + (first + slots) * STEP
        await edit_span(self.database, self.home.meter, span, wh, now=LATER)

    async def spend(self, wh: int) -> None:
        async with self.database.transaction() as tx:
            wish = Retirement(
                TransferId(bytes(32)),
                producer(1),
                "member-2",
                Interval(BEGIN, STEP),
                wh,
            )
            assert (await retire(tx, wish, now=LATER)).entered

    async def stands(self) -> tuple[int, int, int, int]:
        """Mint; return what the producer holds, owes, what was reversed and minted."""
        await mint(self.database)
        assert await well(self.database)
        codes = [producer(1), debt(1), REVERSED, MEASURED]
        async with self.database.reading() as tx:
            found = await store.balances(tx, WH, codes)
        owes = found[debt(1)].owed if debt(1) in found else 0
        back = found[REVERSED].held if REVERSED in found else 0
        return found[producer(1)].held, owes, back, found[MEASURED].debits_posted


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    async with open_books(tmp_path / "aggregator.sqlite") as database:
        yield Books(database, await settle_in(database, 1))


async def test_an_edit_downwards_burns_what_is_held_and_the_rest_is_owed(
    books: Books,
) -> None:
    await books.tell(100, 50)
    assert await books.stands() == (150, 0, 0, 150)
    await books.edit(0, 1, 70)
    assert await books.stands() == (120, 0, 30, 150)
    await books.spend(110)
    await books.edit(0, 1, 40)
    assert await books.stands() == (0, 20, 60, 150)
    await books.tell(25)
    assert await books.stands() == (5, 0, 60, 175)


async def test_an_edit_upwards_posts_nothing(books: Books) -> None:
    await books.tell(100)
    await books.stands()
    await books.edit(0, 1, 900)
    assert await books.stands() == (100, 0, 0, 100)
    assert await rows(books) == []


async def test_a_later_edit_gives_back_at_most_what_the_device_sealed_and_mints_none(
    books: Books,
) -> None:
    await books.tell(100)
    await books.stands()
    await books.edit(0, 1, 0)
    assert await books.stands() == (0, 0, 100, 100)
    await books.edit(0, 1, 60)
    assert await books.stands() == (60, 0, 40, 100)
    await books.edit(0, 1, 500)
    assert await books.stands() == (100, 0, 0, 100)
    assert [row[3] for row in await rows(books)] == [-100, 60, 40]


async def test_what_is_given_back_pays_the_debt_it_made_first(books: Books) -> None:
    await books.tell(100)
    await books.stands()
    await books.spend(80)
    await books.edit(0, 1, 10)
    assert await books.stands() == (0, 70, 90, 100)
    await books.edit(0, 1, 90)
    assert await books.stands() == (10, 0, 10, 100)


async def test_a_span_is_spread_over_its_slots_as_packed_days_spread_it(
    books: Books,
) -> None:
    await books.tell(*[100] * 7)
    await books.stands()
    await books.edit(0, 7, 205)
    assert await books.stands() == (205, 0, 495, 700)
    while await days.run_once(books.database, LATER):
        pass
    async with books.database.reading() as tx:
        packed = (await usage(tx, [1], BEGIN, BEGIN + 7 * STEP, known_at=LATER))[1]
    taken = {row[0]: row[3] for row in await rows(books)}
    for k, wh in enumerate(packed.deltas):
        assert 100 + taken[BEGIN + k * STEP] == wh


async def test_of_many_edits_over_a_slot_the_last_holds_whenever_they_are_followed(
    books: Books,
) -> None:
    await books.tell(100, 100, 100)
    await books.stands()
    await books.edit(0, 3, 30)
    await books.edit(1, 1, 80)
    await books.edit(1, 2, 20)
    assert await books.stands() == (30, 0, 270, 300)


async def test_a_slot_that_was_edited_before_it_was_final_is_minted_and_taken_back(
    books: Books,
) -> None:
    await books.edit(0, 2, 60)
    await mint(books.database)
    assert await rows(books) == []
    await books.tell(100, 20)
    assert await books.stands() == (50, 0, 70, 120)


async def test_a_seal_after_an_edit_leaves_what_the_edit_says(books: Books) -> None:
    await books.tell(100)
    await books.stands()
    await books.edit(0, 1, 60)
    for revision, wh, worth in ((1, 80, 60), (2, 30, 30), (3, 500, 60)):
        async with books.database.transaction() as tx:
            await books.home.revise(tx, BEGIN, wh, revision=revision)
        assert (await books.stands())[0] == worth


async def test_a_slot_that_was_told_twice_since_can_still_be_taken_back(
    books: Books,
) -> None:
    await books.tell(100)
    await books.stands()
    async with books.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO equivocations (register_id, hash, from_at, to_at, seq,"
            " received_at) VALUES (1, ?, ?, ?, 1, ?)",
            (bytes(32), BEGIN, BEGIN + STEP, LATER),
        )
    await books.edit(0, 1, 10)
    assert (await books.stands())[0] == 10


async def test_a_long_edit_is_followed_in_parts(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reversals, "BATCH", 2)
    await books.tell(*[10] * 5)
    await books.stands()
    await books.edit(0, 5, 5)
    async with books.database.transaction() as tx:
        assert await minting.run_batch(tx, NETWORK, LATER)
    assert await held(books.database, producer(1)) == 32
    assert await well(books.database)
    assert await books.stands() == (5, 0, 45, 50)


async def test_an_edit_of_a_register_that_never_mints_takes_nothing(
    books: Books,
) -> None:
    await books.edit(0, 5, 5)
    async with books.database.transaction() as tx:
        assert await minting.run_batch(tx, NETWORK, LATER) == 1
        assert await minting.run_batch(tx, NETWORK, LATER) == 0
    assert await rows(books) == []


async def test_the_audit_sees_an_edit_that_took_nothing_and_one_that_took_too_much(
    books: Books, tmp_path: Path
) -> None:
    await books.tell(100)
    await books.stands()
    await books.edit(0, 1, 40)
    async with books.database.transaction() as tx:
        await tx.rows("UPDATE edits_followed SET value_id = 1")
    bad = [one.detail for one in await audit(books.database) if not one.ok]
    assert bad == [
        f"register 1, slot {BEGIN}: edits did not take what is beyond the last one"
    ]
    async with books.database.transaction() as tx:
        await reversals.follow(tx, [(1, BEGIN)], now=LATER)
    assert await well(books.database)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    row = "INSERT INTO edit_reversals SELECT register_id, start, value_id, {}, mint_id, {}, 0"
    for forbidden in (
        "UPDATE edit_reversals SET posted_wh = -1",
        "DELETE FROM edit_reversals",
        "UPDATE edits_followed SET value_id = 0",
        f"{row.format(1, 5)} FROM edit_reversals",
        f"{row.format(0, 5)} FROM edit_reversals",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(forbidden)
    raw.execute("DROP TRIGGER edit_reversals_are_never_changed")
    raw.execute("UPDATE edit_reversals SET posted_wh = -61")
    raw.commit()
    raw.close()
    assert len([one for one in await audit(books.database) if not one.ok]) == 2


async def rows(books: Books) -> list[tuple[int, int, int, int]]:
    """Return (start, edit, revision, Wh) of what edits posted."""
    async with books.database.reading() as tx:
        found = await tx.rows(
            "SELECT start, value_id, revision, posted_wh FROM edit_reversals"
            " ORDER BY start, value_id"
        )
    return [(row[0], row[1], row[2], row[3]) for row in found]
